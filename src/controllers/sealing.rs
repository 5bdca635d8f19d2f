//! The key that seals changes, in a Secret of the operator: made when it is not there, and watched, so that nobody has to ask
//! for it while a request waits. Any replica makes it, by POST: of several one wins, and the others take over what it wrote.
//!
//! To change the key, move `current` to `previous`: another one is then made, and what the old one sealed is still believed.

use super::context::Context;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::history::seal::LENGTH;

/// The Secret with the key.
pub const SECRET: &str = "pimpernel-history-key";
const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";

/// Keeps the key known until the process ends. Who does not lead makes it as well, so `client` must write at any time.
pub async fn run(client: Client, context: Arc<Context>) {
    let secrets: Api<Secret> = Api::namespaced(client, &context.settings.operator_namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={SECRET}"));
    let complain =
        |error: &watcher::Error| tracing::warn!(%error, "the Secret `{SECRET}` cannot be watched, trying again");
    let mut events = watcher(secrets.clone(), config)
        .default_backoff()
        .inspect_err(complain)
        .boxed();
    let mut listed = false;
    while let Some(event) = events.next().await {
        let made = match event {
            Ok(watcher::Event::Init) => {
                listed = false;
                Ok(())
            }
            Ok(watcher::Event::InitApply(secret) | watcher::Event::Apply(secret)) => {
                listed = true;
                read(secret, &secrets, &context).await
            }
            Ok(watcher::Event::InitDone) if !listed => make(&secrets, None).await,
            Ok(watcher::Event::Delete(_)) => make(&secrets, None).await,
            Ok(watcher::Event::InitDone) | Err(_) => Ok(()),
        };
        if let Err(error) = made {
            tracing::warn!(%error, "the Secret `{SECRET}` cannot be written, trying again when it changes");
        }
    }
}

/// Takes over what the Secret holds; without a key that seals, one is made.
async fn read(secret: Secret, secrets: &Api<Secret>, context: &Context) -> kube::Result<()> {
    let data = secret.data.clone().unwrap_or_default();
    let key = |name: &str| data.get(name).map(|key| key.0.as_slice()).filter(|key| !key.is_empty());
    match key(CURRENT) {
        Some(current) => {
            context.witness.know(current, key(PREVIOUS));
            Ok(())
        }
        None => make(secrets, Some(secret)).await,
    }
}

async fn make(secrets: &Api<Secret>, found: Option<Secret>) -> kube::Result<()> {
    let mut key = [0; LENGTH];
    if rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut key)
        .is_err()
    {
        tracing::error!("no random key is to be had");
        return Ok(());
    }
    let mut data: BTreeMap<String, ByteString> = found
        .as_ref()
        .and_then(|secret| secret.data.clone())
        .unwrap_or_default();
    data.insert(CURRENT.to_owned(), ByteString(key.to_vec()));
    let params = PostParams::default();
    let written = if let Some(found) = found {
        let secret = Secret {
            data: Some(data),
            ..found
        };
        secrets.replace(SECRET, &params, &secret).await
    } else {
        let metadata = ObjectMeta {
            name: Some(SECRET.to_owned()),
            ..ObjectMeta::default()
        };
        let secret = Secret {
            metadata,
            data: Some(data),
            ..Secret::default()
        };
        secrets.create(&params, &secret).await
    };
    match written {
        // Somebody else was quicker: the watch shows what is there now.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(|_| tracing::info!("the key of the history was made")),
    }
}
