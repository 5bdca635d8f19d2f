//! Whom to wake: the objects whose judgement can depend on another one. Asked before and after a change, the two answers
//! together are all that the change can have touched.

use super::directory::Directory;
use super::entitlement;
use super::name::{Folded, Key, Kind, Name};
use crate::api::TenantType;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All objects whose judgement can depend on the object `key` as it stands in `directory`, itself included.
pub fn by(key: &Key, directory: &Directory) -> BTreeSet<Key> {
    let mut keys = BTreeSet::from([key.clone()]);
    let name = &key.name;
    match key.kind {
        Kind::Tenant => tenant(name, directory, &mut keys),
        Kind::Role => role(name, directory, &mut keys),
        Kind::Employee => employee(name, directory, &mut keys),
        Kind::Impersonation => {
            keys.insert(Key::new(Kind::Tenant, Name::tenant(&name.namespace)));
            let uid = directory.session(name).map(|entry| &entry.meta.uid);
            keys.extend(uid.into_iter().flat_map(|uid| consents_to(uid, directory)));
        }
        Kind::Consent => consent(name, directory, &mut keys),
        Kind::PermissionCatalog => keys.extend(directory.keys()),
    }
    same_people(directory, &mut keys);
    keys
}

/// Whether the change of `key` takes no right from anybody: an employee who was not there, with a user name that nobody in
/// her tenant has. What her roles and her tenant write because of her can wait for others like her.
pub fn only_adds(key: &Key, before: &Directory, after: &Directory) -> bool {
    let name = &key.name;
    if key.kind != Kind::Employee || before.employee(name).is_some() {
        return false;
    }
    let Some(Ok(employee)) = after.employee(name).map(|entry| &entry.spec) else {
        return false;
    };
    let same = after.employees_named(&employee.folded);
    same.filter(|(other, _)| other.namespace == name.namespace).count() == 1
}

/// Whether a tenant that the change of `key` touches only counts it: a session takes from no tenant and gives it nothing.
pub fn only_counted(key: &Key) -> bool {
    key.kind == Kind::Impersonation
}

/// The session, and what else was said to it.
fn consent(name: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    let read = directory.consent(name).and_then(|entry| entry.spec.as_ref().ok());
    if let Some(consent) = read {
        let session = Name::new(name.namespace.clone(), consent.session.clone());
        keys.insert(Key::new(Kind::Impersonation, session));
        keys.extend(consents_to(&consent.uid, directory));
    }
}

/// What `user` has said for `tenant` to sessions that are not over, and those sessions with all that was said to them.
fn said_by(user: &Folded, tenant: &Arc<str>, directory: &Directory, keys: &mut BTreeSet<Key>) {
    for (name, entry) in directory
        .consents_by(user)
        .filter(|(name, _)| name.namespace == *tenant)
    {
        let Ok(said) = &entry.spec else { continue };
        let session = Name::new(tenant.clone(), said.session.clone());
        if directory
            .session(&session)
            .is_some_and(|entry| entry.meta.ended.is_none())
        {
            consent(name, directory, keys);
        }
    }
}

/// All in the tenant and below it, for a tenant that stands or falls takes with it those below; and its parent, which
/// counts its children.
fn tenant(name: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    let parent = directory.tenant(&name.name).and_then(|tenant| tenant.parent.clone());
    keys.extend(parent.map(|parent| Key::new(Kind::Tenant, Name::tenant(&parent))));
    keys.extend(sessions_in(&name.namespace, directory));
    people_in(&name.namespace, directory, keys);
    for below in below(&name.name, true, directory) {
        people_in(&below.namespace, directory, keys);
        keys.extend(sessions_in(&below.namespace, directory));
        keys.insert(Key::new(Kind::Tenant, below));
    }
}

fn people_in(namespace: &Arc<str>, directory: &Directory, keys: &mut BTreeSet<Key>) {
    let roles = directory.roles_in(namespace).map(|(role, _)| (Kind::Role, role));
    let employees = directory.employees_in(namespace);
    let employees = employees.map(|(employee, _)| (Kind::Employee, employee));
    keys.extend(roles.chain(employees).map(|(kind, name)| Key::new(kind, name.clone())));
    let sessions = directory
        .sessions_in(namespace)
        .filter(|(_, entry)| entry.meta.ended.is_none());
    keys.extend(sessions.flat_map(|(_, entry)| consents_to(&entry.meta.uid, directory)));
}

