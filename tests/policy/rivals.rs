//! I3: one open session a person.

use super::saying::{admitted, ready, refused, stalled};
use super::specs::*;
use super::world::{NOW, at};
use pimpernel::api::Mode;
use pimpernel::policy::{Kind, Name, Reason};

const WHO: &str = "spec.impersonator";

#[test]
fn i3_a_second_session_of_the_same_person_is_refused_in_any_tenant() {
    let mut world = league();
    world
        .session("lsp-paris", "call-1792", session(Mode::Support, MARGUERITE), NOW)
        .open("lsp-paris", "call-1792");
    for namespace in ["lsp-paris", "lsp-lyon"] {
        let answer = world.request(namespace, session(Mode::Support, MARGUERITE));
        refused(
            &answer,
            Reason::SessionAlreadyOpen,
            WHO,
            &["`lsp-paris/call-1792`", "stop that one first"],
        );
    }
    admitted(&world.request("lsp-paris", session(Mode::Support, PERCY)));
}

#[test]
fn i3_of_two_that_got_in_the_older_one_is_opened() {
    let mut world = league();
    world
        .session(
            "lsp-lyon",
            "z-older",
            session(Mode::Support, MARGUERITE),
            "2026-11-20T11:59:58Z",
        )
        .session(
            "lsp-paris",
            "a-younger",
            session(Mode::Support, MARGUERITE),
            "2026-11-20T11:59:59Z",
        );
    assert_eq!(
        ready(&world.decide(Kind::Impersonation, "lsp-lyon", "z-older")),
        ("ready", Reason::Open)
    );
    let younger = world.decide(Kind::Impersonation, "lsp-paris", "a-younger");
    stalled(&younger, Reason::SessionAlreadyOpen, WHO, &["`lsp-lyon/z-older`"]);
    assert_eq!(younger.children, vec![]);
}

#[test]
fn i3_one_that_is_open_already_beats_an_older_one_that_is_not() {
    let mut world = league();
    world
        .session(
            "lsp-lyon",
            "z-older",
            session(Mode::Support, MARGUERITE),
            "2026-11-20T11:59:58Z",
        )
        .session(
            "lsp-paris",
            "a-younger",
            session(Mode::Support, MARGUERITE),
            "2026-11-20T11:59:59Z",
        )
        .open("lsp-paris", "a-younger");
    assert_eq!(
        ready(&world.decide(Kind::Impersonation, "lsp-paris", "a-younger")),
        ("ready", Reason::Open)
    );
    stalled(
        &world.decide(Kind::Impersonation, "lsp-lyon", "z-older"),
        Reason::SessionAlreadyOpen,
        WHO,
        &["`lsp-paris/a-younger`"],
    );
    world.open("lsp-lyon", "z-older");
    let younger = world.decide(Kind::Impersonation, "lsp-paris", "a-younger");
    assert_eq!(
        ready(&younger),
        ("ready", Reason::Withdrawn),
        "of two that are open the younger goes"
    );
    assert_eq!(
        ready(&world.decide(Kind::Impersonation, "lsp-lyon", "z-older")),
        ("ready", Reason::Open)
    );
}

#[test]
fn i3_a_session_that_is_over_or_was_never_opened_is_no_hindrance() {
    let mut stopped = session(Mode::Support, MARGUERITE);
    stopped.stop = true;
    let mut world = league();
    world
        .session("lsp-paris", "stopped", stopped, NOW)
        .session(
            "lsp-paris",
            "expired",
            session(Mode::Support, MARGUERITE),
            "2026-11-20T11:00:00Z",
        )
        .session("lsp-paris", "withdrawn", session(Mode::Support, MARGUERITE), NOW)
        .ended("lsp-paris", "withdrawn", NOW, Reason::Withdrawn)
        .session("lsp-paris", "wrong-mode", session(Mode::Configure, MARGUERITE), NOW)
        .session(
            "lsp-paris",
            "too-long",
            lasting(session(Mode::Support, MARGUERITE), "9h"),
            NOW,
        )
        .session("nowhere", "no-tenant", session(Mode::Support, MARGUERITE), NOW)
        .session("lsp-lyon", "deleted", session(Mode::Support, MARGUERITE), NOW)
        .deleting(Kind::Impersonation, &Name::new("lsp-lyon", "deleted"));
    admitted(&world.request("lsp-paris", session(Mode::Support, MARGUERITE)));
}

#[test]
fn i3_one_that_waits_for_its_turn_looks_again_when_the_other_ends() {
    let mut world = league();
    world
        .session(
            "lsp-lyon",
            "first",
            lasting(session(Mode::Support, MARGUERITE), "15m"),
            NOW,
        )
        .open("lsp-lyon", "first")
        .session(
            "lsp-paris",
            "second",
            session(Mode::Support, MARGUERITE),
            "2026-11-20T12:00:01Z",
        );
    world.now = at("2026-11-20T12:00:02Z");
    let outcome = world.decide(Kind::Impersonation, "lsp-paris", "second");
    stalled(&outcome, Reason::SessionAlreadyOpen, WHO, &[]);
    assert_eq!(outcome.wake_at, Some(at("2026-11-20T12:15:00Z")));
}
