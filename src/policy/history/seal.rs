//! The seal of a note: an HMAC over what it says and of which object, so that nobody who can write annotations can write
//! history.

use super::Note;
use crate::api::Operation;
use crate::policy::name::Key;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// How many bytes a key has.
pub const LENGTH: usize = 32;

/// The keys of the operator. Their values are shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    current: Arc<[u8]>,
    previous: Vec<Arc<[u8]>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Seals with `current`, and believes what one of `previous` has sealed.
    pub fn new(current: &[u8], previous: impl IntoIterator<Item = Arc<[u8]>>) -> Self {
        let current: Arc<[u8]> = current.into();
        let previous = previous.into_iter().filter(|key| *key != current).collect();
        Self { current, previous }
    }

    /// All of them, the one that seals first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// A note and its seal, as they are stored.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Sealed {
    /// The note.
    #[serde(flatten)]
    pub note: Note,
    /// Its seal.
    pub seal: String,
}

/// Seals a note about the object `key`, with the UID `uid` if it has one already.
pub(super) fn seal(note: Note, (key, uid): (&Key, &str), keys: &Keys) -> Sealed {
    let seal = mac(&keys.current, &message(&note, &key.name.name, (key, uid)))
        .map(|mac| hex(&mac.finalize().into_bytes()))
        .unwrap_or_default();
    Sealed { note, seal }
}

/// Whether we have sealed the note, and for that object. What is created has no UID when it is sealed, and where the API
/// server finds the name, no name.
pub(super) fn holds(sealed: &Sealed, (key, uid): (&Key, &str), keys: &Keys) -> bool {
    let Some(seal) = unhex(&sealed.seal) else { return false };
    let name = &*key.name.name;
    let meant: &[(&str, &str)] = match sealed.note.operation {
        Operation::Create => &[(name, ""), ("", "")],
        Operation::Update | Operation::Delete | Operation::End => &[(name, uid)],
    };
    meant.iter().any(|(name, uid)| {
        let message = message(&sealed.note, name, (key, uid));
        keys.all()
            .filter_map(|secret| mac(secret, &message))
            .any(|mac| mac.verify_slice(&seal).is_ok())
    })
}

fn message(note: &Note, name: &str, (key, uid): (&Key, &str)) -> Vec<u8> {
    let subject = (key.kind.as_str(), &*key.name.namespace, name, uid);
    serde_json::to_vec(&(subject, note)).unwrap_or_default()
}

fn mac(secret: &[u8], message: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::new_from_slice(secret).ok()?;
    mac.update(message);
    Some(mac)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |digit: &u8| {
        char::from(*digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
