//! What is said of objects that are not as they should be: which fault, and what becomes of it, or what somebody must do.

use super::{Amiss, Id, Registrar, Wrong};

/// How it went of late to put an object right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course<'a> {
    /// There is nothing to say of that.
    Smooth,
    /// It was put right, and changed again, several times.
    Again,
    /// It could not be written, and why.
    Refused(&'a str),
}

/// What the API server said, without the codes beside it; else why it could not be asked.
pub(super) fn answer(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

impl Amiss {
    /// What is worth telling; `None` stands for whom it trusts. What tells most of what somebody must do comes first.
    fn faults(&self, course: Course<'_>) -> Vec<Option<&Wrong>> {
        let trust_alone = self.is_ours() && (self.registrar == Registrar::Chart || self.wrong.is_empty());
        let trust = (trust_alone && course != Course::Smooth).then_some(None);
        let mut faults: Vec<_> = self.wrong.iter().map(Some).chain(trust).collect();
        faults.sort_by_key(|fault| !self.is_telling(*fault, course));
        faults
    }

    /// Whether somebody must do more than wait, or go on with an upgrade.
    fn is_telling(&self, fault: Option<&Wrong>, course: Course<'_>) -> bool {
        match (self.registrar, fault) {
            (Registrar::Chart, Some(wrong)) => wrong.added,
            _ => course != Course::Smooth,
        }
    }

    fn what(&self, fault: Option<&Wrong>) -> String {
        let trust = || format!("{} trusts another certificate than the webhook's", self.id);
        fault.map_or_else(trust, |wrong| wrong.what.clone())
    }

    /// What becomes of the fault, or what somebody must do.
    fn outcome<'a>(&self, fault: Option<&Wrong>, course: Course<'a>) -> &'a str {
        match (self.registrar, fault, course) {
            (Registrar::Chart, Some(Wrong { added: true, .. }), _) => {
                "take that out, and have whatever adds it to webhooks or policies leave this one alone"
            }
            (Registrar::Chart, Some(_), _) => "upgrade chart and operator together, or put it back",
            (_, _, Course::Refused(why)) => why,
            (_, _, Course::Again) => "it is put right, and changed again: have whatever changes it leave it alone",
            (_, _, Course::Smooth) => "it is put right",
        }
    }

    /// All that is wrong with it, and what becomes of that, or what somebody must do.
    pub fn note(&self, course: Course<'_>) -> String {
        let mut faults = self.faults(course);
        if faults.is_empty() {
            faults.push(None);
        }
        let mut told: Vec<(&str, Vec<String>)> = vec![];
        for fault in faults {
            let outcome = self.outcome(fault, course);
            match told.iter_mut().find(|(said, _)| *said == outcome) {
                Some((_, what)) => what.push(self.what(fault)),
                None => told.push((outcome, vec![self.what(fault)])),
            }
        }
        let told = told
            .iter()
            .map(|(outcome, what)| format!("{}: {outcome}", what.join("; ")));
        told.collect::<Vec<_>>().join("; ")
    }
}

/// What is wrong, and what to do, as one sentence: of the fault of which somebody must do something, if there is one; nothing
/// if nothing is wrong but whom to trust, and that can be written. `course`: of each object.
pub fn sentence<'a>(amiss: &[Amiss], course: impl Fn(&Id) -> Course<'a>) -> Option<String> {
    let mut faults = vec![];
    for amiss in amiss {
        let course = course(&amiss.id);
        faults.extend(amiss.faults(course).into_iter().map(|fault| (amiss, fault, course)));
    }
    let telling = faults
        .iter()
        .find(|(amiss, fault, course)| amiss.is_telling(*fault, *course));
    let (amiss, fault, course) = *telling.or(faults.first())?;
    let more = match faults.len().saturating_sub(1) {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    Some(format!("{}{more}: {}", amiss.what(fault), amiss.outcome(fault, course)))
}
