//! The examples for Argo CD and Flux: what they say of the health of our objects.

#![expect(clippy::indexing_slicing, reason = "a test: what is not there fails it")]

use anyhow::{Context, Result, ensure};
use mlua::{Lua, LuaOptions, LuaSerdeExt, StdLib};
use pimpernel::api;
use pimpernel::policy::Reason;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file of the examples.
fn read(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops").join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    argo: Value,
    kstatus: String,
    /// What Flux says, where it is told to ask otherwise than kstatus.
    flux: Option<String>,
    object: Value,
}

fn cases() -> Result<Vec<Case>> {
    let cases: Vec<Case> = serde_yaml::from_str(&read("argocd/health_test.yaml")?)?;
    ensure!(cases.len() > 10, "only {} cases", cases.len());
    Ok(cases)
}

/// What a script says of an object, where it has what Argo CD lets scripts have: the language alone.
fn health(script: &str, object: &Value) -> mlua::Result<Value> {
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::default())?;
    lua.globals().set("obj", lua.to_value(object)?)?;
    lua.from_value(lua.load(script).eval()?)
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    found["status"].as_str()
}

/// What kstatus says of an object of a kind that it does not know: by its generation, and by three conditions.
fn kstatus(object: &Value) -> &'static str {
    let (seen, wanted) = (
        &object["status"]["observedGeneration"],
        &object["metadata"]["generation"],
    );
    if !seen.is_null() && seen != wanted || condition(object, "Reconciling") == Some("True") {
        return "InProgress";
    }
    match (condition(object, "Stalled"), condition(object, "Ready")) {
        (Some("True"), _) => "Failed",
        (_, Some("False" | "Unknown")) => "InProgress",
        _ => "Current",
    }
}

