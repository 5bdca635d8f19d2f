//! ImpersonationConsent: what a tenant says to a session (I11).

use super::condition::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Short name for the kind in code.
pub type Consent = ImpersonationConsent;

/// What the tenant says to one Impersonation. Cannot change.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev",
    version = "v1alpha1",
    kind = "ImpersonationConsent",
    plural = "impersonationconsents",
    namespaced,
    status = "ImpersonationConsentStatus",
    doc = "An ImpersonationConsent grants, rejects or revokes one Impersonation of the tenant of its namespace.",
    shortname = "pcon",
    category = "pimpernel",
    printcolumn(name = "Impersonation", type_ = "string", json_path = ".spec.impersonation"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.by"),
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
#[x_kube(validation = Rule::new("self == oldSelf").message("a consent cannot change: create another one to revoke").reason(Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationConsentSpec {
    /// The Impersonation, by name.
    #[schemars(length(min = 1, max = 63))]
    pub impersonation: String,
    /// The Impersonation's UID, so that another one of the same name is not meant.
    #[serde(rename = "impersonationUID")]
    #[schemars(length(min = 1, max = 64))]
    pub impersonation_uid: String,
    /// Granted, Rejected or Revoked.
    pub decision: ConsentDecision,
    /// The user name of the employee who decides. Must be the one who writes the object.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// A word about the decision. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub message: Option<String>,
}

/// What the tenant says.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentDecision {
    /// The session may begin; its `duration` counts from the creation of the consent.
    Granted,
    /// It may not, for good.
    Rejected,
    /// It ends at once, for good.
    Revoked,
}

/// What is true of a consent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationConsentStatus {
    /// The generation that was judged last; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations: Ready always, Stalled and Reconciling while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
