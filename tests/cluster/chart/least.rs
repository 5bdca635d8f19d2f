//! No more than is needed: of rights for people, and of what pods may do on a node.

use std::fs;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{ControlPlane, assets};
use serde_json::{Value, json};

use super::find;
use super::settings::{choices, combinations};
use crate::common::chart::{NAMESPACE, control_plane, rendered};

const READER: &str = "pimpernel-reader";
/// A label of a ClusterRole that begins so puts its rights into a built-in role.
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// The built-in roles that a ClusterRole is part of.
fn taken_in_by(role: &Value) -> Vec<&str> {
    let labels = role["metadata"]["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(label, _)| label.strip_prefix(AGGREGATE)).collect()
}

/// Whether a role has no verb that writes.
fn only_reads(role: &Value) -> bool {
    let verbs = role["rules"].as_array().into_iter().flatten();
    let mut verbs = verbs.flat_map(|rule| rule["verbs"].as_array().into_iter().flatten());
    verbs.all(|verb| ["get", "list", "watch"].iter().any(|reads| verb == reads))
}

#[test]
fn readers_have_a_role_unless_it_is_not_wanted_and_view_alone_takes_it_in() -> Result<()> {
    let helm = &assets::helms()?[0];
    for values in choices()? {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut taken_in = vec![];
        for role in rendered(helm, &values)? {
            for by in taken_in_by(&role) {
                ensure!(only_reads(&role), "{by} may write: {role}");
                taken_in.push(format!("{} by {by}", role["metadata"]["name"]));
            }
        }
        ensure!(taken_in == ["\"pimpernel-reader\" by view"], "{values:?}: {taken_in:?}");
    }
    let role = |value: &str| -> Result<Value> {
        let objects = rendered(helm, &[value])?;
        find(&objects, "ClusterRole", READER).cloned()
    };
    ensure!(role("readers.create=false").is_err(), "it is there");
    let (apart, wanted) = (role("readers.aggregateToView=false")?, role("readers.create=true")?);
    ensure!(taken_in_by(&apart).is_empty(), "{apart}");
    ensure!(apart["rules"] == wanted["rules"] && only_reads(&apart), "{apart}");
    Ok(())
}

/// Whether the API server would take a pod.
fn create(plane: &ControlPlane, pod: &Value) -> Result<()> {
    let file = plane.dir().join("pod.json");
    fs::write(&file, serde_json::to_vec(pod)?)?;
    let file = file.to_string_lossy();
    plane.kubectl_output(plane.admin(), &["create", "--dry-run=server", "-f", &file])?;
    Ok(())
}

/// The pod that would be made of a Deployment.
fn of_deployment(deployment: &Value) -> Value {
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("pimpernel-operator");
    pod["metadata"]["namespace"] = json!(NAMESPACE);
    pod
}

#[test]
fn every_pod_of_the_chart_is_restricted_by_the_pod_security_standards() -> Result<()> {
    let helm = &assets::helms()?[0];
    let (plane, _turn) = control_plane()?;
    let kubectl = |args: &[&str]| plane.kubectl_output(plane.admin(), args);
    kubectl(&["create", "namespace", NAMESPACE])?;
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", NAMESPACE, restricted])?;
    let (account, namespace) = ("serviceaccount/default", format!("--namespace={NAMESPACE}"));
    kubectl(&["create", "serviceaccount", "pimpernel-operator", &namespace])?;
    kubectl(&["wait", "--for=create", "--timeout=30s", account, &namespace])?;
    for values in combinations() {
        let objects = rendered(helm, &values)?;
        let operator = of_deployment(find(&objects, "Deployment", "pimpernel-operator")?);
        for pod in [&operator, find(&objects, "Pod", "pimpernel-test")?] {
            create(&plane, pod).with_context(|| format!("{values:?}"))?;
            for place in ["/spec", "/spec/containers/0"] {
                let mut loose = pod.clone();
                let fields = loose.pointer_mut(place).and_then(Value::as_object_mut);
                let had = fields.and_then(|fields| fields.remove("securityContext"));
                had.with_context(|| format!("{place} has none"))?;
                let refused = create(&plane, &loose).err().context("it is taken without")?;
                let says = "violates PodSecurity \"restricted";
                ensure!(refused.to_string().contains(says), "{place}: {refused}");
            }
        }
    }
    Ok(())
}
