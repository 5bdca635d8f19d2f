//! R4: what is said of a burnt name, and the role that takes over the names of one that is gone.

use super::saying::{admitted, ready, reasons, refused, stalled, warned};
use super::specs::*;
use super::world::{NOW, World, at};
use pimpernel::api::{ChangeRecordSpec, LifecycleState, RoleSpec};
use pimpernel::policy::admission::{Answer, Change, Request, Subject, admit};
use pimpernel::policy::history::outbox::{self, Side, Write, carried};
use pimpernel::policy::history::{Employees, Held, Keys, Known, due};
use pimpernel::policy::ledger::{Naming, Noted};
use pimpernel::policy::name::Folded;
use pimpernel::policy::{Key, Kind, Name, Reason};
use serde_json::{Value, json};
use std::sync::Arc;

const PARIS: &str = "lsp-paris";
const FIELD: &str = "metadata.annotations[pimpernel.dev/renamed-from]";

fn watch(name: &str) -> RoleSpec {
    role(name, LifecycleState::Active, &[])
}

/// It is on record that the role was created under that name, by `actor`, and, unless empty, whose names it took over.
fn record(world: &mut World, (role, named): (&str, &str), (at, actor): (&str, &Value), from: &str) {
    let mut changes = vec![json!({"path": "spec.displayName", "to": named})];
    if !from.is_empty() {
        changes.push(json!({"path": FIELD, "to": from}));
    }
    let spec: ChangeRecordSpec = serde_json::from_value(json!({
        "subject": {"kind": "Role", "name": role, "uid": format!("uid-{role}-{at}")},
        "operation": "Create", "generation": 1, "actor": actor, "time": at, "changes": changes,
    }))
    .unwrap();
    let name = Name::new(PARIS, format!("change-{role}-{}", at.replace(':', "-")));
    let noted = Noted::read(PARIS, &spec);
    world.directory.fold(pimpernel::policy::Change::Record(name, noted));
}

fn by(user: &str) -> Value {
    json!({"username": user, "verified": true})
}

/// `night` was called Night Watch, and is gone.
fn gone() -> World {
    let mut world = league();
    record(
        &mut world,
        ("night", "Night Watch"),
        ("2026-03-01T08:00:00Z", &by(TONY)),
        "",
    );
    world
}

/// Somebody writes a role with the annotation that it takes over the names of `from`, which was not there before; with
/// `bounded` without verb `escalate`.
fn heir(world: &World, (role, named): (&str, &str), from: &str, bounded: bool) -> Answer {
    let old = world.roles.get(&Name::new(PARIS, role)).cloned();
    let request = Request {
        name: Name::new(PARIS, role),
        subject: Subject::Role(Change {
            old,
            new: Some(watch(named)),
        }),
        user: "somebody".into(),
        bounded,
        ordering: None,
        renamed_from: Some(from.into()),
    };
    admit(&request, &world.directory, at(NOW))
}

#[test]
fn r4_the_refusal_of_a_burnt_name_says_which_role_burnt_it_when_and_by_whom_as_far_as_that_is_known() {
    let session = json!({"username": "system:serviceaccount:x", "onBehalfOf": PERCY, "verified": true});
    let claimed = json!({"username": TONY, "verified": false});
    for (actor, words) in [
        (by(TONY), "(`tony@lsp.example` gave it on 2026-03-01T08:00:00Z)"),
        (
            session,
            "(`Impersonated Admin` on behalf of `percy@classics.example` gave it on 2026-03-01T08:00:00Z)",
        ),
        (
            claimed,
            "(on record since 2026-03-01T08:00:00Z; who gave it is not known)",
        ),
    ] {
        let mut world = league();
        record(
            &mut world,
            ("night", "Night Watch"),
            ("2026-03-01T08:00:00Z", &actor),
            "",
        );
        record(
            &mut world,
            ("night", "Night Watch"),
            ("2026-04-01T08:00:00Z", &by("later")),
            "",
        );
        let answer = world.write_role(PARIS, "late", watch("night watch"));
        let says = ["role `night`", "for ever", words];
        refused(&answer, Reason::NameBurnt, "spec.displayName", &says);
    }
}

