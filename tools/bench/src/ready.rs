//! From the start of the program to its being ready, on an empty cluster; and how large the program is.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cluster::Cluster;
use crate::table::{Goal, Table, percentile, told};

const RESTARTS: usize = 4;
/// 1 MB.
const MEGABYTE: f64 = 1e6;

/// Measures both. The operator runs afterwards.
pub fn measure(cluster: &mut Cluster, table: &mut Table) -> Result<()> {
    let first = started(cluster)?;
    let mut again: Vec<Duration> = vec![];
    for _ in 0..RESTARTS {
        cluster.stop_operator()?;
        again.push(started(cluster)?);
    }
    let goal = |time: Duration| Goal {
        value: time.as_secs_f64(),
        most: 1.0,
        unit: " s",
    };
    table.row("first start, until ready", told(first), &goal(first));
    let median = percentile(&again, 50);
    table.row("later start, until ready, p50", told(median), &goal(median));
    let size = std::fs::metadata(cluster.binary())?.len();
    let value = f64::from(u32::try_from(size)?) / MEGABYTE;
    let (most, unit) = (15.0, " MB");
    table.row("size of the program", format!("{size} B"), &Goal { value, most, unit });
    Ok(())
}

fn started(cluster: &mut Cluster) -> Result<Duration> {
    let began = Instant::now();
    cluster.start_operator()?;
    Ok(began.elapsed())
}
