//! Roles: their names, their state, what they grant and to whom (R1 to R9, E8). Who may write what into one (R16) is a
//! rule about the writer and left to admission.

use super::access::{self, Granted, Line};
use super::catalog::Actions;
use super::children::{ChildKind, Parent};
use super::directory::{Directory, Entry, came_first};
use super::name::{Folded, Key, Kind, Name};
use super::tenant;
use super::verdict::{Reason, Standing, Violation, Violations, voids};
use super::{Decision, employee};
use crate::api::{self, LifecycleState, RoleStatus};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The characters that a display name may not contain (R2).
pub const FORBIDDEN: [char; 12] = ['/', '\\', '+', '!', '?', '<', '>', '#', '&', ',', '%', '"'];
/// The name of the account that sessions act as (R3, I5).
pub const RESERVED: &str = "Impersonated Admin";

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
    let mut violations = display_name(&spec.display_name);
    if spec.description.as_ref().is_some_and(|text| text.chars().count() > 200) {
        let message = "has more than 200 characters: shorten it";
        violations.push(Violation::whole(
            Reason::InvalidDescription,
            "spec.description",
            message,
        ));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let line = |grant: &api::Grant| Line {
        application: grant.application.clone(),
        permission: grant.permission.clone(),
        actions: grant.actions.clone(),
    };
    Ok(Role {
        display_name: spec.display_name.clone(),
        folded: Folded::new(&spec.display_name),
        state: spec.state,
        lines: spec.permissions.iter().map(line).collect(),
    })
}

/// R1, R2 and the reserved name of R3.
fn display_name(name: &str) -> Violations {
    let field = "spec.displayName";
    let mut violations = vec![];
    let length = name.chars().count();
    if length == 0 || length > 50 {
        let message = format!("has {length} characters: give it 1 to 50");
        violations.push(Violation::whole(Reason::InvalidDisplayName, field, message));
    }
    if name.trim() != name {
        let message = format!("`{name}` begins or ends with a blank: remove it");
        violations.push(Violation::whole(Reason::InvalidDisplayName, field, message));
    }
    let found: BTreeSet<char> = name.chars().filter(|c| FORBIDDEN.contains(c)).collect();
    if !found.is_empty() {
        let found = access::quoted(found.iter().map(char::to_string));
        let message = format!("`{name}` contains {found}: leave that out");
        violations.push(Violation::whole(Reason::ForbiddenCharacter, field, message));
    }
    if Folded::new(name) == Folded::new(RESERVED) {
        let message = format!("`{name}` is reserved for sessions: choose another name");
        violations.push(Violation::whole(Reason::NameReserved, field, message));
    }
    violations
}

/// What a role contradicts. Without an age it is the newcomer, to whom every other object came first.
pub fn rules(name: &Name, role: &Role, age: Option<(Timestamp, &str)>, directory: &Directory) -> Violations {
    let mut violations = vec![];
    let others = directory
        .roles_named(&name.namespace, &role.folded)
        .filter(|(other, _)| *other != name);
    let winner = others
        .filter(|(_, other)| came_first(other, age))
        .min_by_key(|(_, other)| other.age());
    if let Some((other, _)) = winner {
        let message = format!(
            "`{}` is the name of role `{}` already, in whatever case: choose another name",
            role.display_name, other.name
        );
        violations.push(Violation::whole(Reason::NameTaken, "spec.displayName", message));
    }
    if role.state != LifecycleState::Active {
        let what = format!("be `{:?}`", role.state);
        violations.extend(held(name, "spec.state", &what, directory));
    }
    violations
}

/// R8: a role that Active employees hold cannot leave Active or go.
fn held(name: &Name, field: &str, what: &str, directory: &Directory) -> Option<Violation> {
    let active = |entry: &Entry<employee::Employee>| {
        !entry.meta.deleting && entry.spec.as_ref().is_ok_and(|e| e.state == api::EmployeeState::Active)
    };
    let holders: Vec<&str> = directory
        .holders(name)
        .filter(|(_, holder)| active(holder))
        .map(|(holder, _)| &*holder.name)
        .collect();
    if holders.is_empty() {
        return None;
    }
    let shown = access::quoted(holders.iter().take(5));
    let more = holders.len().saturating_sub(5);
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    let message = format!(
        "role `{}` cannot {what} while Active employees hold it: {shown}{rest}; give them another role first",
        name.name
    );
    Some(Violation::part(Reason::RoleInUse, field, message))
}

/// R8, for a deletion.
pub fn deletion(name: &Name, directory: &Directory) -> Violations {
    held(name, "metadata.name", "be deleted", directory)
        .into_iter()
        .collect()
}

/// What the lines of the role grant in its tenant as it stands.
pub fn granted(name: &Name, role: &Role, directory: &Directory) -> Granted {
    access::granted(&role.lines, directory.tenant(&name.namespace), directory)
}

/// Whether the role counts: it stands by itself and its state is Active. The tenant's state is not looked at.
pub fn counts(name: &Name, entry: &Entry<Role>, directory: &Directory) -> bool {
    entry.spec.as_ref().is_ok_and(|role| {
        role.state == LifecycleState::Active
            && !entry.meta.deleting
            && !voids(&rules(name, role, Some(entry.age()), directory))
    })
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
            let standing = Standing::Refused(violations.clone());
            return Decision {
                children: vec![],
                standing,
                active: None,
                status: RoleStatus::default(),
                wake_at: None,
            };
        }
    };
    let mut violations = rules(name, role, Some(entry.age()), directory);
    let Granted {
        actions,
        violations: lines,
        pending,
    } = granted(name, role, directory);
    violations.extend(lines);
    let (mut children, mut wake_at) = (vec![], None);
    if counts(name, entry, directory) && tenant::is_active(&name.namespace, directory, now) {
        let parent = Parent {
            key: Key::new(Kind::Role, name.clone()),
            uid: &entry.meta.uid,
        };
        let (users, wake) = holders(name, directory, now);
        wake_at = wake;
        let rules = access::rules(&actions, directory);
        children = parent.granted(&format!("pimpernel:role:{}", name.name), rules, &users);
    }
    debug_assert!(children.iter().all(|child| child.id.kind != ChildKind::Secret));
    Decision {
        children,
        standing: Standing::of(
            violations,
            missing(name, pending, directory),
            reason(name, role, directory, now),
        ),
        active: None,
        status: status(name, &actions, directory),
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

fn status(name: &Name, actions: &Actions, directory: &Directory) -> RoleStatus {
    let mut assigned = api::HolderCount::default();
    let mut holders = 0;
    for (_, entry) in directory.holders(name) {
        let Ok(employee) = &entry.spec else { continue };
        let active = employee.state == api::EmployeeState::Active;
        holders += i64::from(active);
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
