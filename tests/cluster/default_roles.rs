//! Out-of-the-box roles: made once, and from then on like any other.

use crate::common::World;
use crate::common::rest::{Caller, object, told};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// What the operator remembers on the Tenant.
const RECEIVED: &str = "pimpernel.dev/default-roles";
const BATH: &str = "Tenant bath/bath";

struct Bath {
    world: World,
    admin: Caller,
}

impl Bath {
    async fn namespace(&self, name: &str) -> Result<()> {
        let namespace = object(&format!("Namespace {name}"), "{}");
        self.admin.apply(&namespace).await?.object().map(drop)
    }

    /// Applies a Tenant without a parent, and waits until it has been judged.
    async fn tenant(&self, name: &str, rest: &str) -> Result<Value> {
        self.namespace(name).await?;
        let which = format!("Tenant {name}/{name}");
        let spec = format!("{{displayName: Spa, type: Provider, {rest}}}");
        self.admin.apply(&object(&which, &spec)).await?.object()?;
        self.admin.judged(&which).await
    }

    /// Has the tenant looked at once more.
    async fn again(&self, spec: &Value) -> Result<()> {
        self.admin.merge(BATH, &json!({"spec": spec})).await?.object()?;
        self.admin.judged(BATH).await.map(drop)
    }

    /// The roles of a tenant by name, with what they are called for people and their state.
    async fn roles(&self, namespace: &str) -> Result<Vec<String>> {
        let roles = self.admin.list("Role", namespace, "").await?;
        let text = |role: &Value| {
            let (name, spec) = (&role["metadata"]["name"], &role["spec"]);
            let told = [name, &spec["displayName"], &spec["state"]].map(|text| text.as_str().unwrap_or_default());
            told.join(" ")
        };
        Ok(roles.iter().map(text).collect())
    }

    async fn remembered(&self, which: &str) -> Result<Value> {
        let tenant = self.admin.get(which).await?.object()?;
        Ok(tenant["metadata"]["annotations"][RECEIVED].clone())
    }

    /// Server-side apply under a field manager of its own.
    async fn git(&self, role: &str, spec: &str, query: &str) -> Result<Value> {
        let (namespace, name) = role.split_once('/').context("NAMESPACE/NAME")?;
        let path = format!(
            "/apis/pimpernel.dev/v1alpha1/namespaces/{namespace}/roles/{name}?fieldManager=git&fieldValidation=Strict{query}"
        );
        let content = object(&format!("Role {role}"), spec);
        let answer = self
            .admin
            .send("PATCH", &path, Some(("application/apply-patch+yaml", &content)));
        answer.await?.object()
    }
}

#[tokio::test]
async fn r12_out_of_the_box_roles_are_made_once_and_then_belong_to_whoever_takes_them() -> Result<()> {
    let world = World::start().await?;
    let admin = Caller::with(world.plane().admin()).await?;
    let bath = Bath { world, admin };
    a_draft_tenant_gets_them_active_and_with_their_permissions(&bath).await?;
    git_takes_one_over_without_a_conflict(&bath).await?;
    what_another_manager_adds_is_gone_when_git_applies_again(&bath).await?;
    one_that_was_deleted_does_not_come_back(&bath).await?;
    an_application_brings_its_own_when_it_is_switched_on(&bath).await?;
    what_exists_is_left_alone(&bath).await?;
    nobody_else_writes_what_is_remembered(&bath).await?;
    what_a_crash_left_half_done_is_finished(&bath).await?;
    let log = bath.world.log();
    ensure!(!log.contains("ERROR"), "{log}");
    Ok(())
}

