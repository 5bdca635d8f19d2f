//! E1 to E8: which roles an employee may hold, under which name, and what they come to.

use super::saying::{admitted, ready, reasons, refused, stalled, warned};
use super::specs::*;
use super::world::World;
use pimpernel::api::{EmployeeSpec, EmployeeState, LifecycleState};
use pimpernel::policy::{Kind, Name, Reason};

const DESGAS: &str = "desgas@lsp-paris.example";

fn active(primary: &str, secondary: &[&str]) -> EmployeeSpec {
    employee(DESGAS, EmployeeState::Active, primary, secondary)
}

fn inactive(primary: &str, secondary: &[&str]) -> EmployeeSpec {
    employee(DESGAS, EmployeeState::Inactive, primary, secondary)
}

/// With Desgas, whose object is called `sergeant`.
fn with(spec: EmployeeSpec) -> World {
    let mut world = league();
    world.employee("lsp-paris", "sergeant", spec);
    world
}

#[test]
fn e1_the_primary_role_is_never_absent() {
    let error = serde_json::from_str::<EmployeeSpec>(r#"{"username": "desgas"}"#).unwrap_err();
    assert!(error.to_string().contains("primaryRole"), "{error}");
    admitted(&league().write_employee("lsp-paris", "sergeant", active("team-lead", &[])));
}

#[test]
fn e2_ten_secondary_roles_are_admitted_and_eleven_are_not() {
    let mut world = league();
    let names: Vec<String> = (1..=11).map(|number| format!("duty-{number}")).collect();
    for name in &names {
        let title = format!("Turn {name}");
        world.role("lsp-paris", name, role(&title, LifecycleState::Active, &[]));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    admitted(&world.write_employee("lsp-paris", "sergeant", active("team-lead", &names[..10])));
    let answer = world.write_employee("lsp-paris", "sergeant", active("team-lead", &names));
    refused(
        &answer,
        Reason::TooManyRoles,
        "spec.secondaryRoles",
        &["11", "at most 10"],
    );
}

#[test]
fn e2_no_role_is_named_twice_and_the_primary_is_not_among_the_secondaries() {
    let world = league();
    let answer = world.write_employee(
        "lsp-paris",
        "sergeant",
        active("team-lead", &["evaluator", "evaluator"]),
    );
    refused(
        &answer,
        Reason::DuplicateRole,
        "spec.secondaryRoles[1].name",
        &["`evaluator`", "twice"],
    );
    let answer = world.write_employee(
        "lsp-paris",
        "sergeant",
        active("team-lead", &["evaluator", "team-lead"]),
    );
    refused(
        &answer,
        Reason::DuplicateRole,
        "spec.secondaryRoles[1].name",
        &["`team-lead`", "primary"],
    );
}

#[test]
fn e2_an_employee_with_a_role_named_twice_that_got_in_has_no_rights() {
    let world = with(active("team-lead", &["evaluator", "evaluator"]));
    stalled(
        &world.decide(Kind::Employee, "lsp-paris", "sergeant"),
        Reason::DuplicateRole,
        "spec.secondaryRoles[1].name",
        &[],
    );
    assert_eq!(world.may(DESGAS, "lsp-paris"), [""; 0]);
}

#[test]
fn e3_an_active_employee_cannot_be_given_a_draft_role() {
    let world = with(active("team-lead", &[]));
    let answer = world.write_employee("lsp-paris", "sergeant", active("trainee", &[]));
    refused(
        &answer,
        Reason::RoleNotActive,
        "spec.primaryRole",
        &["`trainee`", "`Draft`", "activate the role"],
    );
    let answer = world.write_employee("lsp-paris", "sergeant", active("team-lead", &["evaluator", "trainee"]));
    refused(
        &answer,
        Reason::RoleNotActive,
        "spec.secondaryRoles[1].name",
        &["`trainee`", "`Draft`"],
    );
}

#[test]
fn e3_an_active_employee_cannot_be_given_an_inactive_role() {
    let world = league();
    let answer = world.write_employee("lsp-paris", "sergeant", active("veteran", &[]));
    refused(
        &answer,
        Reason::RoleNotActive,
        "spec.primaryRole",
        &["`veteran`", "`Inactive`"],
    );
}

#[test]
fn e3_an_active_employee_can_be_given_active_roles() {
    let world = with(active("team-lead", &[]));
    admitted(&world.write_employee("lsp-paris", "sergeant", active("evaluator", &["team-lead"])));
}

#[test]
fn e3_one_role_that_is_not_active_leaves_the_others_in_effect() {
    let world = with(active("evaluator", &["trainee"]));
    let outcome = world.decide(Kind::Employee, "lsp-paris", "sergeant");
    stalled(
        &outcome,
        Reason::RoleNotActive,
        "spec.secondaryRoles[0].name",
        &["`trainee`"],
    );
    assert_eq!(outcome.status["roles"], serde_json::json!(["evaluator"]));
    assert_eq!(world.may(DESGAS, "lsp-paris"), [EDIT_SKILLS, DOWNLOAD, VIEW_SKILLS]);
}

#[test]
fn e3_a_role_that_does_not_exist_yet_is_a_warning_and_pending() {
    let mut world = league();
    let spec = active("scribe", &["evaluator"]);
    warned(
        &world.write_employee("lsp-paris", "sergeant", spec.clone()),
        &["`scribe`", "does not exist yet"],
    );
    world.employee("lsp-paris", "sergeant", spec);
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("pending", Reason::RoleNotFound)
    );
    assert!(
        world.may(DESGAS, "lsp-paris").contains(&EDIT_SKILLS.to_owned()),
        "the secondary role counts"
    );
    world.role("lsp-paris", "scribe", role("Scribe", LifecycleState::Active, &[]));
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::InEffect)
    );
}

