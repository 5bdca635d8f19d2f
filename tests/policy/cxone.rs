//! The catalogues that come with Pimpernel, beside a table of what the product offers: every permission is there, from the
//! factory each role has what the table says, and every dependency of the product holds.

use super::saying::admitted;
use super::specs::*;
use super::world::World;
use pimpernel::api::{PermissionCatalog, PermissionCatalogSpec, PermissionSpec, TenantType};
use pimpernel::artifacts::CATALOGS;
use pimpernel::policy::access::{Line, granted, unrestricted};
use pimpernel::policy::catalog::{Action, grantable, parse};
use pimpernel::policy::{Reason, default_roles};
use std::collections::{BTreeMap, BTreeSet};

const ROWS: &str = include_str!("cxone.txt");
pub const BATH: &str = "bath";

/// One permission of the product.
struct Row {
    number: usize,
    application: &'static str,
    category: &'static str,
    display_name: &'static str,
    /// The actions, and the letters of the out-of-the-box roles that have them.
    actions: Vec<(&'static str, &'static str)>,
}

fn rows() -> Vec<Row> {
    let lines = ROWS.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let [number, application, category, display_name, actions] =
            line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        Row {
            number: number.parse().unwrap(),
            application,
            category,
            display_name,
            actions: (actions.split(' '))
                .map(|action| action.split_once(':').unwrap_or((action, "")))
                .collect(),
        }
    };
    lines.map(row).collect()
}

impl Row {
    /// In lower case, joined by `-`. A widget is told from what it shows.
    fn name(&self) -> String {
        let words = self.display_name.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        let widget = if self.category == "Dashboard Widgets" {
            "dashboard-"
        } else {
            ""
        };
        format!("{widget}{}", words.join("-"))
    }
}

/// What no table of the product lists: our own kinds, and data that no role limits.
const OURS: [&str; 6] = [
    "admin/api-access:use",
    "admin/change-history:View",
    "admin/impersonations:View",
    "admin/role-management:Delete",
    "reporting/data-download-reports:use",
    "reporting/direct-data-access-reports:use",
];

fn wire() -> BTreeMap<String, PermissionCatalogSpec> {
    let read = |(name, text): &(&str, &str)| {
        let catalog: PermissionCatalog = serde_yaml::from_str(text).unwrap();
        assert_eq!(catalog.metadata.name.as_deref(), Some(*name));
        ((*name).to_owned(), catalog.spec)
    };
    CATALOGS.iter().map(read).collect()
}

pub fn with(applications: &[&str]) -> World {
    let mut world = World::empty(true);
    for (name, spec) in wire() {
        world.catalog(&name, &spec);
    }
    world.tenant(BATH, tenant(TenantType::Provider, None, applications));
    world
}

pub fn everything() -> World {
    let names = wire();
    with(&names.keys().map(String::as_str).collect::<Vec<_>>())
}

/// `acd/skills:Edit` as a line of a role.
fn line(action: &str) -> Line {
    let (application, rest) = action.split_once('/').unwrap();
    let (permission, action) = rest.split_once(':').unwrap();
    Line {
        application: application.to_owned(),
        permission: permission.to_owned(),
        actions: vec![action.to_owned()],
    }
}

/// What these come to in the tenant, and what is said of those without effect.
pub fn come_to(world: &World, actions: &[&str]) -> (Vec<String>, Vec<Reason>) {
    let lines: Vec<Line> = actions.iter().map(|action| line(action)).collect();
    let granted = granted(&lines, world.directory.tenant(BATH), &world.directory);
    let said = granted.violations.iter().map(|violation| violation.reason);
    let said = said.chain(granted.pending.iter().map(|(reason, _)| *reason));
    (
        granted.actions.iter().map(ToString::to_string).collect(),
        said.collect(),
    )
}

#[test]
fn p1_every_permission_of_the_product_is_in_the_catalogue_of_the_application_whose_licence_brings_it() {
    let rows = rows();
    assert_eq!(
        rows.iter().map(|row| row.number).collect::<Vec<_>>(),
        (1..=139).collect::<Vec<_>>()
    );
    let catalogs = wire();
    let mut listed = BTreeSet::new();
    for row in &rows {
        let (name, number) = (row.name(), row.number);
        let here = |permission: &&PermissionSpec| permission.name == name;
        let found = catalogs[row.application].permissions.iter().find(here);
        let permission = found.unwrap_or_else(|| panic!("{number}: {}/{name} is missing", row.application));
        assert_eq!(permission.display_name.as_deref(), Some(row.display_name), "{number}");
        assert_eq!(permission.category.as_deref(), Some(row.category), "{number}");
        listed.extend(
            row.actions
                .iter()
                .map(|(action, _)| Action::new(row.application, &name, action)),
        );
    }
    let ours: BTreeSet<&str> = OURS.into_iter().collect();
    let management = |action: &&Action| action.application() == "tenant-management";
    let world = everything();
    let all = catalogs
        .keys()
        .flat_map(|name| world.directory.catalog(name).unwrap().actions.keys());
    let rest: BTreeSet<String> = all
        .filter(|action| !management(action) && !ours.contains(&*action.to_string()))
        .map(ToString::to_string)
        .collect();
    assert_eq!(rest, listed.iter().map(ToString::to_string).collect());
}

