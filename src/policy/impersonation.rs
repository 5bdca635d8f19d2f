//! Sessions: whether one may be opened, until when, and what ends it (I1 to I10). Making and taking away the credential is
//! left to the controllers.

use super::Decision;
use super::children::{Body, ChildKind, Parent, Rule, SESSION_END, SESSION_UID, Subject};
use super::directory::{Directory, Entry};
use super::entitlement;
use super::name::{Folded, Key, Kind, Name};
use super::tenant::{self, Tenant};
use super::verdict::{Reason, Standing, Violation, Violations};
use crate::api::{self, ImpersonationStatus, LifecycleState, Mode};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// How its end is given.
    pub length: Length,
    /// Whether it was stopped.
    pub stop: bool,
}

/// How a session's end is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// In seconds from its creation.
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
    /// The absolute end of the session that was created at `created`, from nothing that ever changes (I8).
    pub fn end(&self, created: Timestamp) -> Timestamp {
        match self.length {
            Length::Seconds(seconds) => created
                .saturating_add(SignedDuration::from_secs(seconds))
                .unwrap_or(created),
            Length::NotAfter(end) => end,
        }
    }
}

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
    let may = |mode| {
        entitlement::users(tenant, mode, directory, now)
            .0
            .contains(&session.impersonator)
    };
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
    let above = tenant.parent.as_deref().unwrap_or("no tenant");
    let message = format!(
        "`{}` has no right to enter `{}` for `{:?}`{hint}: an Active employee of `{above}`, or of a Provider above it, with permission `impersonation: {:?}` of application `tenant-management` has",
        session.impersonator, name.namespace, session.mode, session.mode,
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
    let rank = |age: (Timestamp, &str)| (directory.account(age.1).is_none(), age.0, age.1.to_owned());
    let own = own.map(rank);
    let live = |other: &Name, entry: &Entry<Impersonation>| {
        let Ok(session) = &entry.spec else { return false };
        let over = entry.meta.ended.is_some() || session.stop || now >= session.end(entry.meta.created);
        !over && (directory.account(&entry.meta.uid).is_some() || grounds(other, session, directory, now).is_empty())
    };
    directory
        .sessions_of(&session.folded)
        .filter(|(other, entry)| *other != name && own.as_ref().is_none_or(|own| rank(entry.age()) < *own))
        .find(|(other, entry)| live(other, entry))
        .map(|(other, _)| other)
}

/// What keeps a session from being opened at `now`, though it would not end one that is open (I8, I10).
pub fn limits(session: &Impersonation, created: Timestamp, tenant: &Tenant, now: Timestamp) -> Option<Violation> {
    let field = if matches!(session.length, Length::NotAfter(_)) {
        "spec.notAfter"
    } else {
        "spec.duration"
    };
    let end = session.end(created);
    let (whole, left) = (end.duration_since(created).as_secs(), end.duration_since(now).as_secs());
    if left <= 0 {
        return None;
    }
    if whole > tenant.max_duration {
        let message = format!(
            "is {} minutes, and the tenant allows {}: choose a shorter time",
            whole / 60,
            tenant.max_duration / 60
        );
        return Some(Violation::whole(Reason::InvalidDuration, field, message));
    }
    if whole < MIN_DURATION {
        let message = "leaves less than 15 minutes: choose a later end";
        return Some(Violation::whole(Reason::InvalidDuration, field, message));
    }
    if left < MIN_TOKEN + TOKEN_GRACE {
        let message = "leaves too little time for a credential that ends by itself: create another Impersonation";
        return Some(Violation::whole(Reason::TooLate, field, message));
    }
    None
}

/// Where the session stands at `now`.
pub fn phase(name: &Name, entry: &Entry<Impersonation>, directory: &Directory, now: Timestamp) -> Phase {
    if let Some((at, reason)) = entry.meta.ended {
        return Phase::Ended(at, reason);
    }
    let was_open = directory.account(&entry.meta.uid).is_some();
    let session = match &entry.spec {
        Ok(session) => session,
        Err(_) if was_open => return Phase::Ended(now, Reason::Withdrawn),
        Err(violations) => return Phase::Refused(violations.clone()),
    };
    let end = session.end(entry.meta.created);
    if session.stop {
        return Phase::Ended(now.min(end), Reason::Stopped);
    }
    if now >= end {
        return Phase::Ended(end, Reason::Expired);
    }
    let violations = rules(name, session, Some(entry.age()), directory, now);
    let tenant = directory.tenant(&name.namespace);
    match tenant {
        _ if was_open && (entry.meta.deleting || tenant.is_none() || !violations.is_empty()) => {
            Phase::Ended(now, Reason::Withdrawn)
        }
        _ if was_open => Phase::Open,
        None => {
            let (reason, message) = super::role::tenant_missing(&name.namespace);
            Phase::Pending(reason, message)
        }
        Some(_) if !violations.is_empty() => Phase::Refused(violations),
        Some(tenant) => match limits(session, entry.meta.created, tenant, now) {
            Some(violation) => Phase::Refused(vec![violation]),
            None if tenant.consent => Phase::Pending(
                Reason::AwaitingConsent,
                "The session waits until the tenant consents".to_owned(),
            ),
            None => Phase::Open,
        },
    }
}

/// I6, word for word.
pub fn banner(tenant: &Tenant) -> String {
    format!(
        "You are currently impersonating Impersonated Admin on tenant [{}]",
        tenant.display_name
    )
}

