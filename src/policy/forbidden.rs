//! The keys that no catalogue can hand out (P8): rights from which more rights can be made. And what no action may imply (P5, P8).

use super::catalog::{Action, ActionEntry};
use super::children::Rule;
use super::directory::Directory;
use super::verdict::Reason;
use std::collections::BTreeSet;

/// Resources of built-in groups that lead to other rights, with the word for people.
const KEYS: &[(&str, &[&str], &str)] = &[
    ("", &["secrets"], "Secrets"),
    (
        "",
        &[
            "pods/exec",
            "pods/attach",
            "pods/portforward",
            "pods/ephemeralcontainers",
            "pods/resize",
            "pods/binding",
            "bindings",
        ],
        "a way into pods",
    ),
    (
        "",
        &["serviceaccounts", "serviceaccounts/token"],
        "ServiceAccounts and their tokens",
    ),
    ("", &["pods/proxy", "services/proxy"], "proxies"),
    (
        "",
        &["namespaces", "namespaces/finalize", "namespaces/status"],
        "namespaces",
    ),
    ("", &["users", "groups", "uids"], "other people's identity"),
];

/// Groups that are closed altogether.
const CLOSED: &[(&str, &str)] = &[
    ("rbac.authorization.k8s.io", "RBAC"),
    ("admissionregistration.k8s.io", "admission configuration"),
    ("certificates.k8s.io", "certificates"),
    ("authentication.k8s.io", "other people's identity"),
    ("apiregistration.k8s.io", "API registration"),
    ("apiextensions.k8s.io", "custom resource definitions"),
];

/// What runs pods, as any ServiceAccount of the namespace and with any of its Secrets: to be looked at only.
const RUNNING: &[(&str, &[&str])] = &[
    ("", &["pods", "replicationcontrollers", "podtemplates"]),
    ("apps", &["deployments", "daemonsets", "statefulsets", "replicasets"]),
    ("batch", &["jobs", "cronjobs"]),
];

/// The verbs that change nothing.
const LOOKING: &[&str] = &["get", "list", "watch"];

/// What decides where the traffic of Services goes, and what of a workload its controller would roll back to: to be looked
/// at only.
const STEERING: &[(&str, &str)] = &[
    ("", "endpoints"),
    ("discovery.k8s.io", "endpointslices"),
    ("apps", "controllerrevisions"),
];

/// Why `rule` of the catalogue of `application` is not to be granted; none if it may.
pub fn judge(application: &str, rule: &Rule) -> Option<String> {
    let wild = |text: &str| text.contains('*');
    if wild(&rule.group) || wild(&rule.resource) || rule.verbs.iter().any(|verb| wild(verb)) {
        return Some("everything with `*`".to_owned());
    }
    let verb = |verb: &&String| {
        let verb = verb.to_ascii_lowercase();
        verb.starts_with("impersonate") || matches!(verb.as_str(), "bind" | "escalate" | "adopt" | "request-for")
    };
    if let Some(verb) = rule.verbs.iter().find(verb) {
        return Some(format!("the verb `{verb}`"));
    }
    if let Some((group, what)) = CLOSED.iter().find(|(group, _)| *group == rule.group) {
        return Some(format!("{what} (`{group}`)"));
    }
    // Of nodes all: by metrics, stats, logs or checkpoints a kubelet tells, and lets do, much of every pod.
    if rule.group.is_empty() && (rule.resource == "nodes" || rule.resource.starts_with("nodes/")) {
        return Some(format!("nodes (`{}`)", rule.resource));
    }
    if let Some((_, _, what)) = KEYS
        .iter()
        .find(|(group, resources, _)| *group == rule.group && resources.contains(&rule.resource.as_str()))
    {
        return Some(format!("{what} (`{}`)", rule.resource));
    }
    let runs = RUNNING
        .iter()
        .any(|(group, kinds)| *group == rule.group && kinds.iter().any(|kind| rule.resource == *kind));
    if runs && writes(rule) {
        return Some(format!("what runs pods (`{}`)", rule.resource));
    }
    if STEERING.contains(&(&rule.group, &rule.resource)) && writes(rule) {
        return Some(format!("what steers workloads and their traffic (`{}`)", rule.resource));
    }
    let commercial = rule.group == crate::api::GROUP && rule.resource == "tenants/commercial";
    let records = rule.group == crate::api::GROUP
        && (rule.resource.ends_with("/status") || rule.resource == "changerecords" && writes(rule))
        || rule.group == crate::api::GROUP && rule.resource == "permissioncatalogs" && writes(rule);
    if commercial && application != "tenant-management" || records {
        return Some(format!("`{}`", rule.resource));
    }
    None
}

