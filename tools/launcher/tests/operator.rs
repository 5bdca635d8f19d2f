//! Starting, watching and ending an operator, with shell scripts in its place.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pimpernel_launcher::{ControlPlane, Operator, OperatorOptions, Options};

const SHORT: Duration = Duration::from_millis(500);

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn an_operator_is_started_under_its_own_identity_and_its_end_is_told() {
    let plane = ControlPlane::start(&Options {
        controller_manager: false,
        ..Options::default()
    })
    .unwrap();
    let scripts = tempfile::tempdir().unwrap();
    it_gets_its_arguments_and_ends_when_asked(&plane, scripts.path());
    it_may_go_without_a_webhook(&plane, scripts.path());
    an_early_end_is_told_with_the_log(&plane, scripts.path());
    a_missing_program_is_an_error(&plane);
}

fn it_gets_its_arguments_and_ends_when_asked(plane: &ControlPlane, scripts: &Path) {
    let text = r#"trap 'echo asked; exit 7' TERM; echo "$@"; echo "as $KUBECONFIG"; while :; do sleep 0.05; done"#;
    let mut options = OperatorOptions::new(script(scripts, "waits", text));
    options.args = vec!["--extra".to_owned()];
    let operator = Operator::start(plane, &options).unwrap();
    let error = format!("{:#}", operator.wait_ready(SHORT).unwrap_err());
    assert!(error.contains("/readyz answered nothing"), "{error}");
    assert!(operator.is_running());
    operator.signal("SIGSTOP").unwrap();
    operator.signal("CONT").unwrap();
    assert!(operator.signal("WINCH").is_err());
    assert_eq!(operator.terminate().unwrap().code(), Some(7));
    assert!(!operator.is_running() && operator.terminate().is_err());
    let log = operator.log();
    assert!(log.starts_with("run --webhook-url https://127.0.0.1:"), "{log}");
    assert!(
        log.contains("--webhook-listen 127.0.0.1:") && log.contains("--log-format json --extra\n"),
        "{log}"
    );
    assert!(
        log.contains("pimpernel-operator.kubeconfig\n") && log.ends_with("asked\n"),
        "{log}"
    );
}

fn it_may_go_without_a_webhook(plane: &ControlPlane, scripts: &Path) {
    let stays = script(scripts, "stays", r#"echo "$@"; exec sleep 60"#);
    let options = OperatorOptions {
        webhook: false,
        user: "sir-andrew".to_owned(),
        ..OperatorOptions::new(stays)
    };
    let operator = Operator::start(plane, &options).unwrap();
    operator.wait_ready(SHORT).unwrap_err();
    let expected = format!(
        "run --http-listen 127.0.0.1:{} --log-format json\n",
        operator.http_port()
    );
    assert_eq!(operator.log(), expected);
    operator.kill().unwrap();
    assert!(!operator.is_running());
}

fn an_early_end_is_told_with_the_log(plane: &ControlPlane, scripts: &Path) {
    let options = OperatorOptions::new(script(scripts, "fails", "echo no rights; exit 3"));
    let operator = Operator::start(plane, &options).unwrap();
    let error = format!("{:#}", operator.wait_ready(Duration::from_secs(10)).unwrap_err());
    assert!(
        error.contains("exit status: 3") && error.contains("    no rights"),
        "{error}"
    );
}

fn a_missing_program_is_an_error(plane: &ControlPlane) {
    let error = Operator::start(plane, &OperatorOptions::new("/nowhere/operator")).unwrap_err();
    assert!(
        error.to_string().contains("no operator at `/nowhere/operator`"),
        "{error}"
    );
}
