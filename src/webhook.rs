//! The admission webhook: how it is reached and trusted, and how a review becomes a question to [`crate::policy`].

pub mod certificates;
pub mod configuration;
mod outbox;
pub mod registration;
pub mod review;
pub mod tls;
