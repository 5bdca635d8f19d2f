//! What a write carries so that no change is lost, and what goes on record from there (R13, I13).

use super::specs::*;
use super::world::{NOW, SESSIONS, World, at};
use pimpernel::api::{FieldChange, Operation};
use pimpernel::policy::history::changes::changes;
use pimpernel::policy::history::outbox::{self, Carried, MAX_NOTES, Side, Write, carried};
use pimpernel::policy::history::{Author, Deletion, Due, Employees, Held, Keys, Known, due};
use pimpernel::policy::ledger::{Noted, Record};
use pimpernel::policy::{Change, Key, Kind, Name, Reason};
use serde_json::{Value, json};

#[path = "history/doubts.rs"]
mod doubts;

const PARIS: &str = "lsp-paris";

fn keys() -> Keys {
    Keys::new(&[7; 32], [])
}

fn role_key() -> Key {
    Key::new(Kind::Role, Name::new(PARIS, "team-lead"))
}

fn told(changes: &[FieldChange]) -> Vec<String> {
    let none = || "nothing".to_owned();
    changes
        .iter()
        .map(|change| {
            let (from, to) = (change.from.clone(), change.to.clone());
            format!(
                "{}: {} → {}",
                change.path,
                from.unwrap_or_else(none),
                to.unwrap_or_else(none)
            )
        })
        .collect()
}

/// A write of a role, by which its spec goes from `old` to `new`.
fn write<'a>(old: Option<&'a Value>, new: &'a Value, pending: Option<&'a str>) -> Write<'a> {
    Write {
        id: "a-request",
        user: CHAUVELIN,
        key: role_key(),
        old: old.map(|spec| Side {
            uid: "a-role",
            generation: 3,
            spec: Some(spec),
            pending,
            finalizer: true,
            deleting: false,
        }),
        new: Side {
            spec: Some(new),
            ..Side::default()
        },
        renamed_from: None,
        dry_run: false,
    }
}

fn carries(write: &Write) -> Carried {
    carried(write, Employees::Sessions, (&league().directory, at(NOW)), &keys()).unwrap()
}

fn held(pending: Option<&str>) -> Held {
    Held {
        uid: "a-role".into(),
        generation: 4,
        display_name: Some("Team Lead".into()),
        pending: pending.map(Into::into),
        finalizer: true,
        deleted: None,
        last: [].into(),
        gone: false,
    }
}

fn follows(held: &Held, recorded: Option<i64>, deletions: &[Deletion]) -> Due {
    let known = Known {
        recorded,
        deletions,
        employees: Employees::Sessions,
    };
    due(&role_key(), held, known, &keys(), at(NOW))
}

fn actor(record: &Record) -> (&str, bool) {
    (&record.spec.actor.username, record.spec.actor.verified)
}

#[test]
fn r13_changes_are_told_field_by_field_and_permissions_action_by_action() {
    let lead = |permissions: Value| json!({"displayName": "Team Lead", "state": "Active", "permissions": permissions});
    let view = json!([{"application": "admin", "permission": "employees", "actions": ["View"]}]);
    let edit = json!([{"application": "admin", "permission": "employees", "actions": ["View", "Edit"]}]);
    let counter = json!([{"application": "acd", "permission": "counter"}, {"application": "admin", "permission": "employees", "actions": ["View"]}]);
    for (old, new, wanted) in [
        (
            lead(view.clone()),
            lead(edit.clone()),
            vec!["spec.permissions[admin/employees].actions: View → View, Edit"],
        ),
        (
            lead(view.clone()),
            lead(counter),
            vec!["spec.permissions[acd/counter].actions: nothing → use"],
        ),
        (
            lead(view.clone()),
            json!({"displayName": "Lead", "state": "Inactive"}),
            vec![
                "spec.displayName: Team Lead → Lead",
                "spec.permissions[admin/employees].actions: View → nothing",
                "spec.state: Active → Inactive",
            ],
        ),
        (
            json!({"secondaryRoles": [{"name": "evaluator"}]}),
            json!({"secondaryRoles": [{"name": "evaluator", "until": "2026-12-31T18:00:00Z"}]}),
            vec!["spec.secondaryRoles[evaluator].until: nothing → 2026-12-31T18:00:00Z"],
        ),
        (
            json!({"applications": ["acd"], "support": {"tier": "Gold"}}),
            json!({"applications": ["acd", "qm"], "userCap": 5}),
            vec![
                "spec.applications: acd → acd, qm",
                "spec.support.tier: Gold → nothing",
                "spec.userCap: nothing → 5",
            ],
        ),
    ] {
        assert_eq!(told(&changes(Some(&old), Some(&new))), wanted);
        assert_eq!(changes(Some(&new), Some(&new)), vec![]);
    }
    let turned: Vec<Value> = [&edit, &view].iter().map(|list| list[0].clone()).collect();
    let other: Vec<Value> = turned.iter().rev().cloned().collect();
    let order = changes(Some(&lead(json!(turned))), Some(&lead(json!(other))));
    assert!(!order.is_empty(), "that the order of a list changed is told too");
}

