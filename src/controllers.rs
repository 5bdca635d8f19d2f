//! Making true what was declared: fetch, judge, write. `gather` watches and folds, `reconcile` is one pass over one object,
//! `apply` writes what follows from it, `lanes` decides who is looked at next. The rules themselves are in
//! [`crate::policy`].

pub mod apply;
pub mod catalogs;
pub mod clock;
pub mod context;
pub mod credential;
pub mod default_roles;
pub mod error;
pub mod events;
pub mod gather;
pub mod history;
pub mod kinds;
pub mod lanes;
pub mod lease;
pub mod observed;
pub mod opening;
pub mod pace;
pub mod queue;
pub mod reconcile;
pub mod records;
pub mod retention;
pub mod rights;
pub mod sealing;
pub mod wire;
pub mod witness;
