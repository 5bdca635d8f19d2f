//! I8, I11: how long a request waits, how long a session lasts that was consented to, and who is looked at again.

use super::*;
use pimpernel::policy::children::{ChildKind, Observations};
use pimpernel::policy::impersonation;

#[test]
fn i11_a_request_that_nobody_answers_lapses_after_a_day_to_the_second() {
    let mut world = call();
    waits(&world);
    world.now = at("2026-11-21T09:59:59Z");
    waits(&world);
    assert_eq!(session_of(&world).wake_at, Some(at("2026-11-21T10:00:00Z")));
    admitted(&answer(&world, says(Granted, WARDEN)));
    world.now = at("2026-11-21T10:00:00Z");
    refused(
        &answer(&world, says(Granted, WARDEN)),
        Reason::NothingToDecide,
        "spec.impersonation",
        &["24 hours"],
    );
    over(&world, Reason::Lapsed, "2026-11-21T10:00:00Z");
    world.now = at("2026-11-21T15:00:00Z");
    world.say(PARIS, "late", &says(Granted, WARDEN), "2026-11-21T10:00:00Z");
    over(&world, Reason::Lapsed, "2026-11-21T10:00:00Z");
    stalled(
        &consent_of(&world, "late"),
        Reason::NothingToDecide,
        "spec.impersonation",
        &["24 hours"],
    );
    world.say(PARIS, "in-time", &says(Granted, WARDEN), "2026-11-21T09:59:59Z");
    over(&world, Reason::Expired, "2026-11-21T10:59:59Z");
}

/// What happens to an open session.
type Move = fn(&mut World);

/// What could move the end of an open session, and does not.
#[test]
fn i8_i11_nothing_moves_the_end_of_an_open_session() {
    let moves: [(&str, Move); 5] = [
        ("nothing", |_| {}),
        ("consent is demanded no more", |world| {
            let free = paris(world, Approval::NotRequired);
            world.tenant(PARIS, free);
        }),
        ("whoever consented is Inactive", |world| {
            world.employee(PARIS, "keeper", employee(WARDEN, EmployeeState::Inactive, "gate", &[]));
        }),
        ("whoever consented is gone", |world| {
            world.remove(Kind::Employee, &Name::new(PARIS, "keeper"));
        }),
        ("another consent, later", |world| {
            world.say(PARIS, "more", &says(Granted, DEPUTY), "2026-11-20T11:59:00Z");
        }),
    ];
    for (what, happens) in moves {
        let mut world = call();
        world.say(PARIS, "yes", &says(Granted, WARDEN), SAID).open(PARIS, CALL);
        happens(&mut world);
        open_until(&world, "2026-11-20T12:30:00Z");
        assert_eq!(ready(&consent_of(&world, "yes")), ("ready", Reason::InEffect), "{what}");
        world.now = at("2026-11-20T12:30:00Z");
        over(&world, Reason::Expired, "2026-11-20T12:30:00Z");
    }
}

#[test]
fn i8_i11_a_session_that_was_opened_without_consent_does_not_last_longer_by_one() {
    let mut world = asked(lasting(session(Mode::Support, MARGUERITE), "3h"));
    let free = paris(&world, Approval::NotRequired);
    world.tenant(PARIS, free).open(PARIS, CALL);
    warned(&answer(&world, says(Granted, WARDEN)), &["demands no consent"]);
    let demanding = paris(&world, Approval::Required);
    world.say(PARIS, "yes", &says(Granted, WARDEN), SAID);
    open_until(&world, "2026-11-20T13:00:00Z");
    world.tenant(PARIS, demanding);
    open_until(&world, "2026-11-20T13:00:00Z");
}

#[test]
fn i8_i11_what_is_written_on_an_account_does_not_move_the_end_beyond_the_consent() {
    let mut world = call();
    world.say(PARIS, "yes", &says(Granted, WARDEN), SAID);
    let account = Account {
        session: Name::new(PARIS, CALL),
        end: at("2036-01-01T00:00:00Z"),
    };
    let uid = uid("session", &Name::new(PARIS, CALL));
    world.directory.fold(Change::Account(uid, Some(account)));
    open_until(&world, "2026-11-20T12:30:00Z");
}

#[test]
fn i11_a_yes_whose_author_loses_the_right_before_it_opens_the_session_does_not_count() {
    let mut world = call();
    let mut leaving = employee(WARDEN, EmployeeState::Active, "gate", &[]);
    leaving.valid_until = Some(time("2026-11-20T12:10:00Z"));
    world
        .employee(PARIS, "keeper", leaving)
        .say(PARIS, "yes", &says(Granted, WARDEN), SAID);
    open_until(&world, "2026-11-20T12:30:00Z");
    assert_eq!(session_of(&world).wake_at, Some(at("2026-11-20T12:10:00Z")));
    assert_eq!(consent_of(&world, "yes").wake_at, Some(at("2026-11-20T12:10:00Z")));
    world.now = at("2026-11-20T12:10:00Z");
    waits(&world);
    stalled(&consent_of(&world, "yes"), Reason::NotAnApprover, "spec.by", &[WARDEN]);
    admitted(&answer(&world, says(Granted, DEPUTY)));
    world.say(PARIS, "again", &says(Granted, DEPUTY), "2026-11-20T12:10:00Z");
    open_until(&world, "2026-11-20T13:10:00Z");
}

