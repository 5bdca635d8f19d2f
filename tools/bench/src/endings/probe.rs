//! Those who use their sessions without a rest until they are refused.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::api::Api;
use pimpernel::api::Impersonation;
use tokio::task::{JoinHandle, JoinSet};

use super::{PROBES, SESSIONS};
use crate::cluster::{Cluster, client, now};

/// How often each credential is used: oftener than the API server forgets that it was good, which is after 10 s.
const PACE: Duration = Duration::from_secs(1);
/// How long before the end it begins, so that it goes on while the bare deletions are measured.
const BEFORE: SignedDuration = SignedDuration::from_secs(240);
/// How long after the end it goes on.
const AFTER: SignedDuration = SignedDuration::from_secs(60);

/// What one of them has seen.
pub struct Seen {
    /// When the last answer arrived that was not a refusal.
    pub accepted: Timestamp,
    /// How many requests were made.
    pub requests: usize,
}

/// Has some of those that end at `end` used around it.
pub async fn start(
    cluster: &Cluster,
    ending: &[Impersonation],
    end: Timestamp,
) -> Result<JoinHandle<Result<Vec<Seen>>>> {
    let mut probes = JoinSet::new();
    let some = ending.len().min(PROBES);
    for (number, session) in ending.iter().step_by(ending.len() / some).take(some).enumerate() {
        let user = inside(cluster, session).await?;
        let tenant = session.metadata.namespace.clone().unwrap_or_default();
        let apart = PACE * u32::try_from(number)? / u32::try_from(some)?;
        probes.spawn(async move { use_it(&user, &tenant, (end, apart)).await });
    }
    Ok(tokio::spawn(
        async move { probes.join_all().await.into_iter().collect() },
    ))
}

/// A client with the credential of a session.
async fn inside(cluster: &Cluster, session: &Impersonation) -> Result<Client> {
    let credential = session.status.as_ref().and_then(|status| status.credential.as_ref());
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), SESSIONS);
    let secret = secrets.get(&credential.context("no credential")?.secret_name).await?;
    let token = secret
        .data
        .and_then(|mut data| data.remove("token"))
        .context("no token")?;
    client(&cluster.plane.bearer("session", &String::from_utf8(token.0)?)?).await
}

async fn use_it(user: &Client, tenant: &str, (end, apart): (Timestamp, Duration)) -> Result<Seen> {
    let before = Duration::try_from(end.duration_since(now()) - BEFORE).unwrap_or_default();
    tokio::time::sleep(before + apart).await;
    let path = format!("/apis/pimpernel.dev/v1alpha1/namespaces/{tenant}/tenants/{tenant}");
    let (mut accepted, mut requests) = (None, 0);
    while now() < end + AFTER {
        let request = http::Request::get(&path).body(kube::client::Body::empty())?;
        let code = user.send(request).await?.status().as_u16();
        requests += 1;
        match code {
            200 => accepted = Some(now()),
            401 | 403 => {}
            other => bail!("neither accepted nor refused but {other}"),
        }
        tokio::time::sleep(PACE).await;
    }
    let accepted = accepted.context("a credential never worked")?;
    Ok(Seen { accepted, requests })
}
