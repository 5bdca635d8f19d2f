//! Pimpernel: tenants, roles, employees and impersonation of a contact-centre cloud, as native Kubernetes RBAC and
//! sessions that end by themselves.
//!
//! Fetch, judge, write: only fetch and write touch the world. Judging is one pure library, [`policy`], with three callers:
//! the webhook, which refuses at admission, the controllers, which make true what was admitted, and the command line.
//!
//! ```text
//! YAML ──▶ schema, CEL, admission policies ──▶ webhook ──▶ policy ──▶ allow / deny
//!                                                            ▲
//! etcd ──watch──▶ gather ──▶ Directory (snapshot) ───────────┤
//!                                                            ▼
//!                                  server-side apply, one status patch ◀── Decision
//! ```
//!
//! Modules in reading order: [`api`] is what is on the wire, [`policy`] what it means, `controllers` and `webhook`
//! (feature `operator`) and `cli` (feature `cli`) the callers, `operator` the wiring, [`artifacts`] the files of the
//! repository that are generated from the code.
#![forbid(unsafe_code)]

pub mod api;
pub mod artifacts;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "operator")]
pub mod controllers;
#[cfg(feature = "operator")]
pub mod health;
#[cfg(feature = "operator")]
pub mod operator;
pub mod policy;
#[cfg(feature = "operator")]
pub mod telemetry;
pub mod webhook;
