//! Objects as the API server has them become facts.

use super::Fact;
use crate::api::FieldChange;
use crate::controllers::kinds::{Declared, Status, key_of, name_of};
use crate::policy::children::{Child, ChildKind, SESSION_END, SESSION_UID};
use crate::policy::default_roles;
use crate::policy::directory::Account;
use crate::policy::history::{Held, PENDING, changes::changes, outbox};
use crate::policy::{Entry, Kind, Meta, Reason, Settings, Violation};
use jiff::Timestamp;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::Serialize;
use std::sync::Arc;

/// What the account of a session says of it.
pub(super) fn account(child: &Child) -> Option<(Arc<str>, Account)> {
    if child.id.kind != ChildKind::ServiceAccount || child.owner.kind != Kind::Impersonation {
        return None;
    }
    let uid = child.annotations.get(SESSION_UID)?.as_str().into();
    let end = child.annotations.get(SESSION_END)?.parse().ok()?;
    Some((
        uid,
        Account {
            session: child.owner.name.clone(),
            end,
        },
    ))
}

/// Reads an object; one that does not decode is kept as one that contradicts, so that it gives nothing and stops nobody.
pub(super) fn read<D: Declared>(
    object: Result<D::Wire, kube::core::error_boundary::InvalidObject>,
    settings: &Settings,
) -> Fact {
    let (meta, spec, status, last) = match object {
        Ok(wire) => {
            let name = name_of(wire.meta());
            let spec = D::parse(&name, &wire, settings);
            (wire.meta().clone(), spec, D::status(&wire).cloned(), last(&wire))
        }
        Err(invalid) => {
            let message = format!(
                "cannot be read as a {}: {}; correct the object",
                D::KIND.as_str(),
                invalid.error
            );
            (
                invalid.metadata,
                Err(vec![Violation::whole(Reason::InvalidSpec, "spec", message)]),
                None,
                [].into(),
            )
        }
    };
    let name = name_of(&meta);
    let version = version_of(&meta);
    let ended = status.as_ref().and_then(Status::ended);
    let status = status
        .and_then(|status| serde_json::to_string(&status).ok())
        .unwrap_or_default();
    let held = matches!(D::KIND, Kind::Tenant | Kind::Role | Kind::Employee)
        .then(|| held(&meta, spec.as_ref().ok().and_then(D::display_name), last));
    let change = D::change(
        name.clone(),
        Some(Entry {
            meta: read_meta(meta, ended),
            spec,
        }),
    );
    let name = key_of::<D>(name).name;
    Fact::Declared {
        change,
        name,
        version,
        status: status.into(),
        held: held.map(Box::new),
    }
}

/// What goes with an object that is being deleted.
fn last<K: Resource + Serialize>(wire: &K) -> Arc<[FieldChange]> {
    if wire.meta().deletion_timestamp.is_none() {
        return [].into();
    }
    let object = serde_json::to_value(wire).unwrap_or_default();
    changes(object.get("spec"), None).into()
}

/// What is known of an object, as far as its history goes.
fn held(meta: &ObjectMeta, display_name: Option<&str>, last: Arc<[FieldChange]>) -> Held {
    let annotation = meta.annotations.as_ref().and_then(|all| all.get(PENDING));
    Held {
        uid: meta.uid.as_deref().unwrap_or_default().into(),
        generation: meta.generation.unwrap_or_default(),
        display_name: display_name.map(Into::into),
        pending: annotation.map(|text| text.as_str().into()),
        finalizer: outbox::holds_on(meta.finalizers.as_deref().unwrap_or_default()),
        deleted: meta.deletion_timestamp.as_ref().map(|time| time.0),
        last,
        gone: false,
    }
}

fn read_meta(meta: ObjectMeta, ended: Option<(Timestamp, Reason)>) -> Meta {
    let annotation = meta
        .annotations
        .as_ref()
        .and_then(|all| all.get(default_roles::RECEIVED));
    let received = annotation.map(|text| default_roles::read(text)).unwrap_or_default();
    Meta {
        uid: meta.uid.unwrap_or_default().into(),
        generation: meta.generation.unwrap_or_default(),
        created: meta.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        deleting: meta.deletion_timestamp.is_some(),
        ended,
        received,
    }
}

/// Versions of one resource can be compared (stable since Kubernetes 1.35).
pub fn version_of(meta: &ObjectMeta) -> u64 {
    meta.resource_version
        .as_deref()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
