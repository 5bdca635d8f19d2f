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
        Kind::Role => {
            keys.insert(Key::new(Kind::Tenant, Name::tenant(&name.namespace)));
            keys.extend(
                directory
                    .holders(name)
                    .map(|(holder, _)| Key::new(Kind::Employee, holder.clone())),
            );
            if let Some(Ok(role)) = directory.role(name).map(|entry| &entry.spec) {
                let same = directory
                    .roles_named(&name.namespace, &role.folded)
                    .map(|(other, _)| other)
                    .filter(|n| *n != name);
                for other in same {
                    keys.insert(Key::new(Kind::Role, other.clone()));
                    keys.extend(
                        directory
                            .holders(other)
                            .map(|(holder, _)| Key::new(Kind::Employee, holder.clone())),
                    );
                    below_if_concerned(other, directory, &mut keys);
                }
            }
            below_if_concerned(name, directory, &mut keys);
        }
        Kind::Employee => employee(name, directory, &mut keys),
        Kind::Impersonation => {
            keys.insert(Key::new(Kind::Tenant, Name::tenant(&name.namespace)));
            if let Some(Ok(session)) = directory.session(name).map(|entry| &entry.spec) {
                sessions_of(&session.folded, directory, &mut keys);
            }
        }
        Kind::PermissionCatalog => keys.extend(directory.keys()),
    }
    keys
}

fn tenant(name: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    let namespace = &name.namespace;
    keys.extend(
        directory
            .roles_in(namespace)
            .map(|(role, _)| Key::new(Kind::Role, role.clone())),
    );
    keys.extend(
        directory
            .employees_in(namespace)
            .map(|(employee, _)| Key::new(Kind::Employee, employee.clone())),
    );
    sessions_in(namespace, directory, keys);
    let parent = directory.tenant(&name.name).and_then(|tenant| tenant.parent.clone());
    keys.extend(parent.map(|parent| Key::new(Kind::Tenant, Name::tenant(&parent))));
    descend(&name.name, true, directory, keys);
}

fn employee(name: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    keys.insert(Key::new(Kind::Tenant, Name::tenant(&name.namespace)));
    let Some(Ok(employee)) = directory.employee(name).map(|entry| &entry.spec) else {
        return;
    };
    sessions_of(&employee.folded, directory, keys);
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

/// The tenants below that the holders of `role` may enter, if they may enter any.
fn below_if_concerned(role: &Name, directory: &Directory, keys: &mut BTreeSet<Key>) {
    if entitlement::concerns(role, directory) {
        let provider = directory
            .tenant(&role.namespace)
            .is_some_and(|tenant| tenant.type_ == TenantType::Provider);
        descend(&role.namespace, provider, directory, keys);
    }
}

/// The children of `tenant` and their sessions; with `deep`, all tenants below it. A circle ends where it closes.
fn descend(tenant: &Arc<str>, deep: bool, directory: &Directory, keys: &mut BTreeSet<Key>) {
    let mut open: Vec<Name> = directory.children(tenant).cloned().collect();
    let mut seen = BTreeSet::new();
    while let Some(child) = open.pop() {
        if !seen.insert(child.clone()) {
            continue;
        }
        sessions_in(&child.namespace, directory, keys);
        if deep {
            open.extend(directory.children(&child.name).cloned());
        }
        keys.insert(Key::new(Kind::Tenant, child));
    }
}

fn sessions_in(namespace: &Arc<str>, directory: &Directory, keys: &mut BTreeSet<Key>) {
    keys.extend(
        directory
            .sessions_in(namespace)
            .map(|(session, _)| Key::new(Kind::Impersonation, session.clone())),
    );
}

fn sessions_of(user: &Folded, directory: &Directory, keys: &mut BTreeSet<Key>) {
    keys.extend(
        directory
            .sessions_of(user)
            .map(|(session, _)| Key::new(Kind::Impersonation, session.clone())),
    );
}
