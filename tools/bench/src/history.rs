//! How long it takes to read all that is on record of one role, by the plugin, as a person does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pimpernel::api::ChangeRecord;
use serde_json::json;

use crate::cluster::Cluster;
use crate::table::{Goal, Table, percentile, told};

const NAMESPACE: &str = "much-changed";
const ROLE: &str = "busy";
const RECORDS: usize = 5_000;
const RUNS: usize = 5;
/// How many seconds it may take.
const GOAL: f64 = 2.0;

/// Measures it, in a cluster of its own in which no operator runs.
pub async fn measure(operator: &Path, table: &mut Table) -> Result<()> {
    let cluster = Cluster::start(operator).await?;
    cluster.namespaces(vec![NAMESPACE.to_owned()]).await?;
    eprintln!("{RECORDS} records of one role");
    let records: Result<Vec<ChangeRecord>> = (0..RECORDS).map(record).collect();
    let began = Instant::now();
    cluster.create_all(records?).await?;
    table.note("records of one role, created", told(began.elapsed()));
    let plugin = cluster.binary().with_file_name("kubectl-pimpernel");
    let mut times = vec![];
    for _ in 0..RUNS {
        times.push(read(&plugin, cluster.plane.admin())?);
    }
    for (what, time) in [("p50", percentile(&times, 50)), ("at most", percentile(&times, 100))] {
        let goal = Goal {
            value: time.as_secs_f64(),
            most: GOAL,
            unit: " s",
        };
        let scenario = format!("`history` of {RECORDS} records as CSV, {what} of {RUNS}");
        table.row(&scenario, told(time), &goal);
    }
    Ok(())
}

/// From the start of the program to its end; each record has one row for each of its two values.
fn read(plugin: &Path, kubeconfig: &Path) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new(plugin)
        .args(["history", ROLE, "-n", NAMESPACE, "-o", "csv", "--kubeconfig"])
        .arg(kubeconfig)
        .stdin(Stdio::null())
        .output()?;
    let took = began.elapsed();
    ensure!(
        output.status.success(),
        "`history` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows = String::from_utf8_lossy(&output.stdout).lines().count();
    ensure!(rows == 2 * RECORDS + 1, "{rows} rows of {RECORDS} records");
    Ok(took)
}

fn record(number: usize) -> Result<ChangeRecord> {
    let spec = serde_json::from_value(json!({
        "subject": {"kind": "Role", "name": ROLE, "uid": "0b6fd3f8-6d0e-4e4f-9a53-2f8d8b1f5c11", "displayName": "Busy"},
        "operation": "Update", "generation": number + 2,
        "actor": {"username": format!("administrator-{}@bench.example", number % 20), "verified": true},
        "time": "2026-11-26T12:00:00Z",
        "changes": [
            {"path": "spec.description", "from": format!("version {number}"), "to": format!("version {}", number + 1)},
            {"path": "spec.permissions[admin/employees].actions", "from": "View", "to": "View, Edit"},
        ],
    }))?;
    let mut record = ChangeRecord::new(&format!("change-{number:05}"), spec);
    record.metadata.namespace = Some(NAMESPACE.to_owned());
    Ok(record)
}
