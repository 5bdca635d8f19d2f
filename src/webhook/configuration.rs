//! Which requests the API server asks the webhook about, and what happens when it does not answer.

use crate::api::{DECLARED, GROUP, VERSION};
use crate::policy::history::{Employees, FINALIZER, PENDING};
use serde_json::{Value, json};

/// The path under which reviews are answered of writers who may hand out what they have not (R16).
pub const PATH: &str = "/validate";
/// The path under which reviews are answered of all other writers.
pub const BOUNDED_PATH: &str = "/validate/bounded";
/// The path under which is answered whether somebody may create a tenant who may not adopt any (T2).
pub const ADOPTION_PATH: &str = "/validate/adoption";
/// The path under which is answered what an object has to carry for its history.
pub const HISTORY_PATH: &str = "/history";
/// The name of the configurations.
pub const NAME: &str = "pimpernel";

/// Whether the writer may hand out what she has not. Catalogues are in no namespace, and hand out nothing by themselves.
const MAY_ESCALATE: &str = "(!has(request.namespace) || authorizer.group('pimpernel.dev').resource('roles').namespace(request.namespace).check('escalate').allowed())";

/// Whether the writer may take over tenants, wherever they are.
const MAY_ADOPT: &str = "authorizer.group('pimpernel.dev').resource('tenants').check('adopt').allowed()";

/// The configuration that sends reviews to `url`. The operator's own writes are left out; so are, for deletions, the
/// controllers of the cluster, whose work must never wait for us.
pub fn configuration(url: &str, operator: &str) -> Value {
    let url = url.trim_end_matches('/');
    let writers = format!("request.userInfo.username != '{operator}'");
    let deleters = format!(
        "{writers} && !request.userInfo.username.startsWith('system:serviceaccount:kube-system:') && request.userInfo.username != 'system:kube-controller-manager'"
    );
    let (free, bounded) = (format!("{url}{PATH}"), format!("{url}{BOUNDED_PATH}"));
    let adoption = format!("{url}{ADOPTION_PATH}");
    let (not_escalating, not_adopting) = (format!("!{MAY_ESCALATE}"), format!("!{MAY_ADOPT}"));
    let unbounded = format!("request.resource.resource != 'roles' || {MAY_ESCALATE}");
    let written = ["CREATE", "UPDATE"];
    let all = DECLARED;
    let webhooks = [
        entry("rules", (&written, &all), &free, "Fail", &[&writers, MAY_ESCALATE]),
        entry(
            "bounded-rules",
            (&written, &all),
            &bounded,
            "Fail",
            &[&writers, &not_escalating],
        ),
        entry(
            "adoptions",
            (&["CREATE"], &["tenants"]),
            &adoption,
            "Fail",
            &[&writers, &not_adopting],
        ),
        entry(
            "deletions",
            (&["DELETE"], &["tenants", "roles", "employees"]),
            &free,
            "Ignore",
            &[&deleters, &unbounded],
        ),
        entry(
            "bounded-deletions",
            (&["DELETE"], &["roles"]),
            &bounded,
            "Fail",
            &[&deleters, &not_escalating],
        ),
    ];
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": metadata(),
        "webhooks": webhooks,
    })
}

/// The configuration that has each change noted in the write that makes it (R13). Left out is what changes neither the
/// spec nor what waits to be put on record, and the operator itself.
pub fn history(url: &str, operator: &str, (sessions, employees): (&str, Employees)) -> Value {
    let url = format!("{}{HISTORY_PATH}", url.trim_end_matches('/'));
    let writers = format!("request.userInfo.username != '{operator}'");
    // As an optional: an empty one is there, and nobody but us writes it.
    let waiting = |object: &str| format!("{object}.metadata.?annotations[?'{PENDING}']");
    let holding = |object: &str| format!("('{FINALIZER}' in {object}.metadata.?finalizers.orValue([]))");
    let changes = format!(
        "oldObject == null || object.?spec != oldObject.?spec || {} != {} || ({} && !{})",
        waiting("object"),
        waiting("oldObject"),
        holding("oldObject"),
        holding("object"),
    );
    let concerns = format!(
        "request.resource.resource != 'employees' || request.userInfo.username.startsWith('system:serviceaccount:{sessions}:') || [object, oldObject].exists(written, written != null && ({}.hasValue() || {}))",
        waiting("written"),
        holding("written"),
    );
    let mut conditions = vec![writers.as_str(), changes.as_str()];
    if employees == Employees::Sessions {
        conditions.push(&concerns);
    }
    let resources = ["tenants", "roles", "employees"];
    let mut webhook = entry(
        "history",
        (&["CREATE", "UPDATE"], &resources),
        &url,
        "Fail",
        &conditions,
    );
    if let Some(webhook) = webhook.as_object_mut() {
        // What another webhook changes afterwards is a change as well.
        webhook.insert("reinvocationPolicy".to_owned(), json!("IfNeeded"));
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata(),
        "webhooks": [webhook],
    })
}

/// With a word to clusters of Azure, which else add selectors to every webhook by which it would miss namespaces.
fn metadata() -> Value {
    let apart = json!({"admissions.enforcer/disabled": "true"});
    json!({"name": NAME, "labels": apart, "annotations": apart})
}

fn entry(
    name: &str,
    (operations, resources): (&[&str], &[&str]),
    url: &str,
    failure: &str,
    conditions: &[&str],
) -> Value {
    let condition = |(index, expression)| json!({"name": format!("condition-{index}"), "expression": expression});
    let rule = json!({
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": operations,
        "resources": resources,
        "scope": "*",
    });
    json!({
        "name": format!("{name}.{GROUP}"),
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": url},
        "rules": [rule],
        "failurePolicy": failure,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "matchConditions": conditions.iter().enumerate().map(condition).collect::<Vec<_>>(),
    })
}
