//! What is on record and decides: which sessions have ended, and which names roles have used. It is read from ChangeRecords,
//! which nobody can change, so that what it says cannot be undone by deleting an object or writing to its status.

use super::name::{Folded, Key, Kind, Name};
use super::role::RESERVED;
use super::verdict::Reason;
use crate::api::{Actor, ChangeRecordSpec, FieldChange, Operation, Subject};
use imbl::OrdMap;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

mod names;

use names::Names;
pub use names::Naming;

/// The path under which a record names the display name of a role.
pub const DISPLAY_NAME: &str = "spec.displayName";
/// The annotation by which a new role takes over the names of one that is gone (R4).
pub const RENAMED_FROM: &str = "pimpernel.dev/renamed-from";
/// The path under which the record of a session's end has the end that was asked for.
pub const NOT_AFTER: &str = "spec.notAfter";
/// The path under which the record of a session's end says how it ended.
pub const END_REASON: &str = "status.endReason";

/// A record that should exist. It is written once and never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where, and called what: the same record has the same name, so that writing it twice does nothing.
    pub name: Name,
    /// What it says.
    pub spec: ChangeRecordSpec,
}

/// What a session asked for that gave its end as an instant: applied again, it is the same request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The Impersonation.
    pub session: Name,
    /// Who enters, verbatim.
    pub impersonator: Arc<str>,
    /// The instant.
    pub not_after: Timestamp,
}

/// What of a record decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// A session ended.
    End {
        /// The Impersonation.
        session: Name,
        /// Its UID.
        uid: Arc<str>,
        /// What it asked for, if that can be asked for again.
        claim: Option<Claim>,
        /// When it ended.
        at: Timestamp,
        /// How.
        how: Reason,
    },
    /// A role used a name.
    Named {
        /// Which, and which name.
        naming: Naming,
        /// What the record explains, if it is about one object.
        made: Option<Made>,
    },
    /// An object was changed.
    Changed {
        /// The object.
        subject: Key,
        /// What the record explains.
        made: Made,
    },
}

/// The generation of an object that a record explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The object's UID.
    pub uid: Arc<str>,
    /// The generation.
    pub generation: i64,
}

impl Noted {
    /// Reads a record of `namespace`; nothing, if it decides nothing.
    pub fn read(namespace: &str, spec: &ChangeRecordSpec) -> Option<Self> {
        let Subject {
            kind,
            name,
            uid,
            display_name: _,
        } = &spec.subject;
        let subject = Name::new(namespace, name.as_str());
        let made = spec.generation.map(|generation| Made {
            uid: uid.as_str().into(),
            generation,
        });
        let value = |path: &str| {
            let change = spec.changes.iter().find(|change| change.path == path)?;
            change.to.as_deref()
        };
        match (Kind::of(kind)?, spec.operation) {
            (Kind::Impersonation, Operation::End) => {
                let claim = value(NOT_AFTER)
                    .and_then(|instant| instant.parse().ok())
                    .map(|not_after| Claim {
                        session: subject.clone(),
                        impersonator: spec.actor.username.as_str().into(),
                        not_after,
                    });
                let named = |reason: &&Reason| value(END_REASON) == Some(reason.as_str());
                Some(Self::End {
                    session: subject,
                    uid: uid.as_str().into(),
                    claim,
                    at: spec.time.0,
                    how: Reason::ALL.iter().find(named).copied().unwrap_or(Reason::Withdrawn),
                })
            }
            (kind, Operation::Create | Operation::Update) => match value(DISPLAY_NAME).filter(|_| kind == Kind::Role) {
                Some(name) => Some(Self::Named {
                    naming: Naming {
                        folded: Folded::new(name),
                        role: subject,
                        at: spec.time.0,
                        by: whoever(&spec.actor),
                        from: value(&renamed_from())
                            .filter(|_| spec.operation == Operation::Create && spec.actor.verified)
                            .map(Into::into),
                    },
                    made,
                }),
                None => made.map(|made| Self::Changed {
                    subject: Key::new(kind, subject),
                    made,
                }),
            },
            _ => None,
        }
    }

    /// Whether somebody else than the object itself may be judged by it.
    pub fn decides(&self) -> bool {
        !matches!(self, Self::Changed { .. })
    }

    /// The object that it is about.
    pub fn subject(&self) -> Key {
        match self {
            Self::End { session, .. } => Key::new(Kind::Impersonation, session.clone()),
            Self::Named { naming, .. } => Key::new(Kind::Role, naming.role.clone()),
            Self::Changed { subject, .. } => subject.clone(),
        }
    }
}

/// All that is on record and decides.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    noted: OrdMap<Name, Arc<Noted>>,
    ends: OrdMap<Arc<str>, (Timestamp, Reason)>,
    claims: OrdMap<Claim, (Timestamp, Reason)>,
    names: Names,
    generations: OrdMap<Arc<str>, i64>,
}

