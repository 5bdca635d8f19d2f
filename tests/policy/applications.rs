//! T4: what a tenant's applications do to the grants of its roles.

use super::saying::{admitted, ready, refused, stalled, warned};
use super::specs::*;
use pimpernel::api::{LifecycleState, TenantType};
use pimpernel::policy::{Kind, Reason};

#[test]
fn t4_admin_is_always_included() {
    let mut world = league();
    let spec = role(
        "Lyon Desk",
        LifecycleState::Active,
        &[("admin", "employees", &["View"])],
    );
    admitted(&world.write_role("lsp-lyon", "desk", spec.clone()));
    world.role("lsp-lyon", "desk", spec).employee(
        "lsp-lyon",
        "s-ffoulkes",
        employee(
            "suzanne@lyon.example",
            pimpernel::api::EmployeeState::Active,
            "desk",
            &[],
        ),
    );
    assert!(
        world
            .may("suzanne@lyon.example", "lsp-lyon")
            .contains(&VIEW_EMPLOYEES.to_owned())
    );
}

#[test]
fn t4_a_new_grant_outside_the_tenants_applications_is_refused() {
    let world = league();
    let spec = role("Lyon Desk", LifecycleState::Active, &[("acd", "skills", &["View"])]);
    let answer = world.write_role("lsp-lyon", "desk", spec);
    refused(
        &answer,
        Reason::ApplicationNotEnabled,
        "spec.permissions[0].application",
        &["`acd`", "skills", "switched on"],
    );
}

#[test]
fn t4_a_stored_grant_of_an_application_that_is_switched_off_sleeps_until_it_is_switched_on() {
    let mut world = league();
    world.tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), &[]));
    let outcome = world.decide(Kind::Role, "lsp-paris", "team-lead");
    stalled(
        &outcome,
        Reason::ApplicationNotEnabled,
        "spec.permissions[1].application",
        &["`acd`"],
    );
    let rights = world.may(CHAUVELIN, "lsp-paris");
    assert!(
        rights.contains(&VIEW_EMPLOYEES.to_owned()),
        "the rest stays: {rights:?}"
    );
    assert!(!rights.iter().any(|right| right.contains("acd")), "{rights:?}");
    world.tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), &["acd"]));
    assert!(world.may(CHAUVELIN, "lsp-paris").contains(&VIEW_SKILLS.to_owned()));
}

#[test]
fn t4_beside_a_stored_grant_that_sleeps_a_further_one_is_refused() {
    let mut world = league();
    world.tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), &[]));
    let same = role(
        "Chief Monitor",
        LifecycleState::Active,
        &[("admin", "employees", &["View"]), ("acd", "skills", &["View"])],
    );
    admitted(&world.write_role("lsp-paris", "team-lead", same));
    let actions = role(
        "Monitor in Chief",
        LifecycleState::Active,
        &[("acd", "skills", &["View", "Edit"])],
    );
    let answer = world.write_role("lsp-paris", "team-lead", actions);
    refused(
        &answer,
        Reason::ApplicationNotEnabled,
        "spec.permissions[0].application",
        &["skills", "Edit"],
    );
    let permission = role(
        "Monitor in Chief",
        LifecycleState::Active,
        &[("acd", "skills", &["View"]), ("acd", "queue-counter", &[])],
    );
    let answer = world.write_role("lsp-paris", "team-lead", permission);
    refused(
        &answer,
        Reason::ApplicationNotEnabled,
        "spec.permissions[1].application",
        &["queue-counter"],
    );
}

#[test]
fn t4_an_application_without_a_catalogue_is_a_warning_and_pending() {
    let mut world = league();
    let spec = tenant(TenantType::Customer, Some("lsp"), &["wfm"]);
    warned(&world.write_tenant("ghent", spec.clone()), &["`wfm`"]);
    world.tenant("ghent", spec);
    assert_eq!(
        ready(&world.decide(Kind::Tenant, "ghent", "ghent")),
        ("pending", Reason::CatalogNotFound)
    );
    let spec = role("Planner", LifecycleState::Active, &[("wfm", "plans", &["View"])]);
    warned(&world.write_role("ghent", "planner", spec.clone()), &["`wfm`"]);
    world.role("ghent", "planner", spec);
    assert_eq!(
        ready(&world.decide(Kind::Role, "ghent", "planner")),
        ("pending", Reason::CatalogNotFound)
    );
}
