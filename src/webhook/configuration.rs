//! Which requests the API server asks the webhook about, and what happens when it does not answer.

use crate::api::{GROUP, VERSION};
use serde_json::{Value, json};

/// The path under which reviews are answered.
pub const PATH: &str = "/validate";
/// The name of the configuration.
pub const NAME: &str = "pimpernel";

/// The configuration that sends reviews to `url`. The operator's own writes are left out; so are, for deletions, the
/// controllers of the cluster, whose work must never wait for us.
pub fn configuration(url: &str, operator: &str) -> Value {
    let conditions = json!([{
        "name": "not-by-the-operator",
        "expression": format!("request.userInfo.username != '{operator}'"),
    }]);
    let deletions = json!([{
        "name": "not-by-the-operator-or-a-controller-of-the-cluster",
        "expression": format!(
            "request.userInfo.username != '{operator}' && !request.userInfo.username.startsWith('system:serviceaccount:kube-system:') && request.userInfo.username != 'system:kube-controller-manager'"
        ),
    }]);
    let entry = |name: &str, operations: &[&str], resources: &[&str], failure: &str, conditions: &Value| {
        json!({
            "name": format!("{name}.{GROUP}"),
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("{}{PATH}", url.trim_end_matches('/'))},
            "rules": [{"apiGroups": [GROUP], "apiVersions": [VERSION], "operations": operations, "resources": resources, "scope": "*"}],
            "failurePolicy": failure,
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
            "timeoutSeconds": 5,
            "matchConditions": conditions,
        })
    };
    let written = ["tenants", "roles", "employees", "impersonations", "permissioncatalogs"];
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            entry("rules", &["CREATE", "UPDATE"], &written, "Fail", &conditions),
            entry("deletions", &["DELETE"], &["tenants", "roles"], "Ignore", &deletions),
        ],
    })
}
