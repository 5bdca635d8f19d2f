//! Makes the out-of-the-box roles that a tenant is still to get, and remembers them on the Tenant (R12). Whether they were
//! made is asked of the API server itself, not of what was seen last: a role that somebody deleted must not come back, nor
//! another one in its name to whoever was given that (R16).
//!
//! A role is made by POST, so that nothing that exists is touched. Its fields are then given up, all but an annotation: Git
//! can take the role over by server-side apply without a conflict. (With no entry left at all, the API server would invent
//! an owner, and the next apply would conflict.)

use super::context::Context;
use super::error::{Error, answer, is_gone, is_terminating};
use super::events;
use super::reconcile::MANAGER;
use super::records;
use crate::api;
use crate::policy::default_roles::{BROUGHT_BY, Due, OutOfTheBox, RECEIVED, Received, read, written};
use crate::policy::history::{FINALIZER, PENDING, outbox};
use crate::policy::ledger::Noted;
use crate::policy::{Key, Kind, Name};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::{ObjectMeta, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;

/// How often giving up the fields is tried before the next reconcile must go on.
const ATTEMPTS: usize = 5;

/// Makes what is due to `tenant`, the one of that UID.
pub async fn make(tenant: &Key, uid: &str, due: &Due, context: &Context) -> Result<(), Error> {
    let tenants: Api<api::Tenant> = Api::namespaced(context.client.clone(), &tenant.name.namespace);
    let stored = match tenants.get_metadata(&tenant.name.name).await {
        Ok(stored) if stored.metadata.uid.as_deref() == Some(uid) => stored,
        Ok(_) => return Ok(()),
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(failed(&tenant.name, error)),
    };
    let remembered = stored.annotations().get(RECEIVED).map(|text| read(text));
    let remembered = remembered.unwrap_or_default();
    if remembered.is_superset(&due.received) {
        return Ok(());
    }
    let since = stored.metadata.creation_timestamp.as_ref().map(|created| created.0);
    for role in due.roles.iter().filter(|role| !remembered.contains(&role.name.name)) {
        match create(role, (uid, since), context).await {
            Err(error) if is_terminating(&error) || is_gone(&error) => return Ok(()),
            other => other.map_err(|error| failed(&role.name, error))?,
        }
    }
    let left_out = due.left_out.iter().filter(|role| !remembered.contains(&role.name));
    // Told before it is remembered: else nobody would ever hear of it who was not told now.
    events::left_out(tenant, uid, &left_out.collect::<Vec<_>>(), context).await;
    let received: Received = remembered.union(&due.received).cloned().collect();
    remember(&tenants, &tenant.name, uid, &received).await
}

fn failed(name: &Name, source: kube::Error) -> Error {
    Error::DefaultRole {
        name: name.clone(),
        source,
    }
}

/// Makes a role. One that exists is left alone, but that what a crash left half done is finished.
async fn create(role: &OutOfTheBox, (tenant, since): (&str, Option<Timestamp>), context: &Context) -> kube::Result<()> {
    let roles: Api<api::Role> = Api::namespaced(context.client.clone(), &role.name.namespace);
    if role.there || role.awaited && had(role, since, context).await? {
        return give_up(&roles, &role.name.name).await;
    }
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let mut annotations = BTreeMap::from([(BROUGHT_BY.to_owned(), role.application.to_string())]);
    annotations.extend(noted(role, tenant, context).map(|pending| (PENDING.to_owned(), pending)));
    let object = api::Role {
        metadata: ObjectMeta {
            name: Some(role.name.name.to_string()),
            namespace: Some(role.name.namespace.to_string()),
            annotations: Some(annotations),
            finalizers: Some(vec![FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        },
        spec: role.spec.clone(),
        status: None,
    };
    match roles.create(&params, &object).await {
        Err(error) if answer(&error).is_some_and(|status| status.reason == "AlreadyExists") => {}
        other => drop(other?),
    }
    give_up(&roles, &role.name.name).await
}

/// Whether a role of that name is on record since the tenant was made: employees who name it were given that one.
async fn had(role: &OutOfTheBox, since: Option<Timestamp>, context: &Context) -> kube::Result<bool> {
    let of_it = records::of(&Key::new(Kind::Role, role.name.clone()), context).await?;
    let mut noted = of_it
        .iter()
        .filter_map(|record| Noted::read(&role.name.namespace, &record.spec));
    Ok(noted.any(|noted| matches!(noted, Noted::Named { naming, .. } if Some(naming.at) >= since)))
}

/// What the webhook would note, which is not asked about our own writes (R13).
fn noted(role: &OutOfTheBox, tenant: &str, context: &Context) -> Option<String> {
    let key = Key::new(Kind::Role, role.name.clone());
    let spec = serde_json::to_value(&role.spec).ok()?;
    let id = format!("default-role-of-{tenant}");
    let (now, keys) = (context.clock.now()?, context.witness.keys()?);
    outbox::created(&key, &context.witness.operator, (&id, &spec), now, &keys)
}

/// Gives up the fields of a role that was made here, if that is still to be done.
async fn give_up(roles: &Api<api::Role>, name: &str) -> kube::Result<()> {
    for _ in 0..ATTEMPTS {
        let Some(stored) = roles.get_metadata_opt(name).await? else {
            return Ok(());
        };
        let Some(kept) = kept(&stored.metadata) else {
            return Ok(());
        };
        let version = stored.resource_version();
        let body = json!({"metadata": {"resourceVersion": version, "managedFields": kept}});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match roles.patch_metadata(name, &params, &Patch::Merge(&body)).await {
            Err(error) if answer(&error).is_some_and(|status| status.code == 409) => {}
            other => return other.map(drop),
        }
    }
    Ok(())
}

/// Who owns which fields of a role that was made here, once all but the annotation is given up; nothing if it is already,
/// or if the role is somebody else's.
fn kept(meta: &ObjectMeta) -> Option<Vec<ManagedFieldsEntry>> {
    let fields = json!({"f:metadata": {"f:annotations": {format!("f:{BROUGHT_BY}"): {}}}});
    let mut given_up = false;
    let entries = meta.managed_fields.iter().flatten().map(|entry| {
        let owned = entry.fields_v1.as_ref().map(|fields| &fields.0);
        let made = entry.manager.as_deref() == Some(MANAGER)
            && entry.operation.as_deref() == Some("Update")
            && entry.subresource.as_deref().is_none_or(str::is_empty)
            && owned.is_some_and(|owned| owned.get("f:spec").is_some());
        given_up |= made;
        ManagedFieldsEntry {
            fields_v1: if made {
                Some(FieldsV1(fields.clone()))
            } else {
                entry.fields_v1.clone()
            },
            ..entry.clone()
        }
    });
    let entries: Vec<ManagedFieldsEntry> = entries.collect();
    given_up.then_some(entries)
}

/// The UID in the patch keeps it from another Tenant of the same name.
async fn remember(tenants: &Api<api::Tenant>, name: &Name, uid: &str, received: &Received) -> Result<(), Error> {
    let body = json!({
        "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
        "kind": "Tenant",
        "metadata": {"name": &*name.name, "uid": uid, "annotations": {RECEIVED: written(received)}},
    });
    let params = PatchParams::apply(MANAGER).force();
    match tenants.patch_metadata(&name.name, &params, &Patch::Apply(&body)).await {
        // Deleted, or deleted and made again, in the meantime: whoever is there now is looked at for itself.
        Err(error) if answer(&error).is_some_and(|status| matches!(status.code, 404 | 409)) => Ok(()),
        other => other.map(drop).map_err(|error| failed(name, error)),
    }
}
