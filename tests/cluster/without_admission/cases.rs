//! What breaks each rule about objects, beside the same mended.

use super::{Case, case};

const SKILLS: &str = "skills.acd.apps.pimpernel.dev";

/// T1, T2, I8: a tenant that cannot stand gives its people nothing and lets nobody in. Each has a role and an Active
/// employee, who would have a right in it.
pub fn tenants() -> Vec<Case> {
    let tenant = |sentence: &str, namespace: &'static str, wrong: &str, mended: &str| {
        let user = format!("clerk@{namespace}.example");
        case(sentence, &format!("Tenant {namespace}/{namespace}"), wrong, mended)
            .given(&format!("Namespace {namespace}"), "{}")
            .given(
                &format!("Role {namespace}/clerk"),
                "{displayName: Clerk, state: Active, permissions: [{application: admin, permission: employees, actions: [View]}]}",
            )
            .given(&format!("Employee {namespace}/clerk"), &format!("{{username: {user}, state: Active, primaryRole: clerk}}"))
            .gives(&user, "list", "employees.pimpernel.dev", namespace)
    };
    let customer = |parent: &str| format!("{{displayName: X, type: Customer, state: Active, parent: {parent}}}");
    vec![
        tenant(
            "T2: a Provider with a parent",
            "t2-provider",
            "{displayName: X, type: Provider, state: Active, parent: lsp}",
            "{displayName: X, type: Provider, state: Active}",
        ),
        tenant(
            "T2: a Customer without a parent",
            "t2-orphan",
            "{displayName: X, type: Customer, state: Active}",
            &customer("lsp"),
        ),
        tenant(
            "T2: a Partner of a Customer",
            "t2-partner",
            "{displayName: X, type: Partner, state: Active, parent: lsp-paris}",
            "{displayName: X, type: Partner, state: Active, parent: lsp}",
        ),
        tenant("T2: its own parent", "t2-self", &customer("t2-self"), &customer("lsp")),
        tenant(
            "T2: a circle of two",
            "t2-circle",
            &customer("t2-other"),
            &customer("lsp"),
        )
        .given("Namespace t2-other", "{}")
        .given("Tenant t2-other/t2-other", &customer("t2-circle")),
        tenant(
            "I8: longer sessions than there are",
            "i8-long",
            "{displayName: X, type: Customer, state: Active, parent: lsp, impersonation: {maxDuration: 25h}}",
            &customer("lsp"),
        ),
        tenant(
            "I8: no length",
            "i8-none",
            "{displayName: X, type: Customer, state: Active, parent: lsp, impersonation: {maxDuration: for ever}}",
            &customer("lsp"),
        ),
        case(
            "T1: not named like its namespace",
            "Tenant lsp-paris/other",
            &customer("lsp"),
            &customer("lsp"),
        ),
        case(
            "T1: in a namespace that cannot be one",
            "Tenant default/default",
            &customer("lsp"),
            &customer("lsp"),
        ),
        case(
            "T1: in the operator's own namespace",
            "Tenant pimpernel-system/pimpernel-system",
            &customer("lsp"),
            &customer("lsp"),
        ),
        case(
            "T1: in the namespace of the sessions",
            "Tenant pimpernel-sessions/pimpernel-sessions",
            &customer("lsp"),
            &customer("lsp"),
        ),
    ]
}

