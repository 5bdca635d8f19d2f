//! R13, I13: each change is on record once, with who made it, whoever writes and whatever gets in the way.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::common::World;
use crate::common::cast::{MARGUERITE, Stage};
use crate::common::rest::object;
use crate::common::session::Session;

#[path = "history/at_once.rs"]
mod at_once;
#[path = "history/heirs.rs"]
mod heirs;
#[path = "history/hindered.rs"]
mod hindered;
#[path = "history/killed.rs"]
mod killed;
#[path = "history/no_space.rs"]
mod no_space;
#[path = "history/retention.rs"]
mod retention;

const NIGHT: &str = "Role lsp-paris/night";
const PENDING: &str = "pimpernel.dev/pending-changes";
const FINALIZER: &str = "pimpernel.dev/history";

/// What is on record of the objects of a name, in the order of their generations, once nothing waits any more.
pub async fn on_record(stage: &Stage, which: &str) -> Result<Vec<Value>> {
    let settled = |object: Option<&Value>| {
        let waits = object.is_some_and(|object| object["metadata"]["annotations"].get(PENDING).is_some());
        (!waits).then_some(())
    };
    stage.admin.await_object(which, settled).await.context("changes wait")?;
    recorded(stage, which).await
}

async fn recorded(stage: &Stage, which: &str) -> Result<Vec<Value>> {
    let (kind, name) = which.split_once(' ').context("KIND NAME")?;
    let (namespace, name) = name.split_once('/').context("NAMESPACE/NAME")?;
    let query = format!("?fieldSelector=spec.subject.kind%3D{kind},spec.subject.name%3D{name}");
    let mut records = stage.admin.list("ChangeRecord", namespace, &query).await?;
    records.sort_by_key(|record| record["spec"]["generation"].as_i64());
    Ok(records.into_iter().map(|record| record["spec"].clone()).collect())
}

/// The changes of a record, one a line.
pub fn told(record: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    let changes = record["changes"].as_array().into_iter().flatten();
    changes
        .map(|change| {
            let (path, from, to) = (text(&change["path"]), text(&change["from"]), text(&change["to"]));
            format!("{path}: {from} → {to}")
        })
        .collect()
}

/// What became of the description of a role, by all of its records.
pub fn descriptions(records: &[Value]) -> Vec<String> {
    let lines = records.iter().flat_map(told);
    lines.filter(|line| line.starts_with("spec.description")).collect()
}

/// Who the administrator is.
async fn whoami(stage: &Stage) -> Result<Value> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = stage
        .admin
        .send("POST", path, Some(("application/json", &review)))
        .await?;
    Ok(answer.object()?["status"]["userInfo"]["username"].clone())
}

fn night(description: &str) -> Value {
    let spec = format!("{{displayName: Night Watch, state: Active, description: {description}}}");
    object(NIGHT, &spec)
}

