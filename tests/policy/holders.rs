//! R8 and R9: who keeps a role from leaving Active and from going.

use super::saying::{admitted, ready, refused, stalled};
use super::specs::*;
use super::world::World;
use pimpernel::api::{EmployeeState, LifecycleState, RoleSpec};
use pimpernel::policy::{Kind, Name, Reason};

fn team_lead(state: LifecycleState) -> RoleSpec {
    let mut spec = league().roles[&Name::new("lsp-paris", "team-lead")].clone();
    spec.state = state;
    spec
}

/// `team-lead` held by Chauvelin and `more` others, as secondary role.
fn held_by(more: usize, state: EmployeeState) -> World {
    let mut world = league();
    for number in 1..=more {
        let user = format!("guard-{number}@lsp-paris.example");
        world.employee(
            "lsp-paris",
            &format!("badge-{number}"),
            employee(&user, state, "evaluator", &["team-lead"]),
        );
    }
    world
}

#[test]
fn r8_a_role_that_an_active_employee_holds_cannot_leave_active() {
    let world = league();
    for (state, word) in [
        (LifecycleState::Inactive, "`Inactive`"),
        (LifecycleState::Draft, "`Draft`"),
    ] {
        let answer = world.write_role("lsp-paris", "team-lead", team_lead(state));
        refused(
            &answer,
            Reason::RoleInUse,
            "spec.state",
            &["`team-lead`", word, "`citizen`", "another role first"],
        );
    }
    admitted(&world.write_role("lsp-paris", "team-lead", team_lead(LifecycleState::Active)));
}

#[test]
fn r8_of_ten_thousand_holders_five_are_named_and_the_rest_counted() {
    let world = held_by(10_000, EmployeeState::Active);
    let answer = world.write_role("lsp-paris", "team-lead", team_lead(LifecycleState::Inactive));
    refused(&answer, Reason::RoleInUse, "spec.state", &["and 9996 more"]);
    let [violation] = &answer.violations[..] else {
        panic!("one is enough: {answer:?}");
    };
    assert_eq!(violation.message.matches("badge-").count(), 5, "{}", violation.message);
    assert!(violation.message.len() < 300, "{}", violation.message);
}

#[test]
fn r8_holding_as_secondary_role_counts_too() {
    let mut world = league();
    world.employee(
        "lsp-paris",
        "citizen",
        employee(CHAUVELIN, EmployeeState::Active, "team-lead", &["evaluator"]),
    );
    let mut spec = world.roles[&Name::new("lsp-paris", "evaluator")].clone();
    spec.state = LifecycleState::Inactive;
    refused(
        &world.write_role("lsp-paris", "evaluator", spec),
        Reason::RoleInUse,
        "spec.state",
        &["`citizen`"],
    );
    refused(
        &world.delete_role("lsp-paris", "evaluator"),
        Reason::RoleInUse,
        "metadata.name",
        &["`citizen`"],
    );
}

#[test]
fn r8_a_role_that_an_active_employee_holds_cannot_be_deleted() {
    let mut world = league();
    refused(
        &world.delete_role("lsp-paris", "team-lead"),
        Reason::RoleInUse,
        "metadata.name",
        &["`team-lead`", "deleted", "`citizen`"],
    );
    world.remove(Kind::Employee, &Name::new("lsp-paris", "citizen"));
    admitted(&world.delete_role("lsp-paris", "team-lead"));
}

#[test]
fn r8_the_refusal_names_five_holders_and_counts_the_rest() {
    let five = held_by(4, EmployeeState::Active).delete_role("lsp-paris", "team-lead");
    refused(
        &five,
        Reason::RoleInUse,
        "metadata.name",
        &["`badge-1`, `badge-2`, `badge-3`, `badge-4`, `citizen`; "],
    );
    let many = held_by(7, EmployeeState::Active).delete_role("lsp-paris", "team-lead");
    refused(
        &many,
        Reason::RoleInUse,
        "metadata.name",
        &["`badge-1`, `badge-2`, `badge-3`, `badge-4`, `badge-5` and 3 more; "],
    );
}

