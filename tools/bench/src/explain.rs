//! `explain` in a tenant of many employees, in this process: from the bytes of the lists, as the API server sends them, to the
//! answer. What the cluster takes to send them is left out.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kube::api::ObjectList;
use kube::core::DynamicObject;
use pimpernel::artifacts::CATALOGS;
use pimpernel::cli::{Known, known_of, whole};
use pimpernel::policy::explain;
use serde::Serialize;
use serde_json::{Value, json};

use crate::fleet::{Fleet, ROLES, user};
use crate::table::{Goal, Table, percentile, told};

const ROUNDS: usize = 10;
const NOW: &str = "2026-11-26T12:00:00Z";

/// Measures the explanation of one of that many employees of one tenant.
pub fn measure(employees: u32, table: &mut Table) -> Result<()> {
    let lists = lists(employees)?;
    let bytes: usize = lists.iter().map(|(_, list)| list.len()).sum();
    let mut times = vec![];
    for round in 0..u32::try_from(ROUNDS)? {
        let began = Instant::now();
        let known = read(&lists)?;
        let name = explain::find(&user(round), &known.namespace, &known.directory).context("nobody of that name")?;
        let view = explain::employee(&name, &known.directory, known.now).context("nobody of that name")?;
        times.push(began.elapsed());
        ensure!(view.idle.is_none() && view.actions.len() > 5, "{view:?}");
    }
    let time = percentile(&times, 50);
    let goal = Goal {
        value: time.as_secs_f64(),
        most: 1.0,
        unit: " s",
    };
    let megabytes = bytes / 1_000_000;
    let scenario =
        format!("explain: one of {employees} employees of a tenant, after its lists ({megabytes} MB) are read");
    table.row(&scenario, told(time), &goal);
    Ok(())
}

fn read(lists: &[(&str, Vec<u8>)]) -> Result<Known> {
    let mut objects = vec![];
    for (kind, list) in lists {
        let list: ObjectList<DynamicObject> = serde_json::from_slice(list)?;
        objects.extend(whole(list, kind)?);
    }
    Ok(known_of(&objects, &Fleet::of_one(0).namespace(0), NOW.parse()?))
}

/// The lists that `explain` asks for.
fn lists(employees: u32) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let fleet = Fleet::of_one(employees);
    let catalogs: Vec<Value> = CATALOGS
        .iter()
        .map(|(_, text)| Ok(serde_yaml::from_str(text)?))
        .collect::<Result<_>>()?;
    let roles: Vec<Value> = (0..ROLES)
        .map(|role| stored(fleet.role(0, role)?, role))
        .collect::<Result<_>>()?;
    let people: Vec<Value> = (0..employees)
        .map(|number| stored(fleet.employee(number, 0)?, number))
        .collect::<Result<_>>()?;
    let tenants = vec![stored(fleet.tenant(0)?, 0)?];
    let kinds = [
        ("PermissionCatalog", catalogs),
        ("Tenant", tenants),
        ("Role", roles),
        ("Employee", people),
    ];
    let list = |(kind, items): (&'static str, Vec<Value>)| {
        let list = json!({"apiVersion": "pimpernel.dev/v1alpha1", "kind": format!("{kind}List"), "metadata": {}, "items": items});
        Ok((kind, serde_json::to_vec(&list)?))
    };
    kinds.into_iter().map(list).collect()
}

/// An object as the API server has it, with what it, kubectl and the operator add.
fn stored(object: impl Serialize, number: u32) -> Result<Value> {
    let mut object = serde_json::to_value(object)?;
    let condition = |type_: &str| {
        json!({"type": type_, "status": "True", "reason": "Ready", "message": "in effect", "observedGeneration": 1,
            "lastTransitionTime": NOW})
    };
    let fields = object.get("spec").cloned().unwrap_or_default();
    let by = |manager: &str, subresource: &str| {
        json!({"manager": manager, "operation": "Apply", "apiVersion": "pimpernel.dev/v1alpha1", "time": NOW,
            "fieldsType": "FieldsV1", "subresource": subresource, "fieldsV1": {"f:spec": fields}})
    };
    let more = json!({"uid": format!("705ab4f5-6393-11e8-b7cc-42010a8{number:05}"), "resourceVersion": "123456", "generation": 1,
        "creationTimestamp": NOW, "managedFields": [by("kubectl", ""), by("pimpernel", "status")]});
    let metadata = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .context("no metadata")?;
    metadata.extend(more.as_object().cloned().unwrap_or_default());
    let status = json!({"observedGeneration": 1, "conditions": [condition("Ready"), condition("Stalled")]});
    object
        .as_object_mut()
        .context("no object")?
        .insert("status".to_owned(), status);
    Ok(object)
}
