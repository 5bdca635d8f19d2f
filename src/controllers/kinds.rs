//! What differs between the kinds for the controllers: types and which function of `policy` to call. All else is written
//! once, over these.

use crate::api::{self, Condition, ConditionStatus};
use crate::policy::children::Observations;
use crate::policy::name::Folded;
use crate::policy::{
    Change, Decision, Directory, Entry, Key, Kind, Name, Reason, Settings, Violations, catalog, consent, employee,
    impersonation, role, tenant,
};
use jiff::Timestamp;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

/// A kind that is watched and reconciled.
pub trait Declared: 'static {
    /// On the wire.
    type Wire: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// In the strict form.
    type Spec;
    /// Its status.
    type Status: Status;
    /// Which.
    const KIND: Kind;

    /// Reads the spec.
    fn parse(name: &Name, wire: &Self::Wire, settings: &Settings) -> Result<Self::Spec, Violations>;
    /// The status as stored.
    fn status(wire: &Self::Wire) -> Option<&Self::Status>;
    /// The change to the directory.
    fn change(name: Name, entry: Option<Entry<Self::Spec>>) -> Change;
    /// The object in the directory.
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<Self::Spec>>>;
    /// The judgement, given what exists in the object's name.
    fn decide(
        name: &Name,
        entry: &Entry<Self::Spec>,
        observed: &Observations,
        directory: &Directory,
        now: Timestamp,
    ) -> Decision<Self::Status>;
    /// What it is called for people.
    fn display_name(_spec: &Self::Spec) -> Option<&str> {
        None
    }
    /// Who may have one only of those that are in force (I3).
    fn person(_spec: &Self::Spec) -> Option<&Folded> {
        None
    }
}

/// What the statuses of all kinds have in common.
pub trait Status: Serialize + DeserializeOwned + Default + Clone + Send + Sync {
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// Enters what every status has.
    fn observe(&mut self, generation: i64, conditions: Vec<Condition>);
    /// Carries over from the previous status what is final.
    fn keep(&mut self, _previous: &Self) {}
    /// Without the counts, which may lag behind a little.
    #[must_use]
    fn without_counts(&self) -> Self {
        self.clone()
    }
    /// What is told as an Event when it begins to hold. Nothing for kinds of which there are too many.
    fn news(&self) -> Option<&Condition> {
        None
    }
    /// When and how a session ended.
    fn ended(&self) -> Option<(Timestamp, Reason)> {
        None
    }
}

/// Tenants.
pub struct Tenants;
/// Roles.
pub struct Roles;
/// Employees.
pub struct Employees;
/// Sessions.
pub struct Impersonations;
/// What tenants say to sessions.
pub struct Consents;
/// Catalogues.
pub struct Catalogs;

impl Declared for Tenants {
    type Wire = api::Tenant;
    type Spec = tenant::Tenant;
    type Status = api::TenantStatus;
    const KIND: Kind = Kind::Tenant;

    fn parse(name: &Name, wire: &api::Tenant, settings: &Settings) -> Result<tenant::Tenant, Violations> {
        tenant::parse(name, &wire.spec, settings)
    }
    fn status(wire: &api::Tenant) -> Option<&api::TenantStatus> {
        wire.status.as_ref()
    }
    fn change(name: Name, entry: Option<Entry<tenant::Tenant>>) -> Change {
        Change::Tenant(name, entry)
    }
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<tenant::Tenant>>> {
        directory.tenant_entry(name).cloned()
    }
    fn decide(
        name: &Name,
        entry: &Entry<tenant::Tenant>,
        _: &Observations,
        directory: &Directory,
        now: Timestamp,
    ) -> Decision<api::TenantStatus> {
        tenant::decide(name, entry, directory, now)
    }
    fn display_name(tenant: &tenant::Tenant) -> Option<&str> {
        Some(&tenant.display_name)
    }
}

