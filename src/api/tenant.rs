//! Tenant: the top grouping for support, billing and global settings (T1 to T8).

use super::condition::Condition;
use super::duration::Duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a tenant is and which applications it has.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    namespaced,
    status = "TenantStatus",
    doc = "A Tenant is the vendor, a partner or a customer. It lives in the namespace of its own name, and everything in that namespace belongs to it.",
    shortname = "pten",
    category = "pimpernel",
    selectable = ".spec.parent",
    selectable = ".spec.type",
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Parent", type_ = "string", json_path = ".spec.parent"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Active employees", type_ = "integer", json_path = ".status.employees.active"),
    printcolumn(name = "Sessions", type_ = "integer", json_path = ".status.openSessions"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.type == 'Provider' ? !has(self.parent) : has(self.parent)")
    .message(kube::core::Message::Expression("self.type == 'Provider' ? 'a Provider has no parent: remove `parent`' : 'a ' + self.type + ' has a parent: name the tenant above it in `parent`'".into()))
    .field_path(".parent"))]
#[x_kube(validation = Rule::new("has(self.parent) == has(oldSelf.parent) && (!has(self.parent) || self.parent == oldSelf.parent)")
    .message("the parent of a tenant cannot change: keep it as it was, or create another tenant")
    .field_path(".parent").reason(Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// The name that people see, 1 to 64 characters.
    #[schemars(length(min = 1, max = 64))]
    pub display_name: String,
    /// Provider (the vendor itself), Partner or Customer. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("the type of a tenant cannot change: keep it as it was, or create another tenant").reason(Reason::FieldValueForbidden))]
    #[serde(rename = "type")]
    pub type_: TenantType,
    /// The tenant above this one, by name. Required unless the type is Provider. Cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub parent: Option<String>,
    /// Draft (being set up), Active, or Inactive. Only an Active tenant gives its employees access. Default Draft.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf || (oldSelf == 'Draft' ? self == 'Active' : self != 'Draft')")
        .message(kube::core::Message::Expression("'cannot go from `' + oldSelf + '` to `' + self + '`: a tenant goes from Draft to Active, and between Active and Inactive'".into()))
        .reason(Reason::FieldValueForbidden))]
    pub state: LifecycleState,
    /// The applications that the tenant has, by the name of their PermissionCatalog. `admin` is always included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub applications: Vec<String>,
    /// Create makes the out-of-the-box roles once; None leaves them out. Default Create.
    #[serde(default)]
    pub default_roles: DefaultRoles,
    /// The branding profile, by name. Absent: the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub branding_profile: Option<String>,
    /// IANA time zone, such as `Europe/Paris`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: Option<String>,
    /// Language and region as a BCP 47 tag, such as `fr-FR`. Absent: the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 35), regex(pattern = "^[A-Za-z0-9-]+$"))]
    pub locale: Option<String>,
    /// How the tenant is supported. Informative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// Where the bills go. Informative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<Billing>,
    /// How many Active employees were agreed. Above it the tenant says so; nobody is blocked. Absent: no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub user_cap: Option<i64>,
    /// Set on a trial: from `expiresAt` on the tenant acts as Inactive. Absent: no trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// The Digital Experience portal of the tenant. It is kept, and nothing is sent there yet. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digital_experience: Option<DigitalExperience>,
    /// Who may enter the tenant by impersonation, and how long. Absent: both modes, 8h at most, no consent needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<ImpersonationPolicy>,
}

/// The place of a tenant in the hierarchy.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantType {
    /// The vendor itself.
    Provider,
    /// Sells and supports the vendor's service.
    Partner,
    /// Uses the service.
    Customer,
}

/// Where a tenant or role stands in its life.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LifecycleState {
    /// Being built.
    #[default]
    Draft,
    /// In use.
    Active,
    /// No longer used.
    Inactive,
}

/// Whether the out-of-the-box roles are made.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DefaultRoles {
    /// They are made once.
    #[default]
    Create,
    /// They are left out.
    None,
}

/// How a tenant is supported.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Support {
    /// The support tier that was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub tier: Option<String>,
    /// Address for support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub email: Option<String>,
    /// Telephone number for support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
}

/// Where the bills go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Billing {
    /// The account that is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub account: Option<String>,
    /// The day of the month on which a billing cycle begins, 1 to 28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 28))]
    pub cycle_day: Option<i64>,
    /// Telephone number for questions about bills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
}

/// A trial's end.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// From this instant on the tenant acts as Inactive.
    pub expires_at: Time,
}

/// The portal that roles are synchronised to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DigitalExperience {
    /// The name of a portal that the platform team configured.
    #[schemars(length(min = 1, max = 63))]
    pub portal: String,
}

/// Who may enter a tenant by impersonation, and how long.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationPolicy {
    /// Whether Configure sessions may be opened. Default Enabled; Disabled also ends those that are open.
    #[serde(default)]
    pub configure: Switch,
    /// Whether Support sessions may be opened. Default Enabled; Disabled also ends those that are open.
    #[serde(default)]
    pub support: Switch,
    /// The longest that a session may last, 15m to 24h. Default 8h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('15m') && duration(self) <= duration('24h')").message("is outside `15m` to `24h`: choose a length within"))]
    pub max_duration: Option<Duration>,
    /// Required: a session waits until an employee of this tenant grants it. Default NotRequired.
    #[serde(default)]
    pub approval: Approval,
}

/// On or off.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Switch {
    /// On.
    #[default]
    Enabled,
    /// Off.
    Disabled,
}

/// Whether sessions need the tenant's consent.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Approval {
    /// They do not.
    #[default]
    NotRequired,
    /// They do.
    Required,
}

/// What is true of a tenant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation that was judged last; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations: Ready always, Stalled and Reconciling while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How many employees the tenant has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employees: Option<ActivityCount>,
    /// How many roles the tenant has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<RoleCount>,
    /// How many impersonations of this tenant are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_sessions: Option<i64>,
    /// How many tenants name this one as their parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<i64>,
}

/// Employees by whether they are Active.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ActivityCount {
    /// Those who are Active now.
    pub active: i64,
    /// The others.
    pub inactive: i64,
}

/// Roles by whether they are Active.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RoleCount {
    /// Those in use.
    pub active: i64,
    /// Draft and Inactive ones.
    pub other: i64,
}
