//! The webhook as the API server meets it, without a port: an AdmissionReview goes in, the answer comes out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[path = "webhook/doors.rs"]
mod doors;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response, StatusCode};
use pimpernel::api::{PermissionCatalogSpec, RoleSpec, TenantSpec};
use pimpernel::artifacts::CATALOGS;
use pimpernel::controllers::clock::ServerClock;
use pimpernel::controllers::witness::Witness;
use pimpernel::policy::default_roles::Received;
use pimpernel::policy::history::Employees;
use pimpernel::policy::ledger::Noted;
use pimpernel::policy::{Change, Directory, Entry, Meta, Name, Settings, catalog, role, tenant};
use pimpernel::telemetry::Metrics;
use pimpernel::webhook::configuration::{ADOPTION_PATH, BOUNDED_PATH, PATH};
use pimpernel::webhook::review::{Reviewer, router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer, ServiceExt, service_fn};

fn settings() -> Settings {
    Settings {
        operator_namespace: "pimpernel-system".into(),
        sessions_namespace: "pimpernel-sessions".into(),
        impersonation: true,
    }
}

fn meta(uid: &str) -> Meta {
    Meta {
        uid: uid.into(),
        generation: 1,
        created: "2026-11-01T00:00:00Z".parse().unwrap(),
        deleting: false,
        ended: None,
        received: Received::new(),
    }
}

fn spec<S: DeserializeOwned>(spec: Value) -> S {
    serde_json::from_value(spec).unwrap()
}

/// LSP Paris with ACD and one role.
fn paris() -> Directory {
    let mut directory = Directory::new(settings());
    for (name, text) in CATALOGS {
        let wire: Value = serde_yaml::from_str(text).unwrap();
        let wire: PermissionCatalogSpec = spec(wire["spec"].clone());
        let entry = Entry {
            meta: meta(name),
            spec: catalog::parse(name, &wire),
        };
        directory.fold(Change::Catalog(Name::new("", *name), Some(entry)));
    }
    let name = Name::tenant("lsp-paris");
    let wire: TenantSpec =
        spec(json!({"displayName": "LSP Paris", "type": "Provider", "state": "Active", "applications": ["acd"]}));
    let entry = Entry {
        meta: meta("paris"),
        spec: tenant::parse(&name, &wire, &settings()),
    };
    directory.fold(Change::Tenant(name, Some(entry)));
    let wire: RoleSpec = spec(json!({"displayName": "Team Lead", "state": "Active"}));
    let entry = Entry {
        meta: meta("lead"),
        spec: role::parse(&wire),
    };
    directory.fold(Change::Role(Name::new("lsp-paris", "team-lead"), Some(entry)));
    directory
}

/// A clock that has heard one answer of an API server.
async fn clock() -> ServerClock {
    let clock = ServerClock::new();
    let server = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(
            Response::builder()
                .header("date", "Mon, 23 Nov 2026 12:00:00 GMT")
                .body(Body::empty())
                .unwrap(),
        )
    });
    clock.layer(server).oneshot(Request::new(Body::empty())).await.unwrap();
    clock
}

fn witness() -> Arc<Witness> {
    let witness = Witness::new("pimpernel-operator", Employees::Sessions);
    witness.know(&[7; 32], None);
    Arc::new(witness)
}

async fn webhook(directory: Option<Directory>) -> Router {
    let directory = directory.map(Arc::new);
    router(Reviewer {
        directory: Arc::new(move || directory.clone()),
        clock: clock().await,
        witness: witness(),
        metrics: Metrics::new(),
    })
}

fn review(kind: &str, operation: &str, (object, old): (Value, Value)) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "a-request",
        "kind": {"group": "pimpernel.dev", "version": "v1alpha1", "kind": kind},
        "resource": {"group": "pimpernel.dev", "version": "v1alpha1", "resource": plural},
        "name": "evaluator", "namespace": "lsp-paris", "operation": operation,
        "userInfo": {"username": "percy@classics.example"},
        "object": object, "oldObject": old,
    }})
}

fn role_object(spec: &Value) -> Value {
    json!({"apiVersion": "pimpernel.dev/v1alpha1", "kind": "Role",
        "metadata": {"name": "evaluator", "namespace": "lsp-paris"}, "spec": spec})
}

