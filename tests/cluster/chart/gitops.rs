//! The examples for Argo CD and Flux: that they are of the kinds that these define, and what they make of the chart.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{assets, repository};
use serde_json::{Value, json};

use super::find;
use super::plain::documents;
use super::schemas::define;
use super::settings::is_taken;
use crate::common::chart::{NAMESPACE, control_plane, rendered};

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
