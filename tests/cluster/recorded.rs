//! What is on record: names that stay burnt (R4), and sessions whose end is for good (I9, I13).

use crate::common::audit;
use crate::common::cast::{FFOULKES, MARGUERITE, STRANGER, Stage};
use crate::common::loose::{Looseness, definitions};
use crate::common::rest::{object, told};
use crate::common::session::Session;
use crate::common::{PATIENCE, SESSIONS, Wish, World};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CASE: &str = "Impersonation lsp-paris/case";

/// An instant that far ahead, by the API server's clock.
async fn ahead(minutes: i64, stage: &Stage) -> Result<Timestamp> {
    let now = stage.admin.get("Namespace default").await?.date.context("a date")?;
    Ok(now + SignedDuration::from_mins(minutes))
}

#[tokio::test]
async fn i13_every_session_leaves_a_record_of_how_it_ended() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let stopped = Session::open(
        &stage,
        CASE,
        ("Support", MARGUERITE),
        "duration: 20m, ticket: CASE-1792",
    )
    .await?;
    stopped.stop(stage.caller(MARGUERITE)).await?.object()?;
    let over = stopped.ended(&stage, "Stopped").await?;
    let record = stopped.on_record(&stage).await?;
    let wanted = json!({
        "operation": "End", "by": MARGUERITE, "spec.mode": "Support", "spec.ticket": "CASE-1792",
        "spec.reason": over["spec"]["reason"], "status.startTime": over["metadata"]["creationTimestamp"],
        "status.endTime": over["status"]["endTime"], "status.endReason": "Stopped",
    });
    ensure!(record == wanted, "the record says {record}, not {wanted}");
    stage.removed(CASE).await?;
    ensure!(
        stopped.on_record(&stage).await? == record,
        "it outlives the Impersonation"
    );

    let deleted = Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 20m").await?;
    stage.removed(CASE).await?;
    deleted.deleted(&stage).await?;

    let while_dead = Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 20m").await?;
    stage.world.kill_operator()?;
    stage.removed(CASE).await?;
    stage.world.start_operator()?;
    while_dead.deleted(&stage).await?;
    what_is_applied_again_opens_nothing(&stage).await
}

