//! T1 to T4 and T8: what a tenant may be called, where it may hang, and what its state does.

use super::saying::{admitted, ready, reasons, refused, stalled, warned};
use super::specs::*;
use super::world::{OPERATOR, SESSIONS, World};
use pimpernel::api::{EmployeeState, LifecycleState, TenantSpec, TenantType};
use pimpernel::policy::{Kind, Name, Reason};

fn provider() -> TenantSpec {
    tenant(TenantType::Provider, None, &[])
}

fn in_state(mut spec: TenantSpec, state: LifecycleState) -> TenantSpec {
    spec.state = state;
    spec
}

#[test]
fn t1_a_tenant_is_named_like_its_namespace() {
    let world = league();
    admitted(&world.write_tenant("ghent", provider()));
    let change = pimpernel::policy::admission::Change {
        old: None,
        new: Some(provider()),
    };
    let subject = pimpernel::policy::admission::Subject::Tenant(change);
    let answer = world.admit("ghent", "bruges", subject, "somebody");
    refused(
        &answer,
        Reason::InvalidTenantName,
        "metadata.name",
        &["`bruges`", "`ghent`"],
    );
}

#[test]
fn t1_the_namespaces_of_the_cluster_and_of_the_operator_cannot_be_tenants() {
    let world = league();
    for namespace in ["default", "kube-system", "kube-public", OPERATOR, SESSIONS] {
        let answer = world.write_tenant(namespace, provider());
        refused(
            &answer,
            Reason::InvalidTenantName,
            "metadata.namespace",
            &[&format!("`{namespace}`")],
        );
    }
    admitted(&world.write_tenant("kubernetes-users", provider()));
}

#[test]
fn t1_a_tenant_that_got_into_a_forbidden_namespace_has_no_effect() {
    let mut world = league();
    world
        .tenant("default", provider())
        .role(
            "default",
            "boss",
            role("The Boss", LifecycleState::Active, &[("admin", "employees", &["View"])]),
        )
        .employee(
            "default",
            "b-holmes",
            employee(
                "bill@default.example",
                pimpernel::api::EmployeeState::Active,
                "boss",
                &[],
            ),
        );
    stalled(
        &world.decide(Kind::Tenant, "default", "default"),
        Reason::InvalidTenantName,
        "metadata.namespace",
        &[],
    );
    assert_eq!(world.may("bill@default.example", "default"), [""; 0]);
}

#[test]
fn t2_a_provider_has_no_parent_and_the_others_have_one() {
    let world = league();
    let mut spec = provider();
    spec.parent = Some("classics".to_owned());
    refused(
        &world.write_tenant("ghent", spec),
        Reason::InvalidParent,
        "spec.parent",
        &["`classics`"],
    );
    for type_ in [TenantType::Partner, TenantType::Customer] {
        let answer = world.write_tenant("ghent", tenant(type_, None, &[]));
        refused(
            &answer,
            Reason::InvalidParent,
            "spec.parent",
            &[&format!("{type_:?}"), "name the tenant above"],
        );
    }
}

#[test]
fn t2_a_partner_hangs_below_a_provider_or_partner_and_a_customer_below_anybody() {
    let world = league();
    for (type_, parent) in [
        (TenantType::Partner, "classics"),
        (TenantType::Partner, "lsp"),
        (TenantType::Customer, "classics"),
        (TenantType::Customer, "lsp"),
        (TenantType::Customer, "lsp-paris"),
    ] {
        admitted(&world.write_tenant("ghent", tenant(type_, Some(parent), &[])));
    }
    let answer = world.write_tenant("ghent", tenant(TenantType::Partner, Some("lsp-paris"), &[]));
    refused(
        &answer,
        Reason::InvalidParent,
        "spec.parent",
        &["`lsp-paris`", "name one of those"],
    );
}

#[test]
fn t2_a_partner_whose_parent_turns_out_to_be_a_customer_stalls_and_gives_nobody_access() {
    let mut world = league();
    world
        .tenant("ghent", tenant(TenantType::Partner, Some("antwerp"), &[]))
        .role(
            "ghent",
            "boss",
            role("The Boss", LifecycleState::Active, &[("admin", "employees", &["View"])]),
        )
        .employee(
            "ghent",
            "b-holmes",
            employee("bill@ghent.example", pimpernel::api::EmployeeState::Active, "boss", &[]),
        );
    assert_eq!(
        ready(&world.decide(Kind::Tenant, "ghent", "ghent")),
        ("pending", Reason::ParentNotFound)
    );
    assert!(!world.may("bill@ghent.example", "ghent").is_empty());
    world.tenant("antwerp", tenant(TenantType::Customer, Some("lsp"), &[]));
    stalled(
        &world.decide(Kind::Tenant, "ghent", "ghent"),
        Reason::InvalidParent,
        "spec.parent",
        &["`antwerp`"],
    );
    assert_eq!(world.may("bill@ghent.example", "ghent"), [""; 0]);
    assert_eq!(
        ready(&world.decide(Kind::Tenant, "antwerp", "antwerp")),
        ("ready", Reason::InEffect)
    );
}

