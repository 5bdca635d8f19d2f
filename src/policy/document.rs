//! An object as JSON becomes what the rules work with: a request to judge, or a change in the world. Which fields a spec
//! has is the wire types' to say, and what it may say that of the kinds.

use super::admission::{self, Subject};
use super::{
    Change, Entry, Kind, Meta, Name, Reason, Settings, Violation, Violations, catalog, consent, employee,
    impersonation, role, tenant,
};
use serde::Deserialize;
use serde_json::Value;

/// What a request wants to write, from the specs of the stored and of the new object. `meta` is what is known of a stored
/// session. A violation if the new spec cannot be read.
pub fn subject(kind: Kind, old: Option<&Value>, new: Option<&Value>, meta: Option<Meta>) -> Result<Subject, Violation> {
    Ok(match kind {
        Kind::Tenant => Subject::Tenant(written(old, new)?),
        Kind::Role => Subject::Role(written(old, new)?),
        Kind::Employee => Subject::Employee(written(old, new)?),
        Kind::Impersonation => Subject::Impersonation(written(old, new)?, meta),
        Kind::Consent => Subject::Consent(written(old, new)?),
        Kind::PermissionCatalog => Subject::Catalog(written(old, new)?),
    })
}

/// That the object of that name is there, with `spec`. If it cannot be read it is there all the same, and gives nothing.
pub fn change(kind: Kind, name: Name, spec: &Value, meta: Meta, settings: &Settings) -> Change {
    match kind {
        Kind::Tenant => {
            let spec = strict(spec, |spec| tenant::parse(&name, spec, settings));
            Change::Tenant(name, Some(Entry { meta, spec }))
        }
        Kind::Role => {
            let spec = strict(spec, role::parse);
            Change::Role(name, Some(Entry { meta, spec }))
        }
        Kind::Employee => {
            let spec = strict(spec, employee::parse);
            Change::Employee(name, Some(Entry { meta, spec }))
        }
        Kind::Impersonation => {
            let spec = strict(spec, impersonation::parse);
            Change::Impersonation(name, Some(Entry { meta, spec }))
        }
        Kind::Consent => {
            let spec = strict(spec, consent::parse);
            Change::Consent(name, Some(Entry { meta, spec }))
        }
        Kind::PermissionCatalog => {
            let spec = strict(spec, |spec| catalog::parse(&name.name, spec));
            Change::Catalog(name, Some(Entry { meta, spec }))
        }
    }
}

/// That there is no object of that name.
pub fn absence(kind: Kind, name: Name) -> Change {
    match kind {
        Kind::Tenant => Change::Tenant(name, None),
        Kind::Role => Change::Role(name, None),
        Kind::Employee => Change::Employee(name, None),
        Kind::Impersonation => Change::Impersonation(name, None),
        Kind::Consent => Change::Consent(name, None),
        Kind::PermissionCatalog => Change::Catalog(name, None),
    }
}

fn written<'a, S: Deserialize<'a>>(
    old: Option<&'a Value>,
    new: Option<&'a Value>,
) -> Result<admission::Change<S>, Violation> {
    Ok(admission::Change {
        // What is stored and cannot be read is no reason to refuse what mends it.
        old: old.and_then(|spec| read(spec).ok()),
        new: new.map(read).transpose()?,
    })
}

fn strict<'a, S: Deserialize<'a>, T>(
    spec: &'a Value,
    parse: impl FnOnce(&S) -> Result<T, Violations>,
) -> Result<T, Violations> {
    parse(&read(spec).map_err(|violation| vec![violation])?)
}

fn read<'a, S: Deserialize<'a>>(spec: &'a Value) -> Result<S, Violation> {
    S::deserialize(spec).map_err(|error| {
        let message = format!("cannot be read: {error}; correct the object");
        Violation::whole(Reason::InvalidSpec, "spec", message)
    })
}
