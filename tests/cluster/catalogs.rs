//! The catalogues that come with Pimpernel, and what a change of a catalogue costs.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::rbac::v1 as rbac;
use kube::ResourceExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use pimpernel::api;
use pimpernel::artifacts::CATALOGS;
use pimpernel_launcher::wait;
use serde_json::{Value, json};

use crate::common::audit::{self, Request};
use crate::common::rest::{Caller, object};
use crate::common::{PATIENCE, Wish, World, says, until};

const TENANTS: usize = 100;
const ROLES_EACH: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn p1_r12_the_operator_brings_every_application_if_it_is_told_to() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        args: &["--catalog", "cxone"],
        ..Wish::default()
    })
    .await?;
    let admin = Caller::with(world.plane().admin()).await?;
    for (name, _) in CATALOGS {
        until(
            world.api_everywhere(),
            name,
            says::<api::PermissionCatalog>("Ready", "True"),
        )
        .await?;
        until(
            world.api_everywhere(),
            name,
            says::<api::PermissionCatalog>("Grantable", "True"),
        )
        .await?;
    }
    audit::quiet(world.plane())?;
    admin.delete("PermissionCatalog qm").await?.object()?;
    let other = json!({"spec": {"displayName": "Shifts", "permissions": []}});
    admin.merge("PermissionCatalog wfm", &other).await?.object()?;
    ensure!(world.stop_operator()?.success(), "the operator did not end well");
    let before = audit::here(world.plane())?;
    world.start_operator()?;
    until(
        world.api_everywhere(),
        "qm",
        says::<api::PermissionCatalog>("Ready", "True"),
    )
    .await?;
    let again = |catalog: Option<&api::PermissionCatalog>| {
        catalog.is_some_and(|catalog| {
            catalog.spec.display_name == "Workforce Management" && catalog.spec.permissions.len() > 20
        })
    };
    until(world.api_everywhere(), "wfm", again).await?;
    audit::quiet(world.plane())?;
    let written = audit::writes_since(world.plane(), before)?;
    let brought = |request: &&Request| request.resource == "permissioncatalogs.pimpernel.dev";
    let brought: Vec<&str> = written
        .iter()
        .filter(brought)
        .map(|request| request.object.as_str())
        .collect();
    ensure!(brought == ["/qm", "/wfm"], "{}", audit::list(&written));

    let tenant = "{displayName: Spa, type: Provider, state: Active, applications: [qm, acd, dashboard]}";
    for (which, spec) in [("Namespace bath", "{}"), ("Tenant bath/bath", tenant)] {
        admin.apply(&object(which, spec)).await?.object()?;
    }
    until(world.api("bath"), "evaluator", says::<api::Role>("Ready", "True")).await?;
    until(world.api("bath"), "manager", says::<api::Role>("Ready", "True")).await?;
    Ok(())
}

fn fleet(title: &str, verb: &str) -> Value {
    let rules = |resource: &str, verb: &str| {
        format!("rules: [{{apiGroups: [fleet.example], resources: [{resource}], verbs: [{verb}]}}]")
    };
    let spec = format!(
        "{{displayName: {title}, permissions: [
            {{name: ships, actions: [{{name: Sail, {}}}]}},
            {{name: quays, actions: [{{name: View, {}}}]}}]}}",
        rules("ships", verb),
        rules("quays", "view"),
    );
    object("PermissionCatalog fleet", &spec)
}

/// What the operator must hold to grant what the fleet offers, now and after the change.
const HELD: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: fleet}
rules:
  - {apiGroups: [fleet.example], resources: [ships, quays], verbs: [sail, steer, view]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: fleet}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fleet}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: pimpernel-operator}]
";

