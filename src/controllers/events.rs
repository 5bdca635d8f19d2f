//! Events: what becomes of an object, as `kubectl describe` tells it: that it is in effect, that it ended, what goes wrong. Not of
//! employees that they are in effect: there are too many.

use super::context::Context;
use super::kinds::Status;
use crate::api::{Condition, ConditionStatus, GROUP, VERSION};
use crate::policy::default_roles::LeftOut;
use crate::policy::impersonation::ending;
use crate::policy::ledger::{Noted, Record};
use crate::policy::{Key, Reason};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};

/// Tells what became different between two statuses, if it is worth an Event.
pub async fn tell<S: Status>(key: &Key, uid: &str, (previous, status): (&S, &S), context: &Context) {
    if let Some((at, reason)) = status.ended()
        && previous.ended().is_none()
    {
        let now = context.clock.now().unwrap_or(at);
        context.metrics.session_ended(reason, now.duration_since(at));
        publish(
            key,
            uid,
            (
                EventType::Normal,
                reason.as_str(),
                ready(status).map(|c| c.message.as_str()),
            ),
            context,
        )
        .await;
    }
    if let Some(news) = status.news()
        && previous.news().is_none_or(|before| before.reason != news.reason)
    {
        announce(key, uid, news, context);
    }
    let wrong = |status: &S| {
        let bad = |condition: &&Condition| condition.type_ == "Stalled" || failing(condition);
        status
            .conditions()
            .iter()
            .find(bad)
            .map(|condition| (condition.reason.clone(), condition.message.clone()))
    };
    if let Some((reason, message)) = wrong(status)
        && wrong(previous).as_ref() != Some(&(reason.clone(), message.clone()))
    {
        tracing::warn!(object = %key, reason, why = message, "not in effect");
        publish(key, uid, (EventType::Warning, &reason, Some(&message)), context).await;
    }
}

/// Tells how sessions of that name ended that are there no more, all but `living`: they have no status that says it, only these
/// records, which were stored just now.
pub async fn departed(key: &Key, living: Option<&str>, stored: &[&Record], now: Timestamp, context: &Context) {
    for record in stored {
        let Some(Noted::End { uid, at, how, .. }) = Noted::read(&key.name.namespace, &record.spec) else {
            continue;
        };
        if living != Some(&*uid) {
            context.metrics.session_ended(how, now.duration_since(at));
            publish(
                key,
                &uid,
                (EventType::Normal, how.as_str(), Some(&ending(how))),
                context,
            )
            .await;
        }
    }
}

/// Tells which out-of-the-box roles a tenant never gets, and why (R12). Nothing, if there are none.
pub async fn left_out(tenant: &Key, uid: &str, roles: &[&LeftOut], context: &Context) {
    if roles.is_empty() {
        return;
    }
    let roles = roles.iter().map(|LeftOut { name, why }| format!("`{name}` ({why})"));
    let note = format!(
        "Not made, now or later, because of the name: {}. To have the permissions, make a role of another name and run \
         `kubectl pimpernel roles reset NAME -n {} --to` with the name here",
        roles.collect::<Vec<_>>().join("; "),
        tenant.name.namespace
    );
    publish(
        tenant,
        uid,
        (EventType::Warning, Reason::LeftOut.as_str(), Some(&note)),
        context,
    )
    .await;
}

fn ready<S: Status>(status: &S) -> Option<&Condition> {
    status.conditions().iter().find(|condition| condition.type_ == "Ready")
}

fn failing(condition: &Condition) -> bool {
    condition.type_ == "Ready"
        && condition.status == ConditionStatus::False
        && ["ApplyFailed", "NotGrantable", "TooLate"].contains(&condition.reason.as_str())
}

async fn publish(key: &Key, uid: &str, told: (EventType, &str, Option<&str>), context: &Context) {
    publish_for(reference(key, uid), told, "Reconcile", context).await;
}

/// Tells good news without waiting for it, so that no withdrawal waits either. Of too much at once the rest is left out.
fn announce(key: &Key, uid: &str, news: &Condition, context: &Context) {
    let Ok(permit) = context.unawaited.clone().try_acquire_owned() else {
        return;
    };
    let told = event((EventType::Normal, &news.reason, Some(&news.message)), "Reconcile");
    let (object, recorder) = (reference(key, uid), context.recorder.clone());
    tokio::spawn(async move {
        send(&told, object, &recorder).await;
        drop(permit);
    });
}

fn reference(key: &Key, uid: &str) -> ObjectReference {
    let namespace = (!key.name.namespace.is_empty()).then(|| key.name.namespace.to_string());
    ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some(key.kind.as_str().to_owned()),
        name: Some(key.name.name.to_string()),
        namespace,
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// Warns of an object that is not of our kinds. Nothing is told while this process does not lead. `action`: what is done; what is
/// told of another action has an Event, and so a text, of its own.
pub async fn warn(object: ObjectReference, (reason, action): (Reason, &str), note: &str, context: &Context) {
    publish_for(
        object,
        (EventType::Warning, reason.as_str(), Some(note)),
        action,
        context,
    )
    .await;
}

async fn publish_for(object: ObjectReference, told: (EventType, &str, Option<&str>), action: &str, context: &Context) {
    send(&event(told, action), object, &context.recorder).await;
}

fn event((type_, reason, note): (EventType, &str, Option<&str>), action: &str) -> Event {
    Event {
        type_,
        reason: reason.to_owned(),
        note: note.map(|note| note.chars().take(1000).collect()),
        action: action.to_owned(),
        secondary: None,
    }
}

async fn send(event: &Event, object: ObjectReference, recorder: &Recorder) {
    if let Err(error) = recorder.publish(event, &object).await {
        let (kind, name) = (object.kind, object.name);
        tracing::debug!(kind, name, %error, "an Event could not be written");
    }
}
