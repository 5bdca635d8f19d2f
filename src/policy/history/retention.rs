//! Which records may go (R13): those that are older than is kept, and that nothing hangs on any more. Names that a role has
//! used stay burnt (R4), sessions stay ended (I9), and what made a living object as it is stays explained.

use crate::api::ChangeRecordSpec;
use crate::policy::directory::Directory;
use crate::policy::ledger::Noted;
use crate::policy::name::Kind;
use jiff::{SignedDuration, Timestamp};
use std::str::FromStr;

/// How many hours a day has.
const DAY: i64 = 24;

/// For how long records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(Option<SignedDuration>);

impl FromStr for Kept {
    type Err = String;

    /// `forever`, or whole days such as `365d`, one at least: no session lasts longer.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self(None));
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
        let days = days.filter(|days| *days > 0);
        let hours = days.map(|days| SignedDuration::from_hours(i64::from(days) * DAY));
        hours
            .map(|hours| Self(Some(hours)))
            .ok_or_else(|| "say `forever`, or whole days such as `365d`".to_owned())
    }
}

impl Kept {
    /// Whether any record goes at all.
    pub fn ends(self) -> bool {
        self.0.is_some()
    }

    /// Whether a record of `namespace` may go at `now`.
    pub fn lets_go(
        self,
        (namespace, record): (&str, &ChangeRecordSpec),
        directory: &Directory,
        now: Timestamp,
    ) -> bool {
        let Some(kept) = self.0 else { return false };
        now.duration_since(record.time.0) > kept && nothing_hangs_on(namespace, record, directory, now)
    }
}

fn nothing_hangs_on(namespace: &str, record: &ChangeRecordSpec, directory: &Directory, now: Timestamp) -> bool {
    match Noted::read(namespace, record) {
        Some(Noted::Named { .. }) => false,
        Some(Noted::End {
            session, uid, claim, ..
        }) => {
            let lives = directory.session(&session).is_some_and(|entry| entry.meta.uid == uid);
            let asked_again = claim.is_some_and(|claim| now <= claim.not_after);
            !lives && !asked_again && directory.account(&uid).is_none()
        }
        // Without the last one it would look as if nobody had seen the object being made.
        Some(Noted::Changed { subject, made }) => {
            let lives = directory.meta(&subject).is_some_and(|meta| meta.uid == made.uid);
            let latest = directory.ledger().generation(&made.uid);
            !lives || latest.is_some_and(|latest| made.generation < latest)
        }
        None => Kind::of(&record.subject.kind).is_some(),
    }
}