#[test]
fn p6_each_catalogue_stands_beside_the_others_and_the_operator_gets_what_it_grants_by_name() {
    let world = everything();
    for (name, spec) in wire() {
        let catalog = parse(&name, &spec).unwrap();
        admitted(&world.write_catalog(&name, spec));
        let rules = grantable(&catalog);
        let file = format!("{}/rbac/catalog-{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).unwrap();
        for rule in &rules {
            assert!(
                text.contains(&format!("- {}\n", rule.resource)),
                "{name}: {}",
                rule.resource
            );
        }
        assert!(!text.contains('*'), "{name}");
    }
}

#[test]
fn r12_the_four_roles_have_from_the_factory_what_the_table_gives_them() {
    let world = everything();
    let tenant = world.directory.tenant(BATH).unwrap();
    for (role, letter) in [
        ("agent", 'a'),
        ("manager", 'm'),
        ("evaluator", 'e'),
        ("administrator", '*'),
    ] {
        let spec = default_roles::from_factory(role, tenant, &world.directory).unwrap();
        let given = spec.permissions.iter().flat_map(|grant| {
            let switch = ["use".to_owned()];
            let actions = if grant.actions.is_empty() {
                switch.to_vec()
            } else {
                grant.actions.clone()
            };
            let id = |action: &String| Action::new(&grant.application, &grant.permission, action).to_string();
            actions.iter().map(id).collect::<Vec<_>>()
        });
        let ours = |action: &String| OURS.contains(&action.as_str()) || action.starts_with("tenant-management/");
        let given: BTreeSet<String> = given.filter(|action| !ours(action)).collect();
        let listed = rows().into_iter().flat_map(|row| {
            let name = row.name();
            let has = move |marks: &str| letter == '*' || marks.contains(letter);
            let actions = row.actions.into_iter().filter(move |(_, marks)| has(marks));
            let id = move |(action, _)| Action::new(row.application, &name, action).to_string();
            actions.map(id).collect::<Vec<_>>()
        });
        assert_eq!(given, listed.collect(), "{role}");
        assert_eq!(come_to_of(&world, &given).1, [], "{role}: all of it has effect");
    }
}

fn come_to_of(world: &World, actions: &BTreeSet<String>) -> (Vec<String>, Vec<Reason>) {
    come_to(world, &actions.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn r12_the_evaluator_comes_with_quality_management_alone() {
    let evaluator = |applications: &[&str]| {
        let world = with(applications);
        let tenant = world.directory.tenant(BATH).unwrap();
        default_roles::from_factory("evaluator", tenant, &world.directory)
    };
    assert_eq!(evaluator(&["acd"]), None);
    assert_eq!(evaluator(&["acd", "qm"]).unwrap().display_name, "Evaluator");
}

#[test]
fn r12_what_requires_an_application_that_the_tenant_has_not_is_left_out() {
    let widget = |applications: &[&str]| {
        let world = with(applications);
        let tenant = world.directory.tenant(BATH).unwrap();
        let manager = default_roles::from_factory("manager", tenant, &world.directory).unwrap();
        manager
            .permissions
            .iter()
            .any(|grant| grant.permission == "dashboard-queue-counter")
    };
    assert!(!widget(&["acd"]), "it would have no effect");
    assert!(widget(&["acd", "dashboard"]));
}

/// What is granted, and what that comes to: nothing, if something is missing.
const DEPENDENCIES: &[(&str, &[&str], &[&str])] = &[
    (
        "PD1: Edit selects View",
        &["acd/tags:Edit"],
        &["acd/tags:Edit", "acd/tags:View"],
    ),
    (
        "PD4: Admin includes Edit, which includes View",
        &["analytics/analytics-access:Admin"],
        &[
            "analytics/analytics-access:Admin",
            "analytics/analytics-access:Edit",
            "analytics/analytics-access:View",
        ],
    ),
    (
        "PD5: searching switches both views of evaluations on",
        &["interactions-hub/search-interactions:use"],
        &[
            "interactions-hub/search-interactions:use",
            "qm/view-evaluations:Evaluators",
            "qm/view-evaluations:Scores",
        ],
    ),
    (
        "PD6: recordings need Play Any",
        &["interactions-hub/can-access-cxone-recordings:use"],
        &[],
    ),
    (
        "PD6: with it they have effect",
        &[
            "interactions-hub/can-access-cxone-recordings:use",
            "interactions-hub/can-play-download-recordings:PlayAny",
        ],
        &[
            "interactions-hub/can-access-cxone-recordings:use",
            "interactions-hub/can-play-download-recordings:PlayAny",
        ],
    ),
    (
        "PD6: Download brings Play Any",
        &["interactions-hub/can-play-download-recordings:Download"],
        &[
            "interactions-hub/can-play-download-recordings:Download",
            "interactions-hub/can-play-download-recordings:PlayAny",
        ],
    ),
    (
        "PD9: Edit does not open the users of a skill",
        &["acd/skills:Edit"],
        &["acd/skills:Edit", "acd/skills:View"],
    ),
    (
        "PD9: Assign opens them, and not the rest",
        &["acd/skills:Assign", "admin/employees:View"],
        &["acd/skills:Assign", "acd/skills:View", "admin/employees:View"],
    ),
    (
        "PD10: the intraday manager needs Dashboard",
        &["wfm/intraday-manager:use"],
        &[],
    ),
    (
        "PD10: with it it has effect",
        &["wfm/intraday-manager:use", "dashboard/dashboard:View"],
        &["dashboard/dashboard:View", "wfm/intraday-manager:use"],
    ),
    (
        "a template of Dashboard needs it",
        &["dashboard/change-audit-report:use"],
        &[],
    ),
    (
        "what is on a telephone needs access from it",
        &["engagement-manager/schedule:use"],
        &[],
    ),
];

#[test]
fn p2_p3_every_dependency_of_the_product_holds() {
    let world = everything();
    for (what, given, effect) in DEPENDENCIES {
        let (actions, said) = come_to(&world, given);
        assert_eq!(actions, *effect, "{what}");
        assert_eq!(
            said.contains(&Reason::RequirementMissing),
            effect.is_empty(),
            "{what}: {said:?}"
        );
    }
    let (without, _) = come_to(
        &with(&["interactions-hub"]),
        &["interactions-hub/search-interactions:use"],
    );
    assert_eq!(
        without,
        ["interactions-hub/search-interactions:use"],
        "PD5: views of evaluations come with QM"
    );
}

/// PD3, PD7, PD8 and PD11: for whole groups.
#[test]
fn p2_p3_what_the_product_says_of_groups_holds_of_each_in_them() {
    let (world, rows) = (everything(), rows());
    let (mut views, mut reports, mut widgets) = (0, 0, 0);
    for row in &rows {
        let id = |action: &str| format!("{}/{}:{action}", row.application, row.name());
        if row.actions.iter().any(|(action, _)| *action == "View") {
            for (action, _) in &row.actions {
                let given = [id(action), "admin/employees:View".to_owned()];
                let (effect, _) = come_to_of(&world, &given.into());
                assert!(effect.contains(&id("View")), "PD3: {} implies View", id(action));
                views += 1;
            }
        }
        let prerequisite = match row.category {
            "BI Reports" => {
                reports += 1;
                "reporting/report-viewer:use"
            }
            "Dashboard Widgets" | "Widgets" => {
                widgets += 1;
                "dashboard/dashboard:View"
            }
            _ => continue,
        };
        let alone = come_to(&world, &[&id("use")]);
        assert_eq!(alone, (vec![], vec![Reason::RequirementMissing]), "{}", id("use"));
        let (both, said) = come_to(&world, &[&id("use"), prerequisite]);
        assert_eq!(
            (both.len(), said.len()),
            (2, 0),
            "PD7, PD8: {} with {prerequisite}",
            id("use")
        );
    }
    assert_eq!((reports, widgets), (28, 11));
    assert!(views > 150, "{views}");
}

#[test]
fn p5_three_kinds_of_data_are_everybodys() {
    let world = everything();
    let free = unrestricted(world.directory.tenant(BATH).unwrap(), &world.directory);
    let free: Vec<String> = free.iter().map(ToString::to_string).collect();
    let kinds = [
        "admin/api-access:use",
        "reporting/data-download-reports:use",
        "reporting/direct-data-access-reports:use",
    ];
    assert_eq!(free, kinds);
}
