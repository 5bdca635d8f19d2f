//! T5, E2 and E10: what begins and ends by itself, to the instant, and when to look again.

use super::saying::{admitted, ready, refused, stalled, warned};
use super::specs::*;
use super::world::{World, at, time};
use pimpernel::api::{EmployeeSpec, EmployeeState, LifecycleState, Trial};
use pimpernel::policy::{Kind, Name, Reason};

const DESGAS: &str = "desgas@lsp-paris.example";
const BEFORE: &str = "2026-12-31T17:59:59.999999999Z";
const INSTANT: &str = "2026-12-31T18:00:00Z";

/// Desgas, whose object is called `sergeant`.
fn with(spec: EmployeeSpec) -> World {
    let mut world = league();
    world.employee("lsp-paris", "sergeant", spec);
    world
}

fn desgas(primary: &str, secondary: &[&str]) -> EmployeeSpec {
    employee(DESGAS, EmployeeState::Active, primary, secondary)
}

/// What Desgas may do in Paris at that time.
fn rights_at(world: &mut World, now: &str) -> Vec<String> {
    world.now = at(now);
    world.may(DESGAS, "lsp-paris")
}

fn everything_of_evaluator() -> Vec<String> {
    [EDIT_SKILLS, DOWNLOAD, VIEW_SKILLS].map(str::to_owned).to_vec()
}

/// Those of the objects that wake at that instant.
fn wakes(world: &World, kind: Kind, name: &str) -> Option<String> {
    world
        .decide(kind, "lsp-paris", name)
        .wake_at
        .map(|instant| instant.to_string())
}

#[test]
fn e2_a_secondary_role_counts_until_its_instant_and_no_longer() {
    let mut spec = desgas("team-lead", &["evaluator"]);
    spec.secondary_roles[0].until = Some(time(INSTANT));
    let mut world = with(spec);
    assert!(rights_at(&mut world, BEFORE).contains(&EDIT_SKILLS.to_owned()));
    for (kind, name) in [
        (Kind::Employee, "sergeant"),
        (Kind::Role, "evaluator"),
        (Kind::Tenant, "lsp-paris"),
    ] {
        assert_eq!(wakes(&world, kind, name).as_deref(), Some(INSTANT), "{kind:?}");
    }
    for now in [INSTANT, "2027-01-01T00:00:00Z"] {
        let rights = rights_at(&mut world, now);
        assert!(!rights.contains(&EDIT_SKILLS.to_owned()), "{rights:?}");
        assert!(
            rights.contains(&VIEW_SKILLS.to_owned()),
            "the primary role stays: {rights:?}"
        );
        for (kind, name) in [
            (Kind::Employee, "sergeant"),
            (Kind::Role, "evaluator"),
            (Kind::Tenant, "lsp-paris"),
        ] {
            assert_eq!(wakes(&world, kind, name), None, "{kind:?}");
        }
    }
}

#[test]
fn e2_a_secondary_role_whose_time_is_over_hinders_nobody() {
    let mut spec = desgas("team-lead", &["evaluator"]);
    spec.secondary_roles[0].until = Some(time(INSTANT));
    let mut world = with(spec.clone());
    let mut judge = world.roles[&Name::new("lsp-paris", "evaluator")].clone();
    judge.state = LifecycleState::Inactive;
    world.now = at(BEFORE);
    refused(
        &world.write_role("lsp-paris", "evaluator", judge.clone()),
        Reason::RoleInUse,
        "spec.state",
        &["`sergeant`"],
    );
    refused(
        &world.delete_role("lsp-paris", "evaluator"),
        Reason::RoleInUse,
        "metadata.name",
        &["`sergeant`"],
    );
    world.now = at(INSTANT);
    admitted(&world.write_role("lsp-paris", "evaluator", judge.clone()));
    admitted(&world.delete_role("lsp-paris", "evaluator"));
    world.role("lsp-paris", "evaluator", judge);
    admitted(&world.write_employee("lsp-paris", "sergeant", spec));
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::InEffect)
    );
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "evaluator")),
        ("ready", Reason::Inactive)
    );
}

#[test]
fn e10_the_window_opens_at_its_first_instant() {
    let mut spec = desgas("evaluator", &[]);
    spec.valid_from = Some(time(INSTANT));
    let mut world = with(spec);
    assert_eq!(rights_at(&mut world, BEFORE), [""; 0]);
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::OutsideWindow)
    );
    for (kind, name) in [
        (Kind::Employee, "sergeant"),
        (Kind::Role, "evaluator"),
        (Kind::Tenant, "lsp-paris"),
    ] {
        assert_eq!(wakes(&world, kind, name).as_deref(), Some(INSTANT), "{kind:?}");
    }
    assert_eq!(rights_at(&mut world, INSTANT), everything_of_evaluator());
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::InEffect)
    );
    assert_eq!(wakes(&world, Kind::Employee, "sergeant"), None);
}

#[test]
fn e10_the_window_closes_at_its_last_instant() {
    let mut spec = desgas("evaluator", &[]);
    spec.valid_from = Some(time("2026-11-01T00:00:00Z"));
    spec.valid_until = Some(time(INSTANT));
    let mut world = with(spec);
    assert_eq!(rights_at(&mut world, BEFORE), everything_of_evaluator());
    assert_eq!(wakes(&world, Kind::Role, "evaluator").as_deref(), Some(INSTANT));
    assert_eq!(rights_at(&mut world, INSTANT), [""; 0]);
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::OutsideWindow)
    );
}

