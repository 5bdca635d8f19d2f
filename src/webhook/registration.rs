//! Tells the API server what to ask and what to refuse: webhook configurations and admission policies. Where a chart has
//! done it, tells it only whom to trust.
//!
//! Leaves to others what the webhook configurations say; the policies are the files in `policies/`, which the chart uses
//! as well. Nothing is written that is there already, so that a restart with nothing changed writes nothing.

use futures::future::try_join_all;
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
        ValidatingWebhookConfiguration,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde::Deserialize as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::configuration::NAME;
use super::policies::POLICIES;

/// Who owns the fields that are written here.
pub const FIELD_MANAGER: &str = "pimpernel";

/// Holds a digest of what was applied: a field that is no longer wanted is found by it, since everything that still is
/// wanted may be there.
const DIGEST: &str = "pimpernel.dev/applied";

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
    /// An object cannot be read or written.
    #[error("`{0}` cannot be registered: {1}")]
    Api(String, #[source] Box<kube::Error>),
    /// What the chart should have made is not there.
    #[error(
        "there is no {0} `{NAME}`, which the chart makes: install or upgrade the chart, or use `--registered-by operator`"
    )]
    Missing(String),
    /// An object, ours or the API server's, is none.
    #[error("an object for registration cannot be read: {0}")]
    Object(#[source] serde_json::Error),
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

/// The webhook configuration, trusting these authorities (PEM) in every webhook.
pub fn with_bundle(mut configuration: Value, bundle: &str) -> Value {
    let encoded = json!(ByteString(bundle.into()));
    let webhooks = configuration
        .get_mut("webhooks")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for client in webhooks.filter_map(|webhook| webhook.get_mut("clientConfig")?.as_object_mut()) {
        client.insert("caBundle".to_owned(), encoded.clone());
    }
    configuration
}

/// Makes every object as desired; returns how many had to be written. None means that all of them were *seen* in place:
/// that, and not the mere writing, is what [`super::certificates::Certificates::keep`] wants to know of a bundle.
pub async fn apply(client: &Client, desired: &[Value]) -> Result<usize, Error> {
    let written = try_join_all(desired.iter().map(|object| apply_one(client, object))).await?;
    Ok(written.into_iter().filter(|written| *written).count())
}

async fn apply_one(client: &Client, desired: &Value) -> Result<bool, Error> {
    let mut object = DynamicObject::deserialize(desired).map_err(Error::Object)?;
    let name = object.name_any();
    let failed = |error| Error::Api(name.clone(), Box::new(error));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(&object)?);
    object.annotations_mut().insert(DIGEST.to_owned(), digest(desired));
    if let Some(observed) = api.get_opt(&name).await.map_err(failed)? {
        let value = |object| serde_json::to_value(object).map_err(Error::Object);
        if covers(&value(&observed)?, &value(&object)?) {
            return Ok(false);
        }
    }
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&object))
        .await
        .map_err(failed)?;
    let kind = object.types.as_ref().map(|types| types.kind.as_str());
    tracing::info!(kind, name, "registered with the API server");
    Ok(true)
}

/// Whom the API server trusts now, in PEM; nothing if it has not been told of the webhook.
pub async fn trusted(client: &Client) -> Result<String, Error> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let found = api.get_opt(NAME).await;
    let found = found.map_err(|error| Error::Api(NAME.to_owned(), Box::new(error)))?;
    let webhooks = found.and_then(|found| found.webhooks).unwrap_or_default();
    let bundle = webhooks.into_iter().find_map(|webhook| webhook.client_config.ca_bundle);
    let text = bundle.map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned());
    Ok(text.unwrap_or_default())
}

/// Makes every webhook of the chart's configurations trust these authorities (PEM), and changes nothing else; returns how
/// many configurations had to be written. None means, as for [`apply`], that all were seen in place.
pub async fn trust(client: &Client, bundle: &str) -> Result<usize, Error> {
    let mutating = trust_one::<MutatingWebhookConfiguration>(client, bundle).await?;
    let validating = trust_one::<ValidatingWebhookConfiguration>(client, bundle).await?;
    Ok(usize::from(mutating) + usize::from(validating))
}

async fn trust_one<K>(client: &Client, bundle: &str) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()>,
{
    let kind = K::kind(&()).into_owned();
    let failed = |error| Error::Api(format!("{kind} {NAME}"), Box::new(error));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<K>(&()));
    let observed = api.get_opt(NAME).await.map_err(failed)?;
    let observed = observed.ok_or_else(|| Error::Missing(kind.clone()))?;
    let encoded = json!(ByteString(bundle.into()));
    let listed = observed.data.get("webhooks").and_then(Value::as_array);
    let trusting = |webhook: &Value| json!({"name": webhook["name"], "clientConfig": {"caBundle": encoded}});
    let desired: Vec<Value> = listed.into_iter().flatten().map(trusting).collect();
    let found = observed.data.get("webhooks").unwrap_or(&Value::Null);
    if covers(found, &json!(desired)) {
        return Ok(false);
    }
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": kind,
        "metadata": {"name": NAME},
        "webhooks": desired,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(NAME, &parameters, &Patch::Apply(&patch))
        .await
        .map_err(failed)?;
    tracing::info!(kind, "the chart's webhook configuration trusts the certificate");
    Ok(true)
}

fn resource(object: &DynamicObject) -> Result<ApiResource, Error> {
    match object
        .types
        .as_ref()
        .map(|types| types.kind.as_str())
        .unwrap_or_default()
    {
        "MutatingWebhookConfiguration" => Ok(ApiResource::erase::<MutatingWebhookConfiguration>(&())),
        "ValidatingWebhookConfiguration" => Ok(ApiResource::erase::<ValidatingWebhookConfiguration>(&())),
        "ValidatingAdmissionPolicy" => Ok(ApiResource::erase::<ValidatingAdmissionPolicy>(&())),
        "ValidatingAdmissionPolicyBinding" => Ok(ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&())),
        kind => Err(Error::Kind(kind.to_owned())),
    }
}

/// The same for the same object, whatever the order in which it was built: the keys of a JSON object are sorted.
fn digest(object: &Value) -> String {
    let digest = Sha256::digest(object.to_string());
    let short = digest
        .iter()
        .take(8)
        .fold(0, |short: u64, byte| short << 8 | u64::from(*byte));
    format!("{short:016x}")
}

/// Whether all that is desired is there. What is there besides, such as defaults, does not matter, but lists must be as
/// long as desired.
pub fn covers(observed: &Value, desired: &Value) -> bool {
    match (observed, desired) {
        (Value::Object(observed), Value::Object(desired)) => desired
            .iter()
            .all(|(key, desired)| covers(observed.get(key).unwrap_or(&Value::Null), desired)),
        (Value::Array(observed), Value::Array(desired)) => {
            observed.len() == desired.len() && observed.iter().zip(desired).all(|(one, other)| covers(one, other))
        }
        (observed, desired) => observed == desired,
    }
}

#[cfg(test)]
mod tests;
