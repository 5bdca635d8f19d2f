//! I11: a tenant demands consent. Its people grant, reject and revoke as themselves; nobody else does, and what they have
//! said stays.

use crate::common::cast::{CHAUVELIN, DEWHURST, MARGUERITE, Stage};
use crate::common::endings::Ending;
use crate::common::library;
use crate::common::rest::{Answer, Caller, object, told};
use crate::common::session::Session;
use crate::common::{SESSIONS, SHORT_LEASE, Wish, World};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

#[path = "consent/again.rs"]
mod again;

const CASE: &str = "Impersonation lsp-paris/case";
/// The tenant's own, who may answer.
const WARDEN: &str = "armand.stjust@lsp-paris.example";
const CONSENTS: &str = "impersonationconsents.pimpernel.dev";
const GATE: &str = "{displayName: Gatekeeper, state: Active, permissions: [{application: admin, permission: role-impersonation, actions: [Respond]}]}";

/// LSP Paris demands consent, and somebody there may give it.
async fn demanding(world: World) -> Result<(Stage, Caller)> {
    let stage = Stage::set(world).await?;
    let approval = json!({"spec": {"impersonation": {"approval": "Required"}}});
    let paris = "Tenant lsp-paris/lsp-paris";
    stage.admin.merge(paris, &approval).await?.object()?;
    stage.admin.judged(paris).await?;
    stage.given("Role lsp-paris/gate", GATE).await?;
    let keeper = format!("{{username: {WARDEN}, state: Active, primaryRole: gate}}");
    stage.given("Employee lsp-paris/keeper", &keeper).await?;
    let warden = Caller::user(stage.world.plane(), WARDEN).await?;
    allowed(&warden, "create").await?;
    Ok((stage, warden))
}

/// Waits until the API server heeds somebody's right on consents.
async fn allowed(caller: &Caller, verb: &str) -> Result<()> {
    caller.until_may((verb, CONSENTS, "lsp-paris"), true).await
}

fn consent(name: &str, session: &Value, decision: &str, by: &str) -> Value {
    let spec = json!({
        "impersonation": session["metadata"]["name"], "impersonationUID": session["metadata"]["uid"],
        "decision": decision, "by": by,
    });
    let mut consent = object(&format!("ImpersonationConsent lsp-paris/{name}"), "{}");
    consent["spec"] = spec;
    consent
}

async fn asked(stage: &Stage, which: &str, user: &str) -> Result<Value> {
    let session = Session::ask(stage, which, ("Support", user), "duration: 20m").await?;
    stage.says(which, "Ready", "False", "AwaitingConsent").await?;
    no_account(&session, stage).await?;
    Ok(session)
}

async fn no_account(session: &Value, stage: &Stage) -> Result<()> {
    let uid = session["metadata"]["uid"].as_str().context("a UID")?;
    let account = format!("ServiceAccount {SESSIONS}/impersonated-admin-{uid}");
    ensure!(stage.admin.get(&account).await?.code == 404, "it was opened");
    Ok(())
}

fn created(object: &Value) -> Result<Timestamp> {
    let at = object["metadata"]["creationTimestamp"].as_str().context("created")?;
    Ok(at.parse()?)
}

