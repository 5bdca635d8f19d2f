//! Sessions as people live them: entering, acting, stopping, and losing the ground under one's feet (I1 to I3, I5 to I9).

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::common::cast::{CHAUVELIN, DEWHURST, FFOULKES, MARGUERITE, PERCY, STRANGER, Stage};
use crate::common::rest::{Caller, object};
use crate::common::{SESSIONS, World};

/// What a session may do in LSP Paris and what nobody there may do because of a role.
const ACT: (&str, &str, &str) = ("assign", "skills.acd.apps.pimpernel.dev", "lsp-paris");

/// An open session in LSP Paris.
struct Open {
    which: String,
    uid: String,
    token: String,
    inside: Caller,
}

fn request(name: &str, impersonator: &str, mode: &str) -> Value {
    let spec = format!("{{impersonator: {impersonator}, mode: {mode}, reason: Chauvelin cannot save his skill}}");
    object(&format!("Impersonation lsp-paris/{name}"), &spec)
}

/// Enters as `impersonator` and reads the credential as the same person.
async fn enter(stage: &Stage, name: &str, impersonator: &str) -> Result<Open> {
    let person = stage.caller(impersonator);
    let created = person.create(&request(name, impersonator, "Support")).await?;
    let banner = "You are currently impersonating Impersonated Admin on tenant [LSP Paris]";
    ensure!(
        created.warnings.iter().any(|warning| warning.contains(banner)),
        "{:?}",
        created.warnings
    );
    created.object()?;
    let which = format!("Impersonation lsp-paris/{name}");
    let open = stage.says(&which, "Active", "True", "Open").await?;
    assert_eq!(open.pointer("/status/banner"), Some(&json!(banner)));
    assert_eq!(open.pointer("/status/landingPage/page"), Some(&json!("Employees")));
    let text = |pointer: &str| {
        open.pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .with_context(|| pointer.to_owned())
    };
    let secret = text("/status/credential/secretName")?;
    let path = format!("/api/v1/namespaces/{SESSIONS}/secrets/{secret}");
    for other in [CHAUVELIN, PERCY, STRANGER] {
        assert_eq!(
            stage.caller(other).send("GET", &path, None).await?.code,
            403,
            "{other} reads the credential"
        );
    }
    let data = person.send("GET", &path, None).await?.object()?;
    let token: ByteString = serde_json::from_value(data.pointer("/data/token").context("no token")?.clone())?;
    let token = String::from_utf8(token.0)?;
    let end: Timestamp = text("/status/expirationTime")?.parse()?;
    assert!(
        expiry(&token)? + 70 <= end.as_second(),
        "the token outlives the session"
    );
    let inside = Caller::bearer(stage.world.plane(), &token).await?;
    ensure!(inside.may(ACT.0, ACT.1, ACT.2).await?, "the session may not act");
    Ok(Open {
        which,
        uid: text("/metadata/uid")?,
        token,
        inside,
    })
}

/// When a token expires, by its own words.
fn expiry(token: &str) -> Result<i64> {
    let claims = token.split('.').nth(1).context("no token")?;
    let padded: String = claims
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let padded = format!("{padded}{}", "=".repeat((4 - padded.len() % 4) % 4));
    let claims: ByteString = serde_json::from_value(json!(padded))?;
    let claims: Value = serde_json::from_slice(&claims.0)?;
    claims.pointer("/exp").and_then(Value::as_i64).context("no expiry")
}

