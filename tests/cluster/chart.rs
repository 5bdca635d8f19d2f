//! The Helm chart, with each Helm that people use: that what it installs is enough to run with, and no more than was meant;
//! that an upgrade takes nothing back, and that the data stays when it goes.

use anyhow::{Context, Result, ensure};
use pimpernel::policy::history::Employees;
use pimpernel::webhook::configuration;
use pimpernel::webhook::policies::POLICIES;
use pimpernel_launcher::{Operator, Walk, assets, repository};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::PATIENCE;
use crate::common::chart::{Release, rendered, template};

#[path = "chart/described.rs"]
mod described;
#[path = "chart/gitops.rs"]
mod gitops;
#[path = "chart/least.rs"]
mod least;
#[path = "chart/metrics.rs"]
mod metrics;
#[path = "chart/plain.rs"]
mod plain;
#[path = "chart/registration.rs"]
mod registration;
#[path = "chart/rights.rs"]
mod rights;
#[path = "chart/schemas.rs"]
mod schemas;
#[path = "chart/settings.rs"]
mod settings;
#[path = "chart/upgrade.rs"]
mod upgrade;

const WEBHOOKS: [&str; 2] = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];

/// The names of what there is of some kinds, those of Kubernetes itself left out.
fn ours(release: &Release, kinds: &str) -> Result<BTreeSet<String>> {
    let names = release.kubectl(&["get", kinds, "--all-namespaces", "--output=name"])?;
    let ours = names.lines().filter(|name| name.contains("pimpernel"));
    Ok(ours.map(str::to_owned).collect())
}

/// The authorities that each webhook trusts.
fn bundles(release: &Release) -> Result<Vec<String>> {
    let path = "-o=jsonpath={range .webhooks[*]}{.clientConfig.caBundle}{\"\\n\"}{end}";
    let mut bundles = vec![];
    for kind in WEBHOOKS {
        let told = release.kubectl(&["get", kind, "pimpernel", path])?;
        bundles.extend(told.lines().map(str::to_owned));
    }
    Ok(bundles)
}

/// Ends an operator: it was denied nothing, and ends well.
fn had_its_rights(operator: &Operator) -> Result<()> {
    let denied: Vec<String> = operator
        .log()
        .lines()
        .filter(|line| line.contains("is forbidden"))
        .map(str::to_owned)
        .collect();
    ensure!(
        denied.is_empty(),
        "the chart gives too few rights:\n{}",
        denied.join("\n")
    );
    ensure!(
        operator.terminate()?.success(),
        "the operator failed:\n{}",
        operator.log_end()
    );
    Ok(())
}

/// Plays a walk of `examples/`.
fn play(release: &Release, walk: &str) -> Result<()> {
    let walk = Walk::read(&repository().join(format!("examples/{walk}/walk.txt")))?;
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-pimpernel"));
    let beside: Vec<PathBuf> = plugin.parent().map(Path::to_path_buf).into_iter().collect();
    let mut said = vec![];
    let steps = walk.run(release.plane(), &beside, &mut said);
    let steps = steps.with_context(|| String::from_utf8_lossy(&said).into_owned())?;
    ensure!(steps > 20, "only {steps} steps were played");
    Ok(())
}

/// Runs by hand what the pod of `helm test` does: whether it says that the operator which answers there is ready.
fn tells_ready(helm: &Path, address: &str) -> Result<bool> {
    let objects = rendered(helm, &[])?;
    let args = &find(&objects, "Pod", "pimpernel-test")?["spec"]["containers"][0]["args"];
    let mut args: Vec<String> = Vec::deserialize(args)?;
    let service = args.pop().context("no address")?;
    ensure!(service == "pimpernel-webhook.pimpernel-system.svc:8080", "{service}");
    args.retain(|arg| !arg.starts_with("--within="));
    let ended = Command::new(env!("CARGO_BIN_EXE_pimpernel-operator"))
        .args(args)
        .arg(address)
        .output()?;
    Ok(ended.status.success())
}

