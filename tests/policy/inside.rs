//! I5: what an open session may do, as whom, and who reads its credential.

use super::specs::*;
use super::world::{NOW, Outcome, SESSIONS, World, uid};
use pimpernel::api::{ImpersonationSpec, Mode};
use pimpernel::policy::children::{Body, ChildKind};
use pimpernel::policy::{Kind, Name};
use serde_json::json;

fn support() -> ImpersonationSpec {
    session(Mode::Support, MARGUERITE)
}

/// Marguerite's call in LSP Paris, open.
fn open(spec: ImpersonationSpec) -> World {
    let mut world = league();
    world
        .session("lsp-paris", "call-1792", spec, NOW)
        .open("lsp-paris", "call-1792");
    world
}

fn decided(world: &World) -> Outcome {
    world.decide(Kind::Impersonation, "lsp-paris", "call-1792")
}

/// The account of the call.
fn account() -> String {
    let uid = uid("session", &Name::new("lsp-paris", "call-1792"));
    format!("serviceaccount {SESSIONS}/impersonated-admin-{uid}")
}

#[test]
fn i5_a_support_session_may_do_what_administrators_get_and_what_names_its_mode() {
    let world = open(support());
    let rights = world.may(&account(), "lsp-paris");
    let own = |verb| format!("{verb} impersonations.pimpernel.dev call-1792");
    assert_eq!(
        rights,
        [
            ASSIGN_SKILLS.to_owned(),
            EDIT_SKILLS.to_owned(),
            "get employees.pimpernel.dev".to_owned(),
            own("get"),
            "get tenants.pimpernel.dev lsp-paris".to_owned(),
            VIEW_EMPLOYEES.to_owned(),
            EDIT_EMPLOYEES.to_owned(),
            own("patch"),
            "update employees.pimpernel.dev".to_owned(),
            own("update"),
            VIEW_SKILLS.to_owned(),
            "watch employees.pimpernel.dev".to_owned(),
        ]
    );
}

#[test]
fn i5_a_configure_session_has_nothing_that_is_for_support_only() {
    let world = open(session(Mode::Configure, PERCY));
    let rights = world.may(&account(), "lsp-paris");
    assert!(!rights.contains(&ASSIGN_SKILLS.to_owned()), "{rights:?}");
    assert!(rights.contains(&EDIT_SKILLS.to_owned()), "{rights:?}");
}

#[test]
fn i5_a_session_has_rights_in_the_tenant_that_it_entered_and_nowhere_else() {
    let world = open(support());
    for namespace in ["classics", "lsp", "lsp-lyon", SESSIONS] {
        assert_eq!(world.may(&account(), namespace), [""; 0], "{namespace}");
    }
}

#[test]
fn i5_the_impersonator_alone_reads_the_credential_and_nothing_more() {
    let world = open(support());
    let secret = account().replace("serviceaccount green-room/", "");
    assert_eq!(world.may(MARGUERITE, SESSIONS), [format!("get secrets. {secret}")]);
    let readers = world
        .rights(world.now)
        .into_iter()
        .filter(|(ns, ..)| ns == SESSIONS)
        .count();
    assert_eq!(readers, 1);
    assert_eq!(
        decided(&world).status["credential"],
        json!({"namespace": SESSIONS, "secretName": secret})
    );
}

#[test]
fn i5_everything_of_a_session_carries_its_absolute_end_and_belongs_to_it() {
    let outcome = decided(&open(lasting(support(), "90m")));
    let kinds: Vec<ChildKind> = outcome.children.iter().map(|child| child.id.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == ChildKind::RoleBinding).count(), 3);
    assert!(
        kinds.contains(&ChildKind::ServiceAccount) && kinds.contains(&ChildKind::Secret),
        "{kinds:?}"
    );
    for child in &outcome.children {
        assert_eq!(child.annotations["pimpernel.dev/session-end"], "2026-11-20T13:30:00Z");
        assert_eq!(child.owner.kind, Kind::Impersonation);
    }
    let bound: Vec<&String> = outcome
        .children
        .iter()
        .filter_map(|child| match &child.body {
            Body::RoleBinding { role, .. } => Some(role),
            _ => None,
        })
        .collect();
    assert!(
        bound.contains(&&"pimpernel:impersonated-admin:support".to_owned()),
        "{bound:?}"
    );
}

