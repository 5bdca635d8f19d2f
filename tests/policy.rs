//! The rules, case by case: each test is a sentence that begins with the id of its rule.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "policy/saying.rs"]
mod saying;
#[path = "policy/specs.rs"]
mod specs;
#[path = "policy/world.rs"]
mod world;

#[path = "policy/adopting.rs"]
mod adopting;
#[path = "policy/applications.rs"]
mod applications;
#[path = "policy/beginning.rs"]
mod beginning;
#[path = "policy/catalogues.rs"]
mod catalogues;
#[path = "policy/consents.rs"]
mod consents;
#[path = "policy/cxone.rs"]
mod cxone;
#[path = "policy/default_roles.rs"]
mod default_roles;
#[path = "policy/employees.rs"]
mod employees;
#[path = "policy/ending.rs"]
mod ending;
#[path = "policy/entering.rs"]
mod entering;
#[path = "policy/handing.rs"]
mod handing;
#[path = "policy/heirs.rs"]
mod heirs;
#[path = "policy/history.rs"]
mod history;
#[path = "policy/holders.rs"]
mod holders;
#[path = "policy/inside.rs"]
mod inside;
#[path = "policy/keeping.rs"]
mod keeping;
#[path = "policy/lasting.rs"]
mod lasting;
#[path = "policy/mending.rs"]
mod mending;
#[path = "policy/ordering.rs"]
mod ordering;
#[path = "policy/permissions.rs"]
mod permissions;
#[path = "policy/questions.rs"]
mod questions;
#[path = "policy/recorded.rs"]
mod recorded;
#[path = "policy/references.rs"]
mod references;
#[path = "policy/rivals.rs"]
mod rivals;
#[path = "policy/roles.rs"]
mod roles;
#[path = "policy/tenants.rs"]
mod tenants;
#[path = "policy/time.rs"]
mod time;
#[path = "policy/waking.rs"]
mod waking;
#[path = "policy/writers.rs"]
mod writers;
