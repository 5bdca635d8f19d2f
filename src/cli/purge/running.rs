//! Whether an operator runs, wherever: told by its Lease being renewed, and by no clock of this machine.

use super::super::cluster::Cluster;
use crate::artifacts::OPERATOR;
use anyhow::{Context as _, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ListParams};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a Lease lasts that does not say it, and how long it is waited for at most.
const LEASE: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_mins(5);
/// How often a Lease is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A Lease that somebody holds.
#[derive(PartialEq, Eq)]
struct Held {
    holder: String,
    renewed: Option<MicroTime>,
    lasts: Duration,
}

/// An operator that runs.
pub struct Running {
    /// As what.
    pub holder: String,
    /// The namespace of its Lease, which is its own.
    pub namespace: String,
}

/// The Leases of operators as they are at first, by namespace.
pub struct Leases<'a> {
    cluster: &'a Cluster,
    first: BTreeMap<String, Held>,
}

impl<'a> Leases<'a> {
    /// Looks for the first time.
    pub async fn of(cluster: &'a Cluster) -> Result<Self> {
        let first = held(cluster).await?;
        Ok(Self { cluster, first })
    }

    /// Who has taken or renewed a Lease since the first look.
    pub async fn renewed(&self) -> Result<Option<Running>> {
        let now = held(self.cluster).await?;
        let renewed = now.into_iter().find(|(at, lease)| self.first.get(at) != Some(lease));
        Ok(renewed.map(|(namespace, lease)| Running {
            holder: lease.holder,
            namespace,
        }))
    }

    /// The same, looking for as long as a Lease lasts that nobody renews.
    pub async fn renewed_in_time(&self) -> Result<Option<Running>> {
        let Some(lasts) = self.first.values().map(|lease| lease.lasts).max() else {
            return Ok(None);
        };
        let mut passed = Duration::ZERO;
        while passed <= lasts.min(LONGEST) {
            tokio::time::sleep(LOOK).await;
            passed += LOOK;
            if let Some(running) = self.renewed().await? {
                return Ok(Some(running));
            }
        }
        Ok(None)
    }
}

async fn held(cluster: &Cluster) -> Result<BTreeMap<String, Held>> {
    let leases: Api<Lease> = Api::all(cluster.client.clone());
    let named = ListParams::default().fields(&format!("metadata.name={OPERATOR}"));
    let leases = leases
        .list(&named)
        .await
        .context("whether an operator runs cannot be told, for which Leases of all namespaces are read")?;
    let held = leases.items.into_iter().filter_map(|lease| {
        let spec = lease.spec.unwrap_or_default();
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty())?;
        let lasts = spec.lease_duration_seconds.and_then(|lasts| u64::try_from(lasts).ok());
        let held = Held {
            holder,
            renewed: spec.renew_time,
            lasts: lasts.map_or(LEASE, Duration::from_secs),
        };
        Some((lease.metadata.namespace.unwrap_or_default(), held))
    });
    Ok(held.collect())
}
