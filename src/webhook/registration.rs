//! What the API server is to ask and to refuse: webhook configurations and admission policies; what of it is not as it should
//! be, and putting that right. Where a chart has made it, whom to trust is put right, and the rest is only said.
//!
//! Leaves to others what the webhook configurations say; the policies are the files in `policies/`, which the chart uses
//! as well. What is there is known by a watch ([`lookout`]), so nothing is asked or written that is as it should be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
        ValidatingWebhookConfiguration,
    },
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::configuration::{self, NAME};
use super::policies::POLICIES;
use crate::policy::history::Employees;

mod likeness;
pub mod lookout;
mod saying;

pub use likeness::Wrong;
pub use saying::{Course, sentence};

/// Who owns the fields that are written here.
pub const FIELD_MANAGER: &str = "pimpernel";

/// Guards the definitions. A chart leaves it out, and says so to the operator, if definitions are to go with the release.
const DEFINITIONS: &str = "definitions.pimpernel.dev";

/// Why the API server could not be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name would change what a policy says.
    #[error("`{0}` cannot be put into an admission policy; use letters, digits and `-_.:@/` only")]
    Name(String),
    /// A policy is no YAML.
    #[error("the admission policy `{0}` cannot be read: {1}")]
    Yaml(&'static str, #[source] serde_yaml::Error),
    /// A policy has a placeholder that nobody fills.
    #[error("the admission policy `{0}` has an unknown placeholder")]
    Placeholder(&'static str),
    /// An object is of a kind that is not registered here.
    #[error("an object of kind `{0}` is not for registration")]
    Kind(String),
    /// An object cannot be written.
    #[error("{0} cannot be registered: {why}", why = saying::answer(.1))]
    Api(Id, #[source] Box<kube::Error>),
    /// An object of ours is none.
    #[error("an object for registration cannot be read: {0}")]
    Object(#[source] serde_json::Error),
}

/// Who tells the API server of webhook and admission policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Registrar {
    /// This process does.
    Operator,
    /// A Helm chart has.
    Chart,
}

/// What the placeholders in the policies stand for.
#[derive(Clone, Debug)]
pub struct Names {
    /// The user name of the operator, as the API server sees it.
    pub operator_user: String,
    /// The operator's own namespace.
    pub operator_namespace: String,
    /// The namespace of the sessions.
    pub sessions_namespace: String,
}

/// A kind of object that is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of the webhook that notes changes.
    MutatingWebhookConfiguration,
    /// Of the webhooks that judge.
    ValidatingWebhookConfiguration,
    /// Of what the API server judges by itself.
    ValidatingAdmissionPolicy,
    /// That a policy counts.
    ValidatingAdmissionPolicyBinding,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::MutatingWebhookConfiguration,
        Self::ValidatingWebhookConfiguration,
        Self::ValidatingAdmissionPolicy,
        Self::ValidatingAdmissionPolicyBinding,
    ];

    fn resource(self) -> ApiResource {
        match self {
            Self::MutatingWebhookConfiguration => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
            Self::ValidatingWebhookConfiguration => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Self::ValidatingAdmissionPolicy => ApiResource::erase::<ValidatingAdmissionPolicy>(&()),
            Self::ValidatingAdmissionPolicyBinding => ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&()),
        }
    }

    fn is_configuration(self) -> bool {
        matches!(
            self,
            Self::MutatingWebhookConfiguration | Self::ValidatingWebhookConfiguration
        )
    }

    /// The field in which everything is that counts.
    fn content(self) -> &'static str {
        if self.is_configuration() { "webhooks" } else { "spec" }
    }
}

/// Which object is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} `{}`", self.kind, self.name)
    }
}

/// What there is.
pub type Objects = BTreeMap<Id, Arc<DynamicObject>>;

/// What there should be.
pub struct Registration {
    registrar: Registrar,
    wanted: Vec<(Id, DynamicObject)>,
}

