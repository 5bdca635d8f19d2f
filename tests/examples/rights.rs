//! The table of the operator's rights in `SECURITY.md`, and what it has by `rbac/operator.yaml`: each as a set of rights.

#![expect(clippy::indexing_slicing, reason = "a test: what is not there fails it")]

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Where, which verb, which resource.
pub type Right = (String, String, String);

/// How the table says where a right holds, by the namespace of a role.
const PLACES: [(&str, &str); 3] = [
    ("", "cluster"),
    ("pimpernel-sessions", "sessions namespace"),
    ("pimpernel-system", "own namespace"),
];
const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// What the rows say that are not for those who choose it. A right is verbs and, in back-ticks, resources, with commas between
/// them; several are parted by semicolons.
pub fn told(page: &str) -> BTreeSet<Right> {
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [place, rights, _] = cells[..] else { return None };
        PLACES
            .iter()
            .any(|(_, known)| *known == place)
            .then_some((place, rights))
    });
    let parts = rows.flat_map(|(place, rights)| rights.split(';').map(move |part| (place, part)));
    parts
        .flat_map(|(place, part)| {
            let (verbs, _) = part.split_once('`').unwrap_or_default();
            let verbs: Vec<&str> = words(verbs).filter(|word| VERBS.contains(word)).collect();
            let resources = part.split('`').skip(1).step_by(2);
            resources
                .flat_map(|resource| verbs.iter().map(move |verb| (place, *verb, resource)))
                .map(|(place, verb, resource)| (place.to_owned(), verb.to_owned(), resource.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|word| !word.is_empty())
}

/// What the roles in a file give.
pub fn given(file: &str) -> Result<BTreeSet<Right>, String> {
    let mut rights = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(file) {
        let role = Value::deserialize(document).map_err(|error| error.to_string())?;
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        let place = PLACES.iter().find(|(known, _)| *known == namespace);
        let (_, place) = place.ok_or_else(|| format!("`{namespace}` is no place that is known here"))?;
        for rule in role["rules"].as_array().into_iter().flatten() {
            let list = |field: &str| -> Vec<String> { Vec::deserialize(&rule[field]).unwrap_or_default() };
            for (group, resource) in list("apiGroups")
                .iter()
                .flat_map(|group| list("resources").into_iter().map(move |resource| (group, resource)))
            {
                let (resource, sub) = resource.split_once('/').unwrap_or((&resource, ""));
                let named = match (group.as_str(), sub) {
                    ("" | "pimpernel.dev", "") => resource.to_owned(),
                    ("" | "pimpernel.dev", sub) => format!("{resource}/{sub}"),
                    (group, "") => format!("{resource}.{group}"),
                    (group, sub) => format!("{resource}.{group}/{sub}"),
                };
                let verbs = list("verbs").into_iter();
                rights.extend(verbs.map(|verb| ((*place).to_owned(), verb, named.clone())));
            }
        }
    }
    Ok(rights)
}
