//! A real Kubernetes control plane on this machine, without containers and without root.
//!
//! [`Assets`] finds or builds the programs, [`ControlPlane`] runs etcd, kube-apiserver and kube-controller-manager with
//! certificates of its own, [`Operator`] runs the operator against it under the operator's own identity, and [`walk`]
//! plays a script whose steps state what must come out. The demo, `make up`, the tests and the benchmarks all start
//! here, so that what they show is the same cluster.
//!
//! Nothing outlives the process that started it, unless it asked for that (see [`Lifetime`]), and nothing is written
//! outside the folder of the control plane and the cache of built programs.

#![forbid(unsafe_code)]

pub mod assets;
pub mod audit;
pub mod control_plane;
pub mod http;
pub mod interrupt;
pub mod manifest;
pub mod operator;
mod pki;
pub mod port;
pub mod process;
mod scratch;
pub mod wait;
pub mod walk;

pub use assets::Assets;
pub use control_plane::{ControlPlane, Options};
pub use operator::{Operator, OperatorOptions};
pub use process::Lifetime;
pub use walk::Walk;

use std::path::{Path, PathBuf};

/// The root of the repository, where `crds/`, `rbac/`, `catalog/` and `examples/` are.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
