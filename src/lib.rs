//! Tenants, roles, employees and impersonation of a contact-centre cloud, as native Kubernetes RBAC.
#![forbid(unsafe_code)]

#[cfg(feature = "operator")]
pub mod controllers;
#[cfg(feature = "operator")]
pub mod health;
#[cfg(feature = "operator")]
pub mod telemetry;
#[cfg(feature = "operator")]
pub mod webhook;
