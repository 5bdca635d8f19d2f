//! What the library says of an object, asked with what the API server has stored: the text that admission would give.

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use kube::core::ObjectMeta;
use pimpernel::policy::admission::{self, Answer, Request};
use pimpernel::policy::default_roles::Received;
use pimpernel::policy::{Directory, Kind, Meta, Name, Settings, document};
use serde_json::Value;

use super::SESSIONS;
use super::rest::{Caller, name_of};

/// What admission would say of an object that is stored already, were it created beside all the others only now.
pub async fn admit(admin: &Caller, object: &Value, now: Timestamp) -> Result<Answer> {
    let directory = directory(admin, &name_of(object)).await?;
    let kind = object["kind"].as_str().and_then(Kind::of);
    let kind = kind.with_context(|| format!("of no kind of ours: {object}"))?;
    let subject = document::subject(kind, None, Some(&object["spec"]), None)
        .map_err(|violation| anyhow!("it cannot be read: {violation}"))?;
    let request = Request {
        name: key(&meta(object)?),
        subject,
        user: "anybody".into(),
        bounded: false,
        ordering: None,
        renamed_from: None,
    };
    Ok(admission::admit(&request, &directory, now))
}

/// The operator's settings in every world.
pub fn settings() -> Settings {
    Settings {
        operator_namespace: "pimpernel-system".into(),
        sessions_namespace: SESSIONS.into(),
        impersonation: true,
    }
}

/// Everything that is stored, but for one object.
async fn directory(admin: &Caller, without: &str) -> Result<Directory> {
    let settings = settings();
    let mut directory = Directory::new(settings.clone());
    for kind in Kind::ALL {
        for mut object in admin.list(kind.as_str(), "", "").await? {
            object["kind"] = kind.as_str().into();
            if name_of(&object) != without {
                let metadata = meta(&object)?;
                let known = known(&metadata)?;
                directory.fold(document::change(
                    kind,
                    key(&metadata),
                    &object["spec"],
                    known,
                    &settings,
                ));
            }
        }
    }
    Ok(directory)
}

fn known(metadata: &ObjectMeta) -> Result<Meta> {
    Ok(Meta {
        uid: metadata.uid.as_deref().context("a UID")?.into(),
        generation: metadata.generation.unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().context("a time of creation")?.0,
        deleting: metadata.deletion_timestamp.is_some(),
        ended: None,
        received: Received::new(),
    })
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
