//! The end of a session as it is recorded (I13), and that it is for good (I9). What the record says is written on the
//! session's account when it is opened, so that it is known even when the Impersonation is gone.

use super::{Impersonation, Length, account_name};
use crate::api::{Actor, ChangeRecordSpec, Mode, Operation, Subject};
use crate::policy::children::{Child, ChildKind, Observations, SESSION_END, SESSION_TOLD, SESSION_UID};
use crate::policy::directory::{Directory, Entry};
use crate::policy::ledger::{Claim, END_REASON, NOT_AFTER, Record, value};
use crate::policy::name::{Kind, Name};
use crate::policy::verdict::Reason;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// What is told of a session.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    mode: Mode,
    impersonator: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    start: Timestamp,
}

impl Told {
    /// What is told of the session of `entry`, whose time counts since `start`.
    pub fn of(entry: &Entry<Impersonation>, start: Timestamp) -> Option<Self> {
        let session = entry.spec.as_ref().ok()?;
        Some(Self {
            mode: session.mode,
            impersonator: session.impersonator.to_string(),
            reason: session.reason.to_string(),
            ticket: session.ticket.as_ref().map(ToString::to_string),
            not_after: match session.length {
                Length::NotAfter(end) => Some(end),
                Length::Seconds(_) => None,
            },
            start,
        })
    }

    fn on(account: &Child) -> Option<Self> {
        serde_json::from_str(account.annotations.get(SESSION_TOLD)?).ok()
    }
}

/// What the session asked for, if that can be asked for again.
pub fn claim(name: &Name, session: &Impersonation) -> Option<Claim> {
    match session.length {
        Length::Seconds(_) => None,
        Length::NotAfter(not_after) => Some(Claim {
            session: name.clone(),
            impersonator: session.impersonator.clone(),
            not_after,
        }),
    }
}

/// Since when the time of the session counts, if that is written on its account.
pub(super) fn told(name: &Name, entry: &Entry<Impersonation>, observed: &Observations) -> Option<Timestamp> {
    let account = accounts(name, observed).find(|account| uid_of(account) == Some(&*entry.meta.uid))?;
    Told::on(account).map(|told| told.start)
}

/// When the session ended, if it did.
pub fn ended_at(name: &Name, entry: &Entry<Impersonation>, directory: &Directory) -> Option<Timestamp> {
    let ended = on_record(name, entry, directory).or(entry.meta.ended);
    ended.map(|(at, _)| at)
}

/// When and how the session ended, if it is on record that it did, or that one did which asked for the same.
pub(super) fn on_record(
    name: &Name,
    entry: &Entry<Impersonation>,
    directory: &Directory,
) -> Option<(Timestamp, Reason)> {
    let same = || {
        let claim = claim(name, entry.spec.as_ref().ok()?)?;
        directory.ledger().ended_claim(&claim)
    };
    directory.ledger().ended(&entry.meta.uid).or_else(same)
}

/// What is said of a session that asked for what has ended.
pub(super) fn before(name: &Name, entry: &Entry<Impersonation>, directory: &Directory) -> Option<String> {
    let (at, _) = on_record(name, entry, directory)?;
    directory.ledger().ended(&entry.meta.uid).is_none().then(|| again(at))
}

/// That a session which asked for the same is over.
pub fn again(at: Timestamp) -> String {
    format!(
        "the session of this name, impersonator and `notAfter` ended at `{at}`, and is not opened again: ask under another name"
    )
}

/// The record of the end of the session of `entry`, unless it is there, or the session asked only for what had ended before.
pub(super) fn of_session(
    name: &Name,
    entry: &Entry<Impersonation>,
    (observed, directory): (&Observations, &Directory),
    (at, how): (Timestamp, Reason),
) -> Option<Record> {
    let uid = &*entry.meta.uid;
    let account = accounts(name, observed).find(|account| uid_of(account) == Some(uid));
    let never_opened = account.is_none() && how == Reason::Expired;
    if never_opened || on_record(name, entry, directory).is_some() {
        return None;
    }
    let told = account
        .and_then(Told::on)
        .or_else(|| Told::of(entry, entry.meta.created))?;
    Some(record(name, uid, &told, (at, how)))
}

/// The records of the ends of those sessions of that name that are gone, all but `living`: each still has its account.
pub fn departed(
    name: &Name,
    living: Option<&str>,
    (observed, directory): (&Observations, &Directory),
    now: Timestamp,
) -> Vec<Record> {
    let gone = accounts(name, observed).filter_map(|account| {
        let uid = uid_of(account).filter(|uid| Some(*uid) != living && directory.ledger().ended(uid).is_none())?;
        let end: Option<Timestamp> = account.annotations.get(SESSION_END)?.parse().ok();
        let ended = match end {
            Some(end) if end <= now => (end, Reason::Expired),
            _ => (now, Reason::Deleted),
        };
        Some(record(name, uid, &Told::on(account)?, ended))
    });
    gone.collect()
}

pub(super) fn accounts<'a>(name: &Name, observed: &'a Observations) -> impl Iterator<Item = &'a Child> {
    let name = name.clone();
    observed.values().filter(move |child| {
        child.id.kind == ChildKind::ServiceAccount
            && child.owner.kind == Kind::Impersonation
            && child.owner.name == name
    })
}

pub(super) fn uid_of(account: &Child) -> Option<&str> {
    let uid = account.annotations.get(SESSION_UID)?;
    (*account.id.name.name == *account_name(uid)).then_some(uid)
}

fn record(name: &Name, uid: &str, told: &Told, (at, how): (Timestamp, Reason)) -> Record {
    let Told {
        mode,
        impersonator,
        reason,
        ticket,
        not_after,
        start,
    } = told;
    let at = super::whole_seconds(at);
    let mut changes = vec![value("spec.mode", format!("{mode:?}")), value("spec.reason", reason)];
    changes.extend(ticket.iter().map(|ticket| value("spec.ticket", ticket)));
    changes.extend(not_after.iter().map(|end| value(NOT_AFTER, end.to_string())));
    changes.push(value("status.startTime", start.to_string()));
    changes.push(value("status.endTime", at.to_string()));
    changes.push(value(END_REASON, how.as_str()));
    Record {
        name: Name::new(name.namespace.clone(), format!("end-{uid}")),
        spec: ChangeRecordSpec {
            subject: Subject {
                kind: Kind::Impersonation.as_str().to_owned(),
                name: name.name.to_string(),
                uid: uid.to_owned(),
                display_name: None,
            },
            operation: Operation::End,
            generation: None,
            actor: Actor {
                username: impersonator.clone(),
                on_behalf_of: None,
                session: Some(name.to_string()),
                verified: true,
            },
            time: Time(at),
            changes,
        },
    }
}
