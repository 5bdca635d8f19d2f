//! What the questions about permissions are asked of: a cluster, as far as it lets whoever asks look, or files.

use super::check::{self, Judge, Target, Verdict};
use super::cluster::{Cluster, Flags, no_tenant};
use super::{now, picture, tell};
use crate::policy::{Directory, Key, Kind};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// The kinds of a tenant that the answers depend on.
const OF_TENANTS: [Kind; 3] = [Kind::Tenant, Kind::Role, Kind::Employee];

/// The flags of every question.
#[derive(clap::Args)]
pub struct Question {
    #[command(flatten)]
    flags: Flags,
    /// Ask files instead of a cluster: files, folders with all below them, or `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["context", "kubeconfig", "user"])]
    files: Vec<PathBuf>,
}

/// Of what a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// Of catalogues alone.
    Catalogs,
    /// Of the tenant that is meant.
    Tenant,
    /// Of all tenants.
    Tenants,
}

impl Breadth {
    /// Of all tenants, or of one.
    pub fn tenants(all: bool) -> Self {
        if all { Self::Tenants } else { Self::Tenant }
    }
}

/// What is known, of one tenant or of all.
pub struct Known {
    /// All that the rules look things up in.
    pub directory: Directory,
    /// The tenant that is meant.
    pub namespace: Arc<str>,
    /// When it is judged.
    pub now: Timestamp,
}

impl Question {
    /// Finds out what there is. An error, if that is of a tenant that does not exist.
    pub async fn known(&self, of: Breadth) -> Result<Known> {
        if !self.files.is_empty() {
            let known = self.of_files(of)?;
            let tenants: Vec<Arc<str>> = tenants(&known.directory).collect();
            if of == Breadth::Tenant && known.is_empty() {
                return Err(no_tenant(&known.namespace, tenants.iter().map(AsRef::as_ref)));
            }
            return Ok(known);
        }
        let cluster = self.flags.connect().await?;
        if of == Breadth::Catalogs {
            let catalogs = cluster.objects(Kind::PermissionCatalog.as_str(), None).await?;
            return Ok(of_objects(&catalogs, &cluster.namespace, now()));
        }
        let known = of_cluster(&cluster, of == Breadth::Tenants).await?;
        if of == Breadth::Tenant && known.is_empty() {
            cluster.there_is(&known.namespace).await?;
        }
        Ok(known)
    }

    fn of_files(&self, of: Breadth) -> Result<Known> {
        let manifests = check::read(&self.files)?;
        let target = Target {
            namespace: self.flags.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            only: false,
        };
        let now = now();
        let (judgements, directory) =
            Judge::new(check::settings())?.picture(&manifests, &check::shipped(), &target, now);
        let refused = judgements.iter().filter(|object| object.verdict == Verdict::Refused);
        for object in refused {
            tell(format_args!(
                "warning: {}:{}: {} `{}` would be refused: see `kubectl pimpernel check`",
                object.file, object.line, object.kind, object.name
            ));
        }
        let namespace = match &self.flags.namespace {
            Some(namespace) => namespace.as_str().into(),
            None if of != Breadth::Tenant => "".into(),
            None => only_tenant(&directory)?,
        };
        Ok(Known {
            directory,
            namespace,
            now,
        })
    }
}

impl Known {
    /// Whether nothing is known of the tenant that is meant, not even that it is one.
    fn is_empty(&self) -> bool {
        let of_it = |key: &Key| OF_TENANTS.contains(&key.kind) && key.name.namespace == self.namespace;
        !self.directory.keys().any(|key| of_it(&key))
    }
}

fn tenants(directory: &Directory) -> impl Iterator<Item = Arc<str>> {
    let tenants = directory.keys().filter(|key| key.kind == Kind::Tenant);
    tenants.map(|key| key.name.namespace)
}

/// The one tenant there is.
fn only_tenant(directory: &Directory) -> Result<Arc<str>> {
    let names: Vec<Arc<str>> = tenants(directory).collect();
    match &names[..] {
        [one] => Ok(one.clone()),
        [] => bail!("the files declare no Tenant: name the namespace with `-n`"),
        _ => bail!("the files declare several tenants: name one with `-n`"),
    }
}

/// What the cluster shows of the tenant that is meant, or of all.
pub async fn of_cluster(cluster: &Cluster, all: bool) -> Result<Known> {
    let namespace = (!all).then_some(cluster.namespace.as_str());
    let mut objects = vec![];
    for kind in OF_TENANTS {
        objects.extend(cluster.objects(kind.as_str(), namespace).await?);
    }
    let catalogs = cluster.objects(Kind::PermissionCatalog.as_str(), None).await;
    objects.extend(catalogs.context("without the catalogues nothing can be said")?);
    match cluster.objects("ChangeRecord", namespace).await {
        Ok(records) => objects.extend(records),
        Err(_) => tell("note: the history is not shown to you, so names that were used before are not known"),
    }
    Ok(of_objects(&objects, &cluster.namespace, now()))
}

/// What is known if these are the objects that there are.
pub fn of_objects(objects: &[Value], namespace: &str, now: Timestamp) -> Known {
    Known {
        directory: picture::of(objects, &check::settings(), now),
        namespace: namespace.into(),
        now,
    }
}
