//! Definitions that let almost anything through, as an older version of them may have, and the right ones again.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::rest::{Caller, object};

/// What a definition can say about a value besides its type.
const RULES: [&str; 11] = [
    "x-kubernetes-validations",
    "maxLength",
    "minLength",
    "pattern",
    "enum",
    "maxItems",
    "minItems",
    "maximum",
    "minimum",
    "required",
    "x-kubernetes-list-map-keys",
];

/// How much a definition lets through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Looseness {
    /// Whatever has the right types.
    Types,
    /// Anything at all as a spec.
    Anything,
    /// Nothing but what it should.
    None,
}

/// Makes the definitions of all our kinds as loose as wished, and waits until the API server heeds it.
pub async fn definitions(admin: &Caller, looseness: Looseness) -> Result<()> {
    for crd in pimpernel::api::crds() {
        let mut crd = serde_json::to_value(crd)?;
        crd["apiVersion"] = json!("apiextensions.k8s.io/v1");
        crd["kind"] = json!("CustomResourceDefinition");
        for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
            let schema = &mut version["schema"]["openAPIV3Schema"];
            if looseness != Looseness::None {
                schema
                    .as_object_mut()
                    .map(|schema| schema.remove("x-kubernetes-validations"));
                strip(&mut schema["properties"]["spec"]);
            }
            if looseness == Looseness::Anything {
                schema["properties"]["spec"] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
                // A field that is selectable must be described, and described it would be checked.
                version
                    .as_object_mut()
                    .map(|version| version.remove("selectableFields"));
            }
        }
        replace(admin, crd).await?;
    }
    heeded(admin, looseness).await
}

async fn replace(admin: &Caller, mut crd: Value) -> Result<()> {
    let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    let stored = admin.send("GET", &path, None).await?.object()?;
    crd["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    admin
        .send("PUT", &path, Some(("application/json", &crd)))
        .await?
        .object()?;
    Ok(())
}

/// A new definition is heeded some time after it was stored.
async fn heeded(admin: &Caller, looseness: Looseness) -> Result<()> {
    let probes = [
        ("Role default/probe", "{displayName: ''}", looseness != Looseness::None),
        (
            "Employee default/probe",
            "{username: '', primaryRole: ''}",
            looseness != Looseness::None,
        ),
        (
            "Tenant default/probe",
            "{displayName: '', type: Vendor, state: On}",
            looseness != Looseness::None,
        ),
        (
            "Impersonation default/probe",
            "{reason: '', mode: Spy}",
            looseness != Looseness::None,
        ),
        (
            "PermissionCatalog probe",
            "{displayName: ''}",
            looseness != Looseness::None,
        ),
        (
            "Role default/probe",
            "{displayName: 7}",
            looseness == Looseness::Anything,
        ),
        (
            "Employee default/probe",
            "{primaryRole: [x]}",
            looseness == Looseness::Anything,
        ),
        (
            "Impersonation default/probe",
            "{impersonator: 7}",
            looseness == Looseness::Anything,
        ),
    ];
    let began = Instant::now();
    for (which, spec, wanted) in probes {
        loop {
            let path = super::rest::folder(which)?;
            let body = object(which, spec);
            let tried = admin
                .send("POST", &format!("{path}?dryRun=All"), Some(("application/json", &body)))
                .await?;
            if tried.granted() == wanted {
                break;
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{which} {spec}: {} {}",
                tried.code,
                tried.message()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

fn strip(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    for rule in RULES {
        schema.remove(rule);
    }
    if schema.contains_key("x-kubernetes-list-type") {
        schema.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    }
    for key in ["items", "additionalProperties"] {
        schema.get_mut(key).into_iter().for_each(strip);
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties
        .into_iter()
        .flat_map(|properties| properties.values_mut())
        .for_each(strip);
}
