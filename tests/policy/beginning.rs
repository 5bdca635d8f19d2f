//! R16: a role that begins to give is given by whoever makes it begin, though its permissions are those that it had.

use super::saying::{admitted, refused};
use super::specs::*;
use super::world::{NOW, World, at};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use pimpernel::api::{EmployeeState, LifecycleState, RoleSpec};
use pimpernel::policy::admission::{Answer, Change, Request, Subject, admit};
use pimpernel::policy::{Kind, Name, Reason};

/// Chauvelin, who may view employees and skills, and no more, writes a role.
fn written(world: &World, name: &str, change: impl FnOnce(&mut RoleSpec)) -> Answer {
    by(world, name, (CHAUVELIN, true), change)
}

fn by(world: &World, name: &str, (user, bounded): (&str, bool), change: impl FnOnce(&mut RoleSpec)) -> Answer {
    let name = Name::new("lsp-paris", name);
    let old = world.roles.get(&name).cloned();
    let mut new = old.clone().unwrap();
    change(&mut new);
    let request = Request {
        name,
        subject: Subject::Role(Change { old, new: Some(new) }),
        user: user.into(),
        bounded,
        ordering: None,
        renamed_from: None,
    };
    admit(&request, &world.directory, at(NOW))
}

fn beyond(answer: &Answer, action: &str) {
    refused(answer, Reason::ExceedsCeiling, "spec.permissions", &[action, CHAUVELIN]);
}

fn activated(role: &mut RoleSpec) {
    role.state = LifecycleState::Active;
}

#[test]
fn r16_nobody_makes_a_role_active_that_gives_more_than_they_have() {
    let mut world = league();
    let waiting = employee("heron@lsp-paris.example", EmployeeState::Inactive, "trainee", &[]);
    world.employee("lsp-paris", "heron", waiting);
    for role in ["trainee", "veteran"] {
        beyond(&written(&world, role, activated), "`acd/skills:Edit`");
        admitted(&by(&world, role, ("git", false), activated));
    }
    let lines: Lines = &[("acd", "skills", &["View"])];
    world.role("lsp-paris", "visitor", role("Visitor", LifecycleState::Draft, lines));
    admitted(&written(&world, "visitor", activated));
}

#[test]
fn r16_what_does_not_begin_to_give_may_be_changed() {
    let world = league();
    let described = |role: &mut RoleSpec| role.description = Some("By day".to_owned());
    for role in ["trainee", "veteran", "evaluator"] {
        admitted(&written(&world, role, described));
    }
    admitted(&written(&world, "evaluator", |role| {
        role.state = LifecycleState::Inactive;
    }));
}

#[test]
fn r16_nobody_wakes_a_role_by_a_name_when_it_gives_more_than_they_have() {
    let mut world = league();
    let lines: Lines = &[("acd", "skills", &["Edit"])];
    // Its name is that of an older role, so that it gives nothing.
    world.role(
        "lsp-paris",
        "twin",
        role("Quality Judge", LifecycleState::Active, lines),
    );
    let renamed = |role: &mut RoleSpec| role.display_name = "Second Judge".to_owned();
    beyond(&written(&world, "twin", renamed), "`acd/skills:Edit`");
    admitted(&by(&world, "twin", ("git", false), renamed));
    admitted(&written(&world, "evaluator", renamed));
}

#[test]
fn r16_nobody_wakes_an_action_that_they_have_not_by_giving_what_it_lacked() {
    let mut world = league();
    let lines: Lines = &[("acd", "skills", &["Assign"])];
    world.role("lsp-paris", "planner", role("Planner", LifecycleState::Active, lines));
    let lines: Lines = &[("acd", "skills", &["Assign"]), ("admin", "employees", &["View"])];
    let completed = |planner: &mut RoleSpec| *planner = role("Planner", LifecycleState::Active, lines);
    beyond(&written(&world, "planner", completed), "`acd/skills:Assign`");
    admitted(&by(&world, "planner", ("git", false), completed));
}

/// A role goes, by `user`.
fn removed(world: &World, name: &str, (user, bounded): (&str, bool), ordering: Option<&str>) -> Answer {
    let name = Name::new("lsp-paris", name);
    let old = world.roles.get(&name).cloned();
    let request = Request {
        name,
        subject: Subject::Role(Change { old, new: None }),
        user: user.into(),
        bounded,
        ordering: ordering.map(Into::into),
        renamed_from: None,
    };
    admit(&request, &world.directory, at(NOW))
}

#[test]
fn r16_a_role_that_somebody_names_does_not_make_room_for_another_of_its_name() {
    let mut world = league();
    let mut later = employee("heron@lsp-paris.example", EmployeeState::Active, "evaluator", &[]);
    later.valid_from = Some(Time(at("2036-01-01T00:00:00Z")));
    world.employee("lsp-paris", "heron", later);
    let waiting = employee(
        "tern@lsp-paris.example",
        EmployeeState::Inactive,
        "evaluator",
        &["trainee"],
    );
    world.employee("lsp-paris", "tern", waiting);
    for ordering in [None, Some("eventual")] {
        for (role, named) in [
            ("evaluator", "`heron`, `tern`"),
            ("trainee", "`tern`"),
            ("team-lead", "`citizen`"),
        ] {
            let answer = removed(&world, role, (CHAUVELIN, true), ordering);
            let violation = answer.violations.iter().find(|v| v.reason == Reason::ExceedsCeiling);
            let message = &violation.expect("it was admitted").message;
            assert!(message.contains(&format!("Active or not: {named};")), "{message}");
        }
        admitted(&removed(&world, "veteran", (CHAUVELIN, true), ordering));
        admitted(&removed(&world, "evaluator", ("git", false), ordering));
    }
}

#[test]
fn r16_a_role_that_is_not_valid_or_is_being_deleted_is_given_to_nobody() {
    let mut world = league();
    let lines: Lines = &[("acd", "skills", &["View"])];
    let given = |world: &World| {
        let mut spec = employee("heron@lsp-paris.example", EmployeeState::Active, "visitor", &[]);
        spec.secondary_roles = vec![];
        let request = Request {
            name: Name::new("lsp-paris", "heron"),
            subject: Subject::Employee(Change {
                old: None,
                new: Some(spec),
            }),
            user: CHAUVELIN.into(),
            bounded: true,
            ordering: None,
            renamed_from: None,
        };
        admit(&request, &world.directory, at(NOW))
    };
    let mut visitor = role("Visitor", LifecycleState::Active, lines);
    world.role("lsp-paris", "visitor", visitor.clone());
    admitted(&given(&world));
    visitor.description = Some("See https://example.org".to_owned());
    world.role("lsp-paris", "visitor", visitor.clone());
    let wanted = ["`visitor`", "is not valid", "have it mended first"];
    refused(&given(&world), Reason::ExceedsCeiling, "spec.primaryRole", &wanted);
    visitor.description = None;
    world.role("lsp-paris", "visitor", visitor);
    admitted(&given(&world));
    world.deleting(Kind::Role, &Name::new("lsp-paris", "visitor"));
    let wanted = ["`visitor`", "does not exist"];
    refused(&given(&world), Reason::ExceedsCeiling, "spec.primaryRole", &wanted);
}
