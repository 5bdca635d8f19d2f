//! P1, P6 and P8: what a catalogue may say.

use super::{Row, row};

/// All of it.
pub fn rows() -> Vec<Row> {
    let name = "PermissionCatalog fleet";
    let action = |action: &str| format!("{{displayName: Fleet, permissions: [{{name: ships, actions: [{action}]}}]}}");
    let rule = |rule: &str| action(&format!("{{name: Sail, rules: [{rule}]}}"));
    let mut rows = vec![
        row("P1: a permission is there once")
            .wrong(
                name,
                "{displayName: Fleet, permissions: [{name: ships, switch: true}, {name: ships, switch: true}]}",
            )
            .says(".spec.permissions: duplicate entries for key [name=\"ships\"]"),
        row("P1: an action is there once")
            .wrong(name, &action("{name: Sail}, {name: Sail}"))
            .says(".spec.permissions[name=\"ships\"].actions: duplicate entries for key [name=\"Sail\"]"),
        row("P2: an action implies only what exists")
            .wrong(name, &action("{name: Sail, implies: [Row]}"))
            .says("spec.permissions: action `fleet/ships:Sail` refers to `fleet/ships:Row`, which does not exist")
            .right(name, &action("{name: Sail, implies: [Row]}, {name: Row}")),
        row("P3: an action requires only what exists")
            .wrong(name, &action("{name: Sail, requires: [fleet/ships:Row]}"))
            .says("which does not exist"),
        row("P6: a permission is a label")
            .wrong(name, "{displayName: Fleet, permissions: [{name: Ships, switch: true}]}")
            .says("spec.permissions[0].name"),
        row("P6: an explicit rule is a right")
            .right(name, &rule("{apiGroups: [''], resources: [configmaps], verbs: [get]}")),
    ];
    for (keys, given) in [
        (
            "everything with `*`",
            "{apiGroups: [''], resources: ['*'], verbs: [get]}",
        ),
        (
            "everything with `*`",
            "{apiGroups: ['*'], resources: [configmaps], verbs: [get]}",
        ),
        (
            "Secrets",
            "{apiGroups: [''], resources: [configmaps, secrets], verbs: [get]}",
        ),
        (
            "a way into pods",
            "{apiGroups: [''], resources: [pods/exec], verbs: [create]}",
        ),
        (
            "what runs pods (`deployments`)",
            "{apiGroups: [apps], resources: [deployments], verbs: [create]}",
        ),
        (
            "RBAC",
            "{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [get]}",
        ),
        (
            "the verb `impersonate`",
            "{apiGroups: [fleet.apps.pimpernel.dev], resources: [ships], verbs: [impersonate]}",
        ),
        (
            "the verb `adopt`",
            "{apiGroups: [pimpernel.dev], resources: [tenants], verbs: [adopt]}",
        ),
        (
            "`tenants/commercial`",
            "{apiGroups: [pimpernel.dev], resources: [tenants/commercial], verbs: [update]}",
        ),
    ] {
        rows.push(
            row(format!("P8: a catalogue cannot hand out {keys} by {given}"))
                .wrong(name, &rule(given))
                .says(format!("spec.permissions[0]: action `Sail` would hand out {keys}")),
        );
    }
    rows
}
