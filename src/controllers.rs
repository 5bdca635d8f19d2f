//! What talks to the API server on the operator's own account.

pub mod clock;
pub mod lease;
