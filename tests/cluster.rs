//! What users see on a real API server, with the built operator running under its own identity. One module a capability.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "tests: what is not there fails one, and tables are easier to read without references"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod common;

#[path = "cluster/always_ends.rs"]
mod always_ends;
#[path = "cluster/attacks.rs"]
mod attacks;
#[path = "cluster/by_itself.rs"]
mod by_itself;
#[path = "cluster/catalogs.rs"]
mod catalogs;
#[path = "cluster/chart.rs"]
mod chart;
#[path = "cluster/check.rs"]
mod check;
#[path = "cluster/clock.rs"]
mod clock;
#[path = "cluster/commits.rs"]
mod commits;
#[path = "cluster/consent.rs"]
mod consent;
#[path = "cluster/crash.rs"]
mod crash;
#[path = "cluster/default_roles.rs"]
mod default_roles;
#[path = "cluster/definitions.rs"]
mod definitions;
#[path = "cluster/delegation.rs"]
mod delegation;
#[path = "cluster/deletion.rs"]
mod deletion;
#[path = "cluster/examples.rs"]
mod examples;
#[path = "cluster/given_certificate.rs"]
mod given_certificate;
#[path = "cluster/guarded.rs"]
mod guarded;
#[path = "cluster/history.rs"]
mod history;
#[path = "cluster/hostile.rs"]
mod hostile;
#[path = "cluster/killed.rs"]
mod killed;
#[path = "cluster/leader.rs"]
mod leader;
#[path = "cluster/lifetime.rs"]
mod lifetime;
#[path = "cluster/plugin.rs"]
mod plugin;
#[path = "cluster/recorded.rs"]
mod recorded;
#[path = "cluster/recovery.rs"]
mod recovery;
#[path = "cluster/refusals.rs"]
mod refusals;
#[path = "cluster/registration.rs"]
mod registration;
#[path = "cluster/replicas.rs"]
mod replicas;
#[path = "cluster/sessions.rs"]
mod sessions;
#[path = "cluster/storm.rs"]
mod storm;
#[path = "cluster/walks.rs"]
mod walks;
#[path = "cluster/webhook.rs"]
mod webhook;
#[path = "cluster/without_admission.rs"]
mod without_admission;
#[path = "cluster/writes.rs"]
mod writes;
