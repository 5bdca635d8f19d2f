//! R13, R4: the leader removes records that are older than is kept, and leaves those that something hangs on.

use super::{on_record, recorded};
use crate::common::cast::Stage;
use crate::common::rest::{Caller, object};
use crate::common::{SHORT_LEASE, Wish, World};
use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{operator, repository};
use serde_json::{Value, json};

const NIGHT: &str = "Role lsp-paris/night";

/// An old record, as the operator wrote it years ago.
fn old(name: &str, subject: &Value, (operation, generation): (&str, i64), changes: &Value) -> Value {
    let mut record = object(&format!("ChangeRecord lsp-paris/{name}"), "{}");
    record["spec"] = json!({"subject": subject, "operation": operation, "generation": generation, "changes": changes,
        "time": "2020-01-01T00:00:00Z", "actor": {"username": "somebody", "verified": true}});
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_r4_records_that_are_older_than_is_kept_go_and_nothing_is_missed() -> Result<()> {
    let wish = Wish {
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    let mut stage = Stage::set(World::of(wish).await?).await?;
    let night = stage
        .given(NIGHT, "{displayName: Night Watch, description: Looks out}")
        .await?;
    stage
        .given(NIGHT, "{displayName: Night Watch, description: Sleeps}")
        .await?;
    ensure!(on_record(&stage, NIGHT).await?.len() == 2, "two changes");
    let subject = json!({"kind": "Role", "name": "night", "uid": night["metadata"]["uid"]});
    let day = json!({"kind": "Role", "name": "day", "uid": "long-gone"});
    let described = json!([{"path": "spec.description", "to": "Yawns"}]);
    let named = json!([{"path": "spec.displayName", "to": "Day Watch"}]);
    let us = Caller::user(stage.world.plane(), operator::USER).await?;
    for record in [
        old("old-change", &subject, ("Update", 1), &described),
        old("old-name", &day, ("Create", 1), &named),
        old("old-deletion", &day, ("Delete", 2), &json!([])),
    ] {
        us.create(&record).await?.object()?;
    }
    let right = repository().join("rbac/optional/history-retention.yaml");
    let right = right.to_str().context("a path")?;
    stage.world.kubectl(&["apply", "--server-side", "-f", right])?;
    stage.world.kill_operator()?;
    stage.world.start_operator_with(&["--history-retention", "30d"])?;
    for gone in ["old-change", "old-deletion"] {
        let which = format!("ChangeRecord lsp-paris/{gone}");
        stage
            .admin
            .await_object(&which, |record| record.is_none().then_some(()))
            .await
            .with_context(|| stage.world.log())?;
    }
    ensure!(recorded(&stage, NIGHT).await?.len() == 2, "what is younger stays");
    ensure!(
        recorded(&stage, "Role lsp-paris/day").await?.len() == 1,
        "a name stays burnt"
    );
    // Nothing that went is taken for a change that nobody saw.
    stage.world.kill_operator()?;
    stage.world.start_operator()?;
    stage
        .given(NIGHT, "{displayName: Night Watch, description: Yawns}")
        .await?;
    let records = on_record(&stage, NIGHT).await?;
    let seen = records.iter().all(|record| record["actor"]["verified"] == true);
    ensure!(records.len() == 3 && seen, "{records:#?}");
    let burnt = stage
        .admin
        .create(&object("Role lsp-paris/noon", "{displayName: Day Watch}"))
        .await?;
    crate::common::rest::refused("burnt", &burnt, "`Day Watch` was the name of role `day`")
}
