//! Taking over the names of a role that is gone (R4): a new object that goes on under another `metadata.name` may carry the
//! names of the old one. Admission alone decides it, since the right to it is the writer's; what it lets in is noted and
//! sealed in the same write, and so the ledger knows it. An annotation that nobody vouches for gives nothing.

use crate::api::RoleSpec;
use crate::policy::admission::{Answer, Change, Request};
use crate::policy::directory::Directory;
use crate::policy::ledger::renamed_from;
use crate::policy::name::{Folded, Name};
use crate::policy::verdict::{Reason, Violation};
use std::sync::Arc;

/// What the annotation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It says what is on record: the role took over those names before.
    OnRecord,
    /// There was never such a role, so there is nothing to take over.
    Nothing,
    /// Names are to be taken over.
    TakeOver,
}

/// What it comes to that role `name`, called `folded`, says that it was renamed from `from`.
fn claim(name: &Name, folded: &Folded, from: &str, directory: &Directory) -> Claim {
    let ledger = directory.ledger();
    let gone = Name::new(name.namespace.clone(), from);
    let theirs = ledger
        .owner(&name.namespace, folded)
        .is_some_and(|owner| **owner == *from);
    if gone == *name || (!theirs && ledger.taken_over(name).any(|taken| **taken == *from)) {
        Claim::OnRecord
    } else if directory.role(&gone).is_none() && ledger.names_of(&gone).next().is_none() {
        Claim::Nothing
    } else {
        Claim::TakeOver
    }
}

/// Whether a role that is created as `name` and called `folded` takes over the names of `from`, if admission lets it: only
/// then is that noted. What is on record already, or was never there, is not taken over (again).
pub fn takes_over(name: &Name, folded: &Folded, from: &str, directory: &Directory) -> bool {
    claim(name, folded, from, directory) == Claim::TakeOver
}

/// Names are for ever, so only those may take them over who may hand out what they have not.
pub fn writer(request: &Request, change: &Change<RoleSpec>, directory: &Directory) -> Option<Violation> {
    let (from, new) = request.renamed_from.as_ref().zip(change.new.as_ref())?;
    let takes = || claim(&request.name, &Folded::new(&new.display_name), from, directory) == Claim::TakeOver;
    (request.bounded && change.old.is_none() && takes()).then(|| {
        let message = format!(
            "taking over the names of role `{from}` needs verb `escalate` on `roles.pimpernel.dev`, which `{}` lacks: ask the platform team, or take the annotation off",
            request.user
        );
        Violation::whole(Reason::MayNotInherit, renamed_from(), message)
    })
}

/// Adds to `answer` why the role may not take over names; where it may, takes from it that a name is the other role's.
pub fn settle(request: &Request, change: &Change<RoleSpec>, directory: &Directory, mut answer: Answer) -> Answer {
    let (Some(from), Some(new)) = (&request.renamed_from, &change.new) else {
        return answer;
    };
    let folded = Folded::new(&new.display_name);
    let (gone, stored) = (
        Name::new(request.name.namespace.clone(), from.clone()),
        change.old.is_some(),
    );
    match claim(&request.name, &folded, from, directory) {
        Claim::OnRecord => return answer,
        Claim::Nothing => {
            answer.warnings.push(format!(
                "{}: there was never a role `{from}` in this tenant, so no names are taken over",
                renamed_from()
            ));
            return answer;
        }
        // That she may not is said by `writer`.
        Claim::TakeOver if request.bounded && !stored => return answer,
        Claim::TakeOver => {}
    }
    let wrong = contradicts(&gone, stored, directory);
    // Whose the name is does not count, or is told by what stands in the way.
    if !stored && is_of(&gone, &folded, directory) {
        let names = [Reason::NameBurnt, Reason::NameTaken];
        answer.violations.retain(|violation| !names.contains(&violation.reason));
    }
    answer.violations.extend(wrong);
    answer
}

/// Whether that name is one of `role`, by what is on record, or because it carries it.
fn is_of(role: &Name, folded: &Folded, directory: &Directory) -> bool {
    match directory.ledger().owner(&role.namespace, folded) {
        Some(owner) => *owner == role.name,
        None => directory
            .roles_named(&role.namespace, folded)
            .any(|(other, _)| other == role),
    }
}

/// Why nobody takes over the names of `gone`.
fn contradicts(gone: &Name, stored: bool, directory: &Directory) -> Option<Violation> {
    let (from, ledger) = (&gone.name, directory.ledger());
    let owner = |folded| -> Option<&Arc<str>> { ledger.owner(&gone.namespace, folded) };
    let message = if stored {
        "says whose names a new role takes over, and this one is there already: take the annotation off".to_owned()
    } else if directory.role(gone).is_some() {
        format!("role `{from}` is there, and keeps its names: delete it first, and try again when it is gone")
    } else if ledger.names_of(gone).any(|folded| owner(folded) == Some(from)) {
        return None;
    } else {
        let heir = ledger.names_of(gone).find_map(owner).unwrap_or(from);
        format!(
            "the names of role `{from}` are those of role `{heir}` now: name that one, if it is gone, or take the annotation off"
        )
    };
    Some(Violation::whole(Reason::NotTheHeir, renamed_from(), message))
}
