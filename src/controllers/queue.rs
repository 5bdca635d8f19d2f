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
    /// All is done; when to look again besides the deadline.
    Done(Option<Timestamp>),
    /// All is done at that instant but what the operator may not give: that is tried again.
    Withheld(Timestamp),
    /// Something is left to do then.
    Unfinished(Timestamp),
}

/// By how much the time may fall because the best known bound of it has grown too old. More is a step of the clock.
const STEP_BACK: SignedDuration = SignedDuration::from_secs(2);
/// The shortest pause after a failure.
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_millis(100);
/// The longest pause after a failure.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

#[derive(Default)]
struct Inner {
    due: HashMap<Key, Timestamp>,
    order: BTreeSet<(Timestamp, Key)>,
    deadlines: HashMap<Key, Deadline>,
    running: HashMap<Key, Option<Timestamp>>,
    failures: HashMap<Key, u32>,
    /// How often in a row each key was looked at of which something is withheld.
    withheld: HashMap<Key, u32>,
    pace: Pace,
    seen: Option<Timestamp>,
}

/// When something changes by itself.
#[derive(Clone, Copy, Default)]
struct Deadline {
    /// As last judged.
    next: Option<Timestamp>,
    /// It has passed, and not all is done for it.
    overdue: Option<Timestamp>,
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

    /// `key` was judged at `now`, and something changes by itself at `next`: then it is due, whatever comes of this turn.
    pub fn judged(&self, key: &Key, next: Option<Timestamp>, now: Timestamp) {
        let mut inner = self.inner();
        let deadline = inner.deadlines.entry(key.clone()).or_default();
        deadline.overdue = deadline.overdue.or(deadline.next.filter(|passed| *passed <= now));
        deadline.next = next;
    }

