//! PermissionCatalog: the permissions of one application, as data (P1 to P8).

use super::condition::Condition;
use super::impersonation::Mode;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// The permissions of one application.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev", version = "v1alpha1", kind = "PermissionCatalog", plural = "permissioncatalogs", status = "PermissionCatalogStatus",
    doc = "A PermissionCatalog lists the permissions of the application that it is named after, and which Kubernetes rights they are.",
    shortname = "pcat", category = "pimpernel",
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("`metadata.name` must be a label of at most 63 lower-case letters, digits and `-`: choose such a name"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PermissionCatalogSpec {
    /// The application's name for people.
    #[schemars(length(min = 1, max = 64))]
    pub display_name: String,
    /// Where sessions begin, by mode. Absent: this application is not where they begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mode"]))]
    pub landing_pages: Vec<LandingPage>,
    /// The out-of-the-box roles that this application brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub default_roles: Vec<DefaultRole>,
    /// The permissions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub permissions: Vec<PermissionSpec>,
}

/// Where sessions of a mode begin.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LandingPage {
    /// The mode.
    pub mode: Mode,
    /// The page, as the menu names it.
    #[schemars(length(min = 1, max = 128))]
    pub page: String,
    /// The path of the page below the application's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub path: Option<String>,
}

/// An out-of-the-box role.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DefaultRole {
    /// The role's `metadata.name`, which `defaultFor` refers to.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The role's name for people.
    #[schemars(length(min = 1, max = 50))]
    pub display_name: String,
}

/// One permission: a switch, or a set of actions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PermissionSpec {
    /// Its name in roles, such as `skills`; also the RBAC resource.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its name for people. Absent: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub display_name: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub description: Option<String>,
    /// The heading under which the application lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub category: Option<String>,
    /// True: on or off, with the one action `use`. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub switch: bool,
    /// True: every Active employee of a tenant with the application has it, whatever the roles. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unrestricted: bool,
    /// For a switch: what it grants too, as "application/permission:Action".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 200)), extend("x-kubernetes-list-type" = "atomic"))]
    pub implies: Vec<String>,
    /// For a switch: what must be granted too for it to have effect, in the same notation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 200)), extend("x-kubernetes-list-type" = "atomic"))]
    pub requires: Vec<String>,
    /// For a switch: the out-of-the-box roles that have it from the factory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub default_for: Vec<String>,
    /// The actions; absent for a switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub actions: Vec<ActionSpec>,
}

/// One action of a permission.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ActionSpec {
    /// Its name in roles, such as `View`; in lower case the RBAC verb.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z][A-Za-z0-9-]*$"))]
    pub name: String,
    /// What it grants too: actions of the same permission by name, others as "application/permission:Action".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 200)), extend("x-kubernetes-list-type" = "atomic"))]
    pub implies: Vec<String>,
    /// What must be granted too for it to have effect, in the same notation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 200)), extend("x-kubernetes-list-type" = "atomic"))]
    pub requires: Vec<String>,
    /// The out-of-the-box roles that have it from the factory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub default_for: Vec<String>,
    /// The modes of session that have it. Absent: both, if `administrator` has it from the factory. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub sessions: Option<Vec<Mode>>,
    /// The Kubernetes rights that the action is. Absent: the action as verb on the permission as resource of API group
    /// `<application>.apps.pimpernel.dev`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<RuleSpec>,
}

/// A Kubernetes right in the tenant's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// API groups.
    #[schemars(length(min = 1, max = 16), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub api_groups: Vec<String>,
    /// Resources.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub resources: Vec<String>,
    /// Verbs.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub verbs: Vec<String>,
}

/// What is true of a catalogue.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PermissionCatalogStatus {
    /// The generation that was judged last; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations: Ready always, Stalled and Reconciling while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}
