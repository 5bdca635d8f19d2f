//! Removing what was found, until nothing is left of it or it is plain why something stays.

use super::super::cluster::{Cluster, said};
use super::found::{self, Found, Sort};
use crate::policy::history::FINALIZER;
use anyhow::Result;
use futures::{StreamExt as _, stream};
use kube::Error;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{DynamicObject, PartialObjectMeta};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many objects are removed at once.
const AT_ONCE: usize = 16;
/// How often it is looked again, and with what pause: the API server heeds for a moment what is gone already.
const LOOKS: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is looked at what only waits for somebody else.
const WAITING: usize = 10;
/// How many of those that stay are named.
const NAMED: usize = 5;

/// How a step ended.
#[derive(Debug, Default)]
pub struct Told {
    /// How many objects went.
    pub gone: usize,
    /// What stays, and why.
    pub left: Option<String>,
}

/// Removes all that there is of these kinds.
pub async fn until_gone(cluster: &Cluster, sorts: &[&'static Sort]) -> Result<Told> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut why = None;
    for look in 0..=LOOKS {
        let mut left = vec![];
        for sort in sorts {
            left.push(found::of(cluster, sort).await?);
        }
        let uids = left.iter().flat_map(|found| &found.objects);
        seen.extend(uids.filter_map(|object| object.metadata.uid.clone()));
        let count: usize = left.iter().map(|found| found.objects.len()).sum();
        let waits = left.iter().flat_map(|found| &found.objects).all(waits);
        if count == 0 || look == LOOKS || waits && look >= WAITING {
            return Ok(Told {
                gone: seen.len().saturating_sub(count),
                left: (count > 0).then(|| stays(&left, count, why.as_ref())),
            });
        }
        if look > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        for found in &left {
            let removals = found.objects.iter().map(|object| remove(cluster, found.sort, object));
            let mut removals = stream::iter(removals).buffer_unordered(AT_ONCE);
            while let Some(removed) = removals.next().await {
                why = removed.err().or(why);
            }
        }
    }
    Ok(Told::default())
}

/// Whether the object is removed, and only waits for a finalizer of somebody else.
fn waits(object: &PartialObjectMeta<DynamicObject>) -> bool {
    let finalizers = object.metadata.finalizers.as_deref().unwrap_or_default();
    object.metadata.deletion_timestamp.is_some() && finalizers.iter().all(|finalizer| finalizer != FINALIZER)
}

fn stays(left: &[Found], count: usize, why: Option<&Error>) -> String {
    let names = left.iter().flat_map(|found| {
        found.objects.iter().map(|object| {
            let meta = &object.metadata;
            let place = meta
                .namespace
                .as_ref()
                .map(|namespace| format!("{namespace}/"))
                .unwrap_or_default();
            let waits = meta
                .finalizers
                .iter()
                .flatten()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            let waits = if waits.is_empty() {
                waits
            } else {
                format!(" (waits for {waits})")
            };
            format!(
                "{} `{place}{}`{waits}",
                found.sort.kind,
                meta.name.clone().unwrap_or_default()
            )
        })
    });
    let names: Vec<String> = names.take(NAMED).collect();
    let why = why.map(|why| format!(", lately: {}", words(why))).unwrap_or_default();
    format!("{count} objects stay, such as {}{why}", names.join(", "))
}

/// What the cluster said, or why it said nothing.
fn words(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => said(status).to_owned(),
        other => other.to_string(),
    }
}

/// Removes one object: that one, not another that has got its name meanwhile. What is gone already is.
async fn remove(cluster: &Cluster, sort: &Sort, object: &PartialObjectMeta<DynamicObject>) -> kube::Result<()> {
    let (meta, resource) = (&object.metadata, sort.resource());
    let api: Api<DynamicObject> = match &meta.namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
        None => Api::all_with(cluster.client.clone(), &resource),
    };
    let name = meta.name.as_deref().unwrap_or_default();
    let finalizers = meta.finalizers.as_deref().unwrap_or_default();
    if finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        // Only the operator takes it off, and it does not run.
        let others: Vec<&String> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
        let patch = json!({"metadata": {
            "finalizers": others, "uid": meta.uid, "resourceVersion": meta.resource_version,
        }});
        gone(
            api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .map(drop),
        )?;
    }
    if meta.deletion_timestamp.is_some() {
        return Ok(());
    }
    let this_one = DeleteParams {
        preconditions: Some(Preconditions {
            uid: meta.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    gone(api.delete(name, &this_one).await.map(drop))
}

/// What is gone, or has become another, is looked at anew.
fn gone(answer: kube::Result<()>) -> kube::Result<()> {
    match answer {
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other,
    }
}