/// The role, those of the same display name and those whose names it took over, and the holders of any.
fn role(name: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    keys.insert(Key::new(Kind::Tenant, Name::tenant(&name.namespace)));
    let read = directory.role(name).and_then(|entry| entry.spec.as_ref().ok());
    let same = read
        .into_iter()
        .flat_map(|role| directory.roles_named(&name.namespace, &role.folded));
    let taken_over = directory.ledger().taken_over(name);
    let taken_over: Vec<Name> = taken_over
        .map(|from| Name::new(name.namespace.clone(), from.clone()))
        .collect();
    for role in same.map(|(other, _)| other).chain([name]).chain(&taken_over) {
        keys.insert(Key::new(Kind::Role, role.clone()));
        let holders = directory.holders(role);
        for (holder, entry) in holders {
            keys.insert(Key::new(Kind::Employee, holder.clone()));
            if let Ok(holder) = &entry.spec {
                said_by(&holder.folded, &name.namespace, directory, keys);
            }
        }
        below_if_concerned(role, directory, keys);
    }
}

fn employee(name: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    keys.insert(Key::new(Kind::Tenant, Name::tenant(&name.namespace)));
    let Some(Ok(employee)) = directory.employee(name).map(|entry| &entry.spec) else {
        return;
    };
    keys.extend(sessions_of(&employee.folded, directory));
    said_by(&employee.folded, &name.namespace, directory, keys);
    let same = directory
        .employees_named(&employee.folded)
        .filter(|(other, _)| other.namespace == name.namespace);
    for (other, entry) in same {
        keys.insert(Key::new(Kind::Employee, other.clone()));
        let Ok(employee) = &entry.spec else { continue };
        for role in employee.roles() {
            let role = Name::new(name.namespace.clone(), role.clone());
            below_if_concerned(&role, directory, keys);
            keys.insert(Key::new(Kind::Role, role));
        }
    }
}

/// The tenants below that the holders of `role` may enter, if they may enter any, and the sessions there.
fn below_if_concerned(role: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    if entitlement::concerns(role, directory) {
        let provider = directory
            .tenant(&role.namespace)
            .is_some_and(|tenant| tenant.type_ == TenantType::Provider);
        for below in below(&role.namespace, provider, directory) {
            keys.extend(sessions_in(&below.namespace, directory));
            keys.insert(Key::new(Kind::Tenant, below));
        }
    }
}

/// The children of `tenant`; with `deep`, all tenants below it. A circle ends where it closes.
fn below(tenant: &Arc<str>, deep: bool, directory: &Directory) -> BTreeSet<Name> {
    let mut open: Vec<Name> = directory.children(tenant).cloned().collect();
    let mut found = BTreeSet::new();
    while let Some(child) = open.pop() {
        if deep && !found.contains(&child) {
            open.extend(directory.children(&child.name).cloned());
        }
        found.insert(child);
    }
    found
}

fn sessions_in(namespace: &Arc<str>, directory: &Directory) -> impl Iterator<Item = Key> {
    directory
        .sessions_in(namespace)
        .map(|(session, _)| Key::new(Kind::Impersonation, session.clone()))
}

fn consents_to(uid: &str, directory: &Directory) -> impl Iterator<Item = Key> {
    directory
        .consents_to(uid)
        .map(|(consent, _)| Key::new(Kind::Consent, consent.clone()))
}

fn sessions_of(user: &Folded, directory: &Directory) -> impl Iterator<Item = Key> {
    directory
        .sessions_of(user)
        .map(|(session, _)| Key::new(Kind::Impersonation, session.clone()))
}

/// A session that is or is not open decides about the others of the same person (I3), in whatever tenant they are.
fn same_people(directory: &Directory, keys: &mut BTreeSet<Key>) {
    let sessions: Vec<_> = (keys.iter())
        .filter(|key| key.kind == Kind::Impersonation)
        .filter_map(|key| directory.session(&key.name)?.spec.as_ref().ok())
        .collect();
    for session in sessions {
        keys.extend(sessions_of(&session.folded, directory));
    }
}
