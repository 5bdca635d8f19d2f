//! The questions that people ask, case by case: what somebody may do and why, what has no effect and why, who may, why not.

use super::specs::*;
use super::world::World;
use pimpernel::api::{EmployeeState, LifecycleState, TenantType};
use pimpernel::policy::catalog::Action;
use pimpernel::policy::explain::{Because, employee as explained, role as role_explained, who_can, why_not};
use pimpernel::policy::{Kind, Name};
use std::sync::Arc;

const PARIS: &str = "lsp-paris";

fn action(text: &str) -> Action {
    let (application, rest) = text.split_once('/').unwrap();
    let (permission, action) = rest.split_once(':').unwrap();
    Action::new(application, permission, action)
}

fn told(because: &[Because]) -> Vec<String> {
    let one = |because: &Because| match because {
        Because::Listed(role) => format!("listed by {role}"),
        Because::Implied(role, by) => format!("{role}: implied by {by}"),
        Because::Unrestricted => "everybody's".to_owned(),
    };
    because.iter().map(one).collect()
}

/// Chauvelin holds team-lead (employees and skills: View) and evaluator (skills: Edit).
fn two_roles() -> World {
    let mut world = league();
    world.employee(
        PARIS,
        "citizen",
        employee(CHAUVELIN, EmployeeState::Active, "team-lead", &["evaluator"]),
    );
    world
}

fn why(world: &World, user: &str, what: &str) -> Vec<String> {
    let verdict = why_not(user, &action(what), &Arc::from(PARIS), &world.directory, world.now);
    assert_eq!(verdict.because.is_empty(), !verdict.obstacles.is_empty(), "{verdict:?}");
    let told = verdict.obstacles.iter().map(|why| match why.reason {
        Some(reason) => format!("{reason}: {}", why.message),
        None => why.message.clone(),
    });
    told.collect()
}

#[test]
fn e8_p2_p5_each_net_permission_is_told_with_all_that_it_comes_from() {
    let world = two_roles();
    let view = explained(&Name::new(PARIS, "citizen"), &world.directory, world.now).unwrap();
    let from = |what| told(&view.actions[&action(what)]);
    assert_eq!(from("acd/skills:Edit"), ["listed by evaluator"]);
    assert_eq!(
        from("acd/skills:View"),
        ["listed by team-lead", "evaluator: implied by acd/skills:Edit"]
    );
    assert_eq!(from("admin/employees:View"), ["listed by team-lead"]);
    assert_eq!(from("acd/data-download:use"), ["everybody's"]);
    assert_eq!(view.actions.len(), 4);
    assert_eq!((view.idle, view.without_effect), (None, vec![]));
}

#[test]
fn p3_what_is_granted_without_effect_is_told_and_why() {
    let mut world = two_roles();
    let lines: Lines = &[("acd", "skills", &["Assign"]), ("admin", "audit-report", &[])];
    world.role(PARIS, "evaluator", role("Quality Judge", LifecycleState::Active, lines));
    let view = explained(&Name::new(PARIS, "citizen"), &world.directory, world.now).unwrap();
    let [(role, assign, why)] = &view.without_effect[..] else {
        panic!("{view:?}")
    };
    assert_eq!((&**role, assign), ("evaluator", &action("acd/skills:Assign")));
    assert!(
        why.message.contains("no effect without `admin/employees:View`"),
        "{why:?}"
    );
    assert!(!view.actions.contains_key(&action("acd/skills:Assign")));
}

