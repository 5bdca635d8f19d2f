//! What in the repository is generated from the code: the definitions under `crds/`, the rights of the operator under
//! `rbac/`, what the chart and Kustomize read, and the references under `docs/`. The generator writes these files, a
//! test compares them byte for byte.

use crate::api::{self, PermissionCatalog};
use crate::policy::catalog::{self, Catalog};
use crate::policy::children::Rule;
use crate::policy::verdict::{Class, Reason};
use crate::webhook::configuration;
use crate::webhook::policies::POLICIES;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

pub mod chart;
pub mod kustomize;
mod reference;
pub mod rules;

/// The user name, or in a cluster the ServiceAccount, under which the operator runs.
pub const OPERATOR: &str = "pimpernel-operator";
/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "pimpernel-system";
/// The namespace of the sessions' accounts.
pub const SESSIONS_NAMESPACE: &str = "pimpernel-sessions";

/// The name of the webhook configurations.
pub const WEBHOOKS: &str = configuration::NAME;

/// The names of the admission policies, each also that of its binding.
pub fn policies() -> impl Iterator<Item = String> {
    POLICIES.iter().map(|(policy, _)| format!("{policy}.{}", api::GROUP))
}

/// The folders in which every file is generated.
pub const GENERATED: [&str; 7] = [
    "crds",
    "rbac",
    "charts/pimpernel/files/crds",
    "charts/pimpernel/files/policies",
    "charts/pimpernel/files/rbac",
    "charts/pimpernel/files/webhooks",
    kustomize::FOLDER,
];

/// Where the rights are that the operator needs only for what it does when it is told to, one file for each.
const OPTIONAL: &str = "rbac/optional/";

/// The catalogues that come with Pimpernel, by file name.
pub const CATALOGS: &[(&str, &str)] = &[
    ("acd", include_str!("../catalog/acd.yaml")),
    ("admin", include_str!("../catalog/admin.yaml")),
    ("analytics", include_str!("../catalog/analytics.yaml")),
    ("analytics-advanced", include_str!("../catalog/analytics-advanced.yaml")),
    ("analytics-premium", include_str!("../catalog/analytics-premium.yaml")),
    ("coaching", include_str!("../catalog/coaching.yaml")),
    ("dashboard", include_str!("../catalog/dashboard.yaml")),
    ("engagement-manager", include_str!("../catalog/engagement-manager.yaml")),
    ("iex-wfm", include_str!("../catalog/iex-wfm.yaml")),
    ("interactions-hub", include_str!("../catalog/interactions-hub.yaml")),
    ("qm", include_str!("../catalog/qm.yaml")),
    ("recording-advanced", include_str!("../catalog/recording-advanced.yaml")),
    ("reporting", include_str!("../catalog/reporting.yaml")),
    ("tenant-management", include_str!("../catalog/tenant-management.yaml")),
    ("wfm", include_str!("../catalog/wfm.yaml")),
    ("wfm-advanced", include_str!("../catalog/wfm-advanced.yaml")),
];

