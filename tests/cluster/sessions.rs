//! Sessions: opened, acted in and stopped; who can read the credential and who can stop; what withdraws them; and that an
//! ended one stays ended (I1 to I10).

use crate::common::audit;
use crate::common::cast::{CHAUVELIN, DEWHURST, FFOULKES, MARGUERITE, PERCY, STRANGER, Stage};
use crate::common::rest::{Caller, object};
use crate::common::session::Session;
use crate::common::{PATIENCE, SESSIONS, SHORT_LEASE, Wish, World};
use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[path = "sessions/restart.rs"]
mod restart;
#[path = "sessions/rival.rs"]
mod rival;
#[path = "sessions/traps.rs"]
mod traps;
#[path = "sessions/withdrawn.rs"]
mod withdrawn;

const SKILLS: &str = "skills.acd.apps.pimpernel.dev";
const EMPLOYEES: &str = "employees.pimpernel.dev";
const CASE: &str = "Impersonation lsp-paris/case-1792";

#[tokio::test]
async fn a_session_is_opened_acted_in_and_stopped_from_inside() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let session = Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 20m").await?;
    it_says_what_it_is(&session, &stage).await?;
    it_is_an_administrator_of_this_tenant_alone(&session).await?;
    nobody_else_reads_its_credential(&session, &stage).await?;
    its_token_dies_in_time_and_is_in_one_secret_alone(&session, &stage).await?;
    account_and_role_are_not_the_tenants(&stage).await?;
    let hired = object(
        "Employee lsp-paris/new",
        "{username: new@lsp-paris.example, primaryRole: team-lead}",
    );
    session
        .inside
        .create(&hired)
        .await?
        .object()
        .context("an employee made in the session")?;
    for (what, patch) in [
        ("duration", json!({"spec": {"duration": "4h"}})),
        ("reason", json!({"spec": {"reason": "Something else entirely"}})),
    ] {
        let answer = session.inside.merge(CASE, &patch).await?;
        ensure!(
            answer.message().contains("nothing but `stop` can change"),
            "{what}: {}",
            answer.message()
        );
    }
    session
        .stop(&session.inside)
        .await?
        .object()
        .context("stopped from inside")?;
    session.ended(&stage, "Stopped").await?;
    ensure!(
        stage.admin.get("Employee lsp-paris/new").await?.granted(),
        "I9: what was made in it stays"
    );
    let marguerite = stage.caller(MARGUERITE);
    ensure!(
        !marguerite.may("list", EMPLOYEES, "lsp-paris").await?,
        "she can do something in the tenant"
    );
    let secret = format!("Secret {SESSIONS}/impersonated-admin-{}", session.uid);
    ensure!(
        marguerite.get(&secret).await?.code == 403,
        "she is to read the Secret no more"
    );
    Ok(())
}

async fn it_says_what_it_is(session: &Session, stage: &Stage) -> Result<()> {
    let open = stage.admin.get(&session.which).await?.object()?;
    let status = &open["status"];
    ensure!(
        status["banner"] == "You are currently impersonating Impersonated Admin on tenant [LSP Paris]",
        "{status}"
    );
    ensure!(
        status["landingPage"]["application"] == "admin" && status["landingPage"]["page"] == "Employees",
        "{status}"
    );
    ensure!(
        status.get("endTime").is_none() && status.get("endReason").is_none(),
        "{status}"
    );
    let created: jiff::Timestamp = open["metadata"]["creationTimestamp"]
        .as_str()
        .context("created")?
        .parse()?;
    ensure!(
        session.end == created + SignedDuration::from_mins(20),
        "its end is {}, created {created}",
        session.end
    );
    Ok(())
}

