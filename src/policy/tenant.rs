//! Tenants: who is above whom, what state counts, and what exists because of a tenant (T1 to T6, T8). Who may enter it is
//! left to `entitlement`; what may change (T7) to admission policies.

use super::access;
use super::children::{Child, Parent, Rule};
use super::directory::{Directory, Entry};
use super::entitlement;
use super::name::{Key, Kind, Name};
use super::verdict::{self, Reason, Standing, Violation, Violations, voids};
use super::{Decision, Settings, default_roles, employee, forbidden};
use crate::api::{self, LifecycleState, Mode, TenantStatus, TenantType};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

mod report;

/// How many levels of tenants there may be (T2).
pub const MAX_LEVELS: usize = 8;
/// The application that every tenant has (T4).
pub const ADMIN: &str = "admin";
/// The longest that a session may last where the tenant does not say, in seconds (I8).
const DEFAULT_MAX_DURATION: i64 = 8 * 3600;

/// A tenant, strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// For people.
    pub display_name: String,
    /// Its place.
    pub type_: TenantType,
    /// The tenant above.
    pub parent: Option<Arc<str>>,
    /// As declared.
    pub state: LifecycleState,
    /// What it has, `admin` included.
    pub applications: BTreeSet<String>,
    /// Whether the out-of-the-box roles are made (R12).
    pub default_roles: bool,
    /// How many Active employees it is meant for.
    pub user_cap: Option<i64>,
    /// When its trial ends.
    pub trial_end: Option<Timestamp>,
    /// The modes of session that it allows (I4).
    pub modes: BTreeSet<Mode>,
    /// The longest that a session may last, in seconds.
    pub max_duration: i64,
    /// Whether sessions wait for consent (I11).
    pub consent: bool,
}

impl Tenant {
    /// Whether the tenant has `application` (T4).
    pub fn has(&self, application: &str) -> bool {
        self.applications.contains(application)
    }
}

/// Reads a tenant.
pub fn parse(name: &Name, spec: &api::TenantSpec, settings: &Settings) -> Result<Tenant, Violations> {
    verdict::strict(read(name, spec, settings))
}

/// Reads a tenant as far as it goes, with what is wrong with it.
pub(super) fn read(name: &Name, spec: &api::TenantSpec, settings: &Settings) -> (Tenant, Violations) {
    let mut violations = identity(name, settings);
    violations.extend(parentage(spec));
    let policy = spec.impersonation.as_ref();
    let max_duration = match policy.and_then(|p| p.max_duration.as_ref()).map(|d| (d, d.seconds())) {
        None => DEFAULT_MAX_DURATION,
        Some((_, Ok(seconds))) if (900..=86_400).contains(&seconds) => seconds,
        Some((text, _)) => {
            let message = format!("`{text}` is not a length from `15m` to `24h`: correct it");
            violations.push(Violation::whole(
                Reason::InvalidDuration,
                "spec.impersonation.maxDuration",
                message,
            ));
            DEFAULT_MAX_DURATION
        }
    };
    let on =
        |switch: fn(&api::ImpersonationPolicy) -> api::Switch| policy.is_none_or(|p| switch(p) == api::Switch::Enabled);
    let switches = [
        (Mode::Configure, on(|p| p.configure)),
        (Mode::Support, on(|p| p.support)),
    ];
    let tenant = Tenant {
        display_name: spec.display_name.clone(),
        type_: spec.type_,
        parent: spec.parent.as_deref().map(Into::into),
        state: spec.state,
        applications: spec
            .applications
            .iter()
            .map(String::as_str)
            .chain([ADMIN])
            .map(str::to_owned)
            .collect(),
        default_roles: spec.default_roles == api::DefaultRoles::Create,
        user_cap: spec.user_cap,
        trial_end: spec.trial.as_ref().map(|trial| trial.expires_at.0),
        modes: switches
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(mode, _)| mode)
            .collect(),
        max_duration,
        consent: policy.is_some_and(|p| p.approval == api::Approval::Required),
    };
    (tenant, violations)
}

/// T1: a tenant is named like its namespace, and some namespaces cannot be tenants.
fn identity(name: &Name, settings: &Settings) -> Violations {
    let mut violations = vec![];
    if name.name != name.namespace {
        let message = format!(
            "`{}` is not the name of its namespace: call the tenant `{}`, or put it into a namespace of its own name",
            name.name, name.namespace
        );
        violations.push(Violation::whole(Reason::InvalidTenantName, "metadata.name", message));
    }
    let namespace = &*name.namespace;
    let own = [&settings.operator_namespace, &settings.sessions_namespace]
        .into_iter()
        .any(|own| **own == *namespace);
    if own || namespace == "default" || namespace.starts_with("kube-") {
        let message = format!("namespace `{namespace}` cannot be a tenant: choose another one");
        violations.push(Violation::whole(
            Reason::InvalidTenantName,
            "metadata.namespace",
            message,
        ));
    }
    violations
}