/// Why the generated files cannot be made.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// A catalogue that comes with Pimpernel cannot be read.
    #[error("catalog/{0}.yaml cannot be read: {1}")]
    Catalog(&'static str, String),
    /// A file cannot be written as YAML.
    #[error("{0} cannot be written as YAML: {1}")]
    Yaml(String, #[source] serde_yaml::Error),
}

/// Every generated file: its path in the repository, and what is in it.
pub fn files() -> Result<BTreeMap<String, String>, Error> {
    let mut files = BTreeMap::new();
    for crd in api::crds() {
        let path = format!("crds/{}.yaml", crd.spec.names.plural);
        let text = yaml(&path, &[crd])?;
        files.insert(path, text);
    }
    files.insert("rbac/operator.yaml".to_owned(), operator(Registrar::Operator)?);
    for (name, text) in CATALOGS {
        files.insert(
            format!("rbac/catalog-{name}.yaml"),
            rights_for(name, &read(name, text)?)?,
        );
    }
    files.insert("rbac/catalog-readers.yaml".to_owned(), readers()?);
    files.extend(optional()?);
    files.extend(chart::files(&files)?);
    files.extend(kustomize::files(&files)?);
    files.insert("docs/api.md".to_owned(), reference::page());
    files.insert("docs/reasons.md".to_owned(), reasons());
    files.insert("docs/rules.md".to_owned(), rules::page());
    Ok(files)
}

/// What the operator needs to grant what the catalogue of `application` lists: a ClusterRole, and its binding.
pub fn rights_for(application: &str, catalog: &Catalog) -> Result<String, Error> {
    let (path, rules) = (format!("rbac/catalog-{application}.yaml"), catalog::grantable(catalog));
    let name = format!("pimpernel-operator:catalog:{application}");
    role_and_binding(&path, (&name, &rules), user())
}

/// A ClusterRole, and a binding of the same name.
fn role_and_binding(path: &str, (name, rules): (&str, &[Rule]), subject: rbac::Subject) -> Result<String, Error> {
    Ok(yaml(path, &[cluster_role(name, rules)])? + "---\n" + &yaml(path, &[cluster_binding(name, subject)])?)
}

/// Everybody who signs in may read catalogues: what applications there are is no secret, and `explain` needs it.
fn readers() -> Result<String, Error> {
    let (path, name) = ("rbac/catalog-readers.yaml", "pimpernel-catalog-readers");
    let rule = Rule::new(api::GROUP, "permissioncatalogs", &["get", "list", "watch"]);
    let everybody = rbac::Subject {
        kind: "Group".into(),
        name: "system:authenticated".into(),
        ..user()
    };
    role_and_binding(path, (name, &[rule]), everybody)
}

/// What the operator needs besides to remove records that are older than is kept, and to ask who reads the metrics.
fn optional() -> Result<BTreeMap<String, String>, Error> {
    let retention = vec![Rule::new(api::GROUP, "changerecords", &["delete"])];
    let reviews = vec![
        Rule::new("authentication.k8s.io", "tokenreviews", &["create"]),
        Rule::new("authorization.k8s.io", "subjectaccessreviews", &["create"]),
    ];
    let files = [("history-retention", retention), ("metrics-reviews", reviews)];
    let file = |(name, rules): (&str, Vec<Rule>)| {
        let (path, role) = (format!("{OPTIONAL}{name}.yaml"), format!("{OPERATOR}:{name}"));
        let text = role_and_binding(&path, (&role, &rules), user())?;
        Ok((path, text))
    };
    files.into_iter().map(file).collect()
}

fn read(name: &'static str, text: &str) -> Result<Catalog, Error> {
    let wire: PermissionCatalog =
        serde_yaml::from_str(text).map_err(|error| Error::Catalog(name, error.to_string()))?;
    catalog::parse(name, &wire.spec).map_err(|violations| {
        Error::Catalog(
            name,
            violations
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )
    })
}

fn yaml<T: Serialize>(path: &str, documents: &[T]) -> Result<String, Error> {
    let text = |document| serde_yaml::to_string(document).map_err(|error| Error::Yaml(path.to_owned(), error));
    let documents: Vec<String> = documents.iter().map(text).collect::<Result<_, _>>()?;
    Ok(documents.join("---\n"))
}

/// Who tells the API server of webhook and policies: it takes rights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Registrar {
    Operator,
    Chart,
}

/// What the operator needs besides what catalogues can grant. It grants the first rules to impersonators and sessions,
/// so it must hold them itself.
fn everywhere(registrar: Registrar) -> Vec<Rule> {
    let read = ["get", "list", "watch"];
    let kinds = api::DECLARED;
    let mut rules = vec![Rule::new(
        api::GROUP,
        "impersonations",
        &["create", "get", "list", "patch", "update", "watch"],
    )];
    // A consent and a record are known by the watch alone.
    rules.extend(kinds.map(|kind| match kind {
        "impersonationconsents" => Rule::new(api::GROUP, kind, &["list", "watch"]),
        _ => Rule::new(api::GROUP, kind, &read),
    }));
    rules.push(Rule::new(api::GROUP, "changerecords", &["create", "list", "watch"]));
    rules.extend(kinds.map(|kind| Rule::new(api::GROUP, &format!("{kind}/status"), &["patch"])));
    rules.push(Rule::new(api::GROUP, "roles", &["create", "patch"]));
    rules.extend(["tenants", "employees"].map(|kind| Rule::new(api::GROUP, kind, &["patch"])));
    let named = |rule: Rule, (name, _): &(&str, &str)| rule.only(name);
    let catalogs = Rule::new(api::GROUP, "permissioncatalogs", &["create", "patch"]);
    rules.push(CATALOGS.iter().fold(catalogs, named));
    let write = ["create", "delete", "list", "patch", "watch"];
    rules.extend(["roles", "rolebindings"].map(|kind| Rule::new("rbac.authorization.k8s.io", kind, &write)));
    rules.push(Rule::new("events.k8s.io", "events", &["create", "patch"]));
    let definitions = |rule: Rule, kind: &&str| rule.only(&format!("{kind}.{}", api::GROUP));
    let definition = Rule::new("apiextensions.k8s.io", "customresourcedefinitions", &["get"]);
    rules.push(kinds.iter().fold(definition, definitions));
    rules.extend(admission(registrar));
    crate::policy::children::merged(rules)
}

