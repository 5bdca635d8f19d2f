//! The README of the Helm chart, and what the chart reads from `files/`: copies of the definitions, the policies and the
//! rights, and the webhook configurations as the operator would write them. Helm packs no file from outside of a chart's folder, and not every tool
//! follows a link that leads there.
//!
//! Names that only the installation knows are placeholders, which the templates fill in, as the operator does in policies.

use std::collections::BTreeMap;

use super::{Error, OPTIONAL, Registrar, operator, yaml};
use crate::policy::history::Employees;
use crate::webhook::configuration;
use crate::webhook::policies::POLICIES;

mod values;

/// Where they are.
pub const FOLDER: &str = "charts/pimpernel/files";

const OPERATOR_USER: &str = "${OPERATOR_USER}";
const SESSIONS_NAMESPACE: &str = "${SESSIONS_NAMESPACE}";
/// Stands before the path of each webhook.
const WEBHOOK: &str = "${WEBHOOK}";

/// The files, by path. `others` are those of the repository that the chart has as they are.
pub fn files(others: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    let copied = others
        .iter()
        .filter(|(path, _)| path.starts_with("crds/") || path.starts_with("rbac/catalog-"));
    let mut files: BTreeMap<_, _> = copied
        .map(|(path, text)| (format!("{FOLDER}/{path}"), text.clone()))
        .collect();
    for (name, text) in POLICIES {
        files.insert(format!("{FOLDER}/policies/{name}.yaml"), text.to_owned());
    }
    for (path, text) in others {
        if let Some(name) = path.strip_prefix(OPTIONAL) {
            files.insert(format!("{FOLDER}/rbac/{name}"), text.clone());
        }
    }
    files.insert(format!("{FOLDER}/rbac/operator.yaml"), operator(Registrar::Chart)?);
    files.insert("charts/pimpernel/README.md".to_owned(), values::page());
    let recorded = |employees| configuration::history(WEBHOOK, OPERATOR_USER, (SESSIONS_NAMESPACE, employees));
    for (name, configuration) in [
        ("rules", configuration::configuration(WEBHOOK, OPERATOR_USER)),
        ("history-sessions", recorded(Employees::Sessions)),
        ("history-all", recorded(Employees::All)),
    ] {
        let path = format!("{FOLDER}/webhooks/{name}.yaml");
        let text = yaml(&path, &[configuration])?;
        files.insert(path, text);
    }
    Ok(files)
}
