//! P1 to P8: what a line of a role's permissions comes to.

use super::saying::{admitted, ready, refused, stalled, warned};
use super::specs::*;
use super::world::World;
use pimpernel::api::{EmployeeState, LifecycleState, TenantType};
use pimpernel::policy::{Kind, Name, Reason};
use serde_json::json;

const DESGAS: &str = "desgas@lsp-paris.example";

/// Desgas in LSP Paris with one Active role, `scribe`, of these permissions.
fn granted(lines: Lines) -> World {
    let mut world = league();
    world
        .role(
            "lsp-paris",
            "scribe",
            role("Public Writer", LifecycleState::Active, lines),
        )
        .employee(
            "lsp-paris",
            "sergeant",
            employee(DESGAS, EmployeeState::Active, "scribe", &[]),
        );
    world
}

fn write(lines: Lines) -> pimpernel::policy::admission::Answer {
    league().write_role(
        "lsp-paris",
        "scribe",
        role("Public Writer", LifecycleState::Active, lines),
    )
}

#[test]
fn p1_a_switch_is_granted_without_actions_or_with_use() {
    for actions in [&[] as &[&str], &["use"]] {
        let lines: Lines = &[("acd", "queue-counter", actions), ("acd", "skills", &["View"])];
        admitted(&write(lines));
        assert_eq!(
            granted(lines).may(DESGAS, "lsp-paris"),
            [DOWNLOAD, COUNTER, VIEW_SKILLS]
        );
    }
}

#[test]
fn p1_a_permission_with_actions_needs_some() {
    let answer = write(&[("acd", "skills", &[])]);
    refused(
        &answer,
        Reason::UnknownPermission,
        "spec.permissions[0].actions",
        &["`skills`", "`Assign`, `Edit`, `View`"],
    );
}

#[test]
fn p2_an_action_grants_what_it_implies_and_the_writer_is_told() {
    let lines: Lines = &[("acd", "skills", &["Edit"])];
    warned(&write(lines), &["implied", "`acd/skills:View`"]);
    let world = granted(lines);
    assert_eq!(world.may(DESGAS, "lsp-paris"), [EDIT_SKILLS, DOWNLOAD, VIEW_SKILLS]);
    assert_eq!(world.decide(Kind::Role, "lsp-paris", "scribe").status["permissions"], 2);
}

#[test]
fn p2_what_is_implied_and_listed_is_no_news() {
    let answer = write(&[("acd", "skills", &["Edit", "View"])]);
    assert_eq!(answer.warnings, [""; 0]);
}

/// Like ACD, with implications through two other applications: `acd/a:use` → `wfm/b:use` → `acd/c:use`.
fn chained(applications: &[&str]) -> World {
    let mut world = league();
    let through = |name: &str, target: &str| {
        json!({"displayName": name, "permissions": [
            {"name": "link", "actions": [{"name": "Go", "implies": [target], "defaultFor": ["administrator"]}]},
            {"name": "goal", "actions": [{"name": "Go", "defaultFor": []}]},
        ]})
    };
    world
        .catalog("qm", &catalog(through("Quality", "wfm/link:Go")))
        .catalog("wfm", &catalog(through("Workforce", "qm/goal:Go")))
        .tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), applications))
        .role(
            "lsp-paris",
            "scribe",
            role("Public Writer", LifecycleState::Active, &[("qm", "link", &["Go"])]),
        )
        .employee(
            "lsp-paris",
            "sergeant",
            employee(DESGAS, EmployeeState::Active, "scribe", &[]),
        );
    world
}

#[test]
fn p2_implications_are_followed_from_application_to_application() {
    let rights = chained(&["qm", "wfm"]).may(DESGAS, "lsp-paris");
    assert_eq!(
        rights,
        [
            "go goal.qm.apps.pimpernel.dev",
            "go link.qm.apps.pimpernel.dev",
            "go link.wfm.apps.pimpernel.dev"
        ]
    );
}

#[test]
fn p2_t4_nothing_is_implied_by_way_of_an_application_that_the_tenant_does_not_have() {
    assert_eq!(
        chained(&["qm"]).may(DESGAS, "lsp-paris"),
        ["go link.qm.apps.pimpernel.dev"]
    );
}

#[test]
fn p3_an_action_without_what_it_requires_has_no_effect_and_the_role_says_so() {
    let lines: Lines = &[("acd", "skills", &["Assign"])];
    warned(&write(lines), &["`acd/skills:Assign`", "`admin/employees:View`"]);
    let world = granted(lines);
    let outcome = world.decide(Kind::Role, "lsp-paris", "scribe");
    assert_eq!(ready(&outcome), ("pending", Reason::RequirementMissing));
    assert_eq!(
        world.may(DESGAS, "lsp-paris"),
        [DOWNLOAD, VIEW_SKILLS],
        "what it implies was granted too"
    );
}

