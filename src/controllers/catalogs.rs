//! The catalogues that come with Pimpernel: the leader brings them if it was told to.

use super::context::Context;
use super::reconcile::MANAGER;
use crate::api::PermissionCatalog;
use crate::artifacts::CATALOGS;
use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use std::time::Duration;

/// How long to wait before it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Writes each catalogue that is not as it comes with Pimpernel, and returns when all are.
pub async fn bring(context: &Context) {
    let mut left: Vec<&(&str, &str)> = CATALOGS.iter().collect();
    loop {
        let mut failed = vec![];
        for catalog in left {
            let (name, text) = catalog;
            if let Err(error) = bring_one(text, context).await {
                let error = format!("{error:#}");
                tracing::warn!(
                    catalog = name,
                    error,
                    "the catalogue could not be written, trying again"
                );
                failed.push(catalog);
            }
        }
        if failed.is_empty() {
            return;
        }
        left = failed;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn bring_one(text: &str, context: &Context) -> Result<()> {
    let wanted: PermissionCatalog = serde_yaml::from_str(text).context("it cannot be read")?;
    let api: Api<PermissionCatalog> = Api::all(context.client.clone());
    let name = wanted.name_any();
    // One that cannot be read as what it is, is put right as well.
    let stands = api
        .get_opt(&name)
        .await
        .is_ok_and(|stored| stored.is_some_and(|stored| stored.spec == wanted.spec));
    if !stands {
        let params = PatchParams::apply(MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(&wanted)).await?;
        tracing::info!(catalog = name, "written");
    }
    Ok(())
}
