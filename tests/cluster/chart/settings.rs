//! What the settings of the chart come to: every combination that people choose from, for every version of Kubernetes.

use anyhow::{Context, Result, ensure};
use pimpernel::controllers::lease::Timing;
use pimpernel_launcher::{ControlPlane, assets};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::{ACCOUNT, find};
use crate::common::chart::{NAMESPACE, chart, control_plane, rendered, template, template_for};

/// Where the webhook's certificate comes from.
const CERTIFICATES: [&[&str]; 3] = [
    &[],
    &["webhook.certManager.enabled=true"],
    &["webhook.existingSecret=serving"],
];
/// Whether the operator brings catalogues.
const CATALOGUES: [&[&str]; 2] = [&[], &["catalog.bring=none", "catalog.rights=false"]];
/// Whatever else can be switched on and is known to every cluster.
const ALL: [&str; 2] = ["networkPolicy.create=true", "metrics.authenticate=true"];

/// Every way in which certificate and catalogues can be chosen.
pub fn combinations() -> Vec<Vec<&'static str>> {
    let of = |certificate: &[&'static str]| CATALOGUES.map(|catalogue| [certificate, catalogue, &ALL].concat());
    CERTIFICATES.into_iter().flat_map(of).collect()
}

/// The same, and what people choose in files.
pub fn choices() -> Result<Vec<Vec<String>>> {
    let given = combinations().into_iter();
    let mut choices: Vec<Vec<String>> = given
        .map(|values| values.into_iter().map(str::to_owned).collect())
        .collect();
    for entry in fs::read_dir(format!("{}/ci", chart()))? {
        choices.push(vec![entry?.path().to_string_lossy().into_owned()]);
    }
    Ok(choices)
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
    }
    Ok(())
}