#[test]
fn p3_with_what_it_requires_an_action_has_effect() {
    let lines: Lines = &[("acd", "skills", &["Assign"]), ("admin", "employees", &["View"])];
    let world = granted(lines);
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "scribe")),
        ("ready", Reason::InEffect)
    );
    assert!(world.may(DESGAS, "lsp-paris").contains(&ASSIGN_SKILLS.to_owned()));
}

#[test]
fn p3_what_is_implied_satisfies_a_requirement() {
    let world = granted(&[("acd", "skills", &["Assign"]), ("admin", "employees", &["Edit"])]);
    assert!(world.may(DESGAS, "lsp-paris").contains(&ASSIGN_SKILLS.to_owned()));
}

#[test]
fn p3_what_lacks_something_does_not_satisfy_others() {
    let mut world = league();
    let spec = json!({"displayName": "Quality", "permissions": [
        {"name": "first", "switch": true, "requires": ["admin/employees:View"]},
        {"name": "second", "switch": true, "requires": ["qm/first:use"]},
    ]});
    world
        .catalog("qm", &catalog(spec))
        .tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), &["qm"]))
        .role(
            "lsp-paris",
            "scribe",
            role(
                "Public Writer",
                LifecycleState::Active,
                &[("qm", "first", &[]), ("qm", "second", &[])],
            ),
        )
        .employee(
            "lsp-paris",
            "sergeant",
            employee(DESGAS, EmployeeState::Active, "scribe", &[]),
        );
    assert_eq!(world.may(DESGAS, "lsp-paris"), [""; 0]);
}

#[test]
fn p3_p5_what_everybody_has_anyway_satisfies_a_requirement_listed_or_not() {
    let spec = json!({"displayName": "Quality", "permissions": [
        {"name": "report", "switch": true, "requires": ["acd/data-download:use"]},
    ]});
    for lines in [
        &[("qm", "report", &[] as &[&str])] as Lines,
        &[("qm", "report", &[]), ("acd", "data-download", &[])],
    ] {
        let mut world = league();
        world
            .catalog("qm", &catalog(spec.clone()))
            .tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), &["qm", "acd"]))
            .role(
                "lsp-paris",
                "scribe",
                role("Public Writer", LifecycleState::Active, lines),
            )
            .employee(
                "lsp-paris",
                "sergeant",
                employee(DESGAS, EmployeeState::Active, "scribe", &[]),
            );
        assert_eq!(
            world.may(DESGAS, "lsp-paris"),
            [DOWNLOAD, "use report.qm.apps.pimpernel.dev"]
        );
    }
}

#[test]
fn p5_what_is_unrestricted_is_every_active_employees_whatever_the_roles() {
    let mut world = granted(&[]);
    assert_eq!(world.may(DESGAS, "lsp-paris"), [DOWNLOAD]);
    world.employee(
        "lsp-paris",
        "sergeant",
        employee(DESGAS, EmployeeState::Inactive, "scribe", &[]),
    );
    assert_eq!(world.may(DESGAS, "lsp-paris"), [""; 0], "an Inactive employee has none");
    assert_eq!(
        world.may(MARGUERITE, "lsp"),
        ["support impersonation.tenant-management.apps.pimpernel.dev", DOWNLOAD]
    );
    assert_eq!(
        world
            .may(PERCY, "classics")
            .iter()
            .filter(|right| right.contains("acd"))
            .count(),
        0,
        "no ACD, no download"
    );
}

#[test]
fn p5_listing_what_is_unrestricted_is_a_warning_and_changes_nothing() {
    let lines: Lines = &[("acd", "data-download", &[])];
    warned(&write(lines), &["`acd/data-download:use`", "changes nothing"]);
    assert_eq!(
        granted(lines).may(DESGAS, "lsp-paris"),
        granted(&[]).may(DESGAS, "lsp-paris")
    );
}

#[test]
fn p6_an_action_is_a_verb_on_the_permission_or_what_the_catalogue_lists() {
    let rights = granted(&[("acd", "skills", &["View"]), ("admin", "employees", &["Edit"])]).may(DESGAS, "lsp-paris");
    assert_eq!(
        rights,
        [
            "get employees.pimpernel.dev",
            VIEW_EMPLOYEES,
            EDIT_EMPLOYEES,
            "update employees.pimpernel.dev",
            DOWNLOAD,
            VIEW_SKILLS,
            "watch employees.pimpernel.dev",
        ]
    );
}

