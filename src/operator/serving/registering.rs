//! Keeps the registration as it should be, and tells whoever looks after the cluster when it was not. What should be
//! registered, and what may be put right, is left to [`crate::webhook::registration`].
//!
//! Each process registers at its start, since nobody may lead yet; from then on the leader alone does, so that two versions do
//! not put each other right while one follows the other. Whom to trust beside a chart any process writes: that comes from one
//! Secret, and is the same for all.

use super::super::Parts;
use crate::controllers::events;
use crate::health::Gate;
use crate::policy::Reason;
use crate::webhook::registration::{self, Amiss, Id, Registrar, Registration, lookout::Seen, sentence};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use std::collections::BTreeSet;

/// How soon it is looked again when something could not be put right, or is another process' to put right.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// So often what is changed again and again is put right at once; then less and less often.
const AT_ONCE: u32 = 3;
/// How long nothing must have been put right for that to begin anew.
const CALM: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause between two times that something is put right.
const LONGEST: SignedDuration = SignedDuration::from_secs(30);

/// What this process knows of its own work.
#[derive(Default)]
pub struct Keeping {
    /// Whether all was as it should be, once.
    established: bool,
    /// Whom all webhooks were to trust then.
    bundle: String,
    noticed: BTreeSet<Id>,
    told: BTreeSet<Id>,
    pace: Pace,
}

/// How often something was put right of late.
#[derive(Default)]
struct Pace {
    last: Option<Timestamp>,
    count: u32,
}

impl Pace {
    /// Until when it is waited before something is put right again.
    fn next(&self) -> Timestamp {
        let doubled = self.count.checked_sub(AT_ONCE).map(|more| 1_i64 << more.min(5));
        let pause = doubled.map_or(SignedDuration::ZERO, |pause| {
            SignedDuration::from_secs(pause).min(LONGEST)
        });
        let next = self.last.and_then(|last| last.checked_add(pause).ok());
        next.unwrap_or(Timestamp::MIN)
    }

    fn mended(&mut self, now: Timestamp) {
        let calm = self.last.is_none_or(|last| now.duration_since(last) > CALM);
        self.count = if calm { 1 } else { self.count.saturating_add(1) };
        self.last = Some(now);
    }
}

impl Parts {
    /// Puts right what may be, says what is not as it should be, and until when nothing else is to be done if nothing
    /// changes. `bundle`: whom to trust.
    pub(super) async fn registered(
        &self,
        (registration, bundle): (&Registration, &str),
        seen: &Seen,
        keeping: &mut Keeping,
        now: Timestamp,
    ) -> Timestamp {
        if !seen.is_complete() {
            return Timestamp::MAX;
        }
        let amiss = registration.amiss(&seen.objects, bundle);
        self.context.metrics.registration_intact(amiss.is_empty());
        if amiss.is_empty() {
            self.readiness.open(Gate::Registration);
            let pace = std::mem::take(&mut keeping.pace);
            *keeping = Keeping {
                established: true,
                bundle: bundle.to_owned(),
                pace,
                ..Keeping::default()
            };
            return Timestamp::MAX;
        }
        if registration.registrar() == Registrar::Chart
            && let Some(sentence) = sentence(&amiss)
        {
            self.readiness.explain(Gate::Registration, &sentence);
        }
        let ours = registration.registrar() == Registrar::Chart || !keeping.established || self.context.leads();
        let next = if ours {
            self.mend(&amiss, keeping, now).await
        } else {
            later(now, AGAIN)
        };
        // Nobody has changed whom to trust if it is what we have changed our minds about.
        let renewed = registration::in_place(&seen.objects, &keeping.bundle);
        let news = amiss.iter().filter(|amiss| !renewed || !amiss.wrong.is_empty());
        self.tell(news.collect(), keeping).await;
        next
    }

    async fn mend(&self, amiss: &[Amiss], keeping: &mut Keeping, now: Timestamp) -> Timestamp {
        let may = keeping.pace.next();
        if now < may {
            return may;
        }
        if !amiss.iter().any(Amiss::is_ours) {
            // Nothing but a change can help, or that this process leads and may tell of it.
            return if self.context.leads() {
                Timestamp::MAX
            } else {
                later(now, LONGEST)
            };
        }
        keeping.pace.mended(now);
        if let Err(error) = registration::mend(&self.client, amiss).await {
            tracing::warn!(%error, "the webhook could not be registered, trying again");
        }
        later(now, AGAIN)
    }

    /// Logs and counts what is new, and has the leader write an Event. What is simply not there yet at the start is no news.
    async fn tell(&self, news: Vec<&Amiss>, keeping: &mut Keeping) {
        for amiss in news {
            if !keeping.established && (amiss.is_ours() || amiss.wrong.is_empty()) {
                continue;
            }
            let what = if amiss.wrong.is_empty() {
                format!("{} trusts another certificate than the webhook's", amiss.id)
            } else {
                amiss.wrong.join("; ")
            };
            let outcome = if amiss.is_ours() {
                "it is put right"
            } else {
                "upgrade chart and operator together, or put it back"
            };
            if keeping.noticed.insert(amiss.id.clone()) {
                tracing::warn!(object = %amiss.id, what, outcome, "the registration is not as it should be");
                self.context.metrics.registration_changed();
            }
            if self.context.leads() && keeping.told.insert(amiss.id.clone()) {
                let note = format!("{what}: {outcome}");
                events::warn(reference(amiss), Reason::RegistrationChanged, &note, &self.context).await;
            }
        }
    }
}

fn reference(amiss: &Amiss) -> ObjectReference {
    ObjectReference {
        api_version: Some("admissionregistration.k8s.io/v1".to_owned()),
        kind: Some(format!("{:?}", amiss.id.kind)),
        name: Some(amiss.id.name.clone()),
        uid: amiss.uid.clone(),
        ..ObjectReference::default()
    }
}

fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_again_and_again_is_put_right_at_once_and_then_less_and_less_often() {
        let mut pace = Pace::default();
        let mut now = Timestamp::constant(1_795_420_800, 0);
        let mut pauses = vec![];
        for _ in 0..12 {
            let next = pace.next().max(now);
            pauses.push(next.duration_since(now).as_secs());
            now = next;
            pace.mended(now);
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        now = later(now, CALM + SignedDuration::from_secs(1));
        pace.mended(now);
        assert_eq!(pace.next(), now, "it was calm for a minute");
    }
}
