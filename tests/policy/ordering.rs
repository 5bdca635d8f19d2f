//! Objects that are written together, and ask to be admitted before their neighbours (E3, E5, R8).

use super::saying::{admitted, stalled};
use super::specs::*;
use super::world::{NOW, World, at};
use pimpernel::api::{EmployeeState, LifecycleState};
use pimpernel::policy::admission::{Answer, Change, Request, Subject, admit};
use pimpernel::policy::{Kind, Name, Reason};

const PARIS: &str = "lsp-paris";
const SKILLS: super::specs::Lines = &[("acd", "skills", &["Edit"])];

fn write(world: &World, name: &str, subject: Subject, ordering: Option<&str>) -> Answer {
    let request = Request {
        name: Name::new(PARIS, name),
        subject,
        user: "somebody".into(),
        bounded: false,
        ordering: ordering.map(Into::into),
        renamed_from: None,
    };
    admit(&request, &world.directory, at(NOW))
}

fn drafted() -> World {
    let mut world = league();
    world.role(PARIS, "night", role("Night Watch", LifecycleState::Draft, SKILLS));
    world
}

/// A newcomer with a role that is not Active yet.
fn newcomer() -> Subject {
    let new = employee("galloway@lsp-paris.example", EmployeeState::Active, "night", &[]);
    Subject::Employee(Change {
        old: None,
        new: Some(new),
    })
}

/// The role that the team lead holds, on its way out; or gone.
fn leaving(state: Option<LifecycleState>) -> Subject {
    let old = league().roles[&Name::new(PARIS, "team-lead")].clone();
    let new = state.map(|state| {
        let mut new = old.clone();
        new.state = state;
        new
    });
    Subject::Role(Change { old: Some(old), new })
}

#[test]
fn e3_e5_r8_what_asks_for_it_is_admitted_before_its_neighbours_with_a_warning() {
    for (subject, name, field) in [
        (newcomer(), "badge", "spec.primaryRole"),
        (leaving(Some(LifecycleState::Inactive)), "team-lead", "spec.state"),
        (leaving(None), "team-lead", "metadata.name"),
    ] {
        let answer = write(&drafted(), name, subject, Some("eventual"));
        admitted(&answer);
        let warning = answer.warnings.iter().find(|warning| warning.starts_with(field));
        let warning = warning.unwrap_or_else(|| panic!("no warning about {field}: {:?}", answer.warnings));
        assert!(warning.ends_with("until then it has no effect"), "{warning}");
    }
}

#[test]
fn e3_e5_r8_what_does_not_ask_is_refused_with_a_hint_at_how_to_ask() {
    for (subject, name, reason) in [
        (newcomer(), "badge", Reason::RoleNotActive),
        (leaving(Some(LifecycleState::Inactive)), "team-lead", Reason::RoleInUse),
        (leaving(None), "team-lead", Reason::RoleInUse),
    ] {
        for ordering in [None, Some("Eventual"), Some(""), Some("strict")] {
            let answer = write(&drafted(), name, subject.clone(), ordering);
            assert_eq!(answer.violations.iter().map(|v| v.reason).collect::<Vec<_>>(), [reason]);
            let [hint] = answer.hints.as_slice() else {
                panic!("one hint, not {:?}", answer.hints)
            };
            assert!(hint.contains("`pimpernel.dev/ordering: eventual`"), "{hint}");
            let told = answer.warnings.iter().any(|warning| warning.contains("means nothing"));
            assert_eq!(told, ordering.is_some(), "{ordering:?}: {:?}", answer.warnings);
        }
    }
}

#[test]
fn asking_loosens_no_other_rule() {
    let subject = Subject::Employee(Change {
        old: None,
        new: Some(employee(CHAUVELIN, EmployeeState::Active, "night", &["night"])),
    });
    let answer = write(&drafted(), "badge", subject, Some("eventual"));
    let reasons: Vec<Reason> = answer.violations.iter().map(|v| v.reason).collect();
    assert_eq!(reasons, [Reason::DuplicateRole, Reason::UsernameTaken]);
    assert_eq!(
        answer.hints,
        Vec::<String>::new(),
        "nothing that is left settles by itself"
    );
}

#[test]
fn e3_what_was_admitted_early_gives_nothing_until_its_neighbour_agrees() {
    let mut world = drafted();
    let early = employee("galloway@lsp-paris.example", EmployeeState::Active, "night", &[]);
    world.employee(PARIS, "badge", early);
    let outcome = world.decide(Kind::Employee, PARIS, "badge");
    stalled(
        &outcome,
        Reason::RoleNotActive,
        "spec.primaryRole",
        &["`night`", "`Draft`"],
    );
    assert_eq!(world.decide(Kind::Role, PARIS, "night").children, vec![]);
    world.role(PARIS, "night", role("Night Watch", LifecycleState::Active, SKILLS));
    assert_ne!(world.decide(Kind::Role, PARIS, "night").children, vec![]);
}
