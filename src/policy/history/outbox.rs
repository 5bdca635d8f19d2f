//! The outbox: the annotation in which changes wait to be put on record. It is written in the same write as the change, so
//! there is never one without the other. What a request says of it is never believed: the stored one stands.

use super::due::actor;
use super::seal::{Sealed, holds, seal};
use super::{Author, Employees, FINALIZER, Keys, Note, PENDING, changes};
use crate::api::{FieldChange, Operation};
use crate::policy::ceiling;
use crate::policy::directory::Directory;
use crate::policy::ledger::{DISPLAY_NAME, Naming, Noted, renamed_from, whoever};
use crate::policy::name::{Folded, Key, Kind, Name};
use crate::policy::role::heir;
use crate::policy::verdict::{Reason, Violation};
use jiff::Timestamp;
use serde_json::Value;

/// How many changes may wait.
pub const MAX_NOTES: usize = 64;
/// How many bytes they may come to.
pub const MAX_BYTES: usize = 64 * 1024;
/// How many bytes one change that waits alone may come to: the API server stores 256 KiB of annotations.
const MAX_ALONE: usize = 200 * 1024;

/// One side of a write: an object as it is stored, or as it would be.
#[derive(Clone, Debug, Default)]
pub struct Side<'a> {
    /// Its UID.
    pub uid: &'a str,
    /// Its generation.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its spec.
    pub spec: Option<&'a Value>,
    /// The outbox.
    pub pending: Option<&'a str>,
    /// Whether it has the finalizer.
    pub finalizer: bool,
}

/// A request to write an object.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// The UID of the request.
    pub id: &'a str,
    /// Who asks.
    pub user: &'a str,
    /// Which object.
    pub key: Key,
    /// As it is stored.
    pub old: Option<Side<'a>>,
    /// As it would be.
    pub new: Side<'a>,
    /// For a role that is created: whose names it says that it takes over.
    pub renamed_from: Option<&'a str>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// What the object has to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The outbox.
    pub pending: Option<String>,
    /// Whether it has the finalizer.
    pub finalizer: bool,
}

/// Who `user` is, and on whose behalf.
pub fn author(user: &str, directory: &Directory) -> Author {
    let session = ceiling::session(user, directory);
    Author {
        by: user.to_owned(),
        on_behalf_of: session.map(|(_, session)| session.impersonator.to_string()),
        session: session.map(|(name, _)| name.to_string()),
    }
}

/// Whether what `user` does to an object of that kind is put on record.
pub fn counts(kind: Kind, user: &str, employees: Employees, directory: &Directory) -> bool {
    match kind {
        Kind::Role | Kind::Tenant => true,
        Kind::Employee => employees == Employees::All || ceiling::is_session(user, directory),
        Kind::Impersonation | Kind::Consent | Kind::PermissionCatalog => false,
    }
}

/// What the object has to carry after the write; a violation if no further change can wait (R13).
pub fn carried(
    write: &Write,
    employees: Employees,
    (directory, now): (&Directory, Timestamp),
    keys: &Keys,
) -> Result<Carried, Violation> {
    let old = write.old.as_ref();
    let stored = old.and_then(|old| old.pending);
    let held = old.is_some_and(|old| old.finalizer);
    let changed = old.is_none_or(|old| old.spec != write.new.spec);
    if write.dry_run || !changed || !counts(write.key.kind, write.user, employees, directory) {
        return Ok(Carried {
            pending: stored.map(str::to_owned),
            // Who puts the finalizer on what has no history yet may.
            finalizer: held,
        });
    }
    let note = note(write, directory, now);
    let subject = (&write.key, old.map_or("", |old| old.uid));
    Ok(Carried {
        pending: Some(appended(stored, seal(note, subject, keys), &write.key)?),
        // The API server takes none on what is being deleted.
        finalizer: held || !old.is_some_and(|old| old.deleting),
    })
}

/// What an object carries that the operator itself creates.
pub fn created(key: &Key, user: &str, (id, spec): (&str, &Value), now: Timestamp, keys: &Keys) -> Option<String> {
    let write = Write {
        id,
        user,
        key: key.clone(),
        old: None,
        new: Side {
            spec: Some(spec),
            ..Side::default()
        },
        renamed_from: None,
        dry_run: false,
    };
    let author = Author {
        by: user.to_owned(),
        on_behalf_of: None,
        session: None,
    };
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    appended(None, seal(noted(&write, None, author, now), (key, ""), keys), key).ok()
}

fn note(write: &Write, directory: &Directory, now: Timestamp) -> Note {
    let name = &write.key.name;
    let folded = display_name(write).map(Folded::new);
    let from = write.renamed_from.zip(folded).filter(|_| write.old.is_none());
    let from = from.filter(|(from, folded)| heir::takes_over(name, folded, from, directory));
    let from = from.map(|(from, _)| from);
    let now = match write.key.kind {
        Kind::Role => directory.ledger().instant(name, from, now),
        _ => Timestamp::from_second(now.as_second()).unwrap_or(now),
    };
    noted(write, from, author(write.user, directory), now)
}