/// Waits until the API server's clock is past the second of `instant`, so that what is made then is younger.
async fn after(instant: Timestamp, stage: &Stage) -> Result<()> {
    while stage.admin.get("Namespace default").await?.date.context("a date")? <= instant {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
async fn i11_a_granted_session_counts_from_the_consent_and_is_revoked_at_once() -> Result<()> {
    let wish = Wish {
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    let (mut stage, warden) = demanding(World::of(wish).await?).await?;
    let request = asked(&stage, CASE, MARGUERITE).await?;
    let waiting = stage.admin.get(CASE).await?.object()?;
    ensure!(
        waiting["status"].get("expirationTime").is_none(),
        "its time counts already"
    );
    after(created(&request)?, &stage).await?;
    let yes = warden.create(&consent("yes", &request, "Granted", WARDEN)).await?;
    let granted = created(&yes.object().context("the tenant consents")?)?;
    ensure!(granted > created(&request)?, "the consent is younger");
    let session = Session::opened(&stage, CASE, MARGUERITE).await?;
    ensure!(
        session.end == granted + SignedDuration::from_mins(20),
        "it ends at {}, granted at {granted}",
        session.end
    );
    stage
        .says("ImpersonationConsent lsp-paris/yes", "Ready", "True", "InEffect")
        .await?;
    nothing_moves_its_end(&session, &mut stage).await?;
    allowed(&warden, "create").await?;
    let no = warden.create(&consent("enough", &request, "Revoked", WARDEN)).await?;
    no.object().context("the tenant revokes")?;
    let over = session.ended(&stage, "Revoked").await?;
    ensure!(over["status"]["startTime"] == json!(granted), "{}", over["status"]);
    let record = session.on_record(&stage).await?;
    ensure!(record["status.startTime"] == json!(granted), "{record}");
    for name in ["yes", "enough"] {
        let which = format!("ImpersonationConsent lsp-paris/{name}");
        stage.says(&which, "Ready", "True", "SessionOver").await?;
    }
    let late = warden.create(&consent("late", &request, "Granted", WARDEN)).await?;
    ensure!(late.message().contains("`case` is over"), "{}", late.message());
    Ok(())
}

/// Neither a restart, nor what the tenant demands, nor what becomes of whoever consented.
async fn nothing_moves_its_end(session: &Session, stage: &mut Stage) -> Result<()> {
    let free = json!({"spec": {"impersonation": {"approval": "NotRequired"}}});
    let demands = json!({"spec": {"impersonation": {"approval": "Required"}}});
    let leave = json!({"spec": {"state": "Inactive"}});
    let stay = json!({"spec": {"state": "Active"}});
    for (which, patch) in [
        ("Tenant lsp-paris/lsp-paris", free),
        ("Tenant lsp-paris/lsp-paris", demands),
        ("Employee lsp-paris/keeper", leave),
        ("Employee lsp-paris/keeper", stay),
    ] {
        stage.admin.merge(which, &patch).await?.object()?;
        stage.admin.judged(which).await?;
        stage.world.kill_operator()?;
        stage.world.start_operator()?;
        let open = stage.says(&session.which, "Active", "True", "Open").await?;
        ensure!(
            open["status"]["expirationTime"] == json!(session.end),
            "{which}: {}",
            open["status"]
        );
    }
    ensure!(
        session
            .inside
            .may("list", "employees.pimpernel.dev", "lsp-paris")
            .await?,
        "the session goes on with the same credential"
    );
    Ok(())
}

#[tokio::test]
async fn i11_a_rejected_request_is_over_for_good() -> Result<()> {
    let (stage, warden) = demanding(World::start().await?).await?;
    let request = asked(&stage, CASE, MARGUERITE).await?;
    let no = warden.create(&consent("no", &request, "Rejected", WARDEN)).await?;
    no.object().context("the tenant rejects")?;
    let over = stage.says(CASE, "Active", "False", "Rejected").await?;
    let (ready, why, _) = told(&over, "Ready").context("Ready")?;
    ensure!((ready.as_str(), why.as_str()) == ("True", "Rejected"), "{ready} {why}");
    ensure!(over["status"]["endReason"] == "Rejected", "{}", over["status"]);
    Ending::of(&over, "Rejected")?.told(&stage).await?;
    no_account(&request, &stage).await?;
    stage
        .says("ImpersonationConsent lsp-paris/no", "Ready", "True", "SessionOver")
        .await?;
    let second = asked(&stage, "Impersonation lsp-paris/again", MARGUERITE).await?;
    let answer = warden.create(&consent("old", &request, "Granted", WARDEN)).await?;
    ensure!(answer.message().contains("`case` is over"), "{}", answer.message());
    let yes = warden.create(&consent("yes", &second, "Granted", WARDEN)).await?;
    yes.object().context("another request is another decision")?;
    Session::opened(&stage, "Impersonation lsp-paris/again", MARGUERITE).await?;
    let also = warden.create(&consent("also", &second, "Rejected", WARDEN)).await?;
    ensure!(
        also.message().contains("consent `yes` has `Granted` it already"),
        "{}",
        also.message()
    );
    no_account(&request, &stage).await
}

/// Rights on consents by a binding of the platform's own: so it is admission that refuses, and not RBAC.
async fn entrusted(stage: &Stage, people: &[&str]) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"namespace": "lsp-paris", "name": "consents"});
    let rule = json!({"apiGroups": ["pimpernel.dev"], "resources": ["impersonationconsents"],
        "verbs": ["get", "create", "patch", "delete"]});
    let subject = |name: &&str| json!({"apiGroup": group, "kind": "User", "name": name});
    let subjects: Vec<Value> = people.iter().map(subject).collect();
    for object in [
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "consents"}, "subjects": subjects}),
    ] {
        stage.admin.apply(&object).await?.object()?;
    }
    Ok(())
}

fn refused(what: &str, answer: &Answer, code: u16, says: &str) -> Result<()> {
    ensure!(
        answer.code == code && answer.message().contains(says),
        "{what}: {} {}",
        answer.code,
        answer.message()
    );
    Ok(())
}

