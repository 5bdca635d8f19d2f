//! What is offered to whoever types, as kubectl and shells ask for it.

use super::{code, text};
use std::path::Path;
use std::process::{Command, Output};

/// The program, with the folder of the built ones first on the PATH.
fn program(name: &str) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_pimpernel")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(built.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new(name);
    command
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("KUBECONFIG", "/nonexistent")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What kubectl is told when these words are typed.
fn offered(words: &[&str]) -> Vec<String> {
    let mut asked = program(env!("CARGO_BIN_EXE_kubectl_complete-pimpernel"));
    let output = asked.args(words).output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(text(&output.stderr), "", "whoever types is not disturbed");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

fn names(words: &[&str]) -> Vec<String> {
    let name = |line: String| line.split('\t').next().unwrap().to_owned();
    offered(words).into_iter().map(name).collect()
}

#[test]
fn kubectl_is_told_what_can_come_next_and_what_to_do_with_it() {
    assert_eq!(names(&["who"]), ["who-can", ":4"]);
    assert!(
        offered(&["who"])[0].starts_with("who-can\tList the employees who may do something"),
        "a word about it"
    );
    let verbs = names(&["roles", ""]);
    for verb in ["list", "holders", "copy", "reset", "assign"] {
        assert!(verbs.iter().any(|offered| offered == verb), "no {verb} in {verbs:?}");
    }
    assert!(
        !verbs.iter().any(|offered| offered.starts_with('-')),
        "flags unasked: {verbs:?}"
    );
    assert_eq!(names(&["roles", "list", "--sea"]), ["--search", ":4"]);
    assert_eq!(names(&["tenants", "-o", "w"]), ["wide", ":4"]);
    assert_eq!(
        names(&["impersonate", "lsp", "--mode", ""]),
        ["Configure", "Support", ":4"]
    );
    assert_eq!(names(&["explain", "role", ""]), [":4"], "there is no cluster");
    assert_eq!(
        names(&["check", "examples/quickst"]),
        ["examples/quickstart/", ":6"],
        "no blank after a folder"
    );
}

fn completed_by_bash(words: &str) -> Output {
    let index = words.split(' ').count() - 1;
    let words: Vec<String> = words.split(' ').map(|word| format!("'{word}'")).collect();
    let script = format!(
        r#"source <(pimpernel completion bash) || exit 9
COMP_WORDS=({}); COMP_CWORD={index}; COMP_TYPE=9
IFS=$'\n'; _clap_complete_pimpernel pimpernel "${{COMP_WORDS[COMP_CWORD]}}"
printf '%s\n' "${{COMPREPLY[@]}}""#,
        words.join(" ")
    );
    program("bash").args(["--norc", "-c", &script]).output().unwrap()
}

#[test]
fn a_shell_completes_by_the_script_that_is_printed_for_it() {
    let output = completed_by_bash("pimpernel roles re");
    assert_eq!(text(&output.stdout).trim(), "reset", "{output:?}");
    for (shell, begins) in [("zsh", "#compdef pimpernel"), ("fish", "complete ")] {
        let output = program("pimpernel").args(["completion", shell]).output().unwrap();
        assert_eq!(code(&output), 0, "{output:?}");
        assert!(text(&output.stdout).trim_start().starts_with(begins), "{output:?}");
    }
}
