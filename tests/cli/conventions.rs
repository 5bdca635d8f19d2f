//! What every command keeps to, read from what it says of itself and from how it ends.

use super::commands::{COMMANDS, Command, Reach};
use super::{code, text};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{self, Output};
use std::sync::LazyLock;

/// The widest line of what is for people, in columns.
const WIDTH: usize = 80;

fn runs(words: &str) -> Output {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_kubectl-pimpernel"));
    command.args(words.split(' ').filter(|word| !word.is_empty()));
    command
        .env("KUBECONFIG", "/nonexistent")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

/// What each command says of itself, found from the first one on.
static HELP: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut found = BTreeMap::new();
    let mut open = vec![String::new()];
    while let Some(words) = open.pop() {
        let output = runs(&format!("{words} --help"));
        assert_eq!((code(&output), text(&output.stderr).as_str()), (0, ""), "{words}");
        let help = text(&output.stdout);
        open.extend(below(&help).map(|name| format!("{words} {name}").trim().to_owned()));
        found.insert(words, help);
    }
    found
});

/// The commands below one, as its help lists them.
fn below(help: &str) -> impl Iterator<Item = &str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    // What goes on from the line before is indented.
    names.filter(|name| !["", "help"].contains(name))
}

#[test]
fn every_command_is_held_to_the_conventions() {
    let listed: BTreeSet<String> = COMMANDS.iter().map(|command| command.words.to_owned()).collect();
    let whole = HELP.iter().filter(|(_, help)| below(help).next().is_none());
    let whole: BTreeSet<String> = whole.map(|(words, _)| words.clone()).collect();
    assert_eq!(whole, listed, "enter a new command in tests/common/commands.rs");
}

#[test]
fn every_command_has_the_flags_of_kubectl_for_where_it_looks() {
    for Command { words, reach, .. } in COMMANDS {
        let help = &HELP[*words];
        for (flag, due) in [
            ("--context <CONTEXT>", *reach != Reach::Nowhere),
            ("--kubeconfig <FILE>", *reach != Reach::Nowhere),
            ("--as <USER>", *reach != Reach::Nowhere),
            ("--as-group <GROUP>", *reach != Reach::Nowhere),
            ("--as-uid <UID>", *reach != Reach::Nowhere),
            (
                "-n, --namespace <NAMESPACE>",
                matches!(reach, Reach::Namespace | Reach::Everywhere),
            ),
            ("-A, --all-namespaces", *reach == Reach::Everywhere),
        ] {
            assert_eq!(help.contains(flag), due, "`{flag}` of `{words}`:\n{help}");
        }
    }
}

#[test]
fn every_command_has_the_forms_that_are_due_to_it() {
    for Command { words, forms, .. } in COMMANDS {
        let help = &HELP[*words];
        assert_eq!(help.contains("-o, --output <OUTPUT>"), !forms.is_empty(), "{words}");
        for form in ["table", "wide", "json", "yaml", "name", "csv"] {
            assert_eq!(
                help.contains(&format!("- {form}:")),
                forms.contains(&form),
                "`-o {form}` of `{words}`:\n{help}"
            );
        }
    }
}

#[test]
fn help_fits_80_columns_and_says_what_the_exit_codes_mean() {
    for (words, help) in &*HELP {
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > WIDTH).collect();
        assert_eq!(long, [""; 0], "{words}");
        let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("Exit codes: 0 "), "exit codes of {words}");
    }
}

#[test]
fn what_cannot_be_run_ends_with_2_and_says_so_on_standard_error_alone() {
    for Command { words, .. } in COMMANDS {
        for wrong in ["--no-such-flag", "--kubeconfig"] {
            let output = runs(&format!("{words} {wrong}"));
            assert_eq!(code(&output), 2, "{words} {wrong}");
            assert_eq!(text(&output.stdout), "", "{words} {wrong}");
            assert!(
                text(&output.stderr).starts_with("error: "),
                "{words} {wrong}: {output:?}"
            );
        }
    }
    let lists = COMMANDS.iter().filter(|command| command.forms.contains(&"wide"));
    let lists: Vec<String> = lists.map(|list| format!("{} {}", list.words, list.example)).collect();
    let others = [
        "roles copy a b --display-name B",
        "roles assign a b",
        "roles reset a --to agent",
        "impersonate a --mode Support --reason Nobody_answers_there",
        "stop a",
        "approve a",
        "check --cluster examples/quickstart",
    ];
    for words in lists.iter().map(String::as_str).chain(others) {
        let output = runs(words);
        let said = text(&output.stderr);
        assert_eq!((code(&output), text(&output.stdout).as_str()), (2, ""), "{words}");
        assert!(
            said.starts_with("error: ") && said.contains("kubeconfig"),
            "{words}: {said}"
        );
    }
}

#[test]
fn a_flag_that_would_be_ignored_and_a_name_that_is_empty_are_refused() {
    for flag in ["--as percy", "--context home", "--kubeconfig /nonexistent"] {
        let output = runs(&format!("check examples/quickstart {flag}"));
        assert_eq!(code(&output), 2, "{flag}");
        assert!(text(&output.stderr).contains("--cluster"), "{output:?}");
    }
    let output = runs("stop --as percy");
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(
        text(&output.stderr).contains("`kubectl pimpernel stop NAME -n TENANT --as USER`"),
        "{output:?}"
    );
    for flag in ["--as-group league", "--as-uid 1792"] {
        let output = runs(&format!("sessions {flag}"));
        assert_eq!(code(&output), 2, "{flag}");
        assert!(text(&output.stderr).contains("--as <USER>"), "{output:?}");
    }
    for words in [
        ["approve", ""],
        ["reject", ""],
        ["stop", ""],
        ["history", ""],
        ["sessions", "--namespace="],
    ] {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_pimpernel"));
        let output = command.args(words).output().unwrap();
        assert_eq!(code(&output), 2, "{words:?}");
        assert!(
            text(&output.stderr).contains("a value is required for"),
            "{words:?}: {output:?}"
        );
    }
}

/// What is said of a command that cannot be run, with these variables, on a terminal or not.
fn complains(terminal: bool, variables: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_pimpernel");
    let words = ["roles", "list", "--kubeconfig", "/nonexistent"];
    let mut command = if terminal {
        let mut script = process::Command::new("script");
        let line = format!("{program} {}", words.join(" "));
        script.args(["--quiet", "--command", &line, "/dev/null"]);
        script
    } else {
        let mut plain = process::Command::new(program);
        plain.args(words);
        plain
    };
    command
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(said.contains("error:"), "{said}");
    said
}

#[test]
fn colour_is_for_a_terminal_and_never_where_no_color_is_set() {
    assert!(complains(true, &[]).contains("\u{1b}["), "a terminal");
    assert!(!complains(true, &[("NO_COLOR", "1")]).contains("\u{1b}["), "NO_COLOR");
    assert!(!complains(false, &[]).contains("\u{1b}["), "no terminal");
}