fn plays_the_quickstart_and_leaves_the_data(helm: &Path) -> Result<()> {
    let release = Release::install(helm)?;
    let untrusted = bundles(&release)?;
    ensure!(untrusted.iter().all(String::is_empty), "the chart says whom to trust");
    let policies = ours(&release, "validatingadmissionpolicies")?;
    ensure!(policies.len() == POLICIES.len(), "{policies:?}");

    ensure!(!tells_ready(helm, "127.0.0.1:1")?, "helm test passes where nobody is");
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    let there = format!("127.0.0.1:{}", operator.http_port());
    ensure!(tells_ready(helm, &there)?, "helm test fails");
    let trusted = bundles(&release)?;
    let all = trusted.len() == untrusted.len() && trusted.len() > 3;
    ensure!(all && !trusted.iter().any(String::is_empty), "not all are trusted");

    play(&release, "quickstart")?;
    release.upgrade("replicas=3")?;
    ensure!(bundles(&release)? == trusted, "the upgrade took the trust away");
    had_its_rights(&operator)?;

    let data = "tenants,roles.pimpernel.dev,employees,impersonations,changerecords,permissioncatalogs";
    let everything = |what: &str| release.kubectl(&["get", what, "--all-namespaces", "--output=name"]);
    let (before, definitions) = (everything(data)?, ours(&release, "customresourcedefinitions")?);
    release.uninstall()?;
    let cluster = "mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies,\
                   validatingadmissionpolicybindings,clusterroles,clusterrolebindings";
    let left = ours(&release, cluster)?;
    ensure!(left.is_empty(), "uninstalling leaves {left:?}");
    ensure!(definitions.len() == 7, "{definitions:?}");
    ensure!(
        ours(&release, "customresourcedefinitions")? == definitions,
        "definitions are gone"
    );
    ensure!(before.lines().count() > 20, "{before}");
    ensure!(everything(data)? == before, "data is gone");
    Ok(())
}

#[test]
fn with_helm_4_the_chart_is_enough_for_the_quickstart_and_leaves_the_data_behind() -> Result<()> {
    plays_the_quickstart_and_leaves_the_data(&assets::helms()?[0])
}

#[test]
fn with_helm_3_the_chart_is_enough_for_the_quickstart_and_leaves_the_data_behind() -> Result<()> {
    plays_the_quickstart_and_leaves_the_data(&assets::helms()?[1])
}

const ACCOUNT: &str = "system:serviceaccount:pimpernel-system:pimpernel-operator";

/// The objects in the files of a folder of the repository, with the names of a release.
fn declared(folder: &str) -> Result<Vec<Value>> {
    let mut objects = vec![];
    let entries: Vec<_> = fs::read_dir(repository().join(folder))?.collect::<std::io::Result<_>>()?;
    // What is optional lies in a folder of its own.
    for file in entries.iter().map(fs::DirEntry::path).filter(|path| path.is_file()) {
        let text = fs::read_to_string(file)?
            .replace("${OPERATOR_USER}", ACCOUNT)
            .replace("${OPERATOR_NAMESPACE}", "pimpernel-system")
            .replace("${SESSIONS_NAMESPACE}", "pimpernel-sessions");
        for document in serde_yaml::Deserializer::from_str(&text) {
            objects.push(Value::deserialize(document)?);
        }
    }
    Ok(objects)
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let is = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects
        .iter()
        .find(is)
        .with_context(|| format!("there is no {kind} `{name}`"))
}

/// The rendered object of the same kind and name.
fn same<'a>(objects: &'a [Value], declared: &Value) -> Result<&'a Value> {
    let (kind, name) = (&declared["kind"], &declared["metadata"]["name"]);
    find(
        objects,
        kind.as_str().context("no kind")?,
        name.as_str().context("no name")?,
    )
}

