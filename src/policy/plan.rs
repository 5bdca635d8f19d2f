//! From what exists to what should: which derived objects to write and which to remove, and in which order. Access is
//! withdrawn before it is given, but nobody who keeps a right is without it for a moment.

use super::children::{Body, Child, ChildId, ChildKind, Observations, Subject};
use std::collections::BTreeSet;

/// What to do, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Bindings to be removed first: nobody keeps anything by them, and rights go at once with them. What gives most comes
    /// first: of a session, what it may do in the tenant.
    pub withdraw: Vec<ChildId>,
    /// To be written.
    pub write: Vec<Child>,
    /// To be removed when the rest is done and told: bindings whose subjects have moved to another one, and what gives
    /// nobody anything without a binding. Until then it is the record that something was given.
    pub tidy: Vec<ChildId>,
}

impl Plan {
    /// Whether everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.withdraw.is_empty() && self.write.is_empty() && self.tidy.is_empty()
    }
}

/// What to do to get from `observed` to `desired`.
pub fn plan(desired: &[Child], observed: &Observations) -> Plan {
    let wanted: BTreeSet<&ChildId> = desired.iter().map(|child| &child.id).collect();
    let surplus = observed.values().filter(|child| !wanted.contains(&child.id));
    let binds = |child: &&Child| child.id.kind == ChildKind::RoleBinding && !moved(child, desired);
    let (mut withdraw, tidy): (Vec<&Child>, Vec<&Child>) = surplus.partition(binds);
    withdraw.sort_by_key(|child| (!of_an_account(child), child.id.clone()));
    let ids = |children: Vec<&Child>| children.into_iter().map(|child| child.id.clone()).collect::<Vec<_>>();
    let (withdraw, mut tidy) = (ids(withdraw), ids(tidy));
    tidy.sort_by_key(|id| (removal_rank(id.kind), id.clone()));
    let mut write: Vec<Child> = desired
        .iter()
        .filter(|child| observed.get(&child.id) != Some(child))
        .cloned()
        .collect();
    write.sort_by_key(|child| (grows(child, observed), child.id.clone()));
    Plan { withdraw, write, tidy }
}

/// The account before its token, so that the token is dead when its Secret goes.
fn removal_rank(kind: ChildKind) -> u8 {
    match kind {
        ChildKind::RoleBinding => 0,
        ChildKind::ServiceAccount => 1,
        ChildKind::Secret => 2,
        ChildKind::Role => 3,
    }
}

/// Bindings that only lose subjects are written first.
fn grows(child: &Child, observed: &Observations) -> bool {
    let (Some(now), Some(then)) = (subjects(child), observed.get(&child.id).and_then(subjects)) else {
        return true;
    };
    now.1.difference(then.1).next().is_some()
}

/// Whether somebody keeps the right that a surplus binding gives, by another binding.
fn moved(child: &Child, desired: &[Child]) -> bool {
    let Some((role, members)) = subjects(child) else {
        return false;
    };
    desired
        .iter()
        .filter_map(subjects)
        .any(|(other, kept)| other == role && !kept.is_disjoint(members))
}

fn of_an_account(binding: &Child) -> bool {
    let account = |subject: &Subject| matches!(subject, Subject::ServiceAccount(_));
    subjects(binding).is_some_and(|(_, subjects)| subjects.iter().any(account))
}

fn subjects(child: &Child) -> Option<(&str, &BTreeSet<Subject>)> {
    match &child.body {
        Body::RoleBinding { role, subjects } => Some((role, subjects)),
        Body::ServiceAccount | Body::Role(_) | Body::Secret { .. } => None,
    }
}
