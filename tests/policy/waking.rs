//! V8: whom a change wakes, where it is not obvious.

use super::specs::*;
use super::world::{NOW, World};
use pimpernel::api::{EmployeeState, LifecycleState, Mode, TenantType};
use pimpernel::policy::{Key, Kind, Name, affected};

fn wakes(world: &World, cause: (Kind, Name), woken: (Kind, &str, &str)) -> bool {
    let keys = affected::by(&Key::new(cause.0, cause.1), &world.directory);
    keys.contains(&Key::new(woken.0, Name::new(woken.1, woken.2)))
}

#[test]
fn t2_a_tenant_wakes_the_roles_and_employees_of_the_tenants_below() {
    let world = league();
    for (kind, name) in [
        (Kind::Tenant, "lsp-paris"),
        (Kind::Role, "team-lead"),
        (Kind::Employee, "citizen"),
    ] {
        assert!(
            wakes(
                &world,
                (Kind::Tenant, Name::tenant("classics")),
                (kind, "lsp-paris", name)
            ),
            "{name}"
        );
        assert!(
            !wakes(
                &world,
                (Kind::Tenant, Name::tenant("lsp-lyon")),
                (kind, "lsp-paris", name)
            ),
            "{name}"
        );
    }
}

#[test]
fn i2_the_end_of_an_older_role_wakes_the_tenants_that_holders_of_its_namesake_may_enter_then() {
    let mut world = league();
    let lines: Lines = &[("tenant-management", "impersonation", &["Support"])];
    world
        .role("lsp", "first", role("The Doorman", LifecycleState::Draft, &[]))
        .role("lsp", "second", role("the doorman", LifecycleState::Active, lines))
        .employee(
            "lsp",
            "porter",
            employee("hastings@lsp.example", EmployeeState::Active, "second", &[]),
        );
    assert!(
        !world
            .impersonators("lsp-paris", "support")
            .contains(&"hastings@lsp.example".to_owned())
    );
    let first = Name::new("lsp", "first");
    assert!(wakes(
        &world,
        (Kind::Role, first.clone()),
        (Kind::Tenant, "lsp-paris", "lsp-paris")
    ));
    world.remove(Kind::Role, &first);
    assert!(
        world
            .impersonators("lsp-paris", "support")
            .contains(&"hastings@lsp.example".to_owned())
    );
}

#[test]
fn i3_what_takes_the_ground_from_one_session_wakes_the_other_one_of_the_same_person() {
    let mut world = league();
    world
        .tenant("berlin", tenant(TenantType::Customer, Some("classics"), &[]))
        .session("lsp-paris", "first", session(Mode::Support, PERCY), NOW)
        .session("berlin", "second", session(Mode::Support, PERCY), NOW);
    assert!(wakes(
        &world,
        (Kind::Tenant, Name::tenant("lsp-paris")),
        (Kind::Impersonation, "berlin", "second")
    ));
    assert!(!wakes(
        &world,
        (Kind::Tenant, Name::tenant("lsp-lyon")),
        (Kind::Impersonation, "berlin", "second")
    ));
}

#[test]
fn e1_a_newcomer_takes_nothing_and_so_may_wait_and_whoever_changes_or_shares_a_name_may_not() {
    let world = league();
    let newcomer = Key::new(Kind::Employee, Name::new("lsp-paris", "newcomer"));
    let with = |username: &str| {
        let mut other = league();
        let spec = employee(username, EmployeeState::Active, "team-lead", &[]);
        other.employee("lsp-paris", "newcomer", spec);
        other.directory
    };
    let only_adds = |after: &pimpernel::policy::Directory| affected::only_adds(&newcomer, &world.directory, after);
    assert!(only_adds(&with("newcomer@lsp.example")));
    assert!(!only_adds(&with(CHAUVELIN)), "somebody has that user name");
    let there = with("newcomer@lsp.example");
    assert!(
        !affected::only_adds(&newcomer, &there, &with("other@lsp.example")),
        "she changes"
    );
    assert!(!affected::only_adds(&newcomer, &there, &world.directory), "she goes");
    let citizen = Key::new(Kind::Employee, Name::new("lsp-paris", "citizen"));
    assert!(!affected::only_adds(&citizen, &there, &there), "she was there");
}
