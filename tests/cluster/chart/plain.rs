//! Installing without Helm: by one file, and by a base for Kustomize. Both are what the chart is.

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{Assets, assets, manifest, repository};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::numbers_alike;
use crate::common::chart::{control_plane, rendered};

/// A folder of a test's own, with a copy of `config/` in it.
fn beside_the_base(name: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kustomize").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("overlay"))?;
    let copied = Command::new("cp")
        .arg("-r")
        .arg(repository().join("config"))
        .arg(&folder)
        .status()?;
    ensure!(copied.success(), "config/ is not copied");
    Ok(folder)
}

/// The same with a folder `tenant` in it, which has these objects.
pub fn beside_a_tenant(name: &str, objects: &str) -> Result<PathBuf> {
    let folder = beside_the_base(name)?;
    fs::create_dir(folder.join("tenant"))?;
    fs::write(folder.join("tenant/all.yaml"), objects)?;
    fs::write(folder.join("tenant/kustomization.yaml"), "resources: [all.yaml]\n")?;
    Ok(folder)
}

/// What its overlay comes to with these settings.
pub fn overlaid(folder: &Path, settings: &str) -> Result<Vec<Value>> {
    let overlay = folder.join("overlay");
    fs::write(overlay.join("kustomization.yaml"), settings)?;
    kustomized(&overlay)
}

/// The documents of a text, empty ones left out.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let documents: Result<Vec<Value>, _> = serde_yaml::Deserializer::from_str(text)
        .map(Value::deserialize)
        .collect();
    Ok(documents?.into_iter().filter(|document| !document.is_null()).collect())
}

/// What Kustomize makes of a folder.
pub fn kustomized(folder: &Path) -> Result<Vec<Value>> {
    let mut command = Command::new(Assets::find_or_build()?.program("kubectl"));
    let output = command.arg("kustomize").arg(folder).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        folder.display()
    );
    documents(&String::from_utf8(output.stdout)?)
}

/// The object of the same kind, name and namespace.
fn same<'a>(objects: &'a [Value], wanted: &Value) -> Result<&'a Value> {
    let key = |object: &Value| {
        [
            &object["kind"],
            &object["metadata"]["name"],
            &object["metadata"]["namespace"],
        ]
        .map(Value::clone)
    };
    let found = objects.iter().find(|object| key(object) == key(wanted));
    found.with_context(|| format!("there is no {:?}", key(wanted)))
}

/// What an object comes to, whoever has installed it.
fn without_labels(object: &Value) -> Value {
    let mut object = numbers_alike(object);
    for metadata in ["/metadata", "/spec/template/metadata"] {
        if let Some(metadata) = object.pointer_mut(metadata).and_then(Value::as_object_mut) {
            metadata.remove("labels");
            metadata.remove("annotations");
        }
    }
    object
}

#[test]
fn one_file_and_the_base_for_kustomize_install_what_the_chart_does() -> Result<()> {
    let helm = &assets::helms()?[0];
    let text = manifest::rendered(helm, &[])?;
    ensure!(text == manifest::rendered(helm, &[])?, "rendered twice, it differs");
    ensure!(
        !text.contains("managed-by: Helm") && !text.contains("helm.sh/chart"),
        "{text}"
    );
    let (one_file, base) = (documents(&text)?, kustomized(&repository().join("config"))?);
    ensure!(one_file[0]["metadata"]["name"] == "pimpernel-system", "{}", one_file[0]);
    let mut chart = rendered(helm, &[])?;
    chart.retain(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_null());
    for (other, name) in [(&one_file, "install.yaml"), (&base, "config/")] {
        ensure!(other.len() == chart.len() + 1, "{name} has {} objects", other.len());
        for object in &chart {
            let found = same(other, object).with_context(|| name.to_owned())?;
            let (found, wanted) = (without_labels(found), without_labels(object));
            ensure!(found == wanted, "{name}:\n{found}\nThe chart:\n{wanted}");
        }
    }
    let enforced = |object: &Value| object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted";
    let guarded = |objects: &[Value]| {
        objects
            .iter()
            .filter(|object| object["kind"] == "Namespace" && enforced(object))
            .count()
    };
    ensure!(
        guarded(&one_file) == 2 && guarded(&base) == 2,
        "a namespace takes every pod"
    );

    let (plane, _turn) = control_plane()?;
    let file = plane.dir().join("install.yaml");
    fs::write(&file, &text)?;
    let folder = beside_the_base("installed")?;
    let overlay = folder.join("overlay");
    let settings = json!({
        "resources": ["../config"],
        "images": [{"name": "pimpernel-operator", "newName": "scarlet.example/operator", "newTag": "1792"}],
        "replicas": [{"name": "pimpernel-operator", "count": 3}],
    });
    fs::write(overlay.join("kustomization.yaml"), serde_yaml::to_string(&settings)?)?;
    let (file, overlay) = (file.to_string_lossy(), overlay.to_string_lossy());
    let apply = |with: &[&str]| {
        let args = [&["apply", "--server-side", "--validate=strict"], with].concat();
        plane.kubectl_output(plane.admin(), &args)
    };
    for says in ["serverside-applied", "serverside-applied"] {
        let said = apply(&["-f", &file])?;
        ensure!(
            said.lines().count() == one_file.len() && said.lines().all(|line| line.ends_with(says)),
            "{said}"
        );
    }
    let said = apply(&["--dry-run=server", "--output=yaml", "-k", &overlay])?;
    let list: Value = serde_yaml::from_str(&said)?;
    let objects = list["items"].as_array().context("no list")?;
    let wanted = chart
        .iter()
        .find(|object| object["kind"] == "Deployment")
        .context("no Deployment")?;
    let deployment = same(objects, wanted)?;
    ensure!(deployment["spec"]["replicas"] == 3, "{deployment}");
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(image == "scarlet.example/operator:1792", "{image}");
    Ok(())
}

