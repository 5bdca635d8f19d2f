//! The layers of the API server before the webhook, for one kind: what can be sent, its schema, its rules in CEL, and the
//! admission policies that say something about objects. Each layer that refuses is the last one that is asked.

use super::finding::{self, Finding};
use super::{metadata, schema};
use crate::api;
use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_cel::{
    AdmissionRequest, CompiledSchema, ErrorKind, GroupVersionResource, ValidationError, ValidationErrors, Validator,
    VapEvaluator, VapExpression,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest object that the API server reads, in bytes.
const LARGEST: usize = 3 * 1024 * 1024;

/// The admission policies that say something about objects, and to which kind. The others are about the writer.
const POLICIES: [(&str, &str); 2] = [
    ("Tenant", include_str!("../../../policies/tenant-name.yaml")),
    ("ChangeRecord", include_str!("../../../policies/status.yaml")),
];

/// Which layer refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Layer {
    /// The object cannot be read, or is not one that can be sent.
    Request,
    /// Its schema, and the rules in it that are written in CEL.
    Schema,
    /// An admission policy.
    Policy,
    /// The rules about other objects.
    Rules,
}

/// One kind of the group.
pub struct Kind {
    /// Its name.
    pub name: String,
    /// Whether its objects are in a namespace.
    pub namespaced: bool,
    plural: String,
    schema: Value,
    rules: CompiledSchema,
    /// What each rule in CEL says if it does not hold, where that is always the same.
    wants: BTreeMap<String, String>,
    policy: Vec<VapExpression>,
}

impl Kind {
    /// All kinds, as they are defined in the API server.
    pub fn all() -> Result<Vec<Self>> {
        api::crds().into_iter().map(Self::of).collect()
    }

    fn of(crd: CustomResourceDefinition) -> Result<Self> {
        let (name, plural) = (crd.spec.names.kind, crd.spec.names.plural);
        let schema = crd.spec.versions.into_iter().next().and_then(|version| version.schema);
        let schema = schema.with_context(|| format!("{name} has no schema"))?;
        let schema = serde_json::to_value(schema.open_api_v3_schema)?;
        let texts = POLICIES.iter().filter(|(kind, _)| *kind == name);
        let policy = texts.map(|(_, text)| validations(text)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            namespaced: crd.spec.scope == "Namespaced",
            rules: kube_cel::compile_schema(&schema),
            wants: schema::all(&schema).into_iter().flat_map(wants).collect(),
            policy: policy.concat(),
            name,
            plural,
            schema,
        })
    }

    /// Makes of an object what the API server would store: without nulls and status, with defaults. What stands in the
    /// way of that is a finding.
    pub fn decode(&self, object: &mut Value) -> Vec<Finding> {
        let size = serde_json::to_string(object).map_or(usize::MAX, |text| text.len());
        if size > LARGEST {
            let message = format!("has {size} bytes, and at most {LARGEST} can be sent: divide it");
            return vec![Finding::new(finding::MALFORMED, "", message)];
        }
        let (wrong, mut unknown) = metadata::shape(object);
        if !wrong.is_empty() {
            return wrong;
        }
        unknown.extend(schema::prune(object, &self.schema));
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        schema::default(object, &self.schema);
        let message = "there is no such field: correct its name or its place, or remove it";
        unknown
            .into_iter()
            .map(|path| Finding::new(finding::UNKNOWN, path, message))
            .collect()
    }

    /// What the API server refuses of a decoded object, knowing none but the one that is stored under its name.
    pub fn judge(&self, object: &Value, old: Option<&Value>) -> Option<(Layer, Vec<Finding>)> {
        let mut findings = metadata::validate(object, self.namespaced, old.is_none());
        findings.extend(schema::validate(object, &self.schema));
        if !findings.iter().any(Finding::blocks) {
            findings.extend(self.cel(object, old));
        }
        if !findings.is_empty() {
            return Some((Layer::Schema, findings));
        }
        let findings = self.policy(object, old);
        (!findings.is_empty()).then_some((Layer::Policy, findings))
    }

    fn cel(&self, object: &Value, old: Option<&Value>) -> Vec<Finding> {
        let errors = Validator::new().validate_compiled(&self.rules, object, old).err();
        let errors = errors.into_iter().flat_map(ValidationErrors::into_vec);
        let finding = |error: ValidationError| {
            let forbids = error.reason.as_deref() == Some(finding::FORBIDDEN);
            let reason = if forbids { finding::FORBIDDEN } else { finding::INVALID };
            let stumbled = error.kind != ErrorKind::ValidationFailure;
            // Why a rule could not be evaluated is of no use to anybody; what it wants is.
            let wants = self.wants.get(&error.rule).filter(|_| stumbled);
            Finding::new(reason, error.field_path, wants.unwrap_or(&error.message))
        };
        errors.map(finding).collect()
    }

    fn policy(&self, object: &Value, old: Option<&Value>) -> Vec<Finding> {
        // These policies look at creation only.
        if old.is_some() || self.policy.is_empty() {
            return vec![];
        }
        let request = AdmissionRequest {
            operation: "CREATE".to_owned(),
            name: metadata::text(object, "name").to_owned(),
            namespace: metadata::text(object, "namespace").to_owned(),
            resource: GroupVersionResource {
                group: api::GROUP.to_owned(),
                version: api::VERSION.to_owned(),
                resource: self.plural.clone(),
            },
            ..AdmissionRequest::default()
        };
        let evaluator = VapEvaluator::builder().object(object.clone()).request(request).build();
        let refused = evaluator
            .evaluate(&self.policy)
            .into_iter()
            .filter(|result| !result.passed);
        let messages = refused.map(|result| result.message.unwrap_or_default());
        messages.map(|message| split(&message)).collect()
    }
}

