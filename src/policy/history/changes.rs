//! What became different between two specs, one line a field. Of permissions it is one line for each, with its actions.

use crate::api::FieldChange;
use crate::policy::catalog::USE;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How many lines a record holds.
const MAX_LINES: usize = 1024;
/// The longest path, in characters.
const MAX_PATH: usize = 512;
/// The longest value, in characters.
pub(super) const MAX_VALUE: usize = 4096;

/// What became different from `old` to `new`, by path. Where something did that no line can tell, the order of a list, the
/// whole is told; specs that are equal give nothing.
pub fn changes(old: Option<&Value>, new: Option<&Value>) -> Vec<FieldChange> {
    if old == new {
        return vec![];
    }
    let (before, after) = (lines(old), lines(new));
    let paths = before
        .keys()
        .chain(after.keys().filter(|path| !before.contains_key(*path)));
    let mut changes: Vec<FieldChange> = paths
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| line(path, before.get(path), after.get(path)))
        .collect();
    if changes.is_empty() {
        let text = |spec: Option<&Value>| spec.map(Value::to_string);
        changes.push(line("spec", text(old).as_ref(), text(new).as_ref()));
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let more = changes.len().saturating_sub(MAX_LINES);
    if more > 0 {
        changes.truncate(MAX_LINES - 1);
        changes.push(line("spec", None, Some(&format!("and {} more", more + 1))));
    }
    changes
}

fn line(path: &str, from: Option<&String>, to: Option<&String>) -> FieldChange {
    FieldChange {
        path: shortened(path, MAX_PATH),
        from: from.map(|text| shortened(text, MAX_VALUE)),
        to: to.map(|text| shortened(text, MAX_VALUE)),
    }
}

/// The text, or so much of it as fits into `length` characters.
pub(super) fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

fn lines(spec: Option<&Value>) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    if let Some(spec) = spec {
        flatten("spec", spec, &mut lines);
    }
    lines
}

fn flatten(path: &str, value: &Value, lines: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                flatten(&format!("{path}.{field}"), value, lines);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                member(path, index, item, lines);
            }
        }
        Value::Array(items) => {
            if !items.is_empty() {
                say(path, listed(items), lines);
            }
        }
        one => say(path, text(one), lines),
    }
}

/// One of a list: a permission by its application and name, anything else by its name, or else by its place.
fn member(path: &str, index: usize, item: &Value, lines: &mut BTreeMap<String, String>) {
    let text = |fields: &Map<String, Value>, key: &str| fields.get(key)?.as_str().map(str::to_owned);
    let named = item.as_object().and_then(|fields| {
        let permission = text(fields, "application").zip(text(fields, "permission"));
        permission
            .map(|(application, permission)| (format!("{application}/{permission}"), true))
            .or_else(|| text(fields, "name").map(|name| (name, false)))
    });
    match named {
        Some((name, true)) => {
            let actions = item
                .get("actions")
                .and_then(Value::as_array)
                .filter(|all| !all.is_empty());
            let actions = actions.map_or_else(|| USE.to_owned(), |actions| listed(actions));
            say(&format!("{path}[{name}].actions"), actions, lines);
        }
        Some((name, false)) => flatten(&format!("{path}[{name}]"), item, lines),
        None => flatten(&format!("{path}[{index}]"), item, lines),
    }
}

/// A path that is there twice, as that of a permission which is listed twice, says both.
fn say(path: &str, value: String, lines: &mut BTreeMap<String, String>) {
    lines
        .entry(path.to_owned())
        .and_modify(|known| {
            known.push_str(", ");
            known.push_str(&value);
        })
        .or_insert(value);
}

fn listed(items: &[Value]) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
