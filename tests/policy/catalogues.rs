//! P2, P6 and P8: which catalogues are refused, and what is left of one that got in.

use super::cxone::{BATH, come_to, everything};
use super::saying::{admitted, ready, refused, warned};
use super::specs::*;
use pimpernel::api::{EmployeeState, LifecycleState, Mode, PermissionCatalogSpec, TenantType};
use pimpernel::policy::access::own_of_sessions;
use pimpernel::policy::catalog::Actions;
use pimpernel::policy::{Kind, Name, Reason, explain};
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

const MANAGE: &str = "tenant-management/tenants:Manage";

/// An application in which everybody gets what this implies.
fn implying(action: &str) -> PermissionCatalogSpec {
    catalog(json!({"displayName": "Fleet", "permissions": [
        {"name": "ships", "actions": [{"name": "Row", "implies": [action], "defaultFor": ["agent", "administrator"]}]},
    ]}))
}

/// Tenant Management, with an action of its own that leads on to the keys.
fn leading_on() -> PermissionCatalogSpec {
    let commercial =
        json!([{"apiGroups": ["pimpernel.dev"], "resources": ["tenants/commercial"], "verbs": ["update"]}]);
    catalog(
        json!({"displayName": "Tenant Management", "permissions": [{"name": "tenants", "actions": [
            {"name": "Own", "implies": ["Lead"]},
            {"name": "Lead", "implies": ["Manage"]},
            {"name": "Manage", "implies": ["View"], "rules": commercial},
            {"name": "View"},
        ]}]}),
    )
}

#[test]
fn p8_a_catalogue_cannot_imply_keys_that_another_application_holds() {
    let mut world = everything();
    let answer = world.write_catalog("fleet", implying(MANAGE));
    let says = ["`fleet/ships:Row`", "`tenants/commercial`", MANAGE];
    refused(&answer, Reason::ForbiddenRule, "spec.permissions", &says);
    admitted(&world.write_catalog("fleet", implying("tenant-management/tenants:Edit")));
    admitted(&world.write_catalog("tenant-management", leading_on()));
    world.catalog("tenant-management", &leading_on());
    let own = "tenant-management/tenants:Own";
    let says = ["`fleet/ships:Row`", "`tenants/commercial`", own];
    let answer = world.write_catalog("fleet", implying(own));
    refused(&answer, Reason::ForbiddenRule, "spec.permissions", &says);
    admitted(&world.write_catalog("fleet", implying("tenant-management/tenants:View")));
}

#[test]
fn p8_keys_that_a_stored_catalogue_implies_are_given_to_nobody() {
    let mut world = everything();
    for (management, implied) in [(None, MANAGE), (Some(leading_on()), "tenant-management/tenants:Own")] {
        world.catalog("fleet", &implying(implied));
        if let Some(management) = management {
            world.catalog("tenant-management", &management);
        }
        world.tenant(
            BATH,
            tenant(TenantType::Provider, None, &["fleet", "tenant-management"]),
        );
        assert_eq!(come_to(&world, &["fleet/ships:Row"]).0, ["fleet/ships:Row"]);
        let tenant = world.directory.tenant(BATH).unwrap();
        let own = own_of_sessions(tenant, Mode::Configure, &world.directory);
        let manage = |(own, _): &(Actions, _)| own.iter().any(|action| action.to_string() == MANAGE);
        assert!(!own.iter().any(manage), "{own:?}");
        let says = world.decide(Kind::PermissionCatalog, "", "fleet");
        assert_eq!(ready(&says).1, Reason::ForbiddenRule);
    }
    let all = come_to(&world, &["tenant-management/tenants:Own"]).0;
    assert!(all.contains(&MANAGE.to_owned()), "its own application may: {all:?}");
}

/// An application in which an unrestricted action implies that, and one of its own that is unrestricted or not.
fn free_for_all(implied: &str, unrestricted: bool) -> PermissionCatalogSpec {
    catalog(json!({"displayName": "Fleet", "permissions": [
        {"name": "ships", "unrestricted": true, "actions": [{"name": "Row", "implies": [implied]}]},
        {"name": "quays", "unrestricted": unrestricted, "actions": [{"name": "Moor"}]},
    ]}))
}

#[test]
fn p5_p2_what_is_everybodys_implies_only_what_is_everybodys() {
    let world = everything();
    for implied in ["fleet/quays:Moor", "acd/skills:Edit"] {
        let answer = world.write_catalog("fleet", free_for_all(implied, false));
        let says = ["`fleet/ships:Row` is unrestricted", implied, "do not imply that"];
        refused(&answer, Reason::InvalidCatalog, "spec.permissions", &says);
    }
    admitted(&world.write_catalog("fleet", free_for_all("fleet/quays:Moor", true)));
    admitted(&world.write_catalog("fleet", free_for_all("reporting/data-download-reports:use", false)));
}

