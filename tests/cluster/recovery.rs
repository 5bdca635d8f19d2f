//! R22, A24: what somebody did to the derived objects is undone, and access is withdrawn whatever the operator may still
//! do itself.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1 as rbac;
use kube::api::{Api, Patch, PatchParams};
use pimpernel::api;
use pimpernel_launcher::wait;
use serde_json::{Value, json};

use crate::common::{PATIENCE, World, condition, eventually_may, may, says, until};

const BINDING: &str = "pimpernel:role:team-lead:b";

/// A colleague who holds the same role, a role that does not exist before, and who is to hold that.
const DESGAS: &str = "
apiVersion: pimpernel.dev/v1alpha1
kind: Employee
metadata: {name: desgas, namespace: lsp-paris}
spec: {username: desgas@lsp-paris.example, firstName: C., lastName: Desgas, state: Active, primaryRole: team-lead}
";
const BUTLER: &str = "
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: butler, namespace: lsp-paris}
spec: {displayName: Butler, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Employee
metadata: {name: brogard, namespace: lsp-paris}
spec: {username: brogard@lsp-paris.example, firstName: J., lastName: Brogard, state: Active, primaryRole: butler}
";
const FOREIGN: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: 'pimpernel:role:butler:b', namespace: lsp-paris}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}]
";

#[tokio::test(flavor = "multi_thread")]
async fn r22_what_is_done_to_derived_objects_is_undone_also_after_the_api_server_crashed() -> Result<()> {
    let world = World::start().await?;
    world.quickstart().await?;
    for deed in DEEDS {
        is_undone(&world, deed).await?;
    }
    world.plane().kill_apiserver()?;
    world.plane().start_apiserver()?;
    for deed in DEEDS {
        is_undone(&world, deed).await?;
    }
    a_foreign_binding_under_our_name_is_replaced(&world).await
}

