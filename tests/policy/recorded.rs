//! What is put on record and what follows from it: names that stay burnt (R4), and ends that are for good (I9, I13).

use super::saying::{admitted, ready, refused, stalled};
use super::specs::*;
use super::world::{NOW, Outcome, World, at, time, uid};
use pimpernel::api::{ImpersonationSpec, LifecycleState, Mode, Operation, RoleSpec};
use pimpernel::policy::children::{Child, Observations};
use pimpernel::policy::ledger::{Noted, Record};
use pimpernel::policy::{Change, Decision, Entry, Kind, Name, Reason, impersonation};

const PARIS: &str = "lsp-paris";

/// A record was stored.
fn record(world: &mut World, record: &Record) {
    let noted = Noted::read(&record.name.namespace, &record.spec);
    world.directory.fold(Change::Record(record.name.clone(), noted));
}

/// The session is another one of its name.
fn made_again(world: &mut World, name: &str) {
    let name = Name::new(PARIS, name);
    let mut entry = Entry::clone(world.directory.session(&name).unwrap());
    entry.meta.uid = "another".into();
    world.directory.fold(Change::Impersonation(name, Some(entry)));
}

fn watch(name: &str) -> RoleSpec {
    role(name, LifecycleState::Active, &[("acd", "skills", &["View"])])
}

/// Puts on record what the role's judgement wants on record.
fn noted(world: &mut World, role: &str) -> Vec<Record> {
    let records = world.decide(Kind::Role, PARIS, role).records;
    for stored in &records {
        record(world, stored);
    }
    records
}

/// `night` was called Night Watch, which is on record, and is called Late Watch now.
fn renamed() -> World {
    let mut world = league();
    world.role(PARIS, "night", watch("Night Watch"));
    noted(&mut world, "night");
    world.role(PARIS, "night", watch("Late Watch"));
    noted(&mut world, "night");
    world
}

#[test]
fn r4_each_name_of_a_role_is_put_on_record_once() {
    let mut world = league();
    world.role(PARIS, "night", watch("Night Watch"));
    let [record] = noted(&mut world, "night").try_into().unwrap();
    assert_eq!(&*record.name.namespace, PARIS);
    assert_eq!(
        (record.spec.subject.kind.as_str(), record.spec.subject.name.as_str()),
        ("Role", "night")
    );
    assert_eq!(record.spec.changes[0].to.as_deref(), Some("Night Watch"));
    assert_eq!(noted(&mut world, "night"), vec![], "it is there");
    world.role(PARIS, "night", watch("night WATCH"));
    assert_eq!(noted(&mut world, "night"), vec![], "it is the same name");
    world.role(PARIS, "night", watch("Late Watch"));
    assert_eq!(noted(&mut world, "night").len(), 1, "a new one");
}

#[test]
fn r4_a_name_once_used_belongs_to_that_role_after_it_was_renamed_and_after_it_was_deleted() {
    let burnt = &["`night watch`", "role `night`", "for ever"];
    let mut world = renamed();
    for _ in 0..2 {
        let answer = world.write_role(PARIS, "other", watch("night watch"));
        refused(&answer, Reason::NameBurnt, "spec.displayName", burnt);
        admitted(&world.write_role(PARIS, "other", watch("Morning Watch")));
        world.remove(Kind::Role, &Name::new(PARIS, "night"));
    }
    admitted(&world.write_role(PARIS, "night", watch("Night Watch")));
    admitted(&world.write_role("lsp", "other", watch_elsewhere()));
}

/// A name is burnt in its tenant alone.
fn watch_elsewhere() -> RoleSpec {
    role("Night Watch", LifecycleState::Active, &[])
}

#[test]
fn r4_the_same_role_may_have_its_old_name_back() {
    let world = renamed();
    admitted(&world.write_role(PARIS, "night", watch("Night Watch")));
    admitted(&world.write_role(PARIS, "night", watch("NIGHT WATCH")));
}

