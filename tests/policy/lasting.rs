//! I5, I6 and I8 to I10: what an open session may do, how long, and what ends it for good.

use super::saying::{admitted, ready, reasons, refused, stalled, warned};
use super::specs::*;
use super::world::{NOW, Outcome, SESSIONS, World, at, time, uid};
use pimpernel::api::{Approval, Duration, ImpersonationPolicy, ImpersonationSpec, LifecycleState, Mode, Switch};
use pimpernel::policy::admission::{Answer, Change, Subject};
use pimpernel::policy::{Kind, Name, Reason};
use serde_json::json;

fn support() -> ImpersonationSpec {
    session(Mode::Support, MARGUERITE)
}

/// Marguerite's call in LSP Paris, created now.
fn call(spec: ImpersonationSpec) -> World {
    let mut world = league();
    world.session("lsp-paris", "call-1792", spec, NOW);
    world
}

/// The same, open.
fn open(spec: ImpersonationSpec) -> World {
    let mut world = call(spec);
    world.open("lsp-paris", "call-1792");
    world
}

fn decided(world: &World) -> Outcome {
    world.decide(Kind::Impersonation, "lsp-paris", "call-1792")
}

/// Over for that reason, with nothing left of it.
#[track_caller]
fn over(world: &World, reason: Reason, when: &str) {
    let outcome = decided(world);
    assert_eq!(ready(&outcome), ("ready", reason));
    assert_eq!(outcome.children, vec![]);
    assert_eq!(
        outcome.further.map(|told| (told.holds, told.reason)),
        Some((false, reason))
    );
    assert_eq!(
        (&outcome.status["endTime"], &outcome.status["endReason"]),
        (&json!(when), &json!(reason.as_str()))
    );
    assert_eq!(outcome.status.get("banner"), None);
}

/// How a session loses its ground.
type Loss = fn(&mut World, pimpernel::api::TenantSpec);

fn stop(world: &World, user: &str) -> Answer {
    let name = Name::new("lsp-paris", "call-1792");
    let old = world.sessions[&name].clone();
    let mut new = old.clone();
    new.stop = true;
    let meta = world.directory.session(&name).map(|entry| entry.meta.clone());
    let change = Change {
        old: Some(old),
        new: Some(new),
    };
    world.admit("lsp-paris", "call-1792", Subject::Impersonation(change, meta), user)
}

#[test]
fn i6_the_banner_is_word_for_word() {
    let banner = "You are currently impersonating Impersonated Admin on tenant [The Paris Office]";
    let world = league();
    assert_eq!(world.request("lsp-paris", support()).warnings, [banner]);
    let outcome = decided(&open(support()));
    assert_eq!(outcome.status["banner"], banner);
    let told = outcome.further.map(|told| (told.holds, told.reason, told.message));
    assert_eq!(told, Some((true, Reason::Open, banner.to_owned())));
}

#[test]
fn i6_who_is_refused_sees_no_banner() {
    let answer = league().request("lsp-paris", session(Mode::Configure, MARGUERITE));
    assert_eq!(reasons(&answer), [Reason::NotEntitled]);
    assert_eq!(answer.warnings, [""; 0]);
}

#[test]
fn i8_the_end_is_the_creation_and_the_duration_or_an_hour() {
    for (spec, end) in [
        (support(), "2026-11-20T13:00:00Z"),
        (lasting(support(), "15m"), "2026-11-20T12:15:00Z"),
        (lasting(support(), "8h"), "2026-11-20T20:00:00Z"),
    ] {
        admitted(&league().request("lsp-paris", spec.clone()));
        let mut world = open(spec);
        assert_eq!(decided(&world).status["expirationTime"], end);
        assert_eq!(decided(&world).wake_at, Some(at(end)));
        world.now = at(end) - jiff::SignedDuration::from_nanos(1);
        assert_eq!(ready(&decided(&world)), ("ready", Reason::Open));
        world.now = at(end);
        over(&world, Reason::Expired, end);
        assert_eq!(decided(&world).wake_at, None);
    }
}

#[test]
fn i8_the_end_may_be_given_as_an_instant() {
    let mut spec = support();
    spec.not_after = Some(time("2026-11-20T14:10:00Z"));
    admitted(&league().request("lsp-paris", spec.clone()));
    assert_eq!(decided(&open(spec)).status["expirationTime"], "2026-11-20T14:10:00Z");
}

#[test]
fn i8_a_session_lasts_fifteen_minutes_at_least_and_a_day_at_most() {
    for duration in ["14m59s", "0s", "24h1s", "25h", "1 hour", "", "-1h", "99999999999999h"] {
        let answer = league().request("lsp-paris", lasting(support(), duration));
        refused(
            &answer,
            Reason::InvalidDuration,
            "spec.duration",
            &[&format!("`{duration}`"), "`15m` to `24h`"],
        );
    }
    let mut spec = support();
    spec.not_after = Some(time("2026-11-20T12:14:59Z"));
    refused(
        &league().request("lsp-paris", spec),
        Reason::InvalidDuration,
        "spec.notAfter",
        &["15 minutes"],
    );
}

