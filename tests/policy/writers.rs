//! R16, E6 and I5: what a writer may hand out, and what she may not touch of her own. The writer has no verb `escalate`
//! but where a test says so.

use super::saying::{admitted, refused};
use super::specs::*;
use super::world::{NOW, World, at, uid};
use pimpernel::api::{EmployeeSpec, EmployeeState, LifecycleState, Mode, RoleSpec, SecondaryRole};
use pimpernel::policy::admission::{Answer, Change, Request, Subject, admit};
use pimpernel::policy::{Name, Reason};

const PARIS: &str = "lsp-paris";

fn write(world: &World, name: &str, subject: Subject, (user, bounded): (&str, bool)) -> Answer {
    let request = Request {
        name: Name::new(PARIS, name),
        subject,
        user: user.into(),
        bounded,
        ordering: None,
        renamed_from: None,
    };
    admit(&request, &world.directory, at(NOW))
}

fn write_role(world: &World, name: &str, new: RoleSpec, writer: (&str, bool)) -> Answer {
    let old = world.roles.get(&Name::new(PARIS, name)).cloned();
    write(world, name, Subject::Role(Change { old, new: Some(new) }), writer)
}

fn write_employee(world: &World, name: &str, new: Option<EmployeeSpec>, writer: (&str, bool)) -> Answer {
    let old = world.employees.get(&Name::new(PARIS, name)).cloned();
    write(world, name, Subject::Employee(Change { old, new }), writer)
}

/// Chauvelin, who may view employees and skills, and no more.
const CHAUVELIN_HIMSELF: (&str, bool) = (CHAUVELIN, true);

fn judge(lines: super::specs::Lines) -> RoleSpec {
    role("Quality Judge", LifecycleState::Active, lines)
}

fn friend(state: EmployeeState, primary: &str, secondary: &[&str]) -> EmployeeSpec {
    employee("heron@lsp-paris.example", state, primary, secondary)
}

#[test]
fn r16_a_role_may_be_given_what_the_writer_has_and_what_everybody_has() {
    let world = league();
    let lines: Lines = &[("acd", "skills", &["View"]), ("acd", "data-download", &[])];
    admitted(&write_role(
        &world,
        "new-role",
        role("New", LifecycleState::Active, lines),
        CHAUVELIN_HIMSELF,
    ));
}

#[test]
fn r16_a_role_cannot_be_given_more_than_the_writer_has() {
    let world = league();
    let lines: Lines = &[("acd", "skills", &["Edit"])];
    for (name, state) in [("new-role", LifecycleState::Active), ("another", LifecycleState::Draft)] {
        let answer = write_role(&world, name, role("New", state, lines), CHAUVELIN_HIMSELF);
        refused(
            &answer,
            Reason::ExceedsCeiling,
            "spec.permissions",
            &["`acd/skills:Edit`", CHAUVELIN],
        );
    }
    let own: Lines = &[("admin", "employees", &["View", "Edit"]), ("acd", "skills", &["View"])];
    let answer = write_role(
        &world,
        "team-lead",
        role("Monitor in Chief", LifecycleState::Active, own),
        CHAUVELIN_HIMSELF,
    );
    refused(
        &answer,
        Reason::ExceedsCeiling,
        "spec.permissions",
        &["`admin/employees:Edit`"],
    );
}

#[test]
fn r16_taking_away_is_free_and_what_was_there_may_stay() {
    let world = league();
    admitted(&write_role(&world, "evaluator", judge(&[]), CHAUVELIN_HIMSELF));
    let kept: Lines = &[("acd", "skills", &["Edit"]), ("admin", "employees", &["View"])];
    admitted(&write_role(&world, "evaluator", judge(kept), CHAUVELIN_HIMSELF));
}

#[test]
fn r16_who_is_no_employee_may_hand_out_nothing() {
    let world = league();
    let lines: Lines = &[("acd", "skills", &["View"])];
    for stranger in [
        "system:serviceaccount:lsp-paris:builder",
        "CHAUVELIN@lsp-paris.example",
        MARGUERITE,
    ] {
        let answer = write_role(
            &world,
            "new-role",
            role("New", LifecycleState::Active, lines),
            (stranger, true),
        );
        refused(
            &answer,
            Reason::ExceedsCeiling,
            "spec.permissions",
            &["`acd/skills:View`"],
        );
    }
}

