//! I1 to I4 and I7: who may open a session, where, and when not.

use super::saying::{admitted, ready, refused, warned};
use super::specs::*;
use super::world::{NOW, World, at, time};
use pimpernel::api::{EmployeeState, ImpersonationPolicy, LifecycleState, Mode, Switch, TenantSpec, TenantType};
use pimpernel::policy::{Kind, Name, Reason};

const WHO: &str = "spec.impersonator";
const MODE: &str = "spec.mode";

fn paris(world: &World) -> TenantSpec {
    world.tenants[&Name::tenant("lsp-paris")].clone()
}

fn with_paris(change: impl Fn(&mut TenantSpec)) -> World {
    let mut world = league();
    let mut spec = paris(&world);
    change(&mut spec);
    world.tenant("lsp-paris", spec);
    world
}

fn policy(configure: Switch, support: Switch) -> ImpersonationPolicy {
    let mut policy: ImpersonationPolicy = serde_json::from_str("{}").unwrap();
    (policy.configure, policy.support) = (configure, support);
    policy
}

#[test]
fn i1_t3_configure_enters_draft_and_active_tenants_and_support_only_active_ones() {
    for (state, mode, who, enters) in [
        (LifecycleState::Draft, Mode::Configure, TONY, true),
        (LifecycleState::Active, Mode::Configure, TONY, true),
        (LifecycleState::Inactive, Mode::Configure, TONY, false),
        (LifecycleState::Draft, Mode::Support, MARGUERITE, false),
        (LifecycleState::Active, Mode::Support, MARGUERITE, true),
        (LifecycleState::Inactive, Mode::Support, MARGUERITE, false),
    ] {
        let world = with_paris(|spec| spec.state = state);
        let answer = world.request("lsp-paris", session(mode, who));
        if enters {
            admitted(&answer);
        } else {
            let words = [format!("`{state:?}`"), "`lsp-paris`".to_owned()];
            refused(
                &answer,
                Reason::TenantStateForbidsMode,
                MODE,
                &[&words[0], &words[1], "needs"],
            );
        }
    }
}

#[test]
fn i1_t5_a_trial_that_is_over_cannot_be_entered() {
    let mut world = with_paris(|spec| {
        spec.trial = Some(pimpernel::api::Trial {
            expires_at: time("2026-11-20T12:30:00Z"),
        });
    });
    admitted(&world.request("lsp-paris", session(Mode::Configure, TONY)));
    world.now = at("2026-11-20T12:30:00Z");
    for (mode, who) in [(Mode::Configure, TONY), (Mode::Support, MARGUERITE)] {
        refused(
            &world.request("lsp-paris", session(mode, who)),
            Reason::TenantStateForbidsMode,
            MODE,
            &["`Inactive`"],
        );
    }
}

#[test]
fn i1_configure_lands_in_acd_and_support_among_the_employees() {
    let mut world = league();
    world.session("lsp-paris", "set-up", session(Mode::Configure, TONY), NOW);
    world.session("lsp-paris", "call-1792", session(Mode::Support, MARGUERITE), NOW);
    let landing = |name| world.decide(Kind::Impersonation, "lsp-paris", name).status["landingPage"].clone();
    assert_eq!(
        landing("set-up"),
        serde_json::json!({"application": "acd", "page": "Internal Admin > Business Units", "url": "/acd/business-units"})
    );
    assert_eq!(
        landing("call-1792"),
        serde_json::json!({"application": "admin", "page": "Employees", "url": "/admin/employees"})
    );
}

#[test]
fn i1_configure_lands_among_the_employees_where_the_tenant_has_no_acd() {
    let mut world = league();
    world.session("lsp-lyon", "set-up", session(Mode::Configure, TONY), NOW);
    let outcome = world.decide(Kind::Impersonation, "lsp-lyon", "set-up");
    assert_eq!(ready(&outcome), ("ready", Reason::Open));
    assert_eq!(outcome.status["landingPage"]["application"], "admin");
    assert_eq!(outcome.status["landingPage"]["page"], "Employees");
}

#[test]
fn i2_an_employee_of_the_direct_parent_enters_with_the_permission() {
    let world = league();
    admitted(&world.request("lsp-paris", session(Mode::Support, MARGUERITE)));
    admitted(&world.request("lsp-lyon", session(Mode::Support, MARGUERITE)));
    assert_eq!(world.impersonators("lsp-paris", "support"), [MARGUERITE, PERCY]);
}

