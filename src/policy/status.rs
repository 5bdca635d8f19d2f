//! Conditions: how a judgement, and what came of writing it, is told. They are recomputed in full each time; only the time
//! of a transition is carried over.

use super::verdict::{Further, Reason, Standing, Violation};
use crate::api::{Condition, ConditionStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The longest message of a condition, in bytes.
const MAX_MESSAGE: usize = 4000;

/// What came of writing what follows from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All of it exists.
    Complete,
    /// Not yet; it will be tried again.
    Failed(Reason, String),
}

/// The conditions of an object of `generation`, stamped with `now` where they changed.
pub fn conditions(
    standing: &Standing,
    further: Option<&Further>,
    applied: &Applied,
    generation: i64,
    stamp: (&[Condition], Timestamp),
) -> Vec<Condition> {
    let (ready, reason) = ready(standing, applied);
    let message = sentence(standing, applied);
    let mut told = vec![("Ready", ready, reason, message.clone())];
    match standing {
        Standing::Refused(_) => told.push(("Stalled", true, reason, message)),
        _ if !ready => told.push(("Reconciling", true, reason, message)),
        _ => {}
    }
    if let Some(further) = further {
        told.push((further.type_, further.holds, further.reason, further.message.clone()));
    }
    let (previous, now) = stamp;
    told.into_iter()
        .map(|(type_, holds, reason, message)| {
            let status = if holds {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            };
            let before = previous
                .iter()
                .find(|condition| condition.type_ == type_ && condition.status == status);
            let now = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
            Condition {
                type_: type_.to_owned(),
                status,
                observed_generation: Some(generation),
                last_transition_time: before.map_or(now, |condition| condition.last_transition_time.clone()),
                reason: reason.to_string(),
                message: shortened(message),
            }
        })
        .collect()
}

/// Why the object is not Ready, if so.
pub fn unready(standing: &Standing, applied: &Applied) -> Option<Reason> {
    let (ready, reason) = ready(standing, applied);
    (!ready).then_some(reason)
}

fn ready(standing: &Standing, applied: &Applied) -> (bool, Reason) {
    match (standing, applied) {
        (Standing::Refused(violations), _) => (false, first(violations)),
        (_, Applied::Failed(reason, _)) | (Standing::Pending(reason, _), _) => (false, *reason),
        (Standing::Ready(reason, _), _) => (true, *reason),
    }
}

fn sentence(standing: &Standing, applied: &Applied) -> String {
    match (standing, applied) {
        (Standing::Refused(violations), _) => sentences(violations),
        (_, Applied::Failed(_, message)) | (Standing::Pending(_, message) | Standing::Ready(_, message), _) => {
            message.clone()
        }
    }
}

fn first(violations: &[Violation]) -> Reason {
    violations
        .first()
        .map_or(Reason::InvalidSpec, |violation| violation.reason)
}

fn sentences(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let cut = (0..=MAX_MESSAGE)
            .rev()
            .find(|&at| message.is_char_boundary(at))
            .unwrap_or(0);
        message.truncate(cut);
        message.push('…');
    }
    message
}
