//! What the chart says of itself: to those who look for charts, and to whoever has just installed it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{assets, repository};
use serde_json::Value;

use crate::common::PATIENCE;
use crate::common::chart::{Release, chart, rendered};

/// The list in an annotation of `Chart.yaml`.
fn listed(metadata: &Value, annotation: &str) -> Result<Vec<Value>> {
    let text = metadata["annotations"][format!("artifacthub.io/{annotation}")].as_str();
    let text = text.with_context(|| format!("there are no {annotation}"))?;
    Ok(serde_yaml::from_str(text)?)
}

#[test]
fn artifact_hub_is_told_the_image_that_is_run_and_links_that_lead_somewhere() -> Result<()> {
    let metadata: Value = serde_yaml::from_str(&fs::read_to_string(format!("{}/Chart.yaml", chart()))?)?;
    let version = env!("CARGO_PKG_VERSION");
    ensure!(
        metadata["version"] == version && metadata["appVersion"] == version,
        "it is {version}: {metadata}"
    );
    let images: BTreeSet<String> = listed(&metadata, "images")?
        .iter()
        .map(|image| image["image"].to_string())
        .collect();
    let mut run = BTreeSet::new();
    for object in rendered(&assets::helms()?[0], &[])? {
        let containers = ["/spec/template/spec/containers", "/spec/containers"];
        let containers = containers.iter().filter_map(|place| object.pointer(place));
        run.extend(
            containers
                .flat_map(|all| all.as_array().into_iter().flatten())
                .map(|container| container["image"].to_string()),
        );
    }
    ensure!(images == run, "{images:?}, but {run:?} is run");
    let source = metadata["sources"][0].as_str().context("no source")?;
    let links = listed(&metadata, "links")?;
    ensure!(!links.is_empty(), "no link");
    for link in links {
        let path = link["url"].as_str().and_then(|url| url.strip_prefix(source));
        let path = path.and_then(|path| path.strip_prefix("/tree/main/").or(path.strip_prefix("/blob/main/")));
        let path = repository().join(path.with_context(|| format!("{link} is not of {source}"))?);
        ensure!(path.exists(), "{link} leads nowhere");
    }
    Ok(())
}

/// The commands in what Helm prints, from that line on.
fn commands(said: &str, after: &str) -> Result<String> {
    let (_, said) = said.split_once(after).with_context(|| said.to_owned())?;
    let commands = said.lines().filter_map(|line| line.strip_prefix("  "));
    Ok(commands.collect::<Vec<_>>().join("\n"))
}

#[test]
fn what_helm_prints_leads_to_the_first_tenant_and_warns_of_what_is_chosen() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    let plane = release.plane();
    let mut shell = plane.client(Path::new("/bin/sh"), plane.admin());
    let first = commands(
        release.said(),
        "The first tenant lives in the namespace of its own name:",
    )?;
    shell.env("PATH", format!("{}:/usr/bin:/bin", plane.assets().folder().display()));
    let output = shell.args(["-euc", &first]).output()?;
    let [out, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    ensure!(output.status.success(), "{first}\n{out}{wrong}");
    for says in ["tenant.pimpernel.dev/classics condition met", "Classics, Inc."] {
        ensure!(out.contains(says), "{says}: {out}");
    }

    let chosen = [
        ("catalog.bring=none", "No catalogue comes with this release"),
        (
            "catalog.rights=false",
            "The operator has no rights that catalogues list",
        ),
        (
            "crds.keep=false",
            "WARNING: crds.keep is false. Uninstalling this release deletes every object",
        ),
        ("impersonation=disabled", "Impersonation is disabled"),
    ];
    let said = release.upgrade(&chosen.map(|(value, _)| value).join(","))?;
    for (value, says) in chosen {
        ensure!(said.contains(says), "{value}: {said}");
        ensure!(!release.said().contains(says), "without {value}: {}", release.said());
    }
    super::had_its_rights(&operator)
}
