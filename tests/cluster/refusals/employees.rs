//! E1 to E5, E7 and E10: roles, state, user name and window of employees.

use super::{Row, row};

/// All of it.
pub fn rows() -> Vec<Row> {
    [role_lists(), active_roles(), usernames(), windows()].concat()
}

fn employee(rest: &str) -> String {
    format!("{{username: suzanne@lsp-paris.example, {rest}}}")
}

const SUZANNE: &str = "Employee lsp-paris/sue";

fn role_lists() -> Vec<Row> {
    let secondary = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("{{name: {name}}}")).collect();
        employee(&format!(
            "primaryRole: team-lead, secondaryRoles: [{}]",
            names.join(", ")
        ))
    };
    let numbered = |count: usize| (1..=count).map(|number| format!("role-{number}")).collect::<Vec<_>>();
    vec![
        row("E1: an employee has a primary role").wrong(SUZANNE, &employee("state: Inactive")).says("spec.primaryRole: Required value").right(SUZANNE, &employee("primaryRole: team-lead")),
        row("E1: a primary role has a name").wrong(SUZANNE, &employee("primaryRole: ''")).says("spec.primaryRole"),
        row("E1: there is one primary role, not several")
            .wrong(SUZANNE, &employee("primaryRole: [team-lead, agent]"))
            .says(".spec.primaryRole: expected string"),
        row("E2: there are at most ten secondary roles")
            .wrong(SUZANNE, &secondary(&numbered(11)))
            .says("spec.secondaryRoles: Too many")
            .right(SUZANNE, &secondary(&numbered(10)))
            .warns("role `role-1` does not exist yet"),
        row("E2: no secondary role is named twice")
            .wrong(SUZANNE, &secondary(&["agent".to_owned(), "agent".to_owned()]))
            .says("spec.secondaryRoles")
            .says("names a role twice: leave it once"),
        row("E2: no secondary role is named twice, not even with different ends")
            .wrong(SUZANNE, &employee("primaryRole: team-lead, secondaryRoles: [{name: agent}, {name: agent, until: 2036-01-01T00:00:00Z}]"))
            .says("names a role twice"),
        row("E2: the primary role is not among the secondary ones")
            .wrong(SUZANNE, &secondary(&["team-lead".to_owned()]))
            .says("spec.secondaryRoles")
            .says("`team-lead` is the primary role already: remove it from the secondary roles")
            .right(SUZANNE, &secondary(&["agent".to_owned()])),
        row("E1: a role that does not exist yet is pending, not refused")
            .right("Employee lsp-paris/early", "{username: early@lsp-paris.example, state: Active, primaryRole: not-yet}")
            .warns("spec.primaryRole: role `not-yet` does not exist yet"),
    ]
}

fn active_roles() -> Vec<Row> {
    let holds = |state: &str, primary: &str, secondary: &str| {
        employee(&format!(
            "state: {state}, primaryRole: {primary}, secondaryRoles: [{secondary}]"
        ))
    };
    vec![
        row("E3: an Active employee does not hold a Draft role as primary")
            .given("Role lsp-paris/drafted", "{displayName: Drafted}")
            .given("Role lsp-paris/retired", "{displayName: Retired, state: Inactive}")
            .wrong("Employee lsp-paris/eager", "{username: eager@lsp-paris.example, state: Active, primaryRole: drafted}")
            .says("spec.primaryRole: role `drafted` is `Draft`, and an Active employee holds only Active roles"),
        row("E3: an Active employee does not hold an Inactive role as secondary")
            .wrong("Employee lsp-paris/eager", "{username: eager@lsp-paris.example, state: Active, primaryRole: team-lead, secondaryRoles: [{name: retired}]}")
            .says("spec.secondaryRoles[0].name: role `retired` is `Inactive`"),
        row("E4: an Inactive employee may hold any role").right(SUZANNE, &holds("Inactive", "drafted", "{name: retired}")),
        row("E5: an employee does not become Active while holding roles that are not, and each is named")
            .wrong(SUZANNE, &holds("Active", "drafted", "{name: retired}"))
            .says("spec.primaryRole: role `drafted` is `Draft`")
            .says("spec.secondaryRoles[0].name: role `retired` is `Inactive`"),
        row("E5: one of two reassigned is not enough")
            .wrong(SUZANNE, &holds("Active", "team-lead", "{name: retired}"))
            .says("spec.secondaryRoles[0].name: role `retired` is `Inactive`"),
        row("E5: reassigned in the same write, the employee becomes Active").right(SUZANNE, &holds("Active", "team-lead", "")),
        row("E3: an Active employee is not given a Draft role")
            .wrong(SUZANNE, &holds("Active", "team-lead", "{name: drafted}"))
            .says("spec.secondaryRoles[0].name: role `drafted` is `Draft`"),
        row("E3: a secondary role that is to end has not ended")
            .wrong(SUZANNE, &holds("Active", "team-lead", "{name: drafted, until: 2036-01-01T00:00:00Z}"))
            .says("role `drafted` is `Draft`")
            .right(SUZANNE, &holds("Active", "team-lead", "{name: drafted, until: 2020-01-01T00:00:00Z}")),
        row("E3: a state is Active or Inactive").wrong(SUZANNE, &holds("Draft", "team-lead", "")).says("spec.state: Unsupported value: \"Draft\""),
    ]
}