fn parentage(spec: &api::TenantSpec) -> Option<Violation> {
    let message = match (spec.type_, &spec.parent) {
        (TenantType::Provider, Some(parent)) => format!("a Provider has no parent: remove `{parent}`"),
        (TenantType::Partner | TenantType::Customer, None) => {
            format!("a {:?} has a parent: name the tenant above it", spec.type_)
        }
        _ => return None,
    };
    Some(Violation::whole(Reason::InvalidParent, "spec.parent", message))
}

/// What a tenant contradicts (T2).
pub fn rules(name: &Name, tenant: &Tenant, directory: &Directory) -> Violations {
    let Some(parent) = &tenant.parent else { return vec![] };
    let mut violations = vec![];
    let parent_type = directory.tenant(parent).map(|parent| parent.type_);
    if tenant.type_ == TenantType::Partner && parent_type == Some(TenantType::Customer) {
        let message =
            format!("`{parent}` is a Customer, and a Partner's parent is a Provider or a Partner: name one of those");
        violations.push(Violation::whole(Reason::InvalidParent, "spec.parent", message));
    }
    let mut path = vec![name.name.clone()];
    let mut next = Some(parent.clone());
    while let Some(above) = next {
        let repeated = path.contains(&above);
        path.push(above.clone());
        if repeated {
            let message = format!(
                "the tenants above one another form a circle: {}; break it",
                arrows(&path)
            );
            violations.push(Violation::whole(Reason::ParentCycle, "spec.parent", message));
            break;
        }
        if path.len() > MAX_LEVELS {
            let message = format!(
                "there would be more than {MAX_LEVELS} levels of tenants: {}; name a tenant further up",
                arrows(&path)
            );
            violations.push(Violation::whole(Reason::HierarchyTooDeep, "spec.parent", message));
            break;
        }
        next = directory.tenant(&above).and_then(|tenant| tenant.parent.clone());
    }
    violations
}

fn arrows(path: &[Arc<str>]) -> String {
    path.iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(" → ")
}

/// T2: a tenant that others name as their parent takes them over by being created, for its people may then enter them. A
/// right in its own namespace is no leave for that, since whoever has a namespace anew may have any right there: asked are
/// writers who may not adopt wherever they like. Whose the children are is not told to them.
pub fn adoption(name: &Name, directory: &Directory) -> Violations {
    let children = directory.children(&name.name).count();
    if children == 0 {
        return vec![];
    }
    let waiting = if children == 1 {
        "one tenant names".to_owned()
    } else {
        format!("{children} tenants name")
    };
    let message = format!(
        "{waiting} `{}` as parent already, and creating it takes over what names it: that needs verb `adopt` on tenants in all namespaces, so ask the platform team to create it",
        name.name
    );
    vec![Violation::whole(Reason::MayNotAdopt, "metadata.name", message)]
}

/// T8: a tenant with children cannot be deleted. That it is not Active is an admission policy's to say.
pub fn deletion(name: &Name, directory: &Directory) -> Violations {
    let children: Vec<&str> = directory.children(&name.name).map(|child| &*child.name).collect();
    if children.is_empty() {
        return vec![];
    }
    let shown = access::some_of(&children);
    let message = format!("`{}` is the parent of {shown}: delete those first", name.name);
    vec![Violation::whole(Reason::TenantInUse, "metadata.name", message)]
}

/// The tenants above, nearest first; ends where one is missing, cannot be read, or the limit is reached.
pub fn ancestors<'a>(tenant: &'a Tenant, directory: &'a Directory) -> impl Iterator<Item = (&'a Arc<str>, &'a Tenant)> {
    let up = |tenant: &'a Tenant| {
        let name = tenant.parent.as_ref()?;
        Some((name, directory.tenant(name)?))
    };
    std::iter::successors(up(tenant), move |(_, tenant)| up(tenant)).take(MAX_LEVELS)
}

/// The state that counts: as declared, but that a trial's end makes a tenant Inactive (T5), and that a tenant which
/// cannot stand, or is being deleted, is none.
pub fn state(namespace: &str, directory: &Directory, now: Timestamp) -> Option<LifecycleState> {
    let name = Name::tenant(namespace);
    let entry = directory.tenant_entry(&name)?;
    let tenant = entry.spec.as_ref().ok()?;
    if entry.meta.deleting || voids(&rules(&name, tenant, directory)) {
        return None;
    }
    Some(if expired(tenant, now) {
        LifecycleState::Inactive
    } else {
        tenant.state
    })
}

