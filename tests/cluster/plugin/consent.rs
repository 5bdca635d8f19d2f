//! Answering for a tenant that is asked (I11).

use super::inside::begun;
use super::{Person, said, text};
use crate::common::cast::{CHAUVELIN, DEWHURST, MARGUERITE, Stage};
use crate::common::endings::Ending;
use crate::common::rest::told;
use crate::common::session::Session;
use crate::common::{PATIENCE, SESSIONS, Wish, World, eventually_may};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::process::Child;

/// The tenant's own, who may answer.
const WARDEN: &str = "armand.stjust@lsp-paris.example";
const GATE: &str = "{displayName: Gatekeeper, state: Active, permissions: [{application: admin, permission: role-impersonation, actions: [Respond]}, {application: admin, permission: impersonations, actions: [View]}]}";

/// LSP Paris demands consent, and somebody there may give it.
async fn demanding(stage: &Stage) -> Result<Person<'_>> {
    let paris = "Tenant lsp-paris/lsp-paris";
    let approval = json!({"spec": {"impersonation": {"approval": "Required"}}});
    stage.admin.merge(paris, &approval).await?.object()?;
    stage.admin.judged(paris).await?;
    stage.given("Role lsp-paris/gate", GATE).await?;
    let keeper = format!("{{username: {WARDEN}, state: Active, primaryRole: gate}}");
    stage.given("Employee lsp-paris/keeper", &keeper).await?;
    let warden = Person::new(&stage.world, WARDEN)?;
    let answers = ("create", "impersonationconsents.pimpernel.dev", "lsp-paris");
    eventually_may(&stage.world.client(), WARDEN, answers, true).await?;
    Ok(warden)
}

