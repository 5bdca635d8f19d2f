//! R13: which records may go when they are older than is kept, and which never do.

use super::specs::*;
use super::world::{World, at, time};
use pimpernel::api::{ChangeRecordSpec, LifecycleState, Mode};
use pimpernel::policy::directory::Account;
use pimpernel::policy::history::Kept;
use pimpernel::policy::ledger::Noted;
use pimpernel::policy::{Change, Kind, Name};
use serde_json::{Value, json};

const PARIS: &str = "lsp-paris";
const OLD: &str = "2026-01-01T08:00:00Z";

fn spec(subject: (&str, &str, &str), operation: &str, generation: Option<i64>, changes: &Value) -> ChangeRecordSpec {
    let (kind, name, uid) = subject;
    serde_json::from_value(json!({
        "subject": {"kind": kind, "name": name, "uid": uid}, "operation": operation, "generation": generation,
        "actor": {"username": PERCY, "verified": true}, "time": OLD, "changes": changes,
    }))
    .unwrap()
}

fn goes(world: &World, record: &ChangeRecordSpec, now: &str) -> bool {
    let kept: Kept = "30d".parse().unwrap();
    kept.lets_go((PARIS, record), &world.directory, at(now))
}

fn put(world: &mut World, name: &str, record: &ChangeRecordSpec) {
    let noted = Noted::read(PARIS, record);
    world.directory.fold(Change::Record(Name::new(PARIS, name), noted));
}

#[test]
fn r13_how_long_records_are_kept_is_said_in_days() {
    for text in ["", "0d", "-1d", "7", "7h", "1.5d", "99999d", "never", "d"] {
        assert!(text.parse::<Kept>().is_err(), "{text}");
    }
    assert!(!"forever".parse::<Kept>().unwrap().ends());
    assert!("1d".parse::<Kept>().unwrap().ends());
}

#[test]
fn r13_r4_what_is_older_than_is_kept_goes_and_what_something_hangs_on_stays() {
    let mut world = league();
    world.role(PARIS, "night", role("Night Watch", LifecycleState::Active, &[]));
    let uid = world
        .directory
        .role(&Name::new(PARIS, "night"))
        .unwrap()
        .meta
        .uid
        .to_string();
    let described = json!([{"path": "spec.description", "to": "Looks out"}]);
    let named = json!([{"path": "spec.displayName", "to": "Night Watch"}]);
    let night = ("Role", "night", uid.as_str());
    let before = spec(night, "Update", Some(2), &described);
    let latest = spec(night, "Update", Some(3), &described);
    let naming = spec(night, "Create", Some(1), &named);
    for (name, record) in [("a", &naming), ("b", &before), ("c", &latest)] {
        put(&mut world, name, record);
    }
    let now = "2026-11-20T12:00:00Z";
    assert!(goes(&world, &before, now), "an old change");
    assert!(!goes(&world, &before, "2026-01-31T08:00:00Z"), "not a second too early");
    assert!(goes(&world, &before, "2026-01-31T08:00:01Z"));
    assert!(!goes(&world, &latest, now), "what made it as it is");
    assert!(!goes(&world, &naming, now), "its name");
    let forever: Kept = "forever".parse().unwrap();
    assert!(!forever.lets_go((PARIS, &before), &world.directory, at(now)));
    world.remove(Kind::Role, &Name::new(PARIS, "night"));
    assert!(goes(&world, &latest, now), "it is gone");
    assert!(!goes(&world, &naming, now), "its name is burnt all the same");
    assert!(
        goes(&world, &spec(night, "Delete", Some(4), &json!([])), now),
        "a deletion"
    );
    let claim = json!([{"path": "metadata.annotations[pimpernel.dev/pending-changes]", "to": "{}"}]);
    assert!(goes(&world, &spec(night, "Update", None, &claim), now), "a claim");
    let foreign = spec(("Gadget", "night", "a"), "Update", Some(1), &json!([]));
    assert!(!goes(&world, &foreign, now), "of a kind that nobody knows here");
}

#[test]
fn r13_i9_the_end_of_a_session_stays_while_it_could_begin_again() {
    let mut world = league();
    let ended =
        json!([{"path": "status.endReason", "to": "Stopped"}, {"path": "spec.notAfter", "to": "2026-12-01T00:00:00Z"}]);
    let call = Name::new(PARIS, "call");
    let mut asked = session(Mode::Support, MARGUERITE);
    asked.not_after = Some(time("2026-12-01T00:00:00Z"));
    world.session(PARIS, "call", asked, "2026-01-01T07:00:00Z");
    let uid = world.directory.session(&call).unwrap().meta.uid.to_string();
    let end = spec(("Impersonation", "call", &uid), "End", None, &ended);
    put(&mut world, "end", &end);
    let late = "2026-12-01T00:00:01Z";
    assert!(!goes(&world, &end, late), "its Impersonation is there");
    world.remove(Kind::Impersonation, &call);
    assert!(
        !goes(&world, &end, "2026-12-01T00:00:00Z"),
        "the same could be asked for"
    );
    assert!(goes(&world, &end, late));
    let account = Account {
        session: call,
        end: at(late),
    };
    let account = Change::Account(uid.into(), Some(account));
    world.directory.fold(account);
    assert!(!goes(&world, &end, late), "its account is there");
}
