//! R4: what is said of a burnt name, and the role that takes over the names of one that is gone.

use super::{told, whoami};
use crate::common::cast::{STRANGER, Stage};
use crate::common::rest::{Answer, object, refused};
use crate::common::{PATIENCE, SHORT_LEASE, Wish, World};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NIGHT: &str = "Role lsp-paris/night";
const RENAMED: &str = "pimpernel.dev/renamed-from";

fn role(name: &str, title: &str) -> Value {
    object(&format!("Role lsp-paris/{name}"), &format!("{{displayName: {title}}}"))
}

fn heir(name: &str, title: &str, from: &str) -> Value {
    let mut heir = role(name, title);
    heir["metadata"]["annotations"] = json!({RENAMED: from});
    heir
}

/// Lets the stranger write roles of the tenant, but not hand out what they have not.
async fn entrust(stage: &Stage) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"namespace": "lsp-paris", "name": "writes-roles"});
    let rule = json!({"apiGroups": ["pimpernel.dev"], "resources": ["roles"], "verbs": ["create", "get", "patch"]});
    let subject = json!({"apiGroup": group, "kind": "User", "name": STRANGER});
    for object in [
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata, "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "writes-roles"}}),
    ] {
        stage.admin.apply(&object).await?.object()?;
    }
    stage
        .allowed(STRANGER, "create", "roles.pimpernel.dev", "lsp-paris")
        .await
}

async fn tried(stage: &Stage, heir: &Value, says: &str) -> Result<()> {
    refused(says, &stage.admin.create(heir).await?, says)?;
    refused(says, &stage.admin.try_apply(heir).await?, says)
}

/// The webhook is told of it a moment later.
async fn is_known_to_be_gone(stage: &Stage) -> Result<()> {
    let asked = Instant::now();
    let heir = heir("late", "Night Watch", "night");
    while !stage.admin.try_apply(&heir).await?.granted() {
        ensure!(asked.elapsed() < PATIENCE, "`night` is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_the_names_of_a_role_that_is_gone_go_to_whom_the_platform_gives_them() -> Result<()> {
    let wish = Wish {
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let me = whoami(&stage).await?;
    let by = format!("(`{}` gave it on 20", me.as_str().context("a user")?);
    stage.admin.create(&role("night", "Night Watch")).await?.object()?;
    tried(
        &stage,
        &heir("late", "Late Watch", "night"),
        "role `night` is there, and keeps its names",
    )
    .await?;
    stage.removed(NIGHT).await?;
    is_known_to_be_gone(&stage).await?;
    let burnt: Answer = stage.admin.create(&role("late", "night watch")).await?;
    refused("burnt", &burnt, "`night watch` was the name of role `night`")?;
    refused("by whom", &burnt, &by)?;
    entrust(&stage).await?;
    let theirs = stage
        .caller(STRANGER)
        .create(&heir("late", "Night Watch", "night"))
        .await?;
    refused(
        "by whom nobody trusts",
        &theirs,
        "needs verb `escalate` on `roles.pimpernel.dev`",
    )?;
    stage.admin.create(&role("dawn", "Dawn Watch")).await?.object()?;
    let later = json!({"metadata": {"annotations": {RENAMED: "night"}}});
    let later = stage.admin.merge("Role lsp-paris/dawn", &later).await?;
    refused("later", &later, "this one is there already")?;

    stage
        .admin
        .create(&heir("late", "Night Watch", "night"))
        .await?
        .object()?;
    stage.says("Role lsp-paris/late", "Ready", "True", "Draft").await?;
    let records = super::on_record(&stage, "Role lsp-paris/late").await?;
    let [created] = records.as_slice() else {
        anyhow::bail!("{records:#?}")
    };
    ensure!(
        created["actor"] == json!({"username": me, "verified": true}),
        "{created}"
    );
    let line = format!("metadata.annotations[{RENAMED}]: nothing → night");
    ensure!(told(created).contains(&line), "{created}");
    // Applied again it is what it was; and whoever comes after remembers it.
    stage
        .admin
        .apply(&heir("late", "Night Watch", "night"))
        .await?
        .object()?;
    stage.world.kill_operator()?;
    stage.world.start_operator()?;
    let back = stage.admin.create(&role("night", "Night Watch")).await?;
    refused("back", &back, "is the name of role `late` already")?;
    stage.removed("Role lsp-paris/late").await?;
    let back = stage.admin.create(&role("night", "Night Watch")).await?;
    refused("gone as well", &back, "role `late`")?;
    // From Git, by whoever writes, it comes as it was: that changes nothing in whose the names are.
    let git = stage.caller(STRANGER);
    let manifest = heir("late", "Night Watch", "night");
    git.apply(&manifest).await?.object()?;
    stage.says("Role lsp-paris/late", "Ready", "True", "Draft").await?;
    let off = json!({"metadata": {"annotations": {RENAMED: null}}});
    git.merge("Role lsp-paris/late", &off).await?.object()?;
    git.apply(&manifest).await?.object()?;
    // In a tenant without that history the same manifest comes up, too.
    git.apply(&heir("dusk", "Dusk Watch", "never")).await?.object()?;
    stage.says("Role lsp-paris/dusk", "Ready", "True", "Draft").await?;
    Ok(())
}

/// Nobody has seen who wrote it, so the names stay where they were.
#[tokio::test(flavor = "multi_thread")]
async fn r4_without_admission_no_names_are_taken_over() -> Result<()> {
    let stage = Stage::set(World::unguarded(Wish::default()).await?).await?;
    stage.given(NIGHT, "{displayName: Night Watch}").await?;
    stage.removed(NIGHT).await?;
    stage
        .admin
        .create(&heir("late", "Night Watch", "night"))
        .await?
        .object()?;
    stage
        .says("Role lsp-paris/late", "Stalled", "True", "NameBurnt")
        .await?;
    Ok(())
}
