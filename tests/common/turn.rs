//! Who may have a world: at most two at a time, so that the tests do not starve each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// The right to have a world.
#[derive(Default)]
pub struct Turn {
    over: AtomicBool,
}

static WORLDS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());
const AT_ONCE: usize = 2;

impl Turn {
    /// Waits for it.
    pub fn wait() -> Self {
        let (count, freed) = &WORLDS;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = freed
            .wait_while(count, |count| *count >= AT_ONCE)
            .unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        Self::default()
    }

    /// Lets another one have a world: this one needs next to nothing from here on.
    pub fn end(&self) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        let (count, freed) = &WORLDS;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        freed.notify_one();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}
