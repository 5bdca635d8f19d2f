//! From the request to the open session: where it stands, what it waits for, and its credential.

use super::super::cluster::Cluster;
use super::super::output::shown;
use super::super::session::Kept;
use super::super::tell;
use crate::api::{ConditionStatus, Impersonation};
use anyhow::{Context as _, Result, bail};
use futures::TryStreamExt as _;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::Error;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use std::pin::pin;
use std::time::{Duration, Instant};

/// How long the API server may take to heed what is stored.
const HEEDED: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile: a right cannot be watched.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the cluster may be out of reach while a session is waited for.
const LOST: Duration = Duration::from_mins(1);
/// How long a watch lasts, in seconds; less than an answer may take.
const WATCH: u32 = 20;

/// Where a session stands, as its status says.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits, and for what.
    Waiting(String),
    /// It may be used.
    Open,
    /// It cannot be opened, and why.
    Refused(String),
    /// It is over, and how it ended.
    Over(String),
}

/// Where a session stands.
pub fn standing(session: &Impersonation) -> Standing {
    let unseen = || Standing::Waiting("the operator has not seen it yet".to_owned());
    let Some(status) = &session.status else { return unseen() };
    if status.end_time.is_some() {
        return Standing::Over(status.end_reason.clone().unwrap_or_default());
    }
    let condition = |type_: &str| status.conditions.iter().find(|condition| condition.type_ == type_);
    let holds = |type_: &str| condition(type_).filter(|condition| condition.status == ConditionStatus::True);
    if let Some(stalled) = holds("Stalled") {
        return Standing::Refused(stalled.message.clone());
    }
    match condition("Active") {
        Some(active) if active.status == ConditionStatus::True && status.credential.is_some() => Standing::Open,
        Some(active) => Standing::Waiting(active.message.clone()),
        None => unseen(),
    }
}

/// Looks at a session, now and after each change, until `look` finds something.
pub async fn watched<T>(
    sessions: &Api<Impersonation>,
    name: &str,
    mut look: impl FnMut(&Impersonation) -> Option<T>,
) -> Result<T> {
    let mut lost = None;
    loop {
        let session = match sessions.get(name).await {
            Err(error) if passing(&error) && lost.get_or_insert_with(Instant::now).elapsed() < LOST => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            session => session?,
        };
        lost = None;
        if let Some(found) = look(&session) {
            return Ok(found);
        }
        let from = session.metadata.resource_version.unwrap_or_default();
        let one = WatchParams::default()
            .fields(&format!("metadata.name={name}"))
            .timeout(WATCH);
        // A watch that breaks is begun anew: if there is more to it, the next reading says so.
        let Ok(events) = sessions.watch(&one, &from).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let mut events = pin!(events);
        while let Ok(Some(event)) = events.try_next().await {
            match event {
                WatchEvent::Added(session) | WatchEvent::Modified(session) => {
                    if let Some(found) = look(&session) {
                        return Ok(found);
                    }
                }
                WatchEvent::Deleted(_) => bail!("session `{name}` was deleted"),
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => break,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the session is open, or why it cannot be; tells what it waits for, a line each time that changes.
pub async fn open(sessions: &Api<Impersonation>, name: &str) -> Result<Result<Impersonation, String>> {
    let mut told = String::new();
    let look = |session: &Impersonation| match standing(session) {
        Standing::Open => Some(Ok(session.clone())),
        Standing::Refused(why) => Some(Err(why)),
        Standing::Over(how) => Some(Err(format!("it has ended: {how}"))),
        Standing::Waiting(what) => {
            if told != what {
                tell(format_args!("waiting: {}", shown(&what)));
                told = what;
            }
            None
        }
    };
    watched(sessions, name, look).await
}

/// The token of an open session.
pub async fn credential(cluster: &Cluster, session: &Impersonation) -> Result<String> {
    let place = session.status.as_ref().and_then(|status| status.credential.clone());
    let place = place.context("the session does not say where its credential is")?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &place.namespace);
    let read = || secrets.get(&place.secret_name);
    let secret = until_heeded(read)
        .await
        .context("the session's credential cannot be read")?;
    let token = secret.data.and_then(|mut data| data.remove("token"));
    let token = token.context("the session's Secret has no `token`")?;
    String::from_utf8(token.0).context("the session's token is not text")
}

/// Waits until the API server heeds the right to stop the session from inside, which is given after all others.
pub async fn heeded(kept: &Kept) -> Result<()> {
    let inside = kept.connect().await?;
    let itself: Api<Impersonation> = Api::namespaced(inside.client, &kept.noted.namespace);
    let read = || itself.get(&kept.noted.name);
    until_heeded(read)
        .await
        .context("the session's credential is not accepted")?;
    Ok(())
}

/// Asks again for a while as long as it is not allowed.
async fn until_heeded<T, F: Future<Output = kube::Result<T>>>(ask: impl Fn() -> F) -> kube::Result<T> {
    let began = Instant::now();
    loop {
        match ask().await {
            Err(error) if closed(&error) && began.elapsed() < HEEDED => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// Whether the cluster could not be reached or did not work, which may pass.
fn passing(error: &Error) -> bool {
    match error {
        Error::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    }
}

/// Whether the API server said that one may not, or that nothing is there.
pub fn closed(error: &Error) -> bool {
    matches!(error, Error::Api(status) if [401, 403, 404].contains(&status.code))
}

/// Asks to stop a session.
pub async fn stop(sessions: &Api<Impersonation>, name: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"stop": true}}));
    let stopped = sessions.patch(name, &PatchParams::default(), &patch).await;
    stopped.with_context(|| format!("session `{name}` could not be stopped"))?;
    Ok(())
}

/// A length of time, in hours and minutes, or in seconds at the end.
pub fn spelled(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}