#[test]
fn r16_whoever_has_escalate_is_free() {
    let world = league();
    let lines: Lines = &[
        ("acd", "skills", &["Edit", "Assign"]),
        ("admin", "employees", &["Edit"]),
    ];
    admitted(&write_role(
        &world,
        "new-role",
        role("New", LifecycleState::Active, lines),
        ("git", false),
    ));
    let new = friend(EmployeeState::Active, "evaluator", &[]);
    admitted(&write_employee(&world, "heron", Some(new), ("git", false)));
}

#[test]
fn r16_a_richer_role_cannot_be_given_to_a_friend_in_any_way() {
    let mut world = league();
    world.employee(PARIS, "heron", friend(EmployeeState::Inactive, "evaluator", &[]));
    let cases = [
        (
            "another",
            friend(EmployeeState::Active, "evaluator", &[]),
            "spec.primaryRole",
        ),
        (
            "another",
            friend(EmployeeState::Inactive, "team-lead", &["evaluator"]),
            "spec.secondaryRoles[0].name",
        ),
        (
            "heron",
            friend(EmployeeState::Active, "evaluator", &[]),
            "spec.primaryRole",
        ),
    ];
    for (name, new, field) in cases {
        let new = EmployeeSpec {
            username: format!("{name}@lsp-paris.example"),
            ..new
        };
        let answer = write_employee(&world, name, Some(new), CHAUVELIN_HIMSELF);
        refused(
            &answer,
            Reason::ExceedsCeiling,
            field,
            &["`evaluator`", "`acd/skills:Edit`"],
        );
    }
    let missing = friend(EmployeeState::Inactive, "not-there-yet", &[]);
    let answer = write_employee(&world, "heron", Some(missing), CHAUVELIN_HIMSELF);
    refused(
        &answer,
        Reason::ExceedsCeiling,
        "spec.primaryRole",
        &["`not-there-yet`"],
    );
}

#[test]
fn r16_a_later_end_is_a_gift_and_an_earlier_one_is_not() {
    let mut world = league();
    let until = |end: &str| {
        let mut spec = friend(EmployeeState::Active, "team-lead", &[]);
        spec.secondary_roles = vec![SecondaryRole {
            name: "evaluator".into(),
            until: Some(super::world::time(end)),
        }];
        spec
    };
    world.employee(PARIS, "heron", until("2027-06-01T00:00:00Z"));
    admitted(&write_employee(
        &world,
        "heron",
        Some(until("2027-05-01T00:00:00Z")),
        CHAUVELIN_HIMSELF,
    ));
    for longer in [
        until("2027-07-01T00:00:00Z"),
        friend(EmployeeState::Active, "team-lead", &["evaluator"]),
    ] {
        let answer = write_employee(&world, "heron", Some(longer), CHAUVELIN_HIMSELF);
        refused(
            &answer,
            Reason::ExceedsCeiling,
            "spec.secondaryRoles[0].name",
            &["`evaluator`"],
        );
    }
    let mut window = friend(EmployeeState::Active, "evaluator", &[]);
    window.valid_until = Some(super::world::time("2027-06-01T00:00:00Z"));
    world.employee(PARIS, "heron", window.clone());
    window.valid_until = None;
    let answer = write_employee(&world, "heron", Some(window), CHAUVELIN_HIMSELF);
    refused(&answer, Reason::ExceedsCeiling, "spec.primaryRole", &["`evaluator`"]);
}

#[test]
fn r16_a_role_that_the_writer_has_herself_may_be_given() {
    let world = league();
    let new = friend(EmployeeState::Active, "team-lead", &[]);
    admitted(&write_employee(&world, "heron", Some(new), CHAUVELIN_HIMSELF));
}

/// Marguerite, in a session in LSP Paris.
fn in_session(mode: Mode, impersonator: &str) -> (World, String) {
    let mut world = league();
    world.session(PARIS, "call-1792", session(mode, impersonator), NOW);
    world.open(PARIS, "call-1792");
    let uid = uid("Impersonation", &Name::new(PARIS, "call-1792"));
    let account = world
        .directory
        .session(&Name::new(PARIS, "call-1792"))
        .map_or(uid, |entry| entry.meta.uid.clone());
    (
        world,
        format!(
            "system:serviceaccount:{}:impersonated-admin-{account}",
            super::world::SESSIONS
        ),
    )
}

