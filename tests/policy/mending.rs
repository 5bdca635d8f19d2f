//! An update that adds no violation is admitted, so what got in can be mended step by step; absence is no contradiction.

use super::saying::{admitted, ready, reasons, refused};
use super::specs::*;
use pimpernel::api::{EmployeeState, LifecycleState, TenantType};
use pimpernel::policy::{Kind, Name, Reason};

const DESGAS: &str = "desgas@lsp-paris.example";

#[test]
fn r3_a_role_with_a_taken_name_can_be_altered_otherwise_but_not_get_worse() {
    let mut world = league();
    let mut spec = role("monitor in chief", LifecycleState::Active, &[]);
    world.role("lsp-paris", "copy-cat", spec.clone());
    admitted(&world.write_role("lsp-paris", "copy-cat", spec.clone()));
    spec.description = Some("to be renamed".to_owned());
    admitted(&world.write_role("lsp-paris", "copy-cat", spec.clone()));
    spec.display_name = "quality judge".to_owned();
    assert_eq!(
        reasons(&world.write_role("lsp-paris", "copy-cat", spec.clone())),
        [Reason::NameTaken]
    );
    spec.display_name = "Copy Cat".to_owned();
    admitted(&world.write_role("lsp-paris", "copy-cat", spec));
}

#[test]
fn r1_a_role_with_a_bad_name_can_keep_it_for_a_while_but_not_get_another_bad_one() {
    let mut world = league();
    let mut spec = role("What?", LifecycleState::Active, &[]);
    world.role("lsp-paris", "scribe", spec.clone());
    spec.description = Some("to be renamed".to_owned());
    admitted(&world.write_role("lsp-paris", "scribe", spec.clone()));
    spec.display_name = "What!".to_owned();
    refused(
        &world.write_role("lsp-paris", "scribe", spec),
        Reason::ForbiddenCharacter,
        "spec.displayName",
        &["`What!`"],
    );
}

#[test]
fn r1_mending_the_name_is_admitted_though_something_else_is_wrong_too() {
    let mut world = league();
    let mut spec = role("What?", LifecycleState::Inactive, &[("acd", "skilz", &["View"])]);
    world.role("lsp-paris", "scribe", spec.clone()).employee(
        "lsp-paris",
        "sergeant",
        employee(DESGAS, EmployeeState::Active, "scribe", &[]),
    );
    spec.display_name = "Public Writer".to_owned();
    admitted(&world.write_role("lsp-paris", "scribe", spec));
}

#[test]
fn e3_an_employee_with_two_bad_roles_can_be_mended_one_by_one() {
    let mut world = league();
    let both = employee(DESGAS, EmployeeState::Active, "trainee", &["veteran"]);
    world.employee("lsp-paris", "sergeant", both.clone());
    admitted(&world.write_employee("lsp-paris", "sergeant", both));
    admitted(&world.write_employee(
        "lsp-paris",
        "sergeant",
        employee(DESGAS, EmployeeState::Active, "trainee", &["team-lead"]),
    ));
    let answer = world.write_employee(
        "lsp-paris",
        "sergeant",
        employee(DESGAS, EmployeeState::Active, "trainee", &["veteran", "intern"]),
    );
    admitted(&answer);
    world.role("lsp-paris", "intern", role("Intern", LifecycleState::Draft, &[]));
    let answer = world.write_employee(
        "lsp-paris",
        "sergeant",
        employee(DESGAS, EmployeeState::Active, "trainee", &["veteran", "intern"]),
    );
    refused(
        &answer,
        Reason::RoleNotActive,
        "spec.secondaryRoles[1].name",
        &["`intern`"],
    );
    admitted(&world.write_employee(
        "lsp-paris",
        "sergeant",
        employee(DESGAS, EmployeeState::Inactive, "trainee", &["veteran", "intern"]),
    ));
}

#[test]
fn p7_a_role_with_an_unknown_permission_can_lose_others_but_not_gain_another_unknown_one() {
    let mut world = league();
    world.role(
        "lsp-paris",
        "scribe",
        role(
            "Public Writer",
            LifecycleState::Active,
            &[("acd", "skilz", &["View"]), ("acd", "skills", &["View"])],
        ),
    );
    let write = |lines: Lines| {
        world.write_role(
            "lsp-paris",
            "scribe",
            role("Public Writer", LifecycleState::Active, lines),
        )
    };
    admitted(&write(&[("acd", "skilz", &["View"])]));
    admitted(&write(&[("acd", "skills", &["View"])]));
    let answer = write(&[("acd", "skilz", &["View"]), ("acd", "skillz", &["View"])]);
    refused(
        &answer,
        Reason::UnknownPermission,
        "spec.permissions[1].permission",
        &["`skillz`"],
    );
}

#[test]
fn t2_a_tenant_in_a_circle_can_be_altered_otherwise() {
    let mut world = league();
    let below = |parent| tenant(TenantType::Partner, Some(parent), &[]);
    world.tenant("ghent", below("bruges")).tenant("bruges", below("ghent"));
    admitted(&world.write_tenant("ghent", called(below("bruges"), "Ghent & Co.")));
}

#[test]
fn r8_a_role_that_is_inactive_under_a_holder_can_be_altered_and_put_right_from_either_side() {
    let mut world = league();
    let mut spec = world.roles[&Name::new("lsp-paris", "team-lead")].clone();
    spec.state = LifecycleState::Inactive;
    world.role("lsp-paris", "team-lead", spec.clone());
    spec.description = Some("no longer used".to_owned());
    admitted(&world.write_role("lsp-paris", "team-lead", spec.clone()));
    spec.state = LifecycleState::Active;
    admitted(&world.write_role("lsp-paris", "team-lead", spec));
    world.employee(
        "lsp-paris",
        "citizen",
        employee(CHAUVELIN, EmployeeState::Active, "evaluator", &[]),
    );
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "team-lead")),
        ("ready", Reason::Inactive)
    );
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "citizen")),
        ("ready", Reason::InEffect)
    );
}

#[test]
fn t1_objects_may_come_in_any_order() {
    let mut world = super::world::World::empty(true);
    let person = employee(DESGAS, EmployeeState::Active, "scribe", &[]);
    let writer = role("Public Writer", LifecycleState::Active, &[("acd", "skills", &["Edit"])]);
    let city = tenant(TenantType::Customer, Some("belgium"), &["acd"]);
    admitted(&world.write_employee("ghent", "sergeant", person.clone()));
    world.employee("ghent", "sergeant", person);
    admitted(&world.write_role("ghent", "scribe", writer.clone()));
    world.role("ghent", "scribe", writer);
    assert_eq!(
        ready(&world.decide(Kind::Role, "ghent", "scribe")),
        ("pending", Reason::TenantNotFound)
    );
    admitted(&world.write_tenant("ghent", city.clone()));
    world.tenant("ghent", city);
    assert_eq!(
        ready(&world.decide(Kind::Role, "ghent", "scribe")),
        ("pending", Reason::CatalogNotFound)
    );
    assert_eq!(world.may(DESGAS, "ghent"), [""; 0]);
    world.catalog("acd", &acd_catalog()).catalog("admin", &admin_catalog());
    assert_eq!(world.may(DESGAS, "ghent"), [EDIT_SKILLS, DOWNLOAD, VIEW_SKILLS]);
    for (kind, name) in [(Kind::Role, "scribe"), (Kind::Employee, "sergeant")] {
        assert_eq!(ready(&world.decide(kind, "ghent", name)), ("ready", Reason::InEffect));
    }
}
