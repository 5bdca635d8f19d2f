//! V8: a definition is not deleted by a slip; where it is deleted all the same, all access that followed from its objects
//! is withdrawn, at once or at the operator's next start, and the operator works on with what there is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionSpec;
use pimpernel_launcher::repository;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::common::cast::{CHAUVELIN, MARGUERITE, Stage};
use crate::common::rest::{Answer, name_of};
use crate::common::session::Session;
use crate::common::{Wish, World};

const SKILLS: &str = "skills.acd.apps.pimpernel.dev";
const GUARD: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/definitions.pimpernel.dev";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Long enough to be kept while the operator stands still for a moment.
const LEASE: [&str; 3] = ["--lease-duration=9s", "--renew-deadline=7s", "--retry-period=1s"];
/// Longer than the longest pause between two attempts to watch what is not there.
const LONG_PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn v8_a_definition_is_not_deleted_by_a_slip_and_takes_all_access_with_it_if_it_is() -> Result<()> {
    let wish = Wish {
        args: &LEASE,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    are_stored_as_they_are_written(&stage).await?;
    is_refused(&stage).await?;
    let guard = stage.admin.send("GET", GUARD, None).await?.object()?;
    while_the_operator_runs(&stage).await?;
    comes_back(&stage).await?;
    while_it_is_down(&stage, &guard).await
}

/// What the API server would add stands in them already, so that no tool which compares finds a difference.
async fn are_stored_as_they_are_written(stage: &Stage) -> Result<()> {
    for written in pimpernel::api::crds() {
        let name = written.metadata.name.clone().context("a name")?;
        let which = format!("CustomResourceDefinition {name}");
        let mut stored = stage.admin.get(&which).await?.object()?;
        let spec: CustomResourceDefinitionSpec = serde_json::from_value(stored["spec"].take())?;
        let shown = serde_json::to_value(&spec)?;
        ensure!(spec == written.spec, "{name}: stored as {shown:#}");
    }
    Ok(())
}

async fn is_refused(stage: &Stage) -> Result<()> {
    let says =
        "metadata.name: deleting the definition `roles.pimpernel.dev` deletes every Role and takes away all access";
    let closed = |what: &str, answer: &Answer| {
        ensure!(!answer.granted(), "{what}: it was deleted");
        ensure!(answer.message().contains(says), "{what}: {}", answer.message());
        Ok(())
    };
    let one = format!("{DEFINITIONS}/roles.pimpernel.dev");
    let many = format!("{DEFINITIONS}?fieldSelector=metadata.name%3Droles.pimpernel.dev");
    let orphaning = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"});
    for path in [&one, &many] {
        closed(path, &stage.admin.send("DELETE", path, None).await?)?;
        let answer = stage
            .admin
            .send("DELETE", path, Some(("application/json", &orphaning)))
            .await?;
        closed("orphaning", &answer)?;
    }
    let ships = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ships.fleet.example"},
        "spec": {"group": "fleet.example", "scope": "Namespaced", "names": {"plural": "ships", "kind": "Ship"}, "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
        }]},
    });
    stage.admin.apply(&ships).await?.object()?;
    stage
        .removed("CustomResourceDefinition ships.fleet.example")
        .await
        .context("the definition of somebody else")
}

async fn while_the_operator_runs(stage: &Stage) -> Result<()> {
    let session = Session::open(stage, "Impersonation lsp-paris/first", ("Support", MARGUERITE), "").await?;
    delete(stage, "roles").await?;
    has_skills(stage, false).await?;
    session.nothing_left(stage).await?;
    session
        .until_inside_may("get", "tenants.pimpernel.dev", "lsp-paris", false)
        .await?;
    no_role_is_bound(stage).await
}

async fn comes_back(stage: &Stage) -> Result<()> {
    define(stage, "roles").await?;
    let cast = serde_yaml::Deserializer::from_str(include_str!("../common/cast.yaml")).map(Value::deserialize);
    for object in cast {
        let object = object?;
        if object["kind"] == "Role" {
            applied_by_and_by(stage, &object).await?;
        }
    }
    has_skills(stage, true).await.context("when the roles are back")
}

