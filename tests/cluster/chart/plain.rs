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

/// The documents of a text, empty ones left out.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let documents: Result<Vec<Value>, _> = serde_yaml::Deserializer::from_str(text)
        .map(Value::deserialize)
        .collect();
    Ok(documents?.into_iter().filter(|document| !document.is_null()).collect())
}

fn kustomized(folder: &Path) -> Result<Vec<Value>> {
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
    let folder = beside_the_base("prefixed")?;
    fs::create_dir(folder.join("tenant"))?;
    fs::write(folder.join("tenant/all.yaml"), KEPT_IN_GIT)?;
    fs::write(folder.join("tenant/kustomization.yaml"), "resources: [all.yaml]\n")?;
    let named = |components: &[&str]| -> Result<Vec<Value>> {
        let settings = json!({
            "namePrefix": "staging-", "namespace": "lsp-berlin", "resources": ["../tenant"], "components": components,
        });
        fs::write(
            folder.join("overlay/kustomization.yaml"),
            serde_yaml::to_string(&settings)?,
        )?;
        let objects = kustomized(&folder.join("overlay"))?;
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
