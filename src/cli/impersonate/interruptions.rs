//! The signals by which people and systems ask a program to end.

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which people and systems ask a program to end.
pub struct Interruptions([Signal; 3]);

impl Interruptions {
    /// From now on none is missed.
    pub fn listen() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// The next one.
    pub async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => (), _ = hangup.recv() => () }
    }

    /// The next one that does not come from the keyboard.
    pub async fn not_typed(&mut self) {
        let [_, terminate, hangup] = &mut self.0;
        tokio::select! { _ = terminate.recv() => (), _ = hangup.recv() => () }
    }
}
