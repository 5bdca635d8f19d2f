//! The objects that follow from a declared one: what they are called and what is in them. Writing them is left to the
//! controllers; comparing what should be with what is, is one `==`.

use super::name::{Key, Kind, Name};
use k8s_openapi::api::rbac::v1 as rbac;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The label that every derived object carries.
pub const DERIVED: &str = "pimpernel.dev/derived";
/// The label with the kind of the object that a derived one follows from.
pub const OWNER_KIND: &str = "pimpernel.dev/owner-kind";
/// The label with the namespace of the object that a derived one follows from.
pub const OWNER_NAMESPACE: &str = "pimpernel.dev/owner-namespace";
/// The label with the name of the object that a derived one follows from.
pub const OWNER_NAME: &str = "pimpernel.dev/owner-name";
/// The annotation of a session's objects with its absolute end.
pub const SESSION_END: &str = "pimpernel.dev/session-end";
/// The annotation of a session's objects with the UID of the Impersonation.
pub const SESSION_UID: &str = "pimpernel.dev/session-uid";
/// The annotation of a session's account with what the record of its end will say.
pub const SESSION_TOLD: &str = "pimpernel.dev/session";
/// How many subjects a binding holds at most: an edit then rewrites at most some 20 KB.
pub const BUCKET_SIZE: usize = 100;

/// The kinds of derived objects, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// The account of a session.
    ServiceAccount,
    /// Rights.
    Role,
    /// Who has them.
    RoleBinding,
    /// The credential of a session.
    Secret,
}

/// Which derived object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name.
    pub name: Name,
}

/// A derived object, as it should be or as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Which.
    pub id: ChildId,
    /// The declared object that it follows from.
    pub owner: Key,
    /// The UID of that object.
    pub owner_uid: Arc<str>,
    /// The annotations that matter.
    pub annotations: BTreeMap<String, String>,
    /// What is in it.
    pub body: Body,
}

/// What exists in the name of one owner.
pub type Observations = BTreeMap<ChildId, Child>;

/// What is in a derived object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// An account; nothing but its name matters.
    ServiceAccount,
    /// Rights.
    Role(Vec<Rule>),
    /// The subjects that have the rights of the Role of that name.
    RoleBinding {
        /// The Role.
        role: String,
        /// Who.
        subjects: BTreeSet<Subject>,
    },
    /// The token of that ServiceAccount; its value is never looked at.
    Secret {
        /// The account whose token it is.
        account: String,
    },
}

/// Who has rights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A person, by user name.
    User(Arc<str>),
    /// A session's account.
    ServiceAccount(Name),
    /// Something that we never write.
    Other(String),
}

/// Rights on resources, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The API group.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// The names it is limited to; none: all.
    pub names: BTreeSet<String>,
    /// The verbs.
    pub verbs: BTreeSet<String>,
}

impl Rule {
    /// `verbs` on `resource` of `group`.
    pub fn new(group: &str, resource: &str, verbs: &[&str]) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            names: BTreeSet::new(),
            verbs: verbs.iter().map(|&v| v.to_owned()).collect(),
        }
    }

    /// The same, for the object `name` only.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.names.insert(name.to_owned());
        self
    }

    /// As the API server has it.
    pub fn to_rbac(&self) -> rbac::PolicyRule {
        rbac::PolicyRule {
            api_groups: Some(vec![self.group.clone()]),
            resources: Some(vec![self.resource.clone()]),
            resource_names: (!self.names.is_empty()).then(|| self.names.iter().cloned().collect()),
            verbs: self.verbs.iter().cloned().collect(),
            non_resource_urls: None,
        }
    }
}

/// One rule a resource, whatever the rules said it in.
pub fn merged(rules: impl IntoIterator<Item = Rule>) -> Vec<Rule> {
    let mut by_resource: BTreeMap<(String, String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    for rule in rules {
        by_resource
            .entry((rule.group, rule.resource, rule.names))
            .or_default()
            .extend(rule.verbs);
    }
    by_resource
        .into_iter()
        .map(|((group, resource, names), verbs)| Rule {
            group,
            resource,
            names,
            verbs,
        })
        .collect()
}

/// The owner of children: makes them one by one.
pub struct Parent<'a> {
    /// The declared object.
    pub key: Key,
    /// Its UID.
    pub uid: &'a Arc<str>,
}

