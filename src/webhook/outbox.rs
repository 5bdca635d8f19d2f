//! The mutating webhook: a change is noted in the write that makes it (R13). What the object has to carry is
//! [`crate::policy::history::outbox`]'s to say; here it becomes a patch. Asked again about the same write it says the same but
//! for the UID of the request, and never adds to what it said before.

use super::review::{Reviewer, annotation, name, not_ready, refused, spec};
use crate::policy::admission::Answer;
use crate::policy::history::outbox::{Carried, Side, Write, carried, holds_on};
use crate::policy::history::{FINALIZER, PENDING};
use crate::policy::ledger::RENAMED_FROM;
use crate::policy::{Key, Kind, Name};
use crate::telemetry::Verdict;
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, Operation};
use serde_json::{Value, json};

/// What is to be changed in the object, or why no further change can be taken.
pub(super) fn answer(
    request: &AdmissionRequest<DynamicObject>,
    kind: Kind,
    reviewer: &Reviewer,
) -> (AdmissionResponse, Verdict) {
    let response = AdmissionResponse::from(request);
    let known = (reviewer.directory)()
        .zip(reviewer.clock.now())
        .zip(reviewer.witness.keys());
    let Some(((directory, now), keys)) = known else {
        return not_ready(response, request);
    };
    let Some(new) = request
        .object
        .as_ref()
        .filter(|_| request.operation != Operation::Delete)
    else {
        return (response, Verdict::Allowed);
    };
    let write = Write {
        id: &request.uid,
        user: request.user_info.username.as_deref().unwrap_or_default(),
        key: Key::new(
            kind,
            Name::new(request.namespace.as_deref().unwrap_or_default(), name(request)),
        ),
        old: request.old_object.as_ref().map(side),
        new: side(new),
        renamed_from: Some(new)
            .filter(|_| kind == Kind::Role && request.old_object.is_none())
            .and_then(|role| annotation(role, RENAMED_FROM)),
        dry_run: request.dry_run,
    };
    let wanted = match carried(&write, reviewer.witness.employees, (&directory, now), &keys) {
        Ok(wanted) => wanted,
        Err(violation) => {
            let answer = Answer {
                violations: vec![violation],
                ..Answer::default()
            };
            let refused = refused(response, request, (503, "ServiceUnavailable"), &answer);
            return (refused, Verdict::Refused);
        }
    };
    let patch = patch(&wanted, new);
    if patch.is_empty() {
        return (response, Verdict::Allowed);
    }
    let patched = serde_json::from_value(Value::Array(patch))
        .ok()
        .and_then(|patch| response.with_patch(patch).ok());
    match patched {
        Some(response) => (response, Verdict::Allowed),
        None => not_ready(AdmissionResponse::from(request), request),
    }
}

fn side(object: &DynamicObject) -> Side<'_> {
    let meta = &object.metadata;
    Side {
        uid: meta.uid.as_deref().unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        deleting: meta.deletion_timestamp.is_some(),
        spec: Some(spec(object)).filter(|spec| !spec.is_null()),
        pending: pending(object),
        finalizer: holds_on(meta.finalizers.as_deref().unwrap_or_default()),
    }
}

fn pending(object: &DynamicObject) -> Option<&str> {
    annotation(object, PENDING)
}

/// What turns the object as it was sent into one that carries what it has to.
fn patch(wanted: &Carried, sent: &DynamicObject) -> Vec<Value> {
    let pointer = format!("/metadata/annotations/{}", PENDING.replace('/', "~1"));
    let mut patch = vec![];
    match (&wanted.pending, pending(sent)) {
        (Some(wanted), sent) if sent == Some(wanted) => {}
        (Some(wanted), _) if sent.metadata.annotations.is_some() => {
            patch.push(json!({"op": "add", "path": pointer, "value": wanted}));
        }
        (Some(wanted), _) => {
            patch.push(json!({"op": "add", "path": "/metadata/annotations", "value": {PENDING: wanted}}));
        }
        (None, Some(_)) => patch.push(json!({"op": "remove", "path": pointer})),
        (None, None) => {}
    }
    let finalizers = sent.metadata.finalizers.as_deref();
    if wanted.finalizer && !holds_on(finalizers.unwrap_or_default()) {
        patch.push(match finalizers {
            Some(_) => json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}),
            None => json!({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}),
        });
    }
    patch
}
