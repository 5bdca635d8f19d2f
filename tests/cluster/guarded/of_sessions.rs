//! What belongs to sessions is written by the operator alone.

use super::{bound_to, entrust, rbac, refused};
use crate::common::cast::{MARGUERITE, STRANGER, Stage};
use crate::common::rest::object;
use crate::common::{SESSIONS, World};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[tokio::test]
async fn a_sessions_objects_are_pimpernels_but_for_the_emergency_exit() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let admin = &stage.admin;
    let spec = format!("{{mode: Support, impersonator: {MARGUERITE}, reason: He cannot save his skill}}");
    stage
        .caller(MARGUERITE)
        .create(&object("Impersonation lsp-paris/case", &spec))
        .await?
        .object()?;
    let session = stage
        .says("Impersonation lsp-paris/case", "Active", "True", "Open")
        .await?;
    let uid = session["metadata"]["uid"].as_str().context("a UID")?;
    for kind in ["ServiceAccount", "Secret", "rbac.Role", "rbac.RoleBinding"] {
        let which = format!("{kind} {SESSIONS}/impersonated-admin-{uid}");
        refused(&which, &admin.delete(&which).await?, "belongs to Pimpernel")?;
        let mark = json!({"metadata": {"annotations": {"pimpernel.dev/session-end": "2036-01-01T00:00:00Z"}}});
        refused(&which, &admin.merge(&which, &mark).await?, "belongs to Pimpernel")?;
    }
    let readable = json!({"subjects": bound_to("x")["subjects"]});
    let reading = format!("rbac.RoleBinding {SESSIONS}/impersonated-admin-{uid}");
    refused(
        "another reader",
        &admin.merge(&reading, &readable).await?,
        "belongs to Pimpernel",
    )?;
    nobody_else_writes_in_the_sessions_namespace(&format!("impersonated-admin-{uid}"), &stage).await?;
    stage.world.kill_operator()?;
    let exit = format!("rbac.RoleBinding lsp-paris/pimpernel:session:{uid}");
    admin
        .delete(&exit)
        .await?
        .object()
        .context("the emergency exit, with the operator dead")?;
    ensure!(admin.get(&exit).await?.code == 404, "the session's binding is gone");
    stage.world.start_operator()?;
    stage
        .says("Impersonation lsp-paris/case", "Active", "False", "Withdrawn")
        .await?;
    ensure!(admin.get(&exit).await?.code == 404, "the session's binding is back");
    Ok(())
}

/// Whoever could have a token of a session's account made, or a pod run as it, would be that session.
async fn nobody_else_writes_in_the_sessions_namespace(account: &str, stage: &Stage) -> Result<()> {
    let (admin, stranger) = (&stage.admin, stage.caller(STRANGER));
    let everything = json!([{"apiGroups": ["", "rbac.authorization.k8s.io"], "resources": ["*"],
        "verbs": ["create", "get", "patch", "update"]}]);
    entrust(stage, SESSIONS, &everything).await?;
    let ours = "metadata.namespace: `pimpernel-sessions` belongs to Pimpernel";
    let one = |kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": SESSIONS, "name": "mine"}});
        object
            .as_object_mut()
            .expect("an object")
            .extend(rest.as_object().expect("an object").clone());
        object
    };
    let objects = [
        ("a ServiceAccount", one("ServiceAccount", json!({}))),
        ("a Secret", one("Secret", json!({"stringData": {"a": "b"}}))),
        (
            "a Secret for a token",
            one(
                "Secret",
                json!({"type": "kubernetes.io/service-account-token", "metadata": {
                    "namespace": SESSIONS, "name": "mine", "annotations": {"kubernetes.io/service-account.name": account},
                }}),
            ),
        ),
        (
            "a pod",
            one(
                "Pod",
                json!({"spec": {"serviceAccountName": account, "containers": [{"name": "a", "image": "b"}]}}),
            ),
        ),
    ];
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let path = format!("/api/v1/namespaces/{SESSIONS}/serviceaccounts/{account}/token");
    for caller in [admin, stranger] {
        for (what, object) in &objects {
            refused(what, &caller.create(object).await?, ours)?;
            refused(what, &caller.apply(object).await?, ours)?;
        }
        let asked = caller.send("POST", &path, Some(("application/json", &token))).await?;
        refused("a token", &asked, ours)?;
    }
    let mut reader = rbac("RoleBinding", "mine", &json!({}), &bound_to("by-hand"));
    reader["metadata"]["namespace"] = json!(SESSIONS);
    refused("a RoleBinding", &stranger.create(&reader).await?, ours)?;
    admin
        .create(&reader)
        .await?
        .object()
        .context("whoever may escalate installs the operator's own rights")?;
    let default = format!("ServiceAccount {SESSIONS}/default");
    let uid = |account: Option<&Value>| account?["metadata"]["uid"].as_str().map(str::to_owned);
    let before = admin.await_object(&default, uid).await?;
    admin.delete(&default).await?.object()?;
    let again = |account: Option<&Value>| uid(account).filter(|uid| *uid != before);
    admin
        .await_object(&default, again)
        .await
        .context("the cluster's own work is hindered")?;
    Ok(())
}
