//! I11: the tenant's consent, case by case: who answers, what counts, from when the time counts, and what ends.

use super::saying::{admitted, ready, refused, stalled, warned};
use super::specs::*;
use super::world::{Outcome, World, at, time, uid};
use ConsentDecision::{Granted, Rejected, Revoked};
use pimpernel::api::{
    Approval, ConsentDecision, EmployeeState, ImpersonationConsentSpec, ImpersonationSpec, LifecycleState, Mode,
    TenantSpec,
};
use pimpernel::policy::admission::{self, Answer};
use pimpernel::policy::directory::Account;
use pimpernel::policy::{Change, Entry, Key, Kind, Meta, Name, Reason, affected, consent};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[path = "consents/lasting.rs"]
mod lasting;

const PARIS: &str = "lsp-paris";
const CALL: &str = "call-1792";
/// Two who may answer, and one who may not.
const WARDEN: &str = "warden@lsp-paris.example";
const DEPUTY: &str = "deputy@lsp-paris.example";
/// When the call is made, answered, and looked at.
const ASKED: &str = "2026-11-20T10:00:00Z";
const SAID: &str = "2026-11-20T11:30:00Z";

fn paris(world: &World, approval: Approval) -> TenantSpec {
    let mut paris = world.tenants[&Name::tenant(PARIS)].clone();
    let mut policy: pimpernel::api::ImpersonationPolicy = serde_json::from_str("{}").unwrap();
    policy.approval = approval;
    paris.impersonation = Some(policy);
    paris
}

/// LSP Paris demands consent, and Marguerite has asked.
fn asked(spec: ImpersonationSpec) -> World {
    let mut world = league();
    let respond: Lines = &[("admin", "role-impersonation", &["Respond"])];
    world
        .role(PARIS, "gate", role("The Gate", LifecycleState::Active, respond))
        .employee(PARIS, "keeper", employee(WARDEN, EmployeeState::Active, "gate", &[]))
        .employee(PARIS, "second", employee(DEPUTY, EmployeeState::Active, "gate", &[]))
        .session(PARIS, CALL, spec, ASKED);
    let demanding = paris(&world, Approval::Required);
    world.tenant(PARIS, demanding);
    world
}

fn call() -> World {
    asked(session(Mode::Support, MARGUERITE))
}

fn says(decision: ConsentDecision, by: &str) -> ImpersonationConsentSpec {
    ImpersonationConsentSpec {
        impersonation: CALL.to_owned(),
        impersonation_uid: uid("session", &Name::new(PARIS, CALL)).to_string(),
        decision,
        by: by.to_owned(),
        message: None,
    }
}

trait Say {
    /// The tenant says something to a session, at `created`.
    fn say(&mut self, namespace: &str, name: &str, spec: &ImpersonationConsentSpec, created: &str) -> &mut Self;
}

impl Say for World {
    fn say(&mut self, namespace: &str, name: &str, spec: &ImpersonationConsentSpec, created: &str) -> &mut Self {
        let name = Name::new(namespace, name);
        let meta = Meta {
            uid: uid("consent", &name),
            generation: 1,
            created: at(created),
            deleting: false,
            ended: None,
            received: BTreeSet::new(),
        };
        let spec = consent::parse(spec);
        self.directory.fold(Change::Consent(name, Some(Entry { meta, spec })));
        self
    }
}

/// Somebody answers; that `by` is the writer is not judged here.
fn answer(world: &World, new: ImpersonationConsentSpec) -> Answer {
    answer_in(PARIS, world, new)
}

fn answer_in(namespace: &str, world: &World, new: ImpersonationConsentSpec) -> Answer {
    let user = new.by.clone();
    let (old, new) = (None, Some(new));
    let subject = admission::Subject::Consent(admission::Change { old, new });
    world.admit(namespace, "an-answer", subject, &user)
}

fn session_of(world: &World) -> Outcome {
    world.decide(Kind::Impersonation, PARIS, CALL)
}

fn consent_of(world: &World, name: &str) -> Outcome {
    world.decide(Kind::Consent, PARIS, name)
}

#[track_caller]
fn open_until(world: &World, end: &str) {
    let outcome = session_of(world);
    assert_eq!(ready(&outcome), ("ready", Reason::Open));
    assert_eq!(outcome.status["expirationTime"], end);
}

#[track_caller]
fn waits(world: &World) {
    let outcome = session_of(world);
    assert_eq!(
        (ready(&outcome), outcome.children),
        (("pending", Reason::AwaitingConsent), vec![])
    );
}

