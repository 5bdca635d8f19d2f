//! What Kustomize reads from `config/generated/`: definitions, rights, policies and webhook configurations of an operator that
//! runs in the cluster, under the names that these have where nobody chooses others. They are copies, because Kustomize reads
//! no file from outside of its folder. And for whoever keeps our kinds in Git, which of their lists it is to merge.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::Subject;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Error, OPERATOR, OPERATOR_NAMESPACE, OPTIONAL, SESSIONS_NAMESPACE, chart, user, yaml};
use crate::api;
use crate::policy::history::Employees;
use crate::webhook::configuration;
use crate::webhook::policies::POLICIES;

/// Where they are.
pub const FOLDER: &str = "config/generated";

/// What its component for our kinds reads.
const SCHEMA: &str = "config/references/schema.json";

/// The Service by which the API server reaches the webhook.
const SERVICE: &str = "pimpernel-webhook";

/// The files, by path. `others` are those of the repository, the chart's among them.
pub fn files(others: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    let optional = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        others.contains_key(&format!("{OPTIONAL}{name}"))
    };
    let joined = |folder: &str| {
        let texts = others
            .iter()
            .filter(|(path, _)| path.starts_with(folder) && !optional(path));
        texts.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("---\n")
    };
    let subjects = |subject: Subject| yaml(FOLDER, &[[subject]]);
    let rights = joined(&format!("{}/rbac/", chart::FOLDER)).replace(&subjects(user())?, &subjects(account())?);
    let policies: Vec<String> = POLICIES
        .iter()
        .map(|(_, text)| policy(text))
        .collect::<Result<_, _>>()?;
    let recorded = (SESSIONS_NAMESPACE, Employees::Sessions);
    let webhooks = [
        configuration::configuration("", &user_of_account()),
        configuration::history("", &user_of_account(), recorded),
    ];
    let files = [
        ("crds", joined("crds/")),
        ("policies", policies.join("---\n")),
        ("rbac", rights),
        ("webhooks", yaml(FOLDER, &webhooks.map(by_service))?),
    ];
    let mut files: BTreeMap<_, _> = files.map(|(name, text)| (format!("{FOLDER}/{name}.yaml"), text)).into();
    files.insert(SCHEMA.to_owned(), format!("{:#}\n", merged_lists()));
    Ok(files)
}

/// The schema by which a strategic merge of Kustomize keeps the entries that a patch does not name, in the lists in which
/// server-side apply does. What is not in it is replaced as a whole.
fn merged_lists() -> Value {
    let definitions = api::crds().into_iter().filter_map(|definition| {
        let kind = &definition.spec.names.kind;
        let version = definition.spec.versions.first()?;
        let spec = merging(spec(&definition)?)?;
        let id = json!([{"group": definition.spec.group, "version": version.name, "kind": kind}]);
        let schema = json!({
            "type": "object", "properties": {"spec": spec}, "x-kubernetes-group-version-kind": id,
        });
        Some((format!("{}.{}.{kind}", definition.spec.group, version.name), schema))
    });
    json!({"definitions": definitions.collect::<Map<_, _>>()})
}

fn spec(definition: &CustomResourceDefinition) -> Option<&JSONSchemaProps> {
    let schema = definition.spec.versions.first()?.schema.as_ref()?;
    schema.open_api_v3_schema.as_ref()?.properties.as_ref()?.get("spec")
}

/// Of a schema what leads to lists that are merged by a key; nothing if none is there.
fn merging(schema: &JSONSchemaProps) -> Option<Value> {
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        let [key] = schema.x_kubernetes_list_map_keys.as_deref()? else {
            return None;
        };
        let items = merging(items).unwrap_or_else(|| json!({"type": "object"}));
        return Some(json!({
            "type": "array", "items": items,
            "x-kubernetes-patch-merge-key": key, "x-kubernetes-patch-strategy": "merge",
        }));
    }
    let fields = schema.properties.iter().flatten();
    let fields: Map<_, _> = fields
        .filter_map(|(name, field)| Some((name.clone(), merging(field)?)))
        .collect();
    (!fields.is_empty()).then(|| json!({"type": "object", "properties": fields}))
}

/// A policy and its binding with names filled in, written anew: Kustomize adds lines to text that is folded.
fn policy(text: &str) -> Result<String, Error> {
    let text = text
        .replace("${OPERATOR_USER}", &user_of_account())
        .replace("${OPERATOR_NAMESPACE}", OPERATOR_NAMESPACE)
        .replace("${SESSIONS_NAMESPACE}", SESSIONS_NAMESPACE);
    let documents = serde_yaml::Deserializer::from_str(&text).map(serde_yaml::Value::deserialize);
    let documents: Result<Vec<_>, _> = documents.collect();
    yaml(
        FOLDER,
        &documents.map_err(|error| Error::Yaml(FOLDER.to_owned(), error))?,
    )
}

fn account() -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: OPERATOR.into(),
        namespace: Some(OPERATOR_NAMESPACE.into()),
        ..Subject::default()
    }
}

fn user_of_account() -> String {
    format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}")
}

/// The same configuration, for a webhook that a Service leads to: of its addresses the path is left.
fn by_service(mut configuration: Value) -> Value {
    let webhooks = configuration.get_mut("webhooks").and_then(Value::as_array_mut);
    for client in webhooks
        .into_iter()
        .flatten()
        .filter_map(|webhook| webhook.get_mut("clientConfig"))
    {
        let path = client.get("url").cloned();
        *client = json!({
            "service": {"name": SERVICE, "namespace": OPERATOR_NAMESPACE, "path": path, "port": 443},
        });
    }
    configuration
}