async fn a_draft_tenant_gets_them_active_and_with_their_permissions(bath: &Bath) -> Result<()> {
    bath.tenant("bath", "applications: [acd]").await?;
    let roles = bath.roles("bath").await?;
    let expected = [
        "administrator Administrator Active",
        "agent Agent Active",
        "manager Manager Active",
    ];
    ensure!(roles == expected, "{roles:?}");
    ensure!(bath.remembered(BATH).await? == "administrator,agent,manager");
    let manager = bath.admin.judged("Role bath/manager").await?;
    let (_, reason, _) = told(&manager, "Ready").context("Ready")?;
    ensure!(reason == "TenantNotActive", "{reason}");
    let grants = manager["spec"]["permissions"].as_array().context("permissions")?;
    let grant = |application: &str, permission: &str| {
        let named = |grant: &&Value| grant["application"] == application && grant["permission"] == permission;
        grants.iter().find(named).map(|grant| &grant["actions"])
    };
    ensure!(
        grant("admin", "employees") == Some(&json!(["Create", "Edit", "View"])),
        "{grants:?}"
    );
    ensure!(grant("admin", "api-access").is_none(), "everybody has that anyhow");
    ensure!(grants.iter().any(|grant| grant["application"] == "acd"), "{grants:?}");
    Ok(())
}

async fn git_takes_one_over_without_a_conflict(bath: &Bath) -> Result<()> {
    let spec = "{displayName: Shift Lead, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}";
    let taken = bath.git("bath/manager", spec, "").await?;
    ensure!(
        taken["spec"]["permissions"] == json!([{"application": "acd", "permission": "skills", "actions": ["View"]}])
    );
    bath.admin.judged("Role bath/manager").await?;
    bath.again(&json!({"state": "Active"})).await?;
    let kept = bath.admin.get("Role bath/manager").await?.object()?;
    ensure!(kept["spec"] == taken["spec"], "it was reset: {kept}");
    Ok(())
}

async fn what_another_manager_adds_is_gone_when_git_applies_again(bath: &Bath) -> Result<()> {
    let spec = "{displayName: Shift Lead, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}";
    let wider = json!({"spec": {"permissions": [
        {"application": "acd", "permission": "skills", "actions": ["View"]},
        {"application": "admin", "permission": "employees", "actions": ["Delete"]},
    ]}});
    let added = bath.admin.merge("Role bath/manager", &wider).await?.object()?;
    ensure!(added["spec"]["permissions"].as_array().map(Vec::len) == Some(2));
    let again = bath.git("bath/manager", spec, "&force=true").await?;
    ensure!(
        again["spec"]["permissions"] == json!([{"application": "acd", "permission": "skills", "actions": ["View"]}]),
        "{again}"
    );
    Ok(())
}

async fn one_that_was_deleted_does_not_come_back(bath: &Bath) -> Result<()> {
    bath.admin.delete("Role bath/agent").await?.object()?;
    let gone = |role: Option<&Value>| role.is_none().then_some(());
    bath.admin.await_object("Role bath/agent", gone).await?;
    bath.again(&json!({"brandingProfile": "scarlet"})).await?;
    let roles = bath.roles("bath").await?;
    ensure!(
        roles == ["administrator Administrator Active", "manager Shift Lead Active"],
        "{roles:?}"
    );
    Ok(())
}

async fn an_application_brings_its_own_when_it_is_switched_on(bath: &Bath) -> Result<()> {
    bath.again(&json!({"applications": ["acd", "spa"]})).await?;
    ensure!(bath.roles("bath").await?.len() == 2, "there is no catalogue yet");
    let catalog = "{displayName: Spa, defaultRoles: [{name: attendant, displayName: Bath Attendant}],
        permissions: [{name: pools, actions: [{name: Heat, defaultFor: [attendant]}]}]}";
    bath.admin
        .apply(&object("PermissionCatalog spa", catalog))
        .await?
        .object()?;
    let attendant = bath.admin.judged("Role bath/attendant").await?;
    ensure!(
        attendant["spec"]["permissions"] == json!([{"application": "spa", "permission": "pools", "actions": ["Heat"]}])
    );
    let remembered = |which: &'static str| {
        move |tenant: Option<&Value>| (tenant?["metadata"]["annotations"][RECEIVED] == which).then_some(())
    };
    let which = "administrator,agent,attendant,manager";
    bath.admin.await_object(BATH, remembered(which)).await?;
    ensure!(bath.roles("bath").await?.len() == 3, "another one came back");
    // Quality Management, which is there already, brings Evaluator, once.
    bath.again(&json!({"applications": ["acd", "qm"]})).await?;
    let evaluator = bath.admin.judged("Role bath/evaluator").await?;
    let grants = evaluator["spec"]["permissions"].as_array().context("permissions")?;
    ensure!(
        grants.contains(&json!({"application": "qm", "permission": "review-evaluations"})),
        "{grants:?}"
    );
    let which = "administrator,agent,attendant,evaluator,manager";
    bath.admin.await_object(BATH, remembered(which)).await?;
    bath.admin.delete("Role bath/evaluator").await?.object()?;
    bath.again(&json!({"applications": ["acd"]})).await?;
    bath.again(&json!({"applications": ["acd", "qm"]})).await?;
    ensure!(bath.roles("bath").await?.len() == 3, "Evaluator came back");
    Ok(())
}

