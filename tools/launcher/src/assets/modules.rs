//! Go modules of others in which schemas are that we keep to: fetched by Go into its own cache, known by their sums.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cache_folder;

/// One version of a module.
pub struct Module {
    path: &'static str,
    version: &'static str,
    sum: &'static str,
}

const fn client_go(version: &'static str, sum: &'static str) -> Module {
    Module {
        path: "k8s.io/client-go",
        version,
        sum,
    }
}

/// The client of each version of Kubernetes that the chart is for: it has the types of all objects.
pub const KUBERNETES: [Module; 5] = [
    client_go("v0.33.13", "h1:gyirIFpLEF9RltmrUkkObQFkxeumU2hRcxiDsVfrf1w="),
    client_go("v0.34.13", "h1:47Nf1YByDhpYtyOB9zd56FB9bEDxsozH1ic3VyU7zV0="),
    client_go("v0.35.10", "h1:HXF+042qTnXFFISMiuMHiM5yN2lVonVQQAkpIWxSGPk="),
    client_go("v0.36.4", "h1:MDvfDNvMSt0Br94SK8neviVlwL9qifw9B26hJCpD1K0="),
    client_go("v0.37.2", "h1:sgFtyRZukGkOrsu+QgS7LYnbFFJ5ut3MchdBNduD//E="),
];

/// cert-manager, with its definitions under `deploy/crds`.
pub const CERT_MANAGER: Module = Module {
    path: "github.com/cert-manager/cert-manager",
    version: "v1.21.2",
    sum: "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
};

/// The Prometheus operator, with its definitions under `example/prometheus-operator-crd`.
pub const PROMETHEUS_OPERATOR: Module = Module {
    path: "github.com/prometheus-operator/prometheus-operator",
    version: "v0.85.0",
    sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
};

/// The controllers of Flux, each with the definitions of its kinds under `config/crd/bases`.
pub const FLUX: [Module; 3] = [
    Module {
        path: "github.com/fluxcd/helm-controller",
        version: "v1.4.3",
        sum: "h1:449LcGJXLCylvrNCq8ycevwa5mxE1Mn9vxTwlsj/no8=",
    },
    Module {
        path: "github.com/fluxcd/kustomize-controller",
        version: "v1.7.3",
        sum: "h1:SzNnGn/4ObAPEHHleM5U7y/AKxKXph3Vj6ZhteeXw8M=",
    },
    Module {
        path: "github.com/fluxcd/source-controller",
        version: "v1.7.0",
        sum: "h1:/fBgS4CSmT5Jj/fjQDF92y+pC3gst1GJjgNSzY8Ff9I=",
    },
];

impl Module {
    /// Which version it is.
    pub fn version(&self) -> &str {
        self.version
    }

    /// Fetches it, if it is not there yet, and says where it is.
    pub fn fetch(&self) -> Result<PathBuf> {
        let name = format!("{}@{}", self.path, self.version);
        // Not within a module of ours, whose requirements would be read.
        let folder = cache_folder()?;
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        let mut command = Command::new("go");
        command.args(["mod", "download", "-json", &name]).current_dir(folder);
        command
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off");
        let output = command.output().context("cannot run go")?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("go does not fetch {name}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let text = |field: &str| told.get(field).and_then(serde_json::Value::as_str);
        ensure!(text("Sum") == Some(self.sum), "{name} is not what it was: {told}");
        text("Dir")
            .map(PathBuf::from)
            .with_context(|| format!("go does not fetch {name}: {told}"))
    }
}
