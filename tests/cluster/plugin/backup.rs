//! What was saved as manifests is brought back, as `docs/backup.md` says.

use super::{Person, said};
use crate::common::cast::{CHAUVELIN, MARGUERITE, Stage};
use crate::common::rest::{Caller, name_of, object, refused};
use crate::common::session::Session;
use crate::common::{World, eventually_may};
use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use pimpernel_launcher::Operator;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const CASE: &str = "Impersonation lsp-paris/case";
const SKILLS: (&str, &str, &str) = ("edit", "skills.acd.apps.pimpernel.dev", "lsp-paris");
/// What the API server or the operator has put into an object.
const ADDED: [&str; 6] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "finalizers",
];

/// Saves objects of those kinds as the page says: without what is only of these.
fn saved(stage: &Stage, kinds: &str, file: &Path) -> Result<Vec<Value>> {
    let mut list: Value = serde_json::from_str(&stage.world.kubectl(&["get", kinds, "-A", "-o=json"])?)?;
    let items = list["items"].as_array_mut().context("no list")?;
    for item in items.iter_mut() {
        let item = item.as_object_mut().context("no object")?;
        item.remove("status");
        let metadata = item.get_mut("metadata").and_then(Value::as_object_mut);
        metadata
            .context("no metadata")?
            .retain(|field, _| !ADDED.contains(&field.as_str()));
    }
    let items = items.clone();
    fs::write(file, list.to_string())?;
    Ok(items)
}

/// A session that is over, a name that is burnt, and an out-of-the-box role that somebody has deleted.
async fn past(stage: &Stage, session: &Value) -> Result<()> {
    stage.caller(MARGUERITE).create(session).await?.object()?;
    let opened = Session::opened(stage, CASE, MARGUERITE).await?;
    opened.stop(stage.caller(MARGUERITE)).await?.object()?;
    opened.ended(stage, "Stopped").await?;
    stage
        .given("Role lsp-paris/night", "{displayName: Night Watch}")
        .await?;
    stage.given("Role lsp-paris/night", "{displayName: Late Watch}").await?;
    stage.removed("Role lsp-paris/night").await?;
    stage.namespace("bath").await?;
    stage
        .given("Tenant bath/bath", "{displayName: Spa, type: Provider, state: Active}")
        .await?;
    for name in ["agent", "manager", "administrator"] {
        stage.ready(&format!("Role bath/{name}")).await?;
    }
    stage.removed("Role bath/agent").await
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_i9_what_was_saved_as_manifests_comes_back_and_no_session_with_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let now = stage.admin.get("Namespace default").await?.date.context("a date")?;
    let end = now + SignedDuration::from_mins(40);
    let session = object(
        CASE,
        &format!("{{mode: Support, impersonator: {MARGUERITE}, reason: A visit that was planned, notAfter: {end}}}"),
    );
    past(&stage, &session).await?;
    let file = |name: &str| -> PathBuf { stage.world.plane().dir().join(name) };
    let (objects, records) = (file("objects.json"), file("records.json"));
    let kinds = "permissioncatalogs,tenants,roles.pimpernel.dev,employees";
    let objects_saved = saved(&stage, kinds, &objects)?;
    let records_saved = saved(&stage, "changerecords", &records)?;

    ensure!(stage.world.stop_operator()?.success(), "the operator did not end well");
    let platform = Person::new(&stage.world, "kubernetes-admin")?;
    let purged = platform.runs_with(stage.world.plane().admin(), "pimpernel purge --yes")?;
    said(&purged, 0, &["objects are gone"])?;
    Operator::install(stage.world.plane())?;
    stage.world.start_operator()?;

    let (objects, records) = (objects.display().to_string(), records.display().to_string());
    let by_admin = stage.world.kubectl(&["create", "-f", &records]);
    let by_admin = by_admin.err().context("somebody else writes history")?.to_string();
    ensure!(by_admin.contains("which only Pimpernel writes"), "{by_admin}");
    stage
        .world
        .kubectl(&["create", "-f", &records, "--as=pimpernel-operator"])?;
    stage.world.kubectl(&["apply", "--server-side", "-f", &objects])?;
    for object in &objects_saved {
        stage.ready(&name_of(object)).await?;
    }
    eventually_may(&stage.world.client(), CHAUVELIN, SKILLS, true).await?;
    ensure!(
        stage.admin.get("Role bath/agent").await?.code == 404,
        "an out-of-the-box role that was deleted is made again"
    );
    let heir = object("Role lsp-paris/heir", "{displayName: night watch}");
    refused(
        "a burnt name",
        &stage.admin.create(&heir).await?,
        "was the name of role `night`",
    )?;
    the_past_is_on_record(&stage.admin, &records_saved).await?;

    let impersonations = stage.admin.list("Impersonation", "lsp-paris", "").await?;
    ensure!(impersonations.is_empty(), "a session came back");
    stage
        .allowed(MARGUERITE, "create", "impersonations.pimpernel.dev", "lsp-paris")
        .await?;
    stage.caller(MARGUERITE).create(&session).await?.object()?;
    stage.says(CASE, "Active", "False", "Stopped").await?;
    Ok(())
}

/// Each record says what it said.
async fn the_past_is_on_record(admin: &Caller, saved: &[Value]) -> Result<()> {
    ensure!(saved.len() > 10, "only {} records", saved.len());
    for record in saved {
        let stored = admin.get(&name_of(record)).await?.object()?;
        ensure!(stored["spec"] == record["spec"], "{stored}");
    }
    Ok(())
}
