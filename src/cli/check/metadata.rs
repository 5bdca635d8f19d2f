//! What the API server says of `metadata`: names, labels and annotations, the same for every kind.

use super::finding::{self, Finding};
use super::schema::child;
use serde_json::{Map, Value};

/// How long a name may be.
const LONGEST_NAME: usize = 253;
/// How much all annotations together may hold, in bytes.
const MOST_ANNOTATIONS: usize = 256 * 1024;

const TEXTS: [&str; 3] = ["name", "generateName", "namespace"];
const MAPS: [&str; 2] = ["labels", "annotations"];
/// What the API server fills in itself, or reads as it is.
const OTHERS: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A text of the metadata; empty if there is none.
pub fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    let value = object.get("metadata").and_then(|metadata| metadata.get(key));
    value.and_then(Value::as_str).unwrap_or_default()
}

/// What is of the wrong type, and which fields there are not: an object with such metadata cannot be sent.
pub fn shape(object: &Value) -> (Vec<Finding>, Vec<String>) {
    let fields = match object.get("metadata") {
        Some(Value::Object(fields)) => fields,
        None | Some(Value::Null) => &Map::new(),
        Some(_) => {
            let message = "is not a map: give it fields such as `name`";
            return (vec![Finding::new(finding::MALFORMED, "metadata", message)], vec![]);
        }
    };
    let (mut wrong, mut unknown) = (vec![], vec![]);
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let path = child("metadata", key);
        if TEXTS.contains(&key.as_str()) {
            wrong.extend(not_text(&path, value));
        } else if MAPS.contains(&key.as_str()) {
            match value {
                Value::Object(entries) => {
                    wrong.extend(
                        entries
                            .iter()
                            .filter_map(|(key, value)| not_text(&child(&path, key), value)),
                    );
                }
                _ => wrong.push(Finding::new(
                    finding::MALFORMED,
                    path,
                    "is not a map: give it keys and values",
                )),
            }
        } else if !OTHERS.contains(&key.as_str()) {
            unknown.push(path);
        }
    }
    (wrong, unknown)
}

fn not_text(path: &str, value: &Value) -> Option<Finding> {
    let message = || match value {
        Value::Bool(_) | Value::Number(_) => format!("`{value}` is not text: put it in quotes"),
        _ => "is not text: give it one".to_owned(),
    };
    (!value.is_string() && !value.is_null()).then(|| Finding::new(finding::MALFORMED, path, message()))
}

/// What in well-formed metadata the API server refuses. A prefix for a name is looked at where there is no name yet.
pub fn validate(object: &Value, namespaced: bool, created: bool) -> Vec<Finding> {
    let mut findings = vec![];
    let mut say = |field: &str, message: String| findings.push(Finding::new(finding::INVALID, field, message));
    let (name, namespace) = (text(object, "name"), text(object, "namespace"));
    if !subdomain(name) {
        say("metadata.name", not_a_name(name, "-` and `."));
    }
    let generated = text(object, "generateName");
    // The API server appends to it, so that it may end with `-`.
    if created && !generated.is_empty() && !subdomain(&format!("{generated}00000")) {
        say("metadata.generateName", not_a_name(generated, "-` and `."));
    }
    if namespaced && !(namespace.len() <= 63 && label(namespace)) {
        say("metadata.namespace", not_a_name(namespace, "-"));
    }
    let (labels, annotations) = (entries(object, "labels"), entries(object, "annotations"));
    for (key, value) in labels {
        if !qualified(key) {
            say(
                "metadata.labels",
                format!("`{key}` cannot be the key of a label: correct it"),
            );
        }
        if !(value.is_empty() || word(value)) {
            say(
                "metadata.labels",
                format!("`{value}` cannot be the value of a label: correct it"),
            );
        }
    }
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.len();
        if !qualified(&key.to_lowercase()) {
            say(
                "metadata.annotations",
                format!("`{key}` cannot be the key of an annotation: correct it"),
            );
        }
    }
    if size > MOST_ANNOTATIONS {
        let message = format!("hold {size} bytes, and at most {MOST_ANNOTATIONS} are allowed: remove some");
        findings.push(Finding::new(finding::TOO_LONG, "metadata.annotations", message));
    }
    findings
}

fn not_a_name(name: &str, marks: &str) -> String {
    format!("`{name}` is not a name: use lower-case letters, digits and `{marks}`, and letters or digits at both ends")
}

fn entries<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = object.get("metadata").and_then(|metadata| metadata.get(key));
    let map = map.and_then(Value::as_object).into_iter().flatten();
    map.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

/// RFC 1123, without a limit to the length of its parts.
fn subdomain(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.split('.').all(label)
}

fn label(text: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty() && text.chars().all(|c| lower(c) || c == '-') && text.starts_with(lower) && text.ends_with(lower)
}

/// A key such as `app` or `example.com/app`.
fn qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => subdomain(prefix) && word(name),
        None => word(key),
    }
}

fn word(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| alphanumeric(c) || "-_.".contains(c))
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
}
