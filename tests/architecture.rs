//! What the sources keep to: who may use whom, what files look like, and what the package depends on.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "architecture/sources.rs"]
mod sources;

use pimpernel::policy::Reason;
use sources::{ROOT, Source, all_keep_to, catches};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const MOST_LINES: usize = 400;
/// What says nothing about what is in a file.
const EMPTY_NAMES: &[&str] = &[
    "utils",
    "util",
    "helpers",
    "helper",
    "misc",
    "common",
    "manager",
    "processor",
];

fn pure(source: &Source) -> Vec<String> {
    if source.is_test() || !(source.is_in("src/policy") || source.is_in("src/api")) {
        return vec![];
    }
    let mut wrong = source.uses(&[
        "tokio",
        "tracing",
        "std::env",
        "SystemTime",
        "Instant",
        "println!",
        "print!(",
        "dbg!",
        ".unwrap()",
        ".expect(",
        "panic!",
        "unreachable!",
        "unimplemented!",
        "async ",
    ]);
    wrong.extend(source.takes("kube", &["Client", "Api", "runtime", "client", "Config", "Error"]));
    wrong
}

#[test]
fn v1_policy_and_api_know_no_clock_client_runtime_or_log_and_cannot_panic() {
    all_keep_to(pure);
    for text in [
        "use tokio::time;",
        "let now = SystemTime::now();",
        "use std::time::Instant;",
        "x.unwrap();",
        "x.expect(\"x\");",
        "panic!(\"no\");",
        "use kube::Client;",
        "use kube::{Client, Resource};",
        "kube::Api::all(c)",
        "use kube::runtime::watcher;",
        "use kube::{\n    CustomResource,\n    Api,\n};",
        "println!(\"x\");",
        "std::env::var(\"X\")",
        "tracing::info!(\"x\")",
    ] {
        catches(pure, "src/policy/role.rs", text);
        catches(pure, "src/api.rs", text);
    }
}

fn downwards(source: &Source) -> Vec<String> {
    let allowed: &[(&str, &[&str])] = &[
        (
            "src/policy",
            &["controllers", "webhook", "cli", "telemetry", "health", "artifacts"],
        ),
        (
            "src/api",
            &[
                "policy",
                "controllers",
                "webhook",
                "cli",
                "telemetry",
                "health",
                "artifacts",
            ],
        ),
        ("src/controllers", &["webhook", "cli"]),
        ("src/webhook", &["cli"]),
        (
            "src/cli",
            &["controllers", "webhook", "operator", "telemetry", "health"],
        ),
    ];
    let wrong = allowed.iter().filter(|(folder, _)| source.is_in(folder));
    wrong.flat_map(|(_, names)| source.takes("crate", names)).collect()
}

#[test]
fn nothing_points_upwards_or_sideways() {
    all_keep_to(downwards);
    catches(downwards, "src/policy/role.rs", "use crate::controllers::clock;");
    catches(downwards, "src/policy.rs", "use crate::{webhook, api};");
    catches(downwards, "src/api/role.rs", "fn f() { crate::policy::role::parse(x) }");
    catches(downwards, "src/controllers/apply.rs", "use crate::webhook::review;");
    catches(downwards, "src/cli/check.rs", "use crate::controllers::clock;");
    catches(downwards, "src/cli.rs", "crate::webhook::review::router(x)");
}

fn only_clock_and_witness(source: &Source) -> Vec<String> {
    if !source.is_in("src/webhook") {
        return vec![];
    }
    let code = source.code();
    let tails = code.split("controllers").skip(1);
    let wrong = tails.filter(|tail| !["::clock", "::witness"].iter().any(|part| tail.starts_with(part)));
    wrong
        .map(|tail| format!("{} uses controllers{:.20}", source.path, tail))
        .collect()
}

#[test]
fn of_the_controllers_the_webhook_uses_the_clock_and_the_witness_alone() {
    all_keep_to(only_clock_and_witness);
    catches(
        only_clock_and_witness,
        "src/webhook/review.rs",
        "use crate::controllers::gather;",
    );
    catches(
        only_clock_and_witness,
        "src/webhook.rs",
        "use crate::controllers::{clock, apply};",
    );
    let clock = Source {
        path: "src/webhook.rs".to_owned(),
        text: "use crate::controllers::clock::Clock;\nuse crate::controllers::witness::Witness;".to_owned(),
    };
    assert_eq!(only_clock_and_witness(&clock), [""; 0]);
}

