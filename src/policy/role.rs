//! Roles: their state, what they grant and to whom (R5 to R9, E8); their names are in `naming`. Who may write what into one (R16) is a
//! rule about the writer and left to admission.

use super::access::{self, Granted, Line};
use super::catalog::Actions;
use super::children::Parent;
use super::directory::{Directory, Entry};
use super::name::{Folded, Key, Kind, Name};
use super::tenant;
use super::verdict::{self, Reason, Standing, Violation, Violations};
use super::{Decision, employee};
use crate::api::{self, LifecycleState, RoleStatus};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

pub mod heir;
mod naming;

pub use naming::{FORBIDDEN, RESERVED};
pub(super) use naming::{display_name, taken};
use naming::{naming, restless};

/// A role, strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// For people.
    pub display_name: String,
    /// The same, for comparing.
    pub folded: Folded,
    /// As declared.
    pub state: LifecycleState,
    /// What it grants, as stored.
    pub lines: Vec<Line>,
}

/// Reads a role.
pub fn parse(spec: &api::RoleSpec) -> Result<Role, Violations> {
    verdict::strict(read(spec))
}

/// Reads a role as far as it goes, with what is wrong with it.
pub(super) fn read(spec: &api::RoleSpec) -> (Role, Violations) {
    let mut violations = display_name(&spec.display_name);
    violations.extend(spec.description.as_deref().and_then(description));
    let line = |grant: &api::Grant| Line {
        application: grant.application.clone(),
        permission: grant.permission.clone(),
        actions: grant.actions.clone(),
    };
    let role = Role {
        display_name: spec.display_name.clone(),
        folded: Folded::new(&spec.display_name),
        state: spec.state,
        lines: spec.permissions.iter().map(line).collect(),
    };
    (role, violations)
}