#[test]
fn i5_of_applications_that_the_tenant_does_not_have_a_session_gets_nothing() {
    let mut world = league();
    let spec = json!({"displayName": "Quality", "permissions": [
        {"name": "forms", "actions": [{"name": "Edit", "implies": ["acd/skills:Edit"], "defaultFor": ["administrator"]}]},
    ]});
    world
        .catalog("qm", &catalog(spec))
        .tenant(
            "lsp-paris",
            tenant(pimpernel::api::TenantType::Customer, Some("lsp"), &["qm"]),
        )
        .session("lsp-paris", "call-1792", support(), NOW);
    let rights = world.may(&account(), "lsp-paris");
    assert!(
        rights.contains(&"edit forms.qm.apps.pimpernel.dev".to_owned()),
        "{rights:?}"
    );
    assert!(!rights.iter().any(|right| right.contains("acd")), "{rights:?}");
}

#[test]
fn i5_p2_what_administrators_get_by_implication_is_the_sessions_too_unless_the_catalogue_says_no() {
    let mut world = league();
    let spec = json!({"displayName": "Quality", "permissions": [{"name": "forms", "actions": [
        {"name": "Edit", "implies": ["View", "Sign"], "defaultFor": ["administrator"]},
        {"name": "View"},
        {"name": "Sign", "sessions": []},
        {"name": "Other"},
    ]}]});
    world
        .catalog("qm", &catalog(spec))
        .tenant(
            "lsp-paris",
            tenant(pimpernel::api::TenantType::Customer, Some("lsp"), &["qm"]),
        )
        .session("lsp-paris", "call-1792", support(), NOW);
    let rights = world.may(&account(), "lsp-paris");
    let forms: Vec<&String> = rights.iter().filter(|right| right.contains("forms")).collect();
    assert_eq!(
        forms,
        ["edit forms.qm.apps.pimpernel.dev", "view forms.qm.apps.pimpernel.dev"]
    );
}

#[test]
fn i5_t7_whatever_a_catalogue_says_no_session_writes_impersonations_consents_or_the_security_policy() {
    let mut world = league();
    let rules = json!([{"apiGroups": ["pimpernel.dev", "freight.example.org"], "verbs": ["get", "create", "update", "delete"],
        "resources": ["impersonations", "impersonationconsents", "tenants/security", "jobs"]}]);
    let spec = json!({"displayName": "Quality", "permissions": [
        {"name": "forms", "actions": [{"name": "Edit", "defaultFor": ["administrator"], "rules": rules}]},
    ]});
    world
        .catalog("qm", &catalog(spec))
        .tenant(
            "lsp-paris",
            tenant(pimpernel::api::TenantType::Customer, Some("lsp"), &["qm"]),
        )
        .session("lsp-paris", "call-1792", support(), NOW);
    let rights = world.may(&account(), "lsp-paris");
    for forbidden in [
        "create impersonations.pimpernel.dev",
        "delete impersonations.pimpernel.dev",
        "update impersonations.pimpernel.dev",
        "create impersonationconsents.pimpernel.dev",
        "update tenants/security.pimpernel.dev",
    ] {
        assert!(!rights.contains(&forbidden.to_owned()), "{forbidden}");
    }
    for allowed in [
        "get impersonations.pimpernel.dev",
        "get impersonationconsents.pimpernel.dev",
        "create jobs.freight.example.org",
    ] {
        assert!(rights.contains(&allowed.to_owned()), "{allowed} in {rights:?}");
    }
}
