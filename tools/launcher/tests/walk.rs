//! Walks against a real control plane: that they pass, that they can fail, that they keep secrets.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use pimpernel_launcher::{ControlPlane, Options, Walk, wait};

/// What was printed, and the number of steps or else the error.
fn walk(plane: &ControlPlane, text: &str) -> (String, Result<usize, String>) {
    let mut out = Vec::new();
    let result = Walk::parse("test.txt", text).unwrap().run(plane, &[], &mut out);
    (
        String::from_utf8(out).unwrap(),
        result.map_err(|error| format!("{error:#}")),
    )
}

fn failure(plane: &ControlPlane, text: &str) -> String {
    walk(plane, text).1.unwrap_err()
}

#[test]
fn walks_pass_fail_and_keep_secrets() {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    what_is_printed_is_what_a_person_would_see(&plane);
    a_patient_step_waits(&plane);
    each_deviation_is_a_failure(&plane);
    a_secret_is_never_printed(&plane);
    nothing_is_left_of_a_step(&plane);
}

fn what_is_printed_is_what_a_person_would_see(plane: &ControlPlane) {
    let text = "# Percy\n# looks around.\nidentity percy = percy@league.example in staff, fleet\n\
                percy $ kubectl auth can-i delete configmaps\n! 1\n> no\n\
                let WHO = percy $ kubectl auth whoami -o jsonpath={.status.userInfo.groups}\n\
                # And on.\nadmin $ cat <<EOF | kubectl apply -f -\n    {apiVersion: v1, kind: ConfigMap,\n      metadata: {name: boat}}\n    EOF\n\
                > configmap/... created\nadmin $ echo '${WHO}' \"${WHO}\"; pwd >&2; ls Cargo.toml\n> ... ${WHO}\n> Cargo.toml\n";
    let (printed, steps) = walk(plane, text);
    assert_eq!(steps, Ok(3), "{printed}");
    let groups = r#"["staff","fleet","system:authenticated"]"#;
    let expected = [
        "",
        "# Percy",
        "# looks around.",
        "percy$ kubectl auth can-i delete configmaps",
        "    no",
        "percy$ kubectl auth whoami -o jsonpath={.status.userInfo.groups}",
        &format!("    WHO = {groups}"),
        "",
        "# And on.",
        "admin$ cat <<EOF | kubectl apply -f -",
        "{apiVersion: v1, kind: ConfigMap,",
        "  metadata: {name: boat}}",
        "EOF",
        "    configmap/boat created",
        &format!("admin$ echo '{groups}' \"{groups}\"; pwd >&2; ls Cargo.toml"),
        &format!("    ${{WHO}} {groups}"),
        &format!("    {}", pimpernel_launcher::repository().display()),
        "    Cargo.toml",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

fn a_patient_step_waits(plane: &ControlPlane) {
    let text = "admin ~ n=$(cat ~/n); echo $n$n >~/n; test ${#n} -ge 4 && echo enough\n> enough\n";
    std::fs::write(plane.dir().join("home/n"), "x").unwrap();
    let (printed, steps) = walk(plane, text);
    assert_eq!(steps, Ok(1), "{printed}");
    assert_eq!(
        printed.matches("enough").count(),
        2,
        "the last try alone is shown: {printed}"
    );
}

fn each_deviation_is_a_failure(plane: &ControlPlane) {
    let error = failure(plane, "\nadmin $ echo one; echo two; exit 3\n> two\n> one\n");
    let expected = "test.txt, line 2: this did not come out as written\n  expected: exit code 0\n  got:      exit code 3\n  \
                    expected: two\n  expected: one   <- missing, or not in this order\n  got:      one\n  got:      two";
    assert_eq!(error, expected);
    assert!(failure(plane, "admin $ true\n! 1\n").contains("expected: exit code 1"));
    assert!(failure(plane, "admin $ false\n").contains("got:      (nothing)"));
    assert!(failure(plane, "admin $ echo ${NEVER_SET}\n").contains("NEVER_SET: unbound variable"));
    assert!(failure(plane, "let A = admin $ true\n").contains("no value for `A`: exit code 0"));
    assert!(failure(plane, "let A = admin $ echo x; false\n").contains("no value for `A`: exit code 1"));
    assert!(failure(plane, "identity s = token ${A}\n").contains("`A` is not set"));
    assert!(failure(plane, "admin $ kill -9 $$\n").contains("ended by a signal"));
}

fn a_secret_is_never_printed(plane: &ControlPlane) {
    let text = "let SECRET_TOKEN = admin $ kubectl create token default\nidentity session = token ${SECRET_TOKEN}\n\
                session $ kubectl auth whoami -o jsonpath={.status.userInfo.username}\n\
                > system:serviceaccount:default:default\nadmin $ echo ${SECRET_TOKEN} >&2\n> ${SECRET_TOKEN}\n";
    let (printed, steps) = walk(plane, text);
    assert_eq!(steps, Ok(2), "{printed}");
    assert!(
        printed.contains("    SECRET_TOKEN = ***\n") && printed.contains("echo ${SECRET_TOKEN} >&2\n    ***\n"),
        "{printed}"
    );
    assert!(!printed.contains("eyJ"), "{printed}");
    let error = failure(
        plane,
        "let SECRET_A = admin $ echo hush\nadmin $ echo hush; false\n> hush\n",
    );
    assert!(!error.contains("hush") && error.contains("got:      ***"), "{error}");
}

fn nothing_is_left_of_a_step(plane: &ControlPlane) {
    let (printed, steps) = walk(plane, "admin $ sleep 61.25 & echo $!\n");
    assert_eq!(steps, Ok(1), "{printed}");
    let pid = printed.lines().last().unwrap().trim();
    wait::until("the end of what a step left behind", Duration::from_secs(5), || {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        Ok((!command.contains("61.25")).then_some(()))
    })
    .unwrap();
    let steps = std::fs::read_dir(plane.dir()).unwrap().flatten();
    assert!(
        !steps
            .map(|entry| entry.file_name())
            .any(|name| name.to_string_lossy().starts_with("step-"))
    );
}