#[test]
fn e10_the_counts_follow_the_window_and_are_woken_for_it_whatever_the_tenants_state() {
    let mut spec = desgas("evaluator", &[]);
    spec.valid_from = Some(time(INSTANT));
    let mut world = with(spec);
    let mut draft = world.tenants[&Name::tenant("lsp-paris")].clone();
    draft.state = LifecycleState::Inactive;
    world.tenant("lsp-paris", draft);
    world.now = at(BEFORE);
    let count =
        |world: &World| world.decide(Kind::Tenant, "lsp-paris", "lsp-paris").status["employees"]["active"].clone();
    let holders =
        |world: &World| world.decide(Kind::Role, "lsp-paris", "evaluator").status["assignedUsers"]["active"].clone();
    assert_eq!((count(&world), holders(&world)), (1.into(), 0.into()));
    assert_eq!(wakes(&world, Kind::Tenant, "lsp-paris").as_deref(), Some(INSTANT));
    assert_eq!(wakes(&world, Kind::Role, "evaluator").as_deref(), Some(INSTANT));
    world.now = at(INSTANT);
    assert_eq!((count(&world), holders(&world)), (2.into(), 1.into()));
}

#[test]
fn e10_before_the_window_any_role_may_be_held_as_by_an_inactive_employee() {
    let mut spec = desgas("trainee", &[]);
    spec.valid_from = Some(time(INSTANT));
    let mut world = league();
    admitted(&world.write_employee("lsp-paris", "sergeant", spec.clone()));
    world.employee("lsp-paris", "sergeant", spec);
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("ready", Reason::OutsideWindow)
    );
    let apprentice = world.roles[&Name::new("lsp-paris", "trainee")].clone();
    admitted(&world.write_role("lsp-paris", "trainee", apprentice));
    admitted(&world.delete_role("lsp-paris", "trainee"));
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "trainee")),
        ("ready", Reason::Draft)
    );
    assert_eq!(wakes(&world, Kind::Role, "trainee").as_deref(), Some(INSTANT));
}

#[test]
fn e10_where_the_window_opens_on_a_role_that_is_not_active_it_has_no_effect_and_the_employee_says_so() {
    let mut spec = desgas("trainee", &["evaluator"]);
    spec.valid_from = Some(time(INSTANT));
    let mut world = with(spec);
    world.now = at(INSTANT);
    let outcome = world.decide(Kind::Employee, "lsp-paris", "sergeant");
    stalled(
        &outcome,
        Reason::RoleNotActive,
        "spec.primaryRole",
        &["`trainee`", "`Draft`"],
    );
    assert_eq!(world.may(DESGAS, "lsp-paris"), everything_of_evaluator());
    refused(
        &world.delete_role("lsp-paris", "trainee"),
        Reason::RoleInUse,
        "metadata.name",
        &["`sergeant`"],
    );
}

#[test]
fn e10_a_window_ends_after_it_begins() {
    let world = league();
    let mut spec = desgas("evaluator", &[]);
    spec.valid_from = Some(time(INSTANT));
    for until in [INSTANT, "2026-11-01T00:00:00Z"] {
        spec.valid_until = Some(time(until));
        let answer = world.write_employee("lsp-paris", "sergeant", spec.clone());
        refused(
            &answer,
            Reason::InvalidTime,
            "spec.validUntil",
            &[&format!("`{until}`"), "`validFrom`"],
        );
    }
    spec.valid_until = Some(time("2026-12-31T18:00:01Z"));
    admitted(&world.write_employee("lsp-paris", "sergeant", spec));
}

#[test]
fn e10_a_missing_role_is_told_before_the_window_opens() {
    let mut spec = desgas("scribe", &[]);
    spec.valid_from = Some(time(INSTANT));
    warned(&league().write_employee("lsp-paris", "sergeant", spec), &["`scribe`"]);
}

#[test]
fn t5_a_trial_acts_as_inactive_from_its_instant_on() {
    let mut world = with(desgas("evaluator", &[]));
    let mut spec = world.tenants[&Name::tenant("lsp-paris")].clone();
    spec.trial = Some(Trial {
        expires_at: time(INSTANT),
    });
    world.tenant("lsp-paris", spec.clone());
    assert_eq!(rights_at(&mut world, BEFORE), everything_of_evaluator());
    for (kind, name) in [
        (Kind::Tenant, "lsp-paris"),
        (Kind::Role, "evaluator"),
        (Kind::Employee, "sergeant"),
    ] {
        assert_eq!(wakes(&world, kind, name).as_deref(), Some(INSTANT), "{kind:?}");
    }
    for now in [INSTANT, "2027-06-01T00:00:00Z"] {
        assert_eq!(rights_at(&mut world, now), [""; 0]);
        assert_eq!(
            ready(&world.decide(Kind::Tenant, "lsp-paris", "lsp-paris")),
            ("ready", Reason::TrialExpired)
        );
        assert_eq!(
            ready(&world.decide(Kind::Role, "lsp-paris", "evaluator")),
            ("ready", Reason::TenantNotActive)
        );
        assert_eq!(wakes(&world, Kind::Tenant, "lsp-paris"), None);
    }
    spec.trial = None;
    world.tenant("lsp-paris", spec);
    assert_eq!(rights_at(&mut world, INSTANT), everything_of_evaluator(), "bought");
}
