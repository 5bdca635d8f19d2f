//! What users see on a real API server, with the built operator running under its own identity. One module a capability.

mod common;

#[path = "cluster/always_ends.rs"]
mod always_ends;
#[path = "cluster/crash.rs"]
mod crash;
#[path = "cluster/deletion.rs"]
mod deletion;
#[path = "cluster/guarded.rs"]
mod guarded;
#[path = "cluster/leader.rs"]
mod leader;
#[path = "cluster/lifetime.rs"]
mod lifetime;
#[path = "cluster/quickstart.rs"]
mod quickstart;
#[path = "cluster/recovery.rs"]
mod recovery;
#[path = "cluster/refusals.rs"]
mod refusals;
#[path = "cluster/sessions.rs"]
mod sessions;
#[path = "cluster/writes.rs"]
mod writes;
