//! Derived objects in the form of the API server: how one of ours is written, and how one that exists is read.

use crate::api::{GROUP, VERSION};
use crate::policy::children::{
    Body, Child, ChildId, ChildKind, DERIVED, OWNER_KIND, OWNER_NAME, OWNER_NAMESPACE, Rule, SESSION_END, SESSION_TOLD,
    SESSION_UID, Subject, merged, owner_key,
};
use crate::policy::{Key, Kind, Name};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::PartialObjectMeta;
use std::collections::{BTreeMap, BTreeSet};

const RBAC: &str = "rbac.authorization.k8s.io";

impl ChildKind {
    /// As it is written in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::Secret => "Secret",
        }
    }
}

/// The metadata of `child`: its labels name the owner, and within a namespace an owner reference lets garbage collection
/// remove it even when the operator is dead.
pub fn metadata(child: &Child) -> ObjectMeta {
    let owner = &child.owner;
    let labels = BTreeMap::from([
        (DERIVED.to_owned(), "true".to_owned()),
        (OWNER_KIND.to_owned(), owner.kind.as_str().to_owned()),
        (OWNER_NAMESPACE.to_owned(), owner.name.namespace.to_string()),
        (OWNER_NAME.to_owned(), owner.name.name.to_string()),
    ]);
    let local = owner.name.namespace == child.id.name.namespace;
    let reference = OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: owner.kind.as_str().to_owned(),
        name: owner.name.name.to_string(),
        uid: child.owner_uid.to_string(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    ObjectMeta {
        name: Some(child.id.name.name.to_string()),
        namespace: Some(child.id.name.namespace.to_string()),
        labels: Some(labels),
        annotations: (!child.annotations.is_empty()).then(|| child.annotations.clone()),
        owner_references: local.then(|| vec![reference]),
        ..ObjectMeta::default()
    }
}

/// `child` as it is applied. A Secret's value is made elsewhere, see `credential`.
pub fn applied(child: &Child) -> Result<serde_json::Value, serde_json::Error> {
    let metadata = metadata(child);
    match &child.body {
        Body::ServiceAccount => serde_json::to_value(ServiceAccount {
            metadata,
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        }),
        Body::Role(rules) => {
            let rules = Some(rules.iter().map(Rule::to_rbac).collect());
            serde_json::to_value(rbac::Role { metadata, rules })
        }
        Body::RoleBinding { role, subjects } => serde_json::to_value(rbac::RoleBinding {
            metadata,
            role_ref: rbac::RoleRef {
                api_group: Some(RBAC.into()),
                kind: "Role".to_owned(),
                name: role.clone(),
            },
            subjects: Some(subjects.iter().filter_map(subject).collect()),
        }),
        Body::Secret { .. } => serde_json::to_value(k8s_openapi::api::core::v1::Secret {
            metadata,
            ..Default::default()
        }),
    }
}

fn subject(subject: &Subject) -> Option<rbac::Subject> {
    Some(match subject {
        Subject::User(name) => rbac::Subject {
            api_group: Some(RBAC.into()),
            kind: "User".to_owned(),
            name: name.to_string(),
            namespace: None,
        },
        Subject::ServiceAccount(account) => rbac::Subject {
            api_group: None,
            kind: "ServiceAccount".to_owned(),
            name: account.name.to_string(),
            namespace: Some(account.namespace.to_string()),
        },
        Subject::Other(_) => return None,
    })
}

/// What exists, in the form in which it is compared with what should.
pub trait Derived {
    /// Its kind.
    const KIND: ChildKind;
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
    /// What is in it.
    fn body(&self) -> Body;

    /// The whole.
    fn child(&self) -> Option<Child> {
        let meta = self.metadata();
        let name = Name::new(meta.namespace.as_deref()?, meta.name.as_deref()?);
        let owner = owner(meta, &name);
        let ours = |(key, _): &(&String, &String)| [SESSION_END, SESSION_TOLD, SESSION_UID].contains(&key.as_str());
        let annotations: BTreeMap<String, String> = meta
            .annotations
            .iter()
            .flatten()
            .filter(ours)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let referenced = meta
            .owner_references
            .iter()
            .flatten()
            .find(|reference| reference.controller == Some(true));
        let uid = if owner.name.namespace == name.namespace {
            referenced.map(|reference| reference.uid.as_str())
        } else {
            annotations.get(SESSION_UID).map(String::as_str)
        };
        let owner_uid = uid.unwrap_or_default().into();
        Some(Child {
            id: ChildId { kind: Self::KIND, name },
            owner,
            owner_uid,
            annotations,
            body: self.body(),
        })
    }
}

/// By the labels; what carries our mark without a true owner falls to the tenant of its namespace, who removes it.
fn owner(meta: &ObjectMeta, name: &Name) -> Key {
    let label = |key: &str| {
        meta.labels
            .as_ref()
            .and_then(|labels| labels.get(key))
            .map_or("", String::as_str)
    };
    owner_key(label(OWNER_KIND), label(OWNER_NAMESPACE), label(OWNER_NAME))
        .unwrap_or_else(|| Key::new(Kind::Tenant, Name::tenant(&name.namespace)))
}

impl Derived for ServiceAccount {
    const KIND: ChildKind = ChildKind::ServiceAccount;
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn body(&self) -> Body {
        Body::ServiceAccount
    }
}

impl Derived for PartialObjectMeta<k8s_openapi::api::core::v1::Secret> {
    const KIND: ChildKind = ChildKind::Secret;
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn body(&self) -> Body {
        Body::Secret {
            account: self.metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl Derived for rbac::Role {
    const KIND: ChildKind = ChildKind::Role;
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn body(&self) -> Body {
        Body::Role(merged(self.rules.iter().flatten().flat_map(one_by_one)))
    }
}

/// An rbac rule, taken apart by group and resource. One on URLs, which we never write, becomes a rule on nothing.
fn one_by_one(rule: &rbac::PolicyRule) -> Vec<Rule> {
    let none = [String::new()];
    let groups = rule.api_groups.as_deref().unwrap_or(&none);
    let resources = rule.resources.as_deref().unwrap_or(&none);
    let names: BTreeSet<String> = rule.resource_names.iter().flatten().cloned().collect();
    let verbs: BTreeSet<String> = rule.verbs.iter().cloned().collect();
    let pairs = groups
        .iter()
        .flat_map(|group| resources.iter().map(move |resource| (group, resource)));
    pairs
        .map(|(group, resource)| Rule {
            group: group.clone(),
            resource: resource.clone(),
            names: names.clone(),
            verbs: verbs.clone(),
        })
        .collect()
}

impl Derived for rbac::RoleBinding {
    const KIND: ChildKind = ChildKind::RoleBinding;
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn body(&self) -> Body {
        let role = if self.role_ref.kind == "Role" {
            self.role_ref.name.clone()
        } else {
            format!("/{}", self.role_ref.name)
        };
        let read = |subject: &rbac::Subject| match (subject.kind.as_str(), &subject.namespace) {
            ("User", _) => Subject::User(subject.name.as_str().into()),
            ("ServiceAccount", Some(namespace)) => {
                Subject::ServiceAccount(Name::new(namespace.as_str(), subject.name.as_str()))
            }
            _ => Subject::Other(format!("{} {}", subject.kind, subject.name)),
        };
        Body::RoleBinding {
            role,
            subjects: self.subjects.iter().flatten().map(read).collect(),
        }
    }
}