#[test]
fn e3_e10_a_role_that_does_not_count_is_told_and_why() {
    let mut world = two_roles();
    world.role(PARIS, "evaluator", role("Quality Judge", LifecycleState::Draft, &[]));
    let view = explained(&Name::new(PARIS, "citizen"), &world.directory, world.now).unwrap();
    let idle = view
        .roles
        .iter()
        .map(|held| held.idle.as_ref().map(|why| why.message.as_str()));
    assert_eq!(
        idle.collect::<Vec<_>>(),
        [None, Some("The role is Draft: it gives no rights yet")]
    );
    world.employee(
        PARIS,
        "citizen",
        employee(CHAUVELIN, EmployeeState::Inactive, "team-lead", &[]),
    );
    let view = explained(&Name::new(PARIS, "citizen"), &world.directory, world.now).unwrap();
    assert!(view.actions.is_empty() && view.idle.is_some(), "{view:?}");
}

#[test]
fn p2_p3_t4_a_role_is_told_with_what_is_implied_and_what_has_no_effect() {
    let mut world = league();
    let lines: Lines = &[
        ("acd", "skills", &["Edit", "Assign"]),
        ("tenant-management", "impersonation", &["Support"]),
    ];
    world.role(PARIS, "clerk", role("Clerk", LifecycleState::Draft, lines));
    let view = role_explained(&Name::new(PARIS, "clerk"), &world.directory, world.now).unwrap();
    assert!(view.idle.unwrap().message.contains("Draft"));
    let given: Vec<String> = view
        .actions
        .iter()
        .map(|(action, by)| format!("{action} {by:?}"))
        .collect();
    assert_eq!(given.len(), 2, "{given:?}");
    assert_eq!(view.actions[&action("acd/skills:Edit")], None);
    assert!(view.actions[&action("acd/skills:View")].is_some());
    let idle: Vec<String> = view
        .without_effect
        .iter()
        .map(|(action, why)| format!("{action} {:?}", why.reason))
        .collect();
    assert_eq!(
        idle,
        [
            "acd/skills:Assign Some(RequirementMissing)",
            "tenant-management/impersonation:Support Some(ApplicationNotEnabled)"
        ]
    );
}

#[test]
fn e8_r14_who_can_names_every_employee_in_effect_and_from_where() {
    let mut world = two_roles();
    world.employee(
        PARIS,
        "sergeant",
        employee("desgas@lsp-paris.example", EmployeeState::Active, "evaluator", &[]),
    );
    world.employee(
        PARIS,
        "leaver",
        employee("gone@lsp-paris.example", EmployeeState::Inactive, "evaluator", &[]),
    );
    let who = |what: &str| {
        let found = who_can(&action(what), &Arc::from(PARIS), &world.directory, world.now);
        let named = found
            .iter()
            .map(|(name, (_, because))| format!("{}: {}", name.name, told(because).join("; ")));
        named.collect::<Vec<_>>()
    };
    assert_eq!(
        who("acd/skills:Edit"),
        ["citizen: listed by evaluator", "sergeant: listed by evaluator"]
    );
    assert_eq!(
        who("acd/skills:View"),
        [
            "citizen: evaluator: implied by acd/skills:Edit; listed by team-lead",
            "sergeant: evaluator: implied by acd/skills:Edit"
        ]
    );
    assert_eq!(
        who("acd/data-download:use"),
        ["citizen: everybody's", "sergeant: everybody's"]
    );
    assert_eq!(who("acd/skills:Fly"), [""; 0]);
}