/// Applies as if, with fields that do not exist refused.
pub fn is_taken(plane: &ControlPlane, objects: &[Value]) -> Result<()> {
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
fn what_people_choose_in_files_is_taken_by_a_strict_api_server_and_does_what_it_says() -> Result<()> {
    let helms = assets::helms()?;
    let (plane, _turn) = control_plane()?;
    for namespace in [NAMESPACE, "pimpernel-sessions"] {
        plane.kubectl_output(plane.admin(), &["create", "namespace", namespace])?;
    }
    let mut seen = 0;
    for entry in fs::read_dir(format!("{}/ci", chart()))? {
        let file = entry?.path().to_string_lossy().into_owned();
        template(&helms[1], &[&file])?;
        let mut objects = rendered(&helms[0], &[&file])?;
        objects.retain(|object| object["apiVersion"] != "cert-manager.io/v1");
        is_taken(&plane, &objects).with_context(|| file.clone())?;
        seen += 1;
    }
    ensure!(seen == 3, "{seen} files");
    Ok(())
}

#[test]
fn objects_of_ones_own_are_of_the_release_with_templates_filled_in() -> Result<()> {
    let file = format!("{}/ci/watched-values.yaml", chart());
    for helm in assets::helms()? {
        let found = &rendered(&helm, &[&file])?;
        let found = find(found, "ConfigMap", "pimpernel-on-call")?;
        let filled = found["metadata"]["namespace"] == NAMESPACE && found["data"]["account"] == ACCOUNT;
        ensure!(filled, "{found}");
        for wrong in ["extraObjects={ConfigMap}", "extraObjects[0].kind=ConfigMap"] {
            let refused = template(&helm, &[wrong])
                .err()
                .with_context(|| format!("{wrong} is taken"))?;
            ensure!(refused.to_string().contains("extraObjects"), "{refused}");
        }
    }
    Ok(())
}

#[test]
fn records_are_removed_by_an_operator_that_is_told_to_and_may() -> Result<()> {
    let helm = &assets::helms()?[0];
    let name = "pimpernel-operator:history-retention";
    let may = |values: &[&str]| -> Result<(bool, bool)> {
        let objects = rendered(helm, values)?;
        let args =
            &find(&objects, "Deployment", "pimpernel-operator")?["spec"]["template"]["spec"]["containers"][0]["args"];
        let told = args.to_string().contains("--history-retention=365d");
        let role = find(&objects, "ClusterRole", name).ok();
        let binding = find(&objects, "ClusterRoleBinding", name).ok();
        ensure!(
            role.is_some() == binding.is_some(),
            "a role without a binding, or the other way round"
        );
        if let (Some(role), Some(binding)) = (role, binding) {
            let given = &role["rules"][0];
            ensure!(
                given["resources"][0] == "changerecords" && given["verbs"] == serde_json::json!(["delete"]),
                "{given}"
            );
            ensure!(binding["subjects"][0]["kind"] == "ServiceAccount", "{binding}");
        }
        Ok((told, role.is_some()))
    };
    ensure!(may(&[])? == (false, false), "it may without being told to");
    ensure!(
        may(&["history.retention=365d"])? == (true, true),
        "it is told to, and may not"
    );
    ensure!(
        may(&["history.retention=365d", "rbac.create=false"])? == (true, false),
        "it gets rights that others give"
    );
    for wrong in ["history.retention=12h", "history.retention=0d"] {
        ensure!(template(helm, &[wrong]).is_err(), "{wrong} is taken");
    }
    Ok(())
}

#[test]
fn no_request_for_the_webhook_goes_to_the_pod_of_helm_test() -> Result<()> {
    let helm = &assets::helms()?[0];
    let objects = rendered(helm, &["networkPolicy.create=true", "imagePullSecrets={images}"])?;
    let pod = find(&objects, "Pod", "pimpernel-test")?;
    ensure!(pod["metadata"]["annotations"]["helm.sh/hook"] == "test", "{pod}");
    let service = &find(&objects, "Service", "pimpernel-webhook")?["spec"]["selector"];
    let labels = &pod["metadata"]["labels"];
    let selected = service
        .as_object()
        .context("no selector")?
        .iter()
        .all(|(key, value)| labels[key] == *value);
    ensure!(!selected, "{labels}");
    let policy = find(&objects, "NetworkPolicy", "pimpernel-operator")?;
    let let_in = &policy["spec"]["ingress"][1]["from"][0]["podSelector"]["matchLabels"];
    ensure!(let_in == labels, "{policy}");
    ensure!(
        find(&rendered(helm, &["test.create=false"])?, "Pod", "pimpernel-test").is_err(),
        "it is there"
    );
    Ok(())
}

#[test]
fn values_that_would_render_and_not_run_are_refused_with_one_sentence() -> Result<()> {
    let of_their_own = "nobody but the operator may create pods, Secrets or tokens, so it must be one of its own";
    for helm in assets::helms()? {
        for (value, says) in [
            ("lease.duration=0s", "lease.duration `0s` must be at least one second"),
            (
                "lease.duration=0m10s",
                "`10s` must be shorter than lease.duration `0m10s`: ",
            ),
            (
                "lease.retryPeriod=6s",
                "lease.retryPeriod `6s` must be at least one second and at most half of ",
            ),
            ("sessionsNamespace.name=kube-system", of_their_own),
            ("sessionsNamespace.name=kube-node-lease", of_their_own),
            ("sessionsNamespace.name=default", of_their_own),
            ("sessionsNamespace.name=pimpernel-system", of_their_own),
            ("replicas=0", "nobody would answer the webhook"),
        ] {
            let refused = template(&helm, &[value])
                .err()
                .with_context(|| format!("{value} is taken"))?;
            ensure!(refused.to_string().contains(says), "{refused}");
        }
        template(&helm, &["replicas=0", "webhook.url=https://127.0.0.1:9443"])?;
    }
    Ok(())
}

#[test]
fn the_chart_takes_the_timings_of_the_lease_that_the_operator_takes() -> Result<()> {
    let helm = &assets::helms()?[0];
    let second = Duration::from_secs;
    for (texts, [lease_duration, renew_deadline, retry_period]) in [
        (["1m", "0059s", "2s"], [60, 59, 2]),
        (["1m", "60s", "2s"], [60, 60, 2]),
        (["1h0m1s", "1h", "30m"], [3601, 3600, 1800]),
        (["1h0m1s", "1h", "30m1s"], [3601, 3600, 1801]),
        (["15s", "9s", "4s"], [15, 9, 4]),
        (["15s", "9s", "5s"], [15, 9, 5]),
        (["15s", "10s", "0s"], [15, 10, 0]),
        (["3s", "2s", "1s"], [3, 2, 1]),
        (["1s", "0s", "0s"], [1, 0, 0]),
    ] {
        let [lease, renew, retry] = texts;
        let values = [
            format!("lease.duration={lease}"),
            format!("lease.renewDeadline={renew}"),
            format!("lease.retryPeriod={retry}"),
        ];
        let taken = template(helm, &values.each_ref().map(String::as_str)).is_ok();
        let timing = Timing {
            lease_duration: second(lease_duration),
            renew_deadline: second(renew_deadline),
            retry_period: second(retry_period),
        };
        ensure!(taken == timing.validated().is_ok(), "{texts:?}: {taken}");
    }
    Ok(())
}

#[test]
fn replicas_are_spread_by_their_own_labels_unless_others_are_given() -> Result<()> {
    let helm = &assets::helms()?[0];
    let spread = |values: &[&str]| -> Result<Value> {
        let objects = rendered(helm, values)?;
        let pod = &find(&objects, "Deployment", "pimpernel-operator")?["spec"]["template"]["spec"];
        Ok(pod["topologySpreadConstraints"].clone())
    };
    let own = serde_json::json!({"matchLabels": {
        "app.kubernetes.io/name": "pimpernel", "app.kubernetes.io/instance": "pimpernel",
    }});
    ensure!(spread(&[])?[0]["labelSelector"] == own, "by default");
    let given = [
        "topologySpreadConstraints[0].topologyKey=zone",
        "topologySpreadConstraints[1].topologyKey=rack",
        "topologySpreadConstraints[1].labelSelector.matchLabels.a=b",
    ];
    let wanted = serde_json::json!([
        {"topologyKey": "zone", "labelSelector": own},
        {"topologyKey": "rack", "labelSelector": {"matchLabels": {"a": "b"}}},
    ]);
    let found = spread(&given)?;
    ensure!(found == wanted, "{found}");
    Ok(())
}

#[test]
fn grafana_finds_the_dashboard() -> Result<()> {
    let helm = &assets::helms()?[0];
    ensure!(
        find(&rendered(helm, &[])?, "ConfigMap", "pimpernel-dashboard").is_err(),
        "it is there"
    );
    let objects = rendered(helm, &["grafanaDashboard.create=true"])?;
    let found = find(&objects, "ConfigMap", "pimpernel-dashboard")?;
    ensure!(found["metadata"]["labels"]["grafana_dashboard"] == "1", "{found}");
    let text = found["data"]["pimpernel.json"].as_str().context("no dashboard")?;
    let dashboard: Value = serde_json::from_str(text)?;
    ensure!(dashboard["uid"] == "pimpernel", "{dashboard}");
    Ok(())
}