#[test]
fn r16_a_session_may_hand_out_what_administrator_has_from_the_factory_and_its_mode() {
    let (world, account) = in_session(Mode::Support, MARGUERITE);
    let within: Lines = &[
        ("acd", "skills", &["Edit", "Assign"]),
        ("admin", "employees", &["Edit"]),
    ];
    admitted(&write_role(
        &world,
        "new-role",
        role("New", LifecycleState::Active, within),
        (&account, true),
    ));
    let beyond: Lines = &[("admin", "audit-report", &[])];
    let answer = write_role(
        &world,
        "new-role",
        role("New", LifecycleState::Active, beyond),
        (&account, true),
    );
    refused(
        &answer,
        Reason::ExceedsCeiling,
        "spec.permissions",
        &["`admin/audit-report:use`"],
    );
}

#[test]
fn r16_a_session_that_is_over_may_hand_out_nothing() {
    let (mut world, account) = in_session(Mode::Support, MARGUERITE);
    world.closed(PARIS, "call-1792");
    let lines: Lines = &[("acd", "skills", &["View"])];
    let answer = write_role(
        &world,
        "new-role",
        role("New", LifecycleState::Active, lines),
        (&account, true),
    );
    refused(
        &answer,
        Reason::ExceedsCeiling,
        "spec.permissions",
        &["`acd/skills:View`"],
    );
}

#[test]
fn e6_nobody_changes_her_own_roles_state_or_window() {
    let world = league();
    let own = world.employees[&Name::new(PARIS, "citizen")].clone();
    let mut cases = vec![];
    for (field, change) in [
        (
            "spec.primaryRole",
            (|spec| spec.primary_role = "evaluator".into()) as fn(&mut EmployeeSpec),
        ),
        ("spec.secondaryRoles", |spec| {
            spec.secondary_roles = vec![SecondaryRole {
                name: "evaluator".into(),
                until: None,
            }];
        }),
        ("spec.state", |spec| spec.state = EmployeeState::Inactive),
        ("spec.validFrom", |spec| {
            spec.valid_from = Some(super::world::time("2020-01-01T00:00:00Z"));
        }),
        ("spec.validUntil", |spec| {
            spec.valid_until = Some(super::world::time("2099-01-01T00:00:00Z"));
        }),
    ] {
        let mut new = own.clone();
        change(&mut new);
        cases.push((field, new));
    }
    for user in [CHAUVELIN, "CHAUVELIN@LSP-Paris.example"] {
        for (field, new) in &cases {
            let answer = write_employee(&world, "citizen", Some(new.clone()), (user, false));
            refused(&answer, Reason::OwnEmployee, field, &[user]);
        }
        refused(
            &write_employee(&world, "citizen", None, (user, false)),
            Reason::OwnEmployee,
            "metadata.name",
            &[user],
        );
    }
}

#[test]
fn e6_the_rest_of_her_own_employee_and_all_of_others_are_hers_to_change() {
    let mut world = league();
    let mut own = world.employees[&Name::new(PARIS, "citizen")].clone();
    own.team = Some("Monitors".into());
    admitted(&write_employee(&world, "citizen", Some(own), (CHAUVELIN, false)));
    world.employee(PARIS, "heron", friend(EmployeeState::Active, "team-lead", &[]));
    admitted(&write_employee(
        &world,
        "heron",
        Some(friend(EmployeeState::Inactive, "team-lead", &[])),
        CHAUVELIN_HIMSELF,
    ));
    admitted(&write_employee(&world, "heron", None, CHAUVELIN_HIMSELF));
}

#[test]
fn e6_nobody_creates_her_own_employee() {
    let world = league();
    let new = employee("new@lsp-paris.example", EmployeeState::Inactive, "team-lead", &[]);
    let answer = write_employee(&world, "new", Some(new), ("NEW@lsp-paris.example", false));
    refused(
        &answer,
        Reason::OwnEmployee,
        "metadata.name",
        &["NEW@lsp-paris.example"],
    );
}

#[test]
fn i5_a_session_writes_no_employee_of_its_impersonator() {
    let (world, account) = in_session(Mode::Configure, PERCY);
    for username in [PERCY, "PERCY@classics.example"] {
        let new = employee(username, EmployeeState::Inactive, "team-lead", &[]);
        let answer = write_employee(&world, "percy", Some(new), (&account, true));
        refused(&answer, Reason::OwnEmployee, "spec.username", &[PERCY]);
    }
    let new = friend(EmployeeState::Active, "team-lead", &[]);
    admitted(&write_employee(&world, "heron", Some(new), (&account, true)));
}
