//! How soon objects that sum up others, roles and tenants, are looked at again. At rest: at once. While newcomers stream
//! in, each role and tenant that they enter would be written anew for each of them; so there the looks are spread the
//! wider the more objects wait, and what waits is looked at when the stream ends. The price is that a newcomer in a large
//! stream gets her rights up to [`LONGEST`] later. Only what gives and never takes is delayed so: see
//! [`crate::policy::affected::only_adds`].

use crate::policy::{Key, Kind};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};

/// How long what was just looked at waits for company, whatever the reason to look again.
const GATHERING: SignedDuration = SignedDuration::from_millis(20);
/// By how much each object that newcomers enter delays the others: so some 40 of them are looked at again in a second.
const STEP: SignedDuration = SignedDuration::from_millis(25);
/// The longest that anything waits.
const LONGEST: SignedDuration = SignedDuration::from_secs(15);
/// A stream has ended when nobody has come for so long.
const QUIET: SignedDuration = SignedDuration::from_secs(1);
/// How often a status is written at most when nothing but a count changed.
const COUNTS: SignedDuration = SignedDuration::from_secs(1);

/// What was looked at when, and what waits for the end of a stream.
#[derive(Default)]
pub struct Pace {
    looked: HashMap<Key, Timestamp>,
    counted: HashMap<Key, Timestamp>,
    waiting: HashSet<Key>,
    newcomer: Option<Timestamp>,
}

impl Pace {
    /// When to look at `key` after a change at `now`.
    pub fn soon(&self, key: &Key, now: Timestamp) -> Timestamp {
        self.after(key, GATHERING, now)
    }

    /// When to look at `key` after a change at `now` of something that it only counts: no oftener than counts are written.
    pub fn for_counts(&self, key: &Key, now: Timestamp) -> Timestamp {
        self.after(key, COUNTS, now)
    }

    /// When to look at `key` after a newcomer at `now`, at the latest.
    pub fn for_newcomer(&mut self, key: &Key, now: Timestamp) -> Timestamp {
        if self.newcomer.replace(now).is_none() {
            self.forget(now);
        }
        let entered = i32::try_from(self.looked.len()).unwrap_or(i32::MAX);
        let spread = STEP.saturating_mul(entered).clamp(GATHERING, LONGEST);
        let at = self.after(key, spread, now);
        if at > now {
            self.waiting.insert(key.clone());
        }
        at
    }

    fn after(&self, key: &Key, pause: SignedDuration, now: Timestamp) -> Timestamp {
        let next = self.looked.get(key).and_then(|last| last.checked_add(pause).ok());
        next.map_or(now, |next| next.max(now))
    }

    /// Takes in that `key` is looked at now, and so for all that it waited for.
    pub fn looked(&mut self, key: &Key, now: Timestamp) {
        self.waiting.remove(key);
        if matches!(key.kind, Kind::Tenant | Kind::Role) {
            self.looked.insert(key.clone(), now);
        }
    }

    /// When the counts of `key` may be written, if not now. If now, they count as written.
    pub fn counts(&mut self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        let streaming = self.end_of_stream().is_some_and(|end| now < end);
        let (every, never) = if streaming {
            (LONGEST, now)
        } else {
            (COUNTS, Timestamp::MIN)
        };
        let last = self.counted.entry(key.clone()).or_insert(never);
        let next = last.saturating_add(every).unwrap_or(now);
        if next <= now {
            *last = now;
            return None;
        }
        if streaming {
            self.waiting.insert(key.clone());
        }
        Some(next)
    }

    /// When what waits need wait no longer, if nobody else comes until then.
    pub fn end_of_stream(&self) -> Option<Timestamp> {
        self.newcomer?.checked_add(QUIET).ok()
    }

    /// If the stream has ended at `now`: what waited for that, once.
    pub fn ended(&mut self, now: Timestamp) -> HashSet<Key> {
        if self.end_of_stream().is_none_or(|end| now < end) {
            return HashSet::new();
        }
        self.newcomer = None;
        self.forget(now);
        std::mem::take(&mut self.waiting)
    }