/// What is done to the binding: a strategic merge patch, or the end of it.
const DEEDS: [(&str, &str); 5] = [
    ("its subjects are taken away", r#"{"subjects": null}"#),
    (
        "a subject is added",
        r#"{"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]}"#,
    ),
    (
        "its mark is taken off",
        r#"{"metadata": {"labels": {"pimpernel.dev/derived": null}}}"#,
    ),
    (
        "it is said to follow from another role",
        r#"{"metadata": {"labels": {"pimpernel.dev/owner-name": "butler"}}}"#,
    ),
    ("it is deleted", ""),
];

async fn is_undone(world: &World, (deed, patch): (&str, &str)) -> Result<()> {
    let bindings: Api<rbac::RoleBinding> = world.api("lsp-paris");
    let wanted = until(bindings.clone(), BINDING, |it: Option<&rbac::RoleBinding>| it.is_some()).await?;
    let wanted = essence(&wanted.context("it is gone")?);
    let done = unguarded(world, || {
        let object = [
            "rolebinding.rbac.authorization.k8s.io",
            BINDING,
            "--namespace=lsp-paris",
        ];
        if patch.is_empty() {
            return world.kubectl(&[&["delete"][..], &object].concat());
        }
        let patch = format!("--patch={patch}");
        world.kubectl(&[&["patch"][..], &object, &["--output=json", &patch]].concat())
    })?;
    let began = Instant::now();
    if let Ok(changed) = serde_json::from_str::<rbac::RoleBinding>(&done) {
        assert_ne!(essence(&changed), wanted, "{deed}: nothing was done");
    }
    let undone = until(bindings, BINDING, |it: Option<&rbac::RoleBinding>| {
        it.is_some_and(|it| essence(it) == wanted)
    });
    undone.await.context(deed.to_owned())?;
    eprintln!("{deed}: undone after {:?}", began.elapsed());
    let client = world.client();
    let right = ("edit", "skills.acd.apps.pimpernel.dev", "lsp-paris");
    eventually_may(&client, "mallory", right, false).await?;
    eventually_may(&client, "chauvelin@lsp-paris.example", right, true).await
}

/// What the operator answers for.
fn essence(binding: &rbac::RoleBinding) -> Value {
    json!([binding.metadata.labels, binding.role_ref, binding.subjects])
}

/// Does as the administrator what the admission policies refuse, while the operator stands still: else it puts them back at
/// once.
fn unguarded<T>(world: &World, act: impl Fn() -> Result<T>) -> Result<T> {
    let policy = "validatingadmissionpolicybinding/derived-objects.pimpernel.dev";
    let mut refusal = String::new();
    world.signal_operator("STOP")?;
    let done = wait::until("the policy to be out of the way", PATIENCE, || {
        world.kubectl(&["delete", "--ignore-not-found", policy])?;
        match act() {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.to_string().contains("belongs to Pimpernel") => Ok(None),
            Err(error) => {
                refusal = error.to_string();
                bail!("{refusal}")
            }
        }
    });
    world.signal_operator("CONT")?;
    done.context(refusal)
}

async fn a_foreign_binding_under_our_name_is_replaced(world: &World) -> Result<()> {
    unguarded(world, || world.apply(FOREIGN))?;
    world.apply(BUTLER)?;
    let ours = |it: Option<&rbac::RoleBinding>| {
        it.is_some_and(|it| {
            let subjects: Vec<&str> = it
                .subjects
                .iter()
                .flatten()
                .map(|subject| subject.name.as_str())
                .collect();
            it.role_ref.kind == "Role"
                && it.role_ref.name == "pimpernel:role:butler"
                && subjects == ["brogard@lsp-paris.example"]
        })
    };
    until(world.api("lsp-paris"), "pimpernel:role:butler:b", ours).await?;
    until(world.api("lsp-paris"), "butler", says::<api::Role>("Ready", "True")).await?;
    let client = world.client();
    let right = ("view", "skills.acd.apps.pimpernel.dev", "lsp-paris");
    eventually_may(&client, "brogard@lsp-paris.example", right, true).await?;
    eventually_may(&client, "mallory", ("get", "configmaps", "lsp-paris"), false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawing_never_depends_on_a_right_of_the_operator() -> Result<()> {
    let world = World::start().await?;
    world.quickstart().await?;
    world.apply(DESGAS)?;
    let client = world.client();
    let (leaves, stays) = ("chauvelin@lsp-paris.example", "desgas@lsp-paris.example");
    let (lost, kept) = (
        ("edit", "skills.acd.apps.pimpernel.dev", "lsp-paris"),
        ("list", "employees.pimpernel.dev", "lsp-paris"),
    );
    eventually_may(&client, stays, lost, true).await?;

    let grant = ["clusterrolebinding", "pimpernel-operator:catalog:acd", "--output=yaml"];
    let grant = world.kubectl(&[&["get"], &grant[..]].concat())?;
    world.kubectl(&["delete", "clusterrolebinding", "pimpernel-operator:catalog:acd"])?;
    eventually_may(&client, "pimpernel-operator", lost, false).await?;

    let began = Instant::now();
    let inactive = json!({"spec": {"state": "Inactive"}});
    let employees: Api<api::Employee> = world.api("lsp-paris");
    employees
        .patch("chauvelin", &PatchParams::default(), &Patch::Merge(&inactive))
        .await?;
    eventually_may(&client, leaves, lost, false).await?;
    eventually_may(&client, leaves, kept, false).await?;
    eprintln!("withdrawn without the right after {:?}", began.elapsed());
    let unready = until(world.api("lsp-paris"), "team-lead", says::<api::Role>("Ready", "False")).await?;
    let told = condition(&unready, "Ready").context("no condition")?;
    assert_eq!(told.reason, "NotGrantable");
    assert!(
        told.message.contains("`edit, view` on `skills.acd.apps.pimpernel.dev`"),
        "{}",
        told.message
    );
    eventually_may(&client, stays, kept, true).await?;
    eventually_may(&client, stays, lost, false).await?;
    let catalogs = || world.api_everywhere::<api::PermissionCatalog>();
    let lacking = until(catalogs(), "acd", says("Grantable", "False")).await?;
    let told = condition(&lacking, "Grantable").context("no condition")?;
    assert!(
        told.reason == "NotGrantable" && told.message.contains("on `skills.acd.apps.pimpernel.dev`"),
        "{told:?}"
    );

    // Each failure doubles the pause before it would be tried again: it is minutes by now.
    for number in 0..11 {
        let described = json!({"spec": {"description": format!("Leads team {number}")}});
        let roles: Api<api::Role> = world.api("lsp-paris");
        roles
            .patch("team-lead", &PatchParams::default(), &Patch::Merge(&described))
            .await?;
        until(roles, "team-lead", says("Ready", "False")).await?;
    }
    e10_ends_by_itself(&world, (stays, kept)).await?;
    let began = Instant::now();
    world.apply(&without_version(&grant)?)?;
    until(world.api("lsp-paris"), "team-lead", says::<api::Role>("Ready", "True")).await?;
    eventually_may(&client, stays, lost, true).await?;
    eprintln!("healed by itself after {:?}", began.elapsed());
    until(catalogs(), "acd", says("Grantable", "True")).await?;
    assert!(!may(&client, leaves, kept).await?);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the API server is on this machine")]
fn in_five_seconds() -> Result<Timestamp> {
    Ok(Timestamp::try_from(SystemTime::now() + Duration::from_secs(5))?)
}

/// What ends by itself does not wait for the pause before what failed is tried again.
async fn e10_ends_by_itself(world: &World, (user, right): (&str, (&str, &str, &str))) -> Result<()> {
    let employees: Api<api::Employee> = world.api("lsp-paris");
    let client = world.client();
    let soon = in_five_seconds()?;
    for (end, may) in [(Some(soon), false), (None, true)] {
        let window = Patch::Merge(json!({"spec": {"validUntil": end}}));
        employees.patch("desgas", &PatchParams::default(), &window).await?;
        eventually_may(&client, user, right, may).await?;
    }
    Ok(())
}

fn without_version(yaml: &str) -> Result<String> {
    let mut object: rbac::ClusterRoleBinding = serde_yaml::from_str(yaml)?;
    (object.metadata.resource_version, object.metadata.uid) = (None, None);
    object.metadata.managed_fields = None;
    Ok(serde_yaml::to_string(&object)?)
}
