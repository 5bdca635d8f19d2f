//! Wire specs, and the league: a provider, a partner and two customers, with names that cannot be mistaken for each other.

#![allow(dead_code, reason = "each test target uses a part of it")]

use super::world::World;
use pimpernel::api::{
    Duration, EmployeeSpec, EmployeeState, Grant, ImpersonationSpec, LifecycleState, Mode, PermissionCatalogSpec,
    RoleSpec, SecondaryRole, TenantSpec, TenantType,
};
use serde_json::{Value, json};

/// Which permissions, as application, permission, actions.
pub type Lines<'a> = &'a [(&'a str, &'a str, &'a [&'a str])];

pub const PERCY: &str = "percy@classics.example";
pub const MARGUERITE: &str = "marguerite@lsp.example";
pub const TONY: &str = "tony@lsp.example";
pub const CHAUVELIN: &str = "chauvelin@lsp-paris.example";

pub const VIEW_EMPLOYEES: &str = "list employees.pimpernel.dev";
pub const EDIT_EMPLOYEES: &str = "patch employees.pimpernel.dev";
pub const VIEW_SKILLS: &str = "view skills.acd.apps.pimpernel.dev";
pub const EDIT_SKILLS: &str = "edit skills.acd.apps.pimpernel.dev";
pub const ASSIGN_SKILLS: &str = "assign skills.acd.apps.pimpernel.dev";
pub const COUNTER: &str = "use queue-counter.acd.apps.pimpernel.dev";
pub const DOWNLOAD: &str = "use data-download.acd.apps.pimpernel.dev";

pub fn catalog(spec: Value) -> PermissionCatalogSpec {
    serde_json::from_value(spec).unwrap()
}

pub fn tenant(type_: TenantType, parent: Option<&str>, applications: &[&str]) -> TenantSpec {
    let mut spec: TenantSpec =
        serde_json::from_value(json!({"displayName": "A Tenant", "type": "Provider", "state": "Active"})).unwrap();
    spec.type_ = type_;
    spec.parent = parent.map(str::to_owned);
    spec.applications = applications.iter().map(|&a| a.to_owned()).collect();
    spec
}

/// Like [`tenant`], for people called `display_name`.
pub fn called(mut spec: TenantSpec, display_name: &str) -> TenantSpec {
    display_name.clone_into(&mut spec.display_name);
    spec
}

pub fn role(display_name: &str, state: LifecycleState, lines: Lines) -> RoleSpec {
    let grants = lines.iter().map(|(application, permission, actions)| Grant {
        application: (*application).to_owned(),
        permission: (*permission).to_owned(),
        actions: actions.iter().map(|&a| a.to_owned()).collect(),
    });
    RoleSpec {
        display_name: display_name.to_owned(),
        description: None,
        state,
        permissions: grants.collect(),
    }
}

pub fn employee(username: &str, state: EmployeeState, primary: &str, secondary: &[&str]) -> EmployeeSpec {
    let secondary = secondary.iter().map(|&name| SecondaryRole {
        name: name.to_owned(),
        until: None,
    });
    EmployeeSpec {
        username: username.to_owned(),
        first_name: None,
        last_name: None,
        email: None,
        team: None,
        state,
        primary_role: primary.to_owned(),
        secondary_roles: secondary.collect(),
        valid_from: None,
        valid_until: None,
    }
}

/// An hour in `mode` for `impersonator`.
pub fn session(mode: Mode, impersonator: &str) -> ImpersonationSpec {
    ImpersonationSpec {
        mode,
        impersonator: impersonator.to_owned(),
        reason: "Chauvelin cannot save his outbound skill".to_owned(),
        ticket: None,
        duration: None,
        not_after: None,
        stop: false,
    }
}

pub fn lasting(mut spec: ImpersonationSpec, duration: &str) -> ImpersonationSpec {
    spec.duration = Some(Duration::new(duration));
    spec
}

pub fn admin_catalog() -> PermissionCatalogSpec {
    let employees =
        |verbs: &[&str]| json!([{"apiGroups": ["pimpernel.dev"], "resources": ["employees"], "verbs": verbs}]);
    catalog(json!({
        "displayName": "Administration",
        "landingPages": [{"mode": "Support", "page": "Employees", "path": "/admin/employees"}],
        "permissions": [
            {"name": "employees", "actions": [
                {"name": "View", "defaultFor": ["administrator"], "rules": employees(&["get", "list", "watch"])},
                {"name": "Edit", "implies": ["View"], "defaultFor": ["administrator"], "rules": employees(&["update", "patch"])},
            ]},
            {"name": "audit-report", "switch": true, "defaultFor": ["manager"]},
            {"name": "role-impersonation", "actions": [{"name": "Respond", "sessions": [], "rules": [
                {"apiGroups": ["pimpernel.dev"], "resources": ["impersonationconsents"], "verbs": ["create"]}]}]},
        ],
    }))
}

