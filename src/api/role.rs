//! Role: a named set of permissions of one tenant (R1 to R16).

use super::condition::Condition;
use super::tenant::LifecycleState;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A role's name, state and permissions.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev", version = "v1alpha1", kind = "Role", plural = "roles", namespaced, status = "RoleStatus",
    doc = "A Role is a named set of permissions of one tenant. While it is Active, the employees who hold it have them as native rights.",
    shortname = "prole", category = "pimpernel", selectable = ".spec.state",
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("`metadata.name` must be a label of at most 63 lower-case letters, digits and `-`: choose such a name"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Assigned", type_ = "integer", json_path = ".status.assignedUsers.active"),
    printcolumn(name = "Permissions", type_ = "integer", json_path = ".status.permissions"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RoleSpec {
    /// The name that people see: 1 to 50 characters, no blank at either end, none of / \ + ! ? < > # & , % " in it, and
    /// unique in the tenant whatever its case.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = Rule::new("self.trim() == self").message("begins or ends with a blank: remove it"))]
    #[x_kube(validation = Rule::new(r#"!self.matches('[/\\\\+!?<>#&,%"]')"#)
        .message(Message::Expression(r#"'`' + self + '` contains one of the characters / \\ + ! ? < > # & , % ": leave it out'"#.into())))]
    pub display_name: String,
    /// What the role is for, in plain text of at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub description: Option<String>,
    /// Draft (being built), Active (in use) or Inactive (no longer used). Only an Active role gives rights. Default Draft.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf || (oldSelf == 'Draft' ? self == 'Active' : self != 'Draft')")
        .message(Message::Expression("'cannot go from `' + oldSelf + '` to `' + self + '`: a role goes from Draft to Active, and between Active and Inactive'".into()))
        .reason(Reason::FieldValueForbidden))]
    pub state: LifecycleState,
    /// What the role grants. Absent: nothing. Whoever applies the role owns the whole list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "atomic"))]
    pub permissions: Vec<Grant>,
}

/// One permission of an application, with the actions that are granted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Grant {
    /// The application, by the name of its PermissionCatalog.
    #[schemars(length(min = 1, max = 63))]
    pub application: String,
    /// The permission, by its name in the catalogue.
    #[schemars(length(min = 1, max = 63))]
    pub permission: String,
    /// The actions, by their names in the catalogue, such as View and Edit. Absent for a switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub actions: Vec<String>,
}

/// What is true of a role.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// The generation that was judged last; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations: Ready always, Stalled and Reconciling while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The employees whose primary role this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_users: Option<HolderCount>,
    /// How many Active employees hold the role, as primary or secondary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<i64>,
    /// How many actions the role grants, those that others imply included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<i64>,
}

/// Employees whose primary role this is.
pub type HolderCount = super::tenant::ActivityCount;