/// An object that is not as it should be.
pub struct Amiss {
    /// Which.
    pub id: Id,
    /// Its UID, if it is there.
    pub uid: Option<String>,
    /// What is wrong, apart from whom it trusts.
    pub wrong: Vec<Wrong>,
    registrar: Registrar,
    /// As it should be, if that is ours to write.
    right: Option<DynamicObject>,
}

impl Registration {
    /// What is to be registered of a webhook that is reached at `url`. `recorded`: whose changes of employees are noted.
    pub fn new(registrar: Registrar, names: &Names, url: &str, recorded: Employees) -> Result<Self, Error> {
        let mut objects = policies(names)?;
        let (user, sessions) = (names.operator_user.as_str(), names.sessions_namespace.as_str());
        objects.push(configuration::configuration(url, user));
        objects.push(configuration::history(url, user, (sessions, recorded)));
        Self::of(registrar, &objects)
    }

    fn of(registrar: Registrar, objects: &[Value]) -> Result<Self, Error> {
        let identified = |object| {
            let object = DynamicObject::deserialize(object).map_err(Error::Object)?;
            let name = object.metadata.name.clone().unwrap_or_default();
            let kind = object
                .types
                .as_ref()
                .map(|types| types.kind.clone())
                .unwrap_or_default();
            let known = Kind::ALL.into_iter().find(|known| format!("{known:?}") == kind);
            let id = Id {
                kind: known.ok_or(Error::Kind(kind))?,
                name,
            };
            Ok((id, object))
        };
        let wanted: Result<_, Error> = objects.iter().map(identified).collect();
        Ok(Self {
            registrar,
            wanted: wanted?,
        })
    }

    /// The same, where nothing need guard the definitions.
    #[must_use]
    pub fn without_definitions(mut self) -> Self {
        self.wanted.retain(|(id, _)| id.name != DEFINITIONS);
        self
    }

    /// What is not as it should be, where every webhook is to trust these authorities (PEM).
    pub fn amiss(&self, there: &Objects, bundle: &str) -> Vec<Amiss> {
        let judged =
            |(id, wanted): &(Id, DynamicObject)| self.judged(id, wanted, there.get(id).map(AsRef::as_ref), bundle);
        self.wanted.iter().filter_map(judged).collect()
    }

    fn judged(&self, id: &Id, wanted: &DynamicObject, found: Option<&DynamicObject>, bundle: &str) -> Option<Amiss> {
        let whole = self.registrar == Registrar::Operator;
        let content = |object: &DynamicObject| object.data.get(id.kind.content()).cloned().unwrap_or_default();
        let wrong = match found {
            None => vec![Wrong::of(format!("there is no {id}"))],
            Some(found) if id.kind.is_configuration() => {
                likeness::webhooks(id, &content(found), &content(wanted), self.registrar)
            }
            Some(found) => likeness::spec(id, &content(found), &content(wanted)),
        };
        let untrusting = found.is_some_and(|found| id.kind.is_configuration() && !trusts(found, bundle));
        if wrong.is_empty() && !untrusting {
            return None;
        }
        let mut right = found.filter(|_| whole || untrusting).cloned();
        if whole {
            let mut object = right.unwrap_or_else(|| wanted.clone());
            if let Some(fields) = object.data.as_object_mut() {
                fields.insert(id.kind.content().to_owned(), content(wanted));
            }
            right = Some(object);
        }
        let right = right.map(|mut object| {
            object.types.clone_from(&wanted.types);
            trusting(object, bundle)
        });
        let uid = found.and_then(|found| found.metadata.uid.clone());
        Some(Amiss {
            id: id.clone(),
            uid,
            wrong,
            registrar: self.registrar,
            right,
        })
    }

    /// Who tells the API server.
    pub fn registrar(&self) -> Registrar {
        self.registrar
    }
}

