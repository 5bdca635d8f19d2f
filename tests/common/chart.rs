//! A [`Release`] of the Helm chart in a real control plane. No node is there, so its pods stay Pending: the operator runs
//! from the shell, as the chart's own account and with the arguments of the chart's Deployment.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{ControlPlane, Operator, OperatorOptions, Options, port, repository};
use serde::Deserialize;
use serde_json::Value;

use super::turn::Turn;

/// The namespace of the release.
pub const NAMESPACE: &str = "pimpernel-system";
/// The name of the Deployment and of the account.
const OPERATOR: &str = "pimpernel-operator";
/// What is not the chart's to say where no pod is: where to listen, and how to log.
const OF_THE_POD: [&str; 4] = ["--webhook-listen", "--http-listen", "--metrics-listen", "--log-format"];

/// A chart that is installed by one Helm.
pub struct Release {
    plane: ControlPlane,
    helm: PathBuf,
    webhook: u16,
    said: String,
    metrics: u16,
    _turn: Turn,
}

impl Release {
    /// Installs the chart into a new control plane; the API server reaches the webhook at an address of this machine.
    pub fn install(helm: &Path) -> Result<Self> {
        let (plane, turn) = control_plane()?;
        let mut release = Self {
            plane,
            helm: helm.to_path_buf(),
            webhook: port::free()?,
            said: String::new(),
            metrics: port::free()?,
            _turn: turn,
        };
        release.said = release.helm(&["install", "pimpernel", &chart(), "--create-namespace", &release.url()])?;
        Ok(release)
    }

    /// What Helm said to whoever installed it.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// What Helm has installed, as text.
    pub fn manifest(&self) -> Result<String> {
        self.helm(&["get", "manifest", "pimpernel"])
    }

    /// Upgrades it to the same chart with another value, and gives what Helm says.
    pub fn upgrade(&self, value: &str) -> Result<String> {
        self.helm(&["upgrade", "pimpernel", &chart(), &self.url(), "--set", value])
    }

    /// Uninstalls it.
    pub fn uninstall(&self) -> Result<()> {
        self.helm(&["uninstall", "pimpernel"])?;
        Ok(())
    }

    fn url(&self) -> String {
        format!("--set=webhook.url=https://127.0.0.1:{}", self.webhook)
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Where its operator answers /metrics to those who may read them, if that is asked.
    pub fn metrics_port(&self) -> u16 {
        self.metrics
    }

    /// Runs kubectl as the administrator and gives its stdout.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.plane.kubectl_output(self.plane.admin(), args)
    }

    fn helm(&self, args: &[&str]) -> Result<String> {
        let mut command = self.plane.client(&self.helm, self.plane.admin());
        command.args(args).args(["--namespace", NAMESPACE]);
        output(command)
    }

    /// Starts the operator as the chart's Deployment would.
    pub fn start_operator(&self) -> Result<Operator> {
        let of_release = |args: &[&str]| self.kubectl(&[args, &["--namespace", NAMESPACE]].concat());
        let deployment: Value = serde_json::from_str(&of_release(&["get", "deployment", OPERATOR, "-o=json"])?)?;
        let pod = &deployment["spec"]["template"]["spec"];
        ensure!(
            pod["serviceAccountName"] == OPERATOR,
            "it runs as {}",
            pod["serviceAccountName"]
        );
        let args: Vec<String> = Vec::deserialize(&pod["containers"][0]["args"])?;
        ensure!(args.first().is_some_and(|first| first == "run"), "{args:?}");
        let of_the_pod = |arg: &String| OF_THE_POD.iter().any(|name| arg.starts_with(name));
        let token = of_release(&["create", "token", OPERATOR, "--duration=1h"])?;
        let mut options = OperatorOptions::new(env!("CARGO_BIN_EXE_pimpernel-operator"));
        options.webhook = false;
        if args.iter().any(|arg| arg.starts_with("--metrics-listen=")) {
            options
                .args
                .push(format!("--metrics-listen=127.0.0.1:{}", self.metrics));
        }
        options
            .args
            .extend(args.into_iter().skip(1).filter(|arg| !of_the_pod(arg)));
        options
            .args
            .push(format!("--webhook-listen=127.0.0.1:{}", self.webhook));
        options.kubeconfig = Some(self.plane.bearer(OPERATOR, token.trim())?);
        Operator::start(&self.plane, &options)
    }
}

/// A control plane in which nothing is, and the right to have it.
pub fn control_plane() -> Result<(ControlPlane, Turn)> {
    let turn = Turn::wait();
    let options = Options {
        audit: true,
        ..Options::default()
    };
    Ok((ControlPlane::start(&options)?, turn))
}

/// What a Helm makes of the chart without a cluster, object by object. A value is `KEY=VALUE`, or else a file of values.
pub fn rendered(helm: &Path, values: &[&str]) -> Result<Vec<Value>> {
    let text = template(helm, values)?;
    let documents = serde_yaml::Deserializer::from_str(&text);
    let objects = documents.map(|document| Ok(Value::deserialize(document)?));
    let objects: Result<Vec<Value>> = objects.collect();
    Ok(objects?.into_iter().filter(|object| !object.is_null()).collect())
}

/// The same as text. No values for which the chart comes to something are anything that Helm warns of.
pub fn template(helm: &Path, values: &[&str]) -> Result<String> {
    let text = template_for(helm, "1.36.0", values)?;
    lint(helm, values)?;
    Ok(text)
}

/// The same for another version of Kubernetes.
pub fn template_for(helm: &Path, kubernetes: &str, values: &[&str]) -> Result<String> {
    let mut command = Command::new(helm);
    let args = [
        "template",
        "pimpernel",
        &chart(),
        "--namespace",
        NAMESPACE,
        "--kube-version",
        kubernetes,
    ];
    command.args(args);
    set(&mut command, values);
    output(command)
}

fn set(command: &mut Command, values: &[&str]) {
    for value in values {
        let how = if value.contains('=') { "--set" } else { "--values" };
        command.args([how, value]);
    }
}

/// What a Helm has to say against the chart, warnings included, is an error.
fn lint(helm: &Path, values: &[&str]) -> Result<()> {
    let mut command = Command::new(helm);
    command.args(["lint", "--strict", &chart(), "--kube-version=1.36.0"]);
    set(&mut command, values);
    output(command).map(drop)
}

/// The chart.
pub fn chart() -> String {
    repository().join("charts/pimpernel").to_string_lossy().into_owned()
}

/// Runs Helm to its end, with nothing read from or written to the home of the user.
fn output(mut command: Command) -> Result<String> {
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, concat!(env!("CARGO_TARGET_TMPDIR"), "/helm"));
    }
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}
