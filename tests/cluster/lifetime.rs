//! Whoever may only change an object does not delete it either: not by giving it an owner that does not exist, for which the
//! cluster's own garbage collector would delete it (T7, T8, R8, E6), and nobody keeps it from going when it is deleted (I9).

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::common::World;
use crate::common::cast::{DEWHURST, MARGUERITE, STRANGER, Stage};
use crate::common::rest::object;

fn owned() -> Value {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "nothing", "uid": "00000000-0000-4000-8000-000000000000"});
    json!({"metadata": {"ownerReferences": [owner]}})
}

fn held(finalizer: &str) -> Value {
    json!({"metadata": {"finalizers": [finalizer]}})
}

/// A clerk of LSP Paris, who may change its profile, and a session there.
async fn staged() -> Result<Stage> {
    let stage = Stage::set(World::start().await?).await?;
    let role = "{displayName: Clerk, state: Active, permissions: [{application: admin, permission: admin-account-settings, actions: [Edit]}]}";
    stage.given("Role lsp-paris/clerk", role).await?;
    let employee = format!("{{username: {STRANGER}, state: Active, primaryRole: clerk}}");
    stage.given("Employee lsp-paris/clerk", &employee).await?;
    stage
        .allowed(STRANGER, "patch", "tenants.pimpernel.dev", "lsp-paris")
        .await?;
    stage
        .allowed(DEWHURST, "patch", "employees.pimpernel.dev", "lsp")
        .await?;
    let spec = format!("{{impersonator: {DEWHURST}, mode: Support, reason: Chauvelin cannot save his skill}}");
    let session = object("Impersonation lsp-paris/tony-1", &spec);
    stage.caller(DEWHURST).create(&session).await?.object()?;
    stage
        .says("Impersonation lsp-paris/tony-1", "Active", "True", "Open")
        .await?;
    Ok(stage)
}

#[tokio::test]
async fn nobody_deletes_by_an_owner_what_they_may_only_change() -> Result<()> {
    let stage = staged().await?;
    for (who, which) in [
        (STRANGER, "Tenant lsp-paris/lsp-paris"),
        (DEWHURST, "Employee lsp/tony"),
        (DEWHURST, "Employee lsp/lady"),
        (MARGUERITE, "Impersonation lsp-paris/tony-1"),
    ] {
        let person = stage.caller(who);
        for (patch, field) in [
            (owned(), "metadata.ownerReferences"),
            (held("example.org/stay"), "metadata.finalizers"),
            (held("pimpernel.dev/stay"), "metadata.finalizers"),
        ] {
            let answer = person.merge(which, &patch).await?;
            ensure!(!answer.granted(), "{who} changed {field} of {which}");
            ensure!(answer.message().contains(field), "{}", answer.message());
        }
        let labelled = person
            .merge(which, &json!({"metadata": {"labels": {"colour": "red"}}}))
            .await?;
        labelled.object()?;
    }
    let born = object(
        "Impersonation lsp-paris/lady-1",
        &format!("{{impersonator: {MARGUERITE}, mode: Support, reason: Chauvelin cannot save his skill}}"),
    );
    for patch in [owned(), held("example.org/stay")] {
        let mut born = born.clone();
        if let (Some(metadata), Some(more)) = (
            born.pointer_mut("/metadata").and_then(Value::as_object_mut),
            patch.pointer("/metadata").and_then(Value::as_object),
        ) {
            metadata.extend(more.clone());
        }
        ensure!(
            !stage.caller(MARGUERITE).create(&born).await?.granted(),
            "{born} was created"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_platform_gives_owners_and_finalizers_and_anybody_takes_them_off() -> Result<()> {
    let stage = staged().await?;
    let which = "Employee lsp/lady";
    stage.admin.merge(which, &held("example.org/stay")).await?.object()?;
    let person = stage.caller(DEWHURST);
    person
        .merge(which, &json!({"metadata": {"labels": {"colour": "red"}}}))
        .await?
        .object()?;
    person
        .merge(which, &json!({"metadata": {"finalizers": []}}))
        .await?
        .object()?;
    Ok(())
}
