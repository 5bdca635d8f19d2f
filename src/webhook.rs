//! The admission webhook: how it is reached and trusted, and how a review becomes a question to [`crate::policy`].
//!
//! What the API server has to be told ([`configuration`], [`policies`]) is data, which the chart is generated from as well;
//! all else needs the feature `operator`.

#[cfg(feature = "operator")]
pub mod certificates;
pub mod configuration;
#[cfg(feature = "operator")]
mod outbox;
pub mod policies;
#[cfg(feature = "operator")]
pub mod registration;
#[cfg(feature = "operator")]
pub mod review;
#[cfg(feature = "operator")]
pub mod tls;
