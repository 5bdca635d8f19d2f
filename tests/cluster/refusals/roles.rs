//! R1 to R3, R6 to R8, T4, P1, P2 and P7: names, states and grants of roles.

use super::{Row, row};

/// All of it.
pub fn rows() -> Vec<Row> {
    [
        names(),
        characters(),
        unique(),
        states(),
        held(),
        grants(),
        all_at_once(),
    ]
    .concat()
}

fn role(name: &str) -> String {
    serde_json::json!({"displayName": name}).to_string()
}

fn names() -> Vec<Row> {
    let name = "Role lsp-paris/names";
    vec![
        row("R1: a display name is not empty")
            .wrong(name, &role(""))
            .says("spec.displayName")
            .right(name, &role("N")),
        row("R1: a role has a display name")
            .wrong("Role lsp-paris/nameless", "{state: Draft}")
            .says("spec.displayName: Required value"),
        row("R1: a display name has at most 50 characters, whatever their bytes")
            .wrong(name, &role(&"é".repeat(51)))
            .says("spec.displayName: Too long")
            .right(name, &role(&"é".repeat(50))),
        row("R1: a display name does not begin with a blank")
            .wrong(name, &role(" Clerk"))
            .says("spec.displayName")
            .says("begins or ends with a blank"),
        row("R1: a display name does not end with a blank")
            .wrong(name, &role("Clerk "))
            .says("begins or ends with a blank"),
        row("R1: a no-break space is a blank")
            .wrong(name, &role("Clerk\u{a0}"))
            .says("begins or ends with a blank"),
        row("R1: an ideographic space is a blank")
            .wrong(name, &role("\u{3000}Clerk"))
            .says("begins or ends with a blank")
            .right(name, &role("Clerk of\u{a0}Works")),
        row("R5: a description has at most 200 characters")
            .wrong(
                name,
                &format!("{{displayName: Clerk, description: {}}}", "d".repeat(201)),
            )
            .says("spec.description: Too long")
            .right(
                name,
                &format!("{{displayName: Clerk, description: {}}}", "d".repeat(200)),
            ),
    ]
}

fn characters() -> Vec<Row> {
    let mut rows: Vec<Row> = ['/', '\\', '+', '!', '?', '<', '>', '#', '&', ',', '%', '"']
        .into_iter()
        .map(|character| {
            row(format!("R2: a display name has no {character}"))
                .wrong("Role lsp-paris/characters", &role(&format!("Night{character}Watch")))
                .says("spec.displayName")
                .says("contains one of the characters / \\ + ! ? < > # & , % \"")
        })
        .collect();
    rows.push(
        row("R2: all other characters are right")
            .right("Role lsp-paris/characters", &role("Tag-Nacht_(1).*@'$:;=|~^`[]{} §Ж夜")),
    );
    rows
}

fn unique() -> Vec<Row> {
    vec![
        row("R3: admin and Admin are one name")
            .given("Role lsp-paris/first", &role("Keeper"))
            .wrong("Role lsp-paris/second", &role("kEEPER"))
            .says("spec.displayName: `kEEPER` is the name of role `first` already")
            .right("Role lsp-paris/second", &role("Keeper 2")),
        row("R3: a role is not renamed to another one's name")
            .wrong("Role lsp-paris/second", &role("KEEPER"))
            .says("is the name of role `first` already"),
        row("R3: a role may change the case of its own name").right("Role lsp-paris/first", &role("KEEPER")),
        row("R3: a name is one whether its letters are composed or not")
            .given("Role lsp-paris/composed", &role("Élysée"))
            .wrong("Role lsp-paris/decomposed", &role("e\u{301}lyse\u{301}e"))
            .says("is the name of role `composed` already"),
        row("R3: a name is one in full case folding")
            .given("Role lsp-paris/folded", &role("Straße"))
            .wrong("Role lsp-paris/unfolded", &role("STRASSE"))
            .says("is the name of role `folded` already"),
        row("R3: another tenant may use the name").right("Role lsp/keeper", &role("Keeper")),
        row("R3: `Impersonated Admin` is reserved")
            .wrong("Role lsp-paris/imposter", &role("Impersonated Admin"))
            .says("spec.displayName: `Impersonated Admin` is reserved"),
        row("R3: `Impersonated Admin` is reserved in whatever case")
            .wrong("Role lsp-paris/imposter", &role("iMPERSONATED aDMIN"))
            .says("is reserved")
            .right("Role lsp-paris/imposter", &role("Impersonating Admin")),
    ]
}

