//! What the webhook and the controllers both know of who writes: the keys that seal changes, and who asked for which
//! deletion. A deletion leaves no trace in the object, so what a review saw of it is kept here until it is on record.

use crate::policy::history::{Deletion, Employees, Keys};
use jiff::SignedDuration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long it is known who asked for a deletion.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);
/// How many deletions are kept before those are looked for that are too old.
const MANY: usize = 256;

/// What is known of who writes.
pub struct Witness {
    /// The user name of the operator itself.
    pub operator: Arc<str>,
    /// Whose changes of employees are put on record.
    pub employees: Employees,
    keys: watch::Sender<Option<Keys>>,
    deletions: Mutex<HashMap<Arc<str>, Vec<Deletion>>>,
}

impl Witness {
    /// Nothing is known yet.
    pub fn new(operator: &str, employees: Employees) -> Self {
        Self {
            operator: operator.into(),
            employees,
            keys: watch::Sender::new(None),
            deletions: Mutex::default(),
        }
    }

    /// The keys, if they are known.
    pub fn keys(&self) -> Option<Keys> {
        self.keys.borrow().clone()
    }

    /// From here on `current` seals. What was sealed by `previous`, or by what was known before, is still believed.
    pub fn know(&self, current: &[u8], previous: Option<&[u8]>) {
        self.keys.send_modify(|keys| {
            let known: Vec<Arc<[u8]>> = keys.iter().flat_map(Keys::all).cloned().collect();
            let previous = previous.map(Into::into).into_iter().chain(known);
            *keys = Some(Keys::new(current, previous));
        });
    }

    /// Waits until the keys are known, for `limit` at most.
    pub async fn has_keys(&self, limit: Duration) {
        let mut known = self.keys.subscribe();
        let known = known.wait_for(Option::is_some);
        if tokio::time::timeout(limit, known).await.is_err() {
            tracing::warn!("the key of the history is not known yet");
        }
    }

    /// Somebody may delete the object of that UID.
    pub fn see(&self, uid: &str, deletion: Deletion) {
        let mut deletions = self.deletions();
        if deletions.len() >= MANY && deletions.len().is_multiple_of(MANY) {
            let old = |known: &Deletion| deletion.at.duration_since(known.at) > REMEMBERED;
            deletions.retain(|_, known| !known.iter().all(old));
        }
        deletions.entry(uid.into()).or_default().push(deletion);
    }

    /// Whether a deletion of the object of that UID was seen that is put on record whatever its kind.
    pub fn saw(&self, uid: &str) -> bool {
        let deletions = self.deletions();
        deletions
            .get(uid)
            .is_some_and(|known| known.iter().any(|deletion| deletion.counts))
    }

    /// The deletions of the object of that UID that were asked for.
    pub fn deletions_of(&self, uid: &str) -> Vec<Deletion> {
        self.deletions().get(uid).cloned().unwrap_or_default()
    }

    /// The deletion of the object of that UID is on record.
    pub fn forget(&self, uid: &str) {
        self.deletions().remove(uid);
    }

    fn deletions(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Deletion>>> {
        self.deletions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