#[test]
fn e3_a_role_of_that_name_in_another_tenant_is_none() {
    let world = league();
    warned(
        &world.write_employee("lsp-lyon", "s-ffoulkes", active("team-lead", &[])),
        &["`team-lead`"],
    );
    let mut world = world;
    world.employee("lsp-lyon", "s-ffoulkes", active("team-lead", &[]));
    assert_eq!(world.may(DESGAS, "lsp-lyon"), [""; 0]);
    assert_eq!(world.may(DESGAS, "lsp-paris"), [""; 0]);
}

#[test]
fn e3_a_namespace_without_a_tenant_yet_is_a_warning_and_pending() {
    let mut world = league();
    warned(
        &world.write_employee("ghent", "sergeant", active("scribe", &[])),
        &["`ghent`", "Tenant"],
    );
    world.employee("ghent", "sergeant", active("scribe", &[]));
    assert_eq!(
        ready(&world.decide(Kind::Employee, "ghent", "sergeant")),
        ("pending", Reason::TenantNotFound)
    );
}

#[test]
fn e4_an_inactive_employee_may_hold_any_role_and_has_no_rights() {
    let mut world = league();
    let spec = inactive("trainee", &["veteran", "team-lead"]);
    admitted(&world.write_employee("lsp-paris", "sergeant", spec.clone()));
    world.employee("lsp-paris", "sergeant", spec);
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::Inactive)
    );
    assert_eq!(world.may(DESGAS, "lsp-paris"), [""; 0]);
}

#[test]
fn e4_an_employee_is_inactive_unless_it_says_otherwise() {
    let spec: EmployeeSpec = serde_json::from_str(r#"{"username": "desgas", "primaryRole": "team-lead"}"#).unwrap();
    let mut world = league();
    world.employee("lsp-paris", "sergeant", spec);
    assert_eq!(world.may("desgas", "lsp-paris"), [""; 0]);
}

#[test]
fn e5_becoming_active_is_refused_while_a_role_is_not_and_every_such_role_is_named() {
    let world = with(inactive("trainee", &["team-lead", "veteran"]));
    let answer = world.write_employee("lsp-paris", "sergeant", active("trainee", &["team-lead", "veteran"]));
    assert_eq!(reasons(&answer), [Reason::RoleNotActive, Reason::RoleNotActive]);
    let messages: Vec<&str> = answer.violations.iter().map(|v| v.message.as_str()).collect();
    assert!(messages[0].contains("`trainee` is `Draft`"), "{messages:?}");
    assert!(messages[1].contains("`veteran` is `Inactive`"), "{messages:?}");
    let fields: Vec<&str> = answer.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["spec.primaryRole", "spec.secondaryRoles[1].name"]);
}

#[test]
fn e5_becoming_active_and_reassigned_in_one_write_is_admitted() {
    let world = with(inactive("trainee", &["veteran"]));
    admitted(&world.write_employee("lsp-paris", "sergeant", active("evaluator", &["team-lead"])));
}

#[test]
fn e7_a_user_name_is_taken_in_whatever_case() {
    let world = league();
    for name in [CHAUVELIN, "Chauvelin@LSP-Paris.example"] {
        let answer = world.write_employee(
            "lsp-paris",
            "sergeant",
            employee(name, EmployeeState::Inactive, "team-lead", &[]),
        );
        refused(
            &answer,
            Reason::UsernameTaken,
            "spec.username",
            &[&format!("`{name}`"), "`citizen`", "use another one"],
        );
    }
    let mut same_mail = active("team-lead", &[]);
    same_mail.email = Some(CHAUVELIN.to_owned());
    admitted(&world.write_employee("lsp-paris", "sergeant", same_mail));
}

#[test]
fn e7_who_employs_one_whose_name_looks_like_another_is_told_once() {
    for (name, told) in [
        ("\u{441}hauvelin", "`\u{441} (U+0441)`"),
        ("chauvelin.", "ends with a full stop"),
    ] {
        let (mut world, spec) = (league(), employee(name, EmployeeState::Active, "team-lead", &[]));
        let answer = world.write_employee("lsp-paris", "sergeant", spec.clone());
        assert!(
            matches!(&answer.warnings[..], [one] if one.contains(told)),
            "{answer:?}"
        );
        world.employee("lsp-paris", "sergeant", spec.clone());
        let answer = world.write_employee("lsp-paris", "sergeant", spec);
        assert_eq!(answer.warnings, [""; 0]);
    }
}

