//! Puts on record what an object carries of its history, and takes it from the object when it is (R13). Stored first, removed
//! afterwards, each under a name of its own: whenever this is broken off, doing it again comes to the same.

use super::context::Context;
use super::error::{Error, answer, is_gone, is_terminating};
use super::reconcile::json_patch;
use super::records;
use crate::api;
use crate::policy::history::outbox::left;
use crate::policy::history::{Due, FINALIZER, Held, Known, PENDING, due};
use crate::policy::ledger::Record;
use crate::policy::{Directory, Key, Kind};
use jiff::Timestamp;
use kube::api::Api;
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

/// How often an object is written that others write at the same time, before the next look must go on.
const ATTEMPTS: usize = 8;

/// Does what is due about the history of the objects of that name.
pub async fn keep(key: &Key, (directory, now): (&Directory, Timestamp), context: &Context) -> Result<(), Error> {
    for held in context.observed.histories_of(key) {
        let Some(keys) = context.witness.keys() else {
            return Err(Error::NoKey);
        };
        let uid = &*held.uid;
        let known = Known {
            recorded: directory
                .ledger()
                .generation(uid)
                .max(context.observed.explained_of(uid)),
            deletions: &context.witness.deletions_of(uid),
            employees: context.witness.employees,
        };
        let due = due(key, &held, known, &keys, now);
        settle(key, &held, &due, context).await?;
    }
    Ok(())
}

async fn settle(key: &Key, held: &Held, due: &Due, context: &Context) -> Result<(), Error> {
    records::store(&due.records, context).await?;
    if let Some(record) = &due.unexplained {
        unexplained(key, record, context).await?;
    }
    records::store(due.deletion.as_slice(), context).await?;
    let over = due.deletion.is_some();
    if due.write {
        release(key, held, over, context).await?;
    }
    if over || held.gone {
        context.observed.settled(key, &held.uid);
        context.witness.forget(&held.uid);
    }
    Ok(())
}

/// Puts a generation on record that nothing explains, unless a record does that the watch has not shown yet.
async fn unexplained(key: &Key, record: &Record, context: &Context) -> Result<(), Error> {
    let failed = |source| Error::Record {
        record: Box::new(record.name.clone()),
        source,
    };
    let subject = &record.spec.subject;
    let stored = match records::of(key, context).await {
        Err(error) if is_terminating(&error) || is_gone(&error) => return Ok(()),
        other => other.map_err(failed)?,
    };
    let of_it = stored.iter().filter(|stored| stored.spec.subject.uid == subject.uid);
    let latest = of_it.filter_map(|stored| stored.spec.generation).max();
    match (latest, record.spec.generation) {
        (Some(latest), Some(wanted)) if latest >= wanted => context.observed.explained(&subject.uid, latest),
        _ => drop(records::store(std::slice::from_ref(record), context).await?),
    }
    Ok(())
}

/// Takes from the object what is on record; with `over` also what holds it. What was added in the meantime stays.
async fn release(key: &Key, held: &Held, over: bool, context: &Context) -> Result<(), Error> {
    let resource = match key.kind {
        Kind::Tenant => ApiResource::erase::<api::Tenant>(&()),
        Kind::Role => ApiResource::erase::<api::Role>(&()),
        _ => ApiResource::erase::<api::Employee>(&()),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &key.name.namespace, &resource);
    let done = held.pending.as_deref();
    for _ in 0..ATTEMPTS {
        let stored = match api.get_metadata_opt(&key.name.name).await.map_err(Error::History)? {
            Some(stored) if stored.metadata.uid.as_deref() == Some(&*held.uid) => stored.metadata,
            _ => return Ok(()),
        };
        let pending = stored.annotations.as_ref().and_then(|all| all.get(PENDING));
        let finalizers = stored.finalizers.as_deref().unwrap_or_default();
        let Some(patch) = removal(&held.uid, pending, done, finalizers, over) else {
            return Ok(());
        };
        match json_patch(&api, &key.name.name, &patch).await {
            // Somebody was quicker: what is there now decides.
            Err(error) if answer(&error).is_some_and(|status| matches!(status.code, 409 | 422)) => {}
            Err(error) if is_gone(&error) => return Ok(()),
            other => return other.map(drop).map_err(Error::History),
        }
    }
    Err(Error::Contended)
}

/// The patch that removes what is done; nothing, if nothing is to be removed.
fn removal(
    uid: &str,
    pending: Option<&String>,
    done: Option<&str>,
    finalizers: &[String],
    over: bool,
) -> Option<Value> {
    let pointer = format!("/metadata/annotations/{}", PENDING.replace('/', "~1"));
    let mut patch = vec![json!({"op": "test", "path": "/metadata/uid", "value": uid})];
    let mut left_over = false;
    if let (Some(pending), Some(done)) = (pending, done) {
        let left = left(pending, done);
        left_over = left.is_some();
        if left.as_ref() != Some(pending) {
            patch.push(json!({"op": "test", "path": pointer, "value": pending}));
            patch.push(match left {
                Some(left) => json!({"op": "replace", "path": pointer, "value": left}),
                None => json!({"op": "remove", "path": pointer}),
            });
        }
    }
    let finalizer = finalizers.iter().position(|finalizer| finalizer == FINALIZER);
    if let Some(index) = finalizer.filter(|_| over && !left_over) {
        let place = format!("/metadata/finalizers/{index}");
        patch.push(json!({"op": "test", "path": place, "value": FINALIZER}));
        patch.push(json!({"op": "remove", "path": place}));
    }
    (patch.len() > 1).then_some(Value::Array(patch))
}
