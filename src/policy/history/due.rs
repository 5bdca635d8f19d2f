//! What follows from an object that has a history: what is to be put on record, and what may then go from the object.

use super::outbox::{believed, claimed, line, read};
use super::{Author, Employees, Keys, Note, UNKNOWN, changes};
use crate::api::{Actor, ChangeRecordSpec, FieldChange, Operation, Subject};
use crate::policy::ledger::{Record, digest};
use crate::policy::name::{Key, Kind, Name};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long before an object was marked as deleted its deletion can have been asked for.
const BEFORE: SignedDuration = SignedDuration::from_secs(30);
/// By how much the estimate of the API server's time can be ahead, and the mark rounds off.
const AFTER: SignedDuration = SignedDuration::from_secs(2);
/// How many notes an outbox can have that was written by us.
const MAX_BELIEVED: usize = super::outbox::MAX_NOTES;

/// What is known of an object, as far as its history goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its generation.
    pub generation: i64,
    /// What it is called for people.
    pub display_name: Option<Arc<str>>,
    /// The outbox.
    pub pending: Option<Arc<str>>,
    /// Whether it has the finalizer.
    pub finalizer: bool,
    /// Since when it is being deleted.
    pub deleted: Option<Timestamp>,
    /// If it is being deleted: what goes with it.
    pub last: Arc<[FieldChange]>,
    /// Whether it is gone already.
    pub gone: bool,
}

/// A deletion that was asked for and not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Who asked.
    pub author: Author,
    /// When.
    pub at: Timestamp,
    /// Whether it is put on record, of whatever kind the object is.
    pub counts: bool,
}

/// What is known besides the object.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The latest generation on record, if any is.
    pub recorded: Option<i64>,
    /// The deletions of this object that were asked for.
    pub deletions: &'a [Deletion],
    /// Whose changes of employees are put on record.
    pub employees: Employees,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// What is to be put on record.
    pub records: Vec<Record>,
    /// A generation that nothing explains, to be put on record unless that turns out to be there.
    pub unexplained: Option<Record>,
    /// The record of the deletion.
    pub deletion: Option<Record>,
    /// Whether the object is then to be written: the outbox goes, and with a deletion the finalizer.
    pub write: bool,
}

/// What is to be done about the history of the object `key`.
pub fn due(key: &Key, held: &Held, known: Known, keys: &Keys, now: Timestamp) -> Due {
    let subject = Subject {
        kind: key.kind.as_str().to_owned(),
        name: key.name.name.to_string(),
        uid: held.uid.to_string(),
        display_name: held.display_name.as_deref().map(|name| changes::shortened(name, 256)),
    };
    let mut explained = known.recorded;
    let mut records = vec![];
    for note in held.pending.iter().flat_map(|pending| notes(pending)) {
        let believed = believed(&note, (key, &held.uid), keys);
        explained = explained.max(believed.as_ref().map(|note| note.generation));
        records.push(match believed {
            Some(note) => told(key, &subject, note),
            None => doubted(key, &subject, &note, now),
        });
    }
    let always = matches!(key.kind, Kind::Role | Kind::Tenant);
    let counts = always || (key.kind == Kind::Employee && known.employees == Employees::All);
    // Being deleted makes a generation as well.
    let made = held.generation - i64::from(held.deleted.is_some());
    let unexplained =
        (counts && explained.is_none_or(|explained| explained < made)).then(|| unexplained(key, &subject, made, now));
    let over = held.deleted.is_some() || held.gone;
    let asked = known.deletions.iter().any(|deletion| deletion.counts);
    let deletion =
        (over && (counts || held.finalizer || asked)).then(|| deletion(key, subject, held, (known.deletions, now)));
    Due {
        write: !held.gone && (held.pending.is_some() || (held.finalizer && over)),
        records,
        unexplained,
        deletion,
    }
}

/// The notes in an outbox. One with more of them than we put into one is a forgery as a whole.
fn notes(pending: &str) -> Vec<Value> {
    let notes = read(pending);
    if notes.len() > MAX_BELIEVED {
        return vec![Value::String(pending.to_owned())];
    }
    notes
}

fn told(key: &Key, subject: &Subject, note: Note) -> Record {
    let Note {
        id,
        operation,
        generation,
        at,
        author,
        display_name,
        changes,
    } = note;
    Record {
        name: named(key, "change", &[&id]),
        spec: ChangeRecordSpec {
            subject: Subject {
                display_name,
                ..subject.clone()
            },
            operation,
            generation: Some(generation),
            actor: actor(Some(&author)),
            time: Time(at),
            changes,
        },
    }
}

/// A note that we did not seal: what it claims is told as a claim.
fn doubted(key: &Key, subject: &Subject, note: &Value, now: Timestamp) -> Record {
    let text = note.to_string();
    let claims = note.get("by").and_then(Value::as_str).filter(|user| !user.is_empty());
    Record {
        name: named(key, "claim", &[&subject.uid, &text]),
        spec: ChangeRecordSpec {
            subject: subject.clone(),
            operation: Operation::Update,
            generation: None,
            actor: Actor {
                username: changes::shortened(claims.unwrap_or(UNKNOWN), 253),
                ..actor(None)
            },
            time: Time(whole_seconds(now)),
            changes: vec![line(&claimed(), &text)],
        },
    }
}

fn unexplained(key: &Key, subject: &Subject, generation: i64, now: Timestamp) -> Record {
    Record {
        name: named(key, "seen", &[&subject.uid, &generation.to_string()]),
        spec: ChangeRecordSpec {
            subject: subject.clone(),
            operation: if generation <= 1 {
                Operation::Create
            } else {
                Operation::Update
            },
            generation: Some(generation),
            actor: actor(None),
            time: Time(whole_seconds(now)),
            changes: vec![],
        },
    }
}

fn deletion(key: &Key, subject: Subject, held: &Held, (asked, now): (&[Deletion], Timestamp)) -> Record {
    let at = held.deleted.unwrap_or(now);
    let near = |deletion: &&Deletion| {
        let since = at.duration_since(deletion.at);
        -AFTER <= since && since <= BEFORE
    };
    let asked: Vec<&Author> = asked.iter().filter(near).map(|deletion| &deletion.author).collect();
    let who: BTreeSet<&str> = asked.iter().map(|author| author.by.as_str()).collect();
    // Of two who asked at the same time nobody knows whose request it was.
    let author = if who.len() == 1 { asked.first().copied() } else { None };
    Record {
        name: named(key, "delete", &[&subject.uid]),
        spec: ChangeRecordSpec {
            subject,
            operation: Operation::Delete,
            generation: held.deleted.map(|_| held.generation),
            actor: actor(author),
            time: Time(whole_seconds(at)),
            changes: held.last.to_vec(),
        },
    }
}

/// The same record has the same name, so that storing it twice does nothing.
fn named(key: &Key, what: &str, parts: &[&str]) -> Name {
    let subject = [key.kind.as_str(), &*key.name.name];
    let parts: Vec<&str> = subject.iter().chain(parts).copied().collect();
    Name::new(key.name.namespace.clone(), format!("{what}-{}", digest(&parts)))
}

pub(super) fn actor(author: Option<&Author>) -> Actor {
    match author {
        Some(author) => Actor {
            username: changes::shortened(&author.by, 253),
            on_behalf_of: author.on_behalf_of.clone(),
            session: author.session.clone(),
            verified: true,
        },
        None => Actor {
            username: UNKNOWN.to_owned(),
            on_behalf_of: None,
            session: None,
            verified: false,
        },
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
