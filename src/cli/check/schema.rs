//! What the API server's schema of a kind says of an object: fields that are unknown, defaults, and values that do not
//! fit. It knows those words of the schema language that the definitions of the kinds use, and a test holds that there are
//! no others.

use super::finding::{self, Finding};
use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The fields that every object has.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// A schema and all those in it.
pub fn all(schema: &Value) -> Vec<&Value> {
    let fields = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let below = fields.map(|(_, schema)| schema).chain(schema.get("items"));
    std::iter::once(schema).chain(below.flat_map(all)).collect()
}

/// Takes out the fields that `schema` does not have, and those that are null, and gives the paths of the unknown ones.
pub fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = vec![];
    prune_at("", object, schema, &mut unknown);
    unknown.sort();
    unknown
}

fn prune_at(path: &str, value: &mut Value, schema: &Value, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let known = schema.get("properties");
            fields.retain(|key, value| {
                let envelope = path.is_empty() && ENVELOPE.contains(&key.as_str());
                let found = known.and_then(|known| known.get(key));
                if !envelope && found.is_none() {
                    unknown.push(child(path, key));
                }
                // To the API server a field without a value is absent.
                envelope || (found.is_some() && !value.is_null())
            });
            for (key, value) in fields.iter_mut() {
                if let Some(schema) = known.and_then(|known| known.get(key)) {
                    prune_at(&child(path, key), value, schema, unknown);
                }
            }
        }
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            for (index, item) in items.iter_mut().enumerate() {
                prune_at(&element(path, index), item, schema, unknown);
            }
        }
        _ => {}
    }
}

/// Fills in the defaults of fields that are absent.
pub fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (key, schema) in properties.into_iter().flatten() {
                if let (None, Some(value)) = (fields.get(key), schema.get("default")) {
                    fields.insert(key.clone(), value.clone());
                }
                if let Some(value) = fields.get_mut(key) {
                    default(value, schema);
                }
            }
        }
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            for item in items {
                default(item, schema);
            }
        }
        _ => {}
    }
}

/// What in `object` does not fit `schema`.
pub fn validate(object: &Value, schema: &Value) -> Vec<Finding> {
    let mut findings = vec![];
    validate_at("", object, schema, &mut findings);
    findings
}