#[test]
fn i11_a_no_counts_though_its_author_has_lost_the_right() {
    for (no, reason) in [(Rejected, Reason::Rejected), (Revoked, Reason::Revoked)] {
        let mut world = call();
        world.say(PARIS, "no", &says(no, WARDEN), SAID);
        world.remove(Kind::Employee, &Name::new(PARIS, "keeper"));
        over(&world, reason, "2026-11-20T12:00:00Z");
    }
}

/// Of many sessions one may have to wait when it has lost its first binding, and the operator may die then.
#[test]
fn i11_a_session_that_is_revoked_stays_so_when_its_rights_are_gone_and_the_rest_is_not() {
    let mut world = call();
    world.say(PARIS, "yes", &says(Granted, WARDEN), SAID).open(PARIS, CALL);
    let left = session_of(&world).children.into_iter().filter(|child| {
        let binding = child.id.kind == ChildKind::RoleBinding && &*child.id.name.namespace == PARIS;
        !binding || child.id.name.name.ends_with(":self")
    });
    let left: Observations = left.map(|child| (child.id.clone(), child)).collect();
    world.say(PARIS, "stop", &says(Revoked, DEPUTY), "2026-11-20T12:00:00Z");
    let name = Name::new(PARIS, CALL);
    let entry = world.directory.session(&name).unwrap();
    let decision = impersonation::decide(&name, entry, &left, &world.directory, world.now);
    assert_eq!(decision.status.end_reason.as_deref(), Some("Revoked"));
}

#[test]
fn i3_i11_a_session_that_waits_for_consent_keeps_no_other_from_opening() {
    let mut world = call();
    admitted(&world.request("lsp-lyon", session(Mode::Support, MARGUERITE)));
    world
        .session("lsp-lyon", "next", session(Mode::Support, MARGUERITE), SAID)
        .open("lsp-lyon", "next");
    world.say(PARIS, "yes", &says(Granted, WARDEN), SAID);
    assert_eq!(ready(&session_of(&world)), ("refused", Reason::SessionAlreadyOpen));
    world.remove(Kind::Impersonation, &Name::new("lsp-lyon", "next"));
    let uid = uid("session", &Name::new("lsp-lyon", "next"));
    world.directory.fold(Change::Account(uid, None));
    open_until(&world, "2026-11-20T12:30:00Z");
    assert_eq!(
        world
            .request("lsp-lyon", session(Mode::Support, MARGUERITE))
            .violations
            .len(),
        1,
        "it is open now"
    );
}

#[test]
fn v8_i11_whatever_decides_about_a_consent_wakes_it_and_its_session() {
    let mut world = call();
    world
        .say(PARIS, "yes", &says(Granted, WARDEN), SAID)
        .say(PARIS, "more", &says(Granted, DEPUTY), SAID);
    for (kind, name) in [
        (Kind::Consent, "more"),
        (Kind::Employee, "keeper"),
        (Kind::Role, "gate"),
        (Kind::Tenant, PARIS),
        (Kind::Impersonation, CALL),
    ] {
        let woken = affected::by(&Key::new(kind, Name::new(PARIS, name)), &world.directory);
        for (kind, other) in [(Kind::Impersonation, CALL), (Kind::Consent, "yes")] {
            assert!(
                woken.contains(&Key::new(kind, Name::new(PARIS, other))),
                "{name} wakes {other}"
            );
        }
    }
}

#[test]
fn i11_a_consent_that_says_to_whom_by_whom_or_of_which_session_it_is_not_stands_refused() {
    let mut world = call();
    let whole = serde_json::to_value(says(Granted, WARDEN)).unwrap();
    for field in ["impersonation", "impersonationUID", "by"] {
        let mut spec = whole.clone();
        spec[field] = Value::String(String::new());
        let spec: ImpersonationConsentSpec = serde_json::from_value(spec).unwrap();
        refused(
            &answer(&world, spec.clone()),
            Reason::InvalidSpec,
            &format!("spec.{field}"),
            &["is empty"],
        );
        world.say(PARIS, "empty", &spec, SAID);
        stalled(
            &consent_of(&world, "empty"),
            Reason::InvalidSpec,
            &format!("spec.{field}"),
            &["is empty"],
        );
    }
    waits(&world);
}