/// Paris allows sessions of that length.
fn allowing(max: &str, spec: ImpersonationSpec) -> World {
    let mut world = call(spec);
    let mut paris = world.tenants[&Name::tenant("lsp-paris")].clone();
    let mut policy: ImpersonationPolicy = serde_json::from_str("{}").unwrap();
    policy.max_duration = Some(Duration::new(max));
    paris.impersonation = Some(policy);
    world.tenant("lsp-paris", paris);
    world
}

#[test]
fn i8_the_tenant_says_how_long_at_most_and_eight_hours_where_it_does_not() {
    let answer = league().request("lsp-paris", lasting(support(), "8h1s"));
    refused(
        &answer,
        Reason::InvalidDuration,
        "spec.duration",
        &["`8h1s`", "`8h`", "shorter"],
    );
    let mut until = support();
    until.not_after = Some(time("2026-11-20T20:00:01Z"));
    refused(
        &league().request("lsp-paris", until),
        Reason::InvalidDuration,
        "spec.notAfter",
        &["`2026-11-20T20:00:01Z`", "`8h`"],
    );
    let world = allowing("24h", lasting(support(), "24h"));
    assert_eq!(ready(&decided(&world)), ("ready", Reason::Open));
    let world = allowing("30m", lasting(support(), "31m"));
    stalled(
        &decided(&world),
        Reason::InvalidDuration,
        "spec.duration",
        &["`31m`", "`30m`"],
    );
    assert_eq!(decided(&world).children, vec![]);
    let mut world = allowing("30m", lasting(support(), "31m"));
    world.open("lsp-paris", "call-1792");
    assert_eq!(
        ready(&decided(&world)),
        ("ready", Reason::Open),
        "what is open keeps its end"
    );
}

#[test]
fn i8_a_tenant_cannot_allow_more_than_a_day_or_less_than_a_quarter_of_an_hour() {
    for max in ["24h1s", "14m", "soon"] {
        let world = allowing(max, support());
        let paris = world.tenants[&Name::tenant("lsp-paris")].clone();
        let answer = league().write_tenant("lsp-paris", paris);
        refused(
            &answer,
            Reason::InvalidDuration,
            "spec.impersonation.maxDuration",
            &[&format!("`{max}`")],
        );
    }
}

#[test]
fn i8_duration_and_instant_together_are_refused() {
    let mut spec = lasting(support(), "1h");
    spec.not_after = Some(time("2026-11-20T13:00:00Z"));
    refused(
        &league().request("lsp-paris", spec),
        Reason::InvalidDuration,
        "spec.notAfter",
        &["keep one"],
    );
}

#[test]
fn i8_i12_applying_an_old_manifest_again_opens_nothing() {
    let mut spec = support();
    spec.not_after = Some(time("2026-11-20T11:59:59Z"));
    warned(&league().request("lsp-paris", spec.clone()), &["passed already"]);
    over(&call(spec), Reason::Expired, "2026-11-20T11:59:59Z");
}

#[test]
fn i10_too_little_time_for_a_credential_that_ends_by_itself_is_said_and_not_opened() {
    let mut world = call(lasting(support(), "15m"));
    world.now = at("2026-11-20T12:03:49Z");
    let outcome = decided(&world);
    assert_eq!(ready(&outcome), ("ready", Reason::Open));
    assert_eq!(
        outcome.wake_at,
        Some(at("2026-11-20T12:03:50Z")),
        "600 s and 70 s of grace before the end"
    );
    world.now = at("2026-11-20T12:03:50Z");
    let outcome = decided(&world);
    stalled(&outcome, Reason::TooLate, "spec.duration", &["another Impersonation"]);
    assert_eq!(outcome.children, vec![]);
    world.open("lsp-paris", "call-1792");
    assert_eq!(
        ready(&decided(&world)),
        ("ready", Reason::Open),
        "one that is open stays"
    );
}

#[test]
fn i9_stop_ends_it_from_outside_and_from_inside_and_by_nobody_else() {
    let world = open(support());
    admitted(&stop(&world, MARGUERITE));
    let inside = format!(
        "system:serviceaccount:{SESSIONS}:impersonated-admin-{}",
        uid("session", &Name::new("lsp-paris", "call-1792"))
    );
    admitted(&stop(&world, &inside));
    let other = format!("system:serviceaccount:{SESSIONS}:impersonated-admin-other");
    for user in [CHAUVELIN, PERCY, &other, ""] {
        refused(
            &stop(&world, user),
            Reason::NotTheImpersonator,
            "spec.stop",
            &[&format!("`{user}`"), "delete"],
        );
    }
    let mut world = world;
    let mut stopped = support();
    stopped.stop = true;
    world.session("lsp-paris", "call-1792", stopped, NOW);
    over(&world, Reason::Stopped, NOW);
}

