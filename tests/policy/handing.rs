//! R16 and I5 where applications are missing: what the people of a tenant may hand out then, with the catalogues that come
//! with Pimpernel and with others, and what its sessions may do.

use super::cxone::{BATH, with};
use super::saying::{admitted, refused, warned};
use super::specs::*;
use super::world::{NOW, SESSIONS, World, at, time};
use pimpernel::api::{EmployeeSpec, EmployeeState, LifecycleState, Mode, RoleSpec, TenantType};
use pimpernel::policy::access::{in_effect, of_sessions, own_of_sessions};
use pimpernel::policy::admission::{Answer, Change, Request, Subject, admit};
use pimpernel::policy::{Kind, Name, Reason, default_roles};
use serde_json::json;

const ADA: &str = "ada@bath.example";

/// A tenant with its out-of-the-box roles, and Ada, its administrator.
fn staffed(applications: &[&str]) -> World {
    let mut world = with(applications);
    for role in ["agent", "manager", "administrator"] {
        let tenant = world.directory.tenant(BATH).unwrap();
        let spec = default_roles::from_factory(role, tenant, &world.directory).unwrap();
        world.role(BATH, role, spec);
    }
    let ada = employee(ADA, EmployeeState::Active, "administrator", &[]);
    world.employee(BATH, "ada", ada);
    world
}

/// A colleague is given the role, by a writer who has no `escalate`.
fn gives(world: &World, role: &str, user: &str) -> Answer {
    let colleague = employee("bess@bath.example", EmployeeState::Active, role, &[]);
    let (old, new) = (None, Some(colleague));
    within_bounds(world, "bess", Subject::Employee(Change { old, new }), user)
}

/// A role is written by a writer who has no `escalate`.
fn writes(world: &World, name: &str, new: RoleSpec, user: &str) -> Answer {
    let old = world.roles.get(&Name::new(BATH, name)).cloned();
    within_bounds(world, name, Subject::Role(Change { old, new: Some(new) }), user)
}

fn within_bounds(world: &World, name: &str, subject: Subject, user: &str) -> Answer {
    let request = Request {
        name: Name::new(BATH, name),
        subject,
        user: user.into(),
        bounded: true,
        ordering: None,
        renamed_from: None,
    };
    admit(&request, &world.directory, at(NOW))
}

/// The user name of a session in `mode` that is open.
fn visitor(world: &mut World, mode: Mode) -> String {
    world.session(BATH, "set-up", session(mode, PERCY), NOW);
    world.open(BATH, "set-up");
    let entry = world.directory.session(&Name::new(BATH, "set-up")).unwrap();
    format!("system:serviceaccount:{SESSIONS}:impersonated-admin-{}", entry.meta.uid)
}

#[test]
fn r16_the_out_of_the_box_roles_can_be_given_where_an_application_is_missing_that_they_imply() {
    let mut world = staffed(&["interactions-hub"]);
    let session = visitor(&mut world, Mode::Configure);
    let judging: Lines = &[("qm", "perform-evaluations", &["Evaluate"])];
    world.role(BATH, "judge", role("Judge", LifecycleState::Active, judging));
    for writer in [ADA, &session] {
        for role in ["agent", "manager", "administrator"] {
            admitted(&gives(&world, role, writer));
        }
        refused(
            &gives(&world, "judge", writer),
            Reason::ExceedsCeiling,
            "spec.primaryRole",
            &[
                "`judge`",
                "`qm/perform-evaluations:Evaluate`",
                "does not have `qm`",
                "take it out of the role, or have the application switched on",
            ],
        );
    }
}

/// Three applications, the first of which leads by way of the second to the third; and Ada, who has the first action.
fn chained(applications: &[&str]) -> World {
    let mut world = World::empty(true);
    let link = |implies: &[&str], factory: &[&str]| {
        catalog(json!({"displayName": "Trees", "permissions": [
            {"name": "link", "actions": [{"name": "Go", "implies": implies, "defaultFor": factory}]}]}))
    };
    world
        .catalog("ash", &link(&["elm/link:Go"], &["administrator"]))
        .catalog("elm", &link(&["oak/link:Go"], &[]))
        .catalog("oak", &link(&[], &[]))
        .tenant(BATH, tenant(TenantType::Provider, None, applications))
        .role(
            BATH,
            "first",
            role("First", LifecycleState::Active, &[("ash", "link", &["Go"])]),
        )
        .role(
            BATH,
            "third",
            role("Third", LifecycleState::Active, &[("oak", "link", &["Go"])]),
        )
        .employee(BATH, "ada", employee(ADA, EmployeeState::Active, "first", &[]));
    world
}