impl Declared for Roles {
    type Wire = api::Role;
    type Spec = role::Role;
    type Status = api::RoleStatus;
    const KIND: Kind = Kind::Role;

    fn parse(_: &Name, wire: &api::Role, _: &Settings) -> Result<role::Role, Violations> {
        role::parse(&wire.spec)
    }
    fn status(wire: &api::Role) -> Option<&api::RoleStatus> {
        wire.status.as_ref()
    }
    fn change(name: Name, entry: Option<Entry<role::Role>>) -> Change {
        Change::Role(name, entry)
    }
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<role::Role>>> {
        directory.role(name).cloned()
    }
    fn decide(
        name: &Name,
        entry: &Entry<role::Role>,
        _: &Observations,
        directory: &Directory,
        now: Timestamp,
    ) -> Decision<api::RoleStatus> {
        role::decide(name, entry, directory, now)
    }
    fn display_name(role: &role::Role) -> Option<&str> {
        Some(&role.display_name)
    }
}

impl Declared for Employees {
    type Wire = api::Employee;
    type Spec = employee::Employee;
    type Status = api::EmployeeStatus;
    const KIND: Kind = Kind::Employee;

    fn parse(_: &Name, wire: &api::Employee, _: &Settings) -> Result<employee::Employee, Violations> {
        employee::parse(&wire.spec)
    }
    fn status(wire: &api::Employee) -> Option<&api::EmployeeStatus> {
        wire.status.as_ref()
    }
    fn change(name: Name, entry: Option<Entry<employee::Employee>>) -> Change {
        Change::Employee(name, entry)
    }
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<employee::Employee>>> {
        directory.employee(name).cloned()
    }
    fn decide(
        name: &Name,
        entry: &Entry<employee::Employee>,
        _: &Observations,
        directory: &Directory,
        now: Timestamp,
    ) -> Decision<api::EmployeeStatus> {
        employee::decide(name, entry, directory, now)
    }
}

impl Declared for Impersonations {
    type Wire = api::Impersonation;
    type Spec = impersonation::Impersonation;
    type Status = api::ImpersonationStatus;
    const KIND: Kind = Kind::Impersonation;

    fn parse(_: &Name, wire: &api::Impersonation, _: &Settings) -> Result<impersonation::Impersonation, Violations> {
        impersonation::parse(&wire.spec)
    }
    fn status(wire: &api::Impersonation) -> Option<&api::ImpersonationStatus> {
        wire.status.as_ref()
    }
    fn change(name: Name, entry: Option<Entry<impersonation::Impersonation>>) -> Change {
        Change::Impersonation(name, entry)
    }
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<impersonation::Impersonation>>> {
        directory.session(name).cloned()
    }
    fn decide(
        name: &Name,
        entry: &Entry<impersonation::Impersonation>,
        observed: &Observations,
        directory: &Directory,
        now: Timestamp,
    ) -> Decision<api::ImpersonationStatus> {
        impersonation::decide(name, entry, observed, directory, now)
    }
    fn person(session: &impersonation::Impersonation) -> Option<&Folded> {
        Some(&session.folded)
    }
}

impl Declared for Consents {
    type Wire = api::ImpersonationConsent;
    type Spec = consent::Consent;
    type Status = api::ImpersonationConsentStatus;
    const KIND: Kind = Kind::Consent;

    fn parse(_: &Name, wire: &api::ImpersonationConsent, _: &Settings) -> Result<consent::Consent, Violations> {
        consent::parse(&wire.spec)
    }
    fn status(wire: &api::ImpersonationConsent) -> Option<&api::ImpersonationConsentStatus> {
        wire.status.as_ref()
    }
    fn change(name: Name, entry: Option<Entry<consent::Consent>>) -> Change {
        Change::Consent(name, entry)
    }
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<consent::Consent>>> {
        directory.consent(name).cloned()
    }
    fn decide(
        name: &Name,
        entry: &Entry<consent::Consent>,
        _: &Observations,
        directory: &Directory,
        now: Timestamp,
    ) -> Decision<api::ImpersonationConsentStatus> {
        consent::decide(name, entry, directory, now)
    }
}

