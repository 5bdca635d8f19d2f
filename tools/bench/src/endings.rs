//! Many sessions end in the same second among as many that go on: when those who use them without a rest lose access, and how
//! long it takes until all rights are gone, beside as many bare deletions of bindings. A session lasts a quarter of an hour at
//! least, and so does this.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use kube::api::{Api, DeleteParams, ListParams, ObjectMeta};
use kube::core::ResourceExt;
use kube::runtime::watcher::Event;
use pimpernel::api::{Employee, Impersonation, Role, Tenant};
use pimpernel_launcher::audit;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::arrival::{is_ready, reached};
use crate::cluster::{Cluster, IN_FLIGHT, now};
use crate::table::{Goal, Table, ratio, told};

mod probe;

use probe::Seen;

const PROVIDER: &str = "endings";
const SESSIONS: &str = "pimpernel-sessions";
const PER_TENANT: u32 = 200;
/// From when the first one is asked for. The last one is to last a quarter of an hour as well, and to be open while there is
/// time enough for a credential.
const LENGTH: SignedDuration = SignedDuration::from_mins(18);
/// By how much the others last longer.
const LONGER: SignedDuration = SignedDuration::from_mins(30);
const PROBES: usize = 50;
const ROUNDS: u32 = 3;
/// How long before the end the bare deletions begin, so that the machine is as it will be then.
const SHORTLY: SignedDuration = SignedDuration::from_secs(180);
const LIMIT: Duration = Duration::from_mins(5);

/// Lets half of the sessions end and measures.
pub async fn measure(operator: &Path, sessions: u32, table: &mut Table) -> Result<()> {
    let mut cluster = Cluster::start(operator).await?;
    cluster.start_operator()?;
    eprintln!("{sessions} sessions are opened");
    stage(&cluster, sessions).await?;
    let end = Timestamp::from_second((now() + LENGTH).as_second())?;
    let opened = open(&cluster, sessions, end).await?;
    table.note(&format!("until {sessions} sessions were open"), told(opened));
    let sessions = Api::<Impersonation>::all(cluster.client.clone());
    let all = sessions.list(&ListParams::default()).await?.items;
    let ending: Vec<Impersonation> = all.into_iter().filter(|session| ends_at(session, end)).collect();
    let probes = probe::start(&cluster, &ending, end).await?;
    tokio::time::sleep(Duration::try_from(end.duration_since(now()) - SHORTLY).unwrap_or_default()).await;
    let bare = bare(&cluster, &ending).await?;
    table.note(&format!("{} bare deletions of bindings", ending.len()), told(bare));
    eprintln!("half of them end at {end}");
    let gone = gone(&cluster, &ending, end).await?;
    table.row(
        &format!("{} sessions end at once: until all rights are gone", ending.len()),
        told(gone.rights),
        &Goal {
            value: ratio(gone.rights, bare),
            most: 1.5,
            unit: "×",
        },
    );
    table.note("the same, with the rights to read and stop them", told(gone.bindings));
    table.note("the same, until all of it is told and tidied up", told(gone.told));
    tell_access(&probes.await??, end, table);
    Ok(())
}

fn read<K: DeserializeOwned>(kind: &str, (namespace, name): (&str, &str), spec: &Value) -> Result<K> {
    let object = json!({"apiVersion": "pimpernel.dev/v1alpha1", "kind": kind,
        "metadata": {"namespace": namespace, "name": name}, "spec": spec});
    Ok(serde_json::from_value(object)?)
}

fn tenant(session: u32, sessions: u32) -> String {
    format!("{PROVIDER}-{:03}", session % sessions.div_ceil(PER_TENANT))
}

fn user(number: u32) -> String {
    format!("desk-{number:04}@bench.example")
}

/// Somebody for each session, who may enter every tenant.
async fn stage(cluster: &Cluster, sessions: u32) -> Result<()> {
    let customers: Vec<String> = (0..sessions.div_ceil(PER_TENANT))
        .map(|number| tenant(number, sessions))
        .collect();
    let namespaces = customers.iter().cloned().chain([PROVIDER.to_owned()]);
    cluster.namespaces(namespaces.collect()).await?;
    let vendor = json!({"displayName": "Vendor", "type": "Provider", "state": "Active", "defaultRoles": "None",
        "applications": ["tenant-management"]});
    cluster
        .apply(&read::<Tenant>("Tenant", (PROVIDER, PROVIDER), &vendor)?)
        .await?;
    let customer = json!({"displayName": "Customer", "type": "Customer", "parent": PROVIDER, "state": "Active",
        "defaultRoles": "None", "applications": ["acd"]});
    for name in &customers {
        cluster
            .apply(&read::<Tenant>("Tenant", (name, name), &customer)?)
            .await?;
    }
    let desk = json!({"displayName": "Help Desk", "state": "Active", "permissions": [
        {"application": "tenant-management", "permission": "impersonation", "actions": ["Support"]}]});
    cluster.apply(&read::<Role>("Role", (PROVIDER, "desk"), &desk)?).await?;
    let (count, ready) = watch::channel(0);
    let mut names = HashSet::new();
    let watching = cluster.watch::<Employee>("", move |employee| {
        if employee.status.as_ref().is_some_and(is_ready) {
            names.insert(employee.metadata.name);
            count.send_replace(names.len());
        }
    });
    let employee = |number| {
        let spec = json!({"username": user(number), "state": "Active", "primaryRole": "desk"});
        read("Employee", (PROVIDER, &format!("desk-{number:04}")), &spec)
    };
    let employees: Vec<Employee> = (0..sessions).map(employee).collect::<Result<_>>()?;
    cluster.create_all(employees).await?;
    reached(ready, sessions as usize, Instant::now()).await?;
    watching.abort();
    at_rest(cluster)
}