#[test]
fn r8_a_holder_of_the_same_name_in_another_tenant_does_not_matter() {
    let mut world = league();
    world
        .role("lsp-lyon", "evaluator", role("Lyon Judge", LifecycleState::Active, &[]))
        .employee(
            "lsp-lyon",
            "s-ffoulkes",
            employee("suzanne@lyon.example", EmployeeState::Active, "evaluator", &[]),
        );
    admitted(&world.delete_role("lsp-paris", "evaluator"));
}

#[test]
fn r8_a_role_cannot_come_into_being_as_draft_under_an_active_holder() {
    let mut world = league();
    world.employee(
        "lsp-paris",
        "sergeant",
        employee("desgas@lsp-paris.example", EmployeeState::Active, "scribe", &[]),
    );
    let answer = world.write_role("lsp-paris", "scribe", role("Scribe", LifecycleState::Draft, &[]));
    refused(&answer, Reason::RoleInUse, "spec.state", &["`sergeant`"]);
    admitted(&world.write_role("lsp-paris", "scribe", role("Scribe", LifecycleState::Active, &[])));
}

#[test]
fn r8_what_got_in_has_no_effect_and_both_sides_say_so() {
    let mut world = league();
    world.role("lsp-paris", "team-lead", team_lead(LifecycleState::Inactive));
    stalled(
        &world.decide(Kind::Role, "lsp-paris", "team-lead"),
        Reason::RoleInUse,
        "spec.state",
        &["`citizen`"],
    );
    stalled(
        &world.decide(Kind::Employee, "lsp-paris", "citizen"),
        Reason::RoleNotActive,
        "spec.primaryRole",
        &["`team-lead`"],
    );
    assert_eq!(world.may(CHAUVELIN, "lsp-paris"), [DOWNLOAD]);
}

#[test]
fn r9_a_role_held_only_by_inactive_employees_can_be_deactivated_and_deleted() {
    let mut world = held_by(3, EmployeeState::Inactive);
    world.employee(
        "lsp-paris",
        "citizen",
        employee(CHAUVELIN, EmployeeState::Inactive, "team-lead", &[]),
    );
    admitted(&world.write_role("lsp-paris", "team-lead", team_lead(LifecycleState::Inactive)));
    admitted(&world.delete_role("lsp-paris", "team-lead"));
}

#[test]
fn r9_a_role_may_have_no_one_or_many_holders() {
    for holders in [0, 1, 150] {
        let world = held_by(holders, EmployeeState::Active);
        let outcome = world.decide(Kind::Role, "lsp-paris", "team-lead");
        assert_eq!(ready(&outcome), ("ready", Reason::InEffect));
        assert_eq!(outcome.status["holders"], holders + 1);
        assert_eq!(
            outcome.status["assignedUsers"]["active"], 1,
            "by primary role only (R14)"
        );
        let rights = world.rights(world.now);
        let viewers = rights
            .iter()
            .filter(|(ns, _, what)| ns == "lsp-paris" && what == VIEW_EMPLOYEES);
        assert_eq!(viewers.count(), holders + 1);
    }
}

#[test]
fn r9_a_role_that_is_being_deleted_gives_nothing_any_more() {
    let mut world = league();
    world.deleting(Kind::Role, &Name::new("lsp-paris", "team-lead"));
    assert_eq!(world.may(CHAUVELIN, "lsp-paris"), [DOWNLOAD]);
}

#[test]
fn r13_what_is_being_deleted_says_that_and_nothing_else() {
    for (kind, name) in [
        (Kind::Tenant, "lsp-paris"),
        (Kind::Role, "team-lead"),
        (Kind::Employee, "citizen"),
    ] {
        let mut world = league();
        world.deleting(kind, &Name::new("lsp-paris", name));
        let said = ready(&world.decide(kind, "lsp-paris", name));
        assert_eq!(said, ("pending", Reason::Deleted), "{kind:?}");
    }
}