/// Whether the tenant of `namespace` gives its employees access (T3).
pub fn is_active(namespace: &str, directory: &Directory, now: Timestamp) -> bool {
    state(namespace, directory, now) == Some(LifecycleState::Active)
}

/// Why the tenant of `namespace` gives nobody access, if so.
pub fn idle(namespace: &str, directory: &Directory, now: Timestamp) -> Option<(Reason, String)> {
    if is_active(namespace, directory, now) {
        return None;
    }
    let name = Name::tenant(namespace);
    let Some(entry) = directory.tenant_entry(&name) else {
        return Some(super::role::tenant_missing(namespace));
    };
    let violations = match &entry.spec {
        Ok(tenant) => rules(&name, tenant, directory),
        Err(violations) => violations.clone(),
    };
    let standing = || match &entry.spec {
        Ok(tenant) if !entry.meta.deleting => report::reason(tenant, now),
        _ => verdict::deleted("tenant"),
    };
    let violation = violations.first().filter(|_| voids(&violations));
    Some(violation.map_or_else(standing, |violation| (violation.reason, violation.to_string())))
}

/// The instant at which the tenant's state changes by itself.
pub fn wake_at(namespace: &str, directory: &Directory, now: Timestamp) -> Option<Timestamp> {
    directory.tenant(namespace)?.trial_end.filter(|end| *end > now)
}

fn expired(tenant: &Tenant, now: Timestamp) -> bool {
    tenant.trial_end.is_some_and(|end| now >= end)
}

/// What should exist because of a tenant, and what to say of it.
pub fn decide(name: &Name, entry: &Entry<Tenant>, directory: &Directory, now: Timestamp) -> Decision<TenantStatus> {
    let tenant = match &entry.spec {
        Ok(tenant) => tenant,
        Err(violations) => {
            let refused = Standing::Refused(violations.clone());
            return Decision::saying(refused.unless_deleted(entry.meta.deleting, "tenant"));
        }
    };
    let violations = rules(name, tenant, directory);
    let void = voids(&violations);
    let (children, wake_at) = if void || entry.meta.deleting {
        (vec![], None)
    } else {
        children(name, entry, directory, now)
    };
    let status = report::counts(name, directory, now);
    Decision {
        children,
        default_roles: (!void).then(|| default_roles::due(name, entry, directory)).flatten(),
        records: vec![],
        standing: Standing::of(
            violations,
            report::missing(tenant, directory),
            report::reason(tenant, now),
        )
        .unless_deleted(entry.meta.deleting, "tenant"),
        further: report::crowded(tenant, &status),
        status,
        wake_at: [
            tenant.trial_end.filter(|end| *end > now),
            employee::next_change(&name.namespace, directory, now),
        ]
        .into_iter()
        .fold(wake_at, super::earliest),
    }
}

/// The fixed roles of sessions, who may write Impersonations, and what everybody may do (I5, I2, P5).
fn children(
    name: &Name,
    entry: &Entry<Tenant>,
    directory: &Directory,
    now: Timestamp,
) -> (Vec<Child>, Option<Timestamp>) {
    let Ok(tenant) = &entry.spec else { return (vec![], None) };
    let parent = Parent {
        key: Key::new(Kind::Tenant, name.clone()),
        uid: &entry.meta.uid,
    };
    let (mut children, mut wake) = (vec![], None);
    for mode in [Mode::Configure, Mode::Support] {
        let fixed = access::rules(&access::of_sessions(tenant, mode, directory), directory);
        let fixed = fixed.into_iter().filter_map(forbidden::of_sessions).collect();
        children.extend(parent.granted(&entitlement::fixed_role(mode), fixed, &BTreeSet::new()));
        let (users, wake_at) = entitlement::users(tenant, mode, directory, now);
        wake = super::earliest(wake, wake_at);
        let name = format!("pimpernel:impersonators:{}", entitlement::mode_name(mode));
        children.extend(parent.granted(&name, impersonator_rules(), &users));
    }
    if is_active(&name.namespace, directory, now) {
        let rules = access::rules(&access::unrestricted(tenant, directory), directory);
        let users = employee::in_effect(&name.namespace, directory, now);
        children.extend(parent.granted("pimpernel:unrestricted", rules, &users));
    }
    (children, wake)
}

fn impersonator_rules() -> Vec<Rule> {
    vec![
        Rule::new(
            api::GROUP,
            "impersonations",
            &["create", "get", "list", "patch", "update", "watch"],
        ),
        Rule::new(api::GROUP, "tenants", &["get", "list", "watch"]),
    ]
}
