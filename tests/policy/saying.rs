//! How the cases say what must come out.

use super::world::Outcome;
use pimpernel::policy::admission::Answer;
use pimpernel::policy::verdict::Standing;
use pimpernel::policy::{Reason, Violations};

/// The request was let in.
#[track_caller]
pub fn admitted(answer: &Answer) {
    assert_eq!(answer.violations, Violations::new());
}

/// The request was refused for that one reason, at that field, in a message that contains `words`.
#[track_caller]
pub fn refused(answer: &Answer, reason: Reason, field: &str, words: &[&str]) {
    says(&answer.violations, reason, field, words);
}

/// The object stands refused for that one reason.
#[track_caller]
pub fn stalled(outcome: &Outcome, reason: Reason, field: &str, words: &[&str]) {
    match &outcome.standing {
        Standing::Refused(violations) => says(violations, reason, field, words),
        other => panic!("not refused but {other:?}"),
    }
}

#[track_caller]
fn says(violations: &Violations, reason: Reason, field: &str, words: &[&str]) {
    let [violation] = violations.as_slice() else {
        panic!("one violation, not {violations:?}");
    };
    assert_eq!(
        (violation.reason, violation.field.as_str()),
        (reason, field),
        "{violation}"
    );
    let message = &violation.message;
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(message.contains([':', ';']), "nothing says what to do: {message}");
    assert!(!message.ends_with('.'), "a full stop: {message}");
}

/// All reasons of a refusal, in order.
pub fn reasons(answer: &Answer) -> Vec<Reason> {
    answer.violations.iter().map(|v| v.reason).collect()
}

/// The request was let in, and the writer is told so in a sentence that contains `words`.
#[track_caller]
pub fn warned(answer: &Answer, words: &[&str]) {
    admitted(answer);
    let fits = |warning: &String| words.iter().all(|word| warning.contains(word));
    assert!(answer.warnings.iter().any(fits), "{words:?} in {:?}", answer.warnings);
}

/// What the condition Ready would say: whether, and why.
pub fn ready(outcome: &Outcome) -> (&'static str, Reason) {
    match &outcome.standing {
        Standing::Ready(reason, _) => ("ready", *reason),
        Standing::Pending(reason, _) => ("pending", *reason),
        Standing::Refused(violations) => ("refused", violations[0].reason),
    }
}