impl Amiss {
    async fn mend(&self, client: &Client) -> Result<bool, Error> {
        let Some(right) = &self.right else {
            return Ok(false);
        };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.id.kind.resource());
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = match right.metadata.resource_version {
            Some(_) => api.replace(&self.id.name, &params, right).await,
            None => api.create(&params, right).await,
        };
        match written {
            Ok(_) => {
                tracing::info!(object = %self.id, "registered with the API server");
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => Ok(false),
            Err(error) => Err(Error::Api(self.id.clone(), Box::new(error))),
        }
    }

    /// Whether there is anything to write for us.
    pub fn is_ours(&self) -> bool {
        self.right.is_some()
    }
}

/// Writes what is amiss as it should be, if that is for us to write. Of each, whether it was written: whoever has changed it
/// since wins, and it is then looked at again.
pub async fn mend<'a>(client: &Client, amiss: Vec<&'a Amiss>) -> Vec<(&'a Id, Result<bool, Error>)> {
    let mended = |amiss: &'a Amiss| async move { (&amiss.id, amiss.mend(client).await) };
    join_all(amiss.into_iter().map(mended)).await
}

/// The policies and their bindings, with the names filled in.
pub fn policies(names: &Names) -> Result<Vec<Value>, Error> {
    let Names {
        operator_user,
        operator_namespace,
        sessions_namespace,
    } = names;
    let placeholders = [
        ("${OPERATOR_USER}", operator_user),
        ("${OPERATOR_NAMESPACE}", operator_namespace),
        ("${SESSIONS_NAMESPACE}", sessions_namespace),
    ];
    let harmless = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@/".contains(c));
    if let Some((_, name)) = placeholders.iter().find(|(_, name)| name.is_empty() || !harmless(name)) {
        return Err(Error::Name((*name).clone()));
    }
    let mut objects = Vec::new();
    for (file, template) in POLICIES {
        let text = placeholders
            .iter()
            .fold(template.to_owned(), |text, (placeholder, name)| {
                text.replace(placeholder, name)
            });
        if text.contains("${") {
            return Err(Error::Placeholder(file));
        }
        for document in serde_yaml::Deserializer::from_str(&text) {
            objects.push(Value::deserialize(document).map_err(|error| Error::Yaml(file, error))?);
        }
    }
    Ok(objects)
}

/// Whom the API server trusts now, in PEM; nothing if it has not been told of the webhook.
pub fn trusted(there: &Objects) -> String {
    let id = Id {
        kind: Kind::ValidatingWebhookConfiguration,
        name: NAME.to_owned(),
    };
    let found = there.get(&id).map(|found| bundles(found));
    let first = found.into_iter().flatten().flatten().next();
    let first = first.and_then(|bundle| ByteString::deserialize(bundle).ok());
    first.map_or_else(String::new, |bundle| String::from_utf8_lossy(&bundle.0).into_owned())
}

/// Whether the webhooks of both configurations trust these authorities (PEM), and no other.
pub fn in_place(there: &Objects, bundle: &str) -> bool {
    let mut configurations = there.iter().filter(|(id, _)| id.kind.is_configuration());
    configurations.clone().count() == 2 && configurations.all(|(_, found)| trusts(found, bundle))
}

fn trusts(configuration: &DynamicObject, bundle: &str) -> bool {
    let encoded = json!(ByteString(bundle.into()));
    bundles(configuration).into_iter().all(|found| found == Some(&encoded))
}

fn bundles(configuration: &DynamicObject) -> Vec<Option<&Value>> {
    let listed = configuration.data.get("webhooks").and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .map(|webhook| webhook.pointer("/clientConfig/caBundle"))
        .collect()
}

/// The same, trusting these authorities in every webhook.
fn trusting(mut configuration: DynamicObject, bundle: &str) -> DynamicObject {
    let encoded = json!(ByteString(bundle.into()));
    let listed = configuration.data.get_mut("webhooks").and_then(Value::as_array_mut);
    let clients = listed.into_iter().flatten();
    for client in clients.filter_map(|webhook| webhook.get_mut("clientConfig")?.as_object_mut()) {
        client.insert("caBundle".to_owned(), encoded.clone());
    }
    configuration
}

#[cfg(test)]
mod tests;