/// The rules of one node of a schema, with their messages.
fn wants(schema: &Value) -> Vec<(String, String)> {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    let text = |rule: &Value, key: &str| rule.get(key).and_then(Value::as_str).map(str::to_owned);
    let rules = rules.into_iter().flatten();
    rules
        .filter_map(|rule| Some((text(rule, "rule")?, text(rule, "message")?)))
        .collect()
}

/// A policy's message begins with the field.
fn split(message: &str) -> Finding {
    match message.split_once(": ") {
        Some((field, rest)) if !field.contains(' ') => Finding::new("Forbidden", field, rest),
        _ => Finding::new("Forbidden", "", message),
    }
}

/// What the policy in `text` validates, with the names of a default installation.
fn validations(text: &str) -> Result<Vec<VapExpression>> {
    #[derive(Deserialize)]
    struct Policy {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        #[serde(default)]
        validations: Vec<VapExpression>,
    }
    use crate::artifacts::{OPERATOR, OPERATOR_NAMESPACE, SESSIONS_NAMESPACE};
    let text = text
        .replace("${OPERATOR_USER}", OPERATOR)
        .replace("${OPERATOR_NAMESPACE}", OPERATOR_NAMESPACE)
        .replace("${SESSIONS_NAMESPACE}", SESSIONS_NAMESPACE);
    let documents = serde_yaml::Deserializer::from_str(&text).map(Policy::deserialize);
    let policies = documents
        .collect::<Result<Vec<_>, _>>()
        .context("an admission policy cannot be read")?;
    Ok(policies
        .into_iter()
        .flat_map(|policy| policy.spec.validations)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the schema language that are read here, or say nothing about values.
    const WORDS: &[&str] = &[
        "type",
        "format",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "required",
        "properties",
        "items",
        "default",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
        "title",
        "description",
    ];

    #[test]
    fn every_word_of_the_definitions_is_one_that_is_read() -> Result<()> {
        for kind in Kind::all()? {
            let words = schema::all(&kind.schema)
                .into_iter()
                .filter_map(Value::as_object)
                .flatten();
            let unread: Vec<_> = words
                .map(|(word, _)| word)
                .filter(|word| !WORDS.contains(&word.as_str()))
                .collect();
            assert_eq!(unread, Vec::<&String>::new(), "{}", kind.name);
        }
        Ok(())
    }
}
