//! What a tenant says to a session: which consent counts, and what all of them come to (I11). That a consent is in the name
//! of its writer, does not change and is not deleted is the API server's to hold.
//!
//! A yes counts only if whoever gave it may give it when the session opens; a no counts whoever said it, for nobody gains
//! by it. The first yes or no decides; `Revoked` always ends.

use super::children::Rule;
use super::directory::{Directory, Entry, came_first};
use super::impersonation::{self, Impersonation};
use super::name::{Folded, Name};
use super::verdict::{Reason, Standing, Violation, Violations};
use super::{Decision, earliest, employee, tenant};
use crate::api::{self, ConsentDecision, ImpersonationConsentStatus};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// How long a request waits for an answer, in seconds.
const PATIENCE: i64 = 24 * 3600;

/// A consent, strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// The Impersonation, by name.
    pub session: Arc<str>,
    /// The same, by UID.
    pub uid: Arc<str>,
    /// What is said to it.
    pub decision: ConsentDecision,
    /// Who says so, verbatim.
    pub by: Arc<str>,
}

/// What all that a tenant has said to a session comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that counts.
    None,
    /// The session may begin, and its time counts from that instant.
    Granted(Timestamp),
    /// It may not, or no more.
    Denied(Reason),
}

/// Reads a consent.
pub fn parse(spec: &api::ImpersonationConsentSpec) -> Result<Consent, Violations> {
    let empty = [
        ("spec.impersonation", &spec.impersonation),
        ("spec.impersonationUID", &spec.impersonation_uid),
        ("spec.by", &spec.by),
    ];
    let empty = empty.into_iter().filter(|(_, text)| text.is_empty());
    let violations: Violations = empty
        .map(|(field, _)| Violation::whole(Reason::InvalidSpec, field, "is empty: give it a value"))
        .collect();
    super::verdict::strict((
        Consent {
            session: spec.impersonation.as_str().into(),
            uid: spec.impersonation_uid.as_str().into(),
            decision: spec.decision,
            by: spec.by.as_str().into(),
        },
        violations,
    ))
}

/// What the tenant has said to the session of `entry`. Once it is open, who said yes may have lost the right to.
pub fn answer(name: &Name, entry: &Entry<Impersonation>, directory: &Directory, now: Timestamp) -> Answer {
    let revoked = to(name, &entry.meta.uid, directory).any(|(_, _, said)| said.decision == ConsentDecision::Revoked);
    if revoked {
        return Answer::Denied(Reason::Revoked);
    }
    match first(name, entry, None, directory, now) {
        Some((_, given, said)) if said.decision == ConsentDecision::Granted => Answer::Granted(given.meta.created),
        Some(_) => Answer::Denied(Reason::Rejected),
        None => Answer::None,
    }
}

/// The latest instant at which a yes was said to the session, whether it counts or not.
pub fn latest_yes(name: &Name, uid: &str, directory: &Directory) -> Option<Timestamp> {
    let said = to(name, uid, directory).filter(|(_, _, said)| said.decision == ConsentDecision::Granted);
    said.map(|(_, given, _)| given.meta.created).max()
}

/// When a request that was made at `created` lapses if nobody answers.
pub fn lapse(created: Timestamp) -> Timestamp {
    created
        .saturating_add(SignedDuration::from_secs(PATIENCE))
        .unwrap_or(created)
}

/// The next instant at which what the tenant has said to the session comes to something else by itself.
pub fn next_change(
    name: &Name,
    entry: &Entry<Impersonation>,
    directory: &Directory,
    now: Timestamp,
) -> Option<Timestamp> {
    let lapse = Some(lapse(entry.meta.created)).filter(|lapse| *lapse > now);
    to(name, &entry.meta.uid, directory)
        .map(|(_, _, said)| authors_turn(&name.namespace, &said.by, directory, now))
        .fold(lapse, earliest)
}

type Given<'a> = (&'a Name, &'a Entry<Consent>, &'a Consent);

/// All that was said to the session of that name and UID.
fn to<'a>(name: &Name, uid: &str, directory: &'a Directory) -> impl Iterator<Item = Given<'a>> {
    let name = name.clone();
    directory.consents_to(uid).filter_map(move |(consent, entry)| {
        let said = entry.spec.as_ref().ok()?;
        (consent.namespace == name.namespace && said.session == name.name).then_some((consent, &**entry, said))
    })
}

