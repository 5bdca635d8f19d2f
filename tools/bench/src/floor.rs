//! What the API server takes for the same writes from one client that does nothing else: each employee and her status,
//! and between them as many bindings and further statuses as the operator wrote.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use kube::api::{Api, Patch, PatchParams};
use pimpernel::api::Employee;
use serde_json::json;

use crate::arrival::Arrived;
use crate::cluster::{Cluster, IN_FLIGHT};
use crate::fleet::{self, Fleet, ROLES};

/// As many subjects as a binding has half-way.
const SUBJECTS: u32 = 20;

/// Makes those writes, the same number in flight, and says how long that took.
pub async fn measure(cluster: &Cluster, employees: u32, arrived: &Arrived) -> Result<Duration> {
    let fleet = &Fleet::new("floor", employees);
    cluster
        .namespaces((0..fleet.tenants()).map(|tenant| fleet.namespace(tenant)).collect())
        .await?;
    let further = arrived.statuses.saturating_sub(employees as usize);
    let due = |total: usize, employee: u32| {
        let by = |employee: u32| total * employee as usize / employees as usize;
        by(employee + 1) - by(employee)
    };
    let began = Instant::now();
    let all = (0..employees).map(|employee| async move {
        cluster.apply(&fleet.employee(employee, 0)?).await?;
        for round in 0..=due(further, employee) {
            status(cluster, fleet, employee, round).await?;
        }
        for _ in 0..due(arrived.bindings, employee) {
            cluster
                .apply(&binding(&fleet.home(employee), employee % ROLES, employee))
                .await?;
        }
        anyhow::Ok(())
    });
    stream::iter(all)
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    Ok(began.elapsed())
}

async fn status(cluster: &Cluster, fleet: &Fleet, employee: u32, round: usize) -> Result<()> {
    let object = fleet.employee(employee, 0)?;
    let body = json!({
        "apiVersion": "pimpernel.dev/v1alpha1", "kind": "Employee", "metadata": {"name": object.metadata.name},
        "status": {"observedGeneration": 1, "netPermissions": round, "secondaryRoles": 1, "roles": ["role-0", "role-1"],
            "conditions": [{"type": "Ready", "status": "True", "reason": "InEffect", "message": "The employee is Active",
                "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    });
    let api: Api<Employee> = Api::namespaced(cluster.client.clone(), &fleet.home(employee));
    let name = object.metadata.name.unwrap_or_default();
    api.patch_status(&name, &PatchParams::apply("bench-status").force(), &Patch::Apply(&body))
        .await?;
    Ok(())
}

/// A binding of a role, with a subject that it did not have before.
pub fn binding(namespace: &str, role: u32, newest: u32) -> RoleBinding {
    let subject = |employee: u32| Subject {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: "User".to_owned(),
        name: fleet::user(employee),
        namespace: None,
    };
    let mut binding = RoleBinding {
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: format!("bench:{role}"),
        },
        subjects: Some((newest..newest + SUBJECTS).map(subject).collect()),
        ..RoleBinding::default()
    };
    binding.metadata.name = Some(format!("bench:{role}"));
    binding.metadata.namespace = Some(namespace.to_owned());
    binding.metadata.labels = Some([("bench".to_owned(), "floor".to_owned())].into());
    binding
}
