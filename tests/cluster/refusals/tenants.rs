//! T1 to T4: names, types, parents, states and applications of tenants.

use super::{Row, row};

/// All of it.
pub fn rows() -> Vec<Row> {
    [names(), parents(), hierarchy(), states(), fields()].concat()
}

fn names() -> Vec<Row> {
    let customer = "{displayName: Dover, type: Customer, parent: lsp}";
    let mut rows = vec![
        row("T1: a tenant has the name of its namespace")
            .given("Namespace lsp-dover", "{}")
            .wrong("Tenant lsp-dover/dover", customer)
            .says("metadata.name: `dover` is not the name of its namespace; name the tenant `lsp-dover`")
            .right("Tenant lsp-dover/lsp-dover", customer),
        row("T1: there is no second tenant in a namespace")
            .wrong("Tenant lsp-paris/lsp-paris-2", customer)
            .says("metadata.name: `lsp-paris-2` is not the name of its namespace"),
    ];
    for namespace in [
        "default",
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "pimpernel-system",
        "pimpernel-sessions",
    ] {
        rows.push(
            row(format!("T1: `{namespace}` cannot be a tenant"))
                .wrong(&format!("Tenant {namespace}/{namespace}"), customer)
                .says(format!("metadata.namespace: `{namespace}` cannot be a tenant")),
        );
    }
    rows
}

fn parents() -> Vec<Row> {
    let paris = |rest: &str| {
        format!(
            "{{displayName: LSP Paris, state: Active, applications: [acd], impersonation: {{maxDuration: 4h}}, {rest}}}"
        )
    };
    vec![
        row("T2: a tenant is Provider, Partner or Customer")
            .given("Namespace lsp-rouen", "{}")
            .wrong(
                "Tenant lsp-rouen/lsp-rouen",
                "{displayName: Rouen, type: Vendor, parent: lsp}",
            )
            .says("spec.type: Unsupported value: \"Vendor\"")
            .right(
                "Tenant lsp-rouen/lsp-rouen",
                "{displayName: Rouen, type: Customer, parent: lsp}",
            ),
        row("T2: a Provider has no parent")
            .given("Namespace rivals", "{}")
            .wrong(
                "Tenant rivals/rivals",
                "{displayName: Rivals, type: Provider, parent: classics}",
            )
            .says("spec.parent")
            .says("a Provider has no parent: remove `parent`")
            .right("Tenant rivals/rivals", "{displayName: Rivals, type: Provider}"),
        row("T2: a Customer has a parent")
            .given("Namespace lsp-brest", "{}")
            .wrong("Tenant lsp-brest/lsp-brest", "{displayName: Brest, type: Customer}")
            .says("spec.parent")
            .says("a Customer has a parent: name the tenant above it in `parent`")
            .right(
                "Tenant lsp-brest/lsp-brest",
                "{displayName: Brest, type: Customer, parent: lsp-paris}",
            ),
        row("T2: a Partner has a parent")
            .given("Namespace league-two", "{}")
            .wrong(
                "Tenant league-two/league-two",
                "{displayName: League Two, type: Partner}",
            )
            .says("a Partner has a parent")
            .right(
                "Tenant league-two/league-two",
                "{displayName: League Two, type: Partner, parent: lsp}",
            ),
        row("T2: a Partner's parent is a Provider or a Partner")
            .given("Namespace lsp-lille", "{}")
            .wrong(
                "Tenant lsp-lille/lsp-lille",
                "{displayName: Lille, type: Partner, parent: lsp-paris}",
            )
            .says("spec.parent: `lsp-paris` is a Customer")
            .right(
                "Tenant lsp-lille/lsp-lille",
                "{displayName: Lille, type: Partner, parent: classics}",
            ),
        row("T2: the type cannot change")
            .wrong("Tenant lsp-paris/lsp-paris", &paris("type: Partner, parent: lsp"))
            .says("spec.type")
            .says("the type of a tenant cannot change"),
        row("T2: the parent cannot change")
            .wrong("Tenant lsp-paris/lsp-paris", &paris("type: Customer, parent: classics"))
            .says("spec.parent")
            .says("the parent of a tenant cannot change")
            .right(
                "Tenant lsp-paris/lsp-paris",
                &paris("type: Customer, parent: lsp, brandingProfile: scarlet"),
            ),
        row("T2: the parent cannot be taken away, not even with the type")
            .wrong("Tenant lsp-paris/lsp-paris", &paris("type: Provider"))
            .says("the parent of a tenant cannot change")
            .says("the type of a tenant cannot change"),
        row("T2: a parent that does not exist is pending, not refused")
            .given("Namespace early", "{}")
            .right(
                "Tenant early/early",
                "{displayName: Early, type: Customer, parent: late}",
            )
            .warns("the parent `late` does not exist yet"),
    ]
}