/// Somebody asks for a session and waits: the program that waits, and the session's name.
fn waiting(person: &Person<'_>) -> Result<(Child, String)> {
    let words = "pimpernel impersonate lsp-paris --mode Support --reason Waits_for_a_word_of_theirs";
    let (child, said) = begun(
        person.command(&person.kubeconfig, words),
        "waiting: The session waits until the tenant consents",
    )?;
    let name = said
        .split("asked for session lsp-paris/")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let name = name.with_context(|| said.clone())?;
    Ok((child, name.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_tenant_approves_rejects_and_revokes_by_the_plugin() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let (warden, marguerite) = (demanding(&stage).await?, Person::new(&stage.world, MARGUERITE)?);
    let (mut child, name) = waiting(&marguerite)?;
    // Neither the impersonator nor somebody without the right answers.
    let chauvelin = Person::new(&stage.world, CHAUVELIN)?;
    for person in [&marguerite, &chauvelin] {
        let said = person.runs(&format!("pimpernel approve {name} -n lsp-paris"))?;
        ensure!(said.code == 1 && said.stderr.contains("forbidden"), "{}", said.stderr);
    }
    let said = warden.runs(&format!("pimpernel approve {name} -n lsp-paris --message Come_in"))?;
    ensure!(said.code == 0 && said.stdout.is_empty(), "{}", said.stderr);
    ensure!(
        said.stderr.contains("is approved") && said.stderr.contains("is open"),
        "{}",
        said.stderr
    );
    ensure!(
        child.wait()?.success() && marguerite.files()?.len() == 1,
        "she was let in"
    );
    let consents = stage.admin.list("ImpersonationConsent", "lsp-paris", "").await?;
    let [consent] = consents.as_slice() else {
        anyhow::bail!("one consent, not {consents:?}")
    };
    ensure!(
        text(consent, "/spec/by")? == WARDEN && text(consent, "/spec/message")? == "Come in",
        "{consent}"
    );

    let said = warden.runs(&format!("pimpernel revoke {name} -n lsp-paris"))?;
    ensure!(
        said.code == 0 && said.stderr.contains("is over: Revoked"),
        "{}",
        said.stderr
    );
    let said = marguerite.runs("pimpernel stop")?;
    ensure!(
        said.code == 0 && said.stderr.contains("was over already") && marguerite.files()?.is_empty(),
        "{}",
        said.stderr
    );
    let said = warden.runs(&format!("pimpernel approve {name} -n lsp-paris"))?;
    ensure!(said.code == 1 && said.stderr.contains("is over"), "{}", said.stderr);

    let said =
        marguerite.runs("pimpernel impersonate lsp-paris --mode Support --reason Tries_it_once_more --no-wait")?;
    let name = said.stdout.trim();
    let said = warden.runs(&format!("pimpernel reject {name} -n lsp-paris"))?;
    ensure!(
        said.code == 0 && said.stderr.contains("is over: Rejected"),
        "{}",
        said.stderr
    );
    let said = marguerite.runs(&format!("pimpernel impersonate lsp-paris --resume {name}"))?;
    ensure!(
        said.code == 1 && said.stderr.contains("it has ended: Rejected"),
        "{}",
        said.stderr
    );
    Ok(())
}

/// A day goes by at the API server, as the operator sees it.
#[tokio::test(flavor = "multi_thread")]
async fn i11_i9_who_waits_is_told_that_nobody_has_answered_in_a_day() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let (warden, marguerite) = (demanding(&stage).await?, Person::new(&stage.world, MARGUERITE)?);
    let (mut child, name) = waiting(&marguerite)?;
    let case = format!("Impersonation lsp-paris/{name}");
    let proxy = stage.world.proxy()?;
    proxy.date_ahead(SignedDuration::from_hours(24) - SignedDuration::from_mins(5));
    proxy.await_answer(PATIENCE)?;
    // One that is about as old, and judged from here on.
    let other = "Impersonation lsp-paris/other";
    Session::ask(&stage, other, ("Support", DEWHURST), "").await?;
    for which in [&case, other] {
        stage.says(which, "Ready", "False", "AwaitingConsent").await?;
    }
    ensure!(child.try_wait()?.is_none(), "she does not wait any more");

    proxy.date_ahead(SignedDuration::from_hours(24));
    for (which, user) in [(case.as_str(), MARGUERITE), (other, DEWHURST)] {
        let over = stage.says(which, "Active", "False", "Lapsed").await?;
        let (ready, _, message) = told(&over, "Ready").context("Ready")?;
        ensure!(
            ready == "True" && message == "The tenant did not answer the request in 24 hours",
            "{ready}: {message}"
        );
        let created: Timestamp = text(&over, "/metadata/creationTimestamp")?.parse()?;
        let lapse = json!(created + SignedDuration::from_hours(24));
        let status = &over["status"];
        ensure!(
            status["endReason"] == "Lapsed" && status["endTime"] == lapse,
            "{status}"
        );
        let record = Ending::of(&over, "Lapsed")?.told(&stage).await?;
        ensure!(record["status.endTime"] == lapse && record["by"] == user, "{record}");
    }
    ensure!(
        stage.admin.list("Secret", SESSIONS, "").await?.is_empty(),
        "a session was opened"
    );
    ensure!(child.wait()?.code() == Some(1), "she waits on");
    let again = marguerite.runs(&format!("pimpernel impersonate lsp-paris --resume {name}"))?;
    said(&again, 1, &["it has ended: Lapsed"])?;
    let list = marguerite.runs("pimpernel sessions -n lsp-paris")?;
    said(&list, 0, &[&format!("{name} Support {MARGUERITE} Lapsed")])?;
    ensure!(marguerite.files()?.is_empty(), "a credential is kept");
    let late = warden.runs(&format!("pimpernel approve {name} -n lsp-paris"))?;
    said(&late, 1, &["is over"])?;

    proxy.date_ahead(SignedDuration::ZERO);
    proxy.await_answer(PATIENCE)?;
    another_is_open(&warden, &marguerite)?;
    stage.says(&case, "Active", "False", "Lapsed").await?;
    Ok(())
}

/// She asks anew, and it is decided anew.
fn another_is_open(warden: &Person<'_>, marguerite: &Person<'_>) -> Result<()> {
    let (mut child, anew) = waiting(marguerite)?;
    said(
        &warden.runs(&format!("pimpernel approve {anew} -n lsp-paris"))?,
        0,
        &["is open"],
    )?;
    ensure!(child.wait()?.success(), "another request is another decision");
    Ok(())
}