/// P2, P8: a catalogue that cannot stand gives nothing to those whose role names it.
pub fn catalogs() -> Vec<Case> {
    let catalog = |sentence: &str, name: &'static str, action: &str| {
        let wrong = format!("{{displayName: X, permissions: [{{name: ships, actions: [{action}]}}]}}");
        let mended = "{displayName: X, permissions: [{name: ships, actions: [{name: Sail, rules: [{apiGroups: [pimpernel.dev], resources: [employees], verbs: [get]}]}]}]}";
        case(sentence, &format!("PermissionCatalog {name}"), &wrong, mended)
            .given(&format!("Namespace of-{name}"), "{}")
            .given(&format!("Tenant of-{name}/of-{name}"), &format!("{{displayName: X, type: Customer, state: Active, parent: lsp, applications: [{name}]}}"))
            .given(
                &format!("Role of-{name}/sailor"),
                &format!("{{displayName: Sailor, state: Active, permissions: [{{application: {name}, permission: ships, actions: [Sail]}}]}}"),
            )
            .given(&format!("Employee of-{name}/sailor"), &format!("{{username: sailor@{name}.example, state: Active, primaryRole: sailor}}"))
    };
    let rule = |rule: &str| format!("{{name: Sail, rules: [{rule}]}}");
    vec![
        catalog(
            "P8: Secrets",
            "p8-secrets",
            &rule("{apiGroups: [''], resources: [secrets], verbs: [get]}"),
        )
        .never("sailor@p8-secrets.example", "get", "secrets", "of-p8-secrets"),
        catalog(
            "P8: everything",
            "p8-all",
            &rule("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}"),
        )
        .never("sailor@p8-all.example", "delete", "configmaps", "of-p8-all"),
        catalog(
            "P8: RBAC",
            "p8-rbac",
            &rule("{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [escalate]}"),
        )
        .never(
            "sailor@p8-rbac.example",
            "escalate",
            "roles.rbac.authorization.k8s.io",
            "of-p8-rbac",
        ),
        catalog(
            "P2: implies what is not there",
            "p2-dangling",
            "{name: Sail, implies: [Row], rules: [{apiGroups: [pimpernel.dev], resources: [employees], verbs: [get]}]}",
        )
        .gives(
            "sailor@p2-dangling.example",
            "get",
            "employees.pimpernel.dev",
            "of-p2-dangling",
        ),
    ]
}

/// A role of the customer with a right, held by an employee of its own.
fn held(sentence: &str, name: &'static str, head: &str) -> Case {
    let role =
        |head: &str| format!("{{{head}, permissions: [{{application: acd, permission: skills, actions: [Edit]}}]}}");
    let user = format!("{name}@lsp-paris.example");
    case(
        sentence,
        &format!("Role lsp-paris/{name}"),
        &role(head),
        &role(&format!("displayName: Right {name}, state: Active")),
    )
    .given(
        &format!("Employee lsp-paris/{name}"),
        &format!("{{username: {user}, state: Active, primaryRole: {name}}}"),
    )
    .gives(&user, "edit", SKILLS, "lsp-paris")
}

/// R1 to R3, R5, R8.
pub fn roles() -> Vec<Case> {
    vec![
        held("R1: no name", "r1-empty", "displayName: '', state: Active"),
        held(
            "R1: 51 characters",
            "r1-long",
            &format!("displayName: {}, state: Active", "é".repeat(51)),
        ),
        held(
            "R1: a blank before",
            "r1-before",
            "displayName: ' Clerk', state: Active",
        ),
        held(
            "R1: a blank after",
            "r1-after",
            "displayName: \"Clerk\\u00a0\", state: Active",
        ),
        held("R2: a slash", "r2-slash", "displayName: Day/Night, state: Active"),
        held(
            "R2: several of the twelve",
            "r2-several",
            "displayName: '<Day> & \"Night\"', state: Active",
        ),
        held("R1, R2: all at once", "r2-all", "displayName: ' <b>', state: Active"),
        held(
            "R3: reserved",
            "r3-reserved",
            "displayName: impersonated ADMIN, state: Active",
        ),
        held("R3: taken", "r3-taken", "displayName: mONITOR, state: Active"),
        held(
            "R1, R3: too long and reserved",
            "r1-reserved",
            "displayName: 'Impersonated Admin ', state: Active",
        ),
        held(
            "R5: a long description",
            "r5-long",
            &format!("displayName: R5, state: Active, description: {}", "d".repeat(201)),
        ),
        held(
            "R8: Inactive while held",
            "r8-inactive",
            "displayName: R8, state: Inactive",
        ),
        held("R8: Draft while held", "r8-draft", "displayName: R8 Draft"),
    ]
}