#[track_caller]
fn over(world: &World, reason: Reason, when: &str) {
    let outcome = session_of(world);
    assert_eq!((ready(&outcome), outcome.children), (("ready", reason), vec![]));
    assert_eq!(
        (&outcome.status["endTime"], &outcome.status["endReason"]),
        (&json!(when), &json!(reason.as_str()))
    );
}

#[test]
fn i11_a_granted_session_opens_and_its_time_counts_from_the_consent() {
    let mut world = call();
    let waiting = session_of(&world);
    assert_eq!(
        waiting.status.get("expirationTime"),
        None,
        "the time does not count yet"
    );
    admitted(&answer(&world, says(Granted, WARDEN)));
    world.say(PARIS, "yes", &says(Granted, WARDEN), SAID);
    open_until(&world, "2026-11-20T12:30:00Z");
    assert_eq!(session_of(&world).status["startTime"], SAID);
    assert_eq!(ready(&consent_of(&world, "yes")), ("ready", Reason::InEffect));
    world.open(PARIS, CALL).now = at("2026-11-20T12:30:00Z");
    over(&world, Reason::Expired, "2026-11-20T12:30:00Z");
}

#[test]
fn i11_an_absolute_end_stays_where_it_is() {
    let mut spec = session(Mode::Support, MARGUERITE);
    spec.not_after = Some(time("2026-11-20T13:00:00Z"));
    let mut world = asked(spec);
    assert_eq!(session_of(&world).status["expirationTime"], "2026-11-20T13:00:00Z");
    world.say(PARIS, "yes", &says(Granted, WARDEN), SAID);
    open_until(&world, "2026-11-20T13:00:00Z");
}

/// What no consent can give, each as a sentence: who grants, and to what.
fn forbidden() -> Vec<(&'static str, World, ImpersonationConsentSpec)> {
    let account = format!(
        "system:serviceaccount:green-room:impersonated-admin-{}",
        uid("session", &Name::new(PARIS, CALL))
    );
    let mut inactive = call();
    inactive.employee(PARIS, "keeper", employee(WARDEN, EmployeeState::Inactive, "gate", &[]));
    let mut over = call();
    let mut gone = employee(WARDEN, EmployeeState::Active, "gate", &[]);
    gone.valid_until = Some(time("2026-11-20T11:00:00Z"));
    over.employee(PARIS, "keeper", gone);
    let mut closed = call();
    closed.role(
        PARIS,
        "gate",
        role(
            "The Gate",
            LifecycleState::Draft,
            &[("admin", "role-impersonation", &["Respond"])],
        ),
    );
    let mut both = call();
    both.employee(
        PARIS,
        "traitor",
        employee(MARGUERITE, EmployeeState::Active, "gate", &[]),
    );
    vec![
        ("the impersonator", call(), says(Granted, MARGUERITE)),
        (
            "the impersonator in other letters",
            call(),
            says(Granted, "Marguerite@lsp.example"),
        ),
        (
            "the impersonator, whom the tenant employs",
            both,
            says(Granted, MARGUERITE),
        ),
        ("a session", call(), says(Granted, &account)),
        ("an employee of another tenant", call(), says(Granted, TONY)),
        ("an employee without the right", call(), says(Granted, CHAUVELIN)),
        (
            "a name in other letters",
            call(),
            says(Granted, "Warden@lsp-paris.example"),
        ),
        ("nobody", call(), says(Granted, "nobody@lsp-paris.example")),
        ("an Inactive employee", inactive, says(Granted, WARDEN)),
        ("an employee whose time is over", over, says(Granted, WARDEN)),
        ("an employee whose role is not Active", closed, says(Granted, WARDEN)),
    ]
}

#[test]
fn i11_only_an_active_employee_of_the_tenant_with_the_right_consents() {
    for (who, mut world, spec) in forbidden() {
        refused(
            &answer(&world, spec.clone()),
            Reason::NotAnApprover,
            "spec.by",
            &[&spec.by],
        );
        for no in [Rejected, Revoked] {
            let mut spec = spec.clone();
            spec.decision = no;
            refused(
                &answer(&world, spec.clone()),
                Reason::NotAnApprover,
                "spec.by",
                &[&spec.by],
            );
        }
        world.say(PARIS, "yes", &spec, SAID);
        assert_ne!(ready(&session_of(&world)).1, Reason::Open, "{who}");
        stalled(
            &consent_of(&world, "yes"),
            Reason::NotAnApprover,
            "spec.by",
            &[&spec.by],
        );
    }
}