fn admission(registrar: Registrar) -> Vec<Rule> {
    let group = "admissionregistration.k8s.io";
    let webhooks = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
    let policies = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];
    match registrar {
        Registrar::Operator => {
            let kinds = webhooks.into_iter().chain(policies);
            kinds
                .map(|kind| Rule::new(group, kind, &["create", "list", "update", "watch"]))
                .collect()
        }
        // To say whom to trust in what the chart has made, and what of it is missing.
        Registrar::Chart => {
            let trust = |kind| Rule::new(group, kind, &["list", "update", "watch"]).only(configuration::NAME);
            let look = |kind| Rule::new(group, kind, &["list", "watch"]);
            let trust = webhooks.into_iter().map(trust);
            trust.chain(policies.into_iter().map(look)).collect()
        }
    }
}

fn operator(registrar: Registrar) -> Result<String, Error> {
    let path = "rbac/operator.yaml";
    let write = ["create", "delete", "list", "patch", "watch"];
    let sessions = [
        // One of them to be read by whoever a session is for.
        Rule::new("", "secrets", &["create", "delete", "get", "list", "patch", "watch"]),
        Rule::new("", "serviceaccounts", &write),
        Rule::new("", "serviceaccounts/token", &["create"]),
    ];
    let own = [
        Rule::new("", "secrets", &["create", "get", "list", "update", "watch"]),
        Rule::new("coordination.k8s.io", "leases", &["create", "get", "update"]),
    ];
    let mut text = yaml(path, &[cluster_role(OPERATOR, &everywhere(registrar))])?
        + "---\n"
        + &yaml(path, &[cluster_binding(OPERATOR, user())])?;
    for (namespace, rules) in [(SESSIONS_NAMESPACE, &sessions[..]), (OPERATOR_NAMESPACE, &own[..])] {
        let metadata = ObjectMeta {
            name: Some(OPERATOR.into()),
            namespace: Some(namespace.into()),
            ..ObjectMeta::default()
        };
        let rules = Some(rules.iter().map(Rule::to_rbac).collect());
        let role = rbac::Role {
            metadata: metadata.clone(),
            rules,
        };
        let binding = rbac::RoleBinding {
            metadata,
            role_ref: reference("Role", OPERATOR),
            subjects: Some(vec![user()]),
        };
        text = text + "---\n" + &yaml(path, &[role])? + "---\n" + &yaml(path, &[binding])?;
    }
    Ok(text)
}

fn cluster_role(name: &str, rules: &[Rule]) -> rbac::ClusterRole {
    rbac::ClusterRole {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        rules: Some(rules.iter().map(Rule::to_rbac).collect()),
        ..rbac::ClusterRole::default()
    }
}

fn cluster_binding(name: &str, subject: rbac::Subject) -> rbac::ClusterRoleBinding {
    rbac::ClusterRoleBinding {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        role_ref: reference("ClusterRole", name),
        subjects: Some(vec![subject]),
    }
}

fn reference(kind: &str, name: &str) -> rbac::RoleRef {
    rbac::RoleRef {
        api_group: Some("rbac.authorization.k8s.io".into()),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn user() -> rbac::Subject {
    rbac::Subject {
        api_group: Some("rbac.authorization.k8s.io".into()),
        kind: "User".into(),
        name: OPERATOR.into(),
        ..rbac::Subject::default()
    }
}

fn reasons() -> String {
    let mut text = String::from(
        "# Reasons\n\nGenerated from the code. The list is closed: a refusal, a condition and an Event have one of these.\n\n\
         - *Standing*: how an object stands that is as declared.\n\
         - *Waiting*: what an object waits for; nobody need act.\n\
         - *Refusal*: a rule is broken. Admission refuses it; what is stored all the same has no effect. The link leads to a \
         manifest that is refused for it.\n\
         - *Trouble*: something got in the way that admission cannot foresee.\n\
         - *Ending*: how a session ended.\n\n\
         | reason | class | rules | meaning |\n|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let class = match reason.class() {
            Class::Refusal => format!("[Refusal](../{})", refused_example(*reason)),
            other => format!("{other:?}"),
        };
        let _ = writeln!(
            text,
            "| `{reason}` | {class} | {} | {} |",
            reason.rules(),
            reason.meaning()
        );
    }
    text
}

/// The path of the manifest that is refused for `reason`.
pub fn refused_example(reason: Reason) -> String {
    let mut name = String::new();
    for letter in reason.as_str().chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    format!("examples/refused/{name}.yaml")
}
