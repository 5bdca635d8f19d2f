//! How commands write: to the cluster, or as a manifest for a repository to standard output.

use super::cluster::{Cluster, Ours};
use super::output::{named, shown};
use super::{Outcome, tell};
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::io::Write as _;

/// Whether it is done.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// It is done.
    #[default]
    None,
    /// The cluster says what would become of it.
    Server,
    /// Nothing is asked: what would be written is printed.
    Client,
}

/// What is printed of what is written.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Printed {
    /// Its name, and what became of it.
    #[default]
    Name,
    /// All of it, as JSON.
    Json,
    /// All of it, as YAML.
    Yaml,
}

/// The flags of every command that writes.
#[derive(clap::Args)]
pub struct Writing {
    /// Do not do it: let the cluster judge it, or only print it.
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    dry_run: DryRun,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Printed,
}

impl Writing {
    /// Creates the object.
    pub async fn create<K: Ours>(&self, cluster: &Cluster, object: K) -> Result<Outcome> {
        let object = match self.dry_run {
            DryRun::Client => object,
            other => heeded(cluster.create(&object, other == DryRun::Server).await?),
        };
        self.print(&object, "created")
    }

    /// Puts the object in the place of the stored one, unless that has changed since it was read. If it is what is stored,
    /// nothing is written.
    pub async fn update<K: Ours>(&self, cluster: &Cluster, stored: &K, object: K) -> Result<Outcome> {
        if serde_json::to_value(stored)? == serde_json::to_value(&object)? {
            return self.print(&object, "unchanged");
        }
        let object = match self.dry_run {
            DryRun::Client => object,
            other => heeded(cluster.update(&object, other == DryRun::Server).await?),
        };
        self.print(&object, "updated")
    }

    fn print<K: Ours>(&self, object: &K, done: &str) -> Result<Outcome> {
        let mut stdout = anstream::stdout().lock();
        let dry = match self.dry_run {
            DryRun::None => "",
            DryRun::Server => " (server dry run)",
            DryRun::Client => " (dry run)",
        };
        let mut manifest = serde_json::to_value(object)?;
        if self.dry_run == DryRun::Client {
            // What the cluster keeps of an object is not for a file.
            let top = manifest.as_object_mut().context("it is no object")?;
            top.remove("status");
            let metadata = top.get_mut("metadata").and_then(|metadata| metadata.as_object_mut());
            if let Some(metadata) = metadata {
                let kept = ["name", "namespace", "labels", "annotations"];
                metadata.retain(|key, _| kept.contains(&key.as_str()));
                let annotations = metadata.get_mut("annotations").and_then(|kept| kept.as_object_mut());
                let kept_by_others = [
                    "pimpernel.dev/pending-changes",
                    "kubectl.kubernetes.io/last-applied-configuration",
                ];
                let none_left = annotations.is_some_and(|all| {
                    all.retain(|key, _| !kept_by_others.contains(&key.as_str()));
                    all.is_empty()
                });
                if none_left {
                    metadata.remove("annotations");
                }
            }
        }
        match self.output {
            Printed::Name => writeln!(stdout, "{} {done}{dry}", named(object))?,
            Printed::Json => writeln!(stdout, "{}", serde_json::to_string_pretty(&manifest)?)?,
            Printed::Yaml => write!(stdout, "---\n{}", serde_yaml::to_string(&manifest)?)?,
        }
        Ok(Outcome::Fine)
    }
}

/// The object, when the warnings that came with it are told.
fn heeded<K>((object, warnings): (K, Vec<String>)) -> K {
    for warning in warnings {
        tell(format_args!("warning: {}", shown(&warning)));
    }
    object
}