/// T4, P1, P7: what cannot be granted is not; what can be is.
pub fn grants() -> Vec<Case> {
    let granting = |sentence: &str, name: &'static str, line: &str| {
        let role = |line: &str| {
            format!(
                "{{displayName: {name}, state: Active, permissions: [{{application: acd, permission: skills, actions: [View]}}, {line}]}}"
            )
        };
        let user = format!("{name}@lsp-paris.example");
        case(
            format!("{sentence}; the rest has effect"),
            &format!("Role lsp-paris/{name}"),
            &role(line),
            &role("{application: acd, permission: skills, actions: [Edit]}"),
        )
        .given(
            &format!("Employee lsp-paris/{name}"),
            &format!("{{username: {user}, state: Active, primaryRole: {name}}}"),
        )
        .gives(&user, "edit", SKILLS, "lsp-paris")
    };
    vec![
        granting(
            "T4: of an application that the tenant has not",
            "t4-other",
            "{application: tenant-management, permission: impersonation, actions: [Support]}",
        ),
        granting(
            "P7: an unknown application",
            "p7-application",
            "{application: acdd, permission: skills, actions: [Edit]}",
        ),
        granting(
            "P7: an unknown permission",
            "p7-permission",
            "{application: acd, permission: skils, actions: [Edit]}",
        ),
        granting(
            "P7: an unknown action",
            "p7-action",
            "{application: acd, permission: skills, actions: [Editt]}",
        ),
        granting(
            "P7: an action in another case",
            "p7-case",
            "{application: acd, permission: skills, actions: [EDIT]}",
        ),
        granting(
            "P7: the verb instead of the action",
            "p7-star",
            "{application: acd, permission: skills, actions: ['*']}",
        ),
        granting("P1: no action", "p1-none", "{application: acd, permission: skills}"),
        granting(
            "P1: an action of a switch",
            "p1-switch",
            "{application: acd, permission: dashboard-queue-counter, actions: [Edit]}",
        ),
        granting(
            "P7: empty words",
            "p7-empty",
            "{application: '', permission: '', actions: ['']}",
        ),
    ]
}

/// E2, E3, E7, E10. The role `team-lead` gives its right to others all the while.
pub fn employees() -> Vec<Case> {
    let employee = |sentence: &str, name: &'static str, wrong: &str| {
        let user = format!("{name}@lsp-paris.example");
        let spec = |rest: &str| format!("{{username: {user}, state: Active, {rest}}}");
        case(
            sentence,
            &format!("Employee lsp-paris/{name}"),
            &spec(wrong),
            &spec("primaryRole: team-lead"),
        )
        .gives(&user, "edit", SKILLS, "lsp-paris")
    };
    let called = |sentence: &str, name: &str, username: &str| {
        let spec = |user: &str| {
            serde_json::json!({"username": user, "state": "Active", "primaryRole": "team-lead"}).to_string()
        };
        let right = format!("{name}@lsp-paris.example");
        let case = case(
            sentence,
            &format!("Employee lsp-paris/{name}"),
            &spec(username),
            &spec(&right),
        )
        .gives(&right, "edit", SKILLS, "lsp-paris");
        // Nobody can be asked about whose name is empty.
        if username.is_empty() {
            case
        } else {
            case.never(username, "edit", SKILLS, "lsp-paris")
        }
    };
    let eleven: Vec<String> = (1..=11).map(|number| format!("{{name: role-{number}}}")).collect();
    vec![
        employee(
            "E2: eleven secondary roles",
            "e2-eleven",
            &format!("primaryRole: team-lead, secondaryRoles: [{}]", eleven.join(", ")),
        ),
        employee(
            "E2: a secondary role twice",
            "e2-twice",
            "primaryRole: team-lead, secondaryRoles: [{name: x}, {name: x, until: 2020-01-01T00:00:00Z}]",
        ),
        employee(
            "E2: the primary role as secondary",
            "e2-primary",
            "primaryRole: team-lead, secondaryRoles: [{name: team-lead}]",
        ),
        employee(
            "E10: a window that ends before it begins",
            "e10-window",
            "primaryRole: team-lead, validFrom: 2036-01-01T00:00:00Z, validUntil: 2020-01-01T00:00:00Z",
        ),
        employee(
            "E3: a Draft role; the rest has effect",
            "e3-draft",
            "primaryRole: e3-drafted",
        )
        .given(
            "Role lsp-paris/e3-drafted",
            "{displayName: E3, permissions: [{application: acd, permission: skills, actions: [Edit]}]}",
        ),
        called(
            "E7: somebody else's user name",
            "e7-taken",
            "CHAUVELIN@lsp-paris.example",
        ),
        called(
            "E7: everybody who has not signed in",
            "e7-anonymous",
            "system:anonymous",
        ),
        called(
            "E7: the controllers of the cluster",
            "e7-controllers",
            "System:kube-controller-manager",
        ),
        called(
            "E7: a session's account",
            "e7-account",
            "system:serviceaccount:pimpernel-sessions:default",
        ),
        called("E7: nobody", "e7-empty", ""),
        called("E7: too long", "e7-long", &"u".repeat(254)),
    ]
}