    /// Forgets what holds back nothing any more.
    fn forget(&mut self, now: Timestamp) {
        let recent = |last: &mut Timestamp| last.saturating_add(COUNTS).is_ok_and(|next| next > now);
        self.looked.retain(|_, last| recent(last));
        self.counted.retain(|_, last| recent(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Name;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    fn role(number: i64) -> Key {
        Key::new(Kind::Role, Name::new("lsp", format!("role-{number}")))
    }

    /// How often `roles` are looked at while a newcomer to one of them, in turn, comes each `gap` ms, and how long the
    /// longest waits.
    fn stream(roles: i64, gap: i64, length: i64) -> (usize, i64) {
        let mut pace = Pace::default();
        let mut due: HashMap<Key, (Timestamp, i64)> = HashMap::new();
        let (mut looks, mut longest) = (0, 0);
        for millis in 0..length {
            let now = at(millis);
            if millis % gap == 0 {
                let key = role(millis / gap % roles);
                let next = pace.for_newcomer(&key, now);
                let (known, _) = due.entry(key).or_insert((next, millis));
                *known = next.min(*known);
            }
            let ready: Vec<Key> = (due.iter())
                .filter(|(_, (at, _))| *at <= now)
                .map(|(key, _)| key.clone())
                .collect();
            for key in ready {
                let (_, since) = due.remove(&key).unwrap();
                longest = longest.max(millis - since);
                pace.looked(&key, now);
                looks += 1;
            }
        }
        (looks, longest)
    }

    #[test]
    fn at_rest_a_newcomer_is_looked_at_at_once() {
        let (looks, longest) = stream(5, 3_000, 60_000);
        assert_eq!((looks, longest), (20, 0));
    }

    #[test]
    fn a_large_stream_costs_few_looks_and_nobody_waits_longer_than_the_longest() {
        let (looks, longest) = stream(200, 1, 20_000);
        assert!(looks < 200 + 20 * 60, "20,000 newcomers cost {looks} looks");
        assert!(longest <= 15_000, "{longest} ms");
    }

    #[test]
    fn a_stream_into_one_tenant_is_hardly_slowed() {
        let (_, longest) = stream(6, 3, 10_000);
        assert!(longest <= 200, "{longest} ms");
    }

    #[test]
    fn a_withdrawal_does_not_wait_for_a_stream() {
        let mut pace = Pace::default();
        for number in 0..600 {
            pace.looked(&role(number), at(0));
            pace.for_newcomer(&role(number), at(1));
        }
        assert_eq!(pace.for_newcomer(&role(0), at(1)), at(15_000));
        assert_eq!(pace.soon(&role(0), at(1)), at(20));
        assert_eq!(pace.soon(&role(0), at(30)), at(30));
    }

    #[test]
    fn what_waits_is_looked_at_once_when_the_stream_ends() {
        let mut pace = Pace::default();
        pace.looked(&role(1), at(0));
        pace.for_newcomer(&role(1), at(1));
        pace.for_newcomer(&role(2), at(500));
        assert!(pace.ended(at(1_499)).is_empty());
        assert_eq!(pace.ended(at(1_500)), HashSet::from([role(1)]));
        assert!(pace.ended(at(1_501)).is_empty());
    }

    #[test]
    fn what_is_only_counted_is_looked_at_at_once_at_rest_and_then_once_a_second() {
        let mut pace = Pace::default();
        assert_eq!(pace.for_counts(&role(1), at(0)), at(0));
        pace.looked(&role(1), at(0));
        assert_eq!(pace.for_counts(&role(1), at(300)), at(1_000));
        assert_eq!(pace.soon(&role(1), at(300)), at(300));
    }

    #[test]
    fn counts_wait_for_the_end_of_a_stream_and_are_written_at_once_at_rest() {
        let mut pace = Pace::default();
        assert_eq!(pace.counts(&role(1), at(0)), None);
        assert_eq!(pace.counts(&role(1), at(400)), Some(at(1_000)));
        pace.for_newcomer(&role(2), at(5_000));
        assert_eq!(pace.counts(&role(2), at(5_000)), Some(at(20_000)));
        assert_eq!(pace.ended(at(6_000)), HashSet::from([role(2)]));
        assert_eq!(pace.counts(&role(2), at(6_000)), None);
    }
}
