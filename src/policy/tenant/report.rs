//! What is said of a tenant: what it waits for, whether it gives access, and how much there is in it (T3, T5, T6).

use super::{Tenant, expired};
use crate::api::{self, LifecycleState, TenantStatus};
use crate::policy::directory::{Directory, Entry};
use crate::policy::employee;
use crate::policy::name::Name;
use crate::policy::role::Role;
use crate::policy::verdict::{Further, Reason};
use jiff::Timestamp;

pub(super) fn missing(tenant: &Tenant, directory: &Directory) -> Vec<(Reason, String)> {
    let parent = tenant
        .parent
        .iter()
        .filter(|parent| directory.tenant_entry(&Name::tenant(parent)).is_none());
    let parent = parent.map(|parent| {
        (
            Reason::ParentNotFound,
            format!("the parent `{parent}` does not exist yet"),
        )
    });
    let catalogs = tenant
        .applications
        .iter()
        .filter(|application| directory.catalog(application).is_none());
    let catalogs = catalogs.map(|application| {
        (
            Reason::CatalogNotFound,
            format!("the catalogue of application `{application}` does not exist yet"),
        )
    });
    parent.chain(catalogs).collect()
}

pub(super) fn reason(tenant: &Tenant, now: Timestamp) -> (Reason, String) {
    if expired(tenant, now) {
        return (
            Reason::TrialExpired,
            "The trial is over: the tenant acts as Inactive".to_owned(),
        );
    }
    match tenant.state {
        LifecycleState::Active => (Reason::InEffect, "The tenant is Active".to_owned()),
        LifecycleState::Draft => (
            Reason::Draft,
            "The tenant is Draft: its employees have no access yet".to_owned(),
        ),
        LifecycleState::Inactive => (
            Reason::Inactive,
            "The tenant is Inactive: its employees have no access".to_owned(),
        ),
    }
}

/// T6: the cap is soft. How many there are stands in the status; the sentence stays the same while they come and go.
pub(super) fn crowded(tenant: &Tenant, status: &TenantStatus) -> Option<Further> {
    let (cap, active) = (tenant.user_cap?, status.employees.as_ref()?.active);
    (active > cap).then(|| Further {
        type_: "UserCapExceeded",
        holds: true,
        reason: Reason::UserCapExceeded,
        message: format!("More employees are Active than `{cap}`, the tenant's cap: nobody is blocked by it"),
    })
}

pub(super) fn counts(name: &Name, directory: &Directory, now: Timestamp) -> TenantStatus {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let employees = directory.employees_in(&name.namespace).count();
    let active = directory
        .employees_in(&name.namespace)
        .filter(|(_, e)| employee::counts_as_active(e, now))
        .count();
    let roles = directory.roles_in(&name.namespace).count();
    let in_use = |entry: &Entry<Role>| entry.spec.as_ref().is_ok_and(|r| r.state == LifecycleState::Active);
    let active_roles = directory
        .roles_in(&name.namespace)
        .filter(|(_, role)| in_use(role))
        .count();
    let open = directory
        .sessions_in(&name.namespace)
        .filter(|(_, s)| directory.account(&s.meta.uid).is_some() && s.meta.ended.is_none());
    TenantStatus {
        employees: Some(api::ActivityCount {
            active: count(active),
            inactive: count(employees - active),
        }),
        roles: Some(api::RoleCount {
            active: count(active_roles),
            other: count(roles - active_roles),
        }),
        open_sessions: Some(count(open.count())),
        children: Some(count(directory.children(&name.name).count())),
        ..TenantStatus::default()
    }
}
