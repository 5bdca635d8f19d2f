//! The examples for Argo CD and Flux: that they are of the kinds that these define, and what they make of the chart.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{assets, repository, wait};
use serde_json::{Value, json};

use super::plain::{beside_a_tenant, documents, overlaid};
use super::schemas::define;
use super::settings::is_taken;
use super::{bundles, find};
use crate::common::chart::{NAMESPACE, Release, control_plane, rendered};
use crate::common::{PATIENCE, metric};

/// The objects in a file of the examples.
fn read(file: &str) -> Result<Vec<Value>> {
    let path = repository().join("examples/gitops").join(file);
    documents(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}

#[test]
fn the_examples_for_flux_are_what_flux_defines() -> Result<()> {
    let (plane, _turn) = control_plane()?;
    let kinds = [
        "helm.toolkit.fluxcd.io_helmreleases",
        "kustomize.toolkit.fluxcd.io_kustomizations",
        "source.toolkit.fluxcd.io_gitrepositories",
    ];
    for (module, kind) in assets::modules::FLUX.iter().zip(kinds) {
        define(&plane, module, &[&format!("config/crd/bases/{kind}.yaml")])?;
    }
    for namespace in [NAMESPACE, "flux-system"] {
        plane.kubectl_output(plane.admin(), &["create", "namespace", namespace])?;
    }
    let mut objects = [read("flux/helmrelease.yaml")?, read("flux/tenants.yaml")?].concat();
    is_taken(&plane, &objects)?;
    let of_flux = |object: &&mut Value| object["kind"] != "Namespace";
    let mut seen = BTreeSet::new();
    for object in objects.iter_mut().filter(of_flux) {
        seen.insert(object["kind"].to_string());
        object["spec"]["misspelt"] = json!(1);
        let refused = is_taken(&plane, std::slice::from_ref(object))
            .err()
            .context("a field that does not exist is taken")?;
        ensure!(refused.to_string().contains("misspelt"), "{refused}");
    }
    ensure!(seen.len() == kinds.len(), "only {seen:?}");
    Ok(())
}

#[test]
fn the_examples_for_argo_cd_and_flux_install_the_chart_with_an_image_that_can_be_pulled() -> Result<()> {
    let helm = &assets::helms()?[0];
    let (flux, argo) = (read("flux/helmrelease.yaml")?, read("argocd/application.yaml")?);
    let project = read("argocd/project.yaml")?;
    let allowed = project[0]["spec"]["clusterResourceWhitelist"]
        .as_array()
        .context("no list")?;
    for values in [
        &find(&flux, "HelmRelease", "pimpernel")?["spec"]["values"],
        &argo[0]["spec"]["source"]["helm"]["valuesObject"],
    ] {
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("gitops-values.yaml");
        fs::write(&file, serde_yaml::to_string(values)?)?;
        let objects = rendered(helm, &[&file.to_string_lossy()])?;
        let deployment = find(&objects, "Deployment", "pimpernel-operator")?;
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        ensure!(image == "registry.example/pimpernel-operator:0.1.0", "{image}");
        for object in objects
            .iter()
            .filter(|object| object["metadata"]["namespace"].is_null())
        {
            let group = object["apiVersion"]
                .as_str()
                .and_then(|version| version.split_once('/'));
            let kind = json!({"group": group.map_or("", |(group, _)| group), "kind": object["kind"]});
            ensure!(allowed.contains(&kind), "the project does not allow {kind}");
        }
    }
    Ok(())
}

/// What lies in a repository of tenants.
const TENANTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: classics}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Tenant
metadata: {name: classics, namespace: classics, annotations: {example.com/team: sales}}
spec: {displayName: Classics, type: Provider, state: Active}
---
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: agent, namespace: classics}
spec: {displayName: Agent}
";

#[test]
fn argo_cd_asks_before_it_takes_a_tenant_or_its_namespace_away_and_for_nothing_else() -> Result<()> {
    let application = read("argocd/tenants.yaml")?;
    let patches = &find(&application, "Application", "tenants")?["spec"]["source"]["kustomize"]["patches"];
    let folder = beside_a_tenant("argocd", TENANTS)?;
    let settings = json!({"resources": ["../tenant"], "patches": patches});
    let objects = overlaid(&folder, &serde_yaml::to_string(&settings)?)?;
    ensure!(objects.len() == 3, "{objects:?}");
    for mut wanted in documents(TENANTS)? {
        if wanted["kind"] != "Role" {
            wanted["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] =
                json!("Prune=confirm,Delete=confirm");
        }
        ensure!(objects.contains(&wanted), "{wanted} is not in {objects:?}");
    }
    Ok(())
}

#[test]
fn argo_cd_that_applies_the_chart_with_force_takes_no_trust_away_and_nothing_differs_afterwards() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    let (plane, trusted) = (release.plane(), bundles(&release)?);
    ensure!(!trusted.iter().any(String::is_empty), "not all are trusted");
    let changes = || metric(&operator, "pimpernel_registration_changes_total").map(Option::unwrap_or_default);
    let before = changes()?;
    let file = plane.dir().join("rendered.yaml");
    fs::write(&file, release.manifest()?)?;
    let file = file.to_string_lossy().into_owned();
    let as_argo = |verb: &str| {
        let how = [
            "--server-side",
            "--force-conflicts",
            "--field-manager=argocd-controller",
        ];
        release.kubectl(&[&[verb], &how[..], &["-f", &file]].concat())
    };
    for _ in 0..2 {
        as_argo("apply")?;
        ensure!(bundles(&release)? == trusted, "it took the trust away");
        let differs = as_argo("diff")?;
        ensure!(differs.is_empty(), "{differs}");
    }

    // The operator hears of a kind in the order in which it changed: of this it hears last.
    let weaker = r#"--patch=[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#;
    for kind in super::WEBHOOKS {
        release.kubectl(&["patch", kind, "pimpernel", "--type=json", weaker])?;
    }
    wait::until("the operator to notice", PATIENCE, || {
        Ok((changes()? >= before + 2.0).then_some(()))
    })?;
    ensure!(
        changes()? <= before + 2.0,
        "it noticed what Argo CD applied:\n{}",
        operator.log_end()
    );
    ensure!(as_argo("diff").is_err(), "what differs is not told");
    super::had_its_rights(&operator)
}