#[test]
fn r13_a_change_is_noted_in_the_write_that_makes_it_and_goes_on_record_from_there() {
    let (old, new) = (
        json!({"displayName": "Team Lead"}),
        json!({"displayName": "Shift Lead"}),
    );
    let carried = carries(&write(Some(&old), &new, None));
    assert!(carried.finalizer);
    let due = follows(&held(carried.pending.as_deref()), Some(3), &[]);
    let [record] = due.records.as_slice() else {
        panic!("{due:?}")
    };
    assert_eq!(actor(record), (CHAUVELIN, true));
    assert_eq!(told(&record.spec.changes), ["spec.displayName: Team Lead → Shift Lead"]);
    assert_eq!(
        (record.spec.operation, record.spec.generation, record.spec.time.0),
        (Operation::Update, Some(4), at(NOW))
    );
    assert_eq!((due.unexplained, due.deletion, due.write), (None, None, true));
    let again = follows(&held(carried.pending.as_deref()), Some(3), &[]);
    assert_eq!(again.records, due.records, "the same record has the same name");
    let rest = follows(&held(None), Some(4), &[]);
    assert_eq!(rest, Due::default(), "nothing is left to do");
}

#[test]
fn r13_asked_twice_about_one_write_nothing_is_noted_twice() {
    let (old, new) = (
        json!({"displayName": "Team Lead"}),
        json!({"displayName": "Shift Lead"}),
    );
    let before = carries(&write(Some(&json!({"displayName": "Lead"})), &old, None)).pending;
    let first = carries(&write(Some(&old), &new, before.as_deref()));
    let mut second = write(Some(&old), &new, before.as_deref());
    second.new.pending = first.pending.as_deref();
    assert_eq!(carries(&second), first);
    assert_eq!(outbox::read(first.pending.as_deref().unwrap()).len(), 2);
}

#[test]
fn r13_what_changes_nothing_or_is_only_tried_is_not_noted() {
    let spec = json!({"displayName": "Team Lead"});
    let other = json!({"displayName": "Shift Lead"});
    let nothing = Carried {
        pending: None,
        finalizer: true,
    };
    assert_eq!(carries(&write(Some(&spec), &spec, None)), nothing);
    let mut tried = write(Some(&spec), &other, None);
    tried.dry_run = true;
    assert_eq!(carries(&tried), nothing);
    let mut created = write(None, &spec, None);
    created.dry_run = true;
    assert_eq!(
        carries(&created),
        Carried {
            pending: None,
            finalizer: false
        }
    );
}

#[test]
fn r13_a_request_that_drops_or_forges_what_waits_gets_the_stored_one_back() {
    let (old, new) = (
        json!({"displayName": "Team Lead"}),
        json!({"displayName": "Shift Lead"}),
    );
    let stored = carries(&write(Some(&old), &new, None)).pending;
    for sent in [None, Some("[]"), Some("[{\"id\": \"forged\"}]"), Some("nonsense")] {
        let mut write = write(Some(&new), &new, stored.as_deref());
        write.new.pending = sent;
        assert_eq!(carries(&write).pending, stored, "{sent:?}");
        let mut created = self::write(None, &new, None);
        created.new.pending = sent;
        let carried = carries(&created).pending.unwrap();
        assert_eq!(outbox::read(&carried).len(), 1, "{sent:?}");
        assert!(!carried.contains("forged"));
    }
}

#[test]
fn r13_a_full_outbox_takes_no_more_and_says_why() {
    let (old, new) = (
        json!({"displayName": "Team Lead"}),
        json!({"displayName": "Shift Lead"}),
    );
    let directory = league().directory;
    let ask = |pending: Option<&str>, new: &Value| {
        carried(
            &write(Some(&old), new, pending),
            Employees::Sessions,
            (&directory, at(NOW)),
            &keys(),
        )
    };
    let mut pending = None;
    for _ in 0..MAX_NOTES {
        pending = ask(pending.as_deref(), &new).unwrap().pending;
    }
    let refused = ask(pending.as_deref(), &new).unwrap_err();
    assert_eq!(refused.reason, Reason::HistoryFull);
    for words in ["64 changes", "`team-lead`", "operator runs", "ResourceQuota"] {
        assert!(refused.message.contains(words), "{refused}");
    }
    let long = json!({"description": "x".repeat(4000), "permissions": (0..300).map(|number| json!(
        {"application": "acd", "permission": format!("p{number}"), "actions": ["a".repeat(60)]})).collect::<Vec<_>>()});
    let alone = ask(None, &long).unwrap().pending.unwrap();
    let refused = ask(Some(&alone), &long).unwrap_err();
    assert_eq!(refused.reason, Reason::HistoryFull, "64 KiB");
    assert_eq!(outbox::left(&alone, &alone), None);
}

