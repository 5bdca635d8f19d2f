//! The handler of the webhook, in this process: what a review costs beside parsing it, and beside fewer employees.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use http::{Request, Response};
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionReview};
use pimpernel::api::PermissionCatalogSpec;
use pimpernel::artifacts::CATALOGS;
use pimpernel::controllers::clock::ServerClock;
use pimpernel::controllers::witness::Witness;
use pimpernel::policy::default_roles::Received;
use pimpernel::policy::history::Employees;
use pimpernel::policy::{Change, Directory, Entry, Meta, Name, Settings, catalog, employee, role, tenant};
use pimpernel::telemetry::Metrics;
use pimpernel::webhook::configuration::PATH;
use pimpernel::webhook::review::{Reviewer, router};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use crate::fleet::{Fleet, ROLES};
use crate::table::{Goal, Table, percentile, ratio, told};

const FEW: u32 = 100;
const ROUNDS: usize = 40;
const AT_ONCE: usize = 100;

/// Measures the review of a new employee.
pub async fn measure(employees: u32, table: &mut Table) -> Result<()> {
    let few = webhook(&Fleet::new("fleet", FEW)).await?;
    let many = webhook(&Fleet::new("fleet", employees)).await?;
    let review = Bytes::from(serde_json::to_vec(&review()?)?);
    let (mut parsing, mut with_few, mut with_many) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        parsing.push(parse(&review)?);
        with_few.push(handle(&few, &review).await?);
        with_many.push(handle(&many, &review).await?);
    }
    let [parsing, with_few, with_many] = [parsing, with_few, with_many].map(|times| percentile(&times, 50));
    table.note("webhook: parsing a review alone", told(parsing));
    let goal = |value, most| Goal {
        value, most, unit: "×"
    };
    table.row(
        "webhook: a review, to parsing",
        told(with_many),
        &goal(ratio(with_many, parsing), 3.0),
    );
    let scenario = format!("webhook: a review, to that with {FEW} employees ({})", told(with_few));
    table.row(&scenario, told(with_many), &goal(ratio(with_many, with_few), 1.2));
    Ok(())
}

fn parse(review: &[u8]) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..AT_ONCE {
        let review: AdmissionReview<DynamicObject> = serde_json::from_slice(std::hint::black_box(review))?;
        let request: AdmissionRequest<DynamicObject> = review.try_into()?;
        std::hint::black_box(request);
    }
    Ok(began.elapsed() / u32::try_from(AT_ONCE)?)
}

async fn handle(webhook: &Router, review: &Bytes) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..AT_ONCE {
        let request = Request::post(PATH).body(Body::from(review.clone()))?;
        let answer = webhook.clone().oneshot(request).await?;
        ensure!(
            answer.status().is_success(),
            "the review was answered by {}",
            answer.status()
        );
    }
    Ok(began.elapsed() / u32::try_from(AT_ONCE)?)
}

/// One more employee, as the API server sends her.
fn review() -> Result<Value> {
    let fleet = Fleet::new("fleet", FEW);
    let mut object = serde_json::to_value(fleet.employee(7, 0)?)?;
    for (field, value) in [("/metadata/name", "percy"), ("/spec/username", "percy@bench.example")] {
        *object.pointer_mut(field).context("no such field")? = value.into();
    }
    let kind = json!({"group": "pimpernel.dev", "version": "v1alpha1", "kind": "Employee"});
    let resource = json!({"group": "pimpernel.dev", "version": "v1alpha1", "resource": "employees"});
    let user = json!({"username": "admin@bench.example", "groups": ["staff", "system:authenticated"]});
    Ok(
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource, "requestKind": kind,
            "requestResource": resource, "name": "percy", "namespace": "fleet-000", "operation": "CREATE", "userInfo": user,
            "object": object, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "bench"},
        }}),
    )
}

fn witness() -> Arc<Witness> {
    let witness = Witness::new("pimpernel-operator", Employees::Sessions);
    witness.know(&[7; 32], None);
    Arc::new(witness)
}

async fn webhook(fleet: &Fleet) -> Result<Router> {
    let directory = Arc::new(directory(fleet)?);
    Ok(router(Reviewer {
        directory: Arc::new(move || Some(directory.clone())),
        clock: clock().await?,
        witness: witness(),
        metrics: Metrics::new(),
    }))
}

fn directory(fleet: &Fleet) -> Result<Directory> {
    let settings = Settings {
        operator_namespace: "pimpernel-system".into(),
        sessions_namespace: "pimpernel-sessions".into(),
        impersonation: true,
    };
    let mut directory = Directory::new(settings.clone());
    for (name, text) in CATALOGS {
        let wire: Value = serde_yaml::from_str(text)?;
        let spec: PermissionCatalogSpec = serde_json::from_value(wire.get("spec").cloned().unwrap_or_default())?;
        let spec = catalog::parse(name, &spec);
        directory.fold(Change::Catalog(
            Name::new("", *name),
            Some(Entry {
                meta: meta(name)?,
                spec,
            }),
        ));
    }
    for number in 0..fleet.tenants() {
        let name = Name::tenant(&fleet.namespace(number));
        let spec = tenant::parse(&name, &fleet.tenant(number)?.spec, &settings);
        let meta_of = |uid: u32| meta(&format!("{number}-{uid}"));
        directory.fold(Change::Tenant(
            name.clone(),
            Some(Entry {
                meta: meta_of(ROLES)?,
                spec,
            }),
        ));
        for number in (0..ROLES).map(|role| (number, role)) {
            let object = fleet.role(number.0, number.1)?;
            let spec = role::parse(&object.spec);
            let entry = Entry {
                meta: meta_of(number.1)?,
                spec,
            };
            directory.fold(Change::Role(named(&object.metadata), Some(entry)));
        }
    }
    for number in 0..fleet.employees {
        let object = fleet.employee(number, 0)?;
        let entry = Entry {
            meta: meta(&format!("e{number}"))?,
            spec: employee::parse(&object.spec),
        };
        directory.fold(Change::Employee(named(&object.metadata), Some(entry)));
    }
    Ok(directory)
}

fn named(meta: &kube::core::ObjectMeta) -> Name {
    Name::new(
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

fn meta(uid: &str) -> Result<Meta> {
    Ok(Meta {
        uid: uid.into(),
        generation: 1,
        created: "2026-11-01T00:00:00Z".parse()?,
        deleting: false,
        received: Received::default(),
        ended: None,
    })
}

/// A clock that has heard one answer of an API server.
async fn clock() -> Result<ServerClock> {
    let clock = ServerClock::new();
    let server = service_fn(|_: Request<Body>| async {
        let answer = Response::builder().header("date", "Mon, 23 Nov 2026 12:00:00 GMT");
        Ok::<_, Infallible>(answer.body(Body::empty()).unwrap_or_default())
    });
    clock.layer(server).oneshot(Request::new(Body::empty())).await?;
    Ok(clock)
}