impl Parent<'_> {
    /// A child of `kind` with `body`.
    pub fn child(&self, kind: ChildKind, name: Name, body: Body) -> Child {
        let id = ChildId { kind, name };
        Child {
            id,
            owner: self.key.clone(),
            owner_uid: self.uid.clone(),
            annotations: BTreeMap::new(),
            body,
        }
    }

    /// The rights `rules` under `name`, and the bindings that give them to `users`; nothing without rights.
    pub fn granted(&self, name: &str, rules: Vec<Rule>, users: &BTreeSet<Arc<str>>) -> Vec<Child> {
        let namespace = &self.key.name.namespace;
        let mut children = vec![];
        if rules.is_empty() {
            return children;
        }
        children.push(self.child(ChildKind::Role, Name::new(namespace.clone(), name), Body::Role(rules)));
        for (bucket, members) in buckets(users) {
            let subjects = members.into_iter().map(Subject::User).collect();
            let body = Body::RoleBinding {
                role: name.to_owned(),
                subjects,
            };
            let binding = Name::new(namespace.clone(), format!("{name}:{bucket}"));
            children.push(self.child(ChildKind::RoleBinding, binding, body));
        }
        children
    }
}

/// The key whose reconcile decides about objects that follow from `kind` `namespace`/`name`.
pub fn owner_key(kind: &str, namespace: &str, name: &str) -> Option<Key> {
    Kind::of(kind).map(|kind| Key::new(kind, Name::new(namespace, name)))
}

/// Divides users into buckets of at most [`BUCKET_SIZE`]: a bucket that is too large splits by the next bit of a stable
/// hash of the user name, so the division is a function of the users alone, and one change rewrites one small object.
pub fn buckets(users: &BTreeSet<Arc<str>>) -> BTreeMap<String, Vec<Arc<str>>> {
    let hashed = users.iter().map(|user| (bits(user), user.clone())).collect();
    let mut out = BTreeMap::new();
    split("b".to_owned(), hashed, 0, &mut out);
    out
}

fn split(id: String, members: Vec<(u64, Arc<str>)>, depth: u32, out: &mut BTreeMap<String, Vec<Arc<str>>>) {
    if members.is_empty() {
        return;
    }
    if members.len() <= BUCKET_SIZE || depth == 64 {
        out.insert(id, members.into_iter().map(|(_, user)| user).collect());
        return;
    }
    let (ones, zeros) = members
        .into_iter()
        .partition(|(hash, _)| (hash >> (63 - depth)) & 1 == 1);
    split(format!("{id}0"), zeros, depth + 1, out);
    split(format!("{id}1"), ones, depth + 1, out);
}

fn bits(user: &str) -> u64 {
    Sha256::digest(user.as_bytes())
        .iter()
        .take(8)
        .fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(count: usize) -> BTreeSet<Arc<str>> {
        (0..count).map(|i| format!("user-{i}@lsp.example").into()).collect()
    }

    #[test]
    fn a_bucket_never_holds_more_than_a_hundred_and_nobody_is_lost() {
        for count in [0, 1, 100, 101, 250, 1000] {
            let buckets = buckets(&users(count));
            assert!(buckets.values().all(|members| members.len() <= BUCKET_SIZE), "{count}");
            assert_eq!(buckets.values().map(Vec::len).sum::<usize>(), count);
        }
        assert_eq!(buckets(&users(100)).len(), 1);
        assert_eq!(buckets(&users(101)).len(), 2);
    }

    #[test]
    fn one_more_user_changes_one_bucket() {
        let (before, after) = (buckets(&users(500)), buckets(&users(501)));
        let changed = after
            .iter()
            .filter(|(id, members)| before.get(*id) != Some(members))
            .count();
        assert!(
            changed <= 2,
            "{changed} buckets changed: one, or the two halves of one that split"
        );
    }
}
