//! The policies as files, and an API server in memory that fills in defaults.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::Map;
use tower::service_fn;

use super::*;

fn names() -> Names {
    Names {
        operator_user: "system:serviceaccount:pimpernel-system:scarlet".into(),
        operator_namespace: "pimpernel-system".into(),
        sessions_namespace: "pimpernel-sessions".into(),
    }
}

fn configuration() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "pimpernel.dev"},
        "webhooks": [
            {"name": "a.pimpernel.dev", "clientConfig": {"url": "https://127.0.0.1:9443/a"}, "timeoutSeconds": 5},
            {"name": "b.pimpernel.dev", "clientConfig": {"url": "https://127.0.0.1:9443/b"}, "timeoutSeconds": 5},
        ],
    })
}

/// Objects by path, and how often one was written.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(Map<String, Value>, usize)>>);

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let (code, answer) = server.answer(&parts.method, parts.uri.path(), &body);
                let answer = Body::from(serde_json::to_vec(&answer)?);
                Ok::<_, tower::BoxError>(Response::builder().status(code).body(answer)?)
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
        let (objects, written) = &mut *self.0.lock().unwrap();
        if *method == Method::PATCH {
            let mut object: Value = serde_json::from_slice(body).unwrap();
            *written += 1;
            object["metadata"]["resourceVersion"] = json!(written.to_string());
            for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
                webhook["matchPolicy"] = json!("Equivalent");
            }
            objects.insert(path.to_owned(), object);
        }
        let missing = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
        objects.get(path).map_or((StatusCode::NOT_FOUND, missing), |object| {
            (StatusCode::OK, object.clone())
        })
    }

    fn written(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

#[tokio::test]
async fn a_second_start_writes_nothing() {
    let server = Server::default();
    let mut desired = policies(&names()).unwrap();
    desired.push(with_bundle(configuration(), "the bundle"));
    assert_eq!(apply(&server.client(), &desired).await.unwrap(), 2 * POLICIES.len() + 1);
    assert_eq!(apply(&server.client(), &desired).await.unwrap(), 0);
    assert_eq!(server.written(), 2 * POLICIES.len() + 1);
}

#[tokio::test]
async fn only_what_differs_is_written() {
    let server = Server::default();
    let mut desired = policies(&names()).unwrap();
    desired.push(with_bundle(configuration(), "the old bundle"));
    apply(&server.client(), &desired).await.unwrap();
    *desired.last_mut().unwrap() = with_bundle(configuration(), "the new bundle");
    assert_eq!(apply(&server.client(), &desired).await.unwrap(), 1);
}

#[tokio::test]
async fn a_field_that_is_no_longer_wanted_is_noticed() {
    let server = Server::default();
    let mut selective = configuration();
    selective["webhooks"][0]["namespaceSelector"] = json!({"matchLabels": {"pimpernel.dev/tenant": "yes"}});
    apply(&server.client(), &[selective]).await.unwrap();
    assert_eq!(apply(&server.client(), &[configuration()]).await.unwrap(), 1);
}

#[tokio::test]
async fn what_somebody_else_changed_is_put_right() {
    let server = Server::default();
    apply(&server.client(), &[configuration()]).await.unwrap();
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/pimpernel.dev";
    server.0.lock().unwrap().0[path]["webhooks"][1]["timeoutSeconds"] = json!(30);
    assert_eq!(apply(&server.client(), &[configuration()]).await.unwrap(), 1);
}

const CONFIGURATIONS: [&str; 2] = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];

fn path(resource: &str) -> String {
    format!("/apis/admissionregistration.k8s.io/v1/{resource}/{NAME}")
}

/// An API server with the configurations of the chart, which trust nobody.
fn with_chart() -> Server {
    let server = Server::default();
    for resource in CONFIGURATIONS {
        server.0.lock().unwrap().0.insert(path(resource), configuration());
    }
    server
}