#[test]
fn p7_an_unknown_name_is_refused_with_the_nearest_one_that_is_known() {
    for (line, field, wrong, nearest) in [
        (
            ("amdin", "employees", &["View"] as &[&str]),
            "application",
            "`amdin`",
            "`admin`",
        ),
        (("acd", "skilz", &["View"]), "permission", "`skilz`", "`skills`"),
        (("acd", "skills", &["view"]), "actions", "`view`", "`View`"),
        (("acd", "skills", &["Asign"]), "actions", "`Asign`", "`Assign`"),
    ] {
        let field = format!("spec.permissions[1].{field}");
        refused(
            &write(&[("admin", "employees", &["View"]), line]),
            Reason::UnknownPermission,
            &field,
            &[wrong, nearest, "?"],
        );
    }
    let answer = write(&[("acd", "quite-another-thing", &["View"])]);
    refused(
        &answer,
        Reason::UnknownPermission,
        "spec.permissions[0].permission",
        &["`quite-another-thing`"],
    );
    assert!(!answer.violations[0].message.contains("did you mean"), "{answer:?}");
}

#[test]
fn p7_looking_for_the_nearest_name_costs_no_more_because_a_name_is_long() {
    let long: &'static str = Box::leak("x".repeat(500_000).into_boxed_str());
    let began = std::time::Instant::now();
    let answer = write(&[
        ("acd", long, &["View"]),
        ("acd", "skills", &[long]),
        (long, "x", &["y"]),
    ]);
    assert_eq!(answer.violations.len(), 3);
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}

#[test]
fn p7_one_unknown_permission_leaves_the_others_of_the_role_in_effect() {
    let world = granted(&[("acd", "skilz", &["View"]), ("acd", "skills", &["Edit", "Fly"])]);
    let outcome = world.decide(Kind::Role, "lsp-paris", "scribe");
    assert_eq!(ready(&outcome), ("refused", Reason::UnknownPermission));
    assert_eq!(world.may(DESGAS, "lsp-paris"), [EDIT_SKILLS, DOWNLOAD, VIEW_SKILLS]);
}

#[test]
fn p7_when_the_catalogue_drops_what_a_stored_role_grants_the_grant_sleeps_and_is_reported() {
    let mut world = granted(&[("acd", "skills", &["View", "Edit"])]);
    let mut smaller = acd_catalog();
    smaller.permissions[0].actions.retain(|action| action.name == "View");
    world.catalog("acd", &smaller);
    stalled(
        &world.decide(Kind::Role, "lsp-paris", "scribe"),
        Reason::UnknownPermission,
        "spec.permissions[0].actions",
        &["`Edit`"],
    );
    assert_eq!(world.may(DESGAS, "lsp-paris"), [DOWNLOAD, VIEW_SKILLS]);
    world.catalog("acd", &acd_catalog());
    assert!(world.may(DESGAS, "lsp-paris").contains(&EDIT_SKILLS.to_owned()));
}

#[test]
fn p7_a_catalogue_that_is_deleted_takes_its_grants_along_until_it_is_back() {
    let mut world = granted(&[("acd", "skills", &["View", "Edit"])]);
    world.remove(Kind::PermissionCatalog, &Name::new("", "acd"));
    let outcome = world.decide(Kind::Role, "lsp-paris", "scribe");
    assert_eq!(ready(&outcome), ("pending", Reason::CatalogNotFound));
    let left = world.may(DESGAS, "lsp-paris");
    assert!(
        !left
            .iter()
            .any(|action| [EDIT_SKILLS, VIEW_SKILLS].contains(&action.as_str())),
        "{left:?}"
    );
    world.catalog("acd", &acd_catalog());
    assert!(world.may(DESGAS, "lsp-paris").contains(&EDIT_SKILLS.to_owned()));
}

#[test]
fn p7_the_same_mistake_in_another_permission_is_another_mistake() {
    let world = granted(&[("acd", "skills", &["Edti"])]);
    let spec = role(
        "Public Writer",
        LifecycleState::Active,
        &[("acd", "skills", &["Edti"]), ("admin", "employees", &["Edti"])],
    );
    let answer = world.write_role("lsp-paris", "scribe", spec);
    refused(
        &answer,
        Reason::UnknownPermission,
        "spec.permissions[1].actions",
        &["`Edti`", "employees"],
    );
}
