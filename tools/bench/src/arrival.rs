//! All employees arrive, as fast as they can be written: how many writes that costs the operator, how long it takes until
//! everybody is ready and has her rights, and how much memory it leaves behind.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::rbac::v1::RoleBinding;
use pimpernel::api::{Employee, EmployeeStatus};
use pimpernel_launcher::audit::{self, Request};
use tokio::sync::watch;

use crate::cluster::{Cluster, IN_FLIGHT, tally};
use crate::fleet::{Fleet, ROLES};
use crate::table::{Goal, Table, ratio, told};

const LIMIT: Duration = Duration::from_mins(15);

/// What the arrival came to.
pub struct Arrived {
    written: Duration,
    ready: Duration,
    entitled: Duration,
    /// Statuses that the operator wrote.
    pub statuses: usize,
    /// Bindings and Roles that the operator wrote.
    pub bindings: usize,
}

/// Lets them arrive and measures.
pub async fn measure(cluster: &Cluster, fleet: &Fleet, table: &mut Table) -> Result<Arrived> {
    stage(cluster, fleet).await?;
    let employees = fleet.employees as usize;
    let (ready_count, ready) = watch::channel(0);
    let (right_count, rights) = watch::channel(0);
    let mut names = HashSet::new();
    let watching = cluster.watch::<Employee>("", move |employee| {
        if employee.status.as_ref().is_some_and(is_ready) {
            names.insert(employee.metadata.name);
            ready_count.send_replace(names.len());
        }
    });
    let mut bindings = HashMap::new();
    let seeing = cluster.watch::<RoleBinding>(
        "pimpernel.dev/derived=true,pimpernel.dev/owner-kind=Role",
        move |binding| {
            let subjects = binding.subjects.map_or(0, |subjects| subjects.len());
            bindings.insert((binding.metadata.namespace, binding.metadata.name), subjects);
            right_count.send_replace(bindings.values().sum());
        },
    );
    let before = (audit::here(&cluster.plane)?, cluster.processor_time()?);
    let began = Instant::now();
    let (written, ready, entitled) = tokio::try_join!(
        async { write_all(cluster, fleet).await.map(|()| began.elapsed()) },
        reached(ready, employees, began),
        reached(rights, 2 * employees, began),
    )?;
    audit::quiet(&cluster.plane)?;
    watching.abort();
    seeing.abort();
    let requests = audit::writes_since(&cluster.plane, before.0)?;
    let arrived = Arrived {
        written,
        ready,
        entitled,
        statuses: requests.iter().filter(|request| is_status(request)).count(),
        bindings: requests.iter().filter(|request| !is_status(request)).count(),
    };
    table.note(
        "processor time of the operator",
        format!("{:.1} s", cluster.processor_time()? - before.1),
    );
    tell_writes(&requests, fleet, table);
    tell_memory(cluster, fleet, table)?;
    Ok(arrived)
}

/// Tenants and roles, before anybody is there.
async fn stage(cluster: &Cluster, fleet: &Fleet) -> Result<()> {
    cluster
        .namespaces((0..fleet.tenants()).map(|tenant| fleet.namespace(tenant)).collect())
        .await?;
    for tenant in 0..fleet.tenants() {
        cluster.apply(&fleet.tenant(tenant)?).await?;
    }
    let roles = (0..fleet.tenants()).flat_map(|tenant| (0..ROLES).map(move |role| (tenant, role)));
    let roles = roles.map(|(tenant, role)| async move { cluster.apply(&fleet.role(tenant, role)?).await });
    stream::iter(roles)
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<Vec<_>>()
        .await?;
    audit::quiet(&cluster.plane)
}

async fn write_all(cluster: &Cluster, fleet: &Fleet) -> Result<()> {
    let all = (0..fleet.employees).map(|employee| async move { cluster.apply(&fleet.employee(employee, 0)?).await });
    stream::iter(all)
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|()| async { Ok(()) })
        .await
}

/// Waits until there are as many as wanted, and says how long that took.
pub async fn reached(mut count: watch::Receiver<usize>, wanted: usize, began: Instant) -> Result<Duration> {
    let met = tokio::time::timeout(LIMIT, count.wait_for(|count| *count >= wanted)).await;
    let met = met.is_ok_and(|met| met.is_ok());
    met.then(|| began.elapsed())
        .with_context(|| format!("{} of {wanted} after {} s", *count.borrow(), LIMIT.as_secs()))
}

/// Whether somebody is ready.
pub fn is_ready(status: &EmployeeStatus) -> bool {
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.is_some_and(|ready| serde_json::to_value(ready.status).is_ok_and(|told| told == "True"))
}

fn is_status(request: &Request) -> bool {
    request.resource.ends_with("/status")
}

fn tell_writes(requests: &[Request], fleet: &Fleet, table: &mut Table) {
    for (kind, count) in tally(
        requests
            .iter()
            .map(|request| format!("{} {}", request.verb, request.resource)),
    ) {
        table.note(&format!("writes by the operator: {kind}"), count.to_string());
    }
    let free = f64::from(fleet.tenants() * ROLES);
    let writes = f64::from(u32::try_from(requests.len()).unwrap_or(u32::MAX));
    let goal = |most| Goal {
        value: (writes - free) / f64::from(fleet.employees),
        most,
        unit: "",
    };
    let figure = format!("{} and {free} free", requests.len());
    table.row("writes by the operator for each employee", figure.clone(), &goal(1.5));
    table.row("the same, as it should become", figure, &goal(1.2));
}

fn tell_memory(cluster: &Cluster, fleet: &Fleet, table: &mut Table) -> Result<()> {
    let (now, peak) = cluster.memory()?;
    let most = 20.0 + 12.0 * f64::from(fleet.employees) / 10_000.0;
    let goal = Goal {
        value: now,
        most,
        unit: " MiB",
    };
    table.row(
        "resident memory of the operator",
        format!("at most {peak:.0} MiB"),
        &goal,
    );
    Ok(())
}

impl Arrived {
    /// Everything, beside what the same writes take a bare client.
    pub fn tell(&self, bare: Duration, table: &mut Table) {
        table.note("the same number of writes by a bare client", told(bare));
        table.note("until all employees were written", told(self.written));
        let goal = |time| Goal {
            value: ratio(time, bare),
            most: 1.5,
            unit: "×",
        };
        table.row("until all employees were Ready", told(self.ready), &goal(self.ready));
        table.row("until all had their rights", told(self.entitled), &goal(self.entitled));
    }
}
