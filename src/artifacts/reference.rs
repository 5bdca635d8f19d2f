//! `docs/api.md`: every field of every kind, as its definition has it.

use crate::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use std::fmt::Write;

const PREAMBLE: &str = "# API reference

Generated from the definitions in [`crds/`](../crds). `kubectl explain tenant.spec --recursive` shows the same of what the cluster
has; for roles add `--api-version=pimpernel.dev/v1alpha1`, since Kubernetes has a kind of that name itself. What a rule of
more than one object demands is in [rules.md](rules.md), what a condition's reason means in [reasons.md](reasons.md).
";

/// What must hold besides, as it is said, and where.
type Rules = Vec<(String, Vec<String>)>;

/// The page.
pub fn page() -> String {
    api::crds().iter().fold(PREAMBLE.to_owned(), |mut page, definition| {
        page += &kind(definition);
        page
    })
}

fn kind(definition: &CustomResourceDefinition) -> String {
    let names = &definition.spec.names;
    let mut text = format!("\n## {}\n", names.kind);
    let short = names.short_names.iter().flatten().map(|name| format!(", `{name}`"));
    let short: String = short.collect();
    let scope = definition.spec.scope.to_lowercase();
    for version in &definition.spec.versions {
        let schema = version
            .schema
            .as_ref()
            .and_then(|schema| schema.open_api_v3_schema.as_ref());
        let Some(schema) = schema else { continue };
        let described = schema.description.as_deref().unwrap_or_default();
        let (plural, group, version) = (&names.plural, &definition.spec.group, &version.name);
        let _ = write!(
            text,
            "\n{described}\n\n`{group}/{version}`, `{plural}`{short}; {scope}.\n\n| field | what it holds | meaning |\n|---|---|---|\n"
        );
        let mut rules = Rules::new();
        for (part, schema) in schema.properties.iter().flatten() {
            if !matches!(part.as_str(), "apiVersion" | "kind" | "metadata") {
                fields(part, (schema, required(part, definition)), (&mut text, &mut rules));
            }
        }
        demands("", schema, &mut rules);
        if !rules.is_empty() {
            text += "\nBesides:\n\n";
        }
        for (said, places) in rules {
            let _ = writeln!(text, "- {}: {said}", places.join(", "));
        }
    }
    text
}

/// Only a status may be left out of every object.
fn required(part: &str, definition: &CustomResourceDefinition) -> bool {
    let mut schemas = definition
        .spec
        .versions
        .iter()
        .filter_map(|version| version.schema.as_ref());
    schemas.any(|schema| {
        let schema = schema.open_api_v3_schema.as_ref();
        schema
            .and_then(|schema| schema.required.as_ref())
            .is_some_and(|all| all.iter().any(|one| one == part))
    })
}

/// A row for the field at `path` and for each one below, and what must hold of them.
fn fields(path: &str, (schema, required): (&JSONSchemaProps, bool), out: (&mut String, &mut Rules)) {
    let (rows, rules) = out;
    let meaning = schema
        .description
        .as_deref()
        .unwrap_or_default()
        .replace('\n', " ")
        .replace('|', "\\|");
    let _ = writeln!(rows, "| `{path}` | {} | {meaning} |", held(schema, required));
    demands(path, schema, rules);
    // The same in all kinds, and told in the guides.
    if path == "status.conditions" {
        return;
    }
    let (path, below) = match (&schema.items, &schema.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), _) => (format!("{path}[]"), items.as_ref()),
        (_, Some(JSONSchemaPropsOrBool::Schema(values))) => (format!("{path}.*"), values.as_ref()),
        _ => (path.to_owned(), schema),
    };
    if !std::ptr::eq(below, schema) {
        demands(&path, below, rules);
    }
    for (name, field) in below.properties.iter().flatten() {
        let required = below.required.iter().flatten().any(|one| one == name);
        fields(&format!("{path}.{name}"), (field, required), (rows, rules));
    }
}

/// The type and its limits, in words.
fn held(schema: &JSONSchemaProps, required: bool) -> String {
    let (kind, limited) = match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => (format!("list of {}", kind_of(items)), items.as_ref()),
        _ => (kind_of(schema), schema),
    };
    let mut parts = vec![kind];
    parts.extend(span(limited.min_length, limited.max_length, "characters"));
    parts.extend(span(schema.min_items, schema.max_items, "items"));
    let whole = |limit: Option<f64>| limit.map(|limit| limit.to_string());
    parts.extend(span(whole(limited.minimum), whole(limited.maximum), ""));
    parts.extend(
        limited
            .pattern
            .as_ref()
            .map(|pattern| format!("matches `{}`", pattern.replace('|', "\\|"))),
    );
    parts.extend(
        schema
            .default
            .as_ref()
            .map(|JSON(default)| format!("`{default}` if left out")),
    );
    parts.extend(required.then(|| "required".to_owned()));
    parts.join("; ")
}

fn kind_of(schema: &JSONSchemaProps) -> String {
    let words = |JSON(word): &JSON| word.as_str().map(|word| format!("`{word}`"));
    let words: Vec<String> = schema.enum_.iter().flatten().filter_map(words).collect();
    match (words.is_empty(), schema.format.as_deref()) {
        (false, _) => words.join(", "),
        (true, Some(format @ "date-time")) => format.to_owned(),
        (true, _) => schema.type_.clone().unwrap_or_else(|| "anything".to_owned()),
    }
}

fn span<T: ToString>(from: Option<T>, to: Option<T>, of: &str) -> Option<String> {
    let text = match (from, to) {
        (None, None) => return None,
        (Some(from), None) => format!("at least {}", from.to_string()),
        (None, Some(to)) => format!("at most {}", to.to_string()),
        (Some(from), Some(to)) => format!("{} to {}", from.to_string(), to.to_string()),
    };
    Some(format!("{text} {of}").trim_end().to_owned())
}

/// What the API server demands of the field by itself, as it says it.
fn demands(path: &str, schema: &JSONSchemaProps, rules: &mut Rules) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let place = format!("{path}{}", rule.field_path.as_deref().unwrap_or_default());
        let place = match place.trim_start_matches('.') {
            "" => "the whole".to_owned(),
            place => format!("`{place}`"),
        };
        let code = rule.message_expression.as_ref().unwrap_or(&rule.rule);
        let said = rule.message.clone().unwrap_or_else(|| format!("`` {code} ``"));
        match rules.iter_mut().find(|(known, _)| *known == said) {
            Some((_, places)) => places.push(place),
            None => rules.push((said, vec![place])),
        }
    }
}
