//! The wire types of group `pimpernel.dev`: what users write and read. No rules live here but those the API server
//! itself enforces (schema and CEL); what a spec means is judged in [`crate::policy`].

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

mod catalog;
mod change_record;
mod condition;
mod consent;
mod crd;
mod duration;
mod employee;
mod impersonation;
mod role;
mod tenant;

pub use catalog::{
    ActionSpec, DefaultRole, LandingPage, PermissionCatalog, PermissionCatalogSpec, PermissionCatalogStatus,
    PermissionSpec, RuleSpec,
};
pub use change_record::{Actor, ChangeRecord, ChangeRecordSpec, FieldChange, Operation, Subject};
pub use condition::{Condition, ConditionStatus};
pub use consent::{
    Consent, ConsentDecision, ImpersonationConsent, ImpersonationConsentSpec, ImpersonationConsentStatus,
};
pub use duration::{Duration, DurationError};
pub use employee::{DigitalExperienceSync, Employee, EmployeeSpec, EmployeeState, EmployeeStatus, SecondaryRole};
pub use impersonation::{Credential, Impersonation, ImpersonationSpec, ImpersonationStatus, Landing, Mode};
pub use role::{Grant, HolderCount, Role, RoleSpec, RoleStatus};
pub use tenant::{
    ActivityCount, Approval, Billing, DefaultRoles, DigitalExperience, ImpersonationPolicy, LifecycleState, RoleCount,
    Support, Switch, Tenant, TenantSpec, TenantStatus, TenantType, Trial,
};

/// The API group of every kind.
pub const GROUP: &str = "pimpernel.dev";
/// The one version that is served and stored.
pub const VERSION: &str = "v1alpha1";

/// What is declared, as resources: all kinds but the records.
pub const DECLARED: [&str; 6] = [
    "tenants",
    "roles",
    "employees",
    "impersonations",
    "impersonationconsents",
    "permissioncatalogs",
];

/// The definitions of all seven kinds, as they are committed under `crds/`.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let by_people = [
        Tenant::crd(),
        Role::crd(),
        Employee::crd(),
        Impersonation::crd(),
        ImpersonationConsent::crd(),
    ];
    let by_people = by_people.into_iter().map(crd::legible);
    // Catalogues are written by cluster administrators, and so long that the API server would not take the rule. Records
    // hold what may have been stored before there was one.
    let others = [PermissionCatalog::crd(), ChangeRecord::crd()];
    by_people.chain(others).map(crd::finish).collect()
}
