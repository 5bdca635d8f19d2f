//! An upgrade of the chart with a thousand employees and an open session: nobody gains or loses a right at any moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use pimpernel::api::{Employee, Impersonation};
use pimpernel_launcher::audit::{self, Place, Request};
use pimpernel_launcher::{Operator, assets, repository, wait};

use crate::common::chart::Release;
use crate::common::rest::{Caller, object};
use crate::common::{PATIENCE, SESSIONS, client, condition, eventually_may, may, metric, says, until};

#[path = "../../../tools/bench/src/fleet.rs"]
#[expect(dead_code, reason = "the benchmarks need more of it")]
mod fleet;

use fleet::{Fleet, ROLES, user};

const EMPLOYEES: u32 = 1000;
const IN_FLIGHT: usize = 16;
const SKILLS: &str = "skills.acd.apps.pimpernel.dev";
const DEWHURST: &str = "dewhurst@lsp.example";
const SESSION: &str = "dewhurst-1792";

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_with_a_thousand_employees_and_a_session_changes_nobodys_rights_at_any_moment() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    let admin = client(release.plane().admin()).await?;
    let fleet = Fleet::new("fleet", EMPLOYEES);
    employ(&admin, &fleet).await?;
    let inside = enter(&release, &admin).await?;
    for employee in sampled() {
        eventually_may(&admin, &user(employee), ("edit", SKILLS, &fleet.home(employee)), true).await?;
    }
    quiet(&operator)?;
    let place = audit::here(release.plane())?;
    let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let sampling = tokio::spawn(sample(admin.clone(), inside, over.clone(), count.clone()));

    release.upgrade("history.employees=all")?;
    ensure!(operator.terminate()?.success(), "it failed:\n{}", operator.log_end());
    let next = release.start_operator()?;
    next.wait_ready(PATIENCE)?;
    let objects = EMPLOYEES + fleet.tenants() * (1 + ROLES);
    wait::until("a look at everybody", 2 * PATIENCE, || {
        let looks = metric(&next, "pimpernel_reconciles_total")?.unwrap_or_default();
        Ok((looks >= f64::from(objects)).then_some(()))
    })?;
    quiet(&next)?;
    over.store(true, Ordering::Release);
    sampling.await??;
    let samples = count.load(Ordering::Acquire);
    eprintln!("{samples} samples while {EMPLOYEES} employees were looked at anew");
    ensure!(samples > 100, "only {samples} samples");
    no_right_was_written(&release, place)?;
    let session: Impersonation = Api::namespaced(admin, "lsp-paris").get(SESSION).await?;
    let active = condition(&session, "Active").context("no condition")?;
    ensure!(active.reason == "Open", "the session is {}", active.reason);
    ensure!(next.terminate()?.success(), "it failed:\n{}", next.log_end());
    Ok(())
}

/// Every fiftieth employee.
fn sampled() -> impl Iterator<Item = u32> {
    (0..EMPLOYEES).step_by(50)
}

/// Namespaces, tenants, roles and employees, and waits until all are Ready.
async fn employ(admin: &Client, fleet: &Fleet) -> Result<()> {
    for tenant in 0..fleet.tenants() {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(fleet.namespace(tenant));
        Api::all(admin.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        create(admin, fleet.tenant(tenant)?).await?;
        for role in 0..ROLES {
            create(admin, fleet.role(tenant, role)?).await?;
        }
    }
    let mut ready = BTreeSet::new();
    let watched = watcher(Api::<Employee>::all(admin.clone()), watcher::Config::default()).default_backoff();
    let mut watched = std::pin::pin!(watched.applied_objects());
    let all_ready = async {
        while ready.len() < EMPLOYEES as usize {
            let employee = watched.try_next().await?.context("the watch ended")?;
            if condition(&employee, "Ready").is_some_and(|ready| ready.reason == "InEffect") {
                ready.insert((employee.namespace(), employee.name_any()));
            }
        }
        anyhow::Ok(())
    };
    let created = stream::iter(0..EMPLOYEES)
        .map(|employee| async move { create(admin, fleet.employee(employee, 0)?).await })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|()| async { Ok(()) });
    let done = tokio::time::timeout(4 * PATIENCE, futures::future::try_join(created, all_ready)).await;
    done.context("not all are Ready")??;
    Ok(())
}

