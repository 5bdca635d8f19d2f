//! Rules about the writer: nobody hands out more than they have (R16), nobody touches their own employee (E6), and no
//! session touches its impersonator's (I5). Only admission can enforce them, for the reconciler does not know who wrote.
//! What counts is what the objects store, closure included, whether or not it has effect just now.

use super::access;
use super::admission::{Change, Request};
use super::catalog::Actions;
use super::directory::{Directory, Entry};
use super::employee::{self, Employee};
use super::impersonation::{self, Impersonation};
use super::name::{Folded, Name};
use super::role;
use super::verdict::{Reason, Violation, Violations};
use crate::api::{self, EmployeeState, LifecycleState};
use jiff::Timestamp;
use std::sync::Arc;

/// R16 for a role that is written: what it gives and did not give before must be inside the writer's ceiling. That is what
/// is added, what has effect because of that, and all of it where the role did not count before.
pub fn role(request: &Request, change: &Change<api::RoleSpec>, directory: &Directory, now: Timestamp) -> Violations {
    let (true, Some(new)) = (request.bounded, &change.new) else {
        return vec![];
    };
    let name = &request.name;
    let read = |spec: &api::RoleSpec| {
        let (role, _) = role::read(spec);
        (
            access::stored(&role.lines, directory),
            role::granted(name, &role, directory).actions,
        )
    };
    let active = |spec: &api::RoleSpec| spec.state == LifecycleState::Active;
    let counted = |old: &api::RoleSpec| {
        let entry = directory.role(name);
        active(old) && entry.is_some_and(|entry| role::counts(name, entry, directory))
    };
    let kept = change.old.as_ref().filter(|old| {
        let same = *old == new;
        same || !active(new) || counted(old)
    });
    let (before, worked) = kept.map(read).unwrap_or_default();
    let (after, works) = read(new);
    let given = after.actions.difference(&before.actions);
    let given: Actions = given.chain(works.difference(&worked)).cloned().collect();
    let mut excess: Vec<String> = beyond(request, given.iter(), directory, now);
    excess.extend(after.unknown.difference(&before.unknown).cloned());
    if excess.is_empty() {
        return vec![];
    }
    let message = format!(
        "would give {}, which `{}` does not have, and nobody hands out more than they have: leave that out, or ask somebody who has it",
        listed(&excess),
        request.user
    );
    vec![Violation::whole(Reason::ExceedsCeiling, "spec.permissions", message)]
}

/// R16 for a role that is to go: whoever names it would get what another role of its name gives, and who makes that one is
/// not asked whom it is for. In what state or window somebody names it is no matter, nor in which order things are to come.
pub fn removal(request: &Request, change: &Change<api::RoleSpec>, directory: &Directory) -> Violations {
    if !request.bounded || change.new.is_some() {
        return vec![];
    }
    let name = &request.name;
    let holders: Vec<&str> = directory.holders(name).map(|(holder, _)| &*holder.name).collect();
    if holders.is_empty() {
        return vec![];
    }
    let message = format!(
        "role `{}` is named by employees, Active or not: {}; give them another role first, for they would get whatever role gets its name next",
        name.name,
        access::some_of(&holders)
    );
    vec![Violation::whole(Reason::ExceedsCeiling, "metadata.name", message)]
}

/// R16 for an employee that is written: each role that is given, or counts for longer, must be inside the writer's
/// ceiling; so must all of them when the employee is activated or the window is widened.
pub fn employee(
    request: &Request,
    change: &Change<api::EmployeeSpec>,
    directory: &Directory,
    now: Timestamp,
) -> Violations {
    let (true, Some(new)) = (request.bounded, &change.new) else {
        return vec![];
    };
    let new = employee::read(new).0;
    // Who cannot stand has nothing.
    let old = change
        .old
        .as_ref()
        .map(employee::read)
        .filter(|(_, wrong)| wrong.is_empty());
    let old = old.map(|(old, _)| old);
    let given = new.roles_with_fields().filter(|(_, role, until)| {
        old.as_ref()
            .is_none_or(|old| widened(old, &new) || !held_as_long(old, role, *until))
    });
    given
        .filter_map(|(field, role, _)| gift(request, field, role, directory, now))
        .collect()
}

/// Why a role cannot be given by the writer.
fn gift(request: &Request, field: String, role: &Arc<str>, directory: &Directory, now: Timestamp) -> Option<Violation> {
    let name = Name::new(request.name.namespace.clone(), role.clone());
    // One that is being deleted makes room for another of its name.
    let Some(entry) = directory.role(&name).filter(|entry| !entry.meta.deleting) else {
        let message =
            format!("role `{role}` does not exist, so that nobody can say what it gives: have the role created first");
        return Some(Violation::whole(Reason::ExceedsCeiling, field, message));
    };
    let Ok(spec) = &entry.spec else {
        let message = format!(
            "role `{role}` is not valid, so that nobody can say what it will give: have it mended first, its own conditions say how"
        );
        return Some(Violation::whole(Reason::ExceedsCeiling, field, message));
    };
    let stored = access::stored(&spec.lines, directory);
    let mut excess = beyond(request, stored.actions.iter(), directory, now);
    excess.extend(stored.unknown);
    if excess.is_empty() {
        return None;
    }
    let message = format!(
        "role `{role}` gives {}, which `{}` does not have, and nobody hands out more than they have: name another role, or ask somebody who has it",
        listed(&excess),
        request.user
    );
    Some(Violation::whole(Reason::ExceedsCeiling, field, message))
}