/// The first yes or no that counts, of those that came before `own`.
fn first<'a>(
    name: &Name,
    entry: &Entry<Impersonation>,
    own: Option<(Timestamp, &str)>,
    directory: &'a Directory,
    now: Timestamp,
) -> Option<Given<'a>> {
    let opened = directory.account(&entry.meta.uid).is_some();
    let counts = |given: &Entry<Consent>, said: &Consent| match said.decision {
        ConsentDecision::Revoked => false,
        ConsentDecision::Rejected => true,
        ConsentDecision::Granted => {
            opened
                || given.meta.created < lapse(entry.meta.created) && author(name, said, entry, directory, now).is_none()
        }
    };
    to(name, &entry.meta.uid, directory)
        .filter(|(_, given, said)| came_first(given, own) && counts(given, said))
        .min_by_key(|(_, given, _)| given.age())
}

/// What a consent contradicts. Without an age it is made at `now`, and every other came first.
pub fn rules(
    name: &Name,
    consent: &Consent,
    own: Option<(Timestamp, &str)>,
    directory: &Directory,
    now: Timestamp,
) -> Violations {
    let session = Name::new(name.namespace.clone(), consent.session.clone());
    let Some(entry) = session_of(&session, &consent.uid, directory) else {
        let message = format!(
            "there is no Impersonation `{}` with UID `{}` in `{}`: take name and UID from the one that is meant",
            consent.session, consent.uid, name.namespace
        );
        return vec![Violation::whole(
            Reason::NothingToDecide,
            "spec.impersonationUID",
            message,
        )];
    };
    if consent.decision == ConsentDecision::Revoked {
        return vec![];
    }
    let field = "spec.impersonation";
    let made = own.map_or(now, |(created, _)| created);
    let lapsed = made >= lapse(entry.meta.created);
    let ended = impersonation::ended_at(&session, entry, directory).is_some_and(|at| at < made);
    let ending = entry.meta.deleting
        || entry
            .spec
            .as_ref()
            .is_ok_and(|session| session.stop || session.is_past(made));
    if ended || own.is_none() && ending {
        let message = format!("`{}` is over: there is nothing to decide", consent.session);
        return vec![Violation::whole(Reason::NothingToDecide, field, message)];
    }
    if let Some((other, _, said)) = first(&session, entry, own, directory, now) {
        let message = format!(
            "consent `{}` has `{:?}` it already, and the first decision stands: to end the session, say `Revoked`",
            other.name, said.decision
        );
        return vec![Violation::whole(Reason::NothingToDecide, "spec.decision", message)];
    }
    if lapsed {
        let message = format!(
            "`{}` has waited for 24 hours and is over: ask for another Impersonation",
            consent.session
        );
        return vec![Violation::whole(Reason::NothingToDecide, field, message)];
    }
    // What has opened a session was right then, and stays as it was.
    let opened = own.is_some() && directory.account(&entry.meta.uid).is_some();
    if consent.decision != ConsentDecision::Granted || opened {
        return vec![];
    }
    author(&session, consent, entry, directory, now).into_iter().collect()
}

/// Why whoever says it may not: it takes an Active employee of the tenant with the right, who is not the impersonator. A
/// session is nobody's employee.
pub fn author(
    session: &Name,
    consent: &Consent,
    entry: &Entry<Impersonation>,
    directory: &Directory,
    now: Timestamp,
) -> Option<Violation> {
    let (by, tenant) = (&consent.by, &session.namespace);
    let folded = Folded::new(by);
    let own = entry.spec.as_ref().is_ok_and(|session| session.folded == folded);
    let message = if own {
        format!("`{by}` is the impersonator, and nobody answers to their own request: an employee of `{tenant}` does")
    } else if may_answer(tenant, by, directory, now) {
        return None;
    } else {
        format!(
            "`{by}` has no right to answer for `{tenant}`: an Active employee of it with permission `role-impersonation: Respond` of application `admin` has"
        )
    };
    Some(Violation::whole(Reason::NotAnApprover, "spec.by", message))
}