fn hierarchy() -> Vec<Row> {
    let below = |parent: &str| format!("{{displayName: Level, type: Customer, parent: {parent}}}");
    let mut deep = row("T2: there are at most eight levels")
        .given("Namespace level-1", "{}")
        .given("Tenant level-1/level-1", "{displayName: Top, type: Provider}");
    for level in 2..=7 {
        deep = deep.given(&format!("Namespace level-{level}"), "{}").given(
            &format!("Tenant level-{level}/level-{level}"),
            &below(&format!("level-{}", level - 1)),
        );
    }
    vec![
        row("T2: a tenant is not its own parent")
            .given("Namespace ouroboros", "{}")
            .wrong("Tenant ouroboros/ouroboros", &below("ouroboros"))
            .says("spec.parent")
            .says("form a circle: `ouroboros` → `ouroboros`"),
        row("T2: two tenants are not above each other")
            .given("Namespace hen", "{}")
            .given("Namespace egg", "{}")
            .given("Tenant hen/hen", &below("egg"))
            .wrong("Tenant egg/egg", &below("hen"))
            .says("form a circle: `egg` → `hen` → `egg`")
            .right("Tenant egg/egg", &below("lsp")),
        deep.given("Namespace level-8", "{}")
            .right("Tenant level-8/level-8", &below("level-7")),
        row("T2: there is no ninth level")
            .given("Namespace level-9", "{}")
            .wrong("Tenant level-9/level-9", &below("level-8"))
            .says("more than 8 levels of tenants: `level-9` → `level-8`")
            .right("Tenant level-9/level-9", &below("level-7")),
    ]
}

fn states() -> Vec<Row> {
    let state = |state: &str| format!("{{displayName: Nantes, type: Customer, parent: lsp, state: {state}}}");
    let nantes = "Tenant lsp-nantes/lsp-nantes";
    let from = |from: &str, to: &str| {
        format!(
            "cannot go from `{from}` to `{to}`: a tenant goes from Draft to Active, and between Active and Inactive"
        )
    };
    vec![
        row("T3: a tenant is Draft, Active or Inactive")
            .given("Namespace lsp-nantes", "{}")
            .wrong(nantes, &state("Suspended"))
            .says("spec.state: Unsupported value: \"Suspended\"")
            .right(nantes, "{displayName: Nantes, type: Customer, parent: lsp}"),
        row("T3: Draft does not become Inactive")
            .wrong(nantes, &state("Inactive"))
            .says("spec.state")
            .says(from("Draft", "Inactive"))
            .right(nantes, &state("Active")),
        row("T3: Active does not go back to Draft")
            .wrong(nantes, &state("Draft"))
            .says(from("Active", "Draft")),
        row("T3: Active does not go back to Draft by leaving the state out")
            .wrong(nantes, "{displayName: Nantes, type: Customer, parent: lsp}")
            .says(from("Active", "Draft"))
            .right(nantes, &state("Inactive")),
        row("T3: Inactive does not go back to Draft")
            .wrong(nantes, &state("Draft"))
            .says(from("Inactive", "Draft"))
            .right(nantes, &state("Active")),
    ]
}

fn fields() -> Vec<Row> {
    let tours = |rest: &str| format!("{{displayName: Tours, type: Customer, parent: lsp, {rest}}}");
    let name = "Tenant lsp-tours/lsp-tours";
    vec![
        row("T4: an application is listed once")
            .given("Namespace lsp-tours", "{}")
            .wrong(name, &tours("applications: [acd, acd]"))
            .says(".spec.applications: duplicate entries for key [=\"acd\"]")
            .right(name, &tours("applications: [acd, admin]")),
        row("T4: an application without a catalogue is pending, not refused")
            .right(name, &tours("applications: [acd, sailing]"))
            .warns("the catalogue of application `sailing` does not exist yet"),
        row("a tenant's display name has at most 64 characters")
            .wrong(
                name,
                &format!("{{displayName: {}, type: Customer, parent: lsp}}", "é".repeat(65)),
            )
            .says("spec.displayName: Too long")
            .right(
                name,
                &format!("{{displayName: {}, type: Customer, parent: lsp}}", "é".repeat(64)),
            ),
        row("I8: a tenant does not allow sessions longer than a day")
            .wrong(name, &tours("impersonation: {maxDuration: 24h1s}"))
            .says("spec.impersonation.maxDuration")
            .says("is outside `15m` to `24h`")
            .right(name, &tours("impersonation: {maxDuration: 24h}")),
        row("I8: a tenant cannot allow only sessions shorter than the shortest")
            .wrong(name, &tours("impersonation: {maxDuration: 14m59s}"))
            .says("is outside `15m` to `24h`")
            .right(name, &tours("impersonation: {maxDuration: 15m}")),
        row("I8: a length is hours, minutes and seconds in that order")
            .wrong(name, &tours("impersonation: {maxDuration: 1d}"))
            .says("spec.impersonation.maxDuration: Invalid value: \"1d\""),
        row("I4: a mode is Enabled or Disabled")
            .wrong(name, &tours("impersonation: {support: Maybe}"))
            .says("spec.impersonation.support: Unsupported value: \"Maybe\""),
        row("a misspelt field is refused, not dropped")
            .wrong(name, &tours("aplications: [acd]"))
            .says("aplications"),
    ]
}
