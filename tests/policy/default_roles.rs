//! Out-of-the-box roles: which of them a tenant is still to get, and with what permissions.

use crate::specs::{catalog, employee, role, tenant};
use crate::world::World;
use jiff::SignedDuration;
use pimpernel::api::{
    DefaultRoles, EmployeeState, LifecycleState, PermissionCatalogSpec, RoleSpec, TenantSpec, TenantType,
};
use pimpernel::policy::default_roles::{Due, read, written};
use pimpernel::policy::ledger::Noted;
use pimpernel::policy::tenant::decide;
use pimpernel::policy::{Change, Entry, Kind, Name, Reason};
use serde_json::json;

const BATH: &str = "bath";

/// Brings two roles; `qm` brings another.
fn admin() -> PermissionCatalogSpec {
    catalog(json!({
        "displayName": "Administration",
        "defaultRoles": [{"name": "clerk", "displayName": "Desk Clerk"}, {"name": "chief", "displayName": "Head of Desk"}],
        "permissions": [
            {"name": "employees", "actions": [
                {"name": "View", "defaultFor": ["clerk", "chief"]},
                {"name": "Edit", "implies": ["View"], "defaultFor": ["chief"]},
            ]},
            {"name": "badge", "switch": true, "defaultFor": ["clerk"]},
            {"name": "reports", "unrestricted": true, "switch": true, "defaultFor": ["clerk", "chief"]},
        ],
    }))
}

fn quality() -> PermissionCatalogSpec {
    catalog(json!({
        "displayName": "Quality",
        "defaultRoles": [{"name": "judge", "displayName": "Evaluator of Calls"}],
        "permissions": [{"name": "forms", "actions": [
            {"name": "View", "defaultFor": ["chief", "judge"]}, {"name": "Score", "defaultFor": ["judge"]},
        ]}],
    }))
}

fn draft(applications: &[&str]) -> TenantSpec {
    let mut spec = tenant(TenantType::Provider, None, applications);
    spec.state = LifecycleState::Draft;
    spec
}

fn world(applications: &[&str]) -> World {
    let mut world = World::empty(true);
    world.catalog("admin", &admin()).catalog("qm", &quality());
    world.tenant(BATH, draft(applications));
    world
}

/// It is written on the tenant what it has got.
fn has_got(world: &mut World, names: &str) {
    let name = Name::tenant(BATH);
    let mut entry = Entry::clone(world.directory.tenant_entry(&name).unwrap());
    entry.meta.received = read(names);
    world.directory.fold(Change::Tenant(name, Some(entry)));
}

fn due(world: &World) -> Option<Due> {
    let (name, directory) = (Name::tenant(BATH), &world.directory);
    let entry = directory.tenant_entry(&name).unwrap();
    decide(&name, entry, directory, world.now).default_roles
}

/// The names of those to make, and what is remembered then.
fn names(world: &World) -> (Vec<String>, String) {
    let due = due(world).unwrap();
    let names = due.roles.iter().map(|role| role.name.to_string()).collect();
    (names, written(&due.received))
}

fn made(world: &World, name: &str) -> RoleSpec {
    let due = due(world).unwrap();
    let role = due.roles.iter().find(|role| &*role.name.name == name).unwrap();
    role.spec.clone()
}

#[test]
fn r12_a_draft_tenant_gets_the_roles_that_its_applications_bring_active_and_with_their_factory_permissions() {
    let world = world(&[]);
    let expected = ["bath/clerk", "bath/chief"].map(str::to_owned).to_vec();
    assert_eq!(names(&world), (expected, "chief,clerk".to_owned()));
    let clerk: &[(&str, &str, &[&str])] = &[("admin", "badge", &[]), ("admin", "employees", &["View"])];
    let chief: &[(&str, &str, &[&str])] = &[("admin", "employees", &["Edit", "View"])];
    assert_eq!(made(&world, "clerk"), role("Desk Clerk", LifecycleState::Active, clerk));
    assert_eq!(
        made(&world, "chief"),
        role("Head of Desk", LifecycleState::Active, chief)
    );
}

#[test]
fn r12_an_application_brings_its_role_when_it_is_switched_on_and_changes_none_that_was_made() {
    let mut world = world(&[]);
    has_got(&mut world, "chief,clerk");
    assert_eq!(due(&world), None);
    world.tenant(BATH, draft(&["qm"]));
    assert_eq!(
        names(&world),
        (vec!["bath/judge".to_owned()], "chief,clerk,judge".to_owned())
    );
    let judge: &[(&str, &str, &[&str])] = &[("qm", "forms", &["Score", "View"])];
    assert_eq!(
        made(&world, "judge"),
        role("Evaluator of Calls", LifecycleState::Active, judge)
    );
}

#[test]
fn r12_a_role_gets_what_all_applications_of_the_tenant_name_it_for() {
    let chief: &[(&str, &str, &[&str])] = &[("admin", "employees", &["Edit", "View"]), ("qm", "forms", &["View"])];
    assert_eq!(
        made(&world(&["qm"]), "chief"),
        role("Head of Desk", LifecycleState::Active, chief)
    );
}

#[test]
fn r12_what_was_made_is_never_made_again_whether_it_was_changed_or_deleted() {
    let mut world = world(&[]);
    has_got(&mut world, "chief,clerk");
    assert_eq!(due(&world), None, "deleted");
    world.role(BATH, "clerk", role("Scribe", LifecycleState::Inactive, &[]));
    assert_eq!(due(&world), None, "changed");
}

