//! What a session stands on: the mode, the tenant's state, the impersonator's right, the other sessions of the same
//! person (I1 to I4), and the limits of its length (I8, I10).

use super::{Impersonation, Length, MIN_DURATION, MIN_TOKEN, TOKEN_GRACE, span};
use crate::api::{LifecycleState, Mode};
use crate::policy::consent::{self, Answer};
use crate::policy::directory::{Directory, Entry};
use crate::policy::name::Name;
use crate::policy::tenant::{self, Tenant};
use crate::policy::verdict::{Reason, Violation, Violations};
use crate::policy::{earliest, entitlement};
use jiff::{SignedDuration, Timestamp};

/// What keeps a session from being open at `now`, whenever it was opened (I1 to I4). `own` is the session's own age, if
/// it exists already.
pub fn rules(
    name: &Name,
    session: &Impersonation,
    own: Option<(Timestamp, &str)>,
    directory: &Directory,
    now: Timestamp,
) -> Violations {
    let mut violations = grounds(name, session, directory, now);
    if let Some(other) = rival(name, session, own, directory, now) {
        let message = format!(
            "`{}` has an open session already, `{other}`: stop that one first",
            session.impersonator
        );
        violations.push(Violation::whole(
            Reason::SessionAlreadyOpen,
            "spec.impersonator",
            message,
        ));
    }
    violations
}

/// All of [`rules`] but for other sessions of the same person.
fn grounds(name: &Name, session: &Impersonation, directory: &Directory, now: Timestamp) -> Violations {
    let namespace = &name.namespace;
    let Some(tenant) = directory.tenant(namespace) else {
        return vec![];
    };
    let mut violations = vec![];
    let mode = session.mode;
    if !directory.settings().impersonation {
        let message = "impersonation is switched off in this cluster: ask the platform team";
        violations.push(Violation::whole(Reason::ModeDisabled, "spec.mode", message));
    } else if !tenant.modes.contains(&mode) {
        let message = format!("tenant `{namespace}` has switched `{mode:?}` off: ask its administrators");
        violations.push(Violation::whole(Reason::ModeDisabled, "spec.mode", message));
    }
    let state = tenant::state(namespace, directory, now);
    let allowed = match mode {
        Mode::Configure => matches!(state, Some(LifecycleState::Draft | LifecycleState::Active)),
        Mode::Support => state == Some(LifecycleState::Active),
    };
    if !allowed {
        let state = state.map_or("not in effect".to_owned(), |state| format!("`{state:?}`"));
        let message =
            format!("tenant `{namespace}` is {state}: Configure needs a Draft or Active tenant, Support an Active one");
        violations.push(Violation::whole(Reason::TenantStateForbidsMode, "spec.mode", message));
    }
    if directory
        .employees_named(&session.folded)
        .any(|(employee, _)| employee.namespace == *namespace)
    {
        let message = format!(
            "`{}` is an employee of `{namespace}`, and nobody enters their own tenant: work there directly",
            session.impersonator
        );
        violations.push(Violation::whole(Reason::OwnTenant, "spec.impersonator", message));
    }
    violations.extend(entitled(name, session, tenant, directory, now));
    violations
}

/// I2.
fn entitled(
    name: &Name,
    session: &Impersonation,
    tenant: &Tenant,
    directory: &Directory,
    now: Timestamp,
) -> Option<Violation> {
    let person = (&*session.impersonator, &session.folded);
    let may = |mode| entitlement::admits(person, (tenant, mode), directory, now).0;
    if may(session.mode) {
        return None;
    }
    let other = if session.mode == Mode::Support {
        Mode::Configure
    } else {
        Mode::Support
    };
    let hint = if may(other) {
        format!(" (only for `{other:?}`)")
    } else {
        String::new()
    };
    let who = match &tenant.parent {
        Some(above) => format!(
            "an Active employee of `{above}`, or of a Provider above it, with permission `impersonation: {:?}` of application `tenant-management` has",
            session.mode
        ),
        None => "no tenant is above it, so that nobody has".to_owned(),
    };
    let message = format!(
        "`{}` has no right to enter `{}` for `{:?}`{hint}: {who}",
        session.impersonator, name.namespace, session.mode,
    );
    Some(Violation::whole(Reason::NotEntitled, "spec.impersonator", message))
}

/// I3: the session of the same person that comes first. One that is open already comes before one that is not.
fn rival<'a>(
    name: &Name,
    session: &Impersonation,
    own: Option<(Timestamp, &str)>,
    directory: &'a Directory,
    now: Timestamp,
) -> Option<&'a Name> {
    let rank = |(created, uid): (Timestamp, &str)| (directory.account(uid).is_none(), created, uid.to_owned());
    let own = own.map(rank);
    directory
        .sessions_of(&session.folded)
        .filter(|(other, entry)| *other != name && own.as_ref().is_none_or(|own| rank(entry.age()) < *own))
        .filter(|(other, entry)| live(other, entry, directory, now))
        .min_by_key(|(_, entry)| rank(entry.age()))
        .map(|(other, _)| other)
}

