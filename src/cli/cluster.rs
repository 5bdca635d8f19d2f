//! Which cluster is meant, and as whom it is asked: found as kubectl finds it.

use anyhow::{Context as _, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The flags of every command that talks to a cluster.
#[derive(clap::Args)]
pub struct Flags {
    /// The namespace. Absent: that of the kubeconfig's context.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig. Absent: its current one.
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
    /// The kubeconfig. Absent: as kubectl finds it.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The user to act as, if you may impersonate users.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
}

/// A cluster that can be asked.
pub struct Cluster {
    /// Asks it. A request that fails is not repeated: a person waits.
    pub client: Client,
    /// The namespace that is meant.
    pub namespace: String,
}

impl Flags {
    /// Finds the cluster. Nothing is sent yet.
    pub async fn connect(&self) -> Result<Cluster> {
        let mut config = self.config().await.context("the cluster cannot be found")?;
        config.default_retry = false;
        config.read_timeout = Some(PATIENCE);
        if let Some(user) = &self.user {
            config.auth_info.impersonate = Some(user.clone());
        }
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        // An error says that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_from(config).context("the cluster cannot be reached")?;
        Ok(Cluster { client, namespace })
    }

    async fn config(&self) -> Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        Ok(match (&self.kubeconfig, &self.context) {
            (Some(path), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        })
    }
}
