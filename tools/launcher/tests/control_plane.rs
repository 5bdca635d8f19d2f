//! One real control plane, from start to stop.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pimpernel_launcher::{ControlPlane, Options};

fn options() -> Options {
    Options {
        audit: true,
        ..Options::default()
    }
}

/// Command lines of processes that mention a folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(name)).collect()
}

#[test]
fn a_control_plane_serves_users_collects_garbage_and_leaves_nothing() {
    let plane = ControlPlane::start(&options()).unwrap();
    let folder = plane.dir().to_path_buf();
    users_are_who_their_certificate_says(&plane);
    namespaces_are_deleted(&plane);
    the_server_comes_back_with_its_contents(&plane);
    reads_and_writes_are_audited(&plane);
    assert_eq!(processes_of(&folder).len(), 3);
    plane.stop().unwrap();
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    assert!(!folder.exists());
}

fn users_are_who_their_certificate_says(plane: &ControlPlane) {
    let percy = plane
        .user("percy.blakeney@league.example", &["scarlet", "pimpernels"])
        .unwrap();
    assert_eq!(fs::metadata(&percy).unwrap().permissions().mode() & 0o777, 0o600);
    let whoami = plane
        .kubectl_output(&percy, &["auth", "whoami", "-o", "jsonpath={.status.userInfo}"])
        .unwrap();
    assert!(
        whoami.contains(r#""username":"percy.blakeney@league.example""#),
        "{whoami}"
    );
    assert!(
        whoami.contains(r#""groups":["scarlet","pimpernels","system:authenticated"]"#),
        "{whoami}"
    );
    let error = plane
        .kubectl_output(&percy, &["get", "namespaces"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("Forbidden"), "{error}");
    assert!(plane.user("armand", &["one", "two", "three"]).is_err());
}

fn namespaces_are_deleted(plane: &ControlPlane) {
    let admin = plane.admin();
    plane.kubectl_output(admin, &["create", "namespace", "calais"]).unwrap();
    plane
        .kubectl_output(admin, &["create", "configmap", "boat", "-n", "calais"])
        .unwrap();
    plane
        .kubectl_output(admin, &["delete", "namespace", "calais", "--timeout=30s"])
        .unwrap();
    let token = plane.kubectl_output(admin, &["create", "token", "default"]).unwrap();
    let bearer = plane.bearer("default", token.trim()).unwrap();
    let whoami = plane
        .kubectl_output(
            &bearer,
            &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"],
        )
        .unwrap();
    assert_eq!(whoami, "system:serviceaccount:default:default");
}

fn the_server_comes_back_with_its_contents(plane: &ControlPlane) {
    let admin = plane.admin();
    plane.kubectl_output(admin, &["create", "configmap", "kept"]).unwrap();
    plane.kill_apiserver().unwrap();
    assert!(plane.kubectl_output(admin, &["get", "configmap", "kept"]).is_err());
    assert!(plane.kill_apiserver().is_err());
    plane.start_apiserver().unwrap();
    plane.kubectl_output(admin, &["get", "configmap", "kept"]).unwrap();
}

fn reads_and_writes_are_audited(plane: &ControlPlane) {
    plane
        .kubectl_output(plane.admin(), &["get", "configmap", "kept"])
        .unwrap();
    let log = fs::read_to_string(plane.audit_log().unwrap()).unwrap();
    let of_kept = |verb: &str| {
        log.lines()
            .any(|line| line.contains(verb) && line.contains("configmaps") && line.contains("kept"))
    };
    assert!(of_kept(r#""verb":"create""#) && of_kept(r#""verb":"get""#));
    assert!(!log.contains("RequestReceived"));
}