#[test]
fn i13_what_a_session_changes_is_on_behalf_of_its_impersonator_employees_included() {
    let mut world = league();
    world.session(
        PARIS,
        "call-1792",
        session(pimpernel::api::Mode::Support, MARGUERITE),
        NOW,
    );
    world.open(PARIS, "call-1792");
    let uid = super::world::uid("session", &Name::new(PARIS, "call-1792"));
    let account = format!("system:serviceaccount:{SESSIONS}:impersonated-admin-{uid}");
    let author = outbox::author(&account, &world.directory);
    assert_eq!(
        (
            author.by.as_str(),
            author.on_behalf_of.as_deref(),
            author.session.as_deref()
        ),
        (account.as_str(), Some(MARGUERITE), Some("lsp-paris/call-1792"))
    );
    let counts = |kind, user: &str, employees| outbox::counts(kind, user, employees, &world.directory);
    assert!(counts(Kind::Employee, &account, Employees::Sessions));
    assert!(!counts(Kind::Employee, CHAUVELIN, Employees::Sessions));
    assert!(counts(Kind::Employee, CHAUVELIN, Employees::All));
    assert!(counts(Kind::Role, CHAUVELIN, Employees::Sessions));
    assert!(counts(Kind::Tenant, CHAUVELIN, Employees::Sessions));
    assert!(!counts(Kind::Consent, &account, Employees::All));
}

#[test]
fn r4_a_name_is_burnt_before_it_is_on_record_and_by_nobody_elses_word() {
    let (old, new) = (
        json!({"displayName": "Night Watch"}),
        json!({"displayName": "Late Watch"}),
    );
    let pending = carries(&write(Some(&old), &new, None)).pending.unwrap();
    let key = role_key();
    let names = |pending: &str| outbox::names(pending, (&key, "a-role"), &keys());
    let mut world: World = league();
    for (id, noted) in names(&pending) {
        let place = outbox::place(&key.name, &id);
        world.directory.fold(Change::Record(place, Some(noted)));
    }
    let spec = role("LATE watch", pimpernel::api::LifecycleState::Draft, &[]);
    let answer = world.write_role(PARIS, "other", spec);
    super::saying::refused(&answer, Reason::NameBurnt, "spec.displayName", &["role `team-lead`"]);
    assert_eq!(names(&pending.replace("Late", "Long")), vec![]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(200) })]

    /// Whatever is written, and however often it is drained in between, each change goes on record once, with its values.
    #[test]
    fn r13_no_change_is_lost_and_none_is_invented(states in proptest::collection::vec((0..4u8, 0..4u8, proptest::bool::ANY), 1..40)) {
        let directory = league().directory;
        let spec = |name: u8, actions: u8| json!({"displayName": format!("Role {name}"),
            "permissions": [{"application": "acd", "permission": "skills", "actions": (0..actions).map(|a| a.to_string()).collect::<Vec<_>>()}]});
        let (mut old, mut pending, mut generation) = (spec(9, 0), None::<String>, 1);
        let mut stored = std::collections::BTreeMap::new();
        let mut wanted = vec![];
        for (number, (name, actions, drained)) in states.into_iter().enumerate() {
            let new = spec(name, actions);
            let id = format!("request-{number}");
            let mut asked = write(Some(&old), &new, pending.as_deref());
            asked.id = &id;
            asked.old.as_mut().unwrap().generation = generation;
            let carried = carried(&asked, Employees::Sessions, (&directory, at(NOW)), &keys()).unwrap();
            if old != new {
                generation += 1;
                wanted.push((generation, changes(Some(&old), Some(&new))));
            }
            pending = carried.pending;
            old = new;
            if drained {
                let held = Held { generation, ..held(pending.as_deref()) };
                let due = follows(&held, Some(generation), &[]);
                for record in due.records {
                    stored.insert(record.name.clone(), record.spec);
                }
                pending = pending.as_deref().and_then(|text| outbox::left(text, text));
            }
        }
        let held = Held { generation, ..held(pending.as_deref()) };
        let due = follows(&held, Some(generation), &[]);
        for record in due.records {
            stored.insert(record.name.clone(), record.spec);
        }
        let mut found: Vec<_> = stored.into_values().map(|spec| (spec.generation.unwrap(), spec.changes)).collect();
        found.sort_by_key(|(generation, _)| *generation);
        proptest::prop_assert_eq!(found, wanted);
    }
}
