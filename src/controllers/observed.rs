//! What exists of our making, as last heard of: derived objects and statuses. Our own writes are entered when they are
//! answered, so that a reconcile does not write again what a slow watch has not shown yet.

use crate::policy::children::{Child, ChildId, Observations};
use crate::policy::history::Held;
use crate::policy::{Key, Name};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// What has a history, by UID: after a deletion and a creation a name stands for two.
    held: HashMap<Key, BTreeMap<Arc<str>, (u64, Held)>>,
    explained: HashMap<Arc<str>, i64>,
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

    /// Whether a derived object exists.
    pub fn has(&self, id: &ChildId) -> bool {
        self.inner().children.contains_key(id)
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

    /// Takes in what is known of the history of an object of version `version`. Whether something follows from it.
    pub fn held(&self, key: &Key, version: u64, held: Held) -> bool {
        let mut inner = self.inner();
        let known = inner.held.entry(key.clone()).or_default();
        if known
            .get(&held.uid)
            .is_some_and(|(known, was)| *known >= version || was.gone)
        {
            return false;
        }
        // A version that only a status of ours made is no reason to try again what is paused.
        let changed = known.get(&held.uid).is_none_or(|(_, was)| *was != held);
        let mut follows = changed && (held.pending.is_some() || held.deleted.is_some());
        for (_, other) in known.values_mut().filter(|(_, other)| other.uid != held.uid) {
            other.gone = true;
            follows = true;
        }
        known.insert(held.uid.clone(), (version, held));
        follows
    }

    /// What is known of the history of the objects of that name.
    pub fn histories_of(&self, key: &Key) -> Vec<Held> {
        let inner = self.inner();
        let known = inner.held.get(key).into_iter().flat_map(BTreeMap::values);
        known.map(|(_, held)| held.clone()).collect()
    }

    /// The objects of that name are gone. With `unheld`, one of that UID as well of which nothing was known.
    pub fn lost(&self, key: &Key, unheld: Option<Arc<str>>) {
        let mut inner = self.inner();
        if let Some(uid) = unheld {
            let held = Held {
                uid: uid.clone(),
                ..Held::default()
            };
            let known = inner.held.entry(key.clone()).or_default();
            known.entry(uid).or_insert((0, held));
        }
        for (_, held) in inner.held.get_mut(key).into_iter().flat_map(BTreeMap::values_mut) {
            held.gone = true;
        }
    }

    /// What becomes of the objects of that name is somebody else's to put on record.
    pub fn forget_histories(&self, key: &Key) {
        self.inner().held.remove(key);
    }

    /// Nothing is left to do about the history of the object of that UID.
    pub fn settled(&self, key: &Key, uid: &str) {
        let mut inner = self.inner();
        inner.explained.remove(uid);
        if let Some(known) = inner.held.get_mut(key) {
            known.remove(uid);
            if known.is_empty() {
                inner.held.remove(key);
            }
        }
    }

    /// A generation of the object of that UID is on record, which the watch may not have shown yet.
    pub fn explained(&self, uid: &str, generation: i64) {
        let mut inner = self.inner();
        let latest = inner.explained.entry(uid.into()).or_insert(generation);
        *latest = (*latest).max(generation);
    }

    /// The latest generation that was put on record here of the object of that UID.
    pub fn explained_of(&self, uid: &str) -> Option<i64> {
        self.inner().explained.get(uid).copied()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Kind;

    #[test]
    fn r13_a_version_that_only_a_status_of_ours_made_is_no_reason_to_try_a_record_again() {
        let (observed, key) = (Observed::default(), Key::new(Kind::Role, Name::new("lsp", "valet")));
        let held = Held {
            uid: "1792".into(),
            pending: Some("a note".into()),
            ..Held::default()
        };
        assert!(observed.held(&key, 1, held.clone()));
        assert!(
            !observed.held(&key, 2, held.clone()),
            "it would not be paused after a failure"
        );
        let another = Held {
            pending: Some("another note".into()),
            ..held
        };
        assert!(observed.held(&key, 3, another));
    }
}
