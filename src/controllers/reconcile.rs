//! One reconcile: judge, write what follows, write one status if it differs. The same steps for every kind.

use super::context::Context;
use super::error::{Error, answer, is_unreadable};
use super::kinds::{Catalogs, Consents, Declared, Employees, Impersonations, Roles, Status, Tenants};
use super::queue::Looked;
use super::{apply, default_roles, events, history, records, rights};
use crate::api::{GROUP, VERSION};
use crate::policy::children::Child;
use crate::policy::impersonation::departed;
use crate::policy::status::{Applied, conditions, unready};
use crate::policy::{Decision, Directory, Entry, Key, Kind, earliest};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ResourceExt};
use serde_json::json;

/// The field manager of everything that the operator writes.
pub const MANAGER: &str = "pimpernel";

/// How long a session waits for one that is being opened for the same person.
const AGAIN: SignedDuration = SignedDuration::from_millis(50);

/// Looks at one object.
pub async fn reconcile(key: &Key, context: &Context) -> Result<Looked, Error> {
    match key.kind {
        Kind::Tenant => step::<Tenants>(key, context).await,
        Kind::Role => step::<Roles>(key, context).await,
        Kind::Employee => step::<Employees>(key, context).await,
        Kind::Impersonation => step::<Impersonations>(key, context).await,
        Kind::Consent => step::<Consents>(key, context).await,
        Kind::PermissionCatalog => step::<Catalogs>(key, context).await,
    }
}

async fn step<D: Declared>(key: &Key, context: &Context) -> Result<Looked, Error> {
    let now = context.clock.now().ok_or(Error::NoTime)?;
    let directory = context.directory();
    let Some(entry) = D::entry(&directory, &key.name) else {
        return gone(key, (&directory, now), context).await;
    };
    let mut decision = D::decide(&key.name, &entry, &context.observed.of(key), &directory, now);
    let mut besides = None;
    if key.kind == Kind::PermissionCatalog
        && let Some((further, again)) = rights::grantable(&key.name, (&directory, now), context).await?
    {
        decision.further = Some(further);
        besides = again;
    }
    context.lane(key.kind).judged(key, decision.wake_at, now);
    if !admitted::<D>(key, &entry, &decision, (&directory, context)) {
        return Ok(Looked::Unfinished(now.checked_add(AGAIN).unwrap_or(now)));
    }
    if others_first(key, &decision.children, (context, now)).await {
        return Ok(Looked::Unfinished(now));
    }
    let applied = apply::children(key, &decision.children, context).await;
    let applied = match &decision.default_roles {
        Some(due) => default_roles::make(key, &entry.meta.uid, due, context)
            .await
            .and(applied),
        None => applied,
    };
    let stored = records::store(&decision.records, context).await;
    if let Ok(stored) = &stored {
        events::departed(key, Some(&entry.meta.uid), stored, now, context).await;
    }
    let kept = history::keep(key, (&directory, now), context).await;
    let hindered = stored.as_ref().err().or(kept.as_ref().err());
    let told = outcome::<D>(&applied, hindered, entry.meta.deleting);
    context.metrics.stands(key, unready(&decision.standing, &told));
    let counts = report::<D>(key, &entry, &decision, (&told, now), context).await?;
    let applied = applied?;
    stored?;
    kept?;
    apply::tidy(key, &decision.children, context).await?;
    match applied {
        Applied::Complete => Ok(Looked::Done(earliest(besides, counts))),
        Applied::Failed(reason, message) => {
            tracing::warn!(object = %key, %reason, message, "part of it is withheld, trying again");
            Ok(Looked::Withheld(now))
        }
    }
}

/// What came of it, for the conditions: that rights could not be written or withdrawn comes before that something could not be
/// put on record, for which an object that is being deleted waits. What keeps all of them from it, or is over in a moment, is
/// told of none that does not wait.
fn outcome<D: Declared>(applied: &Result<Applied, Error>, hindered: Option<&Error>, deleting: bool) -> Applied {
    let failed = |error: &Error| Applied::Failed(error.reason(), error.to_string());
    let hindered = hindered.filter(|error| deleting || !matches!(error, Error::NoKey | Error::Contended));
    match (applied, hindered) {
        (Ok(Applied::Complete), Some(error)) if deleting => {
            let message = format!(
                "The {} is being deleted, and waits until its deletion is on record: {error}",
                D::KIND.as_str()
            );
            Applied::Failed(error.reason(), message)
        }
        (Err(error), _) | (Ok(Applied::Complete), Some(error)) => failed(error),
        (Ok(applied), _) => applied.clone(),
    }
}

/// Withdraws all that there was because of an object that is there no more, and puts on record what ended with it.
async fn gone(key: &Key, (directory, now): (&Directory, Timestamp), context: &Context) -> Result<Looked, Error> {
    context.lane(key.kind).judged(key, None, now);
    if others_first(key, &[], (context, now)).await {
        return Ok(Looked::Unfinished(now));
    }
    apply::children(key, &[], context).await?;
    let observed = context.observed.of(key);
    let departed = match key.kind {
        Kind::Impersonation => departed(&key.name, None, (&observed, directory), now),
        Kind::Tenant | Kind::Role | Kind::Employee | Kind::Consent | Kind::PermissionCatalog => vec![],
    };
    let stored = records::store(&departed, context).await?;
    let tidied = apply::tidy(key, &[], context).await;
    events::departed(key, None, &stored, now, context).await;
    tidied?;
    history::keep(key, (directory, now), context).await?;
    context.metrics.stands(key, None);
    Ok(Looked::Done(None))
}

