//! Sessions: whether one may be opened, until when, and what ends it (I1 to I11). Making and taking away the credential is
//! left to the controllers.

use super::Decision;
use super::children::Observations;
use super::consent::{self, Answer};
use super::directory::{Directory, Entry};
use super::name::{Folded, Name};
use super::verdict::{Further, Reason, Standing, Violation, Violations};
use crate::api::{self, ImpersonationStatus, Mode};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

mod ended;
mod grounds;
mod opened;
mod span;

pub use ended::{again, claim, departed, ended_at};
pub use grounds::{limits, rules};
pub use opened::{account_name, banner};

/// How long a session lasts that does not say, in seconds (I8).
const DEFAULT_DURATION: i64 = 3600;
/// The shortest session, in seconds (I8).
const MIN_DURATION: i64 = 15 * 60;
/// The longest session of all, in seconds (I8).
const MAX_DURATION: i64 = 24 * 3600;
/// What the API server accepts a token for beyond its expiry: 60 s of leeway and 10 s of cache (I10).
pub const TOKEN_GRACE: i64 = 70;
/// The shortest token that the API server gives, in seconds.
pub const MIN_TOKEN: i64 = 600;

/// A session, strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct Impersonation {
    /// What it is for.
    pub mode: Mode,
    /// Who enters, verbatim.
    pub impersonator: Arc<str>,
    /// The same, for comparing.
    pub folded: Folded,
    /// Why.
    pub reason: Arc<str>,
    /// A reference to a case elsewhere.
    pub ticket: Option<Arc<str>>,
    /// How its end is given.
    pub length: Length,
    /// Whether it was stopped.
    pub stop: bool,
}

/// How a session's end is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// In seconds from its creation, or from that of the consent.
    Seconds(i64),
    /// As an instant.
    NotAfter(Timestamp),
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// It may be used.
    Open,
    /// It waits.
    Pending(Reason, String),
    /// It cannot be opened.
    Refused(Violations),
    /// It is over, since when and why.
    Ended(Timestamp, Reason),
}

/// Reads a session.
pub fn parse(spec: &api::ImpersonationSpec) -> Result<Impersonation, Violations> {
    let mut violations = vec![];
    let letters = spec.reason.trim().chars().count();
    if !(10..=500).contains(&letters) {
        let message = format!("has {letters} characters: say in 10 to 500 why the tenant is entered");
        violations.push(Violation::whole(Reason::InvalidJustification, "spec.reason", message));
    }
    if spec.impersonator.is_empty() || spec.impersonator.starts_with("system:") {
        let message = format!("`{}` is not a person: name the one who enters", spec.impersonator);
        violations.push(Violation::whole(Reason::InvalidUsername, "spec.impersonator", message));
    }
    let length = length(spec).unwrap_or_else(|violation| {
        violations.push(violation);
        Length::Seconds(DEFAULT_DURATION)
    });
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Impersonation {
        mode: spec.mode,
        impersonator: spec.impersonator.as_str().into(),
        folded: Folded::new(&spec.impersonator),
        reason: spec.reason.as_str().into(),
        ticket: spec.ticket.as_deref().map(Into::into),
        length,
        stop: spec.stop,
    })
}

fn length(spec: &api::ImpersonationSpec) -> Result<Length, Violation> {
    match (&spec.duration, &spec.not_after) {
        (Some(_), Some(_)) => {
            let message = "is given beside `duration`: keep one of the two";
            Err(Violation::whole(Reason::InvalidDuration, "spec.notAfter", message))
        }
        (None, Some(end)) => Ok(Length::NotAfter(end.0)),
        (None, None) => Ok(Length::Seconds(DEFAULT_DURATION)),
        (Some(text), None) => match text.seconds() {
            Ok(seconds) if (MIN_DURATION..=MAX_DURATION).contains(&seconds) => Ok(Length::Seconds(seconds)),
            _ => {
                let message = format!("`{text}` is not a length from `15m` to `24h`: correct it");
                Err(Violation::whole(Reason::InvalidDuration, "spec.duration", message))
            }
        },
    }
}

impl Impersonation {
    /// The absolute end of the session whose time counts since `start` (I8): its creation, or that of the consent.
    pub fn end(&self, start: Timestamp) -> Timestamp {
        match self.length {
            Length::Seconds(seconds) => start
                .saturating_add(SignedDuration::from_secs(seconds))
                .unwrap_or(start),
            Length::NotAfter(end) => end,
        }
    }

    /// Whether its end is given as an instant.
    pub fn is_absolute(&self) -> bool {
        matches!(self.length, Length::NotAfter(_))
    }

    /// Whether `now` is past the instant that is given as its end.
    pub fn is_past(&self, now: Timestamp) -> bool {
        matches!(self.length, Length::NotAfter(end) if now >= end)
    }
}

