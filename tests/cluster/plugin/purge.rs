//! `kubectl pimpernel purge`: rights first, then everything, without an operator.

use super::{Person, Said, said};
use crate::common::cast::{CHAUVELIN, MARGUERITE, STRANGER, Stage};
use crate::common::session::Session;
use crate::common::{SHORT_LEASE, Wish, World, audit, eventually_may};
use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinHandle;

const SKILLS: (&str, &str, &str) = ("edit", "skills.acd.apps.pimpernel.dev", "lsp-paris");
const KEPT: [&str; 4] = [
    "Namespace lsp-paris",
    "Namespace pimpernel-sessions",
    "rbac.RoleBinding lsp-paris/theirs",
    "CustomResourceDefinition ships.fleet.example",
];
const GONE: [&str; 3] = [
    "CustomResourceDefinition roles.pimpernel.dev",
    "CustomResourceDefinition changerecords.pimpernel.dev",
    "ValidatingWebhookConfiguration pimpernel",
];

/// Renews the Lease of an operator, for the so-manieth time.
async fn renew(leases: &Api<Lease>, time: u32) -> Result<()> {
    let name = pimpernel_launcher::operator::USER;
    let renewed = format!("2026-01-01T00:{:02}:{:02}.000000Z", time / 60, time % 60);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        "spec": {"holderIdentity": "another", "leaseDurationSeconds": 3, "renewTime": renewed},
    });
    let how = PatchParams::apply("tester").force();
    leases.patch(name, &how, &Patch::Apply(&lease)).await?;
    Ok(())
}

/// It is refused while an operator runs, wherever that is.
async fn refused_beside_another(world: &World, purge: impl Fn(&str) -> Result<Said>) -> Result<()> {
    let leases = world.api::<Lease>("lsp-paris");
    renew(&leases, 0).await?;
    let renewed = leases.clone();
    let another: JoinHandle<Result<()>> = tokio::spawn(async move {
        for time in 1..1200 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            renew(&renewed, time).await?;
        }
        Ok(())
    });
    let words = ["the operator runs, as `another` in namespace `lsp-paris`"];
    said(&purge("--yes")?, 1, &words)?;
    another.abort();
    let name = pimpernel_launcher::operator::USER;
    leases.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

/// Nothing that holds the rules went before the last binding of a person or a session, but what holds that binding.
fn in_order(world: &World, start: audit::Place) -> Result<()> {
    let mut removed = audit::since(world.plane(), start)?;
    removed.retain(|request| request.verb == "delete" && request.code == 200);
    let bound = |request: &audit::Request| request.resource == "rolebindings.rbac.authorization.k8s.io";
    let guards = |request: &audit::Request| {
        request.resource.ends_with(".admissionregistration.k8s.io")
            && request.object != "/derived-objects.pimpernel.dev"
    };
    let (last, first) = (removed.iter().rposition(bound), removed.iter().position(guards));
    ensure!(
        last.is_some() && first.is_some() && last < first,
        "it went like this:{}",
        audit::list(&removed)
    );
    Ok(())
}

/// What others have in the same cluster, some of it under names like ours.
fn of_others() -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    let ships = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ships.fleet.example"},
        "spec": {"group": "fleet.example", "scope": "Namespaced", "names": {"plural": "ships", "kind": "Ship"}, "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
        }]},
    });
    let theirs = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
        "metadata": {"namespace": "lsp-paris", "name": "theirs"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": STRANGER}],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "view"},
    });
    [ships, theirs]
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_who_takes_pimpernel_out_takes_rights_away_first_and_leaves_what_others_have() -> Result<()> {
    let wish = Wish {
        audit: true,
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    for object in of_others() {
        stage.admin.apply(&object).await?.object()?;
    }
    let session = Session::open(&stage, "Impersonation lsp-paris/case", ("Support", MARGUERITE), "").await?;
    let person = Person::new(&stage.world, STRANGER)?;
    let purge = |words: &str| person.runs_with(stage.world.plane().admin(), &format!("pimpernel purge {words}"));

    let counted = [
        "Lock ValidatingAdmissionPolicyBinding 1",
        "Bindings RoleBinding",
        "Objects Employee",
        "pimpernel.yaml",
        "the operator runs, as",
    ];
    said(&purge("--dry-run client")?, 0, &counted)?;
    said(&purge("--yes")?, 1, &["the operator runs, as", "stop it first"])?;
    ensure!(stage.admin.get("Employee lsp-paris/armand").await?.granted());
    eventually_may(&stage.world.client(), CHAUVELIN, SKILLS, true).await?;
    stage.world.kill_operator()?;
    let unasked = ["nobody can be asked here", "`--yes`"];
    said(&purge("-o table")?, 2, &unasked)?;
    refused_beside_another(&stage.world, purge).await?;

    let start = audit::here(stage.world.plane())?;
    said(&purge("--yes --rights-only")?, 0, &["objects are gone"])?;
    in_order(&stage.world, start)?;
    eventually_may(&stage.world.client(), CHAUVELIN, SKILLS, false).await?;
    session
        .until_inside_may("get", "tenants.pimpernel.dev", "lsp-paris", false)
        .await?;
    // What somebody else holds is left to them, and nothing is torn down around it.
    let held = json!({"metadata": {"finalizers": ["fleet.example/hold", "pimpernel.dev/history"]}});
    stage.admin.merge("Role lsp-paris/team-lead", &held).await?.object()?;
    let words = [
        "objects stay",
        "Role `lsp-paris/team-lead` (waits for fleet.example/hold)",
    ];
    said(&purge("--yes")?, 1, &words)?;
    ensure!(stage.admin.get(GONE[0]).await?.granted(), "a definition went too soon");
    let free = json!({"metadata": {"finalizers": null}});
    stage.admin.merge("Role lsp-paris/team-lead", &free).await?;

    said(&purge("--yes")?, 0, &["objects are gone", "what stays: the namespaces"])?;
    for which in GONE {
        ensure!(stage.admin.get(which).await?.code == 404, "{which} is there");
    }
    for which in KEPT {
        ensure!(stage.admin.get(which).await?.granted(), "{which} is gone");
    }
    said(&purge("--yes")?, 0, &["there is nothing of ours to take away"])
}