#[test]
fn i11_a_consent_is_about_the_session_of_that_uid_in_its_own_namespace() {
    let mut world = call();
    let mut other = says(Granted, WARDEN);
    other.impersonation_uid = "another".to_owned();
    let mut named = says(Granted, WARDEN);
    named.impersonation = "call-1793".to_owned();
    for (number, spec) in [other, named].into_iter().enumerate() {
        refused(
            &answer(&world, spec.clone()),
            Reason::NothingToDecide,
            "spec.impersonationUID",
            &["there is no Impersonation"],
        );
        let name = format!("yes-{number}");
        world.say(PARIS, &name, &spec, SAID);
        assert_eq!(ready(&consent_of(&world, &name)), ("ready", Reason::SessionOver));
    }
    world.say("lsp-lyon", "yes", &says(Granted, WARDEN), SAID);
    assert_eq!(answer_in("lsp-lyon", &world, says(Granted, WARDEN)).violations.len(), 1);
    waits(&world);
}

#[test]
fn i11_a_rejected_request_is_over_for_good() {
    let mut world = call();
    admitted(&answer(&world, says(Rejected, WARDEN)));
    world.say(PARIS, "no", &says(Rejected, WARDEN), SAID);
    over(&world, Reason::Rejected, "2026-11-20T12:00:00Z");
    let [record] = session_of(&world).records.try_into().unwrap();
    assert!(
        record
            .spec
            .changes
            .iter()
            .any(|change| change.to.as_deref() == Some("Rejected"))
    );
    world.ended(PARIS, CALL, "2026-11-20T12:00:00Z", Reason::Rejected);
    assert_eq!(ready(&consent_of(&world, "no")), ("ready", Reason::SessionOver));
    world.now = at("2026-11-20T12:00:01Z");
    refused(
        &answer(&world, says(Granted, DEPUTY)),
        Reason::NothingToDecide,
        "spec.impersonation",
        &["is over"],
    );
    world.say(PARIS, "late", &says(Granted, DEPUTY), "2026-11-20T12:00:01Z");
    over(&world, Reason::Rejected, "2026-11-20T12:00:00Z");
    stalled(
        &consent_of(&world, "late"),
        Reason::NothingToDecide,
        "spec.impersonation",
        &["is over"],
    );
    warned(&answer(&world, says(Revoked, DEPUTY)), &["is over already"]);
}

#[test]
fn i11_a_running_session_is_revoked_at_once_and_a_request_as_well() {
    for opened in [true, false] {
        let mut world = call();
        world.say(PARIS, "yes", &says(Granted, WARDEN), SAID);
        if opened {
            world.open(PARIS, CALL);
        }
        admitted(&answer(&world, says(Revoked, DEPUTY)));
        world.say(PARIS, "stop", &says(Revoked, DEPUTY), "2026-11-20T12:00:00Z");
        over(&world, Reason::Revoked, "2026-11-20T12:00:00Z");
        assert_eq!(session_of(&world).records.len(), 1);
    }
}

#[test]
fn i11_a_session_that_needed_no_consent_is_revoked_all_the_same() {
    let mut world = call();
    let free = paris(&world, Approval::NotRequired);
    world.tenant(PARIS, free).open(PARIS, CALL).now = at("2026-11-20T10:30:00Z");
    open_until(&world, "2026-11-20T11:00:00Z");
    world.say(PARIS, "stop", &says(Revoked, WARDEN), "2026-11-20T10:30:00Z");
    over(&world, Reason::Revoked, "2026-11-20T10:30:00Z");
}

#[test]
fn i11_the_first_decision_stands_whatever_is_said_later() {
    for (first, second) in [(Granted, Rejected), (Rejected, Granted), (Granted, Granted)] {
        let mut world = call();
        world.say(PARIS, "first", &says(first, WARDEN), SAID);
        let alone = ready(&session_of(&world));
        refused(
            &answer(&world, says(second, DEPUTY)),
            Reason::NothingToDecide,
            "spec.decision",
            &["consent `first`"],
        );
        world.say(PARIS, "second", &says(second, DEPUTY), "2026-11-20T11:45:00Z");
        assert_eq!(ready(&session_of(&world)), alone);
        stalled(
            &consent_of(&world, "second"),
            Reason::NothingToDecide,
            "spec.decision",
            &["consent `first`"],
        );
    }
    let mut world = call();
    world
        .say(PARIS, "b", &says(Granted, WARDEN), SAID)
        .say(PARIS, "a", &says(Rejected, DEPUTY), SAID);
    over(&world, Reason::Rejected, "2026-11-20T12:00:00Z");
}