async fn what_exists_is_left_alone(bath: &Bath) -> Result<()> {
    bath.namespace("wells").await?;
    let specs = [
        ("Role wells/manager", "{displayName: Abbot}"),
        ("Role wells/clerk", "{displayName: AGENT}"),
    ];
    for (which, spec) in specs {
        bath.admin.apply(&object(which, spec)).await?.object()?;
        bath.admin.judged(which).await?;
    }
    bath.tenant("wells", "state: Draft").await?;
    let roles = bath.roles("wells").await?;
    let expected = [
        "administrator Administrator Active",
        "clerk AGENT Draft",
        "manager Abbot Draft",
    ];
    ensure!(roles == expected, "{roles:?}");
    ensure!(bath.remembered("Tenant wells/wells").await? == "administrator,agent,manager");
    let events = bath
        .admin
        .list("Event", "wells", "?fieldSelector=reason=LeftOut")
        .await?;
    let [told] = events.as_slice() else {
        anyhow::bail!("{events:#?}");
    };
    let message = told["message"].as_str().context("a message")?;
    let words = "`agent` (`Agent` is the name of role `clerk` already, in whatever case)";
    ensure!(message.contains(words) && !message.contains("manager"), "{message}");
    bath.tenant("exeter", "defaultRoles: None").await?;
    ensure!(bath.roles("exeter").await?.is_empty());
    Ok(())
}

async fn nobody_else_writes_what_is_remembered(bath: &Bath) -> Result<()> {
    for value in [
        json!(null),
        json!("administrator"),
        json!("administrator,agent,attendant,evaluator,manager,x"),
    ] {
        let patch = json!({"metadata": {"annotations": {RECEIVED: value}}});
        let answer = bath.admin.merge(BATH, &patch).await?;
        ensure!(answer.code == 403, "{value}: {}", answer.code);
        let says = "`pimpernel.dev/default-roles` is how Pimpernel remembers which out-of-the-box roles `bath` has got";
        ensure!(answer.message().contains(says), "{}", answer.message());
    }
    Ok(())
}

/// The role was made; its fields were not given up, and nothing is remembered.
async fn what_a_crash_left_half_done_is_finished(bath: &Bath) -> Result<()> {
    bath.namespace("ely").await?;
    let mut half = object("Role ely/manager", "{displayName: Manager, state: Active}");
    half["metadata"]["annotations"] = json!({"pimpernel.dev/default-role-of": "admin"});
    let path = "/apis/pimpernel.dev/v1alpha1/namespaces/ely/roles?fieldManager=pimpernel";
    let made = bath.admin.send("POST", path, Some(("application/json", &half))).await?;
    made.object()?;
    bath.tenant("ely", "state: Draft").await?;
    ensure!(bath.remembered("Tenant ely/ely").await? == "administrator,agent,manager");
    let taken = bath
        .git("ely/manager", "{displayName: Prior, state: Active}", "")
        .await?;
    ensure!(taken["spec"]["displayName"] == "Prior", "{taken}");
    Ok(())
}