#[test]
fn i9_an_open_session_whose_ground_goes_is_withdrawn() {
    let paris = |world: &World| world.tenants[&Name::tenant("lsp-paris")].clone();
    let changes: [(&str, Loss); 5] = [
        ("the mode is switched off", |world, mut paris| {
            let mut policy: ImpersonationPolicy = serde_json::from_str("{}").unwrap();
            policy.support = Switch::Disabled;
            paris.impersonation = Some(policy);
            world.tenant("lsp-paris", paris);
        }),
        ("the tenant leaves Active", |world, mut paris| {
            paris.state = LifecycleState::Inactive;
            world.tenant("lsp-paris", paris);
        }),
        ("the impersonator becomes Inactive", |world, _| {
            world.employee(
                "lsp",
                "m-blakeney",
                employee(MARGUERITE, pimpernel::api::EmployeeState::Inactive, "support-rep", &[]),
            );
        }),
        ("the right is lost", |world, _| {
            world.role(
                "lsp",
                "support-rep",
                role("Home Office Help", LifecycleState::Active, &[]),
            );
        }),
        ("the tenant is gone", |world, _| {
            world.remove(Kind::Tenant, &Name::tenant("lsp-paris"));
        }),
    ];
    for (what, change) in changes {
        let mut world = open(support());
        assert_eq!(ready(&decided(&world)), ("ready", Reason::Open));
        let spec = paris(&world);
        change(&mut world, spec);
        assert_eq!(ready(&decided(&world)), ("ready", Reason::Withdrawn), "{what}");
        over(&world, Reason::Withdrawn, NOW);
    }
}

#[test]
fn i9_a_session_that_is_being_deleted_is_not_opened_any_more() {
    let mut world = call(support());
    world.deleting(Kind::Impersonation, &Name::new("lsp-paris", "call-1792"));
    let outcome = decided(&world);
    assert_eq!(outcome.children, vec![]);
    assert_ne!(ready(&outcome), ("ready", Reason::Open));
}

#[test]
fn i9_the_end_of_the_impersonators_own_time_ends_the_session_to_the_instant() {
    let mut world = open(lasting(support(), "2h"));
    let mut spec = employee(MARGUERITE, pimpernel::api::EmployeeState::Active, "support-rep", &[]);
    spec.valid_until = Some(time("2026-11-20T13:30:00Z"));
    world.employee("lsp", "m-blakeney", spec);
    assert_eq!(decided(&world).wake_at, Some(at("2026-11-20T13:30:00Z")));
    world.now = at("2026-11-20T13:30:00Z");
    over(&world, Reason::Withdrawn, "2026-11-20T13:30:00Z");
}

#[test]
fn i9_a_session_whose_end_is_written_never_revives() {
    let mut world = open(support());
    world.ended("lsp-paris", "call-1792", "2026-11-20T11:30:00Z", Reason::Withdrawn);
    over(&world, Reason::Withdrawn, "2026-11-20T11:30:00Z");
    assert_eq!(decided(&world).wake_at, None);
    world.now = at("2026-11-20T15:00:00Z");
    over(&world, Reason::Withdrawn, "2026-11-20T11:30:00Z");
    world.closed("lsp-paris", "call-1792");
    world.now = at(NOW);
    over(&world, Reason::Withdrawn, "2026-11-20T11:30:00Z");
}

#[test]
fn i11_where_consent_is_needed_a_session_waits_and_gives_nothing() {
    let mut world = call(support());
    let mut paris = world.tenants[&Name::tenant("lsp-paris")].clone();
    let mut policy: ImpersonationPolicy = serde_json::from_str("{}").unwrap();
    policy.approval = Approval::Required;
    paris.impersonation = Some(policy);
    world.tenant("lsp-paris", paris);
    let outcome = decided(&world);
    assert_eq!(
        (ready(&outcome), outcome.children),
        (("pending", Reason::AwaitingConsent), vec![])
    );
    let answer = world.request("lsp-paris", session(Mode::Support, PERCY));
    assert_eq!(answer.warnings, ["the session waits until the tenant consents"]);
    admitted(&world.request("lsp-lyon", support()));
}

#[test]
fn i9_a_session_that_is_being_deleted_is_over() {
    let mut world = open(support());
    world.deleting(Kind::Impersonation, &Name::new("lsp-paris", "call-1792"));
    over(&world, Reason::Deleted, NOW);
}