impl Declared for Catalogs {
    type Wire = api::PermissionCatalog;
    type Spec = catalog::Catalog;
    type Status = api::PermissionCatalogStatus;
    const KIND: Kind = Kind::PermissionCatalog;

    fn parse(name: &Name, wire: &api::PermissionCatalog, _: &Settings) -> Result<catalog::Catalog, Violations> {
        catalog::parse(&name.name, &wire.spec)
    }
    fn status(wire: &api::PermissionCatalog) -> Option<&api::PermissionCatalogStatus> {
        wire.status.as_ref()
    }
    fn change(name: Name, entry: Option<Entry<catalog::Catalog>>) -> Change {
        Change::Catalog(name, entry)
    }
    fn entry(directory: &Directory, name: &Name) -> Option<Arc<Entry<catalog::Catalog>>> {
        directory.catalog_entry(name).cloned()
    }
    fn decide(
        name: &Name,
        entry: &Entry<catalog::Catalog>,
        _: &Observations,
        directory: &Directory,
        _: Timestamp,
    ) -> Decision<api::PermissionCatalogStatus> {
        catalog::decide(&name.name, entry, directory)
    }
}

/// The condition of that type, if it holds.
fn holding<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    let holds = |condition: &&Condition| condition.type_ == type_ && condition.status == ConditionStatus::True;
    conditions.iter().find(holds)
}

macro_rules! status {
    ($type:ty { $($own:tt)* }) => {
        impl Status for $type {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }
            fn observe(&mut self, generation: i64, conditions: Vec<Condition>) {
                self.observed_generation = Some(generation);
                self.conditions = conditions;
            }
            $($own)*
        }
    };
}

status!(api::EmployeeStatus {});
status!(api::ImpersonationConsentStatus {});
status!(api::PermissionCatalogStatus {
    fn news(&self) -> Option<&Condition> {
        holding(&self.conditions, "Ready")
    }
});
status!(api::TenantStatus {
    fn news(&self) -> Option<&Condition> {
        holding(&self.conditions, "Ready")
    }
    fn without_counts(&self) -> Self {
        Self { employees: None, roles: None, open_sessions: None, children: None, ..self.clone() }
    }
});
status!(api::RoleStatus {
    fn news(&self) -> Option<&Condition> {
        holding(&self.conditions, "Ready")
    }
    fn without_counts(&self) -> Self {
        Self { assigned_users: None, holders: None, ..self.clone() }
    }
});
status!(api::ImpersonationStatus {
    fn news(&self) -> Option<&Condition> {
        holding(&self.conditions, "Active")
    }
    fn keep(&mut self, previous: &Self) {
        if let Some(told) = &previous.end_time {
            self.expiration_time.clone_from(&previous.expiration_time);
            // What is on record comes before what somebody may have put there later.
            if self.end_time.as_ref().is_none_or(|end| told.0 < end.0) {
                self.end_time.clone_from(&previous.end_time);
                self.end_reason.clone_from(&previous.end_reason);
            }
        }
        if self.end_time.is_some() {
            self.start_time.clone_from(&previous.start_time);
        }
    }
    fn ended(&self) -> Option<(Timestamp, Reason)> {
        let at = self.end_time.as_ref()?.0;
        let named = |reason: &&Reason| self.end_reason.as_deref() == Some(reason.as_str());
        Some((at, Reason::ALL.iter().find(named).copied().unwrap_or(Reason::Withdrawn)))
    }
});

/// The name of an object on the wire.
pub fn name_of(meta: &kube::core::ObjectMeta) -> Name {
    Name::new(
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

/// The key of an object of kind `D`.
pub fn key_of<D: Declared>(name: Name) -> Key {
    Key::new(D::KIND, name)
}
