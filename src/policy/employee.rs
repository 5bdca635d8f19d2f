//! Employees: which roles they hold, when they count, and what they may do (E1 to E10). Who may change one (E6) is a rule
//! about the writer and left to admission.

use super::access;
use super::catalog::Actions;
use super::directory::{Directory, Entry, came_first};
use super::name::{Folded, Name};
use super::role;
use super::tenant;
use super::verdict::{self, Reason, Standing, Violation, Violations};
use super::{Decision, earliest};
use crate::api::{self, EmployeeState, EmployeeStatus, LifecycleState};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many roles an employee holds besides the primary one, at most (E2).
pub const MAX_SECONDARY: usize = 10;

/// An employee, strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct Employee {
    /// The Kubernetes user name, verbatim.
    pub username: Arc<str>,
    /// The same, for comparing.
    pub folded: Folded,
    /// As declared.
    pub state: EmployeeState,
    /// The primary role.
    pub primary: Arc<str>,
    /// The secondary roles, and until when each counts.
    pub secondary: Vec<(Arc<str>, Option<Timestamp>)>,
    /// When the employee begins to count.
    pub valid_from: Option<Timestamp>,
    /// When the employee stops counting.
    pub valid_until: Option<Timestamp>,
}

impl Employee {
    /// Every role that is named, the primary one first.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.primary).chain(self.secondary.iter().map(|(role, _)| role))
    }

    /// Every role with its field and until when it counts.
    pub fn roles_with_fields(&self) -> impl Iterator<Item = (String, &Arc<str>, Option<Timestamp>)> {
        let secondary = self.secondary.iter().enumerate();
        let secondary =
            secondary.map(|(index, (role, until))| (format!("spec.secondaryRoles[{index}].name"), role, *until));
        std::iter::once(("spec.primaryRole".to_owned(), &self.primary, None)).chain(secondary)
    }

    /// The roles that count at `now`, each with its field.
    pub(super) fn roles_at(&self, now: Timestamp) -> impl Iterator<Item = (String, &Arc<str>)> {
        let current = move |until: Option<Timestamp>| until.is_none_or(|until| now < until);
        self.roles_with_fields()
            .filter(move |(_, _, until)| current(*until))
            .map(|(field, role, _)| (field, role))
    }

    /// Whether `role` counts for the employee at `now`.
    pub fn holds(&self, role: &str, now: Timestamp) -> bool {
        self.roles_at(now).any(|(_, held)| **held == *role)
    }

    /// Whether `now` is in the employee's window (E10).
    fn in_window(&self, now: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= now) && self.valid_until.is_none_or(|until| now < until)
    }

    /// Whether the employee is Active at `now`, by state and window.
    fn is_active(&self, now: Timestamp) -> bool {
        self.state == EmployeeState::Active && self.in_window(now)
    }

    /// The next instant at which what counts changes by itself.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let untils = self.secondary.iter().filter_map(|(_, until)| *until);
        untils
            .chain(self.valid_from)
            .chain(self.valid_until)
            .filter(|instant| *instant > now)
            .min()
    }
}

/// Reads an employee.
pub fn parse(spec: &api::EmployeeSpec) -> Result<Employee, Violations> {
    verdict::strict(read(spec))
}

/// Reads an employee as far as it goes, with what is wrong with it.
pub(super) fn read(spec: &api::EmployeeSpec) -> (Employee, Violations) {
    let mut violations: Violations = username(&spec.username).into_iter().collect();
    violations.extend(role_list(spec));
    let (valid_from, valid_until) = (
        spec.valid_from.as_ref().map(|t| t.0),
        spec.valid_until.as_ref().map(|t| t.0),
    );
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && from >= until
    {
        let message = format!("`{until}` is not after `validFrom`: let the window end after it begins");
        violations.push(Violation::whole(Reason::InvalidTime, "spec.validUntil", message));
    }
    let secondary = spec.secondary_roles.iter();
    let employee = Employee {
        username: spec.username.as_str().into(),
        folded: Folded::new(&spec.username),
        state: spec.state,
        primary: spec.primary_role.as_str().into(),
        secondary: secondary
            .map(|r| (r.name.as_str().into(), r.until.as_ref().map(|t| t.0)))
            .collect(),
        valid_from,
        valid_until,
    };
    (employee, violations)
}

/// The employee with `role` as her primary role: the old one is dropped, and it is no longer a secondary one (R15).
pub fn assigned(spec: &api::EmployeeSpec, role: &str) -> api::EmployeeSpec {
    let mut spec = spec.clone();
    spec.secondary_roles.retain(|secondary| secondary.name != role);
    role.clone_into(&mut spec.primary_role);
    spec
}

/// E7, without uniqueness.
fn username(name: &str) -> Option<Violation> {
    let message = if name.is_empty() || name.chars().count() > 253 {
        "must have 1 to 253 characters: use the name under which the person signs in".to_owned()
    } else if name.to_lowercase().starts_with("system:") {
        format!(
            "`{name}` begins with `system:`, which is Kubernetes' own: use the name under which the person signs in"
        )
    } else {
        return None;
    };
    Some(Violation::whole(Reason::InvalidUsername, "spec.username", message))
}

