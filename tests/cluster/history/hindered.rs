//! What gets in the way: nobody leads, a quota is exhausted, the webhook was off, a namespace goes.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{NIGHT, PENDING, on_record};
use crate::common::cast::Stage;
use crate::common::rest::{Caller, object};
use crate::common::{PATIENCE, SHORT_LEASE, Wish, World};

/// Gives the Lease to somebody else, or takes it back.
async fn lease(stage: &Stage, holder: &str, seconds: i32) -> Result<()> {
    let leases = stage.world.api::<Lease>("pimpernel-system");
    let now = stage.admin.get("Namespace default").await?.date.context("a date")?;
    let now = now.strftime("%Y-%m-%dT%H:%M:%S.000000Z");
    let body =
        json!({"spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now.to_string()}});
    let name = pimpernel_launcher::operator::USER;
    leases
        .patch(name, &PatchParams::default(), &Patch::Merge(&body))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_while_nobody_drains_changes_wait_and_a_full_outbox_refuses() -> Result<()> {
    let stage = Stage::set(
        World::of(Wish {
            args: &SHORT_LEASE,
            ..Wish::default()
        })
        .await?,
    )
    .await?;
    stage.given(NIGHT, "{displayName: Night Watch, state: Active}").await?;
    on_record(&stage, NIGHT).await?;
    stage.world.stop_operator()?;
    lease(&stage, "somebody-else", 3600).await?;
    stage.world.start_operator()?;
    let change = |number: usize| json!({"spec": {"description": format!("change {number}")}});
    for number in 0..64 {
        stage.admin.merge(NIGHT, &change(number)).await?.object()?;
    }
    let full = stage.admin.merge(NIGHT, &change(64)).await?;
    ensure!(full.code >= 400, "it was let in");
    for words in ["64 changes", "`night`", "ResourceQuota", "so that none is lost"] {
        ensure!(full.message().contains(words), "{}", full.message());
    }
    let labelled = json!({"metadata": {"labels": {"shift": "late"}}});
    stage
        .admin
        .merge(NIGHT, &labelled)
        .await?
        .object()
        .context("what needs no record is let in")?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "records", "namespace": "lsp-paris"},
        "spec": {"hard": {"count/changerecords.pimpernel.dev": "1"}}});
    let path = "/api/v1/namespaces/lsp-paris/resourcequotas";
    stage
        .admin
        .send("POST", path, Some(("application/json", &quota)))
        .await?
        .object()?;
    lease(&stage, "", 1).await?;
    let refused = || Ok(stage.world.log().contains("quota: records").then_some(()));
    let met = pimpernel_launcher::wait::until("the quota to be met", PATIENCE, refused);
    met.with_context(|| stage.world.log())?;
    let full = stage.admin.merge(NIGHT, &change(65)).await?;
    ensure!(full.code >= 400, "it was let in, though nothing could be put on record");
    stage
        .admin
        .send("DELETE", &format!("{path}/records"), None)
        .await?
        .object()?;
    let records = on_record(&stage, NIGHT).await?;
    let generations: Vec<i64> = records
        .iter()
        .filter_map(|record| record["generation"].as_i64())
        .collect();
    ensure!(generations == (1..=65).collect::<Vec<_>>(), "{generations:?}");
    ensure!(records.iter().all(|record| record["actor"]["verified"] == true));
    stage
        .admin
        .merge(NIGHT, &change(66))
        .await?
        .object()
        .context("there is room again")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a21_what_was_forged_while_the_webhook_was_off_is_a_claim_and_the_rest_by_somebody_unknown() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    stage.given(NIGHT, "{displayName: Night Watch, state: Active}").await?;
    on_record(&stage, NIGHT).await?;
    stage.world.stop_operator()?;
    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        stage.world.kubectl(&["delete", kind, "pimpernel"])?;
    }
    let forged = json!([{"id": "x", "by": "percy@classics.example", "operation": "Update", "generation": 2,
        "at": "2026-01-01T00:00:00Z", "displayName": "Monitor",
        "changes": [{"path": "spec.displayName", "to": "Monitor"}], "seal": "0".repeat(64)}]);
    let patch = json!({"metadata": {"annotations": {PENDING: forged.to_string()}}, "spec": {"description": "unseen"}});
    stage.admin.merge(NIGHT, &patch).await?.object()?;
    let short = "Role lsp-paris/short";
    stage
        .admin
        .create(&object(short, "{displayName: Short Watch}"))
        .await?
        .object()?;
    stage.removed(short).await?;
    stage.world.start_operator()?;
    let records = on_record(&stage, NIGHT).await?;
    let found = |of: &dyn Fn(&Value) -> bool| records.iter().filter(|record| of(record)).count();
    ensure!(
        found(&|r| r["generation"] == 2 && r["actor"] == json!({"username": "unknown", "verified": false})) == 1,
        "{records:#?}"
    );
    let claimed = |r: &Value| r["actor"] == json!({"username": "percy@classics.example", "verified": false});
    ensure!(found(&|r| claimed(r) && r["generation"].is_null()) == 1, "{records:#?}");
    ensure!(records.len() == 3, "{records:#?}");
    stage
        .ready("Role lsp-paris/team-lead")
        .await
        .context("its name was taken by a forgery")?;
    Ok(())
}

/// The namespace of an active tenant goes, although its roles are held.
#[tokio::test(flavor = "multi_thread")]
async fn r13_a_namespace_that_is_deleted_waits_for_the_operator_and_takes_its_records_with_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    stage.world.stop_operator()?;
    stage
        .world
        .kubectl(&["delete", "namespace", "paris-nord", "--wait=false"])?;
    let held: Caller = Caller::with(stage.world.plane().admin()).await?;
    let deleting = |object: Option<&Value>| object?["metadata"].get("deletionTimestamp").map(drop);
    held.await_object("Tenant paris-nord/paris-nord", deleting).await?;
    stage.world.start_operator()?;
    let gone = |object: Option<&Value>| object.is_none().then_some(());
    held.await_object("Namespace paris-nord", gone).await?;
    Ok(())
}
