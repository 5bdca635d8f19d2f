//! Schema and CEL: what the API server refuses by itself, and in which words.

use pimpernel_launcher::control_plane::{ControlPlane, Options};

#[test]
fn x() {
    let cp = ControlPlane::start(&Options::default()).unwrap();
    let out = cp.kubectl(cp.admin()).args(["apply", "--server-side", "-f", "crds/", "-f", "rbac/operator.yaml"]).output().unwrap();
    println!("{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let out = cp.kubectl(cp.admin()).args(["apply", "--server-side", "-f", "catalog/"]).output().unwrap();
    println!("{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    panic!("x");
}