#[test]
fn r16_what_follows_only_by_way_of_a_missing_application_is_not_the_writers_to_hand_out() {
    let mut world = chained(&["ash", "oak"]);
    let session = visitor(&mut world, Mode::Support);
    let third = world.roles[&Name::new(BATH, "third")].clone();
    for writer in [ADA, &session] {
        admitted(&gives(&world, "first", writer));
        let answer = gives(&world, "third", writer);
        refused(
            &answer,
            Reason::ExceedsCeiling,
            "spec.primaryRole",
            &["`oak/link:Go`", "somebody who has it"],
        );
        let mut again = third.clone();
        again.display_name = "Third Again".to_owned();
        let answer = writes(&world, "again", again, writer);
        refused(
            &answer,
            Reason::ExceedsCeiling,
            "spec.permissions",
            &["`oak/link:Go`", "leave that out"],
        );
    }
    let mut all = chained(&["ash", "elm", "oak"]);
    let session = visitor(&mut all, Mode::Support);
    for writer in [ADA, &session] {
        admitted(&gives(&all, "third", writer));
    }
}

/// A catalogue whose one action with effect everywhere is followed by what needs another one.
#[test]
fn r16_p3_two_halves_that_are_harmless_apart_are_not_put_together() {
    let mut world = World::empty(true);
    let spec = json!({"displayName": "Trees", "permissions": [
        {"name": "row", "actions": [{"name": "Go", "implies": ["ash/sail:Go"]}]},
        {"name": "sail", "actions": [{"name": "Go", "requires": ["ash/moor:Go"]}]},
        {"name": "moor", "actions": [{"name": "Go"}]}]});
    let (row, moor): (Lines, Lines) = (&[("ash", "row", &["Go"])], &[("ash", "moor", &["Go"])]);
    world
        .catalog("ash", &catalog(spec))
        .tenant(BATH, tenant(TenantType::Provider, None, &["ash"]))
        .role(BATH, "rower", role("Rower", LifecycleState::Active, row))
        .role(BATH, "moorer", role("Moorer", LifecycleState::Active, moor))
        .employee(BATH, "ada", employee(ADA, EmployeeState::Active, "rower", &["moorer"]));
    admitted(&gives(&world, "rower", ADA));
    let both = role("Both", LifecycleState::Active, &[row[0], moor[0]]);
    let answer = writes(&world, "both", both.clone(), ADA);
    refused(&answer, Reason::ExceedsCeiling, "spec.permissions", &["`ash/sail:Go`"]);
    let answer = writes(
        &world,
        "rower",
        RoleSpec {
            display_name: "Rower".into(),
            ..both
        },
        ADA,
    );
    refused(&answer, Reason::ExceedsCeiling, "spec.permissions", &["`ash/sail:Go`"]);
}

#[test]
fn r16_t4_what_a_role_would_be_given_for_later_is_judged_now() {
    let mut world = staffed(&["acd"]);
    let sleeping: Lines = &[("qm", "perform-evaluations", &["Evaluate"])];
    world.role(BATH, "judge", role("Judge", LifecycleState::Draft, sleeping));
    let answer = writes(&world, "judge", role("Judge", LifecycleState::Active, sleeping), ADA);
    refused(
        &answer,
        Reason::ExceedsCeiling,
        "spec.permissions",
        &["does not have `qm`", "take it out"],
    );
    admitted(&writes(
        &world,
        "judge",
        role("Judge", LifecycleState::Active, &[]),
        ADA,
    ));
}

#[test]
fn r16_removing_is_free_whatever_else_is_wrong_with_the_role_or_the_writer() {
    let mut world = staffed(&["acd"]);
    let (all, less): (Lines, Lines) = (
        &[
            ("qm", "perform-evaluations", &["Evaluate"]),
            ("admin", "change-history", &["View"]),
            ("no", "such", &["Thing"]),
        ],
        &[("admin", "change-history", &["View"])],
    );
    for (title, state) in [
        ("Judge", LifecycleState::Active),
        ("Judge", LifecycleState::Inactive),
        ("agent", LifecycleState::Active),
        ("Judge?", LifecycleState::Active),
    ] {
        world.role(BATH, "judge", role(title, state, all));
        for user in [ADA, "nobody@bath.example"] {
            admitted(&writes(&world, "judge", role(title, state, less), user));
            admitted(&writes(&world, "judge", role(title, state, &all[..2]), user));
            admitted(&writes(&world, "judge", role(title, state, &[]), user));
        }
    }
}