#[test]
fn e8_why_not_names_what_stands_in_the_way() {
    let mut world = two_roles();
    assert_eq!(why(&world, CHAUVELIN, "acd/skills:Edit"), [""; 0]);
    assert_eq!(
        why(&world, "citizen", "acd/skills:Edit"),
        [""; 0],
        "by the name of the employee too"
    );
    let one = |world: &World, user, what| why(world, user, what).join("; ");
    assert_eq!(
        one(&world, CHAUVELIN, "acd/skils:Edit"),
        "UnknownPermission: permission `skils` of application `acd` does not exist: did you mean `skills`?"
    );
    assert!(one(&world, "nobody@lsp.example", "acd/skills:Edit").contains("no employee of tenant `lsp-paris`"));
    let shouted = CHAUVELIN.to_uppercase();
    let other = one(&world, &shouted, "acd/skills:Edit");
    assert!(other.contains("byte by byte"), "{other}");
    assert!(one(&world, CHAUVELIN, "tenant-management/impersonation:Support").starts_with("ApplicationNotEnabled"));
    let none = one(&world, CHAUVELIN, "admin/employees:Edit");
    assert!(
        none.contains("none of their roles grants `admin/employees:Edit`; no role of the tenant grants it"),
        "{none}"
    );

    world.role(
        PARIS,
        "evaluator",
        role("Quality Judge", LifecycleState::Draft, &[("acd", "skills", &["Edit"])]),
    );
    world.role(
        PARIS,
        "chief",
        role("Chief", LifecycleState::Active, &[("admin", "employees", &["Edit"])]),
    );
    assert_eq!(
        one(&world, CHAUVELIN, "acd/skills:Edit"),
        "Draft: role `evaluator`: The role is Draft: it gives no rights yet"
    );
    assert!(one(&world, CHAUVELIN, "admin/employees:Edit").contains("these grant it: `chief`"));
    world.role(
        PARIS,
        "team-lead",
        role("Lead", LifecycleState::Active, &[("acd", "skills", &["Assign"])]),
    );
    let idle = one(&world, CHAUVELIN, "acd/skills:Assign");
    assert!(
        idle.contains("RequirementMissing: role `team-lead`") && idle.contains("`admin/employees:View`"),
        "{idle}"
    );
}

#[test]
fn e8_t3_why_not_begins_with_what_keeps_everything_away() {
    let one = |world: &World, user, what| why(world, user, what).join("; ");
    let mut off = two_roles();
    off.employee(
        PARIS,
        "citizen",
        employee(CHAUVELIN, EmployeeState::Inactive, "team-lead", &["evaluator"]),
    );
    assert!(one(&off, CHAUVELIN, "acd/skills:Edit").starts_with("Inactive: The employee is Inactive"));
    let mut closed = two_roles();
    let mut spec = tenant(TenantType::Customer, Some("lsp"), &["acd"]);
    spec.state = LifecycleState::Inactive;
    closed.tenant(PARIS, spec);
    assert!(one(&closed, CHAUVELIN, "acd/skills:Edit").starts_with("Inactive: The tenant is Inactive"));
    closed.remove(Kind::Tenant, &Name::tenant(PARIS));
    assert!(one(&closed, CHAUVELIN, "acd/skills:Edit").starts_with("TenantNotFound"));
}

#[test]
fn r10_a_copy_has_the_permissions_and_the_description_and_is_draft() {
    let mut spec = role("Team Lead", LifecycleState::Active, &[("acd", "skills", &["Edit"])]);
    spec.description = Some("Leads one team".to_owned());
    let copy = pimpernel::policy::role::copied(&spec, "Deputy");
    assert_eq!(
        (copy.display_name.as_str(), copy.state),
        ("Deputy", LifecycleState::Draft)
    );
    assert_eq!(
        (copy.permissions, copy.description),
        (spec.permissions, spec.description)
    );
}

#[test]
fn r15_assigning_makes_it_the_primary_role_and_drops_the_old_one() {
    use pimpernel::policy::employee::assigned;
    let names = |spec: &pimpernel::api::EmployeeSpec| {
        spec.secondary_roles
            .iter()
            .map(|role| role.name.clone())
            .collect::<Vec<_>>()
    };
    let before = employee(CHAUVELIN, EmployeeState::Active, "monitor", &["evaluator", "clerk"]);
    let after = assigned(&before, "evaluator");
    assert_eq!(
        (after.primary_role.as_str(), names(&after)),
        ("evaluator", vec!["clerk".to_owned()])
    );
    let after = assigned(&before, "chief");
    assert_eq!((after.primary_role.as_str(), names(&after).len()), ("chief", 2));
    assert_eq!(assigned(&before, "monitor"), before);
}