#[test]
fn t2_a_parent_that_does_not_exist_is_a_warning_and_pending() {
    let mut world = league();
    let spec = tenant(TenantType::Customer, Some("atlantis"), &[]);
    warned(
        &world.write_tenant("ghent", spec.clone()),
        &["`atlantis`", "does not exist yet"],
    );
    world.tenant("ghent", spec);
    assert_eq!(
        ready(&world.decide(Kind::Tenant, "ghent", "ghent")),
        ("pending", Reason::ParentNotFound)
    );
}

#[test]
fn t2_the_tenant_that_closes_a_circle_is_refused_and_those_in_it_give_no_access() {
    let mut world = league();
    let below = |parent| tenant(TenantType::Partner, Some(parent), &[]);
    refused(
        &world.write_tenant("ghent", below("ghent")),
        Reason::ParentCycle,
        "spec.parent",
        &["`ghent` → `ghent`"],
    );
    world.tenant("ghent", below("bruges")).tenant("bruges", below("ostend"));
    let answer = world.write_tenant("ostend", below("ghent"));
    refused(
        &answer,
        Reason::ParentCycle,
        "spec.parent",
        &["`ostend` → `ghent` → `bruges` → `ostend`", "break it"],
    );
    world
        .tenant("ostend", below("ghent"))
        .role(
            "bruges",
            "boss",
            role("The Boss", LifecycleState::Active, &[("admin", "employees", &["View"])]),
        )
        .employee(
            "bruges",
            "b-holmes",
            employee(
                "bill@bruges.example",
                pimpernel::api::EmployeeState::Active,
                "boss",
                &[],
            ),
        );
    for name in ["ghent", "bruges", "ostend"] {
        stalled(
            &world.decide(Kind::Tenant, name, name),
            Reason::ParentCycle,
            "spec.parent",
            &[],
        );
    }
    assert_eq!(world.may("bill@bruges.example", "bruges"), [""; 0]);
}

/// A provider and seven partners in a line below it: `level-1` to `level-8`.
fn eight_levels() -> World {
    let mut world = league();
    world.tenant("level-1", provider());
    for level in 2..=8 {
        let parent = format!("level-{}", level - 1);
        world.tenant(
            &format!("level-{level}"),
            tenant(TenantType::Partner, Some(&parent), &[]),
        );
    }
    world
}

#[test]
fn t2_there_are_at_most_eight_levels() {
    let world = eight_levels();
    assert_eq!(
        ready(&world.decide(Kind::Tenant, "level-8", "level-8")),
        ("ready", Reason::InEffect)
    );
    admitted(&world.write_tenant("ghent", tenant(TenantType::Customer, Some("level-7"), &[])));
    let answer = world.write_tenant("ghent", tenant(TenantType::Customer, Some("level-8"), &[]));
    refused(
        &answer,
        Reason::HierarchyTooDeep,
        "spec.parent",
        &["8 levels", "`level-1`", "further up"],
    );
}

#[test]
fn t3_only_an_active_tenant_gives_its_employees_access() {
    for (state, reason) in [
        (LifecycleState::Draft, Reason::Draft),
        (LifecycleState::Inactive, Reason::Inactive),
    ] {
        let mut world = league();
        assert_eq!(
            world.may(CHAUVELIN, "lsp-paris"),
            [
                "get employees.pimpernel.dev",
                VIEW_EMPLOYEES,
                DOWNLOAD,
                VIEW_SKILLS,
                "watch employees.pimpernel.dev",
            ]
        );
        let active = world.tenants[&Name::tenant("lsp-paris")].clone();
        let other = in_state(active.clone(), state);
        admitted(&world.write_tenant("lsp-paris", other.clone()));
        world.tenant("lsp-paris", other);
        assert_eq!(world.may(CHAUVELIN, "lsp-paris"), [""; 0], "{state:?}");
        assert_eq!(
            ready(&world.decide(Kind::Tenant, "lsp-paris", "lsp-paris")),
            ("ready", reason)
        );
        let outcome = world.decide(Kind::Role, "lsp-paris", "team-lead");
        assert_eq!(
            (ready(&outcome), outcome.children),
            (("ready", Reason::TenantNotActive), vec![])
        );
        let outcome = world.decide(Kind::Employee, "lsp-paris", "citizen");
        assert_eq!(ready(&outcome), ("ready", Reason::TenantNotActive));
        world.tenant("lsp-paris", active);
        assert!(
            world.may(CHAUVELIN, "lsp-paris").contains(&VIEW_SKILLS.to_owned()),
            "restored"
        );
    }
}