#[test]
fn i2_only_the_mode_that_is_granted_is_open() {
    let world = league();
    let answer = world.request("lsp-paris", session(Mode::Configure, MARGUERITE));
    refused(
        &answer,
        Reason::NotEntitled,
        WHO,
        &[
            "`marguerite@lsp.example`",
            "`lsp-paris`",
            "`Configure`",
            "only for `Support`",
            "`lsp`",
        ],
    );
    let answer = world.request("lsp-paris", session(Mode::Support, TONY));
    refused(&answer, Reason::NotEntitled, WHO, &["only for `Configure`"]);
    assert_eq!(world.impersonators("lsp-paris", "configure"), [PERCY, TONY]);
}

#[test]
fn i2_a_provider_above_enters_at_any_depth() {
    let mut world = league();
    world.tenant("lsp-paris-nord", tenant(TenantType::Customer, Some("lsp-paris"), &[]));
    for namespace in ["lsp", "lsp-paris", "lsp-paris-nord"] {
        for mode in [Mode::Configure, Mode::Support] {
            admitted(&world.request(namespace, session(mode, PERCY)));
        }
    }
}

#[test]
fn i2_a_partner_further_up_does_not_enter() {
    let mut world = league();
    world.tenant("lsp-paris-nord", tenant(TenantType::Customer, Some("lsp-paris"), &[]));
    let answer = world.request("lsp-paris-nord", session(Mode::Support, MARGUERITE));
    refused(
        &answer,
        Reason::NotEntitled,
        WHO,
        &["`lsp-paris-nord`", "an Active employee of `lsp-paris`"],
    );
    assert_eq!(world.impersonators("lsp-paris-nord", "support"), [PERCY]);
}

#[test]
fn i2_a_sibling_a_child_and_a_stranger_do_not_enter() {
    let mut world = league();
    let lines: Lines = &[("tenant-management", "impersonation", &["Support", "Configure"])];
    world
        .tenant(
            "lsp-lyon",
            tenant(TenantType::Customer, Some("lsp"), &["tenant-management"]),
        )
        .role("lsp-lyon", "rival", role("Rival", LifecycleState::Active, lines))
        .employee(
            "lsp-lyon",
            "s-ffoulkes",
            employee("suzanne@lyon.example", EmployeeState::Active, "rival", &[]),
        );
    for (namespace, who) in [
        ("lsp-paris", "suzanne@lyon.example"),
        ("lsp", "suzanne@lyon.example"),
        ("lsp-paris", "nobody@nowhere.example"),
    ] {
        let answer = world.request(namespace, session(Mode::Support, who));
        refused(
            &answer,
            Reason::NotEntitled,
            WHO,
            &[&format!("`{who}`"), "permission `impersonation: Support`"],
        );
    }
}

#[test]
fn i2_without_the_permission_or_in_a_role_that_is_not_active_nobody_enters() {
    let mut world = league();
    world.role(
        "lsp",
        "support-rep",
        role(
            "Home Office Help",
            LifecycleState::Active,
            &[("acd", "skills", &["View"])],
        ),
    );
    refused(
        &world.request("lsp-paris", session(Mode::Support, MARGUERITE)),
        Reason::NotEntitled,
        WHO,
        &[],
    );
    let mut world = league();
    world.role(
        "lsp",
        "support-rep",
        role(
            "Home Office Help",
            LifecycleState::Inactive,
            &[("tenant-management", "impersonation", &["Support"])],
        ),
    );
    refused(
        &world.request("lsp-paris", session(Mode::Support, MARGUERITE)),
        Reason::NotEntitled,
        WHO,
        &[],
    );
    assert_eq!(world.impersonators("lsp-paris", "support"), [PERCY]);
}

#[test]
fn i2_an_inactive_employee_or_one_outside_the_window_does_not_enter() {
    let mut world = league();
    world.employee(
        "lsp",
        "m-blakeney",
        employee(MARGUERITE, EmployeeState::Inactive, "support-rep", &[]),
    );
    refused(
        &world.request("lsp-paris", session(Mode::Support, MARGUERITE)),
        Reason::NotEntitled,
        WHO,
        &[],
    );
    let mut spec = employee(MARGUERITE, EmployeeState::Active, "support-rep", &[]);
    spec.valid_until = Some(time("2026-11-20T12:30:00Z"));
    world.employee("lsp", "m-blakeney", spec);
    admitted(&world.request("lsp-paris", session(Mode::Support, MARGUERITE)));
    world.now = at("2026-11-20T12:30:00Z");
    refused(
        &world.request("lsp-paris", session(Mode::Support, MARGUERITE)),
        Reason::NotEntitled,
        WHO,
        &[],
    );
}

