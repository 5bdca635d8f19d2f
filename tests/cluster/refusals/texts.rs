//! I6, R1: no text reads otherwise than it is, be it in the banner, in a table of kubectl or in a message.

use super::{Row, row};
use serde_json::json;

const SAYS: &str = "contains a control character or one that is not seen: leave it out";

/// All of it.
pub fn rows() -> Vec<Row> {
    let mut rows = characters();
    rows.extend(fields());
    rows
}

fn characters() -> Vec<Row> {
    let role = |text: &str| json!({"displayName": text}).to_string();
    let unseen = [
        ("the end of a string", '\0'),
        ("a new line", '\n'),
        ("what colours a terminal", '\u{1b}'),
        ("a soft hyphen", '\u{ad}'),
        ("a blank without width", '\u{200b}'),
        ("a joiner", '\u{200d}'),
        ("the end of a paragraph", '\u{2029}'),
        ("what turns the direction of reading", '\u{202e}'),
        ("what isolates the direction of reading", '\u{2066}'),
        ("the mark of byte order", '\u{feff}'),
        ("a letter of a tag", '\u{e0041}'),
    ];
    let refused = unseen.map(|(what, character)| {
        row(format!("R1: {what} is in no display name"))
            .wrong("Role lsp-paris/unseen", &role(&format!("Night{character}Watch")))
            .says("spec.displayName")
            .says(SAYS)
    });
    let mut rows = Vec::from(refused);
    rows.push(
        row("R5: a description may have lines, and nothing else that is not seen")
            .wrong(
                "Role lsp-paris/unseen",
                &json!({"displayName": "Night Watch", "description": "Watches\u{202e} by night"}).to_string(),
            )
            .says("spec.description")
            .says(SAYS)
            .right(
                "Role lsp-paris/unseen",
                &json!({"displayName": "Nachtwächter 夜番", "description": "Watches\n\tby night\n"}).to_string(),
            ),
    );
    rows
}

fn fields() -> Vec<Row> {
    let banner = "LSP Paris]\nYou are not impersonating anybody on tenant [";
    let paris = |name: &str| {
        json!({
            "displayName": name, "type": "Customer", "parent": "lsp", "state": "Active", "applications": ["acd"],
            "defaultRoles": "None",
            "impersonation": {"maxDuration": "4h"},
        })
        .to_string()
    };
    let employee = |username: &str, role: &str| json!({"username": username, "primaryRole": role}).to_string();
    let session = |reason: &str, ticket: &str| {
        let who = crate::common::cast::MARGUERITE;
        json!({"impersonator": who, "mode": "Support", "reason": reason, "ticket": ticket}).to_string()
    };
    let reason = "He cannot save his skill";
    vec![
        row("I6: the banner has one line")
            .wrong("Tenant lsp-paris/lsp-paris", &paris(banner))
            .says("spec.displayName")
            .says(SAYS),
        row("I6: the banner reads in one direction")
            .wrong("Tenant lsp-paris/lsp-paris", &paris("LSP \u{202e}siraP"))
            .says(SAYS)
            .right("Tenant lsp-paris/lsp-paris", &paris("LSP Paris")),
        row("E7: a user name is seen as it is")
            .wrong(
                "Employee lsp-paris/unseen",
                &employee("chauvelin\u{200b}@lsp-paris.example", "team-lead"),
            )
            .says("spec.username")
            .says(SAYS),
        row("E1: the name of a role is seen as it is")
            .wrong(
                "Employee lsp-paris/unseen",
                &employee("unseen@lsp-paris.example", "team-\u{202e}lead"),
            )
            .says("spec.primaryRole")
            .says(SAYS)
            .right(
                "Employee lsp-paris/unseen",
                &employee("unseen@lsp-paris.example", "team-lead"),
            ),
        row("I7: a reason may have lines, and nothing else that is not seen")
            .by(crate::common::cast::MARGUERITE)
            .wrong(
                "Impersonation lsp-paris/unseen",
                &session("He cannot\u{1b}[8m save his skill", "C-1"),
            )
            .says("spec.reason")
            .says(SAYS)
            .would_be_right(
                "Impersonation lsp-paris/unseen",
                &session("He cannot\nsave his skill\n", "C-1"),
            ),
        row("I7: a ticket has one line")
            .by(crate::common::cast::MARGUERITE)
            .wrong("Impersonation lsp-paris/unseen", &session(reason, "C-1\nC-2"))
            .says("spec.ticket")
            .says(SAYS)
            .would_be_right("Impersonation lsp-paris/unseen", &session(reason, "C-1")),
    ]
}
