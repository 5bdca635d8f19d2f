//! Durations as people write them (`90m`, `1h30m`): kept as written, read with checked arithmetic.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A length of time in Go's notation, whole hours, minutes and seconds in that order, as the user wrote it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(transparent)]
pub struct Duration(String);

/// Why a text is not a duration.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationError {
    /// It is not hours, minutes and seconds in that order.
    #[error("is not a duration such as `90m` or `1h30m`")]
    Malformed,
    /// It is longer than can be counted.
    #[error("is too long")]
    TooLong,
}

/// The grammar, for the schema: at most four digits a unit, none twice.
const PATTERN: &str = "^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$";

impl Duration {
    /// Takes a text as written; [`Duration::seconds`] says whether it is a duration.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its length in whole seconds.
    pub fn seconds(&self) -> Result<i64, DurationError> {
        let mut rest = self.0.as_str();
        if rest.is_empty() {
            return Err(DurationError::Malformed);
        }
        let mut total = 0_i64;
        for (unit, seconds) in [('h', 3600_i64), ('m', 60), ('s', 1)] {
            let Some((digits, tail)) = rest.split_once(unit) else {
                continue;
            };
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(DurationError::Malformed);
            }
            let amount: i64 = digits.parse().map_err(|_| DurationError::TooLong)?;
            let part = amount.checked_mul(seconds).ok_or(DurationError::TooLong)?;
            total = total.checked_add(part).ok_or(DurationError::TooLong)?;
            rest = tail;
        }
        if rest.is_empty() {
            Ok(total)
        } else {
            Err(DurationError::Malformed)
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 2, "maxLength": 16, "pattern": PATTERN})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("15m", 900),
            ("1h", 3600),
            ("1h30m", 5400),
            ("2h0m5s", 7205),
            ("90m", 5400),
            ("45s", 45),
        ] {
            assert_eq!(Duration::new(text).seconds(), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_an_error_and_never_a_panic() {
        for text in ["", "h", "1", "m1", "1m1h", "1h1h", "-1h", "1.5h", " 1h", "1h ", "1d"] {
            assert_eq!(Duration::new(text).seconds(), Err(DurationError::Malformed), "{text:?}");
        }
        for text in [
            "99999999999999999999999h",
            "9223372036854775807h",
            "9223372036854775807s1s",
        ] {
            assert!(Duration::new(text).seconds().is_err(), "{text:?}");
        }
    }
}