/// Whether the session is open, or nothing but a session of the same person keeps it from being opened.
fn live(name: &Name, entry: &Entry<Impersonation>, directory: &Directory, now: Timestamp) -> bool {
    let Ok(session) = &entry.spec else { return false };
    let end = span::end(name, entry, None, directory, now);
    let over = session.stop || end.is_some_and(|end| now >= end);
    let answer = consent::answer(name, entry, directory, now);
    if over || matches!(answer, Answer::Denied(_)) || entry.meta.ended.is_some() || entry.meta.deleting {
        return false;
    }
    let openable = |tenant: &Tenant| {
        (!tenant.consent || answer != Answer::None)
            && limits(session, (entry.meta.created, end), tenant, now).is_none()
            && grounds(name, session, directory, now).is_empty()
    };
    directory.account(&entry.meta.uid).is_some() || directory.tenant(&name.namespace).is_some_and(openable)
}

/// What keeps a session from being opened at `now`, though it would not end one that is open (I8, I10).
/// The end is not known while the session waits for consent.
pub fn limits(
    session: &Impersonation,
    (created, end): (Timestamp, Option<Timestamp>),
    tenant: &Tenant,
    now: Timestamp,
) -> Option<Violation> {
    let field = if matches!(session.length, Length::NotAfter(_)) {
        "spec.notAfter"
    } else {
        "spec.duration"
    };
    if end.is_some_and(|end| now >= end) {
        return None;
    }
    let whole = session.end(created).duration_since(created).as_secs();
    if whole > tenant.max_duration {
        let allowed = spelled(tenant.max_duration);
        // How far away an instant is would be another figure at each look, and the condition another than the refusal.
        let message = match session.length {
            Length::NotAfter(end) => {
                format!("`{end}` is further away than the `{allowed}` that the tenant allows: choose an earlier time")
            }
            Length::Seconds(length) => format!(
                "is `{}`, and the tenant allows `{allowed}`: choose a shorter time",
                spelled(length)
            ),
        };
        return Some(Violation::whole(Reason::InvalidDuration, field, message));
    }
    if whole < MIN_DURATION {
        let message = "leaves less than 15 minutes: choose a later end";
        return Some(Violation::whole(Reason::InvalidDuration, field, message));
    }
    if end.is_some_and(|end| now >= too_late(end)) {
        let message = "leaves too little time for a credential that ends by itself: create another Impersonation";
        return Some(Violation::whole(Reason::TooLate, field, message));
    }
    None
}

/// The instant from which on no credential is to be had that ends before `end`.
fn too_late(end: Timestamp) -> Timestamp {
    end.checked_sub(SignedDuration::from_secs(MIN_TOKEN + TOKEN_GRACE))
        .unwrap_or(Timestamp::MIN)
}

/// A length of time in the notation of the API.
fn spelled(seconds: i64) -> String {
    let part = |amount: i64, unit: char| match amount {
        0 => String::new(),
        amount => format!("{amount}{unit}"),
    };
    part(seconds / 3600, 'h') + &part(seconds / 60 % 60, 'm') + &part(seconds % 60, 's')
}

/// The next instant at which it changes by itself whether the session is open: its own end, what it stands on, and the
/// same of other sessions of the person, for which it may be waiting.
pub(super) fn next_change(
    name: &Name,
    entry: &Entry<Impersonation>,
    directory: &Directory,
    now: Timestamp,
) -> Option<Timestamp> {
    let session = entry.spec.as_ref().ok()?;
    let end = span::end(name, entry, None, directory, now);
    if entry.meta.ended.is_some() || session.stop || end.is_some_and(|end| now >= end) {
        return None;
    }
    directory
        .sessions_of(&session.folded)
        .filter(|(other, entry)| *other != name && entry.meta.ended.is_none())
        .map(|(other, entry)| turn(other, entry, directory, now))
        .fold(turn(name, entry, directory, now), earliest)
}

fn turn(name: &Name, entry: &Entry<Impersonation>, directory: &Directory, now: Timestamp) -> Option<Timestamp> {
    let end = span::end(name, entry, None, directory, now);
    let opened = directory.account(&entry.meta.uid).is_some();
    let opening = end.filter(|_| !opened).map(too_late);
    let instants = [end, opening].into_iter().flatten();
    let own = instants.filter(|instant| *instant > now).min();
    let tenant = directory.tenant(&name.namespace);
    // Of the other mode too: who is refused one is told whether she has the other.
    let session = entry.spec.as_ref().ok();
    let person = session.map(|session| (&*session.impersonator, &session.folded));
    let entitled = [Mode::Configure, Mode::Support]
        .into_iter()
        .filter_map(|mode| entitlement::admits(person?, (tenant?, mode), directory, now).1)
        .min();
    let consent = (!opened && tenant.is_some_and(|tenant| tenant.consent))
        .then(|| consent::next_change(name, entry, directory, now))
        .flatten();
    earliest(
        earliest(earliest(own, consent), entitled),
        tenant::wake_at(&name.namespace, directory, now),
    )
}