#[test]
fn r12_a_role_of_that_display_name_is_left_alone_and_counts_as_made() {
    let mut world = world(&[]);
    world.role(BATH, "front-desk", role("DESK clerk", LifecycleState::Draft, &[]));
    assert_eq!(names(&world), (vec!["bath/chief".to_owned()], "chief,clerk".to_owned()));
    left_out(
        &world,
        "clerk",
        "`Desk Clerk` is the name of role `front-desk` already, in whatever case",
    );
}

/// One role is left out, and why.
#[track_caller]
fn left_out(world: &World, name: &str, why: &str) {
    let left = due(world).unwrap().left_out;
    let [one] = left.as_slice() else {
        panic!("{left:?}");
    };
    assert_eq!((&*one.name, one.why.as_str()), (name, why));
}

#[test]
fn r12_r4_a_role_whose_name_another_one_used_once_is_left_out() {
    let mut world = world(&[]);
    world.role(BATH, "front-desk", role("DESK clerk", LifecycleState::Draft, &[]));
    noted(&mut world, "front-desk");
    world.remove(Kind::Role, &Name::new(BATH, "front-desk"));
    assert_eq!(names(&world), (vec!["bath/chief".to_owned()], "chief,clerk".to_owned()));
}

/// What is on record of a role that was there.
fn noted(world: &mut World, name: &str) {
    for record in world.decide(Kind::Role, BATH, name).records {
        let noted = Noted::read(&record.name.namespace, &record.spec);
        world.directory.fold(Change::Record(record.name.clone(), noted));
    }
}

#[test]
fn r12_r16_who_was_given_a_role_that_is_gone_does_not_get_the_one_of_the_factory() {
    let mut world = world(&[]);
    let employed = employee("heron@bath.example", EmployeeState::Active, "chief", &[]);
    world.employee(BATH, "heron", employed);
    assert_eq!(names(&world).0, ["bath/clerk", "bath/chief"]);
    world.role(BATH, "chief", role("Something Hollow", LifecycleState::Draft, &[]));
    noted(&mut world, "chief");
    world.remove(Kind::Role, &Name::new(BATH, "chief"));
    assert_eq!(names(&world), (vec!["bath/clerk".to_owned()], "chief,clerk".to_owned()));
    let gone = "the tenant has had a role called so, and whoever names it still was given that one";
    left_out(&world, "chief", gone);
}

#[test]
fn r12_r16_one_that_is_going_is_not_made_in_its_place_and_one_that_is_named_is_asked_for() {
    let mut world = world(&[]);
    let employed = employee("heron@bath.example", EmployeeState::Active, "chief", &[]);
    world.employee(BATH, "heron", employed);
    world.role(BATH, "clerk", role("Something Hollow", LifecycleState::Draft, &[]));
    world.deleting(Kind::Role, &Name::new(BATH, "clerk"));
    let due = due(&world).unwrap();
    let told: Vec<(&str, bool, bool)> = (due.roles.iter())
        .map(|role| (&*role.name.name, role.there, role.awaited))
        .collect();
    assert_eq!(told, [("clerk", true, false), ("chief", false, true)]);
}

#[test]
fn r12_a_tenant_that_is_made_anew_gets_the_roles_that_it_had_in_another_life() {
    let mut world = world(&[]);
    world.role(BATH, "chief", role("Head of Desk", LifecycleState::Active, &[]));
    noted(&mut world, "chief");
    world.remove(Kind::Role, &Name::new(BATH, "chief"));
    assert_eq!(names(&world).0, ["bath/clerk"]);
    let name = Name::tenant(BATH);
    let mut entry = Entry::clone(world.directory.tenant_entry(&name).unwrap());
    entry.meta.created = world.now.checked_add(SignedDuration::from_secs(1)).unwrap();
    world.directory.fold(Change::Tenant(name, Some(entry)));
    assert_eq!(names(&world).0, ["bath/clerk", "bath/chief"]);
}

#[test]
fn r12_none_leaves_them_out() {
    let mut world = world(&[]);
    let mut spec = draft(&["qm"]);
    spec.default_roles = DefaultRoles::None;
    world.tenant(BATH, spec);
    assert_eq!(due(&world), None);
}

#[test]
fn r12_as_long_as_a_catalogue_is_missing_or_the_tenant_is_refused_or_goes_nothing_is_made() {
    let mut missing = world(&["acd"]);
    assert_eq!(due(&missing), None);
    missing.catalog("acd", &catalog(json!({"displayName": "Routing"})));
    assert_eq!(names(&missing).0.len(), 2);
    missing.deleting(Kind::Tenant, &Name::tenant(BATH));
    assert_eq!(due(&missing), None);
    let mut refused = world(&[]);
    let mut spec = draft(&[]);
    (spec.type_, spec.parent) = (TenantType::Customer, Some(BATH.to_owned()));
    refused.tenant(BATH, spec);
    assert_eq!(due(&refused), None);
}

#[test]
fn r12_r2_a_catalogue_brings_no_role_that_no_tenant_could_have() {
    let mut spec = quality();
    "Q&A".clone_into(&mut spec.default_roles[0].display_name);
    let answer = World::empty(true).write_catalog("qm", spec);
    let refused = &answer.violations[0];
    assert_eq!(
        (refused.reason, refused.field.as_str()),
        (Reason::InvalidCatalog, "spec.defaultRoles[0].displayName")
    );
}