/// Why an action is not to bring another one that it implies, in a sentence for whoever writes its catalogue. What is
/// everybody's brings only what is everybody's, or listing it in a role would change something (P5); and nothing brings of
/// another application what its own rules could not hand out (P8).
pub fn implied(
    (action, entry): (&Action, &ActionEntry),
    (implied, target): (&Action, &ActionEntry),
    directory: &Directory,
) -> Option<(Reason, String)> {
    if entry.unrestricted && !target.unrestricted {
        let message = format!(
            "action `{action}` is unrestricted and implies `{implied}`, which is not: do not imply that, or mark its permission as unrestricted too"
        );
        return Some((Reason::InvalidCatalog, message));
    }
    let why = key(action, implied, directory)?;
    let message = format!("action `{action}` would hand out {why}, for it implies `{implied}`: do not imply that");
    Some((Reason::ForbiddenRule, message))
}

/// What `action` would hand out by implying what is of another application. What that other application implies further of
/// a third one is that one's to be judged for.
fn key(action: &Action, implied: &Action, directory: &Directory) -> Option<String> {
    let application = implied.application();
    if application == action.application() {
        return None;
    }
    let (mut seen, mut open) = (BTreeSet::from([implied]), vec![implied]);
    while let Some(next) = open.pop() {
        let Some(entry) = directory.action(next) else { continue };
        if let Some(why) = entry.rules.iter().find_map(|rule| judge(action.application(), rule)) {
            return Some(why);
        }
        let own = entry.implies.iter().filter(|next| next.application() == application);
        open.extend(own.filter(|next| seen.insert(next)));
    }
    None
}

fn writes(rule: &Rule) -> bool {
    rule.verbs.iter().any(|verb| !LOOKING.contains(&verb.as_str()))
}

/// What of `rule` a session may have: it only looks at Impersonations, consents and the policy on security, whatever a
/// catalogue says (I5, T7).
pub fn of_sessions(mut rule: Rule) -> Option<Rule> {
    let kind = rule.resource.split('/').next().unwrap_or_default();
    let closed = matches!(kind, "impersonations" | "impersonationconsents") || rule.resource == "tenants/security";
    if rule.group == crate::api::GROUP && closed {
        rule.verbs.retain(|verb| LOOKING.contains(&verb.as_str()));
    }
    (!rule.verbs.is_empty()).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_a_catalogue_cannot_hand_out_the_keys() {
        for (group, resource, verb) in [
            ("", "secrets", "get"),
            ("", "pods/exec", "create"),
            ("", "serviceaccounts/token", "create"),
            ("", "nodes", "get"),
            ("", "nodes/metrics", "get"),
            ("", "nodes/stats", "get"),
            ("", "nodes/checkpoint", "create"),
            ("", "endpoints", "update"),
            ("discovery.k8s.io", "endpointslices", "patch"),
            ("apps", "controllerrevisions", "create"),
            ("apps", "*", "get"),
            ("apps", "deployments", "*"),
            ("*", "deployments", "get"),
            ("rbac.authorization.k8s.io", "roles", "get"),
            (
                "admissionregistration.k8s.io",
                "validatingwebhookconfigurations",
                "patch",
            ),
            ("certificates.k8s.io", "certificatesigningrequests", "create"),
            ("acd.apps.pimpernel.dev", "skills", "impersonate"),
            ("acd.apps.pimpernel.dev", "skills", "impersonate-on:user-info:list"),
            ("acd.apps.pimpernel.dev", "skills", "escalate"),
            ("pimpernel.dev", "tenants", "adopt"),
            ("pimpernel.dev", "tenants/commercial", "update"),
            ("pimpernel.dev", "impersonations/status", "update"),
        ] {
            assert!(
                judge("acd", &Rule::new(group, resource, &[verb])).is_some(),
                "{verb} {resource}.{group}"
            );
        }
    }

    #[test]
    fn p8_ordinary_rights_are_admitted() {
        for (application, group, resource, verb) in [
            ("acd", "acd.apps.pimpernel.dev", "skills", "edit"),
            ("admin", "pimpernel.dev", "employees", "create"),
            ("admin", "", "configmaps", "get"),
            ("admin", "", "endpoints", "get"),
            ("admin", "discovery.k8s.io", "endpointslices", "list"),
            ("admin", "apps", "controllerrevisions", "watch"),
            ("tenant-management", "pimpernel.dev", "tenants/commercial", "update"),
        ] {
            assert_eq!(
                judge(application, &Rule::new(group, resource, &[verb])),
                None,
                "{verb} {resource}.{group}"
            );
        }
    }
}