async fn post(webhook: Router, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let answer = webhook
        .oneshot(Request::post(path).body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let status = answer.status();
    (status, to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec())
}

async fn ask(webhook: Router, path: &str, review: &Value) -> Value {
    let (status, body) = post(webhook, path, serde_json::to_vec(review).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["response"]["uid"], "a-request");
    answer["response"].clone()
}

#[tokio::test]
async fn what_breaks_no_rule_is_allowed_with_what_the_writer_should_know() {
    let object = role_object(
        &json!({"displayName": "Evaluator", "permissions": [{"application": "acd", "permission": "skills", "actions": ["Edit"]}]}),
    );
    let answer = ask(
        webhook(Some(paris())).await,
        PATH,
        &review("Role", "CREATE", (object, Value::Null)),
    )
    .await;
    assert_eq!(answer["allowed"], true);
    assert_eq!(
        answer["warnings"],
        json!(["also granted, because it is implied: `acd/skills:View`"])
    );
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once_with_fields_for_programs() {
    let object = role_object(
        &json!({"displayName": "TEAM LEAD", "permissions": [{"application": "acd", "permission": "skils", "actions": ["Edit"]}]}),
    );
    let answer = ask(
        webhook(Some(paris())).await,
        PATH,
        &review("Role", "CREATE", (object, Value::Null)),
    )
    .await;
    let status = &answer["status"];
    assert_eq!(
        (&answer["allowed"], &status["code"], &status["reason"]),
        (&json!(false), &json!(422), &json!("Invalid"))
    );
    let causes: Vec<(&Value, &Value)> = status["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| (&cause["reason"], &cause["field"]))
        .collect();
    assert_eq!(
        causes,
        [
            (&json!("NameTaken"), &json!("spec.displayName")),
            (&json!("UnknownPermission"), &json!("spec.permissions[0].permission")),
        ]
    );
    assert_eq!(status["message"].as_str().unwrap().lines().count(), 2);
    assert_eq!(status["details"]["name"], "evaluator");
    assert_eq!(
        answer["auditAnnotations"],
        json!({"refused": "NameTaken spec.displayName, UnknownPermission spec.permissions[0].permission"})
    );
}

#[tokio::test]
async fn r16_the_same_role_is_judged_by_the_door_through_which_its_writer_comes() {
    let object = role_object(
        &json!({"displayName": "Evaluator", "permissions": [{"application": "acd", "permission": "skills", "actions": ["View"]}]}),
    );
    let asked = review("Role", "CREATE", (object, Value::Null));
    let free = ask(webhook(Some(paris())).await, PATH, &asked).await;
    assert_eq!(free["allowed"], true);
    let bounded = ask(webhook(Some(paris())).await, BOUNDED_PATH, &asked).await;
    assert_eq!(
        (&bounded["allowed"], &bounded["status"]["code"]),
        (&json!(false), &json!(403))
    );
    assert_eq!(bounded["status"]["details"]["causes"][0]["reason"], "ExceedsCeiling");
}

#[tokio::test]
async fn t8_a_deletion_is_judged_by_what_is_stored() {
    let directory = doors::lyon(paris(), "lsp-paris");
    let old = json!({"apiVersion": "pimpernel.dev/v1alpha1", "kind": "Tenant",
        "metadata": {"name": "lsp-paris", "namespace": "lsp-paris"}, "spec": {"displayName": "LSP Paris", "type": "Provider"}});
    let mut asked = review("Tenant", "DELETE", (Value::Null, old));
    asked["request"]["name"] = json!("lsp-paris");
    let answer = ask(webhook(Some(directory)).await, PATH, &asked).await;
    assert_eq!(answer["allowed"], false);
    assert!(
        answer["status"]["message"].as_str().unwrap().contains("`lsp-lyon`"),
        "{answer}"
    );
}

#[tokio::test]
async fn v8_while_not_everything_is_known_everything_is_refused_for_the_moment() {
    let object = role_object(&json!({"displayName": "Evaluator"}));
    let answer = ask(
        webhook(None).await,
        PATH,
        &review("Role", "CREATE", (object, Value::Null)),
    )
    .await;
    assert_eq!(
        (&answer["allowed"], &answer["status"]["code"]),
        (&json!(false), &json!(503))
    );
    assert!(
        answer["status"]["message"].as_str().unwrap().contains("try again"),
        "{answer}"
    );
}

#[tokio::test]
async fn v11_a_spec_that_cannot_be_read_is_refused_and_what_mends_it_is_not() {
    let broken = role_object(&json!({"displayName": 7}));
    let answer = ask(
        webhook(Some(paris())).await,
        PATH,
        &review("Role", "CREATE", (broken.clone(), Value::Null)),
    )
    .await;
    assert_eq!(answer["status"]["details"]["causes"][0]["reason"], "InvalidSpec");
    let mended = role_object(&json!({"displayName": "Evaluator"}));
    let answer = ask(
        webhook(Some(paris())).await,
        PATH,
        &review("Role", "UPDATE", (mended, broken)),
    )
    .await;
    assert_eq!(answer["allowed"], true);
}

#[tokio::test]
async fn a_kind_that_has_no_rules_here_is_refused_rather_than_waved_through() {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    let answer = ask(
        webhook(Some(paris())).await,
        PATH,
        &review("Secret", "CREATE", (object, Value::Null)),
    )
    .await;
    assert_eq!(answer["allowed"], false);
}

#[tokio::test]
async fn garbage_is_answered_as_such() {
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"{\"request\": 1}",
        b"\xff\xfe",
        b"{\"apiVersion\":\"v1\",\"kind\":\"AdmissionReview\"}",
    ] {
        let (status, _) = post(webhook(Some(paris())).await, PATH, body.to_vec()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}", String::from_utf8_lossy(body));
    }
    let deep = "[".repeat(100_000).into_bytes();
    assert_eq!(
        post(webhook(Some(paris())).await, PATH, deep).await.0,
        StatusCode::BAD_REQUEST
    );
    let huge = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(
        post(webhook(Some(paris())).await, PATH, huge).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        post(webhook(Some(paris())).await, "/elsewhere", vec![]).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_send_what_it_announced_is_not_waited_for() {
    let never = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, Infallible>>());
    let request = Request::post(PATH).body(never).unwrap();
    let answer = webhook(Some(paris())).await.oneshot(request);
    let answer = tokio::time::timeout(std::time::Duration::from_mins(1), answer).await;
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn of_very_much_that_is_wrong_the_first_is_told_and_how_much_more_there_is() {
    let line = |i| json!({"application": "acd", "permission": "skills", "actions": [format!("fly-{i}")]});
    let lines: Vec<Value> = (0..500).map(line).collect();
    let object = role_object(&json!({"displayName": "Evaluator", "permissions": lines}));
    let answer = ask(
        webhook(Some(paris())).await,
        PATH,
        &review("Role", "CREATE", (object, Value::Null)),
    )
    .await;
    let message = answer["status"]["message"].as_str().unwrap();
    assert_eq!(message.lines().count(), 21, "{message}");
    assert!(message.ends_with("and 480 more"), "{message}");
    let causes = answer["status"]["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 21, "kubectl shows nothing else");
    assert_eq!(causes[20], json!({"field": "spec", "message": "and 480 more"}));
}
