//! One change at a time to a cluster at rest: from the acknowledgement of the write to the binding that a watch shows,
//! beside one bare write of a binding and its delivery.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::rbac::v1::RoleBinding;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cluster::Cluster;
use crate::fleet::{Fleet, ROLES, user};
use crate::floor::binding;
use crate::table::{Goal, Table, percentile, ratio, told};

const SAMPLES: u32 = 200;
/// After which everything is at rest again.
const REST: Duration = Duration::from_millis(150);
const LIMIT: Duration = Duration::from_secs(30);

type Seen = UnboundedReceiver<(RoleBinding, Instant)>;

/// Changes employees one by one and measures.
pub async fn measure(cluster: &Cluster, fleet: &Fleet, table: &mut Table) -> Result<()> {
    let (sender, mut seen) = unbounded_channel();
    let watching = cluster.watch::<RoleBinding>("", move |binding| {
        let _ = sender.send((binding, Instant::now()));
    });
    let (mut floors, mut changes) = (vec![], vec![]);
    for sample in 0..SAMPLES {
        tokio::time::sleep(REST).await;
        floors.push(bare(cluster, fleet, (sample, &mut seen)).await?);
        tokio::time::sleep(REST).await;
        changes.push(change(cluster, fleet, (sample, &mut seen)).await?);
    }
    watching.abort();
    for (percent, most) in [(50, 2.0), (99, 3.0)] {
        let (time, floor) = (percentile(&changes, percent), percentile(&floors, percent));
        table.note(&format!("one bare write and its delivery, p{percent}"), told(floor));
        let goal = Goal {
            value: ratio(time, floor),
            most,
            unit: "×",
        };
        table.row(
            &format!("one change, from written to in force, p{percent}"),
            told(time),
            &goal,
        );
    }
    Ok(())
}

/// A write of a binding until a watch shows it.
async fn bare(cluster: &Cluster, fleet: &Fleet, (sample, seen): (u32, &mut Seen)) -> Result<Duration> {
    let written = binding(&fleet.home(sample), 0, sample * 1000);
    let newest = user(sample * 1000);
    let began = Instant::now();
    cluster.apply(&written).await?;
    let at = shown(seen, |binding| {
        binding.metadata.name == written.metadata.name && has(binding, &newest)
    })
    .await?;
    Ok(at - began)
}

/// An employee gets another secondary role: from the answer until a watch shows her in its binding.
async fn change(cluster: &Cluster, fleet: &Fleet, (sample, seen): (u32, &mut Seen)) -> Result<Duration> {
    let employee = sample % fleet.employees;
    let turn = 1 + sample / fleet.employees % (ROLES - 2);
    let (home, name) = (fleet.home(employee), fleet.secondary_binding(employee, turn));
    let (object, user) = (fleet.employee(employee, turn)?, user(employee));
    cluster.apply(&object).await?;
    let began = Instant::now();
    let wanted = |binding: &RoleBinding| {
        binding.metadata.namespace.as_deref() == Some(&home)
            && binding.metadata.name.as_deref() == Some(&name)
            && has(binding, &user)
    };
    let at = shown(seen, wanted).await?;
    Ok(at.saturating_duration_since(began))
}

fn has(binding: &RoleBinding, user: &str) -> bool {
    binding.subjects.iter().flatten().any(|subject| subject.name == user)
}

async fn shown(seen: &mut Seen, wanted: impl Fn(&RoleBinding) -> bool) -> Result<Instant> {
    let search = async {
        while let Some((binding, at)) = seen.recv().await {
            if wanted(&binding) {
                return Some(at);
            }
        }
        None
    };
    let found = tokio::time::timeout(LIMIT, search).await;
    found
        .context("a binding was not shown in time")?
        .context("the watch ended")
}
