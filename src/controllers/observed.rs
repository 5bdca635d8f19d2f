//! What exists of our making, as last heard of: derived objects and statuses. Our own writes are entered when they are
//! answered, so that a reconcile does not write again what a slow watch has not shown yet.

use crate::policy::children::{Child, ChildId, Observations};
use crate::policy::{Key, Name};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The index; its methods take no longer than a look-up.
#[derive(Default)]
pub struct Observed {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    children: HashMap<ChildId, (u64, Child)>,
    owned: BTreeMap<Key, BTreeSet<ChildId>>,
    statuses: HashMap<Key, (u64, Box<str>)>,
    recorded: HashSet<Name>,
}

impl Observed {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a derived object of version `version`. The owners before and after, if it is news.
    pub fn child(&self, version: u64, child: Child) -> Vec<Key> {
        let mut inner = self.inner();
        if inner
            .children
            .get(&child.id)
            .is_some_and(|(known, _)| *known >= version)
        {
            return vec![];
        }
        let mut owners = vec![child.owner.clone()];
        inner
            .owned
            .entry(child.owner.clone())
            .or_default()
            .insert(child.id.clone());
        let id = child.id.clone();
        if let Some((_, old)) = inner.children.insert(id.clone(), (version, child))
            && !owners.contains(&old.owner)
        {
            inner.disown(&old.owner, &id);
            owners.push(old.owner);
        }
        owners
    }

    /// Takes in that a derived object was gone at version `version`. What it was, if it has not been made again since.
    pub fn gone(&self, id: &ChildId, version: u64) -> Option<Child> {
        let mut inner = self.inner();
        if inner.children.get(id).is_some_and(|(known, _)| *known > version) {
            return None;
        }
        let (_, child) = inner.children.remove(id)?;
        inner.disown(&child.owner, id);
        Some(child)
    }

    /// What exists in the name of `owner`.
    pub fn of(&self, owner: &Key) -> Observations {
        let inner = self.inner();
        let ids = inner.owned.get(owner).into_iter().flatten();
        ids.filter_map(|id| inner.children.get(id))
            .map(|(_, child)| (child.id.clone(), child.clone()))
            .collect()
    }

    /// All in whose name something exists.
    pub fn owners(&self) -> Vec<Key> {
        self.inner().owned.keys().cloned().collect()
    }

    /// Takes in the status of an object of version `version`. Whether it is news.
    pub fn status(&self, key: &Key, version: u64, status: &str) -> bool {
        let mut inner = self.inner();
        if inner.statuses.get(key).is_some_and(|(known, _)| *known >= version) {
            return false;
        }
        inner.statuses.insert(key.clone(), (version, status.into()));
        true
    }

    /// The status as last heard of.
    pub fn status_of(&self, key: &Key) -> Option<Box<str>> {
        self.inner().statuses.get(key).map(|(_, status)| status.clone())
    }

    /// A record was stored that the watch has not shown yet.
    pub fn recorded(&self, name: Name) {
        self.inner().recorded.insert(name);
    }

    /// Whether a record was stored that the watch has not shown yet.
    pub fn has_recorded(&self, name: &Name) -> bool {
        self.inner().recorded.contains(name)
    }

    /// The watch has shown a record: from here on it is the directory that knows.
    pub fn shown(&self, name: &Name) {
        self.inner().recorded.remove(name);
    }

    /// Forgets the status of an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.inner().statuses.remove(key);
    }
}

impl Inner {
    fn disown(&mut self, owner: &Key, id: &ChildId) {
        if let Some(ids) = self.owned.get_mut(owner) {
            ids.remove(id);
            if ids.is_empty() {
                self.owned.remove(owner);
            }
        }
    }
}