pub fn management_catalog() -> PermissionCatalogSpec {
    catalog(json!({
        "displayName": "Tenant Management",
        "permissions": [{"name": "impersonation", "actions": [
            {"name": "Configure", "defaultFor": ["administrator"], "sessions": []},
            {"name": "Support", "defaultFor": ["administrator"], "sessions": []},
        ]}],
    }))
}

pub fn acd_catalog() -> PermissionCatalogSpec {
    catalog(json!({
        "displayName": "Omnichannel Routing",
        "landingPages": [{"mode": "Configure", "page": "Internal Admin > Business Units", "path": "/acd/business-units"}],
        "permissions": [
            {"name": "skills", "actions": [
                {"name": "View", "defaultFor": ["administrator"]},
                {"name": "Edit", "implies": ["View"], "defaultFor": ["administrator"]},
                {"name": "Assign", "implies": ["View"], "requires": ["admin/employees:View"], "sessions": ["Support"]},
            ]},
            {"name": "queue-counter", "switch": true, "requires": ["acd/skills:View"]},
            {"name": "data-download", "switch": true, "unrestricted": true},
        ],
    }))
}

/// The league: Classics, Inc. above LSP above LSP Paris (with ACD) and LSP Lyon (without).
pub fn league() -> World {
    league_where(true)
}

/// The same, where impersonation is allowed in the whole cluster or not.
pub fn league_where(impersonation: bool) -> World {
    let mut world = World::empty(impersonation);
    let provider = tenant(TenantType::Provider, None, &["tenant-management"]);
    let partner = tenant(TenantType::Partner, Some("classics"), &["tenant-management", "acd"]);
    let customer = |applications: &[&str]| tenant(TenantType::Customer, Some("lsp"), applications);
    world
        .catalog("admin", &admin_catalog())
        .catalog("tenant-management", &management_catalog())
        .catalog("acd", &acd_catalog())
        .tenant("classics", called(provider, "Classics, Inc."))
        .tenant("lsp", called(partner, "League of the Scarlet Pimpernel"))
        .tenant("lsp-paris", called(customer(&["acd"]), "The Paris Office"))
        .tenant("lsp-lyon", called(customer(&[]), "The Lyon Office"));
    staff_above(&mut world);
    staff_of_paris(&mut world);
    world
}

fn staff_above(world: &mut World) {
    let entering = |name, actions: &[&str]| {
        let lines: Lines = &[("tenant-management", "impersonation", actions)];
        role(name, LifecycleState::Active, lines)
    };
    let active = |username, primary| employee(username, EmployeeState::Active, primary, &[]);
    world
        .role(
            "classics",
            "internal-admin",
            entering("Insider", &["Configure", "Support"]),
        )
        .role("lsp", "support-rep", entering("Home Office Help", &["Support"]))
        .role("lsp", "setup-rep", entering("Home Office Setup", &["Configure"]))
        .employee("classics", "p-blakeney", active(PERCY, "internal-admin"))
        .employee("lsp", "m-blakeney", active(MARGUERITE, "support-rep"))
        .employee("lsp", "a-dewhurst", active(TONY, "setup-rep"));
}

fn staff_of_paris(world: &mut World) {
    use LifecycleState::{Active, Draft, Inactive};
    let lead: Lines = &[("admin", "employees", &["View"]), ("acd", "skills", &["View"])];
    let edit: Lines = &[("acd", "skills", &["Edit"])];
    world
        .role("lsp-paris", "team-lead", role("Monitor in Chief", Active, lead))
        .role("lsp-paris", "evaluator", role("Quality Judge", Active, edit))
        .role("lsp-paris", "trainee", role("Apprentice", Draft, edit))
        .role("lsp-paris", "veteran", role("Old Hand", Inactive, edit))
        .employee(
            "lsp-paris",
            "citizen",
            employee(CHAUVELIN, EmployeeState::Active, "team-lead", &[]),
        );
}