#[tokio::test]
async fn of_what_the_chart_registers_the_trust_alone_is_written_and_once() {
    let server = with_chart();
    assert_eq!(trust(&server.client(), "the bundle").await.unwrap(), 2);
    for resource in CONFIGURATIONS {
        let written = server.0.lock().unwrap().0[&path(resource)].clone();
        for (webhook, name) in written["webhooks"].as_array().unwrap().iter().zip(["a", "b"]) {
            assert_eq!(webhook["name"], format!("{name}.pimpernel.dev"));
            assert_eq!(webhook["clientConfig"], json!({"caBundle": "dGhlIGJ1bmRsZQ=="}));
            assert_eq!(webhook.get("timeoutSeconds"), None, "it is the chart's to say");
        }
    }
    assert_eq!(trust(&server.client(), "the bundle").await.unwrap(), 0);
    assert_eq!(trust(&server.client(), "the next bundle").await.unwrap(), 2);
    assert_eq!(server.written(), 4);
}

#[tokio::test]
async fn what_the_chart_has_not_made_is_not_made_and_said() {
    let server = with_chart();
    server.0.lock().unwrap().0.remove(&path(CONFIGURATIONS[1]));
    let refused = trust(&server.client(), "the bundle").await.unwrap_err().to_string();
    assert!(
        refused.starts_with("there is no ValidatingWebhookConfiguration `pimpernel`"),
        "{refused}"
    );
    assert_eq!(server.0.lock().unwrap().0.len(), 1);
}

#[tokio::test]
async fn an_object_of_another_kind_is_refused() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}});
    let refused = apply(&Server::default().client(), &[secret]).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "an object of kind `Secret` is not for registration"
    );
}

#[test]
fn every_webhook_gets_the_bundle_in_base64() {
    let configuration = with_bundle(configuration(), "scarlet");
    for webhook in configuration["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["clientConfig"]["caBundle"], "c2NhcmxldA==");
    }
}

#[test]
fn desired_is_covered_by_more_but_not_by_less_or_other() {
    let observed = json!({"a": 1, "list": [{"x": 1, "defaulted": true}], "other": "y"});
    for (desired, covered) in [
        (json!({}), true),
        (json!({"a": 1}), true),
        (json!({"list": [{"x": 1}]}), true),
        (json!({"a": 2}), false),
        (json!({"b": 1}), false),
        (json!({"list": []}), false),
        (json!({"list": [{"x": 1}, {"x": 1}]}), false),
        (json!({"list": [{"x": 2}]}), false),
        (json!({"other": ["y"]}), false),
    ] {
        assert_eq!(covers(&observed, &desired), covered, "{desired}");
    }
}

#[test]
fn every_file_in_policies_is_embedded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let embedded: Vec<_> = POLICIES.iter().map(|(name, _)| format!("{name}.yaml")).collect();
    assert_eq!(files, embedded);
}

#[test]
fn policies_are_complete_and_bound_by_their_own_name() {
    let objects = policies(&names()).unwrap();
    assert_eq!(objects.len(), 2 * POLICIES.len());
    for (pair, (file, _)) in objects.chunks(2).zip(POLICIES) {
        let (policy, binding) = (&pair[0], &pair[1]);
        let name = format!("{file}.pimpernel.dev");
        assert_eq!(policy["metadata"]["name"], name.as_str());
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
        assert_eq!(policy["spec"]["matchConstraints"]["matchPolicy"], "Equivalent");
        assert_eq!(binding["spec"]["policyName"], name.as_str());
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny", "Audit"]));
    }
}

#[test]
fn messages_name_a_field_and_never_say_immutable() {
    for policy in policies(&names()).unwrap() {
        for validation in policy["spec"]["validations"].as_array().into_iter().flatten() {
            let message = validation["messageExpression"].as_str().unwrap();
            let field = message.trim_start_matches('\'').split(':').next().unwrap();
            assert!(
                ["metadata.", "spec.", "status"].iter().any(|at| field.starts_with(at)),
                "{message}"
            );
            let after = message.split_once(": ").unwrap().1;
            assert!(after.contains('`') && after.contains([';', ':']), "{message}");
            assert!(!message.contains("immutable"), "{message}");
        }
    }
}

#[test]
fn a_name_that_could_end_a_string_is_refused() {
    for name in ["", "o'brien", "a\nb", "${OPERATOR_NAMESPACE}", "a b"] {
        let refused = policies(&Names {
            operator_user: name.into(),
            ..names()
        })
        .unwrap_err();
        assert!(matches!(refused, Error::Name(_)), "{name}");
    }
    policies(&Names {
        operator_user: "scarlet@lsp.example".into(),
        ..names()
    })
    .unwrap();
}