#[test]
fn argo_cd_is_told_of_each_object_what_kstatus_says_or_why_it_waits() -> Result<()> {
    let script = read("argocd/health.lua")?;
    let (mut said, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for case in cases()? {
        let found = health(&script, &case.object).map_err(|error| anyhow::anyhow!("{}: {error}", case.name))?;
        ensure!(found == case.argo, "{}: {found}, not {}", case.name, case.argo);
        ensure!(
            kstatus(&case.object) == case.kstatus,
            "{}: {}",
            case.name,
            kstatus(&case.object)
        );
        let status = case.argo["status"].as_str().context("no status")?;
        let alike: &[&str] = match case.kstatus.as_str() {
            "Current" => &["Healthy", "Suspended"],
            "Failed" => &["Degraded"],
            _ => &["Progressing", "Suspended"],
        };
        ensure!(
            alike.contains(&status) || case.object["status"].is_null(),
            "{}",
            case.name
        );
        for condition in case.object["status"]["conditions"].as_array().into_iter().flatten() {
            let known = Reason::ALL.iter().any(|reason| condition["reason"] == reason.as_str());
            ensure!(known, "{}: {condition}", case.name);
        }
        kinds.insert(case.object["kind"].as_str().context("no kind")?.to_owned());
        said.insert(status.to_owned());
    }
    ensure!(said.len() == 4, "only {said:?} are said");
    let declared: BTreeSet<String> = api::crds().into_iter().map(|crd| crd.spec.names.kind).collect();
    ensure!(kinds == declared, "{kinds:?}, not {declared:?}");
    Ok(())
}

#[test]
fn argo_cd_is_given_that_script_for_all_kinds_of_the_group() -> Result<()> {
    let settings: Value = serde_yaml::from_str(&read("argocd/argocd-cm.yaml")?)?;
    let customizations = settings["data"]["resource.customizations"]
        .as_str()
        .context("no data")?;
    let customizations: Value = serde_yaml::from_str(customizations)?;
    let given = customizations[format!("{}/*", api::GROUP)]["health.lua"]
        .as_str()
        .context("no script")?;
    ensure!(
        given == read("argocd/health.lua")?,
        "argocd-cm.yaml has another script: copy it anew"
    );
    Ok(())
}

/// Whether an expression of Flux holds of an object.
fn holds(expression: &str, object: &Value) -> Result<bool> {
    let program = cel::Program::compile(expression).map_err(|error| anyhow::anyhow!("{expression}: {error}"))?;
    let mut context = cel::Context::default();
    for field in ["metadata", "status"] {
        let value = object.get(field).cloned().unwrap_or_else(|| serde_json::json!({}));
        context
            .add_variable(field, value)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    let found = program
        .execute(&context)
        .map_err(|error| anyhow::anyhow!("{expression}: {error}"))?;
    Ok(found == cel::Value::Bool(true))
}

#[test]
fn flux_waits_for_what_it_should_by_its_expressions() -> Result<()> {
    let documents = documents("flux/tenants.yaml")?;
    let checks = documents[1]["spec"]["healthCheckExprs"]
        .as_array()
        .context("no expressions")?;
    let mut told = BTreeSet::new();
    for check in checks {
        ensure!(check["apiVersion"] == "pimpernel.dev/v1alpha1", "{check}");
        for case in cases()?.iter().filter(|case| case.object["kind"] == check["kind"]) {
            let says = |field: &str| holds(check[field].as_str().context("no expression")?, &case.object);
            // In this order, as Flux asks.
            let mut state = "unknown";
            for (field, name) in [
                ("inProgress", "InProgress"),
                ("failed", "Failed"),
                ("current", "Current"),
            ] {
                if says(field)? {
                    state = name;
                    break;
                }
            }
            let wanted = case.flux.as_ref().unwrap_or(&case.kstatus);
            ensure!(state == wanted, "{}: {state}, not {wanted}", case.name);
            told.insert(state);
        }
    }
    ensure!(told.len() == 3, "only {told:?} are said");
    Ok(())
}

/// What Argo CD knows that is said here of how it applies.
const SYNC_OPTIONS: [&str; 3] = [
    "CreateNamespace=true",
    "ServerSideApply=true",
    "SkipDryRunOnMissingResource=true",
];

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn documents(path: &str) -> Result<Vec<Value>> {
    let text = read(path)?;
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    Ok(documents.collect::<Result<_, _>>()?)
}

#[test]
fn argo_cd_applies_each_application_of_its_own_project_as_server_side_apply() -> Result<()> {
    let operator = [documents("argocd/project.yaml")?, documents("argocd/application.yaml")?].concat();
    for (documents, name) in [(operator, "pimpernel"), (documents("argocd/tenants.yaml")?, "tenants")] {
        let [project, application] = &documents[..] else {
            anyhow::bail!("{} documents", documents.len())
        };
        for (object, kind) in [(project, "AppProject"), (application, "Application")] {
            ensure!(object["kind"] == kind && object["metadata"]["name"] == name, "{object}");
        }
        let (project, application) = (&project["spec"], &application["spec"]);
        ensure!(application["project"] == name, "{application}");
        let repository = &application["source"]["repoURL"];
        ensure!(
            project["sourceRepos"] == serde_json::json!([repository]),
            "{repository} is not the project's"
        );
        let options: BTreeSet<&str> = texts(&application["syncPolicy"]["syncOptions"]).collect();
        ensure!(
            options.iter().all(|option| SYNC_OPTIONS.contains(option)),
            "{options:?}"
        );
        ensure!(options.contains("ServerSideApply=true"), "{options:?}");
        // Who brings the definitions needs to skip nothing.
        let skips = options.contains("SkipDryRunOnMissingResource=true");
        ensure!(skips == (name == "tenants"), "{name}: {options:?}");
    }
    Ok(())
}

#[test]
fn the_project_of_tenants_writes_nothing_that_is_the_operators_or_a_persons_to_write() -> Result<()> {
    let tenants = documents("argocd/tenants.yaml")?;
    let allowed = |list: &str| -> BTreeSet<String> {
        let kinds = tenants[0]["spec"][list].as_array().into_iter().flatten();
        kinds
            .map(|kind| format!("{}/{}", kind["group"], kind["kind"]))
            .collect()
    };
    let ours = ["Employee", "Role", "Tenant"].map(|kind| format!("\"{}\"/\"{kind}\"", api::GROUP));
    ensure!(allowed("namespaceResourceWhitelist") == ours.into(), "{tenants:?}");
    ensure!(
        allowed("clusterResourceWhitelist") == ["\"\"/\"Namespace\"".to_owned()].into(),
        "{tenants:?}"
    );
    let places = tenants[0]["spec"]["destinations"]
        .as_array()
        .context("no destinations")?;
    let excluded = |namespace: &str| {
        let mut excluded = places
            .iter()
            .filter_map(|place| place["namespace"].as_str()?.strip_prefix('!'));
        excluded.any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => namespace.starts_with(start),
            None => namespace == pattern,
        })
    };
    for namespace in ["pimpernel-system", "pimpernel-sessions", "kube-system", "argocd"] {
        ensure!(excluded(namespace), "{namespace} is a place for tenants");
    }
    ensure!(!excluded("lsp-paris"), "it is no place for tenants");
    Ok(())
}
