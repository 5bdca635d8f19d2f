//! The admission webhook: how it is reached and how it is trusted.

pub mod certificates;
pub mod registration;
pub mod tls;