/// R5: plain text, short, without addresses and markup.
fn description(text: &str) -> Option<Violation> {
    let length = text.chars().count();
    let mut after = text.split('<').skip(1).filter_map(|rest| rest.chars().next());
    let tag = after.any(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'));
    let word = text
        .split_whitespace()
        .find(|word| word.contains("://") || word.to_ascii_lowercase().starts_with("www.") || word.contains("]("));
    let message = if length > 200 {
        format!("has {length} characters: shorten it to 200")
    } else if let Some(word) = word {
        format!("contains `{word}`, and is plain text without addresses and markup: leave that out")
    } else if tag {
        "contains a tag, and is plain text without addresses and markup: leave that out".to_owned()
    } else {
        return None;
    };
    let field = "spec.description";
    Some(Violation::whole(Reason::InvalidDescription, field, message))
}

/// A copy under another name for people: the same permissions and description, Draft (R10).
pub fn copied(spec: &api::RoleSpec, display_name: &str) -> api::RoleSpec {
    api::RoleSpec {
        display_name: display_name.to_owned(),
        state: LifecycleState::Draft,
        ..spec.clone()
    }
}

/// What a role contradicts at `now`. Without an age it is the newcomer, to whom every other object came first.
pub fn rules(
    name: &Name,
    role: &Role,
    age: Option<(Timestamp, &str)>,
    directory: &Directory,
    now: Timestamp,
) -> Violations {
    let mut violations: Violations = taken(name, role, age, directory).into_iter().collect();
    violations.extend(restless(name, role, directory));
    if role.state != LifecycleState::Active {
        let what = format!("be `{:?}`", role.state);
        violations.extend(held(name, ("spec.state", &what), directory, now));
    }
    violations
}

/// R8: a role that Active employees hold cannot leave Active or go. Those who do not count now do not hinder (E10).
fn held(name: &Name, (field, what): (&str, &str), directory: &Directory, now: Timestamp) -> Option<Violation> {
    let holders: Vec<&str> = directory
        .holders(name)
        .filter(|(_, holder)| !holder.meta.deleting && holds_now(name, holder, now))
        .map(|(holder, _)| &*holder.name)
        .collect();
    if holders.is_empty() {
        return None;
    }
    let message = format!(
        "role `{}` cannot {what} while Active employees hold it: {}; give them another role first",
        name.name,
        access::some_of(&holders)
    );
    Some(Violation::part(Reason::RoleInUse, field, message))
}

/// Whether the holder is Active now and the role is among those that count.
fn holds_now(name: &Name, holder: &Entry<employee::Employee>, now: Timestamp) -> bool {
    employee::counts_as_active(holder, now) && holder.spec.as_ref().is_ok_and(|e| e.holds(&name.name, now))
}

/// What the writer of a new role should know whose name another one had: who names that still, and so gets this (R16).
pub fn inherited(name: &Name, directory: &Directory, now: Timestamp) -> Option<String> {
    directory.ledger().last_named(name)?;
    let holders = directory.holders(name);
    let heirs = holders.filter(|(_, entry)| !entry.meta.deleting && expects(name, entry, now));
    let heirs: Vec<&str> = heirs.map(|(heir, _)| &*heir.name).collect();
    (!heirs.is_empty()).then(|| {
        format!(
            "there was a role `{}` before, and employees name it still, who get this one now: {}; see that it is meant for them",
            name.name,
            access::some_of(&heirs)
        )
    })
}

/// Whether the role counts for the employee, or will by itself.
fn expects(name: &Name, entry: &Entry<employee::Employee>, now: Timestamp) -> bool {
    entry.spec.as_ref().is_ok_and(|employee| {
        let lasts = employee.valid_until.is_none_or(|until| now < until);
        employee.state == api::EmployeeState::Active && lasts && employee.holds(&name.name, now)
    })
}

/// R8, for a deletion.
pub fn deletion(name: &Name, directory: &Directory, now: Timestamp) -> Violations {
    held(name, ("metadata.name", "be deleted"), directory, now)
        .into_iter()
        .collect()
}

/// What the lines of the role grant in its tenant as it stands.
pub fn granted(name: &Name, role: &Role, directory: &Directory) -> Granted {
    access::granted(&role.lines, directory.tenant(&name.namespace), directory)
}

/// Whether the role counts: it stands by itself and its state is Active. The tenant's state is not looked at.
pub fn counts(name: &Name, entry: &Entry<Role>, directory: &Directory) -> bool {
    let active = |role: &Role| role.state == LifecycleState::Active;
    entry.spec.as_ref().is_ok_and(active) && flaw(name, entry, directory).is_none()
}

/// Why the role cannot stand by itself, if so.
fn flaw(name: &Name, entry: &Entry<Role>, directory: &Directory) -> Option<(Reason, String)> {
    let violation = match &entry.spec {
        Ok(_) if entry.meta.deleting => return Some(verdict::deleted("role")),
        Ok(role) => taken(name, role, Some(entry.age()), directory).or_else(|| restless(name, role, directory)),
        Err(violations) => violations.first().cloned(),
    };
    violation.map(|violation| (violation.reason, violation.to_string()))
}

/// Why the role gives nobody anything at `now`, if so.
pub fn idle(name: &Name, entry: &Entry<Role>, directory: &Directory, now: Timestamp) -> Option<(Reason, String)> {
    let standing = || {
        let role = entry.spec.as_ref().ok()?;
        Some(reason(name, role, directory, now)).filter(|(reason, _)| *reason != Reason::InEffect)
    };
    flaw(name, entry, directory).or_else(standing)
}

/// What a holder of the role may do because of it; nothing if it does not count.
pub fn effect(name: &Name, directory: &Directory) -> Actions {
    match directory.role(name) {
        Some(entry) if counts(name, entry, directory) => entry
            .spec
            .as_ref()
            .map(|role| granted(name, role, directory).actions)
            .unwrap_or_default(),
        _ => Actions::new(),
    }
}

/// What should exist because of a role, and what to say of it.
pub fn decide(name: &Name, entry: &Entry<Role>, directory: &Directory, now: Timestamp) -> Decision<RoleStatus> {
    let role = match &entry.spec {
        Ok(role) => role,
        Err(violations) => {
            let refused = Standing::Refused(violations.clone());
            return Decision::saying(refused.unless_deleted(entry.meta.deleting, "role"));
        }
    };
    let mut violations = rules(name, role, Some(entry.age()), directory, now);
    let Granted {
        actions,
        violations: lines,
        pending,
        ..
    } = granted(name, role, directory);
    violations.extend(lines);
    let (users, wake_at) = holders(name, directory, now);
    let mut children = vec![];
    if counts(name, entry, directory) && tenant::is_active(&name.namespace, directory, now) {
        let parent = Parent {
            key: Key::new(Kind::Role, name.clone()),
            uid: &entry.meta.uid,
        };
        let rules = access::rules(&actions, directory);
        children = parent.granted(&format!("pimpernel:role:{}", name.name), rules, &users);
    }
    Decision {
        children,
        records: naming(name, entry, directory, now).into_iter().collect(),
        standing: Standing::of(
            violations,
            missing(name, pending, directory),
            reason(name, role, directory, now),
        )
        .unless_deleted(entry.meta.deleting, "role"),
        default_roles: None,
        further: None,
        status: status(name, &actions, directory, now),
        wake_at: super::earliest(wake_at, tenant::wake_at(&name.namespace, directory, now)),
    }
}

/// The user names of those for whom the role counts now, and when that changes by itself.
pub fn holders(name: &Name, directory: &Directory, now: Timestamp) -> (BTreeSet<Arc<str>>, Option<Timestamp>) {
    let (mut users, mut wake_at) = (BTreeSet::new(), None);
    for (holder, entry) in directory.holders(name) {
        let Ok(employee) = &entry.spec else { continue };
        wake_at = super::earliest(wake_at, employee.next_change(now));
        if employee::in_effect_one(holder, entry, directory, now) && employee.holds(&name.name, now) {
            users.insert(employee.username.clone());
        }
    }
    (users, wake_at)
}

fn missing(name: &Name, pending: Vec<(Reason, String)>, directory: &Directory) -> Vec<(Reason, String)> {
    let tenant = directory.tenant_entry(&Name::tenant(&name.namespace)).is_none();
    let tenant = tenant.then(|| tenant_missing(&name.namespace));
    tenant.into_iter().chain(pending).collect()
}

/// That a namespace has no tenant yet.
pub fn tenant_missing(namespace: &str) -> (Reason, String) {
    (
        Reason::TenantNotFound,
        format!("there is no Tenant `{namespace}` in this namespace yet"),
    )
}

fn reason(name: &Name, role: &Role, directory: &Directory, now: Timestamp) -> (Reason, String) {
    match role.state {
        LifecycleState::Draft => (Reason::Draft, "The role is Draft: it gives no rights yet".to_owned()),
        LifecycleState::Inactive => (Reason::Inactive, "The role is Inactive: it gives no rights".to_owned()),
        LifecycleState::Active if !tenant::is_active(&name.namespace, directory, now) => (
            Reason::TenantNotActive,
            "The role is Active; its tenant is not, so it gives no rights".to_owned(),
        ),
        LifecycleState::Active => (Reason::InEffect, "The role is Active".to_owned()),
    }
}

fn status(name: &Name, actions: &Actions, directory: &Directory, now: Timestamp) -> RoleStatus {
    let mut assigned = api::HolderCount::default();
    let mut holders = 0;
    for (_, entry) in directory.holders(name) {
        let Ok(employee) = &entry.spec else { continue };
        let active = employee::counts_as_active(entry, now);
        holders += i64::from(holds_now(name, entry, now));
        if employee.primary == name.name {
            *(if active {
                &mut assigned.active
            } else {
                &mut assigned.inactive
            }) += 1;
        }
    }
    RoleStatus {
        assigned_users: Some(assigned),
        holders: Some(holders),
        permissions: Some(i64::try_from(actions.len()).unwrap_or(i64::MAX)),
        ..RoleStatus::default()
    }
}
