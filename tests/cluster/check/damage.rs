//! What is done to a sound object so that it is none any more, or hardly.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// What is done to an object.
#[derive(Clone, Debug)]
pub enum Damage {
    /// A value becomes another one.
    Replace(Index, Value),
    /// A value goes.
    Remove(Index),
    /// A list has everything twice.
    Repeat(Index),
    /// A field that there is not is added.
    Add(Index, &'static str),
    /// Something in the metadata is set.
    Metadata(&'static str, Value),
}

/// Anything that is done to an object.
pub fn damage() -> impl Strategy<Value = Damage> {
    let long = "x".repeat(600);
    let values = [
        json!(1),
        json!(1.5),
        json!(true),
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!([1, null, "a"]),
        json!({"a": 1}),
        json!("x"),
        json!(long),
        json!("Ünï"),
        json!("a b"),
        json!(vec!["a"; 70]),
        json!("2030-01-01"),
        json!("2030-02-30T00:00:00Z"),
        json!("2030-01-01T24:00:00Z"),
        json!("2030-01-01t00:00:00z"),
        json!("A-Z"),
        json!("-a"),
    ];
    let metadata = [
        ("name", json!("Upper")),
        ("name", json!("a".repeat(63))),
        ("name", json!("a".repeat(64))),
        ("name", json!("a.b")),
        ("name", json!("a".repeat(253))),
        ("name", json!("a".repeat(254))),
        ("name", json!("é")),
        ("name", json!("-a")),
        ("name", json!("1")),
        ("name", json!("impersonated")),
        ("labels", json!({"a": "b c"})),
        ("labels", json!({"a b": ""})),
        ("labels", json!({"a.example/b": "c"})),
        ("annotations", json!({"A/b": "any thing"})),
        ("annotations", json!({"é": ""})),
        ("labels", json!({"a": 1})),
        ("name", json!(1)),
        ("nmae", json!("a")),
        ("generateName", json!("Made-")),
        ("annotations", json!({"a": "x".repeat(262_145)})),
    ];
    prop_oneof![
        4 => (any::<Index>(), select(values.to_vec())).prop_map(|(at, value)| Damage::Replace(at, value)),
        2 => any::<Index>().prop_map(Damage::Remove),
        1 => any::<Index>().prop_map(Damage::Repeat),
        1 => (any::<Index>(), select(&["displayname", "extra", "a.b"][..])).prop_map(|(at, key)| Damage::Add(at, key)),
        2 => select(metadata.to_vec()).prop_map(|(key, value)| Damage::Metadata(key, value)),
    ]
}

impl Damage {
    /// Does it.
    pub fn inflict(&self, object: &mut Value) {
        let mut places = vec![];
        below(&object["spec"], "/spec", &mut places);
        let place = |index: &Index| {
            if places.is_empty() {
                "/spec".to_owned()
            } else {
                index.get(&places).clone()
            }
        };
        match self {
            Self::Replace(at, value) => {
                if let Some(found) = object.pointer_mut(&place(at)) {
                    found.clone_from(value);
                }
            }
            Self::Remove(at) => {
                let place = place(at);
                let (above, key) = place.rsplit_once('/').expect("a path");
                match object.pointer_mut(above) {
                    Some(Value::Object(fields)) => drop(fields.remove(key)),
                    Some(Value::Array(items)) => drop(items.remove(key.parse().expect("an index"))),
                    _ => {}
                }
            }
            Self::Repeat(at) => {
                if let Some(Value::Array(items)) = object.pointer_mut(&place(at)) {
                    items.extend(items.clone());
                }
            }
            Self::Add(at, key) => {
                let place = place(at);
                let found = if object.pointer(&place).is_some_and(Value::is_object) {
                    place.as_str()
                } else {
                    "/spec"
                };
                if let Some(Value::Object(fields)) = object.pointer_mut(found) {
                    fields.insert((*key).to_owned(), json!("more"));
                }
            }
            Self::Metadata(key, value) => object["metadata"][*key] = value.clone(),
        }
    }
}

/// The API server takes a list for a time and stumbles over it in a rule, in the name of another field; `check` says at once
/// what is wrong. Both refuse.
pub fn without_lists_for_times(spec: &mut Value) {
    let times = ["notAfter", "validFrom", "validUntil", "until", "expiresAt"];
    match spec {
        Value::Object(fields) => {
            fields.retain(|key, value| !(times.contains(&key.as_str()) && value.is_array()));
            fields.values_mut().for_each(without_lists_for_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_lists_for_times),
        _ => {}
    }
}

/// The JSON pointers of all values below `value`.
fn below(value: &Value, path: &str, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (format!("{path}/{key}"), value))
            .collect(),
        Value::Array(items) => (items.iter().enumerate())
            .map(|(index, value)| (format!("{path}/{index}"), value))
            .collect(),
        _ => vec![],
    };
    for (path, value) in children {
        places.push(path.clone());
        below(value, &path, places);
    }
}