async fn while_it_is_down(stage: &Stage, guard: &Value) -> Result<()> {
    stage
        .allowed(MARGUERITE, "create", "impersonations.pimpernel.dev", "lsp-paris")
        .await?;
    let session = Session::open(stage, "Impersonation lsp-paris/second", ("Support", MARGUERITE), "").await?;
    stage.world.kill_operator()?;
    put_back(stage, guard).await?;
    is_refused(stage)
        .await
        .context("the guard does not need the operator")?;
    delete(stage, "impersonations").await?;
    // Roles wait until their deletion is on record, and their definition with them.
    mark(stage, "roles").await?;
    stage.world.start_operator()?;
    is_gone(stage, "roles").await?;
    session.nothing_left(stage).await?;
    has_skills(stage, false).await?;
    no_role_is_bound(stage).await?;
    stage
        .says("Employee lsp-paris/armand", "Ready", "False", "RoleNotFound")
        .await?;
    Ok(())
}

/// Puts the guard back, unless the operator has done so, and waits until the API server heeds it.
async fn put_back(stage: &Stage, guard: &Value) -> Result<()> {
    let guard = json!({
        "apiVersion": guard["apiVersion"], "kind": guard["kind"], "spec": guard["spec"],
        "metadata": {"name": guard["metadata"]["name"]},
    });
    let folder = GUARD.rsplit_once('/').context("no folder")?.0;
    let content = Some(("application/json", &guard));
    let answer = stage.admin.send("POST", folder, content).await?;
    ensure!(answer.granted() || answer.code == 409, "{}", answer.message());
    let began = Instant::now();
    let tried = format!("{DEFINITIONS}/roles.pimpernel.dev?dryRun=All");
    while stage.admin.send("DELETE", &tried, None).await?.granted() {
        ensure!(began.elapsed() < LONG_PATIENCE, "the guard is not heeded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Deletes a definition as one who means it, and waits until it is gone.
async fn delete(stage: &Stage, kind: &str) -> Result<()> {
    mark(stage, kind).await?;
    is_gone(stage, kind).await
}

/// While the operator stands still, if it runs: else it puts the guard back at once.
async fn mark(stage: &Stage, kind: &str) -> Result<()> {
    let still = stage.world.signal_operator("STOP").is_ok();
    let path = format!("{DEFINITIONS}/{kind}.pimpernel.dev");
    let began = Instant::now();
    loop {
        stage.admin.send("DELETE", GUARD, None).await?;
        let answer = stage.admin.send("DELETE", &path, None).await?;
        if answer.granted() {
            break;
        }
        ensure!(
            began.elapsed() < LONG_PATIENCE && answer.message().contains("deletes every"),
            "{kind}: {}",
            answer.message()
        );
        // The API server heeds it a moment after a binding is gone.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if still {
        stage.world.signal_operator("CONT")?;
    }
    Ok(())
}

async fn is_gone(stage: &Stage, kind: &str) -> Result<()> {
    let path = format!("{DEFINITIONS}/{kind}.pimpernel.dev");
    let began = Instant::now();
    while stage.admin.send("GET", &path, None).await?.granted() {
        ensure!(began.elapsed() < LONG_PATIENCE, "{kind}: the definition is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn define(stage: &Stage, kind: &str) -> Result<()> {
    let text = std::fs::read_to_string(repository().join(format!("crds/{kind}.yaml")))?;
    let definition: Value = serde_yaml::from_str(&text)?;
    stage.admin.apply(&definition).await?.object()?;
    Ok(())
}

/// Applies an object as soon as its kind is served, and its permissions are admitted.
async fn applied_by_and_by(stage: &Stage, object: &Value) -> Result<()> {
    let began = Instant::now();
    loop {
        let answer = stage.admin.apply(object).await?;
        if answer.granted() {
            return Ok(());
        }
        ensure!(
            began.elapsed() < LONG_PATIENCE && answer.code == 404,
            "{}: {}",
            name_of(object),
            answer.message()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn has_skills(stage: &Stage, wanted: bool) -> Result<()> {
    let began = Instant::now();
    while stage.caller(CHAUVELIN).may("edit", SKILLS, "lsp-paris").await? != wanted {
        ensure!(began.elapsed() < LONG_PATIENCE, "may edit skills: not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!("may edit skills: {wanted} after {:?}", began.elapsed());
    Ok(())
}

/// That no binding to what followed from a role is left.
async fn no_role_is_bound(stage: &Stage) -> Result<()> {
    let began = Instant::now();
    for namespace in ["classics", "lsp", "lsp-paris"] {
        loop {
            let bindings = stage.admin.list("rbac.RoleBinding", namespace, "").await?;
            let name = |binding: &Value| binding["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let left: Vec<String> = bindings
                .iter()
                .map(name)
                .filter(|name| name.starts_with("pimpernel:role:"))
                .collect();
            if left.is_empty() {
                break;
            }
            ensure!(began.elapsed() < LONG_PATIENCE, "these are left: {left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
