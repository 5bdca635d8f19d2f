//! Every command of the command line and what it keeps to, so that a new one cannot forget it.

/// Where a command looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In files, or nowhere.
    Nowhere,
    /// In a cluster.
    Cluster,
    /// In a namespace of a cluster.
    Namespace,
    /// In a namespace of a cluster, or in all.
    Everywhere,
}

/// A command.
pub struct Command {
    /// Its words.
    pub words: &'static str,
    /// What it is about on the stage of the cluster tests, in namespace `lsp-paris`.
    pub example: &'static str,
    /// Where it looks.
    pub reach: Reach,
    /// The forms of its answer.
    pub forms: &'static [&'static str],
}

/// Of what lists or shows objects or rights.
pub const LISTS: &[&str] = &["table", "wide", "json", "yaml", "name"];
/// Of what answers about something that is no object.
const ANSWERS: &[&str] = &["table", "json", "yaml"];
/// Of what writes objects.
const WRITES: &[&str] = &["name", "json", "yaml"];

const fn command(words: &'static str, example: &'static str, reach: Reach, forms: &'static [&'static str]) -> Command {
    Command {
        words,
        example,
        reach,
        forms,
    }
}

/// All of them.
pub const COMMANDS: &[Command] = &[
    command("check", "", Reach::Namespace, ANSWERS),
    command(
        "explain employee",
        "chauvelin@lsp-paris.example",
        Reach::Namespace,
        LISTS,
    ),
    command("explain role", "team-lead", Reach::Namespace, LISTS),
    command("explain permission", "acd/skills", Reach::Namespace, LISTS),
    command("who-can", "Edit acd/skills", Reach::Everywhere, LISTS),
    command(
        "why-not",
        "chauvelin@lsp-paris.example Edit acd/skills",
        Reach::Namespace,
        LISTS,
    ),
    command("roles list", "", Reach::Everywhere, LISTS),
    command("roles holders", "team-lead", Reach::Namespace, LISTS),
    command("roles copy", "", Reach::Namespace, WRITES),
    command("roles reset", "", Reach::Namespace, WRITES),
    command("roles assign", "", Reach::Namespace, WRITES),
    command("tenants", "", Reach::Cluster, LISTS),
    command("catalog rbac", "", Reach::Nowhere, &[]),
    command("impersonate", "", Reach::Cluster, ANSWERS),
    command("stop", "", Reach::Namespace, &[]),
    command("sessions", "", Reach::Everywhere, LISTS),
    command(
        "history",
        "",
        Reach::Everywhere,
        &["table", "wide", "json", "yaml", "name", "csv"],
    ),
    command("approve", "", Reach::Namespace, &[]),
    command("reject", "", Reach::Namespace, &[]),
    command("revoke", "", Reach::Namespace, &[]),
    command("purge", "", Reach::Cluster, ANSWERS),
    command("completion", "", Reach::Nowhere, &[]),
];