#[tokio::test]
async fn a7_i11_nobody_but_the_tenants_own_consent_and_what_they_said_stays() -> Result<()> {
    let (stage, warden) = demanding(World::start().await?).await?;
    let request = asked(&stage, CASE, MARGUERITE).await?;
    for (who, caller) in [
        ("the impersonator", stage.caller(MARGUERITE)),
        ("the partner's administrator", stage.caller(DEWHURST)),
        ("an employee without the right", stage.caller(CHAUVELIN)),
    ] {
        let answer = caller.create(&consent("x", &request, "Granted", MARGUERITE)).await?;
        refused(who, &answer, 403, "cannot create resource")?;
    }
    let hers = asked(&stage, "Impersonation lsp-paris/other", DEWHURST).await?;
    let yes = warden.create(&consent("other", &hers, "Granted", WARDEN)).await?;
    yes.object()?;
    let inside = Session::opened(&stage, "Impersonation lsp-paris/other", DEWHURST)
        .await?
        .inside;
    let answer = inside.create(&consent("x", &request, "Granted", WARDEN)).await?;
    refused("a session", &answer, 403, "cannot create resource")?;

    entrusted(&stage, &[MARGUERITE, DEWHURST, CHAUVELIN, WARDEN]).await?;
    for caller in [
        stage.caller(MARGUERITE),
        stage.caller(DEWHURST),
        stage.caller(CHAUVELIN),
        &warden,
    ] {
        allowed(caller, "delete").await?;
    }
    for (user, caller, says) in [
        (MARGUERITE, stage.caller(MARGUERITE), "is the impersonator"),
        (
            DEWHURST,
            stage.caller(DEWHURST),
            "has no right to answer for `lsp-paris`",
        ),
        (
            CHAUVELIN,
            stage.caller(CHAUVELIN),
            "has no right to answer for `lsp-paris`",
        ),
        (
            "kubernetes-admin",
            &stage.admin,
            "has no right to answer for `lsp-paris`",
        ),
    ] {
        for decision in ["Granted", "Rejected", "Revoked"] {
            let answer = caller.create(&consent("x", &request, decision, user)).await?;
            refused(user, &answer, 403, says)?;
        }
        let answer = caller.create(&consent("x", &request, "Granted", WARDEN)).await?;
        refused("in another's name", &answer, 403, "is not you")?;
    }
    his_account_consents_for_nobody(&stage, &request).await?;
    let mut elsewhere = request.clone();
    elsewhere["metadata"]["uid"] = json!("another");
    let answer = warden.create(&consent("x", &elsewhere, "Granted", WARDEN)).await?;
    refused(
        "another session",
        &answer,
        422,
        "there is no Impersonation `case` with UID `another`",
    )?;
    stage.says(CASE, "Ready", "False", "AwaitingConsent").await?;
    no_account(&request, &stage).await?;

    let which = "ImpersonationConsent lsp-paris/other";
    for (who, caller) in [("its author", &warden), ("the administrator", &stage.admin)] {
        for patch in [
            json!({"spec": {"decision": "Revoked"}}),
            json!({"spec": {"by": CHAUVELIN}}),
            json!({"spec": {"message": "On second thoughts"}}),
        ] {
            refused(who, &caller.merge(which, &patch).await?, 422, "a consent cannot change")?;
        }
        refused(who, &caller.delete(which).await?, 403, "is on record and stays")?;
    }
    stage
        .removed("Namespace lsp-paris")
        .await
        .context("it goes with its namespace")
}

/// The impersonator has a ServiceAccount of the tenant say yes, for itself and in other names.
async fn his_account_consents_for_nobody(stage: &Stage, request: &Value) -> Result<()> {
    let name = "system:serviceaccount:lsp-paris:robot";
    let robot = stage.account("lsp-paris", "robot").await?;
    entrusted(stage, &[MARGUERITE, DEWHURST, CHAUVELIN, WARDEN, name]).await?;
    allowed(&robot, "create").await?;
    for (by, says) in [
        (name, "has no right to answer for `lsp-paris`"),
        (MARGUERITE, "is not you"),
        (WARDEN, "is not you"),
    ] {
        let answer = robot.create(&consent("x", request, "Granted", by)).await?;
        refused(by, &answer, 403, says)?;
    }
    Ok(())
}

/// Without webhook and policies whatever is written is stored. A yes in the name of somebody who may not say it gives nothing
/// and says why; the next one, by somebody who may, opens the session.
#[tokio::test]
async fn i11_without_admission_a_yes_of_somebody_who_may_not_has_no_effect() -> Result<()> {
    let (stage, warden) = demanding(World::unguarded(Wish::default()).await?).await?;
    let request = asked(&stage, CASE, MARGUERITE).await?;
    let account = format!(
        "system:serviceaccount:{SESSIONS}:impersonated-admin-{}",
        request["metadata"]["uid"]
    );
    let account = account.replace('"', "");
    for (number, by) in [MARGUERITE, DEWHURST, CHAUVELIN, "kubernetes-admin", &account]
        .into_iter()
        .enumerate()
    {
        let name = format!("forged-{number}");
        let forged = consent(&name, &request, "Granted", by);
        stage
            .admin
            .create(&forged)
            .await?
            .object()
            .context("it must be stored")?;
        let which = format!("ImpersonationConsent lsp-paris/{name}");
        let stored = stage.says(&which, "Stalled", "True", "NotAnApprover").await?;
        let now = stage.admin.get("Namespace default").await?.date.context("a date")?;
        let would = library::admit(&stage.admin, &stored, now).await?.violations;
        let (_, _, message) = told(&stored, "Ready").context("Ready")?;
        ensure!(
            would.len() == 1 && message == would[0].to_string(),
            "{message}, {would:?}"
        );
        stage.says(CASE, "Ready", "False", "AwaitingConsent").await?;
        no_account(&request, &stage).await?;
    }
    let yes = warden.create(&consent("yes", &request, "Granted", WARDEN)).await?;
    yes.object()?;
    Session::opened(&stage, CASE, MARGUERITE).await?;
    Ok(())
}