#[test]
fn e7_the_same_person_may_work_for_two_tenants_with_the_rights_of_each() {
    let mut world = league();
    let spec = employee(CHAUVELIN, EmployeeState::Active, "desk", &[]);
    admitted(&world.write_employee("lsp-lyon", "double-agent", spec.clone()));
    world
        .role(
            "lsp-lyon",
            "desk",
            role(
                "Lyon Desk",
                LifecycleState::Active,
                &[("admin", "employees", &["Edit"])],
            ),
        )
        .employee("lsp-lyon", "double-agent", spec);
    assert!(world.may(CHAUVELIN, "lsp-lyon").contains(&EDIT_EMPLOYEES.to_owned()));
    assert!(!world.may(CHAUVELIN, "lsp-paris").contains(&EDIT_EMPLOYEES.to_owned()));
}

#[test]
fn e7_of_two_that_got_in_the_older_object_keeps_the_user_name_and_the_younger_gives_nothing() {
    let mut world = league();
    let shouting = CHAUVELIN.to_uppercase();
    world.employee(
        "lsp-paris",
        "a-double",
        employee(&shouting, EmployeeState::Active, "evaluator", &[]),
    );
    stalled(
        &world.decide(Kind::Employee, "lsp-paris", "a-double"),
        Reason::UsernameTaken,
        "spec.username",
        &["`citizen`"],
    );
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "citizen")),
        ("ready", Reason::InEffect)
    );
    assert_eq!(world.may(&shouting, "lsp-paris"), [""; 0]);
    assert!(world.may(CHAUVELIN, "lsp-paris").contains(&VIEW_SKILLS.to_owned()));
    world.remove(Kind::Employee, &Name::new("lsp-paris", "citizen"));
    assert!(world.may(&shouting, "lsp-paris").contains(&EDIT_SKILLS.to_owned()));
}

#[test]
fn e7_the_user_name_is_bound_verbatim() {
    let mut world = league();
    let odd = "Désirée Candeille <desiree>";
    world.employee(
        "lsp-paris",
        "actress",
        employee(odd, EmployeeState::Active, "evaluator", &[]),
    );
    assert!(world.may(odd, "lsp-paris").contains(&EDIT_SKILLS.to_owned()));
}

#[test]
fn e7_names_of_kubernetes_itself_are_refused() {
    let world = league();
    for name in [
        "system:admin",
        "System:Masters",
        "system:serviceaccount:default:builder",
        "SYSTEM:",
    ] {
        let answer = world.write_employee(
            "lsp-paris",
            "sergeant",
            employee(name, EmployeeState::Inactive, "team-lead", &[]),
        );
        refused(
            &answer,
            Reason::InvalidUsername,
            "spec.username",
            &[&format!("`{name}`"), "`system:`"],
        );
    }
    for name in [String::new(), "x".repeat(254)] {
        let answer = world.write_employee(
            "lsp-paris",
            "sergeant",
            employee(&name, EmployeeState::Inactive, "team-lead", &[]),
        );
        refused(&answer, Reason::InvalidUsername, "spec.username", &["1 to 253"]);
    }
    admitted(&world.write_employee(
        "lsp-paris",
        "sergeant",
        employee("systematic", EmployeeState::Inactive, "team-lead", &[]),
    ));
}

#[test]
fn e8_net_permissions_are_the_union_of_all_roles() {
    let world = with(active("team-lead", &["evaluator"]));
    let rights = world.may(DESGAS, "lsp-paris");
    assert_eq!(
        rights,
        [
            EDIT_SKILLS,
            "get employees.pimpernel.dev",
            VIEW_EMPLOYEES,
            DOWNLOAD,
            VIEW_SKILLS,
            "watch employees.pimpernel.dev",
        ]
    );
    let outcome = world.decide(Kind::Employee, "lsp-paris", "sergeant");
    assert_eq!(outcome.status["roles"], serde_json::json!(["team-lead", "evaluator"]));
    assert_eq!(
        outcome.status["netPermissions"], 4,
        "View of employees, View and Edit of skills, and the download"
    );
}

#[test]
fn e8_an_employee_who_is_being_deleted_has_no_rights() {
    let mut world = league();
    world.deleting(Kind::Employee, &Name::new("lsp-paris", "citizen"));
    assert_eq!(world.may(CHAUVELIN, "lsp-paris"), [""; 0]);
}

#[test]
fn e8_rights_end_at_the_border_of_the_namespace() {
    let world = league();
    for namespace in ["classics", "lsp", "lsp-lyon"] {
        assert_eq!(world.may(CHAUVELIN, namespace), [""; 0], "{namespace}");
    }
}
