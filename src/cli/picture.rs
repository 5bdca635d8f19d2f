//! Objects as JSON, as files or a cluster have them, become what the rules look things up in.

use super::check::metadata::text;
use crate::api::ChangeRecordSpec;
use crate::policy::default_roles::{self, RECEIVED, Received};
use crate::policy::ledger::Noted;
use crate::policy::{Change, Directory, Kind, Meta, Name, Reason, Settings, document};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Kind, namespace and name.
pub type Id = (String, String, String);

/// What there is, if these objects are.
pub fn of(objects: &[Value], settings: &Settings, now: Timestamp) -> Directory {
    let mut directory = Directory::new(settings.clone());
    for object in objects {
        fold(&mut directory, &id(object), object, now);
    }
    for (number, noted) in objects.iter().filter_map(recorded).enumerate() {
        directory.fold(Change::Record(Name::new("", number.to_string()), Some(noted)));
    }
    directory
}

/// Takes in one object, if the rules look at its kind.
pub fn fold(directory: &mut Directory, id: &Id, object: &Value, now: Timestamp) {
    if let Some(kind) = Kind::of(&id.0) {
        let meta = meta(id, object, now);
        let change = document::change(kind, name(id), spec(object), meta, directory.settings());
        directory.fold(change);
    }
}

/// What a stored ChangeRecord says that decides.
pub fn recorded(object: &Value) -> Option<Noted> {
    let spec = ChangeRecordSpec::deserialize(spec(object)).ok()?;
    Noted::read(text(object, "namespace"), &spec).filter(|_| word(object, "kind") == "ChangeRecord")
}

/// The text under `key`; empty if there is none.
pub fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The spec.
pub fn spec(object: &Value) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}

/// The value of an annotation.
pub fn annotation(object: &Value, key: &str) -> Option<Arc<str>> {
    let annotations = object.get("metadata")?.get("annotations")?;
    annotations.get(key)?.as_str().map(Into::into)
}

/// Which object it is.
pub fn id(object: &Value) -> Id {
    let metadata = |key| text(object, key).to_owned();
    (word(object, "kind").to_owned(), metadata("namespace"), metadata("name"))
}

/// Its name for the rules.
pub fn name((_, namespace, name): &Id) -> Name {
    Name::new(namespace.as_str(), name.as_str())
}

/// What is known of a stored object; one that is not stored yet is created now.
pub fn meta(id: &Id, object: &Value, now: Timestamp) -> Meta {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let status = |key: &str| {
        object
            .get("status")
            .and_then(|status| status.get(key))
            .and_then(Value::as_str)
    };
    let reason = |text: &str| Reason::ALL.iter().copied().find(|reason| reason.as_str() == text);
    let ended = status("endTime").and_then(time);
    let uid = match text(object, "uid") {
        "" => format!("{}/{}/{}", id.0, id.1, id.2),
        uid => uid.to_owned(),
    };
    Meta {
        uid: uid.into(),
        generation: 1,
        created: time(text(object, "creationTimestamp")).unwrap_or(now),
        deleting: !text(object, "deletionTimestamp").is_empty(),
        ended: ended.map(|at| (at, status("endReason").and_then(reason).unwrap_or(Reason::Withdrawn))),
        received: annotation(object, RECEIVED).map_or_else(Received::new, |text| default_roles::read(&text)),
    }
}
