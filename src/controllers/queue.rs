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
    /// The deadline that has passed and for which nothing was done yet, if there is one.
    pub awaited: Option<Timestamp>,
}

/// How a key was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// All is done.
    Done {
        /// The instant at which something changes by itself.
        deadline: Option<Timestamp>,
        /// When to look again besides.
        besides: Option<Timestamp>,
    },
    /// Something is left to do then.
    Unfinished(Timestamp),
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
        self.inner().again(key, at);
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

    /// Has `key` looked at because something came or went at `now` that it only counts.
    pub fn counted(&self, key: Key, now: Timestamp) {
        let at = self.inner().pace.for_counts(&key, now);
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

    /// `key` was looked at without fault; it is due again as that says, if ever. A deadline for which something is left to do
    /// is still awaited.
    pub fn done(&self, key: &Key, looked: Looked) {
        let mut inner = self.inner();
        inner.failures.remove(key);
        let again = inner.running.remove(key).flatten();
        let due = match looked {
            Looked::Done { deadline, besides } => {
                match deadline {
                    Some(at) => drop(inner.awaited.insert(key.clone(), at)),
                    None => drop(inner.awaited.remove(key)),
                }
                earliest(deadline, besides)
            }
            Looked::Unfinished(at) => Some(at),
        };
        if let Some(at) = earliest(again, due) {
            inner.schedule(key.clone(), at);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Looking at `key` failed; it is due again after a pause that doubles with each failure, 0.1 s to 5 minutes, and what
    /// was awaited still is.
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

    /// Has what failed looked at without a further pause: what it failed for may be there now.
    pub fn retry(&self, now: Timestamp) {
        let mut inner = self.inner();
        for key in inner.failures.keys().cloned().collect::<Vec<_>>() {
            inner.again(key, now);
        }
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
            self.again(key, now);
        }
        match self.order.first().cloned() {
            Some((at, key)) if at <= now => {
                self.order.pop_first();
                self.due.remove(&key);
                self.running.insert(key.clone(), None);
                self.pace.looked(&key, now);
                let awaited = self.awaited.get(&key).copied().filter(|awaited| *awaited <= now);
                Ok(Turn { key, awaited })
            }
            next => Err(earliest(next.map(|(at, _)| at), self.pace.end_of_stream())),
        }
    }

    /// `key` is due at `at`, or at once when its present turn ends.
    fn again(&mut self, key: Key, at: Timestamp) {
        match self.running.get_mut(&key) {
            Some(again) => *again = earliest(*again, Some(at)),
            None => self.schedule(key, at),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Kind, Name};

    fn key(name: &str) -> Key {
        Key::new(Kind::Role, Name::new("lsp", name))
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    /// What was awaited of the key whose turn it is.
    fn turn(queue: &Queue, now: i64) -> Turn {
        queue.inner().take(at(now)).unwrap()
    }

    fn until(deadline: Option<i64>, besides: Option<i64>) -> Looked {
        let (deadline, besides) = (deadline.map(at), besides.map(at));
        Looked::Done { deadline, besides }
    }

    #[test]
    fn a_deadline_is_awaited_until_all_is_done_for_it_and_no_longer() {
        let queue = Queue::default();
        queue.add(key("valet"), at(0));
        let first = turn(&queue, 0);
        assert_eq!(first.awaited, None, "nothing was to change by itself");
        queue.done(&first.key, until(Some(1000), Some(400)));
        let besides = turn(&queue, 400);
        assert_eq!(besides.awaited, None, "that is no deadline");
        queue.done(&besides.key, until(Some(1000), None));
        let tried = turn(&queue, 1010);
        assert_eq!(tried.awaited, Some(at(1000)));
        queue.failed(&tried.key, at(1020));
        let begun = turn(&queue, 1120);
        assert_eq!(begun.awaited, Some(at(1000)), "what failed is not done");
        queue.done(&begun.key, Looked::Unfinished(at(1130)));
        let ended = turn(&queue, 1130);
        assert_eq!(ended.awaited, Some(at(1000)), "nor is what is left for later");
        queue.done(&ended.key, until(None, Some(2000)));
        assert_eq!(turn(&queue, 2000).awaited, None, "it counts once");
    }

    #[test]
    fn what_failed_for_long_is_looked_at_at_once_when_it_may_succeed() {
        let queue = Queue::default();
        queue.add(key("valet"), at(0));
        for number in 0..12 {
            let now = number * 1_000_000;
            queue.failed(&turn(&queue, now).key, at(now));
        }
        let now = 11_000_001;
        assert!(queue.inner().take(at(now)).is_err(), "it is not its turn");
        queue.retry(at(now));
        queue.done(&turn(&queue, now).key, until(None, None));
        queue.retry(at(now));
        assert!(queue.inner().take(at(now)).is_err(), "it has not failed any more");
    }
}