#[tokio::test(flavor = "multi_thread")]
async fn v7_p7_a_changed_catalogue_costs_one_write_for_each_role_whose_rules_change() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        ..Wish::default()
    })
    .await?;
    let admin = Caller::with(world.plane().admin()).await?;
    world.apply(HELD)?;
    admin.apply(&fleet("Fleet", "sail")).await?.object()?;
    let began = Instant::now();
    let settled = settle(&world, &admin).await;
    settled.with_context(|| world.log())?;
    eprintln!(
        "{TENANTS} tenants with {ROLES_EACH} roles each stand after {:?}",
        began.elapsed()
    );

    let costs = change(&world, &admin, &fleet("Great Fleet", "sail")).await?;
    ensure!(
        costs == BTreeMap::from([(own(), 1)]),
        "another name for people: {costs:?}"
    );
    let began = Instant::now();
    let costs = change(&world, &admin, &fleet("Great Fleet", "steer")).await?;
    let roles = "patch roles.rbac.authorization.k8s.io".to_owned();
    // Every other role sails.
    let expected = BTreeMap::from([(own(), 1), (roles, TENANTS * ROLES_EACH / 2)]);
    ensure!(costs == expected, "another right: {costs:?}");
    eprintln!("{expected:?} within {:?}", began.elapsed());
    Ok(())
}

/// The catalogue's own status.
fn own() -> String {
    "patch permissioncatalogs.pimpernel.dev/status".to_owned()
}

/// Makes the tenants and roles, and waits until what they grant exists.
async fn settle(world: &World, admin: &Caller) -> Result<()> {
    let number = |tenant: usize| format!("port-{tenant}");
    let tenants = (0..TENANTS).map(|tenant| async move {
        let name = number(tenant);
        admin
            .apply(&object(&format!("Namespace {name}"), "{}"))
            .await?
            .object()?;
        let spec = "{displayName: Port, type: Provider, state: Active, applications: [fleet], defaultRoles: None}";
        admin
            .apply(&object(&format!("Tenant {name}/{name}"), spec))
            .await?
            .object()?;
        for role in 0..ROLES_EACH {
            let line = if role % 2 == 0 {
                "{application: fleet, permission: ships, actions: [Sail]}"
            } else {
                "{application: fleet, permission: quays, actions: [View]}"
            };
            let spec = format!("{{displayName: Hand {role}, state: Active, permissions: [{line}]}}");
            admin
                .apply(&object(&format!("Role {name}/hand-{role}"), &spec))
                .await?
                .object()?;
        }
        anyhow::Ok(())
    });
    stream::iter(tenants).buffer_unordered(4).try_collect::<()>().await?;
    all_made(world).await?;
    quiet(world)
}

/// Waits until what each of these roles grants exists; as long as more of it comes, it waits.
async fn all_made(world: &World) -> Result<()> {
    let mut watched = pin!(
        watcher(world.api_everywhere::<rbac::Role>(), watcher::Config::default())
            .default_backoff()
            .applied_objects()
    );
    let mut made = BTreeSet::new();
    while made.len() < TENANTS * ROLES_EACH {
        let next = tokio::time::timeout(10 * PATIENCE, watched.try_next()).await;
        let role = next
            .with_context(|| format!("{} roles stand", made.len()))??
            .context("the watch ended")?;
        let (namespace, name) = (role.namespace().unwrap_or_default(), role.name_any());
        if name.starts_with("pimpernel:role:hand-") {
            made.insert((namespace, name));
        }
    }
    Ok(())
}

/// What the operator writes because of a change, and how often.
async fn change(world: &World, admin: &Caller, catalog: &Value) -> Result<BTreeMap<String, usize>> {
    let before = audit::here(world.plane())?;
    let stored = admin.apply(catalog).await?.object()?;
    let generation = stored["metadata"]["generation"].as_i64().context("generation")?;
    let judged = |catalog: Option<&api::PermissionCatalog>| {
        let seen = catalog.and_then(|catalog| catalog.status.as_ref()?.observed_generation);
        seen == Some(generation)
    };
    until(world.api_everywhere(), "fleet", judged).await?;
    quiet(world)?;
    let mut costs = BTreeMap::new();
    for request in audit::writes_since(world.plane(), before)? {
        *costs
            .entry(format!("{} {}", request.verb, request.resource))
            .or_default() += 1;
    }
    Ok(costs)
}

/// Waits until the operator has been at rest, on however slow a machine.
fn quiet(world: &World) -> Result<()> {
    wait::until("the operator to be at rest", 10 * PATIENCE, || {
        match audit::quiet(world.plane()) {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                eprintln!("{error:#}");
                Ok(None)
            }
        }
    })
}
