//! R1 to R9: what a role may be called, what its state does, and who keeps it from leaving Active.

use super::saying::{admitted, ready, reasons, refused, stalled};
use super::specs::*;
use pimpernel::api::{EmployeeState, LifecycleState, RoleSpec};
use pimpernel::policy::{Kind, Name, Reason};

const FIELD: &str = "spec.displayName";

fn named(display_name: &str) -> RoleSpec {
    role(display_name, LifecycleState::Draft, &[])
}

fn team_lead(state: LifecycleState) -> RoleSpec {
    let mut spec = league().roles[&Name::new("lsp-paris", "team-lead")].clone();
    spec.state = state;
    spec
}

#[test]
fn r1_a_name_has_one_to_fifty_characters_of_any_script() {
    let world = league();
    for name in [
        "A",
        &"x".repeat(50),
        &"é".repeat(50),
        &"語".repeat(50),
        "Chef d'équipe – nuit",
    ] {
        admitted(&world.write_role("lsp-paris", "scribe", named(name)));
    }
    for name in [String::new(), "x".repeat(51), "語".repeat(51)] {
        let answer = world.write_role("lsp-paris", "scribe", named(&name));
        refused(&answer, Reason::InvalidDisplayName, FIELD, &["1 to 50"]);
    }
}

#[test]
fn r1_a_name_has_no_blank_at_either_end() {
    let world = league();
    for name in [" Scribe", "Scribe ", "\u{a0}Scribe", "Scribe\u{3000}", "Scribe\n"] {
        let answer = world.write_role("lsp-paris", "scribe", named(name));
        refused(
            &answer,
            Reason::InvalidDisplayName,
            FIELD,
            &[&format!("`{name}`"), "remove it"],
        );
    }
    admitted(&world.write_role("lsp-paris", "scribe", named("Scribe at night")));
}

#[test]
fn r2_each_of_the_twelve_characters_is_refused_and_its_neighbours_are_not() {
    let world = league();
    for character in ['/', '\\', '+', '!', '?', '<', '>', '#', '&', ',', '%', '"'] {
        let name = format!("Scr{character}be");
        let answer = world.write_role("lsp-paris", "scribe", named(&name));
        refused(
            &answer,
            Reason::ForbiddenCharacter,
            FIELD,
            &[&format!("`{name}`"), &format!("`{character}`")],
        );
    }
    for character in [
        '-', '\'', '(', ')', '.', ':', ';', '*', '=', '@', '$', '_', '|', '~', '÷', '´', '‚',
    ] {
        admitted(&world.write_role("lsp-paris", "scribe", named(&format!("Scr{character}be"))));
    }
}

#[test]
fn r3_a_name_is_taken_in_whatever_case_and_composition() {
    let mut world = league();
    world.role("lsp-paris", "chef", named("Chef d'\u{e9}quipe"));
    for name in ["Monitor in Chief", "MONITOR IN CHIEF", "monitor In chief"] {
        let answer = world.write_role("lsp-paris", "scribe", named(name));
        refused(
            &answer,
            Reason::NameTaken,
            FIELD,
            &[&format!("`{name}`"), "`team-lead`", "another name"],
        );
    }
    let answer = world.write_role("lsp-paris", "scribe", named("CHEF D'E\u{301}QUIPE"));
    refused(&answer, Reason::NameTaken, FIELD, &["`chef`"]);
    admitted(&world.write_role("lsp-paris", "scribe", named("Monitor-in-Chief")));
}

#[test]
fn r3_another_tenant_may_use_the_same_name() {
    admitted(&league().write_role("lsp-lyon", "scribe", named("Monitor in Chief")));
}

#[test]
fn r3_a_role_may_change_the_case_of_its_own_name_but_not_take_anothers() {
    let world = league();
    let mut spec = team_lead(LifecycleState::Active);
    spec.display_name = "MONITOR IN CHIEF".to_owned();
    admitted(&world.write_role("lsp-paris", "team-lead", spec.clone()));
    spec.display_name = "quality judge".to_owned();
    refused(
        &world.write_role("lsp-paris", "team-lead", spec),
        Reason::NameTaken,
        FIELD,
        &["`evaluator`"],
    );
}

