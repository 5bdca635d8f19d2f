//! Records go that are older than is kept, and that nothing hangs on any more (R13). Which those are is
//! [`crate::policy::history::retention`]'s to say.

use super::context::Context;
use super::error::is_gone;
use super::kinds::name_of;
use crate::api::ChangeRecord;
use crate::policy::Name;
use crate::policy::history::Kept;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams, ListParams, Preconditions};
use kube::core::DeserializeGuard;

/// How often records are looked through.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How many are read at once.
const PAGE: u32 = 500;

/// Looks records through now, and then every hour, until this process leads no more.
pub async fn run(kept: Kept, context: &Context) {
    while kept.ends() {
        let Some(now) = context.clock.now() else { break };
        match sweep(kept, now, context).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "records are gone that were older than is kept"),
            Err(error) => {
                tracing::warn!(%error, "records that are older than is kept cannot all be removed, trying again in an hour");
            }
        }
        let Ok(next) = now.checked_add(AGAIN) else { break };
        context.clock.sleep_until(next).await;
    }
}

/// How many records have gone.
async fn sweep(kept: Kept, now: Timestamp, context: &Context) -> kube::Result<usize> {
    let mut gone = 0;
    for (record, uid) in due(kept, now, context).await? {
        let records: Api<ChangeRecord> = Api::namespaced(context.client.clone(), &record.namespace);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid,
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match records.delete(&record.name, &params).await {
            Ok(_) => gone += 1,
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

/// Those that may go, by name and UID.
async fn due(kept: Kept, now: Timestamp, context: &Context) -> kube::Result<Vec<(Name, Option<String>)>> {
    let records: Api<DeserializeGuard<ChangeRecord>> = Api::all(context.client.clone());
    let mut params = ListParams::default().limit(PAGE);
    let mut due = vec![];
    loop {
        let page = records.list(&params).await?;
        let directory = context.directory();
        // What cannot be read is not known to be old.
        for record in page.items.into_iter().filter_map(|guard| guard.0.ok()) {
            let name = name_of(&record.metadata);
            if kept.lets_go((&name.namespace, &record.spec), &directory, now) {
                due.push((name, record.metadata.uid));
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(due),
        }
    }
}
