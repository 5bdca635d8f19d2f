//! Whether what is registered says what it should. What the API server fills in does not matter, nor, in what a chart has
//! made, what there is besides: it may be newer. Whatever narrows what is asked or refused does.

use serde_json::Value;

use super::{Id, Registrar};

/// Fields by which a webhook, a policy or a binding is for less than it is without them, or refuses more.
const NARROWING: [&str; 9] = [
    "auditAnnotations",
    "excludeResourceRules",
    "matchConditions",
    "matchResources",
    "namespaceSelector",
    "objectSelector",
    "paramKind",
    "paramRef",
    "resourceNames",
];

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What.
    pub what: String,
    /// Whether somebody has added what makes it be for less, or refuse more.
    pub added: bool,
}

impl Wrong {
    /// What nobody has added.
    pub fn of(what: String) -> Self {
        Self { what, added: false }
    }
}

/// What is wrong with the webhooks of a configuration, but for whom they trust.
pub fn webhooks(id: &Id, found: &Value, wanted: &Value, registrar: Registrar) -> Vec<Wrong> {
    let list = |webhooks: &Value| webhooks.as_array().cloned().unwrap_or_default();
    let (found, wanted) = (list(found), list(wanted));
    let same = |one: &Value, other: &Value| one.get("name") == other.get("name");
    let mut wrong = vec![];
    for webhook in &wanted {
        let name = webhook.get("name").and_then(Value::as_str).unwrap_or_default();
        match found.iter().find(|found| same(found, webhook)) {
            None => wrong.push(Wrong::of(format!("{id} lacks the webhook `{name}`"))),
            Some(found) => {
                let what = format!("`{name}` in {id}");
                wrong.extend(fields(&what, &without_client(found), &without_client(webhook)));
                if address(found, registrar) != address(webhook, registrar) {
                    wrong.push(Wrong::of(format!("{what} leads elsewhere")));
                }
            }
        }
    }
    if registrar == Registrar::Operator {
        let besides = found.iter().filter(|found| !wanted.iter().any(|one| same(one, found)));
        wrong.extend(besides.map(|webhook| Wrong::of(format!("{id} has {} besides", webhook["name"]))));
    }
    wrong
}

/// What is wrong with the `spec` of a policy or a binding.
pub fn spec(id: &Id, found: &Value, wanted: &Value) -> Vec<Wrong> {
    fields(&id.to_string(), found, wanted)
}

/// The fields that are not as wanted.
fn fields(what: &str, found: &Value, wanted: &Value) -> Vec<Wrong> {
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (found, wanted) = (entries(found), entries(wanted));
    let other = |(field, wanted): (&String, &Value)| !like(found.get(field).unwrap_or(&Value::Null), wanted);
    let changed = wanted
        .iter()
        .filter(|entry| other(*entry))
        .map(|(field, _)| Wrong::of(format!("{what} has another `{field}`")));
    let narrowed = found
        .iter()
        .filter(|(field, value)| !wanted.contains_key(*field) && narrows(field, value));
    let added = narrowed.map(|(field, _)| Wrong {
        what: format!("{what} has `{field}`, which it should not"),
        added: true,
    });
    changed.chain(added).collect()
}

/// Whether one is as the other, but for what may be filled in.
fn like(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        // Whatever else a selector says leaves something out.
        (found, wanted) if is_selector(wanted) => {
            let said = |selector: &Value| {
                let mut said = selector.as_object().cloned().unwrap_or_default();
                said.retain(|_, value| !empty(value));
                said
            };
            said(found) == said(wanted)
        }
        (Value::Object(found), Value::Object(wanted)) => {
            let narrowed = found
                .iter()
                .any(|(key, value)| !wanted.contains_key(key) && narrows(key, value));
            let found = |key| found.get(key).unwrap_or(&Value::Null);
            !narrowed && wanted.iter().all(|(key, wanted)| like(found(key), wanted))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(one, other)| like(one, other))
        }
        (found, wanted) => found == wanted,
    }
}

fn is_selector(value: &Value) -> bool {
    ["matchLabels", "matchExpressions"]
        .iter()
        .any(|field| value.get(field).is_some())
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn narrows(field: &str, value: &Value) -> bool {
    match field {
        "scope" => value != "*",
        _ => NARROWING.contains(&field) && !empty(value),
    }
}

fn without_client(webhook: &Value) -> Value {
    let mut webhook = webhook.clone();
    if let Some(fields) = webhook.as_object_mut() {
        fields.remove("clientConfig");
    }
    webhook
}

/// Where the webhook is reached. By what Service, or at what host, is for a chart to say: then only the path counts.
fn address(webhook: &Value, registrar: Registrar) -> Option<&str> {
    let client = webhook.get("clientConfig")?;
    let url = client.get("url").and_then(Value::as_str);
    if registrar == Registrar::Operator {
        return url;
    }
    let path = |url: &'_ str| {
        url.find("://")
            .and_then(|at| url.get(at + 3..)?.find('/').map(|slash| at + 3 + slash))
    };
    match url {
        Some(url) => url.get(path(url)?..),
        None => client.pointer("/service/path")?.as_str(),
    }
}