/// Why the writer of a consent to a session that is there may not say what it says.
pub fn writer(name: &Name, consent: &Consent, directory: &Directory, now: Timestamp) -> Option<Violation> {
    let session = Name::new(name.namespace.clone(), consent.session.clone());
    let entry = session_of(&session, &consent.uid, directory)?;
    author(&session, consent, entry, directory, now)
}

/// That nothing waits for what the consent says.
pub fn needless(name: &Name, consent: &Consent, directory: &Directory) -> Option<String> {
    let session = Name::new(name.namespace.clone(), consent.session.clone());
    let entry = session_of(&session, &consent.uid, directory)?;
    match consent.decision {
        ConsentDecision::Granted if !directory.tenant(&name.namespace)?.consent => {
            Some("the tenant demands no consent: the session does not wait for one".to_owned())
        }
        ConsentDecision::Revoked => impersonation::ended_at(&session, entry, directory)
            .map(|at| format!("the session is over already, since `{at}`")),
        _ => None,
    }
}

/// Whether what `by` may do in `tenant` includes creating consents.
fn may_answer(tenant: &Arc<str>, by: &Arc<str>, directory: &Directory, now: Timestamp) -> bool {
    let answers = |rule: &Rule| {
        rule.group == api::GROUP
            && rule.resource == "impersonationconsents"
            && rule.names.is_empty()
            && rule.verbs.contains("create")
    };
    directory
        .employees_named(&Folded::new(by))
        .filter(|(name, entry)| name.namespace == *tenant && entry.spec.as_ref().is_ok_and(|e| e.username == *by))
        .flat_map(|(name, entry)| employee::net(name, entry, directory, now).1)
        .filter_map(|action| directory.action(&action))
        .any(|action| action.rules.iter().any(answers))
}

/// The next instant at which it changes by itself what `by` may do in `tenant`.
fn authors_turn(tenant: &Arc<str>, by: &str, directory: &Directory, now: Timestamp) -> Option<Timestamp> {
    directory
        .employees_named(&Folded::new(by))
        .filter(|(name, _)| name.namespace == *tenant)
        .map(|(_, entry)| entry.spec.as_ref().ok()?.next_change(now))
        .fold(tenant::wake_at(tenant, directory, now), earliest)
}

fn session_of<'a>(name: &Name, uid: &str, directory: &'a Directory) -> Option<&'a Entry<Impersonation>> {
    let entry = directory.session(name)?;
    (*entry.meta.uid == *uid).then_some(&**entry)
}

/// What to say of a consent. What follows from it follows from the session.
pub fn decide(
    name: &Name,
    entry: &Entry<Consent>,
    directory: &Directory,
    now: Timestamp,
) -> Decision<ImpersonationConsentStatus> {
    let (standing, wake_at) = match &entry.spec {
        Ok(consent) => standing(name, consent, entry, directory, now),
        Err(violations) => (Standing::Refused(violations.clone()), None),
    };
    Decision {
        wake_at,
        ..Decision::saying(standing)
    }
}

fn standing(
    name: &Name,
    consent: &Consent,
    entry: &Entry<Consent>,
    directory: &Directory,
    now: Timestamp,
) -> (Standing, Option<Timestamp>) {
    let session = Name::new(name.namespace.clone(), consent.session.clone());
    let over = |message: String| (Standing::Ready(Reason::SessionOver, message), None);
    let Some(asked) = session_of(&session, &consent.uid, directory) else {
        return over(format!(
            "There is no Impersonation `{}` of that UID, or no more: nothing is decided",
            consent.session
        ));
    };
    match impersonation::ended_at(&session, asked, directory) {
        Some(at) if entry.meta.created <= at || consent.decision == ConsentDecision::Revoked => {
            return over(format!("The session `{}` is over", consent.session));
        }
        _ => {}
    }
    let violations = rules(name, consent, Some(entry.age()), directory, now);
    let ready = match consent.decision {
        ConsentDecision::Granted => "The session may begin",
        ConsentDecision::Rejected => "The session does not begin",
        ConsentDecision::Revoked => "The session ends",
    };
    let standing = Standing::of(violations, vec![], (Reason::InEffect, ready.to_owned()));
    (standing, next_change(&session, asked, directory, now))
}