/// Waits longer than the launcher does for few.
fn at_rest(cluster: &Cluster) -> Result<()> {
    let began = Instant::now();
    while let Err(busy) = audit::quiet(&cluster.plane) {
        ensure!(began.elapsed() < LIMIT, busy);
    }
    Ok(())
}

/// Opens all of them, and says how long that took.
async fn open(cluster: &Cluster, sessions: u32, end: Timestamp) -> Result<Duration> {
    let (count, open) = watch::channel(0);
    let mut names = HashSet::new();
    let watching = cluster.watch::<Impersonation>("", move |session| {
        if active(&session) == Some(true) {
            names.insert(session.metadata.name);
            count.send_replace(names.len());
        }
    });
    let session = |number: u32| {
        let end = if number < sessions / 2 { end } else { end + LONGER };
        let spec = json!({"mode": "Support", "impersonator": user(number), "reason": "Shows how access ends",
            "notAfter": end.to_string()});
        let name = format!("session-{number:04}");
        read("Impersonation", (&tenant(number, sessions), &name), &spec)
    };
    let all: Vec<Impersonation> = (0..sessions).map(session).collect::<Result<_>>()?;
    let began = Instant::now();
    cluster.create_all(all).await?;
    let took = reached(open, sessions as usize, began).await?;
    watching.abort();
    at_rest(cluster)?;
    Ok(took)
}

fn active(session: &Impersonation) -> Option<bool> {
    let conditions = &session.status.as_ref()?.conditions;
    let active = conditions.iter().find(|condition| condition.type_ == "Active")?;
    Some(serde_json::to_value(active.status).is_ok_and(|told| told == "True"))
}

fn ends_at(session: &Impersonation, end: Timestamp) -> bool {
    session.spec.not_after.as_ref().is_some_and(|at| at.0 == end)
}

/// As many bindings of the same make in the same namespaces, watched in the same way and deleted by a client that does
/// nothing else: how long it takes until they are seen to be gone, in the mean, since what the API server puts off, such as
/// collecting its garbage, is part of what deletions cost.
async fn bare(cluster: &Cluster, ending: &[Impersonation]) -> Result<Duration> {
    let likenesses = likenesses(cluster, ending).await?;
    let mut took = Duration::ZERO;
    for _ in 0..ROUNDS {
        cluster.create_all(likenesses.clone()).await?;
        at_rest(cluster)?;
        let (counted, mut count) = watch::channel(None);
        let watching = cluster.watch_all::<RoleBinding>("bench=floor", move |event| match event {
            Event::InitDone => drop(counted.send_replace(Some(0))),
            Event::Delete(_) => counted.send_modify(|gone| *gone = gone.map(|gone| gone + 1)),
            Event::Init | Event::InitApply(_) | Event::Apply(_) => {}
        });
        count.wait_for(Option::is_some).await?;
        let began = Instant::now();
        let deleted = likenesses.iter().map(|binding| async move {
            let namespace = binding.metadata.namespace.clone().unwrap_or_default();
            let api: Api<RoleBinding> = Api::namespaced(cluster.client.clone(), &namespace);
            let name = binding.metadata.name.clone().unwrap_or_default();
            api.delete(&name, &DeleteParams::background()).await
        });
        stream::iter(deleted)
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        count.wait_for(|gone| *gone >= Some(likenesses.len())).await?;
        took += began.elapsed();
        watching.abort();
    }
    Ok(took / ROUNDS)
}