async fn it_is_an_administrator_of_this_tenant_alone(session: &Session) -> Result<()> {
    let inside = &session.inside;
    for (verb, resource) in [
        ("list", EMPLOYEES),
        ("create", EMPLOYEES),
        ("update", "roles.pimpernel.dev"),
        ("edit", SKILLS),
        ("update", "tenants.pimpernel.dev"),
    ] {
        ensure!(
            inside.may(verb, resource, "lsp-paris").await?,
            "it may not {verb} {resource}"
        );
        for elsewhere in ["lsp", "classics", "paris-nord", SESSIONS, "kube-system"] {
            ensure!(
                !inside.may(verb, resource, elsewhere).await?,
                "it may {verb} {resource} in {elsewhere}"
            );
        }
    }
    for (verb, resource) in [
        ("create", "impersonations.pimpernel.dev"),
        ("list", "impersonations.pimpernel.dev"),
        ("delete", "impersonations.pimpernel.dev"),
        ("create", "impersonationconsents.pimpernel.dev"),
        ("update", "tenants/commercial.pimpernel.dev"),
        ("update", "tenants/security.pimpernel.dev"),
        ("adopt", "tenants.pimpernel.dev"),
        ("escalate", "roles.pimpernel.dev"),
        ("get", "secrets"),
        ("create", "serviceaccounts/token"),
        ("create", "roles.rbac.authorization.k8s.io"),
        ("bind", "roles.rbac.authorization.k8s.io"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("*", "*.*"),
    ] {
        ensure!(
            !inside.may(verb, resource, "lsp-paris").await?,
            "it may {verb} {resource}"
        );
    }
    Ok(())
}

async fn nobody_else_reads_its_credential(session: &Session, stage: &Stage) -> Result<()> {
    let secret = format!("Secret {SESSIONS}/impersonated-admin-{}", session.uid);
    for other in [PERCY, DEWHURST, FFOULKES, CHAUVELIN, STRANGER] {
        ensure!(
            stage.caller(other).get(&secret).await?.code == 403,
            "{other} reads the credential"
        );
    }
    ensure!(
        session.inside.get(&secret).await?.code == 403,
        "the session reads its own credential"
    );
    for who in [MARGUERITE, PERCY, STRANGER] {
        ensure!(
            stage.caller(who).list("Secret", SESSIONS, "").await.is_err(),
            "{who} lists the credentials"
        );
    }
    for (verb, resource) in [
        ("update", "secrets"),
        ("create", "serviceaccounts/token"),
        ("list", "serviceaccounts"),
    ] {
        ensure!(
            !stage.caller(MARGUERITE).may(verb, resource, SESSIONS).await?,
            "the impersonator may {verb} {resource}"
        );
    }
    Ok(())
}

async fn its_token_dies_in_time_and_is_in_one_secret_alone(session: &Session, stage: &Stage) -> Result<()> {
    let claims = session.claims()?;
    let account = format!("system:serviceaccount:{SESSIONS}:impersonated-admin-{}", session.uid);
    ensure!(claims["sub"] == *account, "the token is of {}", claims["sub"]);
    session.dies_in_time()?;
    let kinds = "tenants.pimpernel.dev,roles.pimpernel.dev,employees.pimpernel.dev,impersonations.pimpernel.dev,serviceaccounts,configmaps,leases.coordination.k8s.io,events,events.events.k8s.io,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io";
    let (_, signature) = session.token.rsplit_once('.').context("a JWT")?;
    let payload = session.token.split('.').nth(1).context("a JWT")?;
    let all = stage.world.kubectl(&[
        "get",
        kinds,
        "--all-namespaces",
        "--show-managed-fields",
        "--output=yaml",
    ])?;
    ensure!(all.contains(&session.uid), "the session itself is in what was searched");
    for part in [signature, payload] {
        ensure!(!all.contains(part), "the token is in an object");
        ensure!(!stage.world.log().contains(part), "the token is in the operator's log");
    }
    let secrets = stage.admin.list("Secret", SESSIONS, "").await?;
    ensure!(secrets.len() == 1, "{} Secrets", secrets.len());
    ensure!(
        secrets[0]["metadata"].to_string().find(signature).is_none(),
        "the token is in the Secret's metadata"
    );
    Ok(())
}

/// I5: neither account nor role of the session is among those of the tenant, and nobody can change them.
async fn account_and_role_are_not_the_tenants(stage: &Stage) -> Result<()> {
    for kind in ["Employee", "Role"] {
        let all = json!(stage.admin.list(kind, "lsp-paris", "").await?).to_string();
        ensure!(
            !all.to_lowercase().contains("impersonated"),
            "{kind}s of the tenant: {all}"
        );
    }
    let tenant = stage.says("Tenant lsp-paris/lsp-paris", "Ready", "True", "").await?;
    ensure!(
        tenant["status"]["employees"] == json!({"active": 1, "inactive": 0}),
        "{}",
        tenant["status"]
    );
    ensure!(tenant["status"]["openSessions"] == 1, "{}", tenant["status"]);
    let fixed = "rbac.Role lsp-paris/pimpernel:impersonated-admin:support";
    for answer in [
        stage.admin.delete(fixed).await?,
        stage.admin.merge(fixed, &json!({"rules": []})).await?,
    ] {
        ensure!(
            answer.message().contains("belongs to Pimpernel"),
            "{}",
            answer.message()
        );
    }
    Ok(())
}

#[tokio::test]
async fn only_the_impersonator_and_the_session_itself_stop_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let hers = Session::open(&stage, CASE, ("Support", MARGUERITE), "").await?;
    let his = Session::open(&stage, "Impersonation lsp-paris/his", ("Configure", FFOULKES), "").await?;
    let status = stage.admin.get(&his.which).await?.object()?["status"].clone();
    ensure!(
        status["landingPage"]["application"] == "acd"
            && status["landingPage"]["page"] == "Internal Admin > Business Units",
        "{status}"
    );
    for other in [DEWHURST, FFOULKES, PERCY, "kubernetes-admin"] {
        let answer = hers.stop(stage.caller(other)).await?;
        ensure!(
            answer.code == 403 && answer.message().contains("is not the impersonator"),
            "{other}: {} {}",
            answer.code,
            answer.message()
        );
    }
    for (who, caller) in [
        ("another session", &his.inside),
        ("an employee of the tenant", stage.caller(CHAUVELIN)),
        ("a stranger", stage.caller(STRANGER)),
    ] {
        let answer = hers.stop(caller).await?;
        ensure!(
            answer.code == 403 && answer.message().contains("cannot patch resource"),
            "{who}: {} {}",
            answer.code,
            answer.message()
        );
    }
    stage.says(&hers.which, "Active", "True", "Open").await?;
    hers.stop(stage.caller(MARGUERITE))
        .await?
        .object()
        .context("the impersonator stops it")?;
    let over = hers.ended(&stage, "Stopped").await?;
    let operator = Caller::user(stage.world.plane(), "pimpernel-operator").await?;
    let status = "Impersonation/status lsp-paris/case-1792";
    for patch in [
        json!({"status": {"endTime": null}}),
        json!({"status": null}),
        json!({"status": {"endTime": "2036-01-01T00:00:00Z"}}),
    ] {
        let by_operator = operator.merge(status, &patch).await?;
        ensure!(
            by_operator.message().contains("`status.endTime` is final"),
            "{}",
            by_operator.message()
        );
        let by_admin = stage.admin.merge(status, &patch).await?;
        ensure!(
            by_admin.message().contains("`status.endTime` is final"),
            "{}",
            by_admin.message()
        );
    }
    ensure!(
        stage.admin.get(&hers.which).await?.object()?["status"] == over["status"],
        "the end has changed"
    );
    stage
        .says(&his.which, "Active", "True", "Open")
        .await
        .context("the other session goes on")?;
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_deleted_is_over_and_one_of_its_name_is_another() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let first = Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 20m").await?;
    stage.removed(CASE).await?;
    first.deleted(&stage).await?;
    let second = Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 20m").await?;
    ensure!(
        second.uid != first.uid && second.token != first.token,
        "it is the same session"
    );
    ensure!(
        !first
            .inside
            .may("get", "tenants.pimpernel.dev", "lsp-paris")
            .await
            .unwrap_or(false),
        "the first one's credential works again"
    );
    let ended = Session::open(&stage, "Impersonation lsp-calais/draft", ("Configure", DEWHURST), "").await?;
    ended.stop(stage.caller(DEWHURST)).await?.object()?;
    ended.ended(&stage, "Stopped").await?;
    stage.removed(&ended.which).await?;
    let again = Session::open(&stage, &ended.which, ("Configure", DEWHURST), "").await?;
    ensure!(again.uid != ended.uid, "it is the same session");
    Ok(())
}

#[tokio::test]
async fn i4_the_platform_switches_impersonation_off_for_all() -> Result<()> {
    let mut stage = Stage::set(
        World::of(Wish {
            args: &SHORT_LEASE,
            ..Wish::default()
        })
        .await?,
    )
    .await?;
    let session = Session::open(&stage, CASE, ("Support", MARGUERITE), "").await?;
    stage.world.stop_operator()?;
    stage.world.start_operator_with(&["--impersonation=disabled"])?;
    session.ended(&stage, "Withdrawn").await?;
    let spec = format!("{{mode: Support, impersonator: {MARGUERITE}, reason: He cannot save his outbound skill}}");
    let refused = stage
        .caller(MARGUERITE)
        .create(&object("Impersonation lsp-paris/next", &spec))
        .await?;
    ensure!(
        refused
            .message()
            .contains("impersonation is switched off in this cluster"),
        "{}",
        refused.message()
    );
    Ok(())
}