/// What the writer of a user name should know that is easily taken for another one. Kubernetes compares bytes: what looks
/// the same is somebody else.
pub fn lookalike(username: &str) -> Option<String> {
    let foreign: Vec<String> = username
        .chars()
        .filter(|letter| !letter.is_ascii_graphic())
        .map(|letter| format!("{letter} (U+{:04X})", u32::from(letter)))
        .collect();
    let what = if !foreign.is_empty() {
        let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
        format!("contains {}", access::some_of(&foreign))
    } else if username.ends_with('.') {
        "ends with a full stop".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "spec.username: `{username}` {what}: Kubernetes takes user names byte by byte, and one that looks the same is somebody else; make sure that the person signs in with exactly this one"
    ))
}

/// E1, E2: one primary role, at most ten others, none twice.
fn role_list(spec: &api::EmployeeSpec) -> Violations {
    let field = "spec.secondaryRoles";
    let mut violations = vec![];
    let count = spec.secondary_roles.len();
    if count > MAX_SECONDARY {
        let message = format!("names {count} roles: name at most {MAX_SECONDARY}");
        violations.push(Violation::whole(Reason::TooManyRoles, field, message));
    }
    let mut seen = BTreeSet::from([spec.primary_role.as_str()]);
    for (index, secondary) in spec.secondary_roles.iter().enumerate() {
        if !seen.insert(&secondary.name) {
            let field = format!("{field}[{index}].name");
            let message = if secondary.name == spec.primary_role {
                format!("`{}` is the primary role already: remove it here", secondary.name)
            } else {
                format!("`{}` is named twice: leave it once", secondary.name)
            };
            violations.push(Violation::whole(Reason::DuplicateRole, field, message));
        }
    }
    violations
}

/// What an employee contradicts at `now`. Without an age it is the newcomer, to whom every other object came first.
pub fn rules(
    name: &Name,
    employee: &Employee,
    age: Option<(Timestamp, &str)>,
    directory: &Directory,
    now: Timestamp,
) -> Violations {
    let mut violations: Violations = taken(name, employee, age, directory).into_iter().collect();
    if employee.is_active(now) {
        for (field, role) in employee.roles_at(now) {
            let entry = directory.role(&Name::new(name.namespace.clone(), role.clone()));
            let state = entry.and_then(|entry| entry.spec.as_ref().ok()).map(|role| role.state);
            if let Some(state @ (LifecycleState::Draft | LifecycleState::Inactive)) = state {
                let message = format!(
                    "role `{role}` is `{state:?}`, and an Active employee holds only Active roles: activate the role, name another one, or leave the employee Inactive"
                );
                violations.push(Violation::part(Reason::RoleNotActive, field, message));
            }
        }
    }
    violations
}

/// E7: the user name is unique in the tenant; the older object keeps it.
fn taken(name: &Name, employee: &Employee, age: Option<(Timestamp, &str)>, directory: &Directory) -> Option<Violation> {
    let others = directory.employees_named(&employee.folded);
    let others = others.filter(|(other, _)| other.namespace == name.namespace && *other != name);
    let (other, _) = others
        .filter(|(_, other)| came_first(other, age))
        .min_by_key(|(_, other)| other.age())?;
    let message = format!(
        "`{}` is the user name of employee `{}` already, in whatever case: use another one",
        employee.username, other.name
    );
    Some(Violation::whole(Reason::UsernameTaken, "spec.username", message))
}

/// Whether the employee is Active now, by state and window.
pub fn counts_as_active(entry: &Entry<Employee>, now: Timestamp) -> bool {
    entry.spec.as_ref().is_ok_and(|employee| employee.is_active(now))
}

/// Whether the employee is Active now and nothing takes the whole effect. The tenant's state is not looked at.
pub fn in_effect_one(name: &Name, entry: &Entry<Employee>, directory: &Directory, now: Timestamp) -> bool {
    counts_as_active(entry, now)
        && !entry.meta.deleting
        && entry
            .spec
            .as_ref()
            .is_ok_and(|employee| taken(name, employee, Some(entry.age()), directory).is_none())
}

/// Why the employee may do nothing at all at `now`, if so.
pub fn idle(name: &Name, entry: &Entry<Employee>, directory: &Directory, now: Timestamp) -> Option<(Reason, String)> {
    let of = |violation: &Violation| (violation.reason, violation.to_string());
    let employee = match &entry.spec {
        Ok(_) if entry.meta.deleting => return Some(verdict::deleted("employee")),
        Ok(employee) => employee,
        Err(violations) => return violations.first().map(of),
    };
    let standing = Some(reason(name, employee, directory, now)).filter(|(reason, _)| *reason != Reason::InEffect);
    standing.or_else(|| taken(name, employee, Some(entry.age()), directory).as_ref().map(of))
}

