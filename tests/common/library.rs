//! What the library says of an object, asked with what the API server has stored: the text that admission would give.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use kube::core::ObjectMeta;
use pimpernel::api;
use pimpernel::policy::admission::{self, Answer, Request, Subject};
use pimpernel::policy::{
    Change, Directory, Entry, Kind, Meta, Name, Settings, catalog, employee, impersonation, role, tenant,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SESSIONS;
use super::rest::{Caller, name_of};

/// What admission would say of an object that is stored already, were it created beside all the others only now.
pub async fn admit(admin: &Caller, object: &Value, now: Timestamp) -> Result<Answer> {
    let directory = directory(admin, &name_of(object)).await?;
    let spec = object["spec"].clone();
    let subject = match object["kind"].as_str().and_then(Kind::of) {
        Some(Kind::Tenant) => Subject::Tenant(created(spec)?),
        Some(Kind::Role) => Subject::Role(created(spec)?),
        Some(Kind::Employee) => Subject::Employee(created(spec)?),
        Some(Kind::Impersonation) => Subject::Impersonation(created(spec)?, None),
        Some(Kind::PermissionCatalog) => Subject::Catalog(created(spec)?),
        None => bail!("of no kind of ours: {object}"),
    };
    let request = Request {
        name: key(&meta(object)?),
        subject,
        user: "anybody".into(),
        bounded: false,
        ordering: None,
    };
    Ok(admission::admit(&request, &directory, now))
}

fn created<T: DeserializeOwned>(spec: Value) -> Result<admission::Change<T>> {
    Ok(admission::Change {
        old: None,
        new: Some(serde_json::from_value(spec)?),
    })
}

/// Everything that is stored, but for one object.
async fn directory(admin: &Caller, without: &str) -> Result<Directory> {
    let settings = Settings {
        operator_namespace: "pimpernel-system".into(),
        sessions_namespace: SESSIONS.into(),
        impersonation: true,
    };
    let mut directory = Directory::new(settings.clone());
    for kind in ["Tenant", "Role", "Employee", "Impersonation", "PermissionCatalog"] {
        for mut object in admin.list(kind, "", "").await? {
            object["kind"] = kind.into();
            if name_of(&object) != without
                && let Some(change) = change(kind, &object, &settings)?
            {
                directory.fold(change);
            }
        }
    }
    Ok(directory)
}

/// Nothing for what does not decode: it gives nothing and stands in nobody's way.
fn change(kind: &str, object: &Value, settings: &Settings) -> Result<Option<Change>> {
    let metadata = meta(object)?;
    let name = key(&metadata);
    let spec = object["spec"].clone();
    let meta = Meta {
        uid: metadata.uid.context("a UID")?.as_str().into(),
        generation: metadata.generation.unwrap_or_default(),
        created: metadata.creation_timestamp.context("a time of creation")?.0,
        deleting: metadata.deletion_timestamp.is_some(),
        ended: None,
    };
    Ok(match kind {
        "Tenant" => decoded(spec).map(|spec| {
            let spec = tenant::parse(&name, &spec, settings);
            Change::Tenant(name, Some(Entry { meta, spec }))
        }),
        "Role" => decoded::<api::RoleSpec>(spec).map(|spec| {
            let spec = role::parse(&spec);
            Change::Role(name, Some(Entry { meta, spec }))
        }),
        "Employee" => decoded::<api::EmployeeSpec>(spec).map(|spec| {
            let spec = employee::parse(&spec);
            Change::Employee(name, Some(Entry { meta, spec }))
        }),
        "Impersonation" => decoded::<api::ImpersonationSpec>(spec).map(|spec| {
            let spec = impersonation::parse(&spec);
            Change::Impersonation(name, Some(Entry { meta, spec }))
        }),
        _ => decoded(spec).map(|spec| {
            let spec = catalog::parse(&name.name, &spec);
            Change::Catalog(name, Some(Entry { meta, spec }))
        }),
    })
}

fn decoded<T: DeserializeOwned>(spec: Value) -> Option<T> {
    serde_json::from_value(spec).ok()
}

fn meta(object: &Value) -> Result<ObjectMeta> {
    Ok(serde_json::from_value(object["metadata"].clone())?)
}

fn key(meta: &ObjectMeta) -> Name {
    Name::new(
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}
