//! What the settings of the chart come to: every combination that people choose from, for every version of Kubernetes.

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{ControlPlane, assets};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

use super::find;
use crate::common::chart::{NAMESPACE, control_plane, lint, rendered, template, template_for};

/// Where the webhook's certificate comes from.
const CERTIFICATES: [&[&str]; 3] = [
    &[],
    &["webhook.certManager.enabled=true"],
    &["webhook.existingSecret=serving"],
];
/// Whether the operator brings catalogues.
const CATALOGUES: [&[&str]; 2] = [&[], &["catalog.bring=none", "catalog.rights=false"]];
/// Whatever else can be switched on and is known to every cluster.
const ALL: [&str; 1] = ["networkPolicy.create=true"];

fn combinations() -> Vec<Vec<&'static str>> {
    let of = |certificate: &[&'static str]| CATALOGUES.map(|catalogue| [certificate, catalogue, &ALL].concat());
    CERTIFICATES.into_iter().flat_map(of).collect()
}

#[test]
fn every_version_of_kubernetes_gets_the_same_and_nothing_older_than_1_33_gets_anything() -> Result<()> {
    for helm in assets::helms()? {
        for values in combinations() {
            let wanted = template(&helm, &values)?;
            for minor in ["33", "34", "35", "37"] {
                let found = template_for(&helm, &format!("1.{minor}.0-vendor.1"), &values)?;
                ensure!(found == wanted, "{values:?} for 1.{minor}");
            }
        }
        let refused = template_for(&helm, "1.32.9", &[]).err().context("1.32 is taken")?;
        ensure!(refused.to_string().contains("1.33"), "{refused}");
        lint(&helm)?;
    }
    Ok(())
}

/// Applies as if, with fields that do not exist refused.
fn is_taken(plane: &ControlPlane, objects: &[Value]) -> Result<()> {
    let file = plane.dir().join("rendered.json");
    fs::write(
        &file,
        serde_json::to_vec(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects}))?,
    )?;
    let file = file.to_string_lossy().into_owned();
    let args = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        &file,
    ];
    plane.kubectl_output(plane.admin(), &args)?;
    Ok(())
}

#[test]
fn every_combination_of_settings_is_taken_by_a_strict_api_server() -> Result<()> {
    let helm = &assets::helms()?[0];
    let (plane, _turn) = control_plane()?;
    for namespace in [NAMESPACE, "pimpernel-sessions"] {
        plane.kubectl_output(plane.admin(), &["create", "namespace", namespace])?;
    }
    for values in combinations() {
        let mut objects = rendered(helm, &values)?;
        // The kinds of others, which this API server does not have.
        objects.retain(|object| object["apiVersion"] != "cert-manager.io/v1");
        is_taken(&plane, &objects).with_context(|| format!("{values:?}"))?;
    }
    let mut wrong = rendered(helm, &[])?;
    let deployment = wrong
        .iter_mut()
        .find(|object| object["kind"] == "Deployment")
        .context("no Deployment")?;
    deployment["spec"]["replica"] = 3.into();
    let refused = is_taken(&plane, &wrong)
        .err()
        .context("a field that does not exist is taken")?;
    ensure!(refused.to_string().contains("replica"), "{refused}");
    Ok(())
}

#[test]
fn the_certificate_comes_from_one_place_alone() -> Result<()> {
    let helm = &assets::helms()?[0];
    let both = ["webhook.certManager.enabled=true", "webhook.existingSecret=serving"];
    let refused = template(helm, &both).err().context("both are taken")?;
    ensure!(refused.to_string().contains("are both set"), "{refused}");
    let url = ["webhook.certManager.enabled=true", "webhook.url=https://127.0.0.1:9443"];
    let refused = template(helm, &url)
        .err()
        .context("a name that is not the Service's is taken")?;
    ensure!(refused.to_string().contains("webhook.existingSecret"), "{refused}");
    for (values, secret) in CERTIFICATES
        .into_iter()
        .zip([None, Some("pimpernel-webhook-serving"), Some("serving")])
    {
        let objects = rendered(helm, values)?;
        let pod = &find(&objects, "Deployment", "pimpernel-operator")?["spec"]["template"]["spec"];
        let mounted = pod["volumes"][0]["secret"]["secretName"].as_str();
        ensure!(mounted == secret, "{values:?}: {mounted:?}");
        let told = pod["containers"][0]["args"]
            .to_string()
            .contains("--webhook-certificate=/certificate");
        ensure!(told == secret.is_some(), "{values:?}");
        let asked: BTreeSet<&str> = objects
            .iter()
            .filter_map(|object| object["spec"]["secretName"].as_str())
            .collect();
        let managed = secret == Some("pimpernel-webhook-serving");
        ensure!(
            asked.contains("pimpernel-webhook-serving") == managed,
            "{values:?}: {asked:?}"
        );
    }
    Ok(())
}

#[test]
fn objects_for_prometheus_are_made_where_they_can_be() -> Result<()> {
    let helm = &assets::helms()?[0];
    let kinds = |values: &[&str]| -> Result<usize> {
        let objects = rendered(helm, values)?;
        Ok(objects
            .iter()
            .filter(|object| object["apiVersion"] == "monitoring.coreos.com/v1")
            .count())
    };
    let wanted = ["serviceMonitor.create=true", "prometheusRule.create=true"];
    ensure!(kinds(&wanted)? == 0, "they are made where nobody knows them");
    let render = [&wanted[..], &["monitoring.whenMissing=render"]].concat();
    ensure!(kinds(&render)? == 2, "they are not made");
    let fail = [&wanted[..], &["monitoring.whenMissing=fail"]].concat();
    let refused = template(helm, &fail).err().context("it does not fail")?;
    ensure!(
        refused.to_string().contains("install the Prometheus operator first"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn every_alert_has_a_page_and_reads_series_that_exist() -> Result<()> {
    let root = pimpernel_launcher::repository();
    let text = fs::read_to_string(root.join("charts/pimpernel/alerts.yaml"))?;
    let alerts: Value = serde_yaml::from_str(&text)?;
    let page = fs::read_to_string(root.join("docs/alerts.md"))?;
    let metrics = fs::read_to_string(root.join("docs/operating.md"))?;
    let rules = alerts["groups"][0]["rules"].as_array().context("no rules")?;
    ensure!(rules.len() >= 5, "{alerts}");
    for rule in rules {
        let name = rule["alert"].as_str().context("no name")?;
        ensure!(
            page.contains(&format!("\n## {name}\n")),
            "docs/alerts.md has no section {name}"
        );
        let runbook = rule["annotations"]["runbook_url"].as_str().context("no page")?;
        ensure!(
            runbook.ends_with(&format!("/docs/alerts.md#{}", name.to_lowercase())),
            "{runbook}"
        );
        for field in ["summary", "description"] {
            ensure!(rule["annotations"][field].is_string(), "{name} has no {field}");
        }
        let expression = rule["expr"].as_str().context("no expression")?;
        let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let series: Vec<&str> = words.filter(|word| word.starts_with("pimpernel_")).collect();
        ensure!(!series.is_empty(), "{name} reads nothing");
        for name in series {
            let name = name.trim_end_matches("_bucket");
            ensure!(metrics.contains(&format!("`{name}")), "docs/operating.md has no {name}");
        }
    }
    Ok(())
}