#[test]
fn t3_a_tenant_that_is_being_deleted_gives_nobody_access() {
    let mut world = league();
    world.deleting(Kind::Tenant, &Name::tenant("lsp-paris"));
    assert_eq!(world.may(CHAUVELIN, "lsp-paris"), [""; 0]);
    assert_eq!(world.decide(Kind::Tenant, "lsp-paris", "lsp-paris").children, vec![]);
}

#[test]
fn t6_a_user_cap_blocks_nobody() {
    let mut world = league();
    let mut spec = world.tenants[&Name::tenant("lsp-paris")].clone();
    spec.user_cap = Some(1);
    world.tenant("lsp-paris", spec);
    let second = employee(
        "desgas@lsp-paris.example",
        pimpernel::api::EmployeeState::Active,
        "team-lead",
        &[],
    );
    admitted(&world.write_employee("lsp-paris", "sergeant", second.clone()));
    world.employee("lsp-paris", "sergeant", second);
    assert!(!world.may("desgas@lsp-paris.example", "lsp-paris").is_empty());
    assert!(!world.may(CHAUVELIN, "lsp-paris").is_empty());
}

#[test]
fn t8_a_tenant_with_children_cannot_be_deleted_and_the_refusal_names_five() {
    let mut world = league();
    refused(
        &world.delete_tenant("lsp"),
        Reason::TenantInUse,
        "metadata.name",
        &["`lsp-lyon`, `lsp-paris`", "delete those first"],
    );
    admitted(&world.delete_tenant("lsp-lyon"));
    for number in 1..=5 {
        world.tenant(&format!("lsp-{number}"), tenant(TenantType::Customer, Some("lsp"), &[]));
    }
    let answer = world.delete_tenant("lsp");
    refused(
        &answer,
        Reason::TenantInUse,
        "metadata.name",
        &["`lsp-1`", "`lsp-5` and 2 more"],
    );
    assert!(!answer.violations[0].message.contains("lsp-paris"));
}

#[test]
fn t1_t2_all_that_is_wrong_is_said_at_once() {
    let answer = league().write_tenant("kube-flannel", tenant(TenantType::Customer, None, &[]));
    assert_eq!(reasons(&answer), [Reason::InvalidTenantName, Reason::InvalidParent]);
}

#[test]
fn t6_a_cap_is_soft_above_it_the_tenant_says_so_and_nobody_is_blocked() {
    let crowded = |cap: Option<i64>, second: EmployeeState| {
        let mut world = league();
        let mut paris = world.tenants[&Name::tenant("lsp-paris")].clone();
        paris.user_cap = cap;
        world.tenant("lsp-paris", paris);
        let newcomer = employee("galloway@lsp-paris.example", second, "team-lead", &[]);
        admitted(&world.write_employee("lsp-paris", "badge", newcomer.clone()));
        world.employee("lsp-paris", "badge", newcomer);
        let outcome = world.decide(Kind::Tenant, "lsp-paris", "lsp-paris");
        assert_eq!(ready(&outcome), ("ready", Reason::InEffect));
        assert_eq!(
            world.may("galloway@lsp-paris.example", "lsp-paris").is_empty(),
            second == EmployeeState::Inactive
        );
        outcome.further.map(|told| (told.type_, told.holds, told.reason))
    };
    let told = Some(("UserCapExceeded", true, Reason::UserCapExceeded));
    assert_eq!(crowded(Some(1), EmployeeState::Active), told);
    assert_eq!(crowded(Some(2), EmployeeState::Active), None, "as many as were agreed");
    assert_eq!(
        crowded(Some(1), EmployeeState::Inactive),
        None,
        "who is not Active does not count"
    );
    assert_eq!(crowded(None, EmployeeState::Active), None);
}