#[test]
fn p5_p2_what_a_stored_catalogue_implies_of_everybodys_is_not_followed_and_is_told() {
    let mut world = everything();
    let (row, moor) = ("fleet/ships:Row", "fleet/quays:Moor");
    world.catalog("fleet", &free_for_all(moor, true));
    world.tenant(BATH, tenant(TenantType::Provider, None, &["fleet"]));
    assert_eq!(come_to(&world, &[row]).0, [moor, row]);
    world.catalog("fleet", &free_for_all(moor, false));
    assert_eq!(come_to(&world, &[row]).0, [row]);
    let lines: Lines = &[("fleet", "ships", &["Row"])];
    world.role(BATH, "rower", role("Rower", LifecycleState::Active, lines));
    world.employee(BATH, "desgas", employee(DESGAS, EmployeeState::Active, "rower", &[]));
    let says = world.decide(Kind::PermissionCatalog, "", "fleet");
    assert_eq!(ready(&says).1, Reason::InvalidCatalog);
    let view = explain::role(&Name::new(BATH, "rower"), &world.directory, world.now).unwrap();
    let told: Vec<(String, &str)> = (view.without_effect.iter())
        .map(|(action, why)| (action.to_string(), why.message.as_str()))
        .collect();
    let [(action, message)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(
        action == moor && message.contains("is unrestricted and implies"),
        "{told:?}"
    );
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

#[test]
fn p5_r16_who_takes_an_action_from_everybody_is_told_which_roles_keep_it() {
    let mut world = league();
    let lines: Lines = &[("acd", "data-download", &[])];
    let mut restricted = acd_catalog();
    for permission in &mut restricted.permissions {
        permission.unrestricted = false;
    }
    admitted(&world.write_catalog("acd", restricted.clone()));
    world.role("lsp-paris", "scribe", role("Scribe", LifecycleState::Draft, lines));
    warned(
        &world.write_catalog("acd", restricted.clone()),
        &["`acd/data-download:use` is no longer everybody's", "`lsp-paris/scribe`"],
    );
    admitted(&world.write_catalog("acd", acd_catalog()));
    world.catalog("acd", &restricted);
    admitted(&world.write_catalog("acd", restricted));
}

/// What was taken from everybody, of which some role gives `gives`; or nothing, if that is empty.
fn told_of(lines: Lines, gives: &str) {
    let spec = |unrestricted: bool| {
        catalog(json!({"displayName": "Fleet", "permissions": [
            {"name": "sails", "unrestricted": unrestricted, "actions": [{"name": "Set"}, {"name": "Mend"}, {"name": "View"}]},
            {"name": "ships", "actions": [{"name": "Row", "implies": ["fleet/sails:View"]}, {"name": "View"},
                {"name": "Steer", "implies": ["Row"], "requires": ["fleet/ships:View"]}]},
        ]}))
    };
    let mut world = league();
    world
        .catalog("fleet", &spec(true))
        .role("lsp-paris", "bosun", role("Bosun", LifecycleState::Draft, lines));
    let answer = world.write_catalog("fleet", spec(false));
    admitted(&answer);
    if gives.is_empty() {
        return assert_eq!(answer.warnings, [""; 0], "{lines:?}");
    }
    let said = format!("{gives}: `lsp-paris/bosun`; see that ");
    let fits = answer.warnings.iter().any(|warning| warning.starts_with(&said));
    assert!(fits, "{said} in {:?}", answer.warnings);
}

#[test]
fn p5_r16_of_what_is_taken_from_everybody_only_that_is_named_which_a_role_gives() {
    let cases: [(Lines, &str); 7] = [
        (&[("fleet", "ships", &["View"])], ""),
        (
            &[("fleet", "sails", &["Mend"])],
            "`fleet/sails:Mend` is no longer everybody's, but of those whose roles give it",
        ),
        (
            &[("fleet", "sails", &["Mend", "Set"])],
            "`fleet/sails:Mend`, `fleet/sails:Set` are no longer everybody's, but of those whose roles give one of them",
        ),
        (
            &[("fleet", "ships", &["Row"])],
            "`fleet/sails:View` is no longer everybody's, but of those whose roles give it",
        ),
        (
            &[("fleet", "ships", &["Steer", "View"])],
            "`fleet/sails:View` is no longer everybody's, but of those whose roles give it",
        ),
        (
            &[("fleet", "sails", &["Set"]), ("fleet", "ships", &["Row"])],
            "`fleet/sails:Set`, `fleet/sails:View` are no longer everybody's, but of those whose roles give one of them",
        ),
        (&[("acd", "skills", &["Edit"])], ""),
    ];
    for (lines, gives) in cases {
        told_of(lines, gives);
    }
}
