//! Rules about the writer: nobody hands out more than they have (R16), nobody touches their own employee (E6), and no
//! session touches its impersonator's (I5). Only admission can enforce them, for the reconciler does not know who wrote.
//! What counts is what the objects store, closure included, whether or not it has effect just now.

use super::access::{self, Own, Stored};
use super::admission::{Change, Request};
use super::catalog::{Action, Actions};
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
    let active = |spec: &api::RoleSpec| spec.state == LifecycleState::Active;
    let counted = |old: &api::RoleSpec| {
        let entry = directory.role(name);
        active(old) && entry.is_some_and(|entry| role::counts(name, entry, directory))
    };
    let kept = change.old.as_ref().filter(|old| {
        // Whatever else keeps it from counting still does.
        let mut same = (*old).clone();
        same.permissions.clone_from(&new.permissions);
        same == *new || !active(new) || counted(old)
    });
    let kept = kept.map(|old| role::read(old).0);
    let before = kept.as_ref().map(|old| access::stored(&old.lines, directory));
    let worked = kept.map(|old| role::granted(name, &old, directory).actions);
    let (before, worked) = (before.unwrap_or_default(), worked.unwrap_or_default());
    let mut after = access::stored(&role::read(new).0.lines, directory);
    after.unknown.retain(|unknown| !before.unknown.contains(unknown));
    let given = gained((&before, &worked), &after, directory);
    let excess = excess(request, (&after, &given), "leave that out", directory, now);
    let refusal = |what| Violation::whole(Reason::ExceedsCeiling, "spec.permissions", format!("would give {what}"));
    excess.map(refusal).into_iter().collect()
}

/// What a role gives more than before, now or whatever applications the tenant gets: all that is listed, what follows from
/// that, and what works because of that. What worked already is nothing new.
fn gained((before, worked): (&Stored, &Actions), after: &Stored, directory: &Directory) -> Actions {
    let listed = after.listed.difference(&before.listed).cloned().collect();
    let followed = access::closed(listed, directory);
    let new = followed.difference(worked);
    let mut gained: Actions = new.filter(|action| !access::free(action, directory)).cloned().collect();
    let lacked = |action: &Action, gained: &Actions| {
        let mut required = directory.action(action).into_iter().flat_map(|entry| &entry.requires);
        required.any(|required| gained.contains(required))
    };
    while let Some(action) = (after.potential.difference(&gained)).find(|action| lacked(action, &gained)) {
        let action = action.clone();
        gained.insert(action);
    }
    gained.retain(|action| after.listed.contains(action) || after.potential.contains(action));
    gained
}

/// R16 for a role that is to go: whoever names it would get what another role of its name gives, and who makes that one is
/// not asked whom it is for. In what state or window somebody names it is no matter, nor in which order things are to come;
/// but whose time with it is over gets it only from who writes that anew.
pub fn removal(request: &Request, change: &Change<api::RoleSpec>, directory: &Directory, now: Timestamp) -> Violations {
    if !request.bounded || change.new.is_some() {
        return vec![];
    }
    let name = &request.name;
    let holds = |entry: &Entry<Employee>| {
        entry
            .spec
            .as_ref()
            .is_ok_and(|employee| employee.holds(&name.name, now))
    };
    let holders = directory.holders(name).filter(|(_, entry)| holds(entry));
    let holders: Vec<&str> = holders.map(|(holder, _)| &*holder.name).collect();
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
/// ceiling; so must all of them when the employee is activated or the window is widened. One whose time is over gives
/// nothing.
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
        let over = until.is_some_and(|until| until <= now);
        let more = |old| widened(old, &new) || !held_as_long(old, role, *until);
        !over && old.as_ref().is_none_or(more)
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
    let given = stored.listed.union(&stored.potential).cloned().collect();
    let excess = excess(request, (&stored, &given), "name another role", directory, now)?;
    let message = format!("role `{role}` gives {excess}");
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

/// What of `given` by a role that stores that, and of what no catalogue knows, the writer has not got; and what to do then, as
/// the end of a sentence. What everybody has anyway is never too much (P5).
fn excess(
    request: &Request,
    (stored, given): (&Stored, &Actions),
    instead: &str,
    directory: &Directory,
    now: Timestamp,
) -> Option<String> {
    let own = of(&request.user, &request.name.namespace, directory, now);
    let within = own.iter().map(|own| access::within(own, &stored.listed, directory));
    let within: Actions = within.flatten().collect();
    let excess: Vec<&Action> = (given.difference(&within))
        .filter(|action| !access::free(action, directory))
        .collect();
    let names: Vec<String> = excess.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().chain(&stored.unknown).map(String::as_str).collect();
    if names.is_empty() {
        return None;
    }
    let tenant = directory.tenant(&request.name.namespace);
    let lacks = |name: &&str| tenant.is_some_and(|tenant| !tenant.has(name));
    let missing = access::quoted(excess.iter().map(|action| action.application()).filter(lacks));
    let advice = if missing.is_empty() {
        format!(": {instead}, or ask somebody who has it")
    } else {
        format!(
            "; the tenant does not have {missing}, so nobody has what is of that: take it out of the role, or have the application switched on"
        )
    };
    Some(format!(
        "{}, which `{}` does not have, and nobody hands out more than they have{advice}",
        access::some_of(&names),
        request.user
    ))
}

/// What `user` has in `namespace` to hand out.
fn of(user: &str, namespace: &Arc<str>, directory: &Directory, now: Timestamp) -> Vec<Own> {
    if let Some((name, session)) = session(user, directory) {
        let tenant = directory.tenant(namespace).filter(|_| name.namespace == *namespace);
        return tenant
            .map(|tenant| access::own_of_sessions(tenant, session.mode, directory))
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
    vec![(net.collect(), None)]
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
            "`{}` is the impersonator of this session, which may not write their employee: leave that to somebody else",
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
        "`{}` cannot create or delete their own employee, nor change their own roles, state or window: ask a colleague",
        request.user
    );
    field
        .map(|field| Violation::whole(Reason::OwnEmployee, field, message))
        .into_iter()
        .collect()
}
