//! Pimpernel: tenants, roles, employees and impersonation of a contact-centre cloud, as native Kubernetes RBAC and
//! sessions that end by themselves.
//!
//! Fetch, judge, write: only fetch and write touch the world. Judging is one pure library, [`policy`], with two callers
//! today: the webhook, which refuses at admission, and the controllers, which make true what was admitted.
//!
//! ```text
//! YAML ──▶ schema, CEL, admission policies ──▶ webhook ──▶ policy ──▶ allow / deny
//!                                                            ▲
//! etcd ──watch──▶ gather ──▶ Directory (snapshot) ───────────┤
//!                                                            ▼
//!                                  server-side apply, one status patch ◀── Decision
//! ```
//!
//! Modules in reading order: [`api`] is what is on the wire, [`policy`] what it means, [`artifacts`] the files of the
//! repository that are generated from the code.

pub mod api;
pub mod artifacts;
pub mod policy;