/// I12, I9: from Git, under an identity that may ask for others.
async fn what_is_applied_again_opens_nothing(stage: &Stage) -> Result<()> {
    let metadata = json!({"namespace": "lsp-paris", "name": "delivery"});
    let group = "rbac.authorization.k8s.io";
    let rule = json!({
        "apiGroups": ["pimpernel.dev"], "resources": ["impersonations"],
        "verbs": ["get", "create", "patch", "delete", "request-for"],
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
    let tool = stage.caller(STRANGER);
    stage
        .allowed(STRANGER, "request-for", "impersonations.pimpernel.dev", "lsp-paris")
        .await?;
    let asked = |end: Timestamp| {
        let spec =
            format!("{{mode: Support, impersonator: {MARGUERITE}, reason: A visit that was planned, notAfter: {end}}}");
        object("Impersonation lsp-paris/visit", &spec)
    };
    let manifest = asked(ahead(30, stage).await?);
    let visit = "Impersonation lsp-paris/visit";
    tool.apply(&manifest).await?.object()?;
    stage.says(visit, "Active", "True", "Open").await?;
    let stop = json!({"spec": {"stop": true}});
    stage.caller(MARGUERITE).merge(visit, &stop).await?.object()?;
    stage.says(visit, "Active", "False", "Stopped").await?;
    stage.removed(visit).await?;
    let again = tool.apply(&manifest).await?;
    ensure!(
        again.warnings.join("\n").contains("is not opened again"),
        "no warning: {:?}",
        again.warnings
    );
    let again = again.object().context("a manifest that is applied again is admitted")?;
    let over = stage.says(visit, "Active", "False", "Stopped").await?;
    let (ready, ..) = told(&over, "Ready").context("no condition Ready")?;
    ensure!(ready == "True", "a tool would show it as failed");
    no_account(&again, stage).await?;
    stage.removed(visit).await?;
    let past = tool.apply(&asked(ahead(-60 * 24, stage).await?)).await?;
    ensure!(
        past.warnings
            .join("\n")
            .contains("the end has passed already: nothing is opened"),
        "no warning: {:?}",
        past.warnings
    );
    no_account(&past.object()?, stage).await
}

async fn no_account(session: &Value, stage: &Stage) -> Result<()> {
    let uid = session["metadata"]["uid"].as_str().context("a UID")?;
    let account = format!("ServiceAccount {SESSIONS}/impersonated-admin-{uid}");
    ensure!(stage.admin.get(&account).await?.code == 404, "it was opened");
    Ok(())
}

/// Without policies and the rules of the definitions, so that whoever may write statuses and Impersonations can try.
#[tokio::test]
async fn a9_i9_r4_what_is_on_record_is_not_undone_by_statuses_deletions_or_restarts() -> Result<()> {
    let stage = Stage::set(World::unguarded(Wish::default()).await?).await?;
    definitions(&stage.admin, Looseness::Types).await?;
    let end = format!("notAfter: {}", ahead(20, &stage).await?);
    let session = Session::open(&stage, CASE, ("Support", MARGUERITE), &end).await?;
    session.stop(stage.caller(MARGUERITE)).await?.object()?;
    let over = session.ended(&stage, "Stopped").await?;
    none_is_open(&stage).await?;
    for restarted in [false, true] {
        if restarted {
            stage.world.stop_operator()?;
        }
        let later = json!({"status": {"endTime": ahead(60, &stage).await?, "endReason": null}});
        for forged in [json!({"status": null}), later] {
            let status = "Impersonation/status lsp-paris/case";
            stage.admin.merge(status, &forged).await?.object()?;
        }
        if restarted {
            stage.world.start_operator()?;
        }
        let true_end = |case: Option<&Value>| (case?["status"]["endTime"] == over["status"]["endTime"]).then_some(());
        stage.admin.await_object(CASE, true_end).await?;
        let over = session.ended_by_another(&stage, "Stopped").await?;
        no_account(&over, &stage).await?;
    }
    stage.removed(CASE).await?;
    let mut manifest = object(
        CASE,
        &format!("{{mode: Support, impersonator: {MARGUERITE}, reason: Once more from the top, {end}}}"),
    );
    stage.admin.create(&manifest).await?.object()?;
    let over = stage.says(CASE, "Active", "False", "Stopped").await?;
    no_account(&over, &stage).await?;
    manifest["metadata"]["name"] = json!("another");
    stage.admin.create(&manifest).await?.object()?;
    let another = "Impersonation lsp-paris/another";
    stage
        .says(another, "Active", "True", "Open")
        .await
        .context("another name is another session")?;
    names_stay_burnt(&stage).await
}

/// Waits until the metric says so, which nobody can watch.
async fn none_is_open(stage: &Stage) -> Result<()> {
    let began = Instant::now();
    while stage.world.metric("pimpernel_open_sessions")? != Some(0.0) {
        ensure!(began.elapsed() < PATIENCE, "a session that is over is counted as open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn names_stay_burnt(stage: &Stage) -> Result<()> {
    let named = |name: &str| format!("{{displayName: {name}, state: Active}}");
    let night = "Role lsp-paris/night";
    stage.given(night, &named("Night Watch")).await?;
    stage.given(night, &named("Late Watch")).await?;
    stage.removed(night).await?;
    stage.world.stop_operator()?;
    stage.world.start_operator()?;
    for name in ["night watch", "LATE WATCH"] {
        stage.given("Role lsp-paris/heir", &named(name)).await?;
        stage.says("Role lsp-paris/heir", "Ready", "False", "NameBurnt").await?;
    }
    stage.given(night, &named("Night Watch")).await?;
    stage.ready(night).await.context("the same role may have it back")?;
    Ok(())
}

#[tokio::test]
async fn i13_a_refused_request_is_in_the_audit_log_with_its_reason_in_a_metric_and_in_the_log() -> Result<()> {
    let wish = Wish {
        audit: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let before = audit::here(stage.world.plane())?;
    let counted = || {
        stage
            .world
            .metric("pimpernel_webhook_requests_total")
            .map(Option::unwrap_or_default)
    };
    let refusals = counted()?;
    let wanted = object(
        CASE,
        &format!("{{mode: Support, impersonator: {FFOULKES}, reason: He cannot save his skill}}"),
    );
    let answer = stage.caller(FFOULKES).create(&wanted).await?;
    ensure!(answer.code == 403, "{} {}", answer.code, answer.body);
    let log = audit::since(stage.world.plane(), before)?;
    let noted = log
        .iter()
        .filter(|request| request.object == "lsp-paris/case")
        .flat_map(|request| &request.annotations)
        .find(|(name, _)| name.ends_with("pimpernel.dev/refused"));
    let (_, value) = noted.context("no annotation")?;
    ensure!(value == "NotEntitled spec.impersonator", "the audit log says {value}");
    ensure!(counted()? > refusals, "no metric has counted it");
    let told = stage.world.log();
    ensure!(
        told.lines()
            .any(|line| line.contains("refused") && line.contains(FFOULKES) && line.contains("NotEntitled")),
        "the operator's log does not tell it"
    );
    Ok(())
}