fn states() -> Vec<Row> {
    let (name, state) = ("Role lsp-paris/states", |state: &str| {
        format!("{{displayName: Porter, state: {state}}}")
    });
    let from = |from: &str, to: &str| {
        format!("cannot go from `{from}` to `{to}`: a role goes from Draft to Active, and between Active and Inactive")
    };
    vec![
        row("R6: a role is Draft, Active or Inactive")
            .wrong(name, &state("Enabled"))
            .says("spec.state: Unsupported value: \"Enabled\"")
            .right(name, &role("Porter")),
        row("R6: Draft does not become Inactive")
            .wrong(name, &state("Inactive"))
            .says(from("Draft", "Inactive"))
            .right(name, &state("Active")),
        row("R6: Active does not go back to Draft")
            .wrong(name, &state("Draft"))
            .says("spec.state")
            .says(from("Active", "Draft")),
        row("R6: Active does not go back to Draft by leaving the state out")
            .wrong(name, &role("Porter"))
            .says(from("Active", "Draft"))
            .right(name, &state("Inactive")),
        row("R6: Inactive does not go back to Draft")
            .wrong(name, &state("Draft"))
            .says(from("Inactive", "Draft"))
            .right(name, &state("Active")),
    ]
}

/// R8 for the state; deletion is another request, and tested apart.
fn held() -> Vec<Row> {
    let state = |state: &str| format!("{{displayName: Bursar, state: {state}}}");
    let name = "Role lsp-paris/bursar";
    let by = |number: usize, rest: &str| {
        (
            format!("Employee lsp-paris/bursar-{number}"),
            format!("{{username: bursar-{number}@lsp-paris.example, {rest}}}"),
        )
    };
    let mut seven = row("R8: the refusal names up to five holders and counts the rest");
    for number in 3..=8 {
        let (which, spec) = by(number, "state: Active, primaryRole: bursar");
        seven = seven.given(&which, &spec);
    }
    let (primary, secondary) = (
        by(1, "state: Active, primaryRole: bursar"),
        by(
            2,
            "state: Active, primaryRole: team-lead, secondaryRoles: [{name: bursar}]",
        ),
    );
    let idle = |number: usize| by(number, "state: Inactive, primaryRole: bursar");
    let mut free = row("R9: a role that only inactive employees hold can be deactivated");
    for number in 1..=8 {
        let (which, spec) = idle(number);
        free = free.given(&which, &spec);
    }
    vec![
        row("R8: a role that an Active employee holds as primary cannot leave Active")
            .given(name, &state("Active"))
            .given(&primary.0, &primary.1)
            .wrong(name, &state("Inactive"))
            .says("spec.state: role `bursar` cannot be `Inactive` while Active employees hold it: `bursar-1`"),
        row("R8: a role that an Active employee holds as secondary cannot leave Active")
            .given(
                &primary.0,
                "{username: bursar-1@lsp-paris.example, state: Active, primaryRole: team-lead}",
            )
            .given(&secondary.0, &secondary.1)
            .wrong(name, &state("Inactive"))
            .says("cannot be `Inactive` while Active employees hold it: `bursar-2`"),
        seven
            .wrong(name, &state("Inactive"))
            .says("hold it: `bursar-2`, `bursar-3`, `bursar-4`, `bursar-5`, `bursar-6` and 2 more"),
        free.right(name, &state("Inactive")),
    ]
}

