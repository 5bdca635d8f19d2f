//! Being asked to stop: a flag that a signal raises and that every wait of this crate looks at.
//!
//! Whoever waits gets the error [`Interrupted`] and returns it, so that an interrupted run ends by the same way as a
//! failed one, dropping what it started. The library installs no signal handler; a program that wants one registers
//! [`flag`].

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The flag to raise, for instance from a signal handler.
pub fn flag() -> Arc<AtomicBool> {
    Arc::clone(&FLAG)
}

/// Fails once the flag is raised.
pub fn check() -> Result<(), Interrupted> {
    if FLAG.load(Ordering::SeqCst) {
        Err(Interrupted)
    } else {
        Ok(())
    }
}

/// Somebody asked this process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