const KEPT_IN_GIT: &str = "
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: agent, namespace: lsp}
spec: {displayName: Agent}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: evaluator, namespace: lsp}
spec: {displayName: Evaluator}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: elsewhere, namespace: lsp}
rules: []
---
apiVersion: pimpernel.dev/v1alpha1
kind: Employee
metadata: {name: percy, namespace: lsp}
spec: {username: percy, primaryRole: agent, secondaryRoles: [{name: evaluator}, {name: elsewhere}]}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Impersonation
metadata: {name: visit, namespace: lsp}
spec: {mode: Support, impersonator: dewhurst, reason: to see what they see}
---
apiVersion: pimpernel.dev/v1alpha1
kind: ImpersonationConsent
metadata: {name: agreed, namespace: lsp}
spec: {impersonation: visit, decision: Approved, by: percy}
";

#[test]
fn a_prefix_reaches_what_names_roles_and_sessions_by_the_component_alone() -> Result<()> {
    let folder = beside_a_tenant("prefixed", KEPT_IN_GIT)?;
    let named = |components: &[&str]| -> Result<Vec<Value>> {
        let settings = json!({
            "namePrefix": "staging-", "namespace": "lsp-berlin", "resources": ["../tenant"], "components": components,
        });
        let objects = overlaid(&folder, &serde_yaml::to_string(&settings)?)?;
        for object in &objects {
            let name = object["metadata"]["name"].as_str().context("no name")?;
            ensure!(
                name.starts_with("staging-") && object["metadata"]["namespace"] == "lsp-berlin",
                "{object}"
            );
        }
        let spec = |kind: &str| {
            objects
                .iter()
                .find(|object| object["kind"] == kind)
                .map(|object| &object["spec"])
        };
        let (employee, consent) = (
            spec("Employee").context("gone")?,
            spec("ImpersonationConsent").context("gone")?,
        );
        let secondary = &employee["secondaryRoles"];
        Ok([
            &employee["primaryRole"],
            &secondary[0]["name"],
            &secondary[1]["name"],
            &consent["impersonation"],
        ]
        .map(Value::clone)
        .into())
    };
    let found = named(&["../config/references"])?;
    // What is RBAC's Role of that name is none of ours.
    ensure!(
        found == ["staging-agent", "staging-evaluator", "elsewhere", "staging-visit"],
        "{found:?}"
    );
    let found = named(&[])?;
    ensure!(found == ["agent", "evaluator", "elsewhere", "visit"], "{found:?}");
    Ok(())
}

const MERGED: &str = "
apiVersion: pimpernel.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: acd}
spec:
  displayName: ACD
  landingPages: [{mode: Support, page: Home}, {mode: Configure, page: Home}]
  defaultRoles: [{name: agent, displayName: Agent}, {name: manager, displayName: Manager}]
  permissions:
    - {name: skills, category: People, actions: [{name: View, defaultFor: [agent, manager]}, {name: Edit}]}
    - {name: teams, actions: [{name: View}]}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: agent, namespace: lsp}
spec:
  displayName: Agent
  permissions:
    - {application: acd, permission: skills, actions: [View, Edit]}
    - {application: acd, permission: teams, actions: [View]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: dialler, namespace: lsp}