/// The ServiceAccount of the session with that UID (I5); also the name of its Secret and of the right to read that.
pub fn account_name(uid: &str) -> String {
    format!("impersonated-admin-{uid}")
}

/// What should exist because of a session, and what to say of it.
pub fn decide(
    name: &Name,
    entry: &Entry<Impersonation>,
    directory: &Directory,
    now: Timestamp,
) -> Decision<ImpersonationStatus> {
    let phase = phase(name, entry, directory, now);
    let session = entry.spec.as_ref().ok();
    let end = session.map(|session| session.end(entry.meta.created));
    let mut status = ImpersonationStatus {
        expiration_time: end.map(Time),
        ..ImpersonationStatus::default()
    };
    let mut children = vec![];
    let (standing, active) = match phase {
        Phase::Open => {
            if let (Some(session), Some(tenant)) = (session, directory.tenant(&name.namespace)) {
                children = open(name, entry, session, directory);
                describe(&mut status, entry, session, tenant, directory);
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
            status.end_time = Some(Time(whole_seconds(at)));
            status.end_reason = Some(reason.to_string());
            let message = ending(reason);
            (Standing::Ready(reason, message.clone()), (false, reason, message))
        }
    };
    let wake_at = end.filter(|end| *end > now && entry.meta.ended.is_none());
    let wake_at = if wake_at.is_some() {
        super::earliest(wake_at, ground_change(name, session, directory, now))
    } else {
        None
    };
    Decision {
        children,
        standing,
        active: Some(active),
        status,
        wake_at,
    }
}

/// The instant at which the grounds of a session change by themselves.
fn ground_change(
    name: &Name,
    session: Option<&Impersonation>,
    directory: &Directory,
    now: Timestamp,
) -> Option<Timestamp> {
    let tenant = directory.tenant(&name.namespace)?;
    let (_, entitled) = entitlement::users(tenant, session?.mode, directory, now);
    super::earliest(entitled, tenant::wake_at(&name.namespace, directory, now))
}

fn ending(reason: Reason) -> String {
    match reason {
        Reason::Stopped => "The session was stopped",
        Reason::Expired => "The session reached its end",
        _ => "The session lost its ground: the right, the tenant's state, or the mode",
    }
    .to_owned()
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn describe(
    status: &mut ImpersonationStatus,
    entry: &Entry<Impersonation>,
    session: &Impersonation,
    tenant: &Tenant,
    directory: &Directory,
) {
    status.start_time = Some(Time(entry.meta.created));
    status.banner = Some(banner(tenant));
    status.credential = Some(api::Credential {
        namespace: directory.settings().sessions_namespace.to_string(),
        secret_name: account_name(&entry.meta.uid),
    });
    let candidates: &[&str] = match session.mode {
        Mode::Configure => &["acd", tenant::ADMIN],
        Mode::Support => &[tenant::ADMIN],
    };
    status.landing_page = candidates
        .iter()
        .filter(|application| tenant.has(application))
        .find_map(|application| {
            let page = directory.catalog(application)?.landing.get(&session.mode)?;
            Some(api::Landing {
                application: (*application).to_owned(),
                page: page.page.clone(),
                url: page.path.clone(),
            })
        });
}

/// The account, its credential, who may read that, and what the session may do (I5).
fn open(
    name: &Name,
    entry: &Entry<Impersonation>,
    session: &Impersonation,
    directory: &Directory,
) -> Vec<super::children::Child> {
    let uid = &entry.meta.uid;
    let sessions = &directory.settings().sessions_namespace;
    let account = account_name(uid);
    let private = Name::new(sessions.clone(), account.clone());
    let bound = Name::new(name.namespace.clone(), format!("pimpernel:session:{uid}"));
    let own = Name::new(name.namespace.clone(), format!("pimpernel:session:{uid}:self"));
    let parent = Parent {
        key: Key::new(Kind::Impersonation, name.clone()),
        uid,
    };
    let itself = [Subject::ServiceAccount(private.clone())];
    let binding = |role: String, subjects: &[Subject]| Body::RoleBinding {
        role,
        subjects: subjects.iter().cloned().collect(),
    };
    let mut children = vec![
        parent.child(ChildKind::ServiceAccount, private.clone(), Body::ServiceAccount),
        parent.child(
            ChildKind::Role,
            private.clone(),
            Body::Role(vec![Rule::new("", "secrets", &["get"]).only(&account)]),
        ),
        parent.child(
            ChildKind::Role,
            own.clone(),
            Body::Role(vec![
                Rule::new(api::GROUP, "impersonations", &["get", "patch", "update"]).only(&name.name),
                Rule::new(api::GROUP, "tenants", &["get"]).only(&name.namespace),
            ]),
        ),
        parent.child(
            ChildKind::RoleBinding,
            bound,
            binding(entitlement::fixed_role(session.mode), &itself),
        ),
        parent.child(
            ChildKind::RoleBinding,
            own.clone(),
            binding(own.name.to_string(), &itself),
        ),
        parent.child(
            ChildKind::RoleBinding,
            private.clone(),
            binding(account.clone(), &[Subject::User(session.impersonator.clone())]),
        ),
        parent.child(ChildKind::Secret, private, Body::Secret { account }),
    ];
    let end = session.end(entry.meta.created);
    let annotations = BTreeMap::from([
        (SESSION_END.to_owned(), end.to_string()),
        (SESSION_UID.to_owned(), uid.to_string()),
    ]);
    children
        .iter_mut()
        .for_each(|child| child.annotations.clone_from(&annotations));
    children
}
