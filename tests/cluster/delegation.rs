//! R16, E6: an employee who manages roles and employees with her own certificate hands out no more than she has, and does
//! not touch her own employee: by no verb, form of patch, manager, name or other identity that she may lay hands on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::World;
use crate::common::cast::Stage;
use crate::common::rest::{Caller, object, refused};

const WARDEN: &str = "warden@lsp-paris.example";
const PLATFORM: &str = "platform@nowhere.example";
const SKILLS: &str = "skills.acd.apps.pimpernel.dev";
const VIEW: &str = "{application: acd, permission: skills, actions: [View]}";
const EDIT: &str = "{application: acd, permission: skills, actions: [Edit]}";
const CEILING: &str = "nobody hands out more than they have";
const OWN: &str = "cannot create or delete their own employee, nor change their own roles, state or window";

/// One request of hers, and what the refusal says.
#[derive(Deserialize)]
struct Try {
    what: String,
    to: String,
    #[serde(flatten)]
    content: BTreeMap<String, Value>,
    says: String,
}

impl Try {
    async fn refused(&self, warden: &Caller) -> Result<()> {
        let (method, path) = self.to.split_once(' ').context("METHOD PATH")?;
        let path = path.replace("kinds:", "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/");
        let content = self.content.iter().next().map(|(form, body)| {
            let type_ = match form.as_str() {
                "merge" => "application/merge-patch+json",
                "pointer" => "application/json-patch+json",
                "apply" => "application/apply-patch+yaml",
                _ => "application/json",
            };
            (type_, body)
        });
        refused(&self.what, &warden.send(method, &path, content).await?, &self.says)
    }
}

#[tokio::test]
async fn r16_e6_who_manages_roles_hands_out_no_more_than_she_has_and_leaves_herself_alone() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let warden = entrusted(&stage).await?;
    what_is_hers_to_do(&stage, &warden).await?;
    let tries: Vec<Try> = serde_yaml::from_str(include_str!("delegation.yaml"))?;
    let mut failures = vec![];
    for tried in &tries {
        if let Err(error) = tried.refused(&warden).await {
            failures.push(error.to_string());
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    nothing_came_of_it(&stage, &warden).await?;
    an_account_of_the_namespace_hands_out_nothing(&stage).await?;
    another_case_of_her_name_is_nobody_and_still_not_hers(&stage).await?;
    whoever_has_escalate_is_free_though_she_employs_him(&stage, &warden).await
}

fn role(name: &str, permissions: &str) -> Value {
    let spec = format!("{{displayName: {name}, state: Active, permissions: [{permissions}]}}");
    object(&format!("Role lsp-paris/{name}"), &spec)
}

fn employee(name: &str, username: &str, primary: &str) -> Value {
    let spec = format!("{{username: {username}, state: Active, primaryRole: {primary}}}");
    object(&format!("Employee lsp-paris/{name}"), &spec)
}

/// The warden in place, with a friend to whom she would like to give more.
async fn entrusted(stage: &Stage) -> Result<Caller> {
    let hers = format!(
        "{{application: admin, permission: employees, actions: [Create, Edit, Delete]}}, \
         {{application: admin, permission: role-management, actions: [Create, Edit, Deactivate, Delete, Assign]}}, {VIEW}"
    );
    for object in [
        role("warden", &hers),
        role("helper", VIEW),
        employee("wendy", WARDEN, "warden"),
        employee("friend", "friend@lsp-paris.example", "helper"),
    ] {
        stage.admin.apply(&object).await?.object()?;
        stage.ready(&crate::common::rest::name_of(&object)).await?;
    }
    by_hand(stage, WARDEN, "User", "employees", &["deletecollection"]).await?;
    let warden = Caller::user(stage.world.plane(), WARDEN).await?;
    until_may(&warden, "deletecollection", "employees.pimpernel.dev").await?;
    until_may(&warden, "patch", "roles.pimpernel.dev").await?;
    Ok(warden)
}

/// Gives somebody rights on one of our kinds in LSP Paris by hand, as a platform team does.
async fn by_hand(stage: &Stage, who: &str, kind: &str, resource: &str, verbs: &[&str]) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let name = format!("by-hand-{}-{resource}", who.split('@').next().unwrap_or_default()).to_lowercase();
    let metadata = json!({"namespace": "lsp-paris", "name": name});
    let version = format!("{group}/v1");
    let rules = json!([{"apiGroups": ["pimpernel.dev"], "resources": [resource], "verbs": verbs}]);
    let mut subject = json!({"apiGroup": group, "kind": kind, "name": who});
    if kind == "ServiceAccount" {
        subject = json!({"kind": kind, "name": who, "namespace": "lsp-paris"});
    }
    let role = json!({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules});
    let binding = json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": metadata, "subjects": [subject],
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
    });
    for object in [role, binding] {
        stage.admin.apply(&object).await?.object()?;
    }
    Ok(())
}

