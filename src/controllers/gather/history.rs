//! What objects carry of their history, and what is on record, becomes known.

use super::Gather;
use crate::controllers::context::{Context, Woken};
use crate::policy::history::{Employees, Held, outbox};
use crate::policy::ledger::Noted;
use crate::policy::{Change, Key, Kind, Name};

impl Gather {
    /// Takes in what is known of an object's history. The names that it used are burnt before they are on record (R4).
    pub(super) fn held(&mut self, (key, version): (&Key, u64), held: Held, context: &Context, woken: &mut Woken) {
        if let (Some(pending), Some(keys)) = (&held.pending, context.witness.keys()) {
            for (id, noted) in outbox::names(pending, (key, &held.uid), &keys) {
                let place = outbox::place(&key.name, &id);
                if self.waiting.entry(key.name.clone()).or_default().insert(place.clone()) {
                    self.record(&place, Some(noted), woken);
                }
            }
        }
        let idle = key.kind == Kind::Employee
            && context.witness.employees == Employees::Sessions
            && held.pending.is_none()
            && !held.finalizer;
        if !idle && context.observed.held(key, version, held) {
            woken.changed.insert(key.clone());
        }
    }

    /// The object is gone, and what is left of its history is to be put on record.
    pub(super) fn lost(&mut self, key: &Key, context: &Context, woken: &mut Woken) {
        if context.leads() {
            let uid = self.directory.meta(key).map(|meta| meta.uid.clone());
            context.observed.lost(key, uid.filter(|uid| context.witness.saw(uid)));
        } else {
            // Whoever leads has put it on record.
            context.observed.forget_histories(key);
        }
        if key.kind == Kind::Role {
            for place in self.waiting.remove(&key.name).unwrap_or_default() {
                self.record(&place, None, woken);
            }
        }
    }

    /// Takes in what a record says, or that it is gone. Only what others are judged by wakes anybody.
    pub(super) fn record(&mut self, name: &Name, noted: Option<Noted>, woken: &mut Woken) {
        let known = self.directory.ledger().noted(name);
        if !known.into_iter().chain(&noted).any(Noted::decides) {
            self.directory.fold(Change::Record(name.clone(), noted));
            return;
        }
        let subject = noted
            .as_ref()
            .or(self.directory.ledger().noted(name))
            .map(Noted::subject);
        if let Some(subject) = subject {
            self.fold(Change::Record(name.clone(), noted), &subject, woken);
        }
    }
}
