//! P2, P6 and P8: which catalogues are refused, and what is left of one that got in.

use super::saying::{admitted, ready, refused};
use super::specs::*;
use pimpernel::api::{EmployeeState, LifecycleState, TenantType};
use pimpernel::policy::{Kind, Reason};
use serde_json::json;

const DESGAS: &str = "desgas@lsp-paris.example";

/// An application with one permission that is these rights.
fn handing_out(group: &str, resource: &str, verb: &str) -> pimpernel::api::PermissionCatalogSpec {
    let rules = json!([{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]);
    catalog(json!({"displayName": "Keys", "permissions": [
        {"name": "keys", "actions": [{"name": "Take", "defaultFor": ["administrator"], "rules": rules}]},
        {"name": "harmless", "switch": true},
    ]}))
}

#[test]
fn p8_a_catalogue_that_would_hand_out_the_keys_is_refused() {
    let world = league();
    for (group, resource, verb) in [
        ("", "secrets", "get"),
        ("", "pods/exec", "create"),
        ("", "serviceaccounts/token", "create"),
        ("", "pods", "create"),
        ("", "pods/binding", "create"),
        ("", "namespaces/status", "patch"),
        ("apps", "deployments", "patch"),
        ("batch", "cronjobs", "create"),
        ("rbac.authorization.k8s.io", "rolebindings", "create"),
        ("apps", "*", "get"),
        ("", "nodes", "list"),
        ("lsp.apps.pimpernel.dev", "skills", "impersonate"),
        ("pimpernel.dev", "tenants", "adopt"),
        ("pimpernel.dev", "tenants/commercial", "update"),
    ] {
        let answer = world.write_catalog("keyring", handing_out(group, resource, verb));
        refused(
            &answer,
            Reason::ForbiddenRule,
            "spec.permissions[0]",
            &["`Take`", "leave that rule out"],
        );
    }
    admitted(&world.write_catalog("keyring", handing_out("batch", "jobs", "list")));
    admitted(&world.write_catalog(
        "tenant-management",
        handing_out("pimpernel.dev", "tenants/commercial", "update"),
    ));
}

#[test]
fn p8_one_forbidden_rule_makes_the_whole_catalogue_void() {
    let mut world = league();
    world
        .catalog("keyring", &handing_out("", "secrets", "get"))
        .tenant("lsp-paris", tenant(TenantType::Customer, Some("lsp"), &["keyring"]))
        .role(
            "lsp-paris",
            "scribe",
            role(
                "Public Writer",
                LifecycleState::Active,
                &[("keyring", "keys", &["Take"]), ("keyring", "harmless", &[])],
            ),
        )
        .employee(
            "lsp-paris",
            "sergeant",
            employee(DESGAS, EmployeeState::Active, "scribe", &[]),
        );
    assert_eq!(world.may(DESGAS, "lsp-paris"), [""; 0]);
    assert_eq!(
        ready(&world.decide(Kind::Role, "lsp-paris", "scribe")),
        ("pending", Reason::CatalogNotFound)
    );
    world.catalog("keyring", &handing_out("batch", "jobs", "list"));
    assert_eq!(
        world.may(DESGAS, "lsp-paris"),
        ["list jobs.batch", "use harmless.keyring.apps.pimpernel.dev"]
    );
}

#[test]
fn p2_a_catalogue_that_refers_to_an_action_of_its_own_that_is_not_there_is_refused() {
    let spec = json!({"displayName": "Quality", "permissions": [
        {"name": "forms", "actions": [{"name": "Edit", "implies": ["Veiw"]}, {"name": "View"}]},
    ]});
    let answer = league().write_catalog("qm", catalog(spec));
    refused(
        &answer,
        Reason::InvalidCatalog,
        "spec.permissions",
        &["`qm/forms:Edit`", "`qm/forms:Veiw`"],
    );
}

#[test]
fn p6_two_actions_that_would_be_one_right_are_refused() {
    let spec = json!({"displayName": "Quality", "permissions": [
        {"name": "forms", "actions": [{"name": "View"}, {"name": "VIEW"}]},
    ]});
    let answer = league().write_catalog("qm", catalog(spec));
    refused(&answer, Reason::InvalidCatalog, "spec.permissions[0]", &["`VIEW`"]);
}
