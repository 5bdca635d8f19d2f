//! Whose the names of roles are, by what is on record (R4): the first that used one, or whoever took over its names.

use super::{Folded, Name};
use imbl::{OrdMap, OrdSet};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// That a role came to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The role.
    pub role: Name,
    /// The name, for comparing.
    pub folded: Folded,
    /// Since when.
    pub at: Timestamp,
    /// Who gave it, in words for people, if that is vouched for.
    pub by: Option<Arc<str>>,
    /// The role whose names it took over by the same write, if it did.
    pub from: Option<Arc<str>>,
}

/// Roles in the order in which they came to a name, and the records that say so.
type Users = OrdSet<(Timestamp, Arc<str>, Name)>;
/// Roles in the order in which they took over the names of one, and the records that say so.
type Heirs = OrdSet<(Timestamp, Arc<str>, Name)>;
/// What records count time in.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The names of all roles.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    users: OrdMap<(Arc<str>, Folded), Users>,
    used: OrdMap<Name, OrdMap<Folded, OrdSet<Name>>>,
    heirs: OrdMap<Name, Heirs>,
    taken_over: OrdMap<Name, OrdSet<(Arc<str>, Name)>>,
}

impl Names {
    /// Takes in what `record` says.
    pub(super) fn note(&mut self, record: &Name, naming: &Naming) {
        let Naming {
            role, folded, at, from, ..
        } = naming;
        let key = (role.namespace.clone(), folded.clone());
        let user = (*at, role.name.clone(), record.clone());
        self.users.entry(key).or_default().insert(user);
        let names = self.used.entry(role.clone()).or_default();
        names.entry(folded.clone()).or_default().insert(record.clone());
        if let Some(from) = from {
            let gone = Name::new(role.namespace.clone(), from.clone());
            let heir = (*at, role.name.clone(), record.clone());
            self.heirs.entry(gone).or_default().insert(heir);
            let taken = self.taken_over.entry(role.clone()).or_default();
            taken.insert((from.clone(), record.clone()));
        }
    }

    /// Forgets what `record` said.
    pub(super) fn forget(&mut self, record: &Name, naming: &Naming) {
        let Naming {
            role, folded, at, from, ..
        } = naming;
        let key = (role.namespace.clone(), folded.clone());
        if let Some(users) = self.users.get_mut(&key) {
            users.remove(&(*at, role.name.clone(), record.clone()));
        }
        if let Some(names) = self.used.get_mut(role)
            && let Some(records) = names.get_mut(folded)
        {
            records.remove(record);
            if records.is_empty() {
                names.remove(folded);
            }
        }
        if let Some(from) = from {
            if let Some(heirs) = self.heirs.get_mut(&Name::new(role.namespace.clone(), from.clone())) {
                heirs.remove(&(*at, role.name.clone(), record.clone()));
            }
            if let Some(taken) = self.taken_over.get_mut(role) {
                taken.remove(&(from.clone(), record.clone()));
            }
        }
    }

    /// The record of the first use of a name.
    pub(super) fn first(&self, namespace: &Arc<str>, folded: &Folded) -> Option<&Name> {
        let users = self.users.get(&(namespace.clone(), folded.clone()))?;
        users.get_min().map(|(_, _, record)| record)
    }

    /// The role that a name belongs to: the first that used it, or who took over its names since, and so on.
    pub(super) fn owner(&self, namespace: &Arc<str>, folded: &Folded) -> Option<&Arc<str>> {
        let users = self.users.get(&(namespace.clone(), folded.clone()))?;
        let (mut since, mut owner) = users.get_min().map(|(at, role, _)| (*at, role))?;
        let mut passed = BTreeSet::new();
        loop {
            let heirs = self.heirs.get(&Name::new(namespace.clone(), owner.clone()));
            let later = |(at, _, record): &&(Timestamp, Arc<str>, Name)| *at >= since && !passed.contains(record);
            let Some((at, heir, record)) = heirs.into_iter().flatten().find(later) else {
                return Some(owner);
            };
            passed.insert(record.clone());
            (since, owner) = (*at, heir);
        }
    }

    /// When a role that is written at `now` comes to its name, by what is known then: after the names that it used before
    /// went to another role, and not before those whose names it takes over, `from`, came to them.
    pub(super) fn instant(&self, role: &Name, from: Option<&str>, now: Timestamp) -> Timestamp {
        let lost = self.heirs.get(role).and_then(OrdSet::get_max);
        let lost = lost.and_then(|(at, ..)| at.checked_add(SECOND).ok());
        let theirs = from.and_then(|from| self.last_named(&Name::new(role.namespace.clone(), from)));
        lost.into_iter().chain(theirs).fold(now, Timestamp::max)
    }

    /// Whether that role has used that name.
    pub(super) fn has_used(&self, role: &Name, folded: &Folded) -> bool {
        self.used.get(role).is_some_and(|names| names.contains_key(folded))
    }

    /// When that role last came to a name.
    pub(super) fn last_named(&self, role: &Name) -> Option<Timestamp> {
        let users = |folded: &Folded| self.users.get(&(role.namespace.clone(), folded.clone()));
        let all = self.used_by(role).filter_map(users).flatten();
        all.filter(|(_, user, _)| *user == role.name).map(|(at, ..)| *at).max()
    }

    /// The names that role has used.
    pub(super) fn used_by(&self, role: &Name) -> impl Iterator<Item = &Folded> {
        self.used.get(role).into_iter().flat_map(OrdMap::keys)
    }

    /// The roles whose names that role took over.
    pub(super) fn taken_over(&self, role: &Name) -> impl Iterator<Item = &Arc<str>> {
        self.taken_over.get(role).into_iter().flatten().map(|(from, _)| from)
    }
}
