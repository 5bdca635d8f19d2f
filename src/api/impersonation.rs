//! Impersonation: one time-limited session in a tenant (I1 to I13).

use super::condition::Condition;
use super::duration::Duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who enters the tenant, how, why and for how long. Nothing but `stop` can change.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "pimpernel.dev", version = "v1alpha1", kind = "Impersonation", plural = "impersonations", namespaced, status = "ImpersonationStatus",
    doc = "An Impersonation is one session, limited in time, in the tenant of its namespace. It ends by itself.",
    shortname = "pses", category = "pimpernel",
    selectable = ".spec.impersonator", selectable = ".spec.mode",
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("`metadata.name` must be a label of at most 63 lower-case letters, digits and `-`: choose such a name"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.endTime) || (has(self.status) && has(self.status.endTime) && self.status.endTime == oldSelf.status.endTime)")
        .message("`status.endTime` is final: an ended session does not begin again; create another Impersonation")
        .reason(Reason::FieldValueForbidden),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Impersonator", type_ = "string", json_path = ".spec.impersonator"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.conditions[?(@.type=='Active')].reason"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expirationTime"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.mode == oldSelf.mode && self.impersonator == oldSelf.impersonator && self.reason == oldSelf.reason && (has(self.ticket) ? self.ticket : '') == (has(oldSelf.ticket) ? oldSelf.ticket : '') && (has(self.duration) ? self.duration : '') == (has(oldSelf.duration) ? oldSelf.duration : '') && has(self.notAfter) == has(oldSelf.notAfter) && (!has(self.notAfter) || self.notAfter == oldSelf.notAfter)")
    .message("nothing but `stop` can change: stop this session and create another Impersonation").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!(has(self.duration) && has(self.notAfter))")
    .message("is given beside `duration`: keep one of the two").field_path(".notAfter").reason(Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!(has(oldSelf.stop) && oldSelf.stop) || (has(self.stop) && self.stop)")
    .message("cannot go back to `false`: a stopped session does not begin again; create another Impersonation").field_path(".stop").reason(Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationSpec {
    /// Configure (set the tenant up) or Support (act as an administrator inside it).
    pub mode: Mode,
    /// The Kubernetes user name of the person who enters. Must be the one who writes the object.
    #[schemars(length(min = 1, max = 253))]
    pub impersonator: String,
    /// Why, in 10 to 500 characters. It stays on record.
    #[schemars(length(min = 10, max = 500))]
    pub reason: String,
    /// A reference to the case. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub ticket: Option<String>,
    /// How long, 15m to the tenant's own maximum, counted from the creation of the object, or of the tenant's consent where that is demanded. Default 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('15m') && duration(self) <= duration('24h')").message("is outside `15m` to `24h`: choose a length within"))]
    pub duration: Option<Duration>,
    /// The absolute end, instead of `duration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    /// Set to true, by the impersonator or from inside the session, to end it. Cannot go back to false.
    #[serde(default)]
    pub stop: bool,
}

/// What a session is for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Set the tenant up.
    Configure,
    /// Act as an administrator inside the tenant.
    Support,
}

/// What is true of a session.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ImpersonationStatus {
    /// The generation that was judged last; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations: Ready and Active always, Stalled and Reconciling while they hold. The reason of Active is the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When the session was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended. Final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// When it ends at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// How it ended: Stopped, Expired, Revoked, Withdrawn, Rejected or Lapsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub end_reason: Option<String>,
    /// What must be shown for as long as the session is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub banner: Option<String>,
    /// Where the session begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_page: Option<Landing>,
    /// Where the session's credential is. Only the impersonator can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
}

/// Where a session begins.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Landing {
    /// The application.
    #[schemars(length(max = 63))]
    pub application: String,
    /// The page, as the menu names it.
    #[schemars(length(max = 128))]
    pub page: String,
    /// The address of the page, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
}

/// Where a session's credential is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The namespace of the Secret.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The name of the Secret; its key `token` is the bearer token.
    #[schemars(length(max = 253))]
    pub secret_name: String,
}
