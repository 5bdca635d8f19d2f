//! The command line, as people call it: the built program on files.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "common/commands.rs"]
mod commands;
#[path = "cli/completion.rs"]
mod completion;
#[path = "cli/conventions.rs"]
mod conventions;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/questions.rs"]
mod questions;
#[path = "cli/yaml.rs"]
mod yaml;

use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of a test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `check` with those arguments and that text on standard input.
fn check(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimpernel"));
    command.arg("check").args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Whoever refuses early does not read to the end.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The objects of the answer to a text, as JSON.
fn judged(input: &str) -> Vec<Value> {
    let output = check(&["-o", "json", "-"], input);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    answer["objects"].as_array().unwrap().clone()
}

/// A role with that display name, in YAML as it is given.
fn role(display_name: &str) -> String {
    format!(
        "apiVersion: pimpernel.dev/v1alpha1\nkind: Role\nmetadata: {{name: a, namespace: lsp}}\nspec:\n  displayName: {display_name}\n"
    )
}

#[test]
fn what_the_cluster_would_take_is_fine_and_nothing_is_printed_but_to_people() {
    let output = check(
        &[
            "examples/quickstart/10-tenants.yaml",
            "examples/quickstart/30-employees.yaml",
            "catalog",
        ],
        "",
    );
    assert_eq!(code(&output), 0, "{output:?}");
    let told = text(&output.stderr);
    assert!(told.contains("22 admitted, 0 refused"), "{told}");
    assert!(
        told.contains("not judged: see `-o json`"),
        "what is left out is said: {told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    // Roles are missing, which is no reason to refuse.
    assert!(text(&output.stdout).contains("role `administrator` does not exist yet"));
}

#[test]
fn r12_roles_that_come_out_of_the_box_are_counted_on() {
    let employee = |namespace: &str| {
        format!(
            "apiVersion: pimpernel.dev/v1alpha1\nkind: Employee\nmetadata: {{name: badge, namespace: {namespace}}}\n\
             spec: {{username: g@{namespace}.example, state: Active, primaryRole: administrator}}\n"
        )
    };
    let told = |namespace: &str| {
        let args = ["examples/quickstart/10-tenants.yaml", "catalog", "-"];
        text(&check(&args, &employee(namespace)).stdout)
    };
    let missing = "role `administrator` does not exist yet";
    assert!(!told("lsp-paris").contains(missing), "{}", told("lsp-paris"));
    assert!(told("lsp").contains(missing), "the partner wants none");
}

#[test]
fn what_looks_like_ours_misspelt_is_skipped_with_a_word_about_it() {
    for (meant, written, said, code_) in [
        (
            "pimpernel.dev/",
            "pimpernel.dv/",
            "did you mean `pimpernel.dev/v1alpha1`?",
            0,
        ),
        (
            "pimpernel.dev/",
            "acme.pimpernel.io/",
            "did you mean `pimpernel.dev/v1alpha1`?",
            0,
        ),
        ("kind: Role", "kind: Rol", "did you mean `Role`?", 1),
    ] {
        let output = check(&["-"], &role("Night Watch").replace(meant, written));
        assert_eq!(code(&output), code_, "{written}: {output:?}");
        assert!(text(&output.stdout).contains(said), "{written}: {output:?}");
    }
    // Roles of Kubernetes itself, and what applications bring, are no mistakes.
    for group in [
        "rbac.authorization.k8s.io/",
        "acd.apps.pimpernel.dev/",
        "roles.example/",
    ] {
        let output = check(
            &["-"],
            &role("Night Watch")
                .replace("pimpernel.dev/", group)
                .replace("Role", "Skill"),
        );
        assert_eq!(
            (code(&output), text(&output.stdout).as_str()),
            (0, ""),
            "{group}: {output:?}"
        );
    }
    let output = check(
        &["-"],
        &role("Night Watch").replace("pimpernel.dev/v1alpha1", "rbac.authorization.k8s.io/v1"),
    );
    assert_eq!(text(&output.stdout), "", "{output:?}");
}

#[test]
fn what_is_refused_is_named_with_file_line_field_and_reason() {
    let folder = Folder::new("refused");
    let file = folder.write(
        "roles.yaml",
        &format!("# two roles\n{}---\n{}", role("Night Watch"), role("' Day'")),
    );
    let output = check(&[&file], "");
    assert_eq!(code(&output), 1, "{output:?}");
    let told = text(&output.stdout);
    assert!(told.contains("roles.yaml:8"), "{told}");
    assert!(told.contains("spec.displayName"), "{told}");
    assert!(told.contains("begins or ends with a blank: remove it"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour but on a terminal");
}

#[test]
fn v9_each_example_of_a_refusal_about_an_object_is_refused_for_the_reason_in_its_head() {
    // These need a writer, a deletion, or a session that is stopped.
    let about_the_writer = [
        "exceeds-ceiling",
        "may-not-adopt",
        "may-not-inherit",
        "own-employee",
        "not-an-approver",
        "not-the-impersonator",
        "tenant-in-use",
    ];
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/refused")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() || about_the_writer.contains(&stem.as_str()) {
            continue;
        }
        let head = fs::read_to_string(&path).unwrap();
        let given = head.lines().filter_map(|line| line.strip_prefix("# given: "));
        let given = given.map(|given| format!("examples/refused/{given}"));
        let files = (0..5).map(|n| {
            [
                "00-namespaces",
                "10-tenants",
                "20-roles",
                "30-employees",
                "40-impersonation",
            ][n]
        });
        let mut args: Vec<String> = files.map(|file| format!("examples/quickstart/{file}.yaml")).collect();
        args.extend(given);
        args.push(path.to_str().unwrap().to_owned());
        args.extend(["-o".to_owned(), "json".to_owned()]);
        let output = check(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
        assert_eq!(code(&output), 1, "{stem}: {output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of_file = |object: &&Value| object["file"].as_str().unwrap().ends_with(&format!("/{stem}.yaml"));
        let last = answer["objects"]
            .as_array()
            .unwrap()
            .iter()
            .rfind(of_file)
            .unwrap()
            .clone();
        assert_eq!(last["verdict"], "Refused", "{stem}: {last}");
        let says = head.lines().filter_map(|line| line.strip_prefix("# says: "));
        for says in says {
            let said = last["violations"].as_array().unwrap().iter().any(|violation| {
                let (field, message) = (
                    violation["field"].as_str().unwrap(),
                    violation["message"].as_str().unwrap(),
                );
                // What the API server says in its own words is said here in ours.
                format!("{field}: {message}").contains(says) || says.starts_with(&format!("{field}: Unsupported value"))
            });
            assert!(said, "{stem}: «{says}» is not said in {last}");
        }
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn the_documentation_shows_what_is_printed() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.md")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimpernel"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    let printed = text(
        &command
            .args(["check", "."])
            .current_dir(folder)
            .output()
            .unwrap()
            .stdout,
    );
    assert!(
        page.contains(&format!("```text\n{printed}```")),
        "docs/check.md does not show\n{printed}"
    );
}

#[test]
fn the_answer_for_programs_has_everything_and_is_all_of_standard_output() {
    let objects = judged(&role("Night Watch/"));
    let [object] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!(object["file"], "-");
    assert_eq!(object["line"], 1);
    assert_eq!(
        (&object["kind"], &object["namespace"], &object["name"]),
        (&"Role".into(), &"lsp".into(), &"a".into())
    );
    assert_eq!(object["layer"], "Schema");
    assert_eq!(object["violations"][0]["field"], "spec.displayName");
}

#[test]
fn what_cannot_be_run_is_two_and_says_why() {
    let folder = Folder::new("nothing");
    for args in [
        &["no-such-file.yaml"][..],
        &[folder.0.to_str().unwrap()],
        &[],
        &["-o", "xml", "examples"],
        &["--cluster", "--kubeconfig", "no-such-file", "catalog"],
    ] {
        let output = check(args, "");
        assert_eq!(code(&output), 2, "{args:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{args:?}: {output:?}");
    }
    assert_eq!(
        code(&check(&["-"], "# nothing\n---\n")),
        2,
        "nothing to judge is not fine"
    );
}

#[test]
fn folders_are_read_to_the_bottom_and_other_kinds_and_files_are_left_alone() {
    let folder = Folder::new("folders");
    folder.write("a/b/role.yml", &role("Night Watch"));
    folder.write(
        "a/role.json",
        &serde_json::to_string(&serde_yaml::from_str::<Value>(&role("x<y")).unwrap()).unwrap(),
    );
    folder.write("a/README.md", "no manifest");
    folder.write(
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n",
    );
    let output = check(&["-o", "json", folder.0.to_str().unwrap()], "");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts: Vec<_> = answer["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| &object["verdict"])
        .collect();
    // The JSON file is a change of the role before it.
    assert_eq!(verdicts, ["Admitted", "Refused", "Skipped"], "{answer}");
}

#[test]
fn the_plugin_of_kubectl_is_the_same_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-pimpernel"))
        .args(["check", "catalog"])
        .output()
        .unwrap();
    let plain = check(&["catalog"], "");
    assert_eq!((code(&output), &output.stdout), (0, &plain.stdout));
}
