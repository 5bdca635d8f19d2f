//! Taking over the names of a role that is gone (R4): a new object that goes on under another `metadata.name` may carry the
//! names of the old one. Admission alone decides it, since the right to it is the writer's; what it lets in is noted and
//! sealed in the same write, and so the ledger knows it. An annotation that nobody vouches for gives nothing.

use crate::api::RoleSpec;
use crate::policy::admission::{Answer, Change, Request};
use crate::policy::directory::Directory;
use crate::policy::ledger::renamed_from;
use crate::policy::name::{Folded, Name};
use crate::policy::verdict::{Reason, Violation};

/// Names are for ever, so only those may take them over who may hand out what they have not.
pub fn writer(request: &Request) -> Option<Violation> {
    let from = request.renamed_from.as_ref().filter(|_| request.bounded)?;
    Some(refusal(format!(
        "taking over the names of role `{from}` needs verb `escalate` on `roles.pimpernel.dev`, which `{}` lacks: ask the platform team",
        request.user
    )))
}

/// Adds to `answer` why the role may not take over names; where it may, takes from it that a name is the other role's.
pub fn settle(request: &Request, change: &Change<RoleSpec>, directory: &Directory, mut answer: Answer) -> Answer {
    let (Some(from), Some(new)) = (&request.renamed_from, &change.new) else {
        return answer;
    };
    let gone = Name::new(request.name.namespace.clone(), from.clone());
    if let Some(violation) = contradicts(&gone, change.old.is_some(), directory) {
        answer.violations.push(violation);
        return answer;
    }
    let folded = Folded::new(&new.display_name);
    if directory.ledger().owner(&gone.namespace, &folded) == Some(&gone.name) {
        answer
            .violations
            .retain(|violation| violation.reason != Reason::NameBurnt);
    }
    answer
}

/// Why nobody takes over the names of `gone`.
fn contradicts(gone: &Name, stored: bool, directory: &Directory) -> Option<Violation> {
    let (from, ledger) = (&gone.name, directory.ledger());
    let owner = |folded| ledger.owner(&gone.namespace, folded);
    Some(refusal(if stored {
        "says whose names a new role takes over, and this one is there already: take the annotation off".to_owned()
    } else if directory.role(gone).is_some() {
        format!("role `{from}` is there, and keeps its names: delete it first, and try again when it is gone")
    } else if ledger.names_of(gone).next().is_none() {
        format!("there was never a role `{from}` in this tenant: correct the name, or take the annotation off")
    } else if ledger.names_of(gone).any(|folded| owner(folded) == Some(from)) {
        return None;
    } else {
        let heir = ledger.names_of(gone).find_map(owner).unwrap_or(from);
        format!(
            "the names of role `{from}` are those of role `{heir}` now: name that one, if it is gone, or take the annotation off"
        )
    }))
}

fn refusal(message: String) -> Violation {
    Violation::whole(Reason::NotTheHeir, renamed_from(), message)
}
