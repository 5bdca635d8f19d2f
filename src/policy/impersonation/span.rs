//! From when to when a session may be open (I8, I11), from nothing that ever changes: its creation or that of the consent,
//! and, once it is open, what was written on its account when it was opened. So neither a restart, nor what the tenant
//! demands later, nor another consent moves the end of an open session.

use super::{Impersonation, Length, ended};
use crate::policy::children::{Observations, SESSION_END};
use crate::policy::consent::{self, Answer};
use crate::policy::directory::{Directory, Entry};
use crate::policy::name::Name;
use jiff::Timestamp;

/// When the time of an open session began to count.
pub(super) fn start(
    name: &Name,
    entry: &Entry<Impersonation>,
    observed: &Observations,
    directory: &Directory,
    now: Timestamp,
) -> Timestamp {
    ended::told(name, entry, observed)
        .or_else(|| began(name, entry, directory, now))
        .unwrap_or(entry.meta.created)
}

/// When its time began to count, by what the tenant demands and says now; none while it waits for consent.
fn began(name: &Name, entry: &Entry<Impersonation>, directory: &Directory, now: Timestamp) -> Option<Timestamp> {
    if !directory.tenant(&name.namespace).is_some_and(|tenant| tenant.consent) {
        return Some(entry.meta.created);
    }
    match consent::answer(name, entry, directory, now) {
        Answer::Granted(at) => Some(at),
        Answer::None | Answer::Denied(_) => None,
    }
}

/// When the session ends at the latest; none while that is not known, because it waits for consent. What is written on its
/// account cannot move the end beyond what its creation and the consents to it allow.
pub(super) fn end(
    name: &Name,
    entry: &Entry<Impersonation>,
    observed: Option<&Observations>,
    directory: &Directory,
    now: Timestamp,
) -> Option<Timestamp> {
    let session = entry.spec.as_ref().ok()?;
    if let Length::NotAfter(end) = session.length {
        return Some(end);
    }
    let written = || {
        let account =
            ended::accounts(name, observed?).find(|account| ended::uid_of(account) == Some(&entry.meta.uid))?;
        account.annotations.get(SESSION_END)?.parse().ok()
    };
    let account = directory.account(&entry.meta.uid).map(|account| account.end);
    match account.or_else(written) {
        Some(written) => {
            let latest = consent::latest_yes(name, &entry.meta.uid, directory);
            let created = entry.meta.created;
            Some(written.min(session.end(latest.unwrap_or(created).max(created))))
        }
        None => began(name, entry, directory, now).map(|start| session.end(start)),
    }
}
