//! In which order objects become right that are written together. Some tools try a whole commit against the present state
//! and write nothing if one object is refused; a commit that activates a role and assigns it would never go in. An object
//! may therefore ask to be admitted before its neighbours (E3, E5, R8). The reconciler withholds what it would give until
//! they agree; that is not decided here.

use super::admission::Answer;
use super::verdict::{Reason, Violation};

/// The annotation by which an object asks for it.
pub const ANNOTATION: &str = "pimpernel.dev/ordering";
/// The only value that means anything.
const EVENTUAL: &str = "eventual";

/// What admission says to an object whose annotation has the value `asked`.
pub fn settle(mut answer: Answer, asked: Option<&str>) -> Answer {
    if let Some(other) = asked.filter(|asked| *asked != EVENTUAL) {
        answer.warnings.push(format!(
            "metadata.annotations: `{ANNOTATION}` is `{other}`, which means nothing: write `{EVENTUAL}`, or take it off"
        ));
    }
    if !answer.violations.iter().any(settles_later) {
        return answer;
    }
    if asked != Some(EVENTUAL) {
        answer.hints.push(format!(
            "if other objects of the same change put this right, annotate the object with `{ANNOTATION}: {EVENTUAL}`"
        ));
        return answer;
    }
    let (later, now): (Vec<Violation>, Vec<Violation>) = answer.violations.into_iter().partition(settles_later);
    answer.violations = now;
    let warning = |violation: Violation| format!("{violation}; until then it has no effect");
    answer.warnings.extend(later.into_iter().map(warning));
    answer
}

/// Whether a neighbour that is written a moment later can put it right.
fn settles_later(violation: &Violation) -> bool {
    matches!(violation.reason, Reason::RoleNotActive | Reason::RoleInUse)
}
