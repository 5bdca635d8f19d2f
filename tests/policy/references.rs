//! P2, P3 and P7: what actions of a catalogue may say of each other, and of those of other catalogues.

use super::cxone::{BATH, come_to, everything};
use super::saying::{admitted, refused};
use super::specs::*;
use pimpernel::api::{PermissionCatalogSpec, TenantType};
use pimpernel::policy::{Name, Reason, catalog as policy};
use serde_json::json;

/// An application in which each action says that of the next ones.
fn saying(verb: &str, edges: &[(&str, &[&str])]) -> PermissionCatalogSpec {
    let action = |(name, next): &(&str, &[&str])| json!({"name": name, verb: next});
    let actions: Vec<_> = edges.iter().map(action).collect();
    catalog(json!({"displayName": "Fleet", "permissions": [{"name": "ships", "actions": actions}]}))
}

#[test]
fn p2_p3_a_catalogue_whose_actions_lead_back_to_themselves_is_refused() {
    for verb in ["implies", "requires"] {
        let round: &[(&str, &[&str])] = &[
            ("Row", &["Sail"]),
            ("Sail", &["Moor"]),
            ("Moor", &["Row"]),
            ("View", &[]),
        ];
        let says = [
            "`fleet/ships:Moor`, `fleet/ships:Row`, `fleet/ships:Sail`, `fleet/ships:Moor`",
            verb,
        ];
        let answer = everything().write_catalog("fleet", saying(verb, round));
        refused(&answer, Reason::InvalidCatalog, "spec.permissions", &says);
        let itself = saying(verb, &[("Row", &["Row"])]);
        let answer = everything().write_catalog("fleet", itself);
        refused(
            &answer,
            Reason::InvalidCatalog,
            "spec.permissions",
            &["`fleet/ships:Row`, `fleet/ships:Row`"],
        );
        let twice: &[(&str, &[&str])] = &[
            ("Row", &["Moor", "View"]),
            ("Sail", &["Row", "Moor"]),
            ("Moor", &["View"]),
            ("View", &[]),
        ];
        admitted(&everything().write_catalog("fleet", saying(verb, twice)));
    }
}

#[test]
fn p2_p3_a_catalogue_refers_only_to_what_others_that_are_there_have() {
    let world = everything();
    for (reference, says) in [
        (
            "acd/skils:View",
            "`acd/skils:View` does not exist: did you mean `acd/skills:View`?",
        ),
        ("acd/skills", "write it as application/permission:Action"),
        ("acd/skills:View:Edit", "write it as application/permission:Action"),
    ] {
        for verb in ["implies", "requires"] {
            let answer = world.write_catalog("fleet", saying(verb, &[("Row", &[reference])]));
            refused(
                &answer,
                Reason::InvalidCatalog,
                "spec.permissions",
                &["`fleet/ships:Row`", says],
            );
        }
    }
    admitted(&world.write_catalog("fleet", saying("requires", &[("Row", &["acd/skills:View"])])));
    admitted(&world.write_catalog("fleet", saying("requires", &[("Row", &["harbour/quays:View"])])));
}

#[test]
fn p7_what_another_catalogue_loses_is_told_and_takes_nothing_but_itself() {
    let mut world = everything();
    world.catalog(
        "fleet",
        &saying("implies", &[("Row", &["acd/skills:View"]), ("Sail", &[])]),
    );
    world.tenant(BATH, tenant(TenantType::Provider, None, &["fleet", "acd"]));
    let (before, _) = come_to(&world, &["fleet/ships:Row"]);
    assert_eq!(before, ["acd/skills:View", "fleet/ships:Row"]);
    world.catalog("acd", &catalog(json!({"displayName": "ACD"})));
    let (after, said) = come_to(&world, &["fleet/ships:Row", "acd/skills:View"]);
    assert_eq!(
        (after, said),
        (vec!["fleet/ships:Row".to_owned()], vec![Reason::UnknownPermission])
    );
    let name = Name::new("", "fleet");
    let entry = world.directory.catalog_entry(&name).unwrap();
    let decision = policy::decide("fleet", entry, &world.directory);
    let told = format!("{:?}", decision.standing);
    assert!(
        told.contains("InvalidCatalog") && told.contains("acd/skills:View"),
        "{told}"
    );
}