/// Where the session stands at `now`, given what exists in its name.
pub fn phase(
    name: &Name,
    entry: &Entry<Impersonation>,
    observed: &Observations,
    directory: &Directory,
    now: Timestamp,
) -> Phase {
    if let Some((at, reason)) = ended::on_record(name, entry, directory).or(entry.meta.ended) {
        return Phase::Ended(at, reason);
    }
    let (was_open, severed) = opened::traces(name, &entry.meta.uid, observed, directory);
    let session = match &entry.spec {
        Ok(session) => session,
        Err(_) if was_open => return Phase::Ended(now, Reason::Withdrawn),
        Err(violations) => return Phase::Refused(violations.clone()),
    };
    let end = span::end(name, entry, Some(observed), directory, now);
    let answer = consent::answer(name, entry, directory, now);
    if let Some(over) = over(entry, session, (end, severed, answer), now) {
        return over;
    }
    let violations = rules(name, session, Some(entry.age()), directory, now);
    let tenant = directory.tenant(&name.namespace);
    let waits = !was_open && answer == Answer::None && tenant.is_some_and(|tenant| tenant.consent);
    let lapse = consent::lapse(entry.meta.created);
    match tenant {
        _ if waits && now >= lapse => Phase::Ended(lapse, Reason::Lapsed),
        _ if was_open && (tenant.is_none() || !violations.is_empty()) => Phase::Ended(now, Reason::Withdrawn),
        _ if was_open => Phase::Open,
        None => {
            let (reason, message) = super::role::tenant_missing(&name.namespace);
            Phase::Pending(reason, message)
        }
        Some(_) if !violations.is_empty() => Phase::Refused(violations),
        Some(tenant) => match limits(session, (entry.meta.created, end), tenant, now) {
            Some(violation) => Phase::Refused(vec![violation]),
            None if waits => Phase::Pending(
                Reason::AwaitingConsent,
                "The session waits until the tenant consents".to_owned(),
            ),
            None => Phase::Open,
        },
    }
}

/// What ends the session whatever it stands on: its end, stop, deletion, and what the tenant says.
fn over(
    entry: &Entry<Impersonation>,
    session: &Impersonation,
    (end, severed, answer): (Option<Timestamp>, bool, Answer),
    now: Timestamp,
) -> Option<Phase> {
    if session.stop {
        return Some(Phase::Ended(end.map_or(now, |end| now.min(end)), Reason::Stopped));
    }
    if let Some(end) = end.filter(|end| now >= *end) {
        return Some(Phase::Ended(end, Reason::Expired));
    }
    let reason = match answer {
        _ if entry.meta.deleting => Reason::Deleted,
        Answer::Denied(reason) => reason,
        _ if severed => Reason::Withdrawn,
        Answer::None | Answer::Granted(_) => return None,
    };
    Some(Phase::Ended(now, reason))
}

/// What should exist because of a session, and what to say of it.
pub fn decide(
    name: &Name,
    entry: &Entry<Impersonation>,
    observed: &Observations,
    directory: &Directory,
    now: Timestamp,
) -> Decision<ImpersonationStatus> {
    let phase = phase(name, entry, observed, directory, now);
    let session = entry.spec.as_ref().ok();
    let end = span::end(name, entry, Some(observed), directory, now);
    let mut status = ImpersonationStatus {
        expiration_time: end.map(Time),
        ..ImpersonationStatus::default()
    };
    let (mut children, mut records) = (
        vec![],
        ended::departed(name, Some(&entry.meta.uid), (observed, directory), now),
    );
    let (standing, active) = match phase {
        Phase::Open => {
            if let (Some(session), Some(tenant)) = (session, directory.tenant(&name.namespace)) {
                let start = span::start(name, entry, observed, directory, now);
                let end = end.unwrap_or_else(|| session.end(start));
                children = opened::open(name, entry, session, (start, end), directory);
                opened::describe(&mut status, (entry, start), session, tenant, directory);
            }
            let message = status.banner.clone().unwrap_or_default();
            (
                Standing::Ready(Reason::Open, message.clone()),
                (true, Reason::Open, message),
            )
        }
        Phase::Pending(reason, message) => (Standing::Pending(reason, message.clone()), (false, reason, message)),
        Phase::Refused(violations) => {
            let reason = violations
                .first()
                .map_or(Reason::InvalidSpec, |violation| violation.reason);
            (
                Standing::Refused(violations),
                (false, reason, "The session was not opened".to_owned()),
            )
        }
        Phase::Ended(at, reason) => {
            records.extend(ended::of_session(name, entry, (observed, directory), (at, reason)));
            status.end_time = Some(Time(whole_seconds(at)));
            status.end_reason = Some(reason.to_string());
            let message = ended::before(name, entry, directory).unwrap_or_else(|| ending(reason));
            (Standing::Ready(reason, message.clone()), (false, reason, message))
        }
    };
    Decision {
        children,
        records,
        standing,
        default_roles: None,
        further: Some(Further {
            type_: "Active",
            holds: active.0,
            reason: active.1,
            message: active.2,
        }),
        status,
        wake_at: grounds::next_change(name, entry, directory, now),
    }
}

/// What is said of a session that ended like that.
pub fn ending(reason: Reason) -> String {
    match reason {
        Reason::Stopped => "The session was stopped",
        Reason::Expired => "The session reached its end",
        Reason::Deleted => "The session was deleted",
        Reason::Rejected => "The tenant rejected the request",
        Reason::Revoked => "The tenant revoked the session",
        Reason::Lapsed => "The tenant did not answer the request in 24 hours",
        _ => {
            "The session lost its ground: the right, the tenant's state, or the mode; or its impersonator got an employee in the tenant, or had another session; or somebody took its RoleBinding"
        }
    }
    .to_owned()
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