async fn create<K>(admin: &Client, object: K) -> Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + crate::common::Kind,
{
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api: Api<K> = Api::namespaced(admin.clone(), &namespace);
    api.patch(&name, &PatchParams::apply("tester"), &Patch::Apply(&object))
        .await?;
    Ok(())
}

/// Opens the session of the quickstart, and gives who acts in it.
async fn enter(release: &Release, admin: &Client) -> Result<Caller> {
    let root = repository().join("examples/quickstart");
    for file in ["00-namespaces", "10-tenants", "20-roles", "30-employees"] {
        let path = root.join(format!("{file}.yaml"));
        release.kubectl(&["apply", "-f", &path.to_string_lossy()])?;
    }
    eventually_may(
        admin,
        DEWHURST,
        ("create", "impersonations.pimpernel.dev", "lsp-paris"),
        true,
    )
    .await?;
    let spec = format!("{{mode: Support, impersonator: {DEWHURST}, reason: Chauvelin cannot save his outbound skill}}");
    let asked = object(&format!("Impersonation lsp-paris/{SESSION}"), &spec);
    Caller::user(release.plane(), DEWHURST)
        .await?
        .create(&asked)
        .await?
        .object()?;
    let sessions: Api<Impersonation> = Api::namespaced(admin.clone(), "lsp-paris");
    let open = until(sessions, SESSION, says::<Impersonation>("Active", "True")).await?;
    let open = serde_json::to_value(open)?;
    let name = open
        .pointer("/status/credential/secretName")
        .and_then(|name| name.as_str());
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), SESSIONS);
    let secret = secrets.get(name.context("no Secret")?).await?;
    let token = secret
        .data
        .and_then(|mut data| data.remove("token"))
        .context("no token")?;
    Caller::bearer(release.plane(), &String::from_utf8(token.0)?).await
}

/// Asks all the time whether each may still what he may, and may not what he may not.
async fn sample(admin: Client, inside: Caller, over: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Result<()> {
    let fleet = Fleet::new("fleet", EMPLOYEES);
    while !over.load(Ordering::Acquire) {
        for employee in sampled() {
            let (name, home) = (user(employee), fleet.home(employee));
            let other = fleet.home(employee + 1);
            for (right, wanted) in [
                (("edit", SKILLS, home.as_str()), true),
                (("edit", SKILLS, &other), false),
            ] {
                ensure!(
                    may(&admin, &name, right).await? == wanted,
                    "{name}, {right:?}: not {wanted}"
                );
            }
            ensure!(
                inside.may("edit", SKILLS, "lsp-paris").await?,
                "the session may not edit skills"
            );
            ensure!(
                !inside.may("edit", SKILLS, "lsp").await?,
                "the session may edit skills elsewhere"
            );
            count.fetch_add(4, Ordering::AcqRel);
        }
    }
    Ok(())
}

/// Waits until nothing waits to be written any more: no reconcile for two seconds.
fn quiet(operator: &Operator) -> Result<()> {
    let looks = || metric(operator, "pimpernel_reconciles_total");
    let mut seen = (looks()?, std::time::Instant::now());
    wait::until("the operator to be at rest", 2 * PATIENCE, || {
        let now = looks()?;
        if now != seen.0 {
            seen = (now, std::time::Instant::now());
        }
        Ok((seen.1.elapsed() >= std::time::Duration::from_secs(2)).then_some(()))
    })
}

/// The audit log has every write: to what gives rights in namespaces there was none.
fn no_right_was_written(release: &Release, place: Place) -> Result<()> {
    let wrote = |request: &Request| {
        let stores = ["create", "update", "patch", "delete", "deletecollection"].contains(&request.verb.as_str());
        let kind = ["roles", "rolebindings"]
            .iter()
            .any(|kind| request.resource == format!("{kind}.rbac.authorization.k8s.io"));
        // Helm applies the operator's own two again.
        stores && kind && request.code < 400 && !request.object.ends_with("/pimpernel-operator")
    };
    let requests = audit::since(release.plane(), place)?;
    ensure!(!requests.is_empty(), "nothing is logged");
    let written: Vec<Request> = requests.into_iter().filter(wrote).collect();
    ensure!(written.is_empty(), "the upgrade wrote:{}", audit::list(&written));
    Ok(())
}
