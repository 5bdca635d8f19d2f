//! What the questions about permissions are asked of: a cluster, as far as it lets whoever asks look, or files.

use super::check::{self, Judge, Target, Verdict};
use super::cluster::{Cluster, Flags};
use super::{now, picture, tell};
use crate::policy::{Directory, Kind};
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
    /// Finds out what there is in the tenant that is meant; with `all`, in every one.
    pub async fn known(&self, all: bool) -> Result<Known> {
        if self.files.is_empty() {
            return of_cluster(&self.flags.connect().await?, all).await;
        }
        self.of_files(all)
    }

    fn of_files(&self, all: bool) -> Result<Known> {
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
                "warning: {}:{}: {} `{}` would be refused: see `check`",
                object.file, object.line, object.kind, object.name
            ));
        }
        let namespace = match &self.flags.namespace {
            Some(namespace) => namespace.as_str().into(),
            None if all => "".into(),
            None => only_tenant(&directory)?,
        };
        Ok(Known {
            directory,
            namespace,
            now,
        })
    }
}

/// The one tenant there is.
fn only_tenant(directory: &Directory) -> Result<Arc<str>> {
    let tenants = directory.keys().filter(|key| key.kind == Kind::Tenant);
    let names: Vec<Arc<str>> = tenants.map(|key| key.name.namespace).collect();
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