fn validate_at(path: &str, value: &Value, schema: &Value, findings: &mut Vec<Finding>) {
    let mut say = |found: Option<(&'static str, String)>| {
        findings.extend(found.map(|(reason, message)| Finding::new(reason, path, message)));
    };
    say(of_type(value, schema));
    say(listed(value, schema));
    match value {
        Value::String(text) => {
            say(text_fits(text, schema));
            say(formatted(text, schema));
        }
        Value::Number(number) => say(in_range(number.as_f64().unwrap_or_default(), schema)),
        Value::Array(items) => {
            say(counted(items.len(), schema));
            findings.extend(repeated(path, items, schema));
            let schema = schema.get("items").unwrap_or(&Value::Null);
            for (index, item) in items.iter().enumerate() {
                validate_at(&element(path, index), item, schema, findings);
            }
        }
        Value::Object(fields) => {
            let known = |key: &str| schema.get("properties").and_then(|known| known.get(key));
            for (key, value) in fields {
                if let Some(schema) = known(key) {
                    validate_at(&child(path, key), value, schema, findings);
                }
            }
            let required = texts(schema, "required").filter(|key| !fields.contains_key(*key));
            findings.extend(
                required.map(|key| Finding::new(finding::REQUIRED, child(path, key), "is missing: give it a value")),
            );
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn of_type(value: &Value, schema: &Value) -> Option<(&'static str, String)> {
    let wanted = schema.get("type").and_then(Value::as_str)?;
    let whole = |number: &serde_json::Number| number.as_f64().is_some_and(|number| number.fract() == 0.0);
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if whole(number) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let message = || match value {
        Value::Bool(_) | Value::Number(_) if wanted == "string" => {
            format!("is the {is} `{value}`, and should be text: put it in quotes")
        }
        _ => format!("is of type {is}: give it one of type {wanted}"),
    };
    (is != wanted && (is, wanted) != ("integer", "number")).then(|| (finding::TYPE, message()))
}

fn listed(value: &Value, schema: &Value) -> Option<(&'static str, String)> {
    let allowed = schema.get("enum").and_then(Value::as_array)?;
    let names: Vec<String> = texts(schema, "enum").map(|name| format!("`{name}`")).collect();
    let value_text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message = format!("`{value_text}` is not one of {}: choose one of them", names.join(", "));
    (!allowed.contains(value)).then_some((finding::ENUM, message))
}

fn text_fits(text: &str, schema: &Value) -> Option<(&'static str, String)> {
    let length = text.chars().count();
    if let Some(most) = limit(schema, "maxLength").filter(|most| length > *most) {
        let message = format!("has {length} characters, and at most {most} are allowed: shorten it");
        return Some((finding::TOO_LONG, message));
    }
    if let Some(least) = limit(schema, "minLength").filter(|least| length < *least) {
        let message = format!("`{text}` has {length} characters, and at least {least} are needed: lengthen it");
        return Some((finding::INVALID, message));
    }
    let pattern = schema.get("pattern").and_then(Value::as_str)?;
    let message = format!("`{text}` does not match `{pattern}`: correct it");
    (!matches(pattern, text)).then_some((finding::INVALID, message))
}

fn matches(pattern: &str, text: &str) -> bool {
    static PATTERNS: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = patterns.entry(pattern.to_owned());
    let compiled = compiled.or_insert_with(|| Regex::new(pattern).ok());
    compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

fn formatted(text: &str, schema: &Value) -> Option<(&'static str, String)> {
    let is_time = schema.get("format").and_then(Value::as_str) == Some("date-time");
    let message = format!("`{text}` is not a time such as `2030-01-31T08:00:00Z`: correct it");
    (is_time && !time(text)).then_some((finding::TYPE, message))
}

/// RFC 3339, as the API server reads it: no leap second, no blank between date and time.
fn time(text: &str) -> bool {
    static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$").ok()
    });
    SHAPE.as_ref().is_some_and(|shape| shape.is_match(text)) && text.parse::<Timestamp>().is_ok()
}

fn in_range(number: f64, schema: &Value) -> Option<(&'static str, String)> {
    let bound = |word| schema.get(word).and_then(Value::as_f64);
    if let Some(most) = bound("maximum").filter(|most| number > *most) {
        return Some((
            finding::INVALID,
            format!("`{number}` is more than {most}: choose at most that"),
        ));
    }
    let least = bound("minimum").filter(|least| number < *least)?;
    Some((
        finding::INVALID,
        format!("`{number}` is less than {least}: choose at least that"),
    ))
}

fn counted(count: usize, schema: &Value) -> Option<(&'static str, String)> {
    if let Some(most) = limit(schema, "maxItems").filter(|most| count > *most) {
        let message = format!("has {count} items, and at most {most} are allowed: remove some");
        return Some((finding::TOO_MANY, message));
    }
    let least = limit(schema, "minItems").filter(|least| count < *least)?;
    let message = format!("has {count} items, and at least {least} are needed: add some");
    Some((finding::INVALID, message))
}

/// The items of a set that are there before, and those of a map whose key is.
fn repeated(path: &str, items: &[Value], schema: &Value) -> Vec<Finding> {
    let keys: Vec<&str> = texts(schema, "x-kubernetes-list-map-keys").collect();
    let identity = |item: &Value| match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Some(item.to_string()),
        Some("map") => {
            let key = |key: &&str| item.get(*key).map(ToString::to_string);
            Some(keys.iter().filter_map(key).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut findings = vec![];
    for (index, identity) in items.iter().map(identity).enumerate() {
        let Some(identity) = identity else { continue };
        let times = seen.entry(identity.clone()).or_default();
        *times += 1;
        // What is there thrice is said once more, not twice.
        if *times == 2 {
            let message = format!("`{}` is there twice: remove one", identity.replace('"', ""));
            findings.push(Finding::new(finding::DUPLICATE, element(path, index), message));
        }
    }
    findings
}

fn limit(schema: &Value, word: &str) -> Option<usize> {
    schema.get(word)?.as_u64()?.try_into().ok()
}

fn texts<'a>(schema: &'a Value, word: &str) -> impl Iterator<Item = &'a str> {
    let values = schema.get(word).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str)
}

/// The path of a field.
pub fn child(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