fn grants() -> Vec<Row> {
    let name = "Role lsp-paris/grants";
    let granting = |line: &str| format!("{{displayName: Grants, permissions: [{line}]}}");
    let skills = |actions: &str| granting(&format!("{{application: acd, permission: skills, actions: {actions}}}"));
    vec![
        row("T4: a role names permissions only of applications that the tenant has")
            .wrong(
                name,
                &granting("{application: tenant-management, permission: impersonation, actions: [Support]}"),
            )
            .says("spec.permissions[0].application: `tenant-management/impersonation:Support` is of application `tenant-management`, which the tenant does not have"),
        row("T4: `admin` is always included").right(
            name,
            &granting("{application: admin, permission: employees, actions: [View]}"),
        ),
        row("P7: an unknown application is refused with the nearest one")
            .wrong(
                name,
                &granting("{application: acdd, permission: skills, actions: [View]}"),
            )
            .says("spec.permissions[0].application: application `acdd` does not exist: did you mean `acd`?"),
        row("P7: an unknown permission is refused with the nearest one")
            .wrong(
                name,
                &granting("{application: acd, permission: Skill, actions: [View]}"),
            )
            .says("spec.permissions[0].permission: permission `Skill` of application `acd` does not exist: did you mean `skills`?"),
        row("P7: an unknown action is refused with the nearest one")
            .wrong(name, &skills("[Veiw]"))
            .says("spec.permissions[0].actions: action `Veiw` of `acd/skills` does not exist: did you mean `View`?")
            .right(name, &skills("[View]")),
        row("P7: an action has its case")
            .wrong(name, &skills("[view]"))
            .says("action `view` of `acd/skills` does not exist: did you mean `View`?"),
        row("P1: a permission with actions needs some")
            .wrong(name, &granting("{application: acd, permission: skills}"))
            .says("spec.permissions[0].actions: permission `skills` needs actions"),
        row("P1: a switch has no action but its own")
            .wrong(
                name,
                &granting("{application: acd, permission: dashboard-queue-counter, actions: [View]}"),
            )
            .says("action `View` of `acd/dashboard-queue-counter` does not exist")
            .right(
                name,
                &granting("{application: acd, permission: dashboard-queue-counter}"),
            ),
        row("P1: a grant names its application and permission")
            .wrong(name, &granting("{actions: [View]}"))
            .says("spec.permissions[0].application: Required value")
            .says("spec.permissions[0].permission: Required value"),
        row("P2: what is implied is told")
            .right(name, &skills("[Edit]"))
            .warns("also granted, because it is implied: `acd/skills:View`"),
        row("P5: listing what everybody has is told")
            .right(name, &granting("{application: admin, permission: api-access}"))
            .warns("`admin/api-access:use` is everybody's in the tenant anyway"),
        row("R7: a role without permissions is right").right(name, "{displayName: Grants}"),
        row("a role has at most 512 grants")
            .wrong(
                name,
                &granting(&vec!["{application: acd, permission: skills, actions: [View]}"; 513].join(", ")),
            )
            .says("spec.permissions: Too many"),
        row("a name of a role is a label")
            .wrong("Role lsp-paris/dotted.name", &role("Dotted"))
            .says("`metadata.name` must be a label"),
    ]
}

fn all_at_once() -> Vec<Row> {
    vec![
        row("all that the rules find is told at once")
            .wrong(
                "Role lsp-paris/evaluator",
                "{displayName: monitor, permissions: [{application: acd, permission: skils, actions: [View]}, {application: acd, permission: users, actions: [Delete]}]}",
            )
            .says("spec.displayName: `monitor` is the name of role `team-lead` already")
            .says("spec.permissions[0].permission: permission `skils` of application `acd` does not exist")
            .says("spec.permissions[1].actions: action `Delete` of `acd/users` does not exist"),
        row("all that the schema finds is told at once")
            .wrong("Role lsp-paris/evaluator", &format!("{{displayName: {}, state: Enabled, permissions: [{{application: acd}}]}}", "x".repeat(51)))
            .says("spec.displayName: Too long")
            .says("spec.state: Unsupported value")
            .says("spec.permissions[0].permission: Required value"),
    ]
}
