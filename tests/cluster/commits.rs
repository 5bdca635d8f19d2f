//! A tool that tries a whole commit by dry-run and writes nothing if one object is refused, under an identity of its own.

use crate::common::cast::{STRANGER, Stage};
use crate::common::rest::{Answer, name_of, object};
use crate::common::{World, eventually_may};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const ROLE: &str = "Role lsp-paris/night";
const EMPLOYEE: &str = "Employee lsp-paris/badge";
const GALLOWAY: &str = "galloway@lsp-paris.example";
/// What the role gives.
const SKILLS: (&str, &str, &str) = ("edit", "skills.acd.apps.pimpernel.dev", "lsp-paris");

fn role(state: &str) -> Value {
    let grant = "permissions: [{application: acd, permission: skills, actions: [Edit]}]";
    object(ROLE, &format!("{{displayName: Night Watch, state: {state}, {grant}}}"))
}

fn employee(primary: &str) -> Value {
    object(
        EMPLOYEE,
        &format!("{{username: {GALLOWAY}, state: Active, primaryRole: {primary}}}"),
    )
}

fn eventual(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({"pimpernel.dev/ordering": "eventual"});
    object
}

/// Tries all; writes all if all would go in. The first refusal, if there is one.
async fn commit(objects: &[Value], stage: &Stage) -> Result<Option<Answer>> {
    let tool = stage.caller(STRANGER);
    for object in objects {
        let answer = tool.try_apply(object).await?;
        if !answer.granted() {
            return Ok(Some(answer));
        }
    }
    for object in objects {
        tool.apply(object)
            .await?
            .object()
            .context("after a dry-run that went well")?;
    }
    Ok(None)
}

async fn galloway_may(wanted: bool, stage: &Stage) -> Result<()> {
    eventually_may(&stage.world.client(), GALLOWAY, SKILLS, wanted).await
}

async fn trusted(stage: &Stage) -> Result<()> {
    let metadata = json!({"namespace": "lsp-paris", "name": "delivery"});
    let group = "rbac.authorization.k8s.io";
    let rule = json!({
        "apiGroups": ["pimpernel.dev"], "resources": ["roles", "employees"],
        "verbs": ["get", "create", "patch", "delete", "escalate"],
    });
    for object in [
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule]}),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "delivery"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": STRANGER}],
        }),
    ] {
        stage.admin.apply(&object).await?.object()?;
    }
    stage
        .allowed(STRANGER, "escalate", "roles.pimpernel.dev", "lsp-paris")
        .await
}

#[tokio::test]
async fn e3_e5_r8_a_commit_that_is_tried_as_a_whole_goes_in_if_its_objects_ask_for_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    trusted(&stage).await?;
    activating_and_assigning(&stage).await?;
    deactivating_and_unassigning(&stage).await?;
    deleting_what_is_held(&stage).await
}

async fn refused_with_a_hint(objects: &[Value], says: &str, stage: &Stage) -> Result<()> {
    let refusal = commit(objects, stage).await?.context("it went in")?;
    for text in [says, "annotate the object with `pimpernel.dev/ordering: eventual`"] {
        ensure!(
            refusal.message().contains(text),
            "no «{text}» in: {}",
            refusal.message()
        );
    }
    Ok(())
}

async fn activating_and_assigning(stage: &Stage) -> Result<()> {
    stage.admin.apply(&role("Draft")).await?.object()?;
    stage.admin.judged(ROLE).await?;
    let says = "role `night` is `Draft`, and an Active employee holds only Active roles";
    refused_with_a_hint(&[role("Active"), employee("night")], says, stage).await?;
    let tool = stage.caller(STRANGER);
    let (went, told) = tool.kubectl(stage.world.plane(), &["create", "--dry-run=server"], &employee("night"))?;
    for text in [says, "* metadata.annotations: if other objects of the same change"] {
        ensure!(
            !went && told.contains(text),
            "kubectl does not show «{text}» but {told}"
        );
    }
    let stored = stage.admin.get(ROLE).await?.object()?;
    ensure!(stored["spec"]["state"] == "Draft", "a part of the commit went in");
    let all = [eventual(role("Active")), eventual(employee("night"))];
    ensure!(commit(&all, stage).await?.is_none(), "the commit was refused");
    stage.ready(ROLE).await?;
    stage.ready(EMPLOYEE).await?;
    galloway_may(true, stage).await
}

async fn deactivating_and_unassigning(stage: &Stage) -> Result<()> {
    let tool = stage.caller(STRANGER);
    let says = "role `night` cannot be `Inactive` while Active employees hold it: `badge`";
    refused_with_a_hint(&[role("Inactive"), employee("team-lead")], says, stage).await?;
    let all = [eventual(role("Inactive")), eventual(employee("team-lead"))];
    let warned = tool.try_apply(&all[0]).await?.warnings.join("\n");
    ensure!(warned.contains(says), "no warning says «{says}», but: {warned}");
    // What the tool does, at half of which the operator may look: the role gives nothing to anybody.
    tool.apply(&all[0]).await?.object()?;
    stage.says(ROLE, "Ready", "False", "RoleInUse").await?;
    stage.says(EMPLOYEE, "Ready", "False", "RoleNotActive").await?;
    galloway_may(false, stage).await?;
    ensure!(commit(&all, stage).await?.is_none(), "the commit was refused");
    for which in [ROLE, EMPLOYEE] {
        stage.ready(which).await?;
    }
    Ok(())
}

async fn deleting_what_is_held(stage: &Stage) -> Result<()> {
    let tool = stage.caller(STRANGER);
    let all = [eventual(role("Active")), employee("night")];
    ensure!(commit(&all[..1], stage).await?.is_none(), "the role was refused");
    stage.ready(ROLE).await?;
    ensure!(commit(&all[1..], stage).await?.is_none(), "the employee was refused");
    galloway_may(true, stage).await?;
    tool.delete(&name_of(&all[0]))
        .await?
        .object()
        .context("it asks for it")?;
    stage.says(EMPLOYEE, "Ready", "False", "RoleNotFound").await?;
    galloway_may(false, stage).await
}
