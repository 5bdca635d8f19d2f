//! What every definition needs besides what its types say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};
use serde_json::json;

/// Completes a derived definition: nulls are dropped rather than stored, and a status says -1 until the operator has
/// seen the object, so that nobody takes an object for done that was never judged. What the API server would add by itself is
/// there already, so that a tool which compares finds nothing.
pub fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) else {
            continue;
        };
        everywhere(schema, drop_nullable);
        everywhere(schema, give_reasons);
        let properties = schema.properties.get_or_insert_default();
        if let Some(status) = properties.get_mut("status") {
            status.default = Some(JSON(json!({"observedGeneration": -1})));
        }
    }
    crd.spec.conversion = Some(CustomResourceConversion {
        strategy: "None".to_owned(),
        webhook: None,
    });
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    crd
}

/// The texts that may have several lines.
const PROSE: [&str; 2] = ["description", "reason"];
/// Control characters, characters that are not seen (those that turn the direction of reading among them), and ends of
/// lines, as classes of a regular expression in CEL.
const UNSEEN: &str = r"\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}";
/// The same without tabs and the usual ends of lines.
const UNSEEN_IN_PROSE: &str = r"\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\p{Cf}\\p{Zl}\\p{Zp}";

/// Refuses in every text of a spec what would make it read otherwise than it is: in a banner, a table or a message. The
/// price is that names which need a joiner that is not seen, as some Persian ones do, must be written without.
pub fn legible(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut());
        let spec = schema.and_then(|schema| schema.properties.as_mut()?.get_mut("spec"));
        if let Some(spec) = spec {
            be_legible("spec", spec);
        }
    }
    crd
}

fn be_legible(name: &str, schema: &mut JSONSchemaProps) {
    let free = schema.enum_.is_none() && schema.pattern.is_none() && schema.format.is_none();
    if schema.type_.as_deref() == Some("string") && free {
        let unseen = if PROSE.contains(&name) { UNSEEN_IN_PROSE } else { UNSEEN };
        let rule = ValidationRule {
            rule: format!("!self.matches('[{unseen}]')"),
            message: Some("contains a control character or one that is not seen: leave it out".to_owned()),
            ..ValidationRule::default()
        };
        schema.x_kubernetes_validations.get_or_insert_default().push(rule);
    }
    for (name, property) in schema.properties.iter_mut().flatten() {
        be_legible(name, property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        be_legible(name, item);
    }
}

/// Without `nullable`, the API server prunes an explicit null before it judges or stores the object.
fn drop_nullable(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
}

/// A rule that does not say that something is forbidden says that a value is wrong.
fn give_reasons(schema: &mut JSONSchemaProps) {
    for rule in schema.x_kubernetes_validations.iter_mut().flatten() {
        rule.reason.get_or_insert_with(|| "FieldValueInvalid".to_owned());
    }
}

fn everywhere(schema: &mut JSONSchemaProps, change: fn(&mut JSONSchemaProps)) {
    change(schema);
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        everywhere(property, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => everywhere(item, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(|item| everywhere(item, change)),
        None => {}
    }
}
