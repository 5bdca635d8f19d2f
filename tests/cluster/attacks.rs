//! A4 to A6: what somebody tries from inside a session, with its own credential: by the rights that it has, and by such as a
//! platform team gives it by mistake. What others try is in the modules of what they try it on.

use crate::common::cast::{DEWHURST, MARGUERITE, PERCY, Stage};
use crate::common::rest::{object, refused};
use crate::common::session::Session;
use crate::common::{SESSIONS, World};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[path = "attacks/restored.rs"]
mod restored;

const EMPLOYEES: &str = "employees.pimpernel.dev";
const PARIS: &str = "Tenant lsp-paris/lsp-paris";

fn employee(name: &str, username: &str, rest: &str) -> Value {
    object(
        &format!("Employee lsp-paris/{name}"),
        &format!("{{username: {username}, {rest}}}"),
    )
}

fn role(name: &str, permissions: &str) -> Value {
    let spec = format!("{{displayName: {name}, state: Active, permissions: [{permissions}]}}");
    object(&format!("Role lsp-paris/{name}"), &spec)
}

#[tokio::test]
async fn a4_i5_a_session_writes_no_employee_of_its_impersonator_in_whatever_case() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let session = Session::open(&stage, "Impersonation lsp-paris/case", ("Configure", PERCY), "").await?;
    session.until_inside_may("create", EMPLOYEES, "lsp-paris", true).await?;
    session.until_inside_may("patch", EMPLOYEES, "lsp-paris", true).await?;
    let own = "is the impersonator of this session, which may not write their employee";
    for username in [PERCY, "BLAKENEY@classics.example", "Blakeney@Classics.Example"] {
        for state in ["Active", "Inactive"] {
            let percy = employee("percy", username, &format!("state: {state}, primaryRole: team-lead"));
            refused(username, &session.inside.create(&percy).await?, own)?;
            refused(username, &session.inside.apply(&percy).await?, own)?;
        }
    }
    ensure!(
        stage.admin.get("Employee lsp-paris/percy").await?.code == 404,
        "he is employed"
    );
    let other = employee(
        "desgas",
        "desgas@lsp-paris.example",
        "state: Active, primaryRole: team-lead",
    );
    session.inside.create(&other).await?.object().context("anybody else")?;
    stage.says(&session.which, "Active", "True", "Open").await?;
    Ok(())
}

/// Gives the account of a session rights that no session has.
async fn entrust_by_mistake(stage: &Stage, session: &Session) -> Result<()> {
    let (group, name) = ("rbac.authorization.k8s.io", "by-mistake");
    let metadata = json!({"namespace": "lsp-paris", "name": name});
    let rule = json!({"apiGroups": ["pimpernel.dev"], "resources": ["impersonationconsents", "impersonations"],
        "verbs": ["create", "patch"]});
    let account = json!({"kind": "ServiceAccount", "namespace": SESSIONS,
        "name": format!("impersonated-admin-{}", session.uid)});
    for object in [
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name}, "subjects": [account]}),
    ] {
        stage.admin.apply(&object).await?.object()?;
    }
    for resource in ["impersonationconsents.pimpernel.dev", "impersonations.pimpernel.dev"] {
        session.until_inside_may("create", resource, "lsp-paris", true).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a5_i5_t7_a_session_consents_to_nothing_opens_nothing_and_widens_nothing() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let session = Session::open(&stage, "Impersonation lsp-paris/case", ("Support", DEWHURST), "").await?;
    let demands = json!({"spec": {"impersonation": {"approval": "Required"}}});
    stage.admin.merge(PARIS, &demands).await?.object()?;
    stage.admin.judged(PARIS).await?;
    let request = Session::ask(&stage, "Impersonation lsp-paris/next", ("Support", MARGUERITE), "").await?;
    let account = format!("system:serviceaccount:{SESSIONS}:impersonated-admin-{}", session.uid);
    let tries = tries(&request, &account);
    for (what, object, _) in &tries {
        refused(what, &session.inside.create(object).await?, "cannot create resource")?;
    }
    entrust_by_mistake(&stage, &session).await?;
    for (what, object, says) in &tries {
        refused(what, &session.inside.create(object).await?, says)?;
    }
    what_is_the_tenants_alone(&stage, &session).await?;
    stage
        .says("Impersonation lsp-paris/next", "Ready", "False", "AwaitingConsent")
        .await?;
    stage.says(&session.which, "Active", "True", "Open").await?;
    for kind in ["Impersonation", "ImpersonationConsent"] {
        let all = stage.admin.list(kind, "lsp-paris", "").await?;
        let wanted = if kind == "Impersonation" { 2 } else { 0 };
        ensure!(all.len() == wanted, "{} of kind {kind}", all.len());
    }
    Ok(())
}