#[test]
fn r4_a_new_role_takes_over_the_names_of_one_that_is_gone() {
    let mut world = gone();
    refused(
        &world.write_role(PARIS, "late", watch("Night Watch")),
        Reason::NameBurnt,
        "spec.displayName",
        &[],
    );
    admitted(&heir(&world, ("late", "Night Watch"), "night", false));
    admitted(&heir(&world, ("late", "Late Watch"), "night", false));
    world.role(PARIS, "late", watch("Night Watch"));
    stalled(
        &world.decide(Kind::Role, PARIS, "late"),
        Reason::NameBurnt,
        "spec.displayName",
        &["role `night`"],
    );
    record(
        &mut world,
        ("late", "Night Watch"),
        ("2026-05-01T08:00:00Z", &by(PERCY)),
        "night",
    );
    assert_eq!(ready(&world.decide(Kind::Role, PARIS, "late")).1, Reason::InEffect);
    let answer = world.write_role(PARIS, "night", watch("Night Watch"));
    refused(&answer, Reason::NameTaken, "spec.displayName", &["role `late`"]);
    world.remove(Kind::Role, &Name::new(PARIS, "late"));
    let answer = world.write_role(PARIS, "night", watch("Night Watch"));
    let says = [
        "role `night`, whose names role `late` has taken over",
        "`tony@lsp.example`",
    ];
    refused(&answer, Reason::NameBurnt, "spec.displayName", &says);
    admitted(&world.write_role(PARIS, "late", watch("night WATCH")));
}

#[test]
fn r4_names_go_from_heir_to_heir_and_back() {
    let mut world = gone();
    record(
        &mut world,
        ("late", "Late Watch"),
        ("2026-05-01T08:00:00Z", &by(PERCY)),
        "night",
    );
    let says = ["names of role `night` are those of role `late` now"];
    refused(
        &heir(&world, ("dawn", "Dawn Watch"), "night", false),
        Reason::NotTheHeir,
        FIELD,
        &says,
    );
    admitted(&heir(&world, ("dawn", "Night Watch"), "late", false));
    record(
        &mut world,
        ("dawn", "Dawn Watch"),
        ("2026-06-01T08:00:00Z", &by(PERCY)),
        "late",
    );
    for name in ["Night Watch", "Late Watch"] {
        admitted(&world.write_role(PARIS, "dawn", watch(name)));
        let answer = world.write_role(PARIS, "late", watch(name));
        refused(&answer, Reason::NameBurnt, "spec.displayName", &["role `dawn`"]);
    }
    admitted(&heir(&world, ("night", "Night Watch"), "dawn", false));
    record(
        &mut world,
        ("night", "Dawn Watch"),
        ("2026-07-01T08:00:00Z", &by(PERCY)),
        "dawn",
    );
    for name in ["Night Watch", "Late Watch", "Dawn Watch"] {
        admitted(&world.write_role(PARIS, "night", watch(name)));
    }
}

#[test]
fn r4_who_may_not_or_too_late_or_of_what_is_not_gone_takes_over_no_names() {
    let mut world = gone();
    let wrong = |answer: &Answer, words: &[&str]| refused(answer, Reason::NotTheHeir, FIELD, words);
    let bounded = heir(&world, ("late", "Night Watch"), "night", true);
    let (reason, words) = (Reason::MayNotInherit, ["role `night`", "verb `escalate`", "`somebody`"]);
    assert_eq!(reasons(&bounded), [Reason::NameBurnt, reason]);
    refused(
        &heir(&world, ("late", "Late Watch"), "night", true),
        reason,
        FIELD,
        &words,
    );
    world.role(PARIS, "late", watch("Late Watch"));
    let later = heir(&world, ("late", "Late Watch"), "night", false);
    wrong(&later, &["there already", "take the annotation off"]);
    world.role(PARIS, "night", watch("Night Watch"));
    let living = heir(&world, ("dawn", "Dawn Watch"), "night", false);
    wrong(&living, &["role `night` is there", "delete it first"]);
    // Who is told how to get a name is not told to choose another.
    let living = heir(&world, ("dawn", "Night Watch"), "night", false);
    wrong(&living, &["role `night` is there", "delete it first"]);
    let bounded = heir(&world, ("dawn", "Dawn Watch"), "night", true);
    refused(&bounded, reason, FIELD, &words);
    world.deleting(Kind::Role, &Name::new(PARIS, "night"));
    let going = heir(&world, ("dawn", "Dawn Watch"), "night", false);
    wrong(&going, &["role `night` is there"]);
}