/// The bindings of those sessions under other names, and without what makes them Pimpernel's own.
async fn likenesses(cluster: &Cluster, ending: &[Impersonation]) -> Result<Vec<RoleBinding>> {
    let names: HashSet<String> = (ending.iter())
        .filter_map(|session| Some(format!("pimpernel:session:{}", session.metadata.uid.as_deref()?)))
        .collect();
    let all: Api<RoleBinding> = Api::all(cluster.client.clone());
    let of_sessions = ListParams::default().labels("pimpernel.dev/owner-kind=Impersonation");
    let all = all.list(&of_sessions).await?.items.into_iter();
    let likenesses = all
        .filter(|binding| names.contains(binding.name_any().as_str()))
        .map(|mut binding| {
            binding.metadata = ObjectMeta {
                name: Some(binding.name_any().replace("pimpernel:", "bench:")),
                namespace: binding.metadata.namespace,
                labels: binding.metadata.labels,
                annotations: binding.metadata.annotations,
                owner_references: binding.metadata.owner_references,
                ..ObjectMeta::default()
            };
            binding.labels_mut().remove("pimpernel.dev/derived");
            binding.labels_mut().insert("bench".to_owned(), "floor".to_owned());
            "bench".clone_into(&mut binding.role_ref.name);
            binding
        });
    let likenesses: Vec<RoleBinding> = likenesses.collect();
    ensure!(
        likenesses.len() == ending.len(),
        "{} bindings of {} sessions",
        likenesses.len(),
        ending.len()
    );
    Ok(likenesses)
}

/// How long after the end it took.
struct Gone {
    /// Until nobody could do anything in a tenant.
    rights: Duration,
    /// Until no binding of those sessions was left.
    bindings: Duration,
    /// Until all said that they were over and no account was left.
    told: Duration,
}

/// Waits for the end, and for what follows.
async fn gone(cluster: &Cluster, ending: &[Impersonation], end: Timestamp) -> Result<Gone> {
    let uids: HashSet<String> = ending
        .iter()
        .filter_map(|session| session.metadata.uid.clone())
        .collect();
    let (counted, mut count) = watch::channel((0, 0));
    let watching = cluster.watch_all::<RoleBinding>("pimpernel.dev/owner-kind=Impersonation", move |event| {
        let Event::Delete(binding) = event else { return };
        let name = binding.metadata.name.unwrap_or_default();
        let of = |prefix: &str| name.strip_prefix(prefix).is_some_and(|uid| uids.contains(uid));
        counted.send_modify(|(rights, all)| {
            *rights += usize::from(of("pimpernel:session:"));
            *all += 1;
        });
    });
    let wait = Duration::try_from(end.duration_since(now())).unwrap_or_default() + LIMIT;
    let since = || Duration::try_from(now().duration_since(end));
    let many = ending.len();
    let found = tokio::time::timeout(wait, async {
        count.wait_for(|(rights, _)| *rights >= many).await?;
        let rights = since().context("rights were gone before the end")?;
        count.wait_for(|(_, all)| *all >= 3 * many).await?;
        anyhow::Ok((rights, since()?))
    });
    let found = found.await;
    let counts = *count.borrow();
    let (rights, bindings) = found.with_context(|| format!("{counts:?} bindings of {many} sessions are gone"))??;
    let accounts: Api<Secret> = Api::namespaced(cluster.client.clone(), SESSIONS);
    let derived = ListParams::default().labels("pimpernel.dev/derived=true");
    while accounts.list_metadata(&derived).await?.items.len() > many {
        ensure!(since()? < LIMIT, "credentials of ended sessions are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = since()?;
    at_rest(cluster)?;
    watching.abort();
    let left = count.borrow().1;
    ensure!(left == 3 * many, "{left} bindings are gone, of {many} sessions");
    let sessions = Api::<Impersonation>::all(cluster.client.clone());
    for session in sessions.list(&ListParams::default()).await? {
        let over = ends_at(&session, end);
        ensure!(
            active(&session) == Some(!over),
            "{:?} is not as it should be",
            session.metadata.name
        );
    }
    Ok(Gone { rights, bindings, told })
}

/// When those who used them without a rest lost access.
fn tell_access(seen: &[Seen], end: Timestamp, table: &mut Table) {
    let late = |seen: &Seen| seen.accepted.duration_since(end).as_secs_f64();
    let mut all: Vec<f64> = seen.iter().map(late).collect();
    all.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| all.get((all.len() * percent / 100).min(all.len() - 1)).copied();
    let (Some(first), Some(most), Some(last)) = (all.first(), at(99), all.last()) else {
        return;
    };
    let scenario = |what: &str| format!("access in constant use, last granted after the end: {what}");
    let figure = |late: f64| {
        let (amount, side) = (late.abs(), if late > 0.0 { "after" } else { "before" });
        format!("{amount:.1} s {side}")
    };
    let requests: usize = seen.iter().map(|seen| seen.requests).sum();
    table.note(
        "requests with the credentials of those sessions",
        format!("{requests} by {}", seen.len()),
    );
    for (what, late, most) in [("p99", most, 1.0), ("at most", *last, 2.0)] {
        let goal = Goal {
            value: late,
            most,
            unit: " s",
        };
        table.row(&scenario(what), figure(late), &goal);
    }
    let goal = Goal {
        value: -first,
        most: 12.0,
        unit: " s",
    };
    table.row("the same, the earliest: before the end", figure(*first), &goal);
}