fn introduced(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let said = first.strip_prefix("//! ").is_some_and(|rest| !rest.trim().is_empty());
    if said {
        vec![]
    } else {
        vec![format!("{} does not begin with `//! ` and what it is", source.path)]
    }
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    all_keep_to(introduced);
    for text in ["", "use std::fs;", "//!", "// no"] {
        let source = Source {
            path: "src/x.rs".to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(introduced(&source).len(), 1, "{text}");
    }
}

fn short(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let wrong = lines > MOST_LINES;
    wrong
        .then(|| format!("{} has {lines} lines", source.path))
        .into_iter()
        .collect()
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    all_keep_to(short);
    catches(short, "tools/generate/src/main.rs", &"\n".repeat(MOST_LINES));
}

fn named(source: &Source) -> Vec<String> {
    let common = source.path == "tests/common/mod.rs" || source.is_in("tests/common/");
    let wrong = source.stem() == "mod" || EMPTY_NAMES.contains(&source.stem());
    (wrong && !common)
        .then(|| format!("{} has a name that says nothing", source.path))
        .into_iter()
        .collect()
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    all_keep_to(named);
    let named = |path: &str| {
        named(&Source {
            path: path.to_owned(),
            text: String::new(),
        })
        .len()
    };
    for path in [
        "src/policy/utils.rs",
        "src/policy/mod.rs",
        "tests/policy/mod.rs",
        "src/common.rs",
        "tools/x/src/helper.rs",
    ] {
        assert_eq!(named(path), 1, "{path}");
    }
    for path in ["tests/common/mod.rs", "src/policy/role.rs"] {
        assert_eq!(named(path), 0, "{path}");
    }
}

fn finished(source: &Source) -> Vec<String> {
    let mut wrong = source.uses(&[concat!("#[", "ignore"), concat!("to", "do!("), concat!("FIX", "ME")]);
    if source.is_in("src/") {
        wrong.extend(source.uses(&[concat!("#[", "allow("), concat!("#![", "allow(")]));
    }
    wrong
}

#[test]
fn no_test_is_left_out_nothing_is_left_to_do_and_no_lint_is_silenced_for_good() {
    all_keep_to(finished);
    catches(finished, "tests/policy/roles.rs", concat!("#[", "ignore = \"slow\"]"));
    catches(finished, "tools/launcher/src/lib.rs", concat!("to", "do!()"));
    catches(finished, "src/controllers/apply.rs", concat!("#[", "allow(dead_code)]"));
}

fn words(source: &Source) -> Vec<String> {
    let text = source.text.to_lowercase();
    let wrong = ["is immutable", "immutable field"]
        .into_iter()
        .filter(|words| text.contains(words));
    let wrong = wrong.map(|words| format!("{} says `{words}`", source.path));
    wrong.filter(|_| source.is_in("src/api")).collect()
}

/// On these words a tool that applies from Git deletes the object and creates it again.
#[test]
fn no_message_of_the_api_says_that_something_is_immutable() {
    all_keep_to(words);
    catches(words, "src/api/role.rs", "message(\"the name is immutable\")");
}

#[test]
fn v9_every_reason_has_a_name_a_meaning_and_the_rules_that_it_stands_for() {
    let mut names = BTreeSet::new();
    let mut meanings = BTreeSet::new();
    for reason in Reason::ALL {
        let (name, meaning) = (reason.as_str(), reason.meaning());
        assert!(names.insert(name), "{name} twice");
        assert!(meanings.insert(meaning), "{name} means what another one means");
        assert!(
            name.chars().all(|c| c.is_ascii_alphabetic()) && name.starts_with(char::is_uppercase),
            "{name}"
        );
        assert!(meaning.len() > 15 && meaning.ends_with('.'), "{name}: {meaning}");
        for rule in reason.rules().split(", ").filter(|rule| !rule.is_empty()) {
            let (letter, number) = rule.split_at(1);
            assert!(
                "TREPIV".contains(letter) && number.parse::<u8>().is_ok(),
                "{name}: {rule}"
            );
        }
    }
    assert!(names.len() > 50, "{}", names.len());
}

/// The dependency paths to `package`, without development dependencies.
fn ways_to(package: &str, features: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "tree",
        "--offline",
        "--locked",
        "--package",
        "pimpernel",
        "--edges",
        "normal",
        "--invert",
        package,
    ]);
    let output = command.args(features).current_dir(ROOT).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let none = errors.contains("did not match any packages") || errors.contains("nothing to print");
    assert!(output.status.success() || none, "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn v1_the_library_without_features_has_no_runtime_and_no_client() {
    for package in ["tokio", "kube-client", "kube-runtime", "hyper", "tracing", "rustls"] {
        assert_eq!(ways_to(package, &["--no-default-features"]), "", "{package}");
        assert!(
            ways_to(package, &[]).contains("pimpernel"),
            "{package} is not what the operator uses"
        );
    }
}

#[test]
fn the_command_line_brings_nothing_of_the_operator() {
    let only = |feature| ["--no-default-features", "--features", feature];
    for (feature, package) in [
        ("cli", "axum"),
        ("cli", "kube-runtime"),
        ("cli", "prometheus-client"),
        ("cli", "rcgen"),
    ] {
        assert_eq!(ways_to(package, &only(feature)), "", "{package} for {feature}");
        assert_ne!(ways_to(package, &[]), "", "{package} is not used at all");
    }
}

/// The versions of each package in the lock file.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in text.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches(|c: char| c == '"' || c == '=' || c == ' ').to_owned()
        };
        versions.entry(value("name")).or_default().insert(value("version"));
    }
    versions
}

#[test]
fn there_is_one_copy_of_what_must_agree_and_none_of_what_needs_a_c_compiler() {
    let locked = locked();
    for package in ["kube", "kube-core", "k8s-openapi", "schemars", "rustls"] {
        assert_eq!(
            locked.get(package).map(BTreeSet::len),
            Some(1),
            "{package}: {:?}",
            locked.get(package)
        );
    }
    for package in ["aws-lc-rs", "aws-lc-sys", "openssl", "native-tls"] {
        assert_eq!(locked.get(package), None, "{package}");
    }
}
