//! Questions about permissions, asked of files; and what the operator needs for a catalogue.

use super::{code, text};
use serde_json::Value;
use std::process::{Command, Output};

fn asks(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimpernel"));
    command.args(words.split(' ')).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

#[test]
fn e8_what_an_employee_will_do_is_told_of_files_before_they_are_applied() {
    let declared = "--files examples/quickstart/10-tenants.yaml --files examples/quickstart/20-roles.yaml --files examples/quickstart/30-employees.yaml";
    let files = format!("-n lsp-paris {declared}");
    let output = asks(&format!("explain employee chauvelin {files} -o json"));
    assert_eq!(code(&output), 0, "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let given = answer["permissions"].as_array().unwrap();
    let view = given.iter().find(|given| given["action"] == "acd/skills:View").unwrap();
    assert_eq!(view["from"][0]["impliedBy"], "acd/skills:Edit", "{view}");
    assert_eq!(view["from"][0]["role"], "team-lead", "{view}");
    let output = asks(&format!("why-not chauvelin Delete admin/employees {files}"));
    assert_eq!(code(&output), 1);
    assert!(
        text(&output.stdout).contains("these grant it: `administrator`"),
        "{output:?}"
    );
    let output = asks(&format!("who-can Edit acd/skills {files} -o name"));
    assert_eq!(
        (code(&output), text(&output.stdout).trim()),
        (0, "employee.pimpernel.dev/chauvelin")
    );
    let output = asks(&format!("who-can Edit acd/skills {declared}"));
    assert_eq!(code(&output), 2, "several tenants: {output:?}");
    assert!(text(&output.stderr).contains("name one with `-n`"), "{output:?}");
    let output = asks(&format!("who-can Edit acd/skills -n lsp-pari {declared}"));
    assert_eq!(code(&output), 2, "{output:?}");
    let near = "there is no tenant `lsp-pari`: did you mean `lsp-paris`?";
    assert!(text(&output.stderr).contains(near), "{output:?}");
}

#[test]
fn p1_what_a_permission_is_needs_no_tenant() {
    for files in ["catalog", "examples/quickstart"] {
        let output = asks(&format!("explain permission acd/skills:Edit --files {files} -o name"));
        assert_eq!(
            (code(&output), text(&output.stdout).trim()),
            (0, "acd/skills:Edit"),
            "{output:?}"
        );
    }
}

#[test]
fn p6_p8_what_the_operator_needs_for_a_catalogue_is_printed_unless_it_would_be_refused() {
    let output = asks("catalog rbac examples/catalogue/helpdesk.yaml");
    assert_eq!(code(&output), 0, "{output:?}");
    let printed = text(&output.stdout);
    for part in [
        "kind: ClusterRole\n",
        "kind: ClusterRoleBinding\n",
        "- helpdesk.apps.pimpernel.dev\n",
        "- settings\n",
        "- close\n",
    ] {
        assert!(printed.contains(part), "no {part} in {printed}");
    }
    assert!(!printed.contains('*'), "{printed}");
    let documents = |printed: &str| {
        printed
            .split("---\n")
            .filter(|document| document.contains("\nkind: "))
            .count()
    };
    assert_eq!(documents(&printed), 2, "{printed}");
    let all = text(&asks("catalog rbac catalog").stdout);
    let kinds = all.lines().filter(|line| line.starts_with("kind: ")).count();
    assert!(
        kinds > 2 && documents(&all) == kinds,
        "{kinds} objects in {} documents",
        documents(&all)
    );
    let output = asks("catalog rbac examples/refused/forbidden-rule.yaml");
    assert_eq!((code(&output), text(&output.stdout).as_str()), (1, ""), "{output:?}");
    assert!(text(&output.stderr).contains("leave that rule out"), "{output:?}");
    assert_eq!(code(&asks("catalog rbac examples/quickstart/20-roles.yaml")), 2);
}
