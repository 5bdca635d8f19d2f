//! Who may enter a tenant (I2): Active employees of its direct parent, or of a Provider above it, whose net permissions
//! there include impersonation in that mode.

use super::catalog::Action;
use super::directory::Directory;
use super::name::{Folded, Name};
use super::tenant::{self, Tenant};
use super::{employee, role};
use crate::api::{Mode, TenantType};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The application whose permission `impersonation` lets people enter other tenants.
pub const TENANT_MANAGEMENT: &str = "tenant-management";

/// The mode as it stands in names of objects.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Configure => "configure",
        Mode::Support => "support",
    }
}

/// The rbac Role of sessions of `mode` (I5).
pub fn fixed_role(mode: Mode) -> String {
    format!("pimpernel:impersonated-admin:{}", mode_name(mode))
}

/// The action that lets people enter in `mode`.
pub fn action(mode: Mode) -> Action {
    let name = match mode {
        Mode::Configure => "Configure",
        Mode::Support => "Support",
    };
    Action::new(TENANT_MANAGEMENT, "impersonation", name)
}

/// The user names of those who may enter `tenant` in `mode`, and when that changes by itself.
pub fn users(
    tenant: &Tenant,
    mode: Mode,
    directory: &Directory,
    now: Timestamp,
) -> (BTreeSet<Arc<str>>, Option<Timestamp>) {
    let (mut users, mut wake_at) = (BTreeSet::new(), None);
    let action = action(mode);
    for namespace in above(tenant, directory) {
        wake_at = super::earliest(wake_at, tenant::wake_at(namespace, directory, now));
        if !tenant::is_active(namespace, directory, now) {
            continue;
        }
        for (name, _) in directory.roles_in(namespace) {
            if role::effect(name, directory).contains(&action) {
                let (holders, wake) = role::holders(name, directory, now);
                users.extend(holders);
                wake_at = super::earliest(wake_at, wake);
            }
        }
    }
    (users, wake_at)
}

/// Whether the person `user` is one of [`users`], and when that changes by itself; nobody else is looked at, since there
/// may be very many.
pub fn admits(
    (user, folded): (&str, &Folded),
    (tenant, mode): (&Tenant, Mode),
    directory: &Directory,
    now: Timestamp,
) -> (bool, Option<Timestamp>) {
    let (mut admitted, mut wake_at) = (false, None);
    let action = action(mode);
    for namespace in above(tenant, directory) {
        wake_at = super::earliest(wake_at, tenant::wake_at(namespace, directory, now));
        if !tenant::is_active(namespace, directory, now) {
            continue;
        }
        let employees = directory.employees_named(folded);
        for (name, entry) in employees.filter(|(name, _)| name.namespace == *namespace) {
            let Some(employee) = entry.spec.as_ref().ok().filter(|employee| *employee.username == *user) else {
                continue;
            };
            wake_at = super::earliest(wake_at, employee.next_change(now));
            let lets = |role: &Arc<str>| {
                let role = Name::new(namespace.clone(), role.clone());
                role::effect(&role, directory).contains(&action)
            };
            admitted |= employee::in_effect_one(name, entry, directory, now)
                && employee.roles_at(now).any(|(_, role)| lets(role));
        }
    }
    (admitted, wake_at)
}

/// The tenants whose employees may enter `tenant`, if they have the permission.
fn above<'a>(tenant: &'a Tenant, directory: &'a Directory) -> impl Iterator<Item = &'a Arc<str>> {
    let counts = |level: usize, above: &Tenant| level == 0 || above.type_ == TenantType::Provider;
    let above = tenant::ancestors(tenant, directory).enumerate();
    above
        .filter(move |(level, (_, above))| counts(*level, above))
        .map(|(_, (namespace, _))| namespace)
}

/// Whether the permissions of `role` let its holders enter other tenants, in any mode, if it counts. Whether it does is
/// not asked: that depends on others, such as an older role of the same name that may be going just now.
pub fn concerns(role: &Name, directory: &Directory) -> bool {
    let read = directory.role(role).and_then(|entry| entry.spec.as_ref().ok());
    read.is_some_and(|read| {
        let granted = role::granted(role, read, directory).actions;
        [Mode::Configure, Mode::Support]
            .into_iter()
            .any(|mode| granted.contains(&action(mode)))
    })
}