#[test]
fn r4_what_got_in_under_a_burnt_name_gives_nothing_though_it_is_the_older_object() {
    let mut world = league();
    world.role(PARIS, "elder", watch("Late Watch"));
    world.role(PARIS, "night", watch("Night Watch"));
    noted(&mut world, "night");
    world.role(PARIS, "night", watch("Morning Watch"));
    world.role(PARIS, "elder", watch("Night Watch"));
    let outcome = world.decide(Kind::Role, PARIS, "elder");
    stalled(&outcome, Reason::NameBurnt, "spec.displayName", &["role `night`"]);
    assert_eq!((outcome.children, outcome.records), (vec![], vec![]));
}

#[test]
fn r4_of_two_that_claim_a_name_the_one_on_record_has_it() {
    let mut world = league();
    world.role(PARIS, "elder", watch("Night Watch"));
    world.role(PARIS, "night", watch("night watch"));
    let other = world.decide(Kind::Role, PARIS, "night");
    stalled(&other, Reason::NameTaken, "spec.displayName", &["role `elder`"]);
    assert_eq!(other.records, vec![], "who does not get a name does not burn it");
    assert_eq!(noted(&mut world, "elder").len(), 1);
    assert_eq!(ready(&world.decide(Kind::Role, PARIS, "elder")).1, Reason::InEffect);
}

#[test]
fn r4_a_role_has_twenty_names_at_most() {
    let mut world = league();
    for number in 1..=20 {
        let spec = watch(&format!("Watch {number}"));
        admitted(&world.write_role(PARIS, "night", spec.clone()));
        world.role(PARIS, "night", spec);
        assert_eq!(noted(&mut world, "night").len(), 1);
    }
    let answer = world.write_role(PARIS, "night", watch("Watch 21"));
    refused(
        &answer,
        Reason::TooManyNames,
        "spec.displayName",
        &["`night`", "20 names"],
    );
    admitted(&world.write_role(PARIS, "night", watch("Watch 1")));
    world.role(PARIS, "night", watch("Watch 21"));
    let outcome = world.decide(Kind::Role, PARIS, "night");
    stalled(&outcome, Reason::TooManyNames, "spec.displayName", &["20 names"]);
    assert_eq!((outcome.children, outcome.records), (vec![], vec![]));
}

fn until(end: &str) -> ImpersonationSpec {
    let mut spec = session(Mode::Support, MARGUERITE);
    spec.not_after = Some(time(end));
    spec.ticket = Some("CASE-1792".to_owned());
    spec
}

/// The call, as it is open, and what exists because of it.
fn open(spec: ImpersonationSpec) -> (World, Vec<Child>) {
    let mut world = league();
    world.session(PARIS, "call-1792", spec, NOW);
    let children = decided(&world, &[], NOW).children;
    world.open(PARIS, "call-1792");
    (world, children)
}

fn decided(world: &World, children: &[Child], now: &str) -> Decision<pimpernel::api::ImpersonationStatus> {
    let name = Name::new(PARIS, "call-1792");
    let observed: Observations = children.iter().map(|child| (child.id.clone(), child.clone())).collect();
    let entry = world.directory.session(&name).unwrap();
    impersonation::decide(&name, entry, &observed, &world.directory, at(now))
}