/// Of many sessions that end at once each loses one right before more is done for any of them: whether this one has lost one
/// just now, and others wait.
async fn others_first(key: &Key, desired: &[Child], (context, now): (&Context, Timestamp)) -> bool {
    key.kind == Kind::Impersonation && apply::withdraw_one(key, desired, context).await && context.sessions.waits(now)
}

/// Whether what was decided may be done beside what is being done for others.
fn admitted<D: Declared>(
    key: &Key,
    entry: &Entry<D::Spec>,
    decision: &Decision<D::Status>,
    (directory, context): (&Directory, &Context),
) -> bool {
    let Some(person) = entry.spec.as_ref().ok().and_then(D::person) else {
        return true;
    };
    if decision.children.is_empty() {
        context.openings.end(person, &entry.meta.uid);
        return true;
    }
    context.openings.begin(person, (key, &entry.meta.uid), directory)
}

/// Writes the status if it differs from the one that is stored. When to look again, if only counts differ.
async fn report<D: Declared>(
    key: &Key,
    entry: &Entry<D::Spec>,
    decision: &Decision<D::Status>,
    (applied, now): (&Applied, Timestamp),
    context: &Context,
) -> Result<Option<Timestamp>, Error> {
    let stored = context.observed.status_of(key).unwrap_or_default();
    let previous: D::Status = serde_json::from_str(&stored).unwrap_or_default();
    let mut status = decision.status.clone();
    status.keep(&previous);
    let stamp = (previous.conditions(), now);
    let conditions = conditions(
        &decision.standing,
        decision.further.as_ref(),
        applied,
        entry.meta.generation,
        stamp,
    );
    status.observe(entry.meta.generation, conditions);
    let text = serde_json::to_string(&status).map_err(Error::EncodeStatus)?;
    if *text == *stored {
        return Ok(None);
    }
    if json_equal(&status.without_counts(), &previous.without_counts())
        && let Some(at) = context.lane(key.kind).counts(key, now)
    {
        return Ok(Some(at));
    }
    patch::<D>(key, &entry.meta.uid, &status, context).await?;
    events::tell(key, &entry.meta.uid, (&previous, &status), context).await;
    Ok(None)
}

fn json_equal<T: serde::Serialize>(a: &T, b: &T) -> bool {
    serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
}

/// The UID in the patch keeps it from another object of the same name.
async fn patch<D: Declared>(key: &Key, uid: &str, status: &D::Status, context: &Context) -> Result<(), Error> {
    let resource = ApiResource::erase::<D::Wire>(&());
    let api: Api<DynamicObject> = if key.name.namespace.is_empty() {
        Api::all_with(context.client.clone(), &resource)
    } else {
        Api::namespaced_with(context.client.clone(), &key.name.namespace, &resource)
    };
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": key.kind.as_str(),
        "metadata": {"name": &*key.name.name, "uid": uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let mut applied = api.patch_status(&key.name.name, &params, &Patch::Apply(&body)).await;
    let unreadable = applied.as_ref().err().is_some_and(is_unreadable);
    if unreadable {
        applied = replace(&api, key, uid, &body).await;
    }
    match applied {
        Ok(written) => {
            let version = written
                .resource_version()
                .and_then(|version| version.parse().ok())
                .unwrap_or_default();
            let text = serde_json::to_string(status).map_err(Error::EncodeStatus)?;
            context.observed.status(key, version, &text);
            Ok(())
        }
        // Deleted, or deleted and made again, since it was judged: whoever is there now is looked at for itself.
        Err(error) if answer(&error).is_some_and(|status| matches!(status.code, 404 | 409)) => Ok(()),
        // A rule of the definition that cannot even be evaluated lets no status in: the Event alone tells it.
        Err(error) if unreadable && answer(&error).is_some_and(|status| status.code == 422) => {
            tracing::warn!(object = %key, %error, "no status can be written");
            Ok(())
        }
        Err(error) => Err(Error::Status(error)),
    }
}

/// Puts the whole status in the place of the stored one. A field of the wrong type anywhere in an object keeps the API
/// server from applying to it, and such an object must be told what is wrong with it all the same.
async fn replace(
    api: &Api<DynamicObject>,
    key: &Key,
    uid: &str,
    body: &serde_json::Value,
) -> kube::Result<DynamicObject> {
    let status = body.get("status");
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": status},
    ]);
    json_patch(api, &format!("{}/status", key.name.name), &patch).await
}

/// Sends a JSON patch to an object or, with `NAME/status`, to its status.
pub(super) async fn json_patch(
    api: &Api<DynamicObject>,
    which: &str,
    patch: &serde_json::Value,
) -> kube::Result<DynamicObject> {
    let url = format!("{}/{which}?fieldManager={MANAGER}", api.resource_url());
    let request = http::Request::patch(url)
        .header(http::header::CONTENT_TYPE, "application/json-patch+json")
        .body(patch.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    api.clone().into_client().request(request).await
}