fn usernames() -> Vec<Row> {
    let called = |username: &str| {
        serde_json::json!({"username": username, "primaryRole": "team-lead", "email": "office@lsp-paris.example"})
            .to_string()
    };
    vec![
        row("E7: a user name belongs to one employee of the tenant, whatever its case")
            .wrong("Employee lsp-paris/double", &called("Chauvelin@LSP-Paris.example"))
            .says("spec.username: `Chauvelin@LSP-Paris.example` is the user name of employee `armand` already")
            .right("Employee lsp-paris/double", &called("candeille@lsp-paris.example")),
        row("E7: a user name is one whether its letters are composed or not")
            .given("Employee lsp-paris/composed", &called("\u{e9}lodie@lsp-paris.example"))
            .wrong(
                "Employee lsp-paris/decomposed",
                &called("E\u{301}lodie@lsp-paris.example"),
            )
            .says("is the user name of employee `composed` already"),
        row("E7: a Cyrillic letter makes somebody else, and the writer is told")
            .right(
                "Employee lsp-paris/cyrillic",
                &called("\u{441}hauvelin@lsp-paris.example"),
            )
            .warns("contains `\u{441} (U+0441)`: Kubernetes takes user names byte by byte"),
        row("E7: a full stop makes somebody else, and the writer is told")
            .right("Employee lsp-paris/stopped", &called("chauvelin@lsp-paris.example."))
            .warns("spec.username: `chauvelin@lsp-paris.example.` ends with a full stop: Kubernetes takes"),
        row("E7: another tenant may employ the same person")
            .right("Employee paris-nord/guest", &called("chauvelin@lsp-paris.example")),
        row("E7: a mail address may be shared").right("Employee lsp-paris/shared", &called("shared@lsp-paris.example")),
        row("E7: a user name cannot change")
            .wrong("Employee lsp-paris/double", &called("candeille@lsp.example"))
            .says("spec.username")
            .says("the user name of an employee cannot change"),
        row("E7: a user name cannot change its case either")
            .wrong("Employee lsp-paris/double", &called("Candeille@lsp-paris.example"))
            .says("the user name of an employee cannot change"),
        row("E7: no employee is one of Kubernetes' own users")
            .wrong("Employee lsp-paris/root", &called("system:admin"))
            .says("spec.username")
            .says("`system:admin` begins with `system:`"),
        row("E7: not in another case either")
            .wrong("Employee lsp-paris/root", &called("SYSTEM:masters"))
            .says("begins with `system:`"),
        row("E7: no employee is a session's account")
            .wrong(
                "Employee lsp-paris/root",
                &called("system:serviceaccount:pimpernel-sessions:impersonated-admin-1"),
            )
            .says("begins with `system:`"),
        row("E7: a user name is not empty")
            .wrong("Employee lsp-paris/nobody", &called(""))
            .says("spec.username"),
        row("E7: a user name has at most 253 characters")
            .wrong("Employee lsp-paris/long", &called(&"u".repeat(254)))
            .says("spec.username: Too long")
            .right("Employee lsp-paris/long", &called(&"u".repeat(253))),
    ]
}

fn windows() -> Vec<Row> {
    let window = |from: &str, until: &str| {
        employee(&format!(
            "primaryRole: team-lead, validFrom: {from}, validUntil: {until}"
        ))
    };
    vec![
        row("E10: a window does not end before it begins")
            .wrong(SUZANNE, &window("2031-02-01T00:00:00Z", "2031-01-01T00:00:00Z"))
            .says("spec.validUntil")
            .says("is not after `validFrom`")
            .right(SUZANNE, &window("2031-01-01T00:00:00Z", "2031-02-01T00:00:00Z")),
        row("E10: a window is not empty")
            .wrong(SUZANNE, &window("2031-01-01T00:00:00Z", "2031-01-01T00:00:00Z"))
            .says("is not after `validFrom`"),
        row("E10: a window is not compared as text")
            .wrong(SUZANNE, &window("2031-01-01T00:00:00Z", "2031-01-01T01:00:00+02:00"))
            .says("is not after `validFrom`"),
        row("E10: an instant is one")
            .wrong(SUZANNE, &window("yesterday", "2031-01-01T00:00:00Z"))
            .says("spec.validFrom: Invalid value: \"yesterday\""),
    ]
}