/// What is created, and what admission says of it.
fn tries(request: &Value, account: &str) -> Vec<(&'static str, Value, &'static str)> {
    let consent = |by: &str| {
        let mut consent = object("ImpersonationConsent lsp-paris/yes", "{}");
        consent["spec"] = json!({"impersonation": "next", "impersonationUID": request["metadata"]["uid"],
            "decision": "Granted", "by": by});
        consent
    };
    let another = |who: &str| {
        let spec = format!("{{mode: Configure, impersonator: '{who}', reason: Once more from inside, duration: 4h}}");
        object("Impersonation lsp-paris/another", &spec)
    };
    vec![
        ("consent", consent(account), "has no right to answer for `lsp-paris`"),
        ("consent in another's name", consent(DEWHURST), "is not you"),
        ("another session", another(DEWHURST), "is not you"),
        ("another session of its own", another(account), "is not a person"),
    ]
}

/// T7: neither what the parent has decided of the tenant, nor its security policy; nor the tenant as such.
async fn what_is_the_tenants_alone(stage: &Stage, session: &Session) -> Result<()> {
    let before = stage.admin.get(PARIS).await?.object()?["spec"].clone();
    let inside = &session.inside;
    for (spec, says) in [
        (json!({"impersonation": {"maxDuration": "24h"}}), "tenants/security"),
        (json!({"impersonation": {"configure": "Disabled"}}), "tenants/security"),
        (
            json!({"impersonation": {"approval": "NotRequired"}}),
            "tenants/security",
        ),
        (json!({"impersonation": null}), "tenants/security"),
        (json!({"state": "Inactive"}), "tenants/commercial"),
        (
            json!({"applications": ["acd", "tenant-management"]}),
            "tenants/commercial",
        ),
        (json!({"defaultRoles": "Create"}), "tenants/commercial"),
        (json!({"userCap": 5000}), "tenants/commercial"),
        (json!({"billing": {"account": "4711"}}), "tenants/commercial"),
        (
            json!({"trial": {"expiresAt": "2036-01-01T00:00:00Z"}}),
            "tenants/commercial",
        ),
    ] {
        let answer = inside.merge(PARIS, &json!({"spec": spec})).await?;
        refused(&spec.to_string(), &answer, says)?;
    }
    refused("deletion", &inside.delete(PARIS).await?, "cannot delete resource")?;
    let tenant = object(
        "Tenant lsp-paris/another",
        "{displayName: Another, type: Customer, parent: lsp-paris}",
    );
    refused("creation", &inside.create(&tenant).await?, "cannot create resource")?;
    let longer = json!({"spec": {"duration": "4h"}});
    refused(
        "its own end",
        &inside.merge(&session.which, &longer).await?,
        "nothing but `stop` can change",
    )?;
    let after = stage.admin.get(PARIS).await?.object()?["spec"].clone();
    ensure!(before == after, "the tenant was {before}, and is {after}");
    let profile = json!({"spec": {"brandingProfile": "scarlet"}});
    inside
        .merge(PARIS, &profile)
        .await?
        .object()
        .context("T7: the profile")?;
    Ok(())
}

