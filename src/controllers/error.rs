//! What can go wrong between the judgement and the world. Outcomes of a judgement are values, not errors.

use crate::policy::children::ChildId;
use crate::policy::{Name, Reason};
use kube::core::Status;

/// A step of a reconcile that failed; it will be tried again.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The API server has not answered yet, so there is no time to judge by.
    #[error("the time of the API server is not known yet")]
    NoTime,
    /// A derived object could not be written or removed.
    #[error("{} `{}`: {}", .child.kind.as_str(), .child.name, said(.source))]
    Child {
        /// Which.
        child: Box<ChildId>,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// A derived object could not be put into the form in which it is sent.
    #[error("{} `{}` cannot be written as JSON: {source}", .child.kind.as_str(), .child.name)]
    Encode {
        /// Which.
        child: Box<ChildId>,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An out-of-the-box role could not be made, or not be remembered.
    #[error("out-of-the-box role `{name}`: {}", said(.source))]
    DefaultRole {
        /// The role, or the tenant that remembers.
        name: Name,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// A record could not be stored.
    #[error("record `{record}`: {}", said(.source))]
    Record {
        /// Which.
        record: Box<Name>,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// What is on record could not be taken from the object.
    #[error("history: {}", said(.0))]
    History(#[source] kube::Error),
    /// Others write the object all the time.
    #[error("history: others write the object all the time")]
    Contended,
    /// The key that seals changes is not known yet.
    #[error("history: the key is not known yet")]
    NoKey,
    /// No credential could be made for a session.
    #[error("no credential for the session: {0}")]
    Token(#[from] super::credential::Error),
    /// The operator could not find out what it may do itself.
    #[error("the operator's own rights cannot be read: {}", said(.0))]
    Review(#[source] kube::Error),
    /// The status could not be written.
    #[error("status: {}", said(.0))]
    Status(#[source] kube::Error),
    /// The status could not be put into the form in which it is sent.
    #[error("status cannot be written as JSON: {0}")]
    EncodeStatus(#[source] serde_json::Error),
}

impl Error {
    /// As it stands in a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Token(error) => error.reason(),
            _ => Reason::ApplyFailed,
        }
    }
}

/// What the API server answered, if it was the API server that refused.
pub fn answer(error: &kube::Error) -> Option<&Status> {
    match error {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

/// What the API server said, in its own words alone: they stand in conditions.
pub(super) fn said(error: &kube::Error) -> String {
    answer(error).map_or_else(|| error.to_string(), |status| status.message.clone())
}

/// Whether the object is not there (any more).
pub fn is_gone(error: &kube::Error) -> bool {
    answer(error).is_some_and(|status| status.code == 404)
}

/// Whether the namespace is being deleted, where nothing can be created.
pub fn is_terminating(error: &kube::Error) -> bool {
    let causes = answer(error)
        .and_then(|status| status.details.as_ref())
        .map(|details| details.causes.as_slice());
    causes
        .unwrap_or_default()
        .iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

/// Whether the API server cannot apply to the stored object, because something in it has the wrong type.
pub fn is_unreadable(error: &kube::Error) -> bool {
    answer(error)
        .is_some_and(|status| status.code == 500 && status.message.starts_with("failed to create typed live object"))
}
