//! What to look at next: keys with the instant at which they are due, by the API server's time. A key is looked at by one
//! worker at a time; what is woken meanwhile is looked at once more.

use super::clock::ServerClock;
use super::pace::Pace;
use crate::policy::{Key, earliest};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The queue of one lane.
#[derive(Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// A key whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What to look at.
    pub key: Key,
    /// The instant for which it was awaited, if it is that which brings the turn and not a change.
    pub awaited: Option<Timestamp>,
}

#[derive(Default)]
struct Inner {
    due: HashMap<Key, Timestamp>,
    order: BTreeSet<(Timestamp, Key)>,
    awaited: HashMap<Key, Timestamp>,
    running: HashMap<Key, Option<Timestamp>>,
    failures: HashMap<Key, u32>,
    pace: Pace,
}

impl Queue {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `key` looked at, at `at` or before.
    pub fn add(&self, key: Key, at: Timestamp) {
        let mut inner = self.inner();
        if let Some(again) = inner.running.get_mut(&key) {
            *again = earliest(*again, Some(at));
            return;
        }
        inner.schedule(key, at);
        drop(inner);
        self.changed.notify_one();
    }

    /// Has `key` looked at because something changed at `now`.
    pub fn changed(&self, key: Key, now: Timestamp) {
        let at = self.inner().pace.soon(&key, now);
        self.add(key, at);
    }

    /// Has `key` looked at because somebody came at `now` from whom it takes nothing: in time, together with others.
    pub fn joined(&self, key: Key, now: Timestamp) {
        let at = self.inner().pace.for_newcomer(&key, now);
        self.add(key, at);
    }

    /// When the counts of `key` may be written, if not now. If now, they count as written.
    pub fn counts(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        self.inner().pace.counts(key, now)
    }

    /// The next key that is due; waits until there is one. A step of the clock is heeded at once.
    pub async fn next(&self, clock: &ServerClock) -> Turn {
        loop {
            let due = match clock.now().map(|now| self.inner().take(now)) {
                Some(Ok(turn)) => return turn,
                Some(Err(due)) => due.unwrap_or(Timestamp::MAX),
                // From the first answer on.
                None => Timestamp::MIN,
            };
            tokio::select! {
                () = clock.sleep_until(due) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// `key` was looked at without fault; it is due again at `wake_at`, if ever.
    pub fn done(&self, key: &Key, wake_at: Option<Timestamp>) {
        let mut inner = self.inner();
        inner.failures.remove(key);
        let again = inner.running.remove(key).flatten();
        if let Some(at) = wake_at {
            inner.awaited.insert(key.clone(), at);
        }
        if let Some(at) = earliest(again, wake_at) {
            inner.schedule(key.clone(), at);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Looking at `key` failed; it is due again after a pause that doubles with each failure, 0.1 s to 5 minutes.
    pub fn failed(&self, key: &Key, now: Timestamp) {
        let mut inner = self.inner();
        let again = inner.running.remove(key).flatten();
        let count = inner.failures.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        let pause = SignedDuration::from_millis(100_i64.saturating_mul(1 << (*count - 1).min(12)).min(300_000));
        let retry = now.saturating_add(pause).unwrap_or(now);
        let at = earliest(
            again.map(|at| at.max(now.saturating_add(SignedDuration::from_millis(100)).unwrap_or(now))),
            Some(retry),
        );
        inner.schedule(key.clone(), at.unwrap_or(retry));
        drop(inner);
        self.changed.notify_one();
    }

    /// Whether a key that is due at `now` waits for its turn.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.inner().order.first().is_some_and(|(at, _)| *at <= now)
    }

    /// How many keys are due at `now` or being looked at.
    pub fn pending(&self, now: Timestamp) -> usize {
        let inner = self.inner();
        inner.running.len() + inner.order.iter().take_while(|(at, _)| *at <= now).count()
    }
}

impl Inner {
    /// The next key that is due at `now`; without one, when one will be, if ever.
    fn take(&mut self, now: Timestamp) -> Result<Turn, Option<Timestamp>> {
        for key in self.pace.ended(now) {
            match self.running.get_mut(&key) {
                Some(again) => *again = earliest(*again, Some(now)),
                None => self.schedule(key, now),
            }
        }
        match self.order.first().cloned() {
            Some((at, key)) if at <= now => {
                self.order.pop_first();
                self.due.remove(&key);
                self.running.insert(key.clone(), None);
                self.pace.looked(&key, now);
                let awaited = self.awaited.remove(&key).filter(|awaited| *awaited == at);
                Ok(Turn { key, awaited })
            }
            next => Err(earliest(next.map(|(at, _)| at), self.pace.end_of_stream())),
        }
    }

    fn schedule(&mut self, key: Key, at: Timestamp) {
        match self.due.get(&key) {
            Some(known) if *known <= at => return,
            Some(known) => {
                let known = *known;
                self.order.remove(&(known, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.order.insert((at, key));
    }
}
