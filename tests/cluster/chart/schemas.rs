//! The output of the chart by strict schemas: those of each version of Kubernetes, and those of others whose kinds it has.

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::assets::modules::{CERT_MANAGER, KUBERNETES, Module, PROMETHEUS_OPERATOR};
use pimpernel_launcher::{ControlPlane, assets};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

use super::settings::{choices, is_taken};
use crate::common::chart::{NAMESPACE, control_plane, rendered};

/// The types of one version of Kubernetes, by name.
struct Types(BTreeMap<String, Value>);

impl Types {
    /// As the client of that version has them, which knows by them what server-side apply merges.
    fn of(module: &Module) -> Result<Self> {
        let source = fs::read_to_string(module.fetch()?.join("applyconfigurations/internal/internal.go"))?;
        let text = source.split('`').nth(1).context("no schema in the client")?;
        let schema: Value = serde_yaml::from_str(text)?;
        let types = schema["types"].as_array().context("no types")?;
        let named = |type_: &Value| Some((type_["name"].as_str()?.to_owned(), type_.clone()));
        let types: BTreeMap<_, _> = types.iter().filter_map(named).collect();
        ensure!(types.len() > 500, "only {} types", types.len());
        Ok(Self(types))
    }

    /// What is wrong with an object; nothing is looked at where the client has no types of its API.
    fn wrong(&self, object: &Value) -> Result<Vec<String>> {
        let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
        let (version, kind) = (version.context("no version")?, kind.context("no kind")?);
        let (group, version) = version.split_once('/').unwrap_or(("core", version));
        let elsewhere = ["apiextensions.k8s.io", "cert-manager.io", "monitoring.coreos.com"];
        if elsewhere.contains(&group) {
            return Ok(vec![]);
        }
        let group = group.split('.').next().unwrap_or_default();
        let name = format!("io.k8s.api.{group}.{version}.{kind}");
        ensure!(self.0.contains_key(&name), "there is no {name}");
        Ok(self.differences(&serde_json::json!({"namedType": name}), object, &name))
    }

    /// How a value is not of a type.
    fn differences(&self, type_: &Value, value: &Value, path: &str) -> Vec<String> {
        let type_ = type_["namedType"]
            .as_str()
            .and_then(|name| self.0.get(name))
            .unwrap_or(type_);
        let scalar = type_["scalar"].as_str().unwrap_or_default();
        let fits = match value {
            Value::Null => true,
            Value::Bool(_) => ["boolean", "untyped"].contains(&scalar),
            Value::Number(_) => ["numeric", "untyped"].contains(&scalar),
            Value::String(_) => ["string", "untyped"].contains(&scalar),
            Value::Array(values) => {
                let element = &type_["list"]["elementType"];
                let each = values.iter().enumerate();
                return each
                    .flat_map(|(index, value)| self.of_element(element, value, &format!("{path}[{index}]")))
                    .collect();
            }
            Value::Object(fields) => {
                let known = type_["map"]["fields"].as_array();
                let type_of = |key: &str| {
                    let field = known.into_iter().flatten().find(|field| field["name"] == key);
                    field.map_or(&type_["map"]["elementType"], |field| &field["type"])
                };
                return fields
                    .iter()
                    .flat_map(|(key, value)| self.of_element(type_of(key), value, &format!("{path}.{key}")))
                    .collect();
            }
        };
        if fits {
            vec![]
        } else {
            vec![format!("{path} is no {scalar}")]
        }
    }

    fn of_element(&self, type_: &Value, value: &Value, path: &str) -> Vec<String> {
        if type_.is_null() {
            vec![format!("there is no {path}")]
        } else {
            self.differences(type_, value, path)
        }
    }
}

#[test]
fn every_combination_of_settings_has_fields_of_every_version_of_kubernetes_alone() -> Result<()> {
    let helm = &assets::helms()?[0];
    let settings = choices()?;
    let mut outputs = vec![];
    for values in &settings {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        outputs.push(rendered(helm, &values)?);
    }
    for module in &KUBERNETES {
        let types = Types::of(module)?;
        for (values, objects) in settings.iter().zip(&outputs) {
            for object in objects {
                let wrong = types.wrong(object)?;
                ensure!(wrong.is_empty(), "{}, {values:?}: {wrong:?}", module.version());
            }
        }
        let deployment = outputs[0]
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .context("no Deployment")?;
        for (pointer, value) in [
            ("/spec/replica", serde_json::json!(2)),
            ("/spec/replicas", serde_json::json!("2")),
            (
                "/spec/template/spec/volumes",
                serde_json::json!([{"secret": {"name": "x"}}]),
            ),
        ] {
            let mut wrong = deployment.clone();
            let (parent, key) = pointer.rsplit_once('/').context("no parent")?;
            wrong.pointer_mut(parent).context("no parent")?[key] = value;
            ensure!(
                types.wrong(&wrong)?.len() == 1,
                "{}: {pointer} is taken",
                module.version()
            );
        }
    }
    Ok(())
}

/// Has the API server know kinds of others.
pub fn define(plane: &ControlPlane, module: &Module, files: &[&str]) -> Result<()> {
    let folder = module.fetch()?;
    for file in files {
        let file = folder.join(file).to_string_lossy().into_owned();
        plane.kubectl_output(plane.admin(), &["apply", "--server-side", "-f", &file])?;
        plane.kubectl_output(
            plane.admin(),
            &["wait", "--for=condition=Established", "--timeout=30s", "-f", &file],
        )?;
    }
    Ok(())
}

#[test]
fn objects_for_cert_manager_and_prometheus_are_what_these_define() -> Result<()> {
    let helm = &assets::helms()?[0];
    let (plane, _turn) = control_plane()?;
    for namespace in [NAMESPACE, "pimpernel-sessions"] {
        plane.kubectl_output(plane.admin(), &["create", "namespace", namespace])?;
    }
    let certificates = ["certificates", "issuers"].map(|kind| format!("deploy/crds/cert-manager.io_{kind}.yaml"));
    define(&plane, &CERT_MANAGER, &certificates.each_ref().map(String::as_str))?;
    let monitoring = ["servicemonitors", "prometheusrules"]
        .map(|kind| format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"));
    define(&plane, &PROMETHEUS_OPERATOR, &monitoring.each_ref().map(String::as_str))?;
    let values = [
        "webhook.certManager.enabled=true",
        "serviceMonitor.create=true",
        "prometheusRule.create=true",
        "monitoring.whenMissing=render",
    ];
    let mut objects = rendered(helm, &values)?;
    let of_others = |object: &&mut Value| {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        version.starts_with("cert-manager.io/") || version.starts_with("monitoring.coreos.com/")
    };
    ensure!(objects.iter_mut().filter(of_others).count() == 6, "not all are there");
    is_taken(&plane, &objects)?;
    let given = [
        &values[..],
        &[
            "webhook.certManager.issuerRef.kind=ClusterIssuer",
            "webhook.certManager.issuerRef.name=ours",
            "metrics.authenticate=true",
        ],
    ]
    .concat();
    is_taken(&plane, &rendered(helm, &given)?)?;
    let by_secret = [&given[..], &["serviceMonitor.tokenSecret=prometheus"]].concat();
    is_taken(&plane, &rendered(helm, &by_secret)?)?;
    for object in objects.iter_mut().filter(of_others) {
        object["spec"]["misspelt"] = serde_json::json!(1);
        let refused = is_taken(&plane, std::slice::from_ref(object))
            .err()
            .context("a field that does not exist is taken")?;
        ensure!(refused.to_string().contains("misspelt"), "{refused}");
    }
    Ok(())
}
