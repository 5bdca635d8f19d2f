//! R13: etcd is full. A change is refused and says why; what was let in before is on record when there is room again.

use anyhow::{Result, ensure};
use pimpernel_launcher::http;
use serde_json::{Value, json};

use super::{NIGHT, descriptions, night, on_record};
use crate::common::cast::Stage;
use crate::common::{Wish, World};

/// Room for the cast, and for some fillers.
const QUOTA: u64 = 48 * 1024 * 1024;
const MOST_FILLERS: usize = 100;
const FILLERS: &str = "/api/v1/namespaces/lsp-paris/configmaps";
/// A leader that cannot renew its Lease for so long gives up.
const PATIENT: [&str; 2] = ["--lease-duration=150s", "--renew-deadline=120s"];

#[tokio::test(flavor = "multi_thread")]
async fn r13_where_etcd_is_full_a_change_is_refused_and_what_was_let_in_is_not_lost() -> Result<()> {
    let wish = Wish {
        etcd_quota: Some(QUOTA),
        args: &PATIENT,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    stage.admin.create(&night("before")).await?.object()?;
    fill(&stage).await?;
    let change = |text: &str| json!({"spec": {"description": text}});
    let refused = stage.admin.merge(NIGHT, &change("too late")).await?;
    ensure!(
        refused.code >= 500 && refused.message().contains("database space exceeded"),
        "{}: {}",
        refused.code,
        refused.message()
    );
    let stored = stage.admin.get(NIGHT).await?.object()?;
    ensure!(stored["spec"]["description"] == "before", "{stored}");
    let emptied = stage.admin.send("DELETE", FILLERS, None).await?;
    emptied.object()?;
    make_room(stage.world.plane().etcd_port())?;
    stage.admin.merge(NIGHT, &change("after")).await?.object()?;
    let records = on_record(&stage, NIGHT).await?;
    let lines = descriptions(&records);
    let wanted = ["spec.description: nothing → before", "spec.description: before → after"];
    let seen = records.iter().all(|record| record["actor"]["verified"] == true);
    ensure!(lines == wanted && records.len() == 2 && seen, "{records:#?}");
    Ok(())
}

async fn fill(stage: &Stage) -> Result<()> {
    for number in 0..MOST_FILLERS {
        let filler = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("filler-{number}")},
            "data": {"much": "x".repeat(900_000)}});
        let answer = stage
            .admin
            .send("POST", FILLERS, Some(("application/json", &filler)))
            .await?;
        if !answer.granted() {
            ensure!(
                answer.message().contains("database space exceeded"),
                "{}",
                answer.message()
            );
            return Ok(());
        }
    }
    anyhow::bail!("etcd takes more than it should")
}

/// What whoever runs a cluster does then: forgets old versions, gives the room back, and takes the alarm off.
fn make_room(port: u16) -> Result<()> {
    let ask = |path: &str, body: &Value| -> Result<Value> {
        let (status, answer) = http::post(port, path, &body.to_string())?;
        ensure!(status == 200, "{path}: {status}: {answer}");
        Ok(serde_json::from_str(&answer)?)
    };
    let range = ask("/v3/kv/range", &json!({"key": "AA=="}))?;
    ask(
        "/v3/kv/compaction",
        &json!({"revision": range["header"]["revision"], "physical": true}),
    )?;
    ask("/v3/maintenance/defragment", &json!({}))?;
    let alarms = ask("/v3/maintenance/alarm", &json!({"action": "GET"}))?;
    for alarm in alarms["alarms"].as_array().into_iter().flatten() {
        let off = json!({"action": "DEACTIVATE", "memberID": alarm["memberID"], "alarm": alarm["alarm"]});
        ask("/v3/maintenance/alarm", &off)?;
    }
    Ok(())
}