fn says(record: &Record) -> Vec<(&str, &str)> {
    let said = record.spec.changes.iter();
    said.map(|change| (change.path.as_str(), change.to.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
fn i13_the_end_of_a_session_is_put_on_record_with_all_that_there_is_to_tell() {
    let end = "2026-11-20T14:00:00Z";
    let (world, children) = open(until(end));
    assert_eq!(decided(&world, &children, NOW).records, vec![], "it is open");
    let [record] = decided(&world, &children, end).records.try_into().unwrap();
    let session = uid("session", &Name::new(PARIS, "call-1792"));
    assert_eq!(record.name, Name::new(PARIS, format!("end-{session}")));
    assert_eq!(record.spec.operation, Operation::End);
    assert_eq!(record.spec.actor.username, MARGUERITE);
    assert_eq!(
        says(&record),
        [
            ("spec.mode", "Support"),
            ("spec.reason", &*until(end).reason),
            ("spec.ticket", "CASE-1792"),
            ("spec.notAfter", end),
            ("status.startTime", NOW),
            ("status.endTime", end),
            ("status.endReason", "Expired"),
        ]
    );
}

#[test]
fn i13_a_session_that_was_deleted_is_put_on_record_from_what_stands_on_its_account() {
    let (world, children) = open(until("2026-11-20T14:00:00Z"));
    let name = Name::new(PARIS, "call-1792");
    let observed: Observations = children.iter().map(|child| (child.id.clone(), child.clone())).collect();
    let told = |now: &str| {
        let [record] = impersonation::departed(&name, None, (&observed, &world.directory), at(now))
            .try_into()
            .unwrap();
        let how = says(&record).pop().map(|(_, how)| how.to_owned());
        (record.spec.actor.username, record.spec.time.0, how)
    };
    let later = "2026-11-20T12:30:00Z";
    assert_eq!(
        told(later),
        (MARGUERITE.to_owned(), at(later), Some("Deleted".to_owned()))
    );
    let end = at("2026-11-20T14:00:00Z");
    let long_after = told("2026-11-21T09:00:00Z");
    assert_eq!(long_after, (MARGUERITE.to_owned(), end, Some("Expired".to_owned())));
}

#[test]
fn i9_what_is_on_record_as_ended_is_over_whatever_its_status_says() {
    let (mut world, children) = open(session(Mode::Support, MARGUERITE));
    let mut stopped = session(Mode::Support, MARGUERITE);
    stopped.stop = true;
    world.session(PARIS, "call-1792", stopped, NOW);
    let [end] = decided(&world, &children, NOW).records.try_into().unwrap();
    record(&mut world, &end);
    world.session(PARIS, "call-1792", session(Mode::Support, MARGUERITE), NOW);
    let revived = decided(&world, &children, NOW);
    assert_eq!(revived.status.end_reason.as_deref(), Some("Stopped"));
    assert_eq!((revived.children, revived.records), (vec![], vec![]));
}

#[test]
fn i9_i12_what_has_ended_is_not_opened_again_by_asking_for_the_same() {
    let end = "2026-11-20T14:00:00Z";
    let (mut world, children) = open(until(end));
    let mut stopped = until(end);
    stopped.stop = true;
    world.session(PARIS, "call-1792", stopped, NOW);
    let [stored] = decided(&world, &children, NOW).records.try_into().unwrap();
    record(&mut world, &stored);
    world.remove(Kind::Impersonation, &Name::new(PARIS, "call-1792"));
    let asks = |name: &str, spec: ImpersonationSpec| {
        let mut world = world.clone();
        let user = spec.impersonator.clone();
        let change = pimpernel::policy::admission::Change {
            old: None,
            new: Some(spec.clone()),
        };
        let subject = pimpernel::policy::admission::Subject::Impersonation(change, None);
        let answer = world.admit(PARIS, name, subject, &user);
        admitted(&answer);
        world.session(PARIS, name, spec, NOW);
        made_again(&mut world, name);
        let outcome: Outcome = world.decide(Kind::Impersonation, PARIS, name);
        let opened = !outcome.children.is_empty();
        let warned = answer
            .warnings
            .iter()
            .any(|warning| warning.contains("is not opened again"));
        assert_ne!(opened, warned, "{name}: {:?}", answer.warnings);
        opened
    };
    assert!(!asks("call-1792", until(end)), "the same again");
    assert!(asks("call-1793", until(end)), "under another name");
    assert!(asks("call-1792", until("2026-11-20T14:00:01Z")), "with another end");
    assert!(asks("call-1792", session(Mode::Support, MARGUERITE)), "with a length");
}

#[test]
fn i12_a_manifest_that_is_applied_again_after_its_end_is_admitted_with_a_warning_whatever_has_changed() {
    let mut world = league();
    world.remove(Kind::Employee, &Name::new("lsp", "caller"));
    let answer = world.request(PARIS, until("2026-11-20T10:00:00Z"));
    admitted(&answer);
    assert_eq!(answer.warnings, ["the end has passed already: nothing is opened"]);
}
