//! Employee: a person of one tenant, with the roles that she holds (E1 to E10).

use super::condition::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who an employee is and which roles they hold.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev", version = "v1alpha1", kind = "Employee", plural = "employees", namespaced, status = "EmployeeStatus",
    doc = "An Employee is a person of one tenant. While Active, they have the permissions of their Active roles as native rights under their user name.",
    shortname = "pemp", category = "pimpernel",
    selectable = ".spec.primaryRole", selectable = ".spec.username", selectable = ".spec.state",
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("`metadata.name` must be a label of at most 63 lower-case letters, digits and `-`: choose such a name"),
    printcolumn(name = "User", type_ = "string", json_path = ".spec.username"),
    printcolumn(name = "Primary", type_ = "string", json_path = ".spec.primaryRole"),
    printcolumn(name = "Secondary", type_ = "integer", json_path = ".status.secondaryRoles"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(self.secondaryRoles) || !self.secondaryRoles.exists(r, r.name == self.primaryRole)")
    .message(Message::Expression("'`' + self.primaryRole + '` is the primary role already: remove it from the secondary roles'".into()))
    .field_path(".secondaryRoles"))]
#[x_kube(validation = Rule::new("!has(self.secondaryRoles) || self.secondaryRoles.all(a, self.secondaryRoles.exists_one(b, b.name == a.name))")
    .message("names a role twice: leave it once").field_path(".secondaryRoles"))]
#[x_kube(validation = Rule::new("!has(self.validFrom) || !has(self.validUntil) || self.validFrom < self.validUntil")
    .message("is not after `validFrom`: let the window end after it begins").field_path(".validUntil"))]
#[serde(rename_all = "camelCase")]
pub struct EmployeeSpec {
    /// The Kubernetes user name of the person, verbatim. Unique in the tenant whatever its case. Cannot change.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the user name of an employee cannot change: keep it as it was, or create another employee").reason(Reason::FieldValueForbidden))]
    #[x_kube(validation = Rule::new("!self.lowerAscii().startsWith('system:')").message(Message::Expression("'`' + self + '` begins with `system:`, which is Kubernetes\\' own: use the name under which the person signs in'".into())))]
    pub username: String,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub last_name: Option<String>,
    /// Mail address. May be shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 254))]
    pub email: Option<String>,
    /// The team that the person belongs to. Informative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub team: Option<String>,
    /// Active or Inactive. An Inactive employee has no rights. Default Inactive.
    #[serde(default)]
    pub state: EmployeeState,
    /// The primary role, by `metadata.name` of a roles.pimpernel.dev in the same namespace.
    #[schemars(length(min = 1, max = 63))]
    pub primary_role: String,
    /// Up to ten further roles. Whoever applies the employee owns the whole list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub secondary_roles: Vec<SecondaryRole>,
    /// Before this instant the employee counts as Inactive. Absent: no beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Time>,
    /// From this instant on the employee counts as Inactive. Absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
}

/// A role held besides the primary one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SecondaryRole {
    /// The role, by `metadata.name` of a roles.pimpernel.dev in the same namespace.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// From this instant on the role no longer counts. Absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Whether an employee works here now.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EmployeeState {
    /// Works here: has the rights of their Active roles.
    Active,
    /// Does not: has none.
    #[default]
    Inactive,
}

/// What is true of an employee.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct EmployeeStatus {
    /// The generation that was judged last; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations: Ready always, Stalled and Reconciling while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The roles that have effect now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 11), inner(length(max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub roles: Vec<String>,
    /// How many secondary roles are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_roles: Option<i64>,
    /// How many actions the employee may do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_permissions: Option<i64>,
    /// What was last sent to the Digital Experience portal: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digital_experience: Option<DigitalExperienceSync>,
}

/// What was last sent to the Digital Experience portal: nothing yet.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DigitalExperienceSync {
    /// The primary role that was sent.
    #[schemars(length(max = 63))]
    pub synced_role: String,
    /// When.
    pub time: Time,
}
