//! Manifests, as the code reads and judges them.

use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1 as rbac;
use kube::ResourceExt;
use pimpernel::api;
use pimpernel::policy::admission::{self, Request, Subject, admit};
use pimpernel::policy::{
    Change, Directory, Entry, Meta, Name, Settings, Violations, catalog, employee, impersonation, role, tenant,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// One manifest, read by its own type.
pub enum Manifest {
    Tenant(api::Tenant),
    Role(api::Role),
    Employee(api::Employee),
    Impersonation(api::Impersonation),
    Catalog(api::PermissionCatalog),
    /// A kind that no rule is about.
    Other,
}

/// The manifests of one text.
pub fn read(text: &str) -> Result<Vec<Manifest>, String> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).map_err(|error| error.to_string()))
        .map(|document| document.and_then(|document| one(&document)))
        .collect()
}

fn one(document: &Value) -> Result<Manifest, String> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("pimpernel.dev/v1alpha1", "Tenant") => exact(document).map(Manifest::Tenant),
        ("pimpernel.dev/v1alpha1", "Role") => exact(document).map(Manifest::Role),
        ("pimpernel.dev/v1alpha1", "Employee") => exact(document).map(Manifest::Employee),
        ("pimpernel.dev/v1alpha1", "Impersonation") => exact(document).map(Manifest::Impersonation),
        ("pimpernel.dev/v1alpha1", "PermissionCatalog") => exact(document).map(Manifest::Catalog),
        ("pimpernel.dev/v1alpha1", "ImpersonationConsent") => other::<api::ImpersonationConsent>(document),
        ("pimpernel.dev/v1alpha1", "ChangeRecord") => other::<api::ChangeRecord>(document),
        ("v1", "Namespace") => other::<Namespace>(document),
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => other::<SelfSubjectAccessReview>(document),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => other::<rbac::ClusterRole>(document),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => other::<rbac::RoleBinding>(document),
        (version, kind) => Err(format!(
            "`{kind}` of `{version}` is not known here: correct it, or teach tests/examples/manifests.rs"
        )),
    }
}

fn other<T: DeserializeOwned + Serialize>(document: &Value) -> Result<Manifest, String> {
    exact::<T>(document).map(|_| Manifest::Other)
}

/// Reads a manifest, and refuses fields that its type does not have: what is left of it is written and compared.
fn exact<T: DeserializeOwned + Serialize>(document: &Value) -> Result<T, String> {
    let read: T = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
    let kept = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    let lost = lost(document, &kept, "");
    if lost.is_empty() {
        Ok(read)
    } else {
        Err(format!("these fields are unknown, or empty: {}", lost.join(", ")))
    }
}

fn lost(written: &Value, kept: &Value, path: &str) -> Vec<String> {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => (written.iter())
            .flat_map(|(key, value)| match kept.get(key) {
                Some(kept) => lost(value, kept, &format!("{path}.{key}")),
                None => vec![format!("{path}.{key}")],
            })
            .collect(),
        (Value::Array(written), Value::Array(kept)) => (written.iter().zip(kept).enumerate())
            .flat_map(|(index, (value, kept))| lost(value, kept, &format!("{path}[{index}]")))
            .collect(),
        _ => vec![],
    }
}

fn settings() -> Settings {
    Settings {
        operator_namespace: pimpernel::artifacts::OPERATOR_NAMESPACE.into(),
        sessions_namespace: pimpernel::artifacts::SESSIONS_NAMESPACE.into(),
        impersonation: true,
    }
}

fn name(object: &impl ResourceExt) -> Name {
    Name::new(object.namespace().unwrap_or_default(), object.name_any())
}

impl Manifest {
    /// Whether it stands by itself; otherwise what is wrong with it.
    pub fn parse(&self) -> Result<(), Vec<String>> {
        let parsed = match self {
            Self::Tenant(object) => tenant::parse(&name(object), &object.spec, &settings()).map(drop),
            Self::Role(object) => role::parse(&object.spec).map(drop),
            Self::Employee(object) => employee::parse(&object.spec).map(drop),
            Self::Impersonation(object) => impersonation::parse(&object.spec).map(drop),
            Self::Catalog(object) => catalog::parse(&object.name_any(), &object.spec).map(drop),
            Self::Other => Ok(()),
        };
        parsed.map_err(|violations| violations.iter().map(ToString::to_string).collect())
    }

    fn change(&self) -> Option<Change> {
        Some(match self {
            Self::Tenant(object) => {
                let parsed = tenant::parse(&name(object), &object.spec, &settings());
                Change::Tenant(name(object), Some(entry(object, parsed)))
            }
            Self::Role(object) => Change::Role(name(object), Some(entry(object, role::parse(&object.spec)))),
            Self::Employee(object) => {
                Change::Employee(name(object), Some(entry(object, employee::parse(&object.spec))))
            }
            Self::Catalog(object) => {
                let parsed = catalog::parse(&object.name_any(), &object.spec);
                Change::Catalog(name(object), Some(entry(object, parsed)))
            }
            Self::Impersonation(_) | Self::Other => return None,
        })
    }

    /// The request that creates it, by whoever may.
    fn request(&self) -> Option<Request> {
        fn created<S: Clone>(spec: &S) -> admission::Change<S> {
            admission::Change {
                old: None,
                new: Some(spec.clone()),
            }
        }
        let (name, subject, user) = match self {
            Self::Tenant(object) => (name(object), Subject::Tenant(created(&object.spec)), "platform"),
            Self::Role(object) => (name(object), Subject::Role(created(&object.spec)), "platform"),
            Self::Employee(object) => (name(object), Subject::Employee(created(&object.spec)), "platform"),
            Self::Catalog(object) => (name(object), Subject::Catalog(created(&object.spec)), "platform"),
            Self::Impersonation(object) => {
                let subject = Subject::Impersonation(created(&object.spec), None);
                (name(object), subject, object.spec.impersonator.as_str())
            }
            Self::Other => return None,
        };
        Some(Request {
            name,
            subject,
            user: user.into(),
            bounded: false,
            ordering: None,
            renamed_from: None,
        })
    }
}

fn entry<T>(object: &impl ResourceExt, spec: Result<T, Violations>) -> Entry<T> {
    let meta = Meta {
        uid: name(object).to_string().into(),
        generation: 1,
        created: Timestamp::UNIX_EPOCH,
        deleting: false,
        ended: None,
        received: BTreeSet::new(),
    };
    Entry { meta, spec }
}

/// What exists when a manifest is applied: all the others.
pub struct World(Directory);

impl World {
    /// The world in which these exist.
    pub fn of<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let mut directory = Directory::new(settings());
        for change in manifests.into_iter().filter_map(Manifest::change) {
            directory.fold(change);
        }
        Self(directory)
    }

    /// What admission refuses of a manifest.
    pub fn judge(&self, manifest: &Manifest) -> Vec<String> {
        let answer = manifest
            .request()
            .map(|request| admit(&request, &self.0, Timestamp::UNIX_EPOCH));
        let violations = answer.map(|answer| answer.violations).unwrap_or_default();
        violations.iter().map(ToString::to_string).collect()
    }
}