/// In a new tenant the manifests of an old one are what they were.
#[test]
fn r4_who_takes_over_from_a_role_that_never_was_gets_a_warning_and_nothing_else() {
    let mut world = gone();
    for bounded in [false, true] {
        let never = heir(&world, ("late", "Late Watch"), "nigth", bounded);
        warned(&never, &["never a role `nigth`", "no names are taken over"]);
        let burnt = heir(&world, ("late", "Night Watch"), "nigth", bounded);
        refused(&burnt, Reason::NameBurnt, "spec.displayName", &["role `night`"]);
    }
    assert_eq!(noted(&mut world, ("late", "Late Watch"), Some("nigth")).from, None);
    world.role(PARIS, "late", watch("Late Watch"));
    warned(&heir(&world, ("late", "Late Watch"), "nigth", true), &["never a role"]);
    // Nor does it get what such a role comes to later.
    assert_eq!(noted(&mut world, ("nigth", "Dawn Watch"), None).from, None);
    assert_eq!(owner(&world, "Dawn Watch").as_deref(), Some("nigth"));
}

/// Git goes on to say whose names a role took over: when it is made again, and when somebody took that off.
#[test]
fn r4_what_is_on_record_is_no_new_take_over_whoever_says_it() {
    let mut world = gone();
    noted(&mut world, ("late", "Night Watch"), Some("night"));
    // Somebody uses the old object's name for something else meanwhile.
    noted(&mut world, ("night", "Evening"), None);
    for there in [false, true] {
        if there {
            world.role(PARIS, "late", watch("Night Watch"));
        }
        for (named, bounded) in [("Night Watch", true), ("Late Watch", true), ("Night Watch", false)] {
            admitted(&heir(&world, ("late", named), "night", bounded));
        }
        world.role(PARIS, "night", watch("Evening"));
    }
    world.remove(Kind::Role, &Name::new(PARIS, "late"));
    assert_eq!(noted(&mut world, ("late", "Late Watch"), Some("night")).from, None);
    assert_eq!(owner(&world, "Evening").as_deref(), Some("night"));
    // The name that `night` has now is not on record as taken over.
    world.remove(Kind::Role, &Name::new(PARIS, "night"));
    let bounded = heir(&world, ("late", "Evening"), "night", true);
    assert_eq!(reasons(&bounded), [Reason::NameBurnt, Reason::MayNotInherit]);
    admitted(&heir(&world, ("late", "Evening"), "night", false));
    // A third one has nothing on record.
    let third = heir(&world, ("dawn", "Dawn Watch"), "night", true);
    refused(&third, Reason::MayNotInherit, FIELD, &[]);
}

/// What the webhook notes of a role that is created now, known at once.
fn noted(world: &mut World, (role, named): (&str, &str), from: Option<&str>) -> Naming {
    let (keys, key) = (Keys::new(&[7; 32], []), Key::new(Kind::Role, Name::new(PARIS, role)));
    let spec = json!({"displayName": named});
    let id = format!("{role}-{}", world.directory.ledger().names_of(&key.name).count());
    let write = Write {
        id: &id,
        user: PERCY,
        key: key.clone(),
        old: None,
        new: Side {
            spec: Some(&spec),
            ..Side::default()
        },
        renamed_from: from,
        dry_run: false,
    };
    let pending = carried(&write, Employees::Sessions, (&world.directory, at(NOW)), &keys);
    let pending = pending.unwrap().pending.unwrap();
    assert_eq!(outbox::takes_over(&pending), pending.contains("renamed-from"));
    let (id, noted) = outbox::names(&pending, (&key, "a-uid"), &keys).remove(0);
    let place = outbox::place(&key.name, &id);
    let change = pimpernel::policy::Change::Record(place, Some(noted.clone()));
    world.directory.fold(change);
    let Noted::Named { naming, .. } = noted else {
        panic!("{noted:?}");
    };
    naming
}

