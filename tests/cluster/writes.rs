//! V7: no write at rest, none after a restart with nothing changed, and as few as possible for a change. Counted in the
//! API server's audit log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pimpernel::api;
use pimpernel_launcher::wait;

use crate::common::audit::{self, Request};
use crate::common::{PATIENCE, Wish, World, says, until};

const REST: Duration = Duration::from_secs(30);
/// Longer than anything is held back, and than the API server takes to show a write to those who watch.
const SETTLED: Duration = Duration::from_secs(5);

/// Another customer of the partner, another role there, and who holds it.
const MORE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: lsp-lyon}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Tenant
metadata: {name: lsp-lyon, namespace: lsp-lyon}
spec: {displayName: LSP Lyon, type: Customer, parent: lsp, state: Active, applications: [acd]}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: registrar, namespace: lsp}
spec:
  displayName: Registrar
  state: Active
  permissions: [{application: admin, permission: employees, actions: [View]}]
---
apiVersion: pimpernel.dev/v1alpha1
kind: Employee
metadata: {name: hastings, namespace: lsp}
spec: {username: hastings@lsp.example, firstName: Edmund, lastName: Hastings, state: Active, primaryRole: registrar}
";

/// Both roles of the partner, one of which lets her enter its customers.
const NEWCOMER: &str = "
apiVersion: pimpernel.dev/v1alpha1
kind: Employee
metadata: {name: marguerite, namespace: lsp}
spec:
  username: marguerite@lsp.example
  firstName: Marguerite
  lastName: Blakeney
  state: Active
  primaryRole: administrator
  secondaryRoles: [{name: registrar}]
";

#[tokio::test(flavor = "multi_thread")]
async fn v7_nothing_is_written_at_rest_nor_after_a_restart_and_a_newcomer_costs_one_patch_a_binding() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        ..Wish::default()
    })
    .await?;
    world.quickstart().await?;
    world.apply(MORE)?;
    for namespace in ["classics", "lsp", "lsp-paris", "lsp-lyon"] {
        world.all_ready::<api::Tenant>(namespace).await?;
        world.all_ready::<api::Role>(namespace).await?;
        world.all_ready::<api::Employee>(namespace).await?;
    }
    audit::quiet(world.plane())?;
    nothing_is_written_at_rest(&world)?;
    nothing_is_written_after_a_restart(&world)?;
    a_newcomer_costs_one_patch_for_each_binding_she_enters(&world).await
}

fn nothing_is_written_at_rest(world: &World) -> Result<()> {
    let before = audit::here(world.plane())?;
    wait::pause(REST)?;
    nothing_since(world, before, "at rest")
}

fn nothing_is_written_after_a_restart(world: &World) -> Result<()> {
    let before = audit::here(world.plane())?;
    ensure!(world.stop_operator()?.success(), "the operator did not end well");
    let began = Instant::now();
    world.start_operator()?;
    let ready = began.elapsed();
    eprintln!("ready {ready:?} after the start");
    assert!(ready < Duration::from_secs(10), "it took {ready:?} to be ready again");
    let objects = world.kubectl(&["get", "pimpernel", "--all-namespaces", "--output=name"])?;
    let judged = objects.lines().filter(|object| !object.starts_with("changerecord."));
    let count = u32::try_from(judged.count())?;
    assert!(count >= 14, "{objects}");
    wait::until("a look at every object", PATIENCE, || {
        let looks = world.metric("pimpernel_reconciles_total")?.unwrap_or_default();
        Ok((looks >= f64::from(count)).then_some(()))
    })?;
    wait::pause(SETTLED)?;
    nothing_since(world, before, "after a restart")
}

fn nothing_since(world: &World, before: audit::Place, when: &str) -> Result<()> {
    let written = audit::writes_since(world.plane(), before)?;
    let told = audit::list(&written);
    assert!(written.is_empty(), "the operator wrote {when}:{told}\n{}", world.log());
    Ok(())
}

async fn a_newcomer_costs_one_patch_for_each_binding_she_enters(world: &World) -> Result<()> {
    let before = audit::here(world.plane())?;
    world.apply(NEWCOMER)?;
    until(world.api("lsp"), "marguerite", says::<api::Employee>("Ready", "True")).await?;
    audit::quiet(world.plane())?;
    let written = audit::writes_since(world.plane(), before)?;
    let told = audit::list(&written);
    let (counts, rest): (Vec<Request>, Vec<Request>) = written.into_iter().partition(only_counts);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for request in &rest {
        *times.entry(request.to_string()).or_default() += 1;
    }
    let bindings = [
        "lsp-lyon/pimpernel:impersonators:configure:b",
        "lsp-lyon/pimpernel:impersonators:support:b",
        "lsp-paris/pimpernel:impersonators:configure:b",
        "lsp-paris/pimpernel:impersonators:support:b",
        "lsp/pimpernel:role:administrator:b",
        "lsp/pimpernel:role:registrar:b",
        "lsp/pimpernel:unrestricted:b",
    ];
    let binding = |name| format!("patch rolebindings.rbac.authorization.k8s.io {name} 200");
    let status = "patch employees.pimpernel.dev/status lsp/marguerite 200".to_owned();
    let expected: BTreeMap<String, usize> = bindings
        .into_iter()
        .map(binding)
        .chain([status])
        .map(|request| (request, 1))
        .collect();
    assert_eq!(times, expected, "all that was written:{told}");
    eprintln!(
        "a newcomer costs {} patches, and {} of counts",
        rest.len(),
        counts.len()
    );
    // Her two roles and her tenant count one more; a count that changes twice in a second is written twice at most.
    assert!((3..=6).contains(&counts.len()), "counts were written so often:{told}");
    Ok(())
}

fn only_counts(request: &Request) -> bool {
    let counted = [
        ("tenants.pimpernel.dev/status", "lsp/lsp"),
        ("roles.pimpernel.dev/status", "lsp/administrator"),
        ("roles.pimpernel.dev/status", "lsp/registrar"),
    ];
    counted.contains(&(request.resource.as_str(), request.object.as_str()))
}
