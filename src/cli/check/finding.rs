//! What is wrong with an object, as the API server's causes say it.

use crate::policy::Violation;
use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Why, in one word: the API server's own for what it refuses itself, else a reason of Pimpernel.
    pub reason: &'static str,
    /// The field; empty: the object as a whole.
    pub field: String,
    /// What is wrong with the value, and what to do.
    pub message: String,
}

impl Finding {
    /// One thing that is wrong with `field`.
    pub fn new(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason,
            field: field.into(),
            message: message.into(),
        }
    }

    /// Whether the API server evaluates no rules in CEL beside it: they could not be evaluated sensibly.
    pub fn blocks(&self) -> bool {
        [REQUIRED, TYPE, ENUM, TOO_LONG, TOO_MANY].contains(&self.reason)
    }
}

impl From<Violation> for Finding {
    fn from(violation: Violation) -> Self {
        Self::new(violation.reason.as_str(), violation.field, violation.message)
    }
}

/// A value is missing.
pub const REQUIRED: &str = "FieldValueRequired";
/// A value is of another type.
pub const TYPE: &str = "FieldValueTypeInvalid";
/// A value is not one of those listed.
pub const ENUM: &str = "FieldValueNotSupported";
/// A text is too long.
pub const TOO_LONG: &str = "FieldValueTooLong";
/// A list is too long.
pub const TOO_MANY: &str = "FieldValueTooMany";
/// A value is wrong in another way.
pub const INVALID: &str = "FieldValueInvalid";
/// A value cannot become this one.
pub const FORBIDDEN: &str = "FieldValueForbidden";
/// A value of a list is there twice.
pub const DUPLICATE: &str = "FieldValueDuplicate";
/// There is no such field.
pub const UNKNOWN: &str = "UnknownField";
/// The object is none that can be sent.
pub const MALFORMED: &str = "Malformed";