#[test]
fn i2_where_the_parent_is_not_active_or_lacks_the_application_its_employees_do_not_enter() {
    let parent = |applications: &[&str]| tenant(TenantType::Partner, Some("classics"), applications);
    let mut inactive = parent(&["tenant-management"]);
    inactive.state = LifecycleState::Inactive;
    for spec in [inactive, parent(&["acd"])] {
        let mut world = league();
        world.tenant("lsp", spec);
        refused(
            &world.request("lsp-paris", session(Mode::Support, MARGUERITE)),
            Reason::NotEntitled,
            WHO,
            &[],
        );
        admitted(&world.request("lsp-paris", session(Mode::Support, PERCY)));
    }
}

#[test]
fn i2_the_name_must_be_the_employees_letter_by_letter() {
    let world = league();
    let answer = world.request("lsp-paris", session(Mode::Support, "Marguerite@LSP.example"));
    refused(&answer, Reason::NotEntitled, WHO, &["`Marguerite@LSP.example`"]);
}

#[test]
fn i3_nobody_enters_their_own_tenant_in_whatever_state_they_are_there() {
    for state in [EmployeeState::Active, EmployeeState::Inactive] {
        let mut world = league();
        world.employee(
            "lsp-paris",
            "spy",
            employee(&MARGUERITE.to_uppercase(), state, "team-lead", &[]),
        );
        let answer = world.request("lsp-paris", session(Mode::Support, MARGUERITE));
        refused(
            &answer,
            Reason::OwnTenant,
            WHO,
            &["`marguerite@lsp.example`", "`lsp-paris`", "work there directly"],
        );
    }
}

#[test]
fn i4_a_tenant_can_switch_each_mode_off() {
    let world = with_paris(|spec| spec.impersonation = Some(policy(Switch::Enabled, Switch::Disabled)));
    refused(
        &world.request("lsp-paris", session(Mode::Support, MARGUERITE)),
        Reason::ModeDisabled,
        MODE,
        &["`lsp-paris`", "`Support`", "ask"],
    );
    admitted(&world.request("lsp-paris", session(Mode::Configure, TONY)));
    let world = with_paris(|spec| spec.impersonation = Some(policy(Switch::Disabled, Switch::Enabled)));
    refused(
        &world.request("lsp-paris", session(Mode::Configure, TONY)),
        Reason::ModeDisabled,
        MODE,
        &["`Configure`"],
    );
    admitted(&world.request("lsp-paris", session(Mode::Support, MARGUERITE)));
    admitted(&world.request("lsp-lyon", session(Mode::Configure, TONY)));
}

#[test]
fn i4_a_setting_stops_all_in_the_cluster() {
    let world = league_where(false);
    for (namespace, mode, who) in [
        ("lsp-paris", Mode::Support, MARGUERITE),
        ("lsp", Mode::Configure, PERCY),
    ] {
        refused(
            &world.request(namespace, session(mode, who)),
            Reason::ModeDisabled,
            MODE,
            &["this cluster", "platform team"],
        );
    }
}

#[test]
fn i7_a_reason_of_ten_characters_is_required() {
    let world = league();
    let mut spec = session(Mode::Support, MARGUERITE);
    for (reason, characters) in [
        ("", "0"),
        ("Too short", "9"),
        ("          x         ", "1"),
        (&"é".repeat(501), "501"),
    ] {
        reason.clone_into(&mut spec.reason);
        let answer = world.request("lsp-paris", spec.clone());
        refused(
            &answer,
            Reason::InvalidJustification,
            "spec.reason",
            &[characters, "10 to 500"],
        );
    }
    for reason in ["Ten chars!", "é€語é€語é€語é", &"x".repeat(500)] {
        reason.clone_into(&mut spec.reason);
        admitted(&world.request("lsp-paris", spec.clone()));
    }
}

#[test]
fn i12_an_account_of_kubernetes_is_nobody_who_enters() {
    let answer = league().request("lsp-paris", session(Mode::Support, "system:serviceaccount:ci:builder"));
    refused(
        &answer,
        Reason::InvalidUsername,
        WHO,
        &["`system:serviceaccount:ci:builder`"],
    );
}

#[test]
fn i1_a_namespace_without_a_tenant_yet_is_a_warning_and_pending() {
    let mut world = league();
    warned(
        &world.request("ghent", session(Mode::Support, MARGUERITE)),
        &["`ghent`"],
    );
    world.session("ghent", "call-1", session(Mode::Support, MARGUERITE), NOW);
    assert_eq!(
        ready(&world.decide(Kind::Impersonation, "ghent", "call-1")),
        ("pending", Reason::TenantNotFound)
    );
}
