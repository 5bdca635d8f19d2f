//! One file with which kubectl installs everything: what Helm makes of the chart, without what only Helm reads, and the
//! namespace that Helm would make.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repository;

const NAMESPACE: &str = "pimpernel-system";

const BEFORE: &str = "\
# Pimpernel, to be applied by a cluster administrator: kubectl apply --server-side -f
apiVersion: v1
kind: Namespace
metadata:
  name: pimpernel-system
  labels:
    app.kubernetes.io/name: pimpernel
    pod-security.kubernetes.io/enforce: restricted
";

/// The file, for these arguments of Helm, such as `--set replicas=3`.
pub fn rendered(helm: &Path, arguments: &[String]) -> Result<String> {
    let mut command = Command::new(helm);
    command
        .args(["template", "pimpernel"])
        .arg(repository().join("charts/pimpernel"));
    command.args(["--namespace", NAMESPACE, "--no-hooks"]).args(arguments);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{}`", helm.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "Helm makes nothing of the chart: {}",
        said.trim()
    );
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| !is_of_helm(line.trim_start()));
    Ok(BEFORE
        .lines()
        .chain(lines)
        .fold(String::new(), |text, line| text + line + "\n"))
}

/// Labels by which people would take the objects for those of a release.
fn is_of_helm(line: &str) -> bool {
    line.starts_with("helm.sh/chart:") || line == "app.kubernetes.io/managed-by: Helm"
}