#[tokio::test]
async fn a6_r16_a_session_gives_away_no_more_than_administrator_has_from_the_factory() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    // Of an application with something that not even Administrator has from the factory.
    let vault = "{displayName: Vault, permissions: [{name: ledger, displayName: Ledger, category: Vault, actions: [{name: View}]}]}";
    stage.given("PermissionCatalog vault", vault).await?;
    let applications = json!({"spec": {"applications": ["acd", "vault"]}});
    stage.admin.merge(PARIS, &applications).await?.object()?;
    stage.admin.judged(PARIS).await?;
    let ledger = "{application: vault, permission: ledger, actions: [View]}";
    let skills = "{application: acd, permission: skills, actions: [Edit]}";
    for object in [
        role("auditor", ledger),
        role("clerk", skills),
        employee(
            "friend",
            "friend@lsp-paris.example",
            "state: Active, primaryRole: clerk",
        ),
        employee(
            "sleeper",
            "sleeper@lsp-paris.example",
            "state: Inactive, primaryRole: auditor",
        ),
        employee(
            "leaver",
            "leaver@lsp-paris.example",
            "state: Active, primaryRole: auditor, validUntil: 2026-12-31T00:00:00Z",
        ),
    ] {
        stage.admin.apply(&object).await?.object()?;
        stage.admin.judged(&crate::common::rest::name_of(&object)).await?;
    }
    let session = Session::open(&stage, "Impersonation lsp-paris/case", ("Support", DEWHURST), "").await?;
    for resource in [EMPLOYEES, "roles.pimpernel.dev"] {
        session.until_inside_may("patch", resource, "lsp-paris", true).await?;
    }
    let inside = &session.inside;
    let ceiling = "nobody hands out more than they have";
    refused("a role", &inside.create(&role("richer", ledger)).await?, ceiling)?;
    let entering = "{application: tenant-management, permission: impersonation, actions: [Support]}";
    refused(
        "entering",
        &inside.create(&role("enters", entering)).await?,
        "tenant-management",
    )?;
    let hired = employee("hired", "hired@lsp-paris.example", "primaryRole: auditor");
    refused("a new employee", &inside.create(&hired).await?, ceiling)?;
    let more = json!([{"application": "vault", "permission": "ledger", "actions": ["View"]}]);
    for (which, spec) in [
        ("Role lsp-paris/clerk", json!({"permissions": more})),
        ("Employee lsp-paris/friend", json!({"primaryRole": "auditor"})),
        (
            "Employee lsp-paris/friend",
            json!({"secondaryRoles": [{"name": "auditor"}]}),
        ),
        (
            "Employee lsp-paris/friend",
            json!({"secondaryRoles": [{"name": "auditor", "until": "2036-01-01T00:00:00Z"}]}),
        ),
        ("Employee lsp-paris/sleeper", json!({"state": "Active"})),
        (
            "Employee lsp-paris/leaver",
            json!({"validUntil": "2036-01-01T00:00:00Z"}),
        ),
        ("Employee lsp-paris/leaver", json!({"validUntil": null})),
    ] {
        let answer = inside.merge(which, &json!({"spec": spec})).await?;
        refused(&format!("{which} {spec}"), &answer, ceiling)?;
    }
    // I5: so a partner's administrator is set up, who may do what a session may not.
    let respond = "{application: admin, permission: role-impersonation, actions: [Respond]}";
    inside
        .create(&role("gate", respond))
        .await?
        .object()
        .context("what Administrator has")?;
    let keeper = employee("keeper", "keeper@lsp-paris.example", "state: Active, primaryRole: gate");
    inside.create(&keeper).await?.object().context("and who has it")?;
    ensure!(
        !inside
            .may("create", "impersonationconsents.pimpernel.dev", "lsp-paris")
            .await?,
        "it has it itself"
    );
    Ok(())
}
