//! The rules, as one pure library: no clock, no client, no environment, no log. The same inputs give the same, byte-equal
//! output. The webhook and the controllers both ask here, so they cannot disagree.
//!
//! Each kind has the same verbs, in `tenant`, `role`, `employee`, `impersonation` and `consent`, to be read side by side: `parse`
//! (wire to strict), `rules` (what the object contradicts, for admission and reconciler alike) and `decide` (what should
//! exist, what to say, when to look again). `directory` is the snapshot that they look things up in.

pub mod access;
pub mod admission;
pub mod affected;
pub mod catalog;
pub mod ceiling;
pub mod children;
pub mod consent;
pub mod default_roles;
pub mod directory;
pub mod document;
pub mod employee;
pub mod entitlement;
pub mod explain;
pub mod forbidden;
pub mod history;
pub mod impersonation;
pub mod ledger;
pub mod name;
pub mod ordering;
pub mod plan;
pub mod role;
pub mod status;
pub mod tenant;
pub mod verdict;

pub use directory::{Change, Directory, Entry, Meta, Settings};
pub use name::{Key, Kind, Name};
pub use verdict::{Reason, Violation, Violations};

use jiff::Timestamp;

/// What should exist for one object, what to say about it, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S> {
    /// The objects that should exist because of it; whatever else exists in its name is to be removed.
    pub children: Vec<children::Child>,
    /// For a tenant: the out-of-the-box roles that are to be made, once.
    pub default_roles: Option<default_roles::Due>,
    /// What should be on record because of it.
    pub records: Vec<ledger::Record>,
    /// What the condition Ready says.
    pub standing: verdict::Standing,
    /// What is said besides.
    pub further: Option<verdict::Further>,
    /// The rest of the status.
    pub status: S,
    /// The next instant at which the answer changes by itself.
    pub wake_at: Option<Timestamp>,
}

impl<S: Default> Decision<S> {
    /// Nothing but what the condition Ready says: nothing should exist, and nothing changes by itself.
    #[must_use]
    pub fn saying(standing: verdict::Standing) -> Self {
        Self {
            children: vec![],
            default_roles: None,
            records: vec![],
            standing,
            further: None,
            status: S::default(),
            wake_at: None,
        }
    }
}

/// The earlier of two instants, where there are any.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
