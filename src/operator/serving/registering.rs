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
use crate::webhook::registration::{self, Amiss, Course, Error, Id, Registrar, Registration, lookout::Seen, sentence};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use std::collections::{BTreeMap, BTreeSet};

/// How soon it is looked again when something could not be put right, or is another process' to put right.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// So often an object that is changed again and again is put right at once; then less and less often.
const AT_ONCE: u32 = 3;
/// How long that must not have been tried for it to begin anew.
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

/// How often it was tried of late to put an object right, and how often that was done.
#[derive(Default)]
struct Pace {
    last: Option<Timestamp>,
    tried: u32,
    mended: u32,
    /// Why the last time it was not.
    refused: Option<String>,
}

impl Pace {
    /// Until when it is waited before something is put right again.
    fn next(&self) -> Timestamp {
        let doubled = self.tried.checked_sub(AT_ONCE).map(|more| 1_i64 << more.min(5));
        let pause = doubled.map_or(SignedDuration::ZERO, |pause| {
            SignedDuration::from_secs(pause).min(LONGEST)
        });
        let next = self.last.and_then(|last| last.checked_add(pause).ok());
        next.unwrap_or(Timestamp::MIN)
    }

    fn tries(&mut self, now: Timestamp) {
        if self.last.is_none_or(|last| now.duration_since(last) > CALM) {
            (self.tried, self.mended) = (0, 0);
        }
        self.tried = self.tried.saturating_add(1);
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
                pace.tries(now);
                due.push(amiss);
            }
        }
        (due, next)
    }

    /// Takes down whether it was written, or why not.
    fn hears(&mut self, id: &Id, answer: Result<bool, Error>) {
        let pace = self.paces.entry(id.clone()).or_default();
        pace.refused = None;
        match answer {
            Ok(written) => pace.mended = pace.mended.saturating_add(written.into()),
            Err(error) => {
                tracing::warn!(%error, "trying again");
                pace.refused = Some(error.to_string());
            }
        }
    }

    /// How it goes to put it right: somebody changes it again and again, if it was really put right that often.
    fn course(&self, id: &Id) -> Course<'_> {
        match self.paces.get(id) {
            Some(Pace { refused: Some(why), .. }) => Course::Refused(why),
            Some(pace) if pace.mended > AT_ONCE => Course::Again,
            _ => Course::Smooth,
        }
    }

    /// Why what is amiss stays so for now, if it does.
    fn why(&self, amiss: &[Amiss], registrar: Registrar) -> Option<String> {
        let course = |id: &Id| self.course(id);
        let stays = registrar == Registrar::Chart || amiss.iter().any(|amiss| course(&amiss.id) != Course::Smooth);
        stays.then(|| sentence(amiss, course)).flatten()
    }

    /// Notes it: whether that is news, and whether it is a change, after all had been in place, that is not counted yet.
    fn notices(&mut self, (id, again): &(Id, bool)) -> (bool, bool) {
        let known = self.noticed.contains(&(id.clone(), !again));
        let new = self.noticed.insert((id.clone(), *again));
        (new, new && !known && self.established)
    }

    /// What is right again is news when it is not.
    fn forget_all_but(&mut self, amiss: &[Amiss]) {
        let still = |(id, _): &(Id, bool)| amiss.iter().any(|amiss| amiss.id == *id);
        self.noticed.retain(still);
        self.told.retain(still);
        for (id, pace) in &mut self.paces {
            pace.refused = pace
                .refused
                .take()
                .filter(|_| amiss.iter().any(|amiss| amiss.id == *id));
        }
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
        let ours = registration.registrar() == Registrar::Chart || !keeping.established || self.context.leads();
        let next = if ours {
            self.mend(&amiss, keeping, now).await
        } else {
            later(now, AGAIN)
        };
        if let Some(why) = keeping.why(&amiss, registration.registrar()) {
            self.readiness.explain(Gate::Registration, &why);
        }
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
        for (id, answer) in registration::mend(&self.client, due).await {
            keeping.hears(id, answer);
        }
        next.min(later(now, AGAIN))
    }

    /// Logs and counts what is new, and has the leader write an Event. What is simply not there yet at the start is no news.
    async fn tell(&self, news: Vec<&Amiss>, keeping: &mut Keeping) {
        for amiss in news {
            let again = keeping.course(&amiss.id) == Course::Again;
            if !keeping.established && !again && (amiss.is_ours() || amiss.wrong.is_empty()) {
                continue;
            }
            let what = amiss.note(keeping.course(&amiss.id));
            let news = (amiss.id.clone(), again);
            let (new, changed) = keeping.notices(&news);
            if new {
                tracing::warn!(object = %amiss.id, what, "the registration is not as it should be");
            }
            if changed {
                self.context.metrics.registration_changed();
            }
            if self.context.leads() && keeping.told.insert(news) {
                let action = if again { "RepairAgain" } else { "Repair" };
                let told = (Reason::RegistrationChanged, action);
                events::warn(reference(amiss), told, &what, &self.context).await;
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

    fn registration() -> Result<Registration, registration::Error> {
        let names = registration::Names {
            operator_user: "scarlet".to_owned(),
            operator_namespace: "pimpernel-system".to_owned(),
            sessions_namespace: "pimpernel-sessions".to_owned(),
        };
        let url = "https://127.0.0.1:9443";
        Registration::new(Registrar::Operator, &names, url, Employees::Sessions)
    }

    #[test]
    fn what_is_changed_again_and_again_is_put_right_at_once_and_then_less_and_less_often() {
        let mut pace = Pace::default();
        let mut now = Timestamp::constant(1_795_420_800, 0);
        let mut pauses = vec![];
        for _ in 0..12 {
            let next = pace.next().max(now);
            pauses.push(next.duration_since(now).as_secs());
            now = next;
            pace.tries(now);
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        now = later(now, CALM + SignedDuration::from_secs(1));
        pace.tries(now);
        assert_eq!(pace.next(), now, "it was calm for a minute");
    }

    #[test]
    fn who_fights_over_one_object_holds_up_no_other() -> Result<(), registration::Error> {
        let amiss = registration()?.amiss(&Objects::new(), "");
        let (others, fought) = amiss.split_at(amiss.len() - 1);
        let mut keeping = Keeping::default();
        let mut now = Timestamp::constant(1_795_420_800, 0);
        for _ in 0..7 {
            let (due, next) = keeping.due(fought, now);
            assert!(due.len() == 1 || next > now, "it is not said when");
            for amiss in &due {
                keeping.hears(&amiss.id, Ok(true));
            }
            now = if due.is_empty() { next } else { now };
        }
        let (due, next) = keeping.due(&amiss, now);
        assert_eq!(due.len(), others.len(), "one waits, and the others do not");
        assert!(next > now && next <= later(now, LONGEST), "{next}");
        assert_eq!(keeping.due(fought, next).0.len(), 1, "nor does that one for ever");
        let of_others = others.iter().all(|amiss| keeping.course(&amiss.id) == Course::Smooth);
        assert!(
            keeping.course(&fought[0].id) == Course::Again && of_others,
            "not that one alone"
        );
        let why = keeping.why(&amiss, Registrar::Operator).unwrap_or_default();
        assert!(
            why.contains(&fought[0].id.to_string()) && why.contains("changed again"),
            "{why}"
        );
        Ok(())
    }

    #[test]
    fn a_write_that_was_refused_puts_nothing_right_and_is_why_nothing_is() -> Result<(), registration::Error> {
        let amiss = registration()?.amiss(&Objects::new(), "");
        let id = &amiss[1].id;
        let mut keeping = Keeping::default();
        let mut now = Timestamp::constant(1_795_420_800, 0);
        let mut times = |keeping: &mut Keeping, count: u32, answer: fn(&Id) -> Result<bool, Error>| {
            for _ in 0..count {
                now = keeping.due(&amiss[1..2], now).1.min(later(now, LONGEST));
                keeping.hears(id, answer(id));
            }
        };
        times(&mut keeping, 12, |id| {
            let forbidden = kube::core::Status::failure("policies are forbidden", "Forbidden").with_code(403);
            Err(Error::Api(id.clone(), Box::new(kube::Error::Api(Box::new(forbidden)))))
        });
        let why = keeping.why(&amiss, Registrar::Operator).unwrap_or_default();
        let more = amiss.len() - 1;
        let refused = format!("there is no {id} (and {more} more): {id} cannot be registered: policies are forbidden");
        assert_eq!(why, refused);
        times(&mut keeping, 12, |_| Ok(false));
        assert_eq!(keeping.course(id), Course::Smooth, "others were quicker, each time");
        times(&mut keeping, AT_ONCE, |_| Ok(true));
        assert_eq!(keeping.course(id), Course::Smooth, "at once, that often");
        times(&mut keeping, 1, |_| Ok(true));
        assert_eq!(keeping.course(id), Course::Again);
        times(&mut keeping, 1, |id| Err(Error::Kind(id.name.clone())));
        assert!(
            matches!(keeping.course(id), Course::Refused(_)),
            "it is not put right now"
        );
        keeping.forget_all_but(&[]);
        assert_eq!(keeping.course(id), Course::Again, "it is right, so nothing is refused");
        Ok(())
    }

    #[test]
    fn one_change_is_counted_once_and_only_after_all_had_been_in_place() {
        let id = Id {
            kind: registration::Kind::ValidatingAdmissionPolicy,
            name: "mended".to_owned(),
        };
        let (once, again) = ((id.clone(), false), (id, true));
        let mut keeping = Keeping::default();
        assert_eq!(keeping.notices(&again), (true, false), "nothing had been in place");
        keeping.forget_all_but(&[]);
        keeping.established = true;
        assert_eq!(keeping.notices(&once), (true, true));
        assert_eq!(keeping.notices(&once), (false, false));
        assert_eq!(keeping.notices(&again), (true, false), "it is the same change");
        keeping.forget_all_but(&[]);
        assert_eq!(keeping.notices(&again), (true, true), "it was right in between");
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