fn owner(world: &World, named: &str) -> Option<Arc<str>> {
    world
        .directory
        .ledger()
        .owner(&PARIS.into(), &Folded::new(named))
        .cloned()
}

/// Records count in seconds, and all of this happens in one.
#[test]
fn r4_names_that_change_hands_in_the_same_second_have_the_owner_that_admission_gave_them() {
    let mut world = league();
    let owners = |world: &World, all: &[(&str, &str)]| {
        for (named, role) in all {
            assert_eq!(owner(world, named).as_deref(), Some(*role), "{named}");
        }
    };
    noted(&mut world, ("night", "Night Watch"), None);
    noted(&mut world, ("late", "Late Watch"), Some("night"));
    // The old object's name is used anew, for another name.
    noted(&mut world, ("night", "Evening"), None);
    owners(
        &world,
        &[("Night Watch", "late"), ("Late Watch", "late"), ("Evening", "night")],
    );
    // A third one takes over the heir's, and the heir, made anew, those that came later.
    noted(&mut world, ("dawn", "Dawn Watch"), Some("late"));
    owners(
        &world,
        &[("Night Watch", "dawn"), ("Late Watch", "dawn"), ("Evening", "night")],
    );
    noted(&mut world, ("late", "Evening"), Some("night"));
    owners(
        &world,
        &[("Night Watch", "dawn"), ("Late Watch", "dawn"), ("Evening", "late")],
    );
    // And back to where all began.
    noted(&mut world, ("night", "Dusk Watch"), Some("dawn"));
    let back = [
        ("Night Watch", "night"),
        ("Late Watch", "night"),
        ("Dawn Watch", "night"),
    ];
    owners(&world, &back);
    owners(&world, &[("Evening", "late"), ("Dusk Watch", "night")]);
}

#[test]
fn r4_that_names_were_taken_over_is_noted_sealed_and_on_record() {
    let (keys, key) = (Keys::new(&[7; 32], []), Key::new(Kind::Role, Name::new(PARIS, "late")));
    let spec = json!({"displayName": "Late Watch"});
    let write = Write {
        id: "a-request",
        user: PERCY,
        key: key.clone(),
        old: None,
        new: Side {
            spec: Some(&spec),
            ..Side::default()
        },
        renamed_from: Some("night"),
        dry_run: false,
    };
    let known = (&gone().directory, at(NOW));
    let pending = carried(&write, Employees::Sessions, known, &keys)
        .unwrap()
        .pending
        .unwrap();
    let names = outbox::names(&pending, (&key, "a-uid"), &keys);
    let [(_, Noted::Named { naming, .. })] = names.as_slice() else {
        panic!("{names:?}");
    };
    assert_eq!(naming.from.as_deref(), Some("night"));
    assert_eq!(naming.by.as_deref(), Some("`percy@classics.example`"));
    let held = Held {
        uid: "a-uid".into(),
        generation: 1,
        pending: Some(pending.as_str().into()),
        ..Held::default()
    };
    let known = Known {
        recorded: None,
        deletions: &[],
        employees: Employees::Sessions,
    };
    let record = due(&key, &held, known, &keys, at(NOW)).records.remove(0);
    let Some(Noted::Named { naming: read, .. }) = Noted::read(PARIS, &record.spec) else {
        panic!("{record:?}");
    };
    assert_eq!(read, *naming);
    // What nobody vouches for takes over nothing.
    let mut claimed = record.spec.clone();
    claimed.actor.verified = false;
    let Some(Noted::Named { naming, .. }) = Noted::read(PARIS, &claimed) else {
        panic!("{claimed:?}");
    };
    assert_eq!(naming.from, None);
}