    /// `key` was looked at without fault; it is due again as that says and at its deadline, if ever.
    pub fn done(&self, key: &Key, looked: Looked) {
        let mut inner = self.inner();
        inner.failures.remove(key);
        let again = inner.running.remove(key).flatten();
        let mut deadline = inner.deadlines.remove(key).unwrap_or_default();
        let due = match looked {
            Looked::Done(besides) => {
                inner.withheld.remove(key);
                besides
            }
            Looked::Withheld(now) => Some(after_pause(inner.withheld.entry(key.clone()).or_default(), now)),
            Looked::Unfinished(at) => Some(at),
        };
        if !matches!(looked, Looked::Unfinished(_)) {
            deadline.overdue = None;
        }
        if deadline.next.or(deadline.overdue).is_some() {
            inner.deadlines.insert(key.clone(), deadline);
        }
        if let Some(at) = earliest(earliest(again, due), deadline.next) {
            inner.schedule(key.clone(), at);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Looking at `key` failed; it is due again at its next deadline, and before that after a pause that doubles with each
    /// failure.
    pub fn failed(&self, key: &Key, now: Timestamp) {
        let mut inner = self.inner();
        let again = inner.running.remove(key).flatten();
        let retry = after_pause(inner.failures.entry(key.clone()).or_default(), now);
        let soonest = now.saturating_add(SHORTEST_PAUSE).unwrap_or(now);
        let deadline = inner.deadlines.get(key).and_then(|deadline| deadline.next);
        let woken = earliest(again.map(|at| at.max(soonest)), deadline.filter(|at| *at > now));
        inner.schedule(key.clone(), woken.map_or(retry, |at| at.min(retry)));
        drop(inner);
        self.changed.notify_one();
    }

    /// Has what failed, and that of which something is withheld, looked at without a further pause: what was lacking may be
    /// there now.
    pub fn retry(&self, now: Timestamp) {
        let mut inner = self.inner();
        let pausing = inner.failures.keys().chain(inner.withheld.keys());
        for key in pausing.cloned().collect::<BTreeSet<_>>() {
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
        if self
            .seen
            .replace(now)
            .is_some_and(|seen| seen.duration_since(now) > STEP_BACK)
        {
            self.look_at_all(now);
        }
        for key in self.pace.ended(now) {
            self.again(key, now);
        }
        match self.order.first().cloned() {
            Some((at, key)) if at <= now => {
                self.order.pop_first();
                self.due.remove(&key);
                self.running.insert(key.clone(), None);
                self.pace.looked(&key, now);
                let deadline = self.deadlines.get(&key).copied().unwrap_or_default();
                let awaited = deadline.overdue.or(deadline.next.filter(|passed| *passed <= now));
                Ok(Turn { key, awaited })
            }
            next => Err(earliest(next.map(|(at, _)| at), self.pace.end_of_stream())),
        }
    }

    /// The clock was set back: what was due then, or paused, would wait for as long as the step is. So everything that waits
    /// is looked at.
    fn look_at_all(&mut self, now: Timestamp) {
        self.pace = Pace::default();
        let waiting = self.due.keys().chain(self.running.keys());
        for key in waiting.cloned().collect::<Vec<_>>() {
            self.again(key, now);
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

/// When to try again what at `now` has been tried once more than `count` times in vain.
fn after_pause(count: &mut u32, now: Timestamp) -> Timestamp {
    let pause = SHORTEST_PAUSE.saturating_mul(1 << (*count).min(12)).min(LONGEST_PAUSE);
    *count = count.saturating_add(1);
    now.saturating_add(pause).unwrap_or(now)
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

    /// Ends a turn in which `key` was judged.
    fn end(queue: &Queue, turn: &Turn, (now, deadline): (i64, Option<i64>), looked: Looked) {
        queue.judged(&turn.key, deadline.map(at), at(now));
        queue.done(&turn.key, looked);
    }

    #[test]
    fn a_deadline_is_awaited_until_all_is_done_for_it_and_no_longer() {
        let queue = Queue::default();
        queue.add(key("valet"), at(0));
        let first = turn(&queue, 0);
        assert_eq!(first.awaited, None, "nothing was to change by itself");
        end(&queue, &first, (0, Some(1000)), Looked::Done(Some(at(400))));
        let besides = turn(&queue, 400);
        assert_eq!(besides.awaited, None, "that is no deadline");
        end(&queue, &besides, (400, Some(1000)), Looked::Done(None));
        let tried = turn(&queue, 1010);
        assert_eq!(tried.awaited, Some(at(1000)));
        queue.judged(&tried.key, None, at(1010));
        queue.failed(&tried.key, at(1020));
        let begun = turn(&queue, 1120);
        assert_eq!(begun.awaited, Some(at(1000)), "what failed is not done");
        end(&queue, &begun, (1120, None), Looked::Unfinished(at(1130)));
        let ended = turn(&queue, 1130);
        assert_eq!(ended.awaited, Some(at(1000)), "nor is what is left for later");
        end(&queue, &ended, (1130, None), Looked::Done(Some(at(2000))));
        assert_eq!(turn(&queue, 2000).awaited, None, "it counts once");
    }

    #[test]
    fn e2_a_deadline_does_not_wait_for_the_pause_of_what_failed_or_is_withheld() {
        for ends in [Queue::failed, |queue: &Queue, key: &Key, now| {
            queue.done(key, Looked::Withheld(now));
        }] {
            let queue = Queue::default();
            queue.add(key("valet"), at(0));
            let (mut now, deadline) = (0, 1_000_000);
            for _ in 0..14 {
                let turn = turn(&queue, now);
                queue.judged(&turn.key, Some(at(deadline)).filter(|_| now < deadline), at(now));
                ends(&queue, &turn.key, at(now));
                now = queue.inner().order.first().unwrap().0.as_millisecond();
                assert!(now <= deadline);
                if now == deadline {
                    break;
                }
            }
            let due = turn(&queue, deadline);
            assert_eq!(due.awaited, Some(at(deadline)));
            queue.judged(&due.key, None, at(deadline));
            ends(&queue, &due.key, at(deadline));
            assert!(queue.inner().take(at(deadline)).is_err(), "it is tried after a pause");
        }
    }

    #[test]
    fn what_is_withheld_is_done_for_its_deadline_and_a_failure_after_it_is_tried_again_soon() {
        let queue = Queue::default();
        queue.add(key("valet"), at(0));
        end(&queue, &turn(&queue, 0), (0, Some(50)), Looked::Withheld(at(0)));
        let due = turn(&queue, 60);
        assert_eq!(due.awaited, Some(at(50)));
        end(&queue, &due, (60, None), Looked::Withheld(at(60)));
        let mut now = 60;
        for _ in 0..12 {
            now += 300_000;
            let again = turn(&queue, now);
            assert_eq!(again.awaited, None, "what could be done was done");
            end(&queue, &again, (now, None), Looked::Withheld(at(now)));
        }
        let key = turn(&queue, now + 300_000).key;
        queue.failed(&key, at(now + 300_000));
        assert_eq!(turn(&queue, now + 300_100).key, key);
    }

    #[test]
    fn e10_when_the_clock_is_set_back_nothing_waits_for_as_long_as_the_step() {
        let (queue, hour) = (Queue::default(), 3_600_000);
        queue.add(key("valet"), at(hour));
        end(&queue, &turn(&queue, hour), (hour, None), Looked::Done(None));
        queue.changed(key("valet"), at(hour));
        queue.add(key("maid"), at(hour + 1000));
        assert!(
            queue.inner().take(at(hour - 1500)).is_err(),
            "a bound that is too old is no step"
        );
        let (first, second) = (turn(&queue, 5), turn(&queue, 5));
        assert_eq!(
            BTreeSet::from([first.key, second.key]),
            BTreeSet::from([key("valet"), key("maid")])
        );
        queue.done(&key("valet"), Looked::Done(None));
        queue.changed(key("valet"), at(30));
        assert_eq!(turn(&queue, 30).key, key("valet"), "nor does what changes afterwards");
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
        queue.done(&turn(&queue, now).key, Looked::Done(None));
        queue.retry(at(now));
        assert!(queue.inner().take(at(now)).is_err(), "it has not failed any more");
    }
}