/// The user names of those employees of `namespace` who are in effect.
pub fn in_effect(namespace: &Arc<str>, directory: &Directory, now: Timestamp) -> BTreeSet<Arc<str>> {
    directory
        .employees_in(namespace)
        .filter(|(name, entry)| in_effect_one(name, entry, directory, now))
        .filter_map(|(_, entry)| entry.spec.as_ref().ok())
        .map(|employee| employee.username.clone())
        .collect()
}

/// The next instant at which what counts of an employee of `namespace` changes by itself.
pub fn next_change(namespace: &Arc<str>, directory: &Directory, now: Timestamp) -> Option<Timestamp> {
    directory
        .employees_in(namespace)
        .filter_map(|(_, entry)| entry.spec.as_ref().ok()?.next_change(now))
        .min()
}

/// What the employee may do now (E8), and because of which roles.
pub fn net(name: &Name, entry: &Entry<Employee>, directory: &Directory, now: Timestamp) -> (Vec<Arc<str>>, Actions) {
    let (mut roles, mut actions) = (vec![], Actions::new());
    let Ok(employee) = &entry.spec else {
        return (roles, actions);
    };
    if !in_effect_one(name, entry, directory, now) || !tenant::is_active(&name.namespace, directory, now) {
        return (roles, actions);
    }
    for (_, role) in employee.roles_at(now) {
        let role_name = Name::new(name.namespace.clone(), role.clone());
        if directory
            .role(&role_name)
            .is_some_and(|entry| role::counts(&role_name, entry, directory))
        {
            roles.push(role.clone());
            actions.extend(role::effect(&role_name, directory));
        }
    }
    if let Some(tenant) = directory.tenant(&name.namespace) {
        actions.extend(access::unrestricted(tenant, directory));
    }
    (roles, actions)
}

/// What to say of an employee. Nothing exists because of one alone: she is a subject of her roles' bindings.
pub fn decide(name: &Name, entry: &Entry<Employee>, directory: &Directory, now: Timestamp) -> Decision<EmployeeStatus> {
    let employee = match &entry.spec {
        Ok(employee) => employee,
        Err(violations) => {
            let refused = Standing::Refused(violations.clone());
            return Decision::saying(refused.unless_deleted(entry.meta.deleting, "employee"));
        }
    };
    let violations = rules(name, employee, Some(entry.age()), directory, now);
    let (roles, actions) = net(name, entry, directory, now);
    Decision {
        children: vec![],
        records: vec![],
        standing: Standing::of(
            violations,
            missing(name, employee, directory, now),
            reason(name, employee, directory, now),
        )
        .unless_deleted(entry.meta.deleting, "employee"),
        default_roles: None,
        further: None,
        status: EmployeeStatus {
            roles: roles.iter().map(ToString::to_string).collect(),
            secondary_roles: i64::try_from(employee.secondary.len()).ok(),
            net_permissions: i64::try_from(actions.len()).ok(),
            ..EmployeeStatus::default()
        },
        wake_at: earliest(
            employee.next_change(now),
            tenant::wake_at(&name.namespace, directory, now),
        ),
    }
}

/// What the employee refers to that does not exist yet, or is refused itself.
pub fn missing(name: &Name, employee: &Employee, directory: &Directory, now: Timestamp) -> Vec<(Reason, String)> {
    let mut pending = vec![];
    if directory.tenant_entry(&Name::tenant(&name.namespace)).is_none() {
        pending.push(role::tenant_missing(&name.namespace));
    }
    for (field, role) in employee.roles_at(now) {
        let role_name = Name::new(name.namespace.clone(), role.clone());
        match directory.role(&role_name) {
            None => pending.push((
                Reason::RoleNotFound,
                format!("{field}: role `{role}` does not exist yet"),
            )),
            Some(entry) => {
                let active = entry
                    .spec
                    .as_ref()
                    .is_ok_and(|role| role.state == LifecycleState::Active);
                if entry.spec.is_err() || active && !role::counts(&role_name, entry, directory) {
                    let message = format!("{field}: role `{role}` has no effect, its own conditions say why");
                    pending.push((Reason::RoleNotReady, message));
                }
            }
        }
    }
    pending
}

fn reason(name: &Name, employee: &Employee, directory: &Directory, now: Timestamp) -> (Reason, String) {
    if employee.state == EmployeeState::Inactive {
        return (
            Reason::Inactive,
            "The employee is Inactive and has no rights".to_owned(),
        );
    }
    if !employee.in_window(now) {
        return (
            Reason::OutsideWindow,
            "The employee is outside the window of employment and has no rights".to_owned(),
        );
    }
    if !tenant::is_active(&name.namespace, directory, now) {
        return (
            Reason::TenantNotActive,
            "The employee is Active; the tenant is not, so there are no rights".to_owned(),
        );
    }
    (Reason::InEffect, "The employee is Active".to_owned())
}