/// The same with `28` and `28.0` written alike.
fn numbers_alike(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(numbers_alike).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), numbers_alike(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn the_chart_registers_what_the_operator_would_register() -> Result<()> {
    let url = "https://operator.example:8443";
    for (recorded, employees) in [("sessions", Employees::Sessions), ("all", Employees::All)] {
        let values = [format!("webhook.url={url}"), format!("history.employees={recorded}")];
        let objects = rendered(&assets::helms()?[0], &values.each_ref().map(String::as_str))?;
        for wanted in [
            configuration::configuration(url, ACCOUNT),
            configuration::history(url, ACCOUNT, ("pimpernel-sessions", employees)),
        ] {
            let found = same(&objects, &wanted)?;
            ensure!(found["webhooks"] == wanted["webhooks"], "{found}");
        }
    }
    Ok(())
}

#[test]
fn the_chart_installs_what_the_repository_declares_with_each_helm_and_the_same_each_time() -> Result<()> {
    for helm in assets::helms()? {
        let text = template(&helm, &[])?;
        ensure!(text == template(&helm, &[])?, "rendered twice, it differs");
        ensure!(!text.contains("caBundle") && !text.contains("${"), "{text}");
        let objects = rendered(&helm, &[])?;
        for declared in [declared("crds")?, declared("policies")?].concat() {
            let (found, name) = (same(&objects, &declared)?, &declared["metadata"]["name"]);
            ensure!(
                numbers_alike(&found["spec"]) == numbers_alike(&declared["spec"]),
                "{name} differs"
            );
            let kept = found["metadata"]["annotations"] == json!({"helm.sh/resource-policy": "keep"});
            ensure!(kept == (declared["kind"] == "CustomResourceDefinition"), "{name}");
        }
        for declared in declared("rbac")? {
            let (found, name) = (same(&objects, &declared)?, &declared["metadata"]["name"]);
            ensure!(found["roleRef"] == declared["roleRef"], "{name}");
            let by_user = declared["subjects"][0]["kind"] == "User";
            let account =
                json!([{"kind": "ServiceAccount", "name": "pimpernel-operator", "namespace": "pimpernel-system"}]);
            let subjects = if by_user { &account } else { &declared["subjects"] };
            ensure!(found["subjects"] == *subjects, "{name}: {}", found["subjects"]);
        }
        let service = json!({
            "name": "pimpernel-webhook", "namespace": "pimpernel-system", "path": "/history", "port": 443,
        });
        let history = find(&objects, "MutatingWebhookConfiguration", "pimpernel")?;
        ensure!(
            history["webhooks"][0]["clientConfig"] == json!({"service": service}),
            "{history}"
        );
    }
    Ok(())
}

#[test]
fn values_of_the_chart_do_what_they_say_and_no_other_is_taken() -> Result<()> {
    let helm = &assets::helms()?[0];
    for (wrong, says) in [
        ("replica=3", "replica"),
        ("catalog.bring=acd", "bring"),
        ("webhook.url=http://127.0.0.1:1", "url"),
        ("crds.kept=true", "kept"),
    ] {
        let refused = template(helm, &[wrong])
            .err()
            .with_context(|| format!("{wrong} is taken"))?;
        ensure!(refused.to_string().contains(says), "{refused}");
    }
    let kinds = |values: &[&str]| -> Result<BTreeSet<String>> {
        let objects = rendered(helm, values)?;
        Ok(objects
            .iter()
            .filter_map(|object| Some(object["kind"].as_str()?.to_owned()))
            .collect())
    };
    for (value, gone) in [
        ("crds.install=false", "CustomResourceDefinition"),
        ("rbac.create=false", "ClusterRoleBinding"),
        ("serviceAccount.create=false", "ServiceAccount"),
        ("sessionsNamespace.create=false", "Namespace"),
        ("podDisruptionBudget.create=false", "PodDisruptionBudget"),
    ] {
        ensure!(
            kinds(&[])?.contains(gone) && !kinds(&[value])?.contains(gone),
            "{value}: {gone}"
        );
    }
    let without = rendered(helm, &["catalog.rights=false", "crds.keep=false"])?;
    ensure!(
        find(&without, "ClusterRole", "pimpernel-operator:catalog:acd").is_err(),
        "it has the rights"
    );
    find(&without, "ClusterRole", "pimpernel-operator")?;
    let unguarded = |objects: &[Value]| -> Result<bool> {
        let pod = &find(objects, "Deployment", "pimpernel-operator")?["spec"]["template"]["spec"];
        Ok(pod["containers"][0]["args"]
            .to_string()
            .contains("--definitions=unguarded"))
    };
    ensure!(
        unguarded(&without)? && !unguarded(&rendered(helm, &[])?)?,
        "the operator is not told whether it does"
    );
    ensure!(
        find(&without, "ValidatingAdmissionPolicy", "definitions.pimpernel.dev").is_err(),
        "it guards"
    );
    let elsewhere = template(helm, &["sessionsNamespace.name=percy", "serviceAccount.name=blakeney"])?;
    ensure!(
        !elsewhere.contains("pimpernel-sessions"),
        "a name of another namespace stays"
    );
    ensure!(
        elsewhere.contains("system:serviceaccount:pimpernel-system:blakeney"),
        "not that account"
    );
    Ok(())
}
