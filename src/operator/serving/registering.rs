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
use std::collections::{BTreeMap, BTreeSet};

/// How soon it is looked again when something could not be put right, or is another process' to put right.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// So often an object that is changed again and again is put right at once; then less and less often.
const AT_ONCE: u32 = 3;
/// How long it must not have been put right for that to begin anew.
const CALM: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause between two times that an object is put right.
const LONGEST: SignedDuration = SignedDuration::from_secs(30);

/// What this process knows of its own work.
#[derive(Default)]
pub struct Keeping {
    /// Whether all was as it should be, once.
    established: bool,
    /// Whom all webhooks were to trust then.
    bundle: String,
    /// What is amiss and was noticed; as what comes again and again, too, if it does.
    noticed: BTreeSet<(Id, bool)>,
    told: BTreeSet<(Id, bool)>,
    /// Of each object its own: who fights over one holds up no other.
    paces: BTreeMap<Id, Pace>,
}

/// How often an object was put right of late.
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

impl Keeping {
    /// What of it is put right now, and when the next of the rest may be.
    fn due<'a>(&mut self, amiss: &'a [Amiss], now: Timestamp) -> (Vec<&'a Amiss>, Timestamp) {
        let (mut due, mut next) = (vec![], Timestamp::MAX);
        for amiss in amiss.iter().filter(|amiss| amiss.is_ours()) {
            let pace = self.paces.entry(amiss.id.clone()).or_default();
            if now < pace.next() {
                next = next.min(pace.next());
            } else {
                pace.mended(now);
                due.push(amiss);
            }
        }
        (due, next)
    }

    /// Whether somebody changes it again and again.
    fn is_fought_over(&self, id: &Id) -> bool {
        self.paces.get(id).is_some_and(|pace| pace.count > AT_ONCE)
    }

    /// What is right again is news when it is not.
    fn forget_all_but(&mut self, amiss: &[Amiss]) {
        let still = |(id, _): &(Id, bool)| amiss.iter().any(|amiss| amiss.id == *id);
        self.noticed.retain(still);
        self.told.retain(still);
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
        keeping.forget_all_but(&amiss);
        if amiss.is_empty() {
            self.readiness.open(Gate::Registration);
            keeping.established = true;
            bundle.clone_into(&mut keeping.bundle);
            return Timestamp::MAX;
        }
        let stays =
            registration.registrar() == Registrar::Chart || amiss.iter().any(|amiss| keeping.is_fought_over(&amiss.id));
        if stays && let Some(sentence) = sentence(&amiss, |id| keeping.is_fought_over(id)) {
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
        if !amiss.iter().any(Amiss::is_ours) {
            // Nothing but a change can help, or that this process leads and may tell of it.
            return if self.context.leads() {
                Timestamp::MAX
            } else {
                later(now, AGAIN)
            };
        }
        let (due, next) = keeping.due(amiss, now);
        if due.is_empty() {
            return next;
        }
        if let Err(error) = registration::mend(&self.client, due).await {
            tracing::warn!(%error, "the webhook could not be registered, trying again");
        }
        next.min(later(now, AGAIN))
    }

    /// Logs and counts what is new, and has the leader write an Event. What is simply not there yet at the start is no news.
    async fn tell(&self, news: Vec<&Amiss>, keeping: &mut Keeping) {
        for amiss in news {
            let again = keeping.is_fought_over(&amiss.id);
            if !keeping.established && !again && (amiss.is_ours() || amiss.wrong.is_empty()) {
                continue;
            }
            let what = if amiss.wrong.is_empty() {
                format!("{} trusts another certificate than the webhook's", amiss.id)
            } else {
                let wrong: Vec<&str> = amiss.wrong.iter().map(|wrong| wrong.what.as_str()).collect();
                wrong.join("; ")
            };
            let outcome = amiss.outcome(again);
            let news = (amiss.id.clone(), again);
            if keeping.noticed.insert(news.clone()) {
                tracing::warn!(object = %amiss.id, what, outcome, "the registration is not as it should be");
                self.context.metrics.registration_changed();
            }
            if self.context.leads() && keeping.told.insert(news) {
                let note = format!("{what}: {outcome}");
                let action = if again { "RepairAgain" } else { "Repair" };
                let told = (Reason::RegistrationChanged, action);
                events::warn(reference(amiss), told, &note, &self.context).await;
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
    use crate::policy::history::Employees;
    use crate::webhook::registration::Objects;

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

    #[test]
    fn who_fights_over_one_object_holds_up_no_other() -> Result<(), registration::Error> {
        let names = registration::Names {
            operator_user: "scarlet".to_owned(),
            operator_namespace: "pimpernel-system".to_owned(),
            sessions_namespace: "pimpernel-sessions".to_owned(),
        };
        let url = "https://127.0.0.1:9443";
        let registration = Registration::new(Registrar::Operator, &names, url, Employees::Sessions)?;
        let amiss = registration.amiss(&Objects::new(), "");
        let (fought, others) = amiss.split_at(1);
        let mut keeping = Keeping::default();
        let mut now = Timestamp::constant(1_795_420_800, 0);
        for _ in 0..7 {
            let (due, next) = keeping.due(fought, now);
            assert!(due.len() == 1 || next > now, "it is not said when");
            now = if due.is_empty() { next } else { now };
        }
        let (due, next) = keeping.due(&amiss, now);
        assert_eq!(due.len(), others.len(), "one waits, and the others do not");
        assert!(next > now && next <= later(now, LONGEST), "{next}");
        assert_eq!(keeping.due(fought, next).0.len(), 1, "nor does that one for ever");
        let of_others = others.iter().any(|amiss| keeping.is_fought_over(&amiss.id));
        assert!(
            keeping.is_fought_over(&fought[0].id) && !of_others,
            "not that one alone"
        );
        Ok(())
    }

    #[test]
    fn what_is_right_again_is_news_when_it_is_not() {
        let id = |name: &str| Id {
            kind: registration::Kind::ValidatingAdmissionPolicy,
            name: name.to_owned(),
        };
        let mut keeping = Keeping::default();
        keeping.noticed.insert((id("mended"), false));
        keeping.told.insert((id("mended"), true));
        keeping.forget_all_but(&[]);
        assert!(
            keeping.noticed.is_empty() && keeping.told.is_empty(),
            "it would not be told again"
        );
    }
}
