//! ChangeRecord: one change to a role, tenant or employee, or the end of a session, for ever (R13, I13).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who changed what, and when. Written by the operator alone; cannot change.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev",
    version = "v1alpha1",
    kind = "ChangeRecord",
    plural = "changerecords",
    namespaced,
    doc = "A ChangeRecord is one change to an object of a tenant, or the end of a session. The operator alone writes it.",
    shortname = "pchg",
    category = "pimpernel",
    selectable = ".spec.subject.kind",
    selectable = ".spec.subject.name",
    selectable = ".spec.actor.username",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.subject.kind"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".spec.subject.name"),
    printcolumn(name = "Operation", type_ = "string", json_path = ".spec.operation"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.actor.username"),
    printcolumn(name = "Age", type_ = "date", json_path = ".spec.time")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a record of a change cannot change: leave it as it is").reason(Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct ChangeRecordSpec {
    /// What was changed.
    pub subject: Subject,
    /// Create, Update, Delete, or End of a session.
    pub operation: Operation,
    /// The generation that the change made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Who changed it.
    pub actor: Actor,
    /// When.
    pub time: Time,
    /// What became different.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), extend("x-kubernetes-list-type" = "atomic"))]
    pub changes: Vec<FieldChange>,
}

/// What was changed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its UID.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its name for people at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub display_name: Option<String>,
}

/// What was done.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It was created.
    Create,
    /// It was changed.
    Update,
    /// It was deleted.
    Delete,
    /// The session ended.
    End,
}

/// Who changed it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The user name of the request.
    #[schemars(length(min = 1, max = 253))]
    pub username: String,
    /// The impersonator, if it was done in a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub on_behalf_of: Option<String>,
    /// The session, if it was done in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub session: Option<String>,
    /// Whether the operator itself vouches for who it was.
    pub verified: bool,
}

/// One field's change.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// The field.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
    /// The value before. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub from: Option<String>,
    /// The value after. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub to: Option<String>,
}