#[test]
fn r3_of_two_that_got_in_the_older_object_keeps_the_name_and_the_younger_gives_nothing() {
    let mut world = league();
    world
        .role(
            "lsp-paris",
            "copy-cat",
            role(
                "monitor in chief",
                LifecycleState::Active,
                &[("acd", "skills", &["Edit"])],
            ),
        )
        .employee(
            "lsp-paris",
            "sergeant",
            employee("desgas@lsp-paris.example", EmployeeState::Active, "copy-cat", &[]),
        );
    stalled(
        &world.decide(Kind::Role, "lsp-paris", "copy-cat"),
        Reason::NameTaken,
        FIELD,
        &["`team-lead`"],
    );
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "team-lead")),
        ("ready", Reason::InEffect)
    );
    assert_eq!(world.may("desgas@lsp-paris.example", "lsp-paris"), [DOWNLOAD]);
    assert_eq!(
        ready(&world.decide(Kind::Employee, "lsp-paris", "sergeant")),
        ("pending", Reason::RoleNotReady)
    );
    world.remove(Kind::Role, &Name::new("lsp-paris", "team-lead"));
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "copy-cat")),
        ("ready", Reason::InEffect)
    );
    assert!(
        world
            .may("desgas@lsp-paris.example", "lsp-paris")
            .contains(&EDIT_SKILLS.to_owned())
    );
}

#[test]
fn r3_the_name_of_the_sessions_account_is_reserved() {
    let world = league();
    for name in ["Impersonated Admin", "impersonated ADMIN"] {
        let answer = world.write_role("lsp-paris", "scribe", named(name));
        refused(&answer, Reason::NameReserved, FIELD, &[&format!("`{name}`")]);
    }
    admitted(&world.write_role("lsp-paris", "scribe", named("Impersonated Administrator")));
}

#[test]
fn r1_r2_all_that_is_wrong_with_a_name_is_said_at_once() {
    let answer = league().write_role("lsp-paris", "scribe", named(" Scribe/"));
    assert_eq!(
        reasons(&answer),
        [Reason::InvalidDisplayName, Reason::ForbiddenCharacter]
    );
}

#[test]
fn r5_a_description_has_at_most_two_hundred_characters() {
    let world = league();
    let mut spec = named("Scribe");
    spec.description = Some("é".repeat(200));
    admitted(&world.write_role("lsp-paris", "scribe", spec.clone()));
    spec.description = Some("é".repeat(201));
    refused(
        &world.write_role("lsp-paris", "scribe", spec),
        Reason::InvalidDescription,
        "spec.description",
        &["200"],
    );
}

#[test]
fn r5_a_description_is_plain_text() {
    let world = league();
    let mut spec = named("Scribe");
    for text in [
        "see https://lsp.example/roles",
        "ask at www.lsp.example",
        "a <b>bold</b> role",
        "![x](y)",
        "<!-- x -->",
    ] {
        spec.description = Some(text.to_owned());
        let answer = world.write_role("lsp-paris", "scribe", spec.clone());
        refused(&answer, Reason::InvalidDescription, "spec.description", &["plain text"]);
    }
    for text in [
        "Writes letters (1 < 2) & reads them, e.g. in Paris/Lyon",
        "a -> b [sic]",
    ] {
        spec.description = Some(text.to_owned());
        admitted(&world.write_role("lsp-paris", "scribe", spec.clone()));
    }
}

#[test]
fn r6_a_role_is_draft_unless_it_says_otherwise() {
    let spec: RoleSpec = serde_json::from_str(r#"{"displayName": "Scribe"}"#).unwrap();
    let mut world = league();
    world.role("lsp-paris", "scribe", spec);
    let outcome = world.decide(Kind::Role, "lsp-paris", "scribe");
    assert_eq!(ready(&outcome), ("ready", Reason::Draft));
}

#[test]
fn r6_draft_and_inactive_roles_give_nothing() {
    let mut world = league();
    for (name, reason) in [("trainee", Reason::Draft), ("veteran", Reason::Inactive)] {
        world.employee(
            "lsp-paris",
            "sergeant",
            employee("desgas@lsp-paris.example", EmployeeState::Active, name, &[]),
        );
        assert_eq!(world.may("desgas@lsp-paris.example", "lsp-paris"), [DOWNLOAD]);
        world.remove(Kind::Employee, &Name::new("lsp-paris", "sergeant"));
        let outcome = world.decide(Kind::Role, "lsp-paris", name);
        assert_eq!((ready(&outcome), outcome.children), (("ready", reason), vec![]));
    }
}

#[test]
fn r7_a_new_role_has_no_permissions_unless_it_lists_them() {
    let mut world = league();
    world
        .role("lsp-paris", "scribe", role("Scribe", LifecycleState::Active, &[]))
        .employee(
            "lsp-paris",
            "sergeant",
            employee("desgas@lsp-paris.example", EmployeeState::Active, "scribe", &[]),
        );
    assert_eq!(world.may("desgas@lsp-paris.example", "lsp-paris"), [DOWNLOAD]);
    let outcome = world.decide(Kind::Role, "lsp-paris", "scribe");
    assert_eq!(
        (ready(&outcome), outcome.children),
        (("ready", Reason::InEffect), vec![])
    );
}