spec: {template: {spec: {containers: [{name: one, image: a}, {name: two, image: b}]}}}
";

/// What changes of each list one entry.
const CHANGES: [&str; 3] = [
    "
apiVersion: pimpernel.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: acd}
spec:
  landingPages: [{mode: Configure, page: Queues}]
  defaultRoles: [{name: manager, displayName: Supervisor}]
  permissions: [{name: skills, actions: [{name: View, defaultFor: [agent]}]}]
",
    "
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: agent, namespace: lsp}
spec: {permissions: [{application: acd, permission: skills, actions: [View]}]}
",
    "
apiVersion: apps/v1
kind: Deployment
metadata: {name: dialler, namespace: lsp}
spec: {template: {spec: {containers: [{name: two, image: c}]}}}
",
];

/// The entry of a list that has this name.
fn entry<'a>(list: &'a Value, (key, name): (&str, &str)) -> Result<&'a Value> {
    let mut entries = list.as_array().into_iter().flatten();
    let found = entries.find(|entry| entry[key] == name);
    found.with_context(|| format!("there is no `{name}` in {list}"))
}

/// The spec of the object of this kind.
fn spec<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    let found = objects.iter().find(|object| object["kind"] == kind);
    Ok(&found.with_context(|| format!("there is no {kind}"))?["spec"])
}

#[test]
fn a_strategic_merge_keeps_what_it_does_not_name_of_a_catalogue_and_nothing_of_what_a_role_grants() -> Result<()> {
    let folder = beside_a_tenant("merged", MERGED)?;
    let merged = |components: &[&str]| {
        let patches = CHANGES.map(|patch| json!({"patch": patch}));
        let settings = json!({"resources": ["../tenant"], "components": components, "patches": patches});
        overlaid(&folder, &serde_yaml::to_string(&settings)?)
    };
    let objects = merged(&["../config/references"])?;
    let catalog = spec(&objects, "PermissionCatalog")?;
    let changed = json!({"mode": "Configure", "page": "Queues"});
    let found = entry(&catalog["landingPages"], ("mode", "Configure"))?;
    ensure!(*found == changed, "{found}");
    entry(&catalog["landingPages"], ("mode", "Support"))?;
    let found = entry(&catalog["defaultRoles"], ("name", "manager"))?;
    ensure!(found["displayName"] == "Supervisor", "{found}");
    entry(&catalog["defaultRoles"], ("name", "agent"))?;
    entry(&catalog["permissions"], ("name", "teams"))?;
    let skills = entry(&catalog["permissions"], ("name", "skills"))?;
    ensure!(skills["category"] == "People", "{skills}");
    entry(&skills["actions"], ("name", "Edit"))?;

    let view = entry(&skills["actions"], ("name", "View"))?;
    ensure!(
        view["defaultFor"] == json!(["agent"]),
        "a list that grants is merged: {view}"
    );
    let granted = &spec(&objects, "Role")?["permissions"];
    let wanted = json!([{"application": "acd", "permission": "skills", "actions": ["View"]}]);
    ensure!(*granted == wanted, "a list that grants is merged: {granted}");
    // Kustomize knows as much of Kubernetes' own kinds as before.
    let containers = &spec(&objects, "Deployment")?["template"]["spec"]["containers"];
    entry(containers, ("name", "one"))?;

    let alone = merged(&[])?;
    let permissions = &spec(&alone, "PermissionCatalog")?["permissions"];
    ensure!(
        entry(permissions, ("name", "teams")).is_err(),
        "the component is for nothing: {permissions}"
    );
    Ok(())
}

#[test]
fn the_patch_of_one_entry_in_the_documentation_leaves_the_others() -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/installation.md"))?;
    let (_, example) = page.split_once("<<END\nresources: [../tenant]").context("no example")?;
    let (example, _) = example.split_once("\nEND\n").context("it has no end")?;
    let folder = beside_a_tenant("patched", MERGED)?;
    let patched = |example: &str| overlaid(&folder, &format!("resources: [../tenant]{example}\n"));
    let wanted = json!([
        {"application": "acd", "permission": "skills", "actions": ["View"]},
        {"application": "acd", "permission": "teams", "actions": ["View"]},
        {"application": "acd", "permission": "hours", "actions": ["View"]},
    ]);
    let objects = patched(example)?;
    let granted = &spec(&objects, "Role")?["permissions"];
    ensure!(*granted == wanted, "{granted}");
    let moved = example.replace("permissions/0", "permissions/1");
    ensure!(moved != example && patched(&moved).is_err(), "another entry is changed");
    Ok(())
}