#[test]
fn r16_a_new_role_of_a_name_that_is_named_still_tells_who_gets_it() {
    let mut world = chained(&["ash", "oak"]);
    let new = role("Another", LifecycleState::Active, &[]);
    for number in 1..=7 {
        let state = if number == 7 {
            EmployeeState::Inactive
        } else {
            EmployeeState::Active
        };
        let person = employee(&format!("p{number}@bath.example"), state, "fourth", &[]);
        world.employee(BATH, &format!("badge-{number}"), person);
    }
    assert_eq!(
        world.write_role(BATH, "fourth", new.clone()).warnings,
        [""; 0],
        "nobody was given another one"
    );
    world.role(BATH, "fourth", new.clone());
    for record in world.decide(Kind::Role, BATH, "fourth").records {
        let noted = pimpernel::policy::ledger::Noted::read(&record.name.namespace, &record.spec);
        world
            .directory
            .fold(pimpernel::policy::Change::Record(record.name.clone(), noted));
    }
    assert_eq!(
        world.write_role(BATH, "fourth", new.clone()).warnings,
        [""; 0],
        "it is there"
    );
    world.remove(Kind::Role, &Name::new(BATH, "fourth"));
    let five = "`badge-1`, `badge-2`, `badge-3`, `badge-4`, `badge-5` and 1 more; see";
    warned(&world.write_role(BATH, "fourth", new), &["`fourth`", five]);
}

#[test]
fn i5_p3_a_session_has_nothing_that_lacks_what_it_requires() {
    for (applications, whether) in [(&["acd"][..], false), (&["acd", "dashboard"], true)] {
        let world = with(applications);
        let (directory, tenant) = (&world.directory, world.directory.tenant(BATH).unwrap());
        for mode in [Mode::Configure, Mode::Support] {
            let fixed = of_sessions(tenant, mode, directory);
            assert!(fixed.is_subset(&in_effect(&fixed, tenant, directory)), "{mode:?}");
            let own = own_of_sessions(tenant, mode, directory);
            let ceiling = own.into_iter().flat_map(|(own, _)| own).collect();
            for all in [fixed, ceiling] {
                let named = |name: &str| all.iter().any(|action| action.to_string() == name);
                assert_eq!(
                    named("acd/dashboard-agent-counter:use"),
                    whether,
                    "{mode:?} {applications:?}"
                );
                assert!(named("acd/skills:Assign"), "{mode:?} {applications:?}");
            }
        }
    }
}

#[test]
fn r16_what_has_ended_gives_nothing() {
    let mut world = chained(&["ash", "oak"]);
    let until = |window: &str, end: &str| {
        let mut spec = employee("heron@bath.example", EmployeeState::Active, "first", &["third"]);
        spec.secondary_roles[0].until = Some(time(end));
        spec.valid_until = Some(time(window));
        spec
    };
    let update = |world: &World, new: EmployeeSpec| {
        let old = world.employees.get(&Name::new(BATH, "heron")).cloned();
        within_bounds(world, "heron", Subject::Employee(Change { old, new: Some(new) }), ADA)
    };
    let deletion = |world: &World| {
        let old = world.roles.get(&Name::new(BATH, "third")).cloned();
        within_bounds(world, "third", Subject::Role(Change { old, new: None }), ADA)
    };
    world.employee(BATH, "heron", until("2027-06-01T00:00:00Z", NOW));
    admitted(&update(&world, until("2027-07-01T00:00:00Z", NOW)));
    admitted(&deletion(&world));
    let again = until("2027-06-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let answer = update(&world, again.clone());
    let field = "spec.secondaryRoles[0].name";
    refused(&answer, Reason::ExceedsCeiling, field, &["`third`", "`oak/link:Go`"]);
    let state = EmployeeState::Inactive;
    world.employee(BATH, "heron", EmployeeSpec { state, ..again });
    refused(&deletion(&world), Reason::ExceedsCeiling, "metadata.name", &["`heron`"]);
}