async fn patched(stage: &Stage, kind: &str, body: &Value) -> Result<()> {
    let path = "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/roles/night";
    stage
        .admin
        .send("PATCH", path, Some((kind, body)))
        .await?
        .object()
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_every_kind_of_writer_is_on_record_and_what_is_only_tried_is_not() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let me = whoami(&stage).await?;
    stage.admin.try_apply(&night("tried")).await?.object()?;
    stage.admin.create(&night("created")).await?.object()?;
    patched(
        &stage,
        "application/merge-patch+json",
        &json!({"spec": {"description": "merged"}}),
    )
    .await?;
    let operations = json!([{"op": "replace", "path": "/spec/description", "value": "patched"}]);
    patched(&stage, "application/json-patch+json", &operations).await?;
    replaced_without_annotation_and_finalizer(&stage).await?;
    for manager in ["git", "argo", "hand"] {
        let path =
            format!("/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/roles/night?fieldManager={manager}&force=true");
        let body = night(&format!("applied by {manager}"));
        let answer = stage
            .admin
            .send("PATCH", &path, Some(("application/apply-patch+yaml", &body)));
        answer.await?.object()?;
    }
    edited(&stage)?;
    let forged = json!([{"id": "x", "by": "somebody@else.example", "operation": "Update", "generation": 9, "at": "2026-01-01T00:00:00Z", "changes": [], "seal": "00"}]);
    let body = json!({"metadata": {"annotations": {PENDING: forged.to_string()}}, "spec": {"description": "forged"}});
    patched(&stage, "application/merge-patch+json", &body).await?;
    // Nor is an empty outbox anything.
    let empty = json!({"metadata": {"annotations": {PENDING: ""}}});
    patched(&stage, "application/merge-patch+json", &empty).await?;
    stage.admin.try_apply(&night("tried")).await?.object()?;

    let records = on_record(&stage, NIGHT).await?;
    let said: Vec<String> = records
        .iter()
        .map(|record| {
            let line = told(record)
                .into_iter()
                .find(|line| line.starts_with("spec.description"));
            let (generation, operation) = (&record["generation"], record["operation"].as_str().unwrap_or_default());
            format!("{generation} {operation} {}", line.unwrap_or_default())
        })
        .collect();
    let mut wanted = vec![];
    let texts = [
        "created",
        "merged",
        "patched",
        "replaced",
        "applied by git",
        "applied by argo",
        "applied by hand",
        "edited",
        "forged",
    ];
    for (index, text) in texts.iter().enumerate() {
        wanted.push(match index.checked_sub(1) {
            None => format!("1 Create spec.description: nothing → {text}"),
            Some(before) => format!("{} Update spec.description: {} → {text}", index + 1, texts[before]),
        });
    }
    ensure!(said == wanted, "on record are {said:#?}\n{}", stage.world.log());
    for record in &records {
        ensure!(record["actor"] == json!({"username": me, "verified": true}), "{record}");
    }
    stage.ready(NIGHT).await?;
    gone_is_on_record_too(&stage, &me).await?;
    nothing_of_it_shows_as_drift(&stage).await?;
    a22_names_are_not_burnt_in_a_loop(&stage).await
}

/// R4: at most twenty, as fast as anybody renames; the webhook may be told of the last ones a moment late.
async fn a22_names_are_not_burnt_in_a_loop(stage: &Stage) -> Result<()> {
    let mut accepted = 0;
    for number in 0..60 {
        let renamed = json!({"spec": {"displayName": format!("Alias {number}")}});
        let answer = stage.admin.merge("Role lsp-paris/day", &renamed).await?;
        if answer.granted() {
            accepted += 1;
        } else {
            ensure!(answer.message().contains("20 names"), "{}", answer.message());
        }
    }
    ensure!((19..30).contains(&accepted), "{accepted} names were let in");
    let records = on_record(stage, "Role lsp-paris/day").await?;
    ensure!(
        records.len() == accepted + 1,
        "{accepted} names were let in, on record are {}",
        records.len()
    );
    Ok(())
}