/// Over for that reason, for good, and with nothing left of it.
async fn over(stage: &Stage, session: &Open, reason: &str) -> Result<()> {
    let ended = stage.says(&session.which, "Active", "False", reason).await?;
    ensure!(ended.pointer("/status/endTime").is_some(), "no end: {ended}");
    assert_eq!(ended.pointer("/status/endReason"), Some(&json!(reason)));
    ensure!(ended.pointer("/status/banner").is_none(), "the banner is still shown");
    stage.says(&session.which, "Ready", "True", reason).await?;
    let refused = session
        .inside
        .send(
            "GET",
            "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/employees",
            None,
        )
        .await?;
    ensure!(
        matches!(refused.code, 401 | 403),
        "the session may still act: {}",
        refused.code
    );
    let binding = format!("rbac.RoleBinding lsp-paris/pimpernel:session:{}", session.uid);
    ensure!(
        stage.admin.get(&binding).await?.found()?.is_none(),
        "its binding is still there"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_i9_who_may_enter_who_may_stop_and_that_an_end_is_an_end() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    only_with_the_right(&stage).await?;

    let session = enter(&stage, "from-inside", MARGUERITE).await?;
    only_one_at_a_time(&stage).await?;
    let stop = json!({"spec": {"stop": true}});
    let refused = stage.caller(DEWHURST).merge(&session.which, &stop).await?;
    assert_eq!(refused.code, 403);
    ensure!(
        refused.message().contains("is not the impersonator"),
        "{}",
        refused.message()
    );
    session.inside.merge(&session.which, &stop).await?.object()?;
    over(&stage, &session, "Stopped").await?;
    nothing_revives(&stage, &session).await?;

    stage.removed(&session.which).await?;
    let again = enter(&stage, "from-inside", MARGUERITE).await?;
    assert_ne!(again.uid, session.uid);
    ensure!(
        !session.inside.may(ACT.0, ACT.1, ACT.2).await.unwrap_or(false),
        "the old token works again"
    );
    stage.caller(MARGUERITE).merge(&again.which, &stop).await?.object()?;
    over(&stage, &again, "Stopped").await?;
    no_token_anywhere(&stage, &[&session.token, &again.token]).await
}

async fn only_with_the_right(stage: &Stage) -> Result<()> {
    let wrong_mode = stage
        .caller(FFOULKES)
        .create(&request("wrong-mode", FFOULKES, "Support"))
        .await?;
    assert_eq!(wrong_mode.code, 403);
    let message = wrong_mode.message();
    ensure!(
        message.contains("has no right to enter `lsp-paris` for `Support` (only for `Configure`)"),
        "{message}"
    );
    let stranger = stage
        .caller(STRANGER)
        .create(&request("stranger", STRANGER, "Support"))
        .await?;
    ensure!(
        stranger.message().contains("cannot create resource"),
        "{}",
        stranger.message()
    );
    let for_another = stage
        .caller(DEWHURST)
        .create(&request("for-another", MARGUERITE, "Support"))
        .await?;
    ensure!(
        for_another.message().contains("is not you"),
        "{}",
        for_another.message()
    );
    Ok(())
}

async fn only_one_at_a_time(stage: &Stage) -> Result<()> {
    let second = stage
        .caller(MARGUERITE)
        .create(&request("second", MARGUERITE, "Support"))
        .await?;
    ensure!(
        second.message().contains("has an open session already"),
        "{}",
        second.message()
    );
    Ok(())
}

/// Neither a status that is wiped nor a `stop` that is taken back.
async fn nothing_revives(stage: &Stage, session: &Open) -> Result<()> {
    let status = session.which.replacen("Impersonation ", "Impersonation/status ", 1);
    for wiped in [json!({"status": null}), json!({"status": {"endTime": null}})] {
        for who in [DEWHURST, "administrator"] {
            let refused = stage.caller(who).merge(&status, &wiped).await?;
            ensure!(
                matches!(refused.code, 403 | 422),
                "{who} wiped the status: {}",
                refused.code
            );
        }
    }
    let back = stage
        .admin
        .merge(&session.which, &json!({"spec": {"stop": false}}))
        .await?;
    ensure!(
        back.message().contains("a stopped session does not begin again"),
        "{}",
        back.message()
    );
    over(stage, session, "Stopped").await
}

/// The credential is in its Secret and nowhere else.
async fn no_token_anywhere(stage: &Stage, tokens: &[&str]) -> Result<()> {
    let mut said = stage.world.log();
    for path in [
        "/apis/pimpernel.dev/v1alpha1/impersonations",
        "/apis/events.k8s.io/v1/events",
        "/api/v1/namespaces/pimpernel-sessions/serviceaccounts",
    ] {
        said += &stage.admin.send("GET", path, None).await?.object()?.to_string();
    }
    ensure!(said.contains("from-inside"), "nothing was said of the sessions at all");
    for token in tokens {
        let signature = token.rsplit('.').next().context("no token")?;
        ensure!(!said.contains(signature), "a token was told");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i9_a_session_ends_with_its_ground_and_does_not_come_back_with_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let cases = [
        (
            "inactive",
            "Employee lsp/lady",
            json!({"spec": {"state": "Inactive"}}),
            json!({"spec": {"state": "Active"}}),
        ),
        (
            "no-right",
            "Role lsp/helper-desk",
            json!({"spec": {"permissions": []}}),
            json!({"spec": {"permissions": [{"application": "tenant-management", "permission": "impersonation", "actions": ["Support"]}]}}),
        ),
        (
            "asleep",
            "Tenant lsp-paris/lsp-paris",
            json!({"spec": {"state": "Inactive"}}),
            json!({"spec": {"state": "Active"}}),
        ),
        (
            "mode-off",
            "Tenant lsp-paris/lsp-paris",
            json!({"spec": {"impersonation": {"support": "Disabled"}}}),
            json!({"spec": {"impersonation": {"support": "Enabled"}}}),
        ),
    ];
    for (name, which, loss, return_) in cases {
        stage
            .allowed(MARGUERITE, "create", "impersonations.pimpernel.dev", "lsp-paris")
            .await?;
        let session = enter(&stage, name, MARGUERITE).await.with_context(|| name)?;
        stage.admin.merge(which, &loss).await?.object()?;
        over(&stage, &session, "Withdrawn").await.with_context(|| name)?;
        stage.admin.merge(which, &return_).await?.object()?;
        stage.ready(which).await?;
        over(&stage, &session, "Withdrawn")
            .await
            .with_context(|| format!("{name}, after its ground came back"))?;
    }
    let told = stage
        .admin
        .send("GET", "/apis/events.k8s.io/v1/namespaces/lsp-paris/events", None)
        .await?
        .object()?;
    let told = told.pointer("/items").and_then(Value::as_array).context("no events")?;
    let endings = told
        .iter()
        .filter(|event| event.pointer("/reason") == Some(&json!("Withdrawn")));
    assert_eq!(endings.count(), 4, "one Event an ending");
    Ok(())
}