/// Whether all roles count more or longer than before.
fn widened(old: &Employee, new: &Employee) -> bool {
    let activated = old.state != EmployeeState::Active && new.state == EmployeeState::Active;
    let earlier = old
        .valid_from
        .is_some_and(|old| new.valid_from.is_none_or(|new| new < old));
    let later = old
        .valid_until
        .is_some_and(|old| new.valid_until.is_none_or(|new| new > old));
    activated || earlier || later
}

/// Whether the role was held before, for as long.
fn held_as_long(old: &Employee, role: &str, until: Option<Timestamp>) -> bool {
    old.roles_with_fields().any(|(_, held, before)| {
        **held == *role && before.is_none_or(|before| until.is_some_and(|until| until <= before))
    })
}

/// Those actions that the writer has not got, as text. What everybody has anyway is never too much (P5).
fn beyond<'a>(
    request: &Request,
    actions: impl Iterator<Item = &'a super::catalog::Action>,
    directory: &Directory,
    now: Timestamp,
) -> Vec<String> {
    let ceiling = of(&request.user, &request.name.namespace, directory, now);
    let free = |action: &super::catalog::Action| directory.action(action).is_some_and(|entry| entry.unrestricted);
    actions
        .filter(|action| !ceiling.contains(action) && !free(action))
        .map(ToString::to_string)
        .collect()
}

/// The most that `user` may hand out in `namespace`. What that implies is within it also where the tenant has not the
/// application: roles are judged by what they store.
pub fn of(user: &str, namespace: &Arc<str>, directory: &Directory, now: Timestamp) -> Actions {
    if let Some((name, session)) = session(user, directory) {
        let tenant = directory.tenant(namespace).filter(|_| name.namespace == *namespace);
        return tenant
            .map(|tenant| access::ceiling_of_sessions(tenant, session.mode, directory))
            .unwrap_or_default();
    }
    let own = |(name, entry): &(&Name, &Arc<Entry<Employee>>)| {
        name.namespace == *namespace && entry.spec.as_ref().is_ok_and(|employee| *employee.username == *user)
    };
    let folded = Folded::new(user);
    let employees = directory.employees_named(&folded);
    let net = employees
        .filter(own)
        .flat_map(|(name, entry)| employee::net(name, entry, directory, now).1);
    access::closed(net.collect(), directory)
}

/// Whether the user name is that of a session, open or not.
pub(super) fn is_session(user: &str, directory: &Directory) -> bool {
    account(user, directory).is_some()
}

fn account<'a>(user: &'a str, directory: &Directory) -> Option<&'a str> {
    user.strip_prefix(&format!(
        "system:serviceaccount:{}:",
        directory.settings().sessions_namespace
    ))
}

/// The session that acts under the user name of a ServiceAccount.
pub(super) fn session<'a>(user: &str, directory: &'a Directory) -> Option<(&'a Name, &'a Impersonation)> {
    let account = account(user, directory)?;
    let uid = account.strip_prefix(&impersonation::account_name(""))?;
    let name = &directory.account(uid)?.session;
    let entry = directory.session(name).filter(|entry| *entry.meta.uid == *uid)?;
    Some((name, entry.spec.as_ref().ok()?))
}

/// E6 and I5: who writes may not change the roles, state or window of their own employee, nor create or delete it; a
/// session may not write its impersonator's at all.
pub fn own(request: &Request, change: &Change<api::EmployeeSpec>, directory: &Directory) -> Violations {
    let specs = || change.old.iter().chain(&change.new);
    let is = |user: &Folded| specs().any(|spec| Folded::new(&spec.username) == *user);
    if let Some((_, session)) = session(&request.user, directory)
        && is(&session.folded)
    {
        let message = format!(
            "`{}` is the impersonator of this session, which may not write her employee: leave that to somebody else",
            session.impersonator
        );
        return vec![Violation::whole(Reason::OwnEmployee, "spec.username", message)];
    }
    if !is(&Folded::new(&request.user)) {
        return vec![];
    }
    let field = match (&change.old, &change.new) {
        (None, _) | (_, None) => Some("metadata.name"),
        (Some(old), Some(new)) if old.primary_role != new.primary_role => Some("spec.primaryRole"),
        (Some(old), Some(new)) if old.secondary_roles != new.secondary_roles => Some("spec.secondaryRoles"),
        (Some(old), Some(new)) if old.state != new.state => Some("spec.state"),
        (Some(old), Some(new)) if old.valid_from != new.valid_from => Some("spec.validFrom"),
        (Some(old), Some(new)) if old.valid_until != new.valid_until => Some("spec.validUntil"),
        (Some(_), Some(_)) => None,
    };
    let message = format!(
        "`{}` cannot create or delete her own employee, nor change her own roles, state or window: ask a colleague",
        request.user
    );
    field
        .map(|field| Violation::whole(Reason::OwnEmployee, field, message))
        .into_iter()
        .collect()
}

fn listed(names: &[String]) -> String {
    access::some_of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}