impl Ledger {
    /// Takes in the record called `name`; none: it is gone. Whether anything became different.
    pub fn fold(&mut self, name: Name, noted: Option<Noted>) -> bool {
        if self.noted.get(&name).map(AsRef::as_ref) == noted.as_ref() {
            return false;
        }
        if let Some(old) = self.noted.remove(&name) {
            self.forget(&name, &old);
        }
        if let Some(noted) = noted {
            self.note(&name, &noted);
            self.noted.insert(name, Arc::new(noted));
        }
        true
    }

    fn note(&mut self, record: &Name, noted: &Noted) {
        match noted {
            Noted::End {
                uid, claim, at, how, ..
            } => {
                self.ends.insert(uid.clone(), (*at, *how));
                if let Some(claim) = claim {
                    self.claims.insert(claim.clone(), (*at, *how));
                }
            }
            Noted::Named { naming, made } => {
                self.names.note(record, naming);
                if let Some(made) = made {
                    self.explain(made);
                }
            }
            Noted::Changed { made, .. } => self.explain(made),
        }
    }

    fn explain(&mut self, Made { uid, generation }: &Made) {
        let latest = self.generations.entry(uid.clone()).or_insert(*generation);
        *latest = (*latest).max(*generation);
    }

    /// What is explained stays explained.
    fn forget(&mut self, record: &Name, noted: &Noted) {
        match noted {
            Noted::End { uid, claim, .. } => {
                self.ends.remove(uid);
                if let Some(claim) = claim {
                    self.claims.remove(claim);
                }
            }
            Noted::Named { naming, .. } => self.names.forget(record, naming),
            Noted::Changed { .. } => {}
        }
    }

    /// The latest generation on record of the object of that UID.
    pub fn generation(&self, uid: &str) -> Option<i64> {
        self.generations.get(uid).copied()
    }

    /// The record of that name.
    pub fn noted(&self, name: &Name) -> Option<&Noted> {
        self.noted.get(name).map(AsRef::as_ref)
    }

    /// When and how the session of that UID ended.
    pub fn ended(&self, uid: &str) -> Option<(Timestamp, Reason)> {
        self.ends.get(uid).copied()
    }

    /// When and how a session ended that asked for the same.
    pub fn ended_claim(&self, claim: &Claim) -> Option<(Timestamp, Reason)> {
        self.claims.get(claim).copied()
    }

    /// The role that a name belongs to for ever: the first that used it, or who took over its names (R4).
    pub fn owner(&self, namespace: &Arc<str>, folded: &Folded) -> Option<&Arc<str>> {
        self.names.owner(namespace, folded)
    }

    /// How a name came to be used first (R4).
    pub fn first_use(&self, namespace: &Arc<str>, folded: &Folded) -> Option<&Naming> {
        match self.noted(self.names.first(namespace, folded)?)? {
            Noted::Named { naming, .. } => Some(naming),
            Noted::End { .. } | Noted::Changed { .. } => None,
        }
    }

    /// Whether that role has used that name.
    pub fn has_used(&self, role: &Name, folded: &Folded) -> bool {
        self.names.has_used(role, folded)
    }

    /// When a role that is written at `now` comes to its name. Records count in seconds: this keeps the order in which names
    /// go from role to role where two things happen in the same one (R4).
    pub fn instant(&self, role: &Name, from: Option<&str>, now: Timestamp) -> Timestamp {
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        self.names.instant(role, from, now)
    }

    /// When a role called that last came to a name.
    pub fn last_named(&self, role: &Name) -> Option<Timestamp> {
        self.names.last_named(role)
    }

    /// The names that role has used.
    pub fn names_of(&self, role: &Name) -> impl Iterator<Item = &Folded> {
        self.names.used_by(role)
    }

    /// The roles whose names that role took over (R4).
    pub fn taken_over(&self, role: &Name) -> impl Iterator<Item = &Arc<str>> {
        self.names.taken_over(role)
    }
}

/// Who it was, in words for people, if that is vouched for.
pub(super) fn whoever(actor: &Actor) -> Option<Arc<str>> {
    let words = match &actor.on_behalf_of {
        Some(person) => format!("`{RESERVED}` on behalf of `{person}`"),
        None => format!("`{}`", actor.username),
    };
    actor.verified.then(|| words.into())
}

/// The path under which the record of a role's creation says whose names it took over.
pub fn renamed_from() -> String {
    format!("metadata.annotations[{RENAMED_FROM}]")
}

/// A short name for what cannot be one itself.
pub fn digest(parts: &[&str]) -> String {
    let bytes = Sha256::digest(parts.join("\0").as_bytes());
    let bits = (bytes.iter().take(16)).fold(0, |bits: u128, byte| (bits << 8) | u128::from(*byte));
    format!("{bits:032x}")
}

/// One value of a record.
pub fn value(path: &str, to: impl Into<String>) -> FieldChange {
    FieldChange {
        path: path.to_owned(),
        from: None,
        to: Some(to.into()),
    }
}
