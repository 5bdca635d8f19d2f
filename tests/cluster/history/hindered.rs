//! What gets in the way: nobody leads, a quota is exhausted, the webhook was off, a namespace goes.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{NIGHT, PENDING, on_record};
use crate::common::cast::Stage;
use crate::common::rest::{Caller, object, told};
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
    held.gone("Namespace paris-nord").await?;
    Ok(())
}

/// Whoever waits for something to go is told what it waits for; what it gave is gone all the same.
#[tokio::test(flavor = "multi_thread")]
async fn r13_what_waits_because_nothing_can_be_put_on_record_says_so() -> Result<()> {
    const DUSK: &str = "Role lsp-paris/dusk";
    const DAWN: &str = "Role lsp-paris/dawn";
    const TENANT: &str = "Tenant paris-nord/paris-nord";
    const GIVEN: &str = "rbac.RoleBinding lsp-paris/pimpernel:role:dusk:b";
    let stage = Stage::set(World::start().await?).await?;
    for (which, spec) in [
        (
            DUSK,
            "{displayName: Dusk Watch, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}",
        ),
        (DAWN, "{displayName: Dawn Watch}"),
        (
            "Employee lsp-paris/watchman",
            "{username: watchman@lsp-paris.example, state: Active, primaryRole: dusk}",
        ),
    ] {
        stage.given(which, spec).await?;
    }
    let idle = json!({"spec": {"state": "Inactive"}});
    stage.admin.merge(TENANT, &idle).await?.object()?;
    for which in [DUSK, DAWN, TENANT] {
        on_record(&stage, which).await?;
    }
    stage
        .admin
        .await_object(GIVEN, |object| object.map(drop))
        .await
        .context("the right")?;
    stage.world.stop_operator()?;
    for namespace in ["lsp-paris", "paris-nord"] {
        nothing_more_is_stored(&stage, namespace).await?;
    }
    for which in [DUSK, TENANT] {
        stage.admin.delete(which).await?.object()?;
    }
    stage.world.start_operator()?;
    for which in [DUSK, TENANT] {
        let says = "is being deleted, and waits until its deletion is on record: record";
        waits(&stage, which, says).await?;
    }
    stage.admin.gone(GIVEN).await?;
    let change = json!({"spec": {"description": "changed"}});
    stage.admin.merge(DAWN, &change).await?.object()?;
    waits(&stage, DAWN, "record `lsp-paris/change-").await?;
    for namespace in ["lsp-paris", "paris-nord"] {
        let quota = format!("ResourceQuota {namespace}/records");
        stage.admin.delete(&quota).await?.object()?;
    }
    for which in [DUSK, TENANT] {
        stage.admin.gone(which).await?;
        let records = on_record(&stage, which).await?;
        let last = records.last().context("a record")?;
        ensure!(last["operation"] == "Delete", "{which}: {last}");
    }
    on_record(&stage, DAWN).await?;
    stage.ready(DAWN).await?;
    Ok(())
}

/// A quota that leaves no room for records, once the API server heeds it.
async fn nothing_more_is_stored(stage: &Stage, namespace: &str) -> Result<()> {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "records", "namespace": namespace},
        "spec": {"hard": {"count/changerecords.pimpernel.dev": "0"}}});
    stage.admin.apply(&quota).await?.object()?;
    let heeded = |object: Option<&Value>| object?["status"].get("hard").map(drop);
    let which = format!("ResourceQuota {namespace}/records");
    stage.admin.await_object(&which, heeded).await
}

/// That a condition and an Event say what the object waits for, with the words of the API server.
async fn waits(stage: &Stage, which: &str, says: &str) -> Result<()> {
    let said = |object: Option<&Value>| {
        let object = object?;
        let (ready, reason, message) = told(object, "Ready")?;
        let all = [says, "quota: records"].iter().all(|words| message.contains(words));
        let waits = ready == "False" && reason == "ApplyFailed" && all;
        Some(object["metadata"].clone()).filter(|_| waits)
    };
    let found = stage.admin.await_object(which, said).await?;
    let (namespace, uid) = (found["namespace"].as_str(), found["uid"].as_str());
    let (namespace, uid) = (namespace.unwrap_or_default(), uid.context("a UID")?);
    let event = stage.event(namespace, uid, "ApplyFailed").await?;
    ensure!(event["type"] == "Warning", "{which}: {event}");
    Ok(())
}