async fn until_may(who: &Caller, verb: &str, resource: &str) -> Result<()> {
    let began = std::time::Instant::now();
    while !who.may(verb, resource, "lsp-paris").await? {
        ensure!(began.elapsed() < crate::common::PATIENCE, "may never {verb} {resource}");
        // A review is an answer of the moment and cannot be watched.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn what_is_hers_to_do(stage: &Stage, warden: &Caller) -> Result<()> {
    for object in [
        role("porter", VIEW),
        role("usher", ""),
        employee("newcomer", "newcomer@lsp-paris.example", "helper"),
    ] {
        warden
            .create(&object)
            .await?
            .object()
            .context("R16: what is within her ceiling")?;
        stage.ready(&crate::common::rest::name_of(&object)).await?;
    }
    let team = json!({"spec": {"team": "Gate"}});
    warden
        .merge("Employee lsp-paris/wendy", &team)
        .await?
        .object()
        .context("E6: the rest of her own employee")?;
    let less = json!({"spec": {"permissions": []}});
    warden
        .merge("Role lsp-paris/team-lead", &less)
        .await?
        .object()
        .context("R16: taking away is free")?;
    let again = json!({"spec": {"permissions": [{"application": "acd", "permission": "skills", "actions": ["Edit"]}]}});
    stage.admin.merge("Role lsp-paris/team-lead", &again).await?.object()?;
    stage.ready("Role lsp-paris/team-lead").await?;
    Ok(())
}

async fn nothing_came_of_it(stage: &Stage, warden: &Caller) -> Result<()> {
    ensure!(!warden.may("edit", SKILLS, "lsp-paris").await?, "she may edit skills");
    let friend = Caller::user(stage.world.plane(), "friend@lsp-paris.example").await?;
    ensure!(
        !friend.may("edit", SKILLS, "lsp-paris").await?,
        "her friend may edit skills"
    );
    let names = |list: Vec<Value>| -> Vec<String> {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        list.iter().map(name).collect()
    };
    let roles = names(stage.admin.list("Role", "lsp-paris", "").await?);
    ensure!(
        roles == ["helper", "porter", "team-lead", "usher", "warden"],
        "{roles:?}"
    );
    let employees = names(stage.admin.list("Employee", "lsp-paris", "").await?);
    ensure!(employees == ["armand", "friend", "newcomer", "wendy"], "{employees:?}");
    Ok(())
}

/// Somebody who is no employee may hand out nothing, whatever RBAC says.
async fn an_account_of_the_namespace_hands_out_nothing(stage: &Stage) -> Result<()> {
    let robot = stage.account("lsp-paris", "robot").await?;
    for kind in ["roles", "employees"] {
        let verbs = ["create", "get", "patch", "update", "delete", "deletecollection"];
        by_hand(stage, "robot", "ServiceAccount", kind, &verbs).await?;
    }
    until_may(&robot, "create", "roles.pimpernel.dev").await?;
    until_may(&robot, "create", "employees.pimpernel.dev").await?;
    let says = "which `system:serviceaccount:lsp-paris:robot` does not have";
    refused("a role", &robot.create(&role("by-robot", VIEW)).await?, says)?;
    refused(
        "an employee",
        &robot
            .create(&employee("by-robot", "by-robot@lsp-paris.example", "helper"))
            .await?,
        says,
    )?;
    robot
        .create(&role("by-robot", ""))
        .await?
        .object()
        .context("a role that gives nothing")?;
    Ok(())
}

async fn another_case_of_her_name_is_nobody_and_still_not_hers(stage: &Stage) -> Result<()> {
    let name = "WARDEN@lsp-paris.example";
    for kind in ["roles", "employees"] {
        by_hand(stage, name, "User", kind, &["create", "patch", "delete"]).await?;
    }
    let other = Caller::user(stage.world.plane(), name).await?;
    until_may(&other, "create", "roles.pimpernel.dev").await?;
    until_may(&other, "delete", "employees.pimpernel.dev").await?;
    refused("a role", &other.create(&role("by-other", VIEW)).await?, CEILING)?;
    refused("an end", &other.delete("Employee lsp-paris/wendy").await?, OWN)?;
    let inactive = json!({"spec": {"state": "Inactive"}});
    refused(
        "a state",
        &other.merge("Employee lsp-paris/wendy", &inactive).await?,
        OWN,
    )
}

/// Who registers the platform's administrator as an employee does not bind him by that.
async fn whoever_has_escalate_is_free_though_she_employs_him(stage: &Stage, warden: &Caller) -> Result<()> {
    by_hand(
        stage,
        PLATFORM,
        "User",
        "roles",
        &["create", "patch", "get", "escalate"],
    )
    .await?;
    by_hand(stage, PLATFORM, "User", "employees", &["create", "patch", "get"]).await?;
    let platform = Caller::user(stage.world.plane(), PLATFORM).await?;
    until_may(&platform, "escalate", "roles.pimpernel.dev").await?;
    until_may(&platform, "patch", "employees.pimpernel.dev").await?;
    warden
        .create(&employee("trapped", PLATFORM, "helper"))
        .await?
        .object()
        .context("anybody may be employed")?;
    stage.ready("Employee lsp-paris/trapped").await?;
    platform
        .create(&role("by-platform", EDIT))
        .await?
        .object()
        .context("a role with more than he has")?;
    let given = json!({"spec": {"primaryRole": "team-lead"}});
    platform
        .merge("Employee lsp-paris/friend", &given)
        .await?
        .object()
        .context("a role that gives more than he has")?;
    Ok(())
}
