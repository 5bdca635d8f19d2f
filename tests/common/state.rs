//! What the operator has made of some tenants, in a form in which two runs can be compared: without what differs from run
//! to run.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::Timestamp;
use pimpernel::policy::children::{DERIVED, OWNER_NAMESPACE};
use serde_json::{Value, json};

use super::{SESSIONS, World};

/// Statuses and derived objects by kind and name.
pub type State = BTreeMap<String, Value>;

const DECLARED: &str = "tenants.pimpernel.dev,roles.pimpernel.dev,employees.pimpernel.dev,impersonations.pimpernel.dev";
const MADE: &str = "roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io,serviceaccounts,secrets";

/// The state of tenants whose names differ from those of other runs by `prefix` alone.
pub fn of(world: &World, prefix: &str, tenants: &[&str]) -> Result<State> {
    let mut objects = vec![];
    for tenant in tenants {
        let namespace = format!("--namespace={prefix}{tenant}");
        objects.extend(list(world, &[DECLARED, &namespace])?);
        objects.extend(list(world, &[MADE, &namespace, &format!("--selector={DERIVED}")])?);
        let theirs = format!("--selector={OWNER_NAMESPACE}={prefix}{tenant}");
        objects.extend(list(world, &[MADE, &format!("--namespace={SESSIONS}"), &theirs])?);
    }
    let mut text: Vec<String> = objects.iter().map(|object| told(object).to_string()).collect();
    for object in &objects {
        let (uid, name) = (at(object, "/metadata/uid"), at(object, "/metadata/name"));
        let stand_in = format!("uid of {} {name}", at(object, "/kind"));
        text = text.iter().map(|text| text.replace(uid, &stand_in)).collect();
    }
    let named = text.iter().map(|text| {
        let object: Value = serde_json::from_str(&text.replace(prefix, ""))?;
        Ok((at(&object, "/name").to_owned(), object))
    });
    named.collect()
}

/// In how far two states differ, one object a line.
pub fn difference(wanted: &State, found: &State) -> String {
    let names = wanted
        .keys()
        .chain(found.keys().filter(|name| !wanted.contains_key(*name)));
    let unequal = names.filter(|name| wanted.get(*name) != found.get(*name));
    let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let lines = unequal.map(|name| {
        let (wanted, found) = (shown(wanted.get(name)), shown(found.get(name)));
        format!("{name}\n  wanted {wanted}\n  found  {found}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn list(world: &World, what: &[&str]) -> Result<Vec<Value>> {
    let answer = world.kubectl(&[&["get", "--output=json"], what].concat())?;
    let answer: Value = serde_json::from_str(&answer)?;
    answer
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .context("not a list")
}

fn at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What counts of an object. Of a Secret it is not the value, which must never be in the message of a test.
fn told(object: &Value) -> Value {
    let part = |pointer: &str| object.pointer(pointer).cloned().map(masked);
    let keys = |map: &Value| map.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    json!({
        "name": format!("{} {}/{}", at(object, "/kind"), at(object, "/metadata/namespace"), at(object, "/metadata/name")),
        "labels": part("/metadata/labels"),
        "annotations": keys(object.pointer("/metadata/annotations").unwrap_or(&Value::Null)),
        "owners": part("/metadata/ownerReferences"),
        "data": object.get("data").and_then(keys),
        "rules": part("/rules"),
        "roleRef": part("/roleRef"),
        "subjects": part("/subjects"),
        "status": part("/status"),
    })
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) if text.parse::<Timestamp>().is_ok() => json!("a time"),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, masked(value))).collect(),
        other => other,
    }
}