fn display_name<'a>(write: &Write<'a>) -> Option<&'a str> {
    write.new.spec?.get("displayName")?.as_str()
}

/// The note of a write at `at`, in whole seconds, by which a role takes over the names of `from`, if it does.
fn noted(write: &Write, from: Option<&str>, author: Author, at: Timestamp) -> Note {
    let (old, new) = (write.old.as_ref(), &write.new);
    let mut changes = changes::changes(old.and_then(|old| old.spec), new.spec);
    if let Some(from) = from {
        changes.insert(0, line(&renamed_from(), from));
    }
    Note {
        id: write.id.to_owned(),
        operation: if old.is_some() {
            Operation::Update
        } else {
            Operation::Create
        },
        generation: old.map_or(1, |old| old.generation + 1),
        at,
        author,
        display_name: display_name(write).map(|name| changes::shortened(name, 256)),
        changes,
    }
}

/// The outbox with one note more.
fn appended(stored: Option<&str>, sealed: Sealed, key: &Key) -> Result<String, Violation> {
    let mut notes = stored.map(read).unwrap_or_default();
    let waiting = notes.len();
    notes.push(serde_json::to_value(sealed).unwrap_or_default());
    let text = Value::Array(notes).to_string();
    let refusal = |message: String| {
        let field = format!("metadata.annotations[{PENDING}]");
        Err(Violation::whole(Reason::HistoryFull, field, message))
    };
    let what = format!("{} `{}`", key.kind.as_str(), key.name.name);
    if waiting == 0 && text.len() > MAX_ALONE {
        return refusal(format!(
            "this one change of {what} is too long to be put on record: make it in two steps"
        ));
    }
    if waiting >= MAX_NOTES || (waiting > 0 && text.len() > MAX_BYTES) {
        return refusal(format!(
            "{waiting} changes of {what} wait to be put on record, and no more are taken, so that none is lost: see that the operator runs and that no ResourceQuota on `changerecords` is exhausted, then try again"
        ));
    }
    Ok(text)
}

/// The notes in an outbox, believed or not. What is no list is one note, which nobody will believe.
pub fn read(text: &str) -> Vec<Value> {
    match serde_json::from_str(text) {
        Ok(Value::Array(notes)) => notes,
        _ => vec![Value::String(text.to_owned())],
    }
}

/// What of the outbox `now` is left when the notes of `then` are on record; nothing: it goes.
pub fn left(now: &str, then: &str) -> Option<String> {
    let done = read(then);
    let left: Vec<Value> = read(now).into_iter().filter(|note| !done.contains(note)).collect();
    (!left.is_empty()).then(|| Value::Array(left).to_string())
}

/// A note that we have sealed for that object.
pub fn believed(note: &Value, subject: (&Key, &str), keys: &Keys) -> Option<Note> {
    let sealed: Sealed = serde_json::from_value(note.clone()).ok()?;
    holds(&sealed, subject, keys).then_some(sealed.note)
}

/// The names that a role uses by the changes that wait (R4): they are burnt before they are on record.
pub fn names(pending: &str, subject: (&Key, &str), keys: &Keys) -> Vec<(String, Noted)> {
    if subject.0.kind != Kind::Role {
        return vec![];
    }
    let notes = read(pending);
    let notes = notes.iter().filter_map(|note| believed(note, subject, keys));
    notes
        .filter_map(|note| {
            let value = |path: &str| {
                let change = note.changes.iter().find(|change| change.path == path)?;
                change.to.as_deref()
            };
            let naming = Naming {
                role: subject.0.name.clone(),
                folded: Folded::new(value(DISPLAY_NAME)?),
                at: note.at,
                by: whoever(&actor(Some(&note.author))),
                from: value(&renamed_from())
                    .filter(|_| note.operation == Operation::Create)
                    .map(Into::into),
            };
            Some((note.id, Noted::Named { naming, made: None }))
        })
        .collect()
}

/// Whether the last change in an outbox, believed or not, says that the role takes over names (R4).
pub fn takes_over(pending: &str) -> bool {
    let note = read(pending).pop();
    let note = note.and_then(|note| serde_json::from_value::<Note>(note).ok());
    note.is_some_and(|note| note.changes.iter().any(|change| change.path == renamed_from()))
}

/// The name under which the ledger keeps a name that is not on record yet. No record is called like it.
pub fn place(role: &Name, id: &str) -> Name {
    Name::new(role.namespace.clone(), format!("{}/{id}", role.name))
}

/// One line of a record.
pub(super) fn line(path: &str, to: &str) -> FieldChange {
    FieldChange {
        path: path.to_owned(),
        from: None,
        to: Some(changes::shortened(to, changes::MAX_VALUE)),
    }
}

/// The path under which a record has a note that is not believed.
pub(super) fn claimed() -> String {
    format!("metadata.annotations[{PENDING}]")
}

/// Whether the finalizer is among those.
pub fn holds_on(finalizers: &[String]) -> bool {
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}