async fn replaced_without_annotation_and_finalizer(stage: &Stage) -> Result<()> {
    let mut whole = night("replaced");
    let stored = stage.admin.get(NIGHT).await?.object()?;
    whole["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    let path = "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/roles/night";
    loop {
        let answer = stage
            .admin
            .send("PUT", path, Some(("application/json", &whole)))
            .await?;
        if answer.code != 409 {
            let answer = answer.object()?;
            ensure!(answer["metadata"]["finalizers"] == json!([FINALIZER]), "{answer}");
            return Ok(());
        }
        // What waited was put on record in between.
        let stored = stage.admin.get(NIGHT).await?.object()?;
        whole["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    }
}

fn edited(stage: &Stage) -> Result<()> {
    let plane = stage.world.plane();
    let mut kubectl = plane.kubectl(plane.admin());
    kubectl.args(["edit", "role.pimpernel.dev/night", "--namespace=lsp-paris"]);
    kubectl.env("KUBE_EDITOR", "sed -i 's/applied by hand/edited/'");
    let ended = kubectl.stdin(Stdio::null()).output()?;
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}

/// A role that was deleted and made again has both lives on record.
async fn gone_is_on_record_too(stage: &Stage, me: &Value) -> Result<()> {
    let first = stage.admin.get(NIGHT).await?.object()?["metadata"]["uid"].clone();
    stage.removed(NIGHT).await?;
    let records = on_record(stage, NIGHT).await?;
    let last = records.last().context("a record")?;
    ensure!(last["operation"] == "Delete" && last["generation"] == 10, "{last}");
    ensure!(last["actor"] == json!({"username": me, "verified": true}), "{last}");
    let went = told(last);
    for line in [
        "spec.displayName: Night Watch → nothing",
        "spec.description: forged → nothing",
    ] {
        ensure!(went.iter().any(|told| told == line), "what went with it: {last}");
    }
    stage.admin.create(&night("created again")).await?.object()?;
    let records = on_record(stage, NIGHT).await?;
    let lives = records.iter().fold(BTreeMap::new(), |mut lives, record| {
        *lives.entry(record["subject"]["uid"].to_string()).or_insert(0) += 1;
        lives
    });
    ensure!(lives.len() == 2 && lives[&first.to_string()] == 10, "{lives:?}");
    Ok(())
}

async fn nothing_of_it_shows_as_drift(stage: &Stage) -> Result<()> {
    let day = object("Role lsp-paris/day", "{displayName: Day Watch, state: Active}");
    let plane = stage.world.plane();
    let (applied, text) = stage.admin.kubectl(plane, &["apply"], &day)?;
    ensure!(applied, "{text}");
    let dusk = object("Role lsp-paris/dusk", "{displayName: Dusk Watch, state: Active}");
    let (applied, text) = stage.admin.kubectl(plane, &["apply", "--server-side"], &dusk)?;
    ensure!(applied, "{text}");
    for waits in [true, false] {
        if !waits {
            on_record(stage, "Role lsp-paris/day").await?;
            on_record(stage, "Role lsp-paris/dusk").await?;
        }
        for (diff, object) in [(&["diff"][..], &day), (&["diff", "--server-side"], &dusk)] {
            let (same, text) = stage.admin.kubectl(plane, diff, object)?;
            ensure!(same, "{diff:?} shows\n{text}");
        }
    }
    stage.admin.kubectl(plane, &["apply"], &day)?;
    stage.admin.apply(&day).await?.object()?;
    stage.admin.apply(&day).await?.object()?;
    let records = on_record(stage, "Role lsp-paris/day").await?;
    ensure!(records.len() == 1, "what changes nothing is on record: {records:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_what_a_session_changes_is_on_record_on_behalf_of_its_impersonator() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let session = Session::open(
        &stage,
        "Impersonation lsp-paris/case",
        ("Support", MARGUERITE),
        "duration: 20m",
    )
    .await?;
    let inside = &session.inside;
    let name = object(
        "Role lsp-paris/evening",
        "{displayName: Evening Watch, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}",
    );
    inside.create(&name).await?.object()?;
    let renamed = json!({"spec": {"team": "Monitors"}});
    inside.merge("Employee lsp-paris/armand", &renamed).await?.object()?;
    inside
        .merge("Tenant lsp-paris/lsp-paris", &json!({"spec": {"locale": "fr-FR"}}))
        .await?
        .object()?;
    for which in [
        "Role lsp-paris/evening",
        "Employee lsp-paris/armand",
        "Tenant lsp-paris/lsp-paris",
    ] {
        let records = on_record(&stage, which).await?;
        let last = records.last().with_context(|| format!("{which} has no record"))?;
        let actor = &last["actor"];
        ensure!(
            actor["onBehalfOf"] == MARGUERITE && actor["session"] == "lsp-paris/case" && actor["verified"] == true,
            "{which}: {last}"
        );
    }
    stage
        .admin
        .merge("Employee lsp-paris/armand", &json!({"spec": {"team": "Others"}}))
        .await?
        .object()?;
    let records = on_record(&stage, "Employee lsp-paris/armand").await?;
    ensure!(
        records.len() == 1,
        "only what a session changes of employees: {records:#?}"
    );
    Ok(())
}
