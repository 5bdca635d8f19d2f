//! History without loss (R13, I13): every change to a role or a tenant, and what a session changes of an employee, is
//! noted in the very write that makes it, and put on record from there.
//!
//! `changes` says what became different, `seal` that a note is ours, `outbox` what a write carries, and `due` what
//! follows from what is stored. Writing any of it is left to the webhook and the controllers.

use crate::api::{FieldChange, Operation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub mod changes;
pub mod due;
pub mod outbox;
pub mod retention;
pub mod seal;

pub use due::{Deletion, Due, Held, Known, due};
pub use retention::Kept;
pub use seal::Keys;

/// The annotation with the changes that are still to be put on record, as JSON.
pub const PENDING: &str = "pimpernel.dev/pending-changes";
/// The finalizer of what has a history: it goes when the deletion is on record.
pub const FINALIZER: &str = "pimpernel.dev/history";
/// Who changed something, as far as whoever only sees it stored can say.
pub const UNKNOWN: &str = "unknown";

/// Whose changes of employees are put on record. Those of roles and tenants always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Employees {
    /// Those made in a session.
    Sessions,
    /// All.
    All,
}

impl Employees {
    /// What a flag says: `all`, or else `sessions`.
    pub fn of(text: &str) -> Self {
        if text == "all" { Self::All } else { Self::Sessions }
    }
}

/// Who does something, as the webhook sees it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// The user name of the request.
    pub by: String,
    /// The impersonator, in a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The Impersonation, in a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// One change, as it is noted in the write that makes it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The UID of the request for admission.
    pub id: String,
    /// Created or changed.
    pub operation: Operation,
    /// The generation that it makes.
    pub generation: i64,
    /// When, in whole seconds.
    pub at: Timestamp,
    /// Who.
    #[serde(flatten)]
    pub author: Author,
    /// What the object is called for people afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What became different.
    pub changes: Vec<FieldChange>,
}
