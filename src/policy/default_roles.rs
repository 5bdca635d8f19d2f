//! The out-of-the-box roles (R12): which of them a tenant is still to get, and with what permissions. Each is made once;
//! that it was is remembered on the Tenant, so that nothing here ever touches a role again, nor brings one back.

use super::catalog::{ActionEntry, Actions, Catalog, USE};
use super::directory::{Change, Directory, Entry, Meta};
use super::name::{Kind, Name};
use super::tenant::Tenant;
use super::{access, role, tenant};
use crate::api::{Grant, LifecycleState, RoleSpec};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The annotation of a Tenant with the names of the out-of-the-box roles that it has got.
pub const RECEIVED: &str = "pimpernel.dev/default-roles";
/// The annotation of an out-of-the-box role with the application that brought it.
pub const BROUGHT_BY: &str = "pimpernel.dev/default-role-of";

/// The names of roles that a tenant has got.
pub type Received = BTreeSet<Arc<str>>;

/// What a tenant is still to get.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The roles to make.
    pub roles: Vec<OutOfTheBox>,
    /// Those that are not made, now or later.
    pub left_out: Vec<LeftOut>,
    /// All that it has got when that is done, those included that were there already.
    pub received: Received,
}

/// One role to make.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfTheBox {
    /// Its name.
    pub name: Name,
    /// The application that brings it.
    pub application: Arc<str>,
    /// Whether a role of that name is there: it is not made, also if it goes in the meantime.
    pub there: bool,
    /// Whether employees name it already: then it is not made either if one that is gone is on record by now.
    pub awaited: bool,
    /// As it comes from the factory.
    pub spec: RoleSpec,
}

/// One role that a tenant never gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: Arc<str>,
    /// Why, in words.
    pub why: String,
}

/// Reads the annotation.
pub fn read(text: &str) -> Received {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(Into::into).collect()
}

/// Writes the annotation.
pub fn written(received: &Received) -> String {
    received.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(",")
}

/// What the tenant is still to get, if anything. A role whose name for people is another's, or once was (R3, R4), is left out
/// for good; so is one of whose name the tenant had a role that is gone: whoever names it still was given that one, not this
/// (R16). As long as a catalogue is missing it waits: a role that was made without
/// the permissions of that application would never get them.
pub fn due(name: &Name, entry: &Entry<Tenant>, directory: &Directory) -> Option<Due> {
    let tenant = entry.spec.as_ref().ok()?;
    if entry.meta.deleting || !tenant.default_roles {
        return None;
    }
    let catalogs = catalogs(tenant, directory)?;
    let mut received = entry.meta.received.clone();
    let (mut roles, mut left_out) = (vec![], vec![]);
    for (application, catalog) in &catalogs {
        for (role, display_name) in &catalog.default_roles {
            if !received.insert(role.as_str().into()) {
                continue;
            }
            let name = Name::new(name.namespace.clone(), role.as_str());
            let spec = factory((role, display_name), &catalogs, (tenant, directory));
            match obstacle((&name, &spec), entry, directory) {
                Some(why) => left_out.push(LeftOut { name: name.name, why }),
                None => roles.push(OutOfTheBox {
                    application: (*application).into(),
                    there: directory.role(&name).is_some(),
                    awaited: directory.holders(&name).count() > 0,
                    spec,
                    name,
                }),
            }
        }
    }
    (received != entry.meta.received).then_some(Due {
        roles,
        left_out,
        received,
    })
}

/// Why a tenant never gets that role, if so.
fn obstacle((name, spec): (&Name, &RoleSpec), tenant: &Entry<Tenant>, directory: &Directory) -> Option<String> {
    let wrong = match role::parse(spec) {
        Ok(role) => role::taken(name, &role, None, directory),
        Err(violations) => violations.into_iter().next(),
    };
    // What stands behind the colon tells a writer what to do, and nobody writes this one.
    let wrong = wrong.map(|wrong| match wrong.message.rsplit_once(": ") {
        Some((what, _)) => what.to_owned(),
        None => wrong.message,
    });
    let gone = || "the tenant has had a role called so, and whoever names it still was given that one".to_owned();
    wrong.or_else(|| had(name, tenant, directory).then(gone))
}

/// Whether the tenant, since it exists, has had a role called `name` that is gone.
fn had(name: &Name, tenant: &Entry<Tenant>, directory: &Directory) -> bool {
    let last = directory.ledger().last_named(name);
    directory.role(name).is_none() && last.is_some_and(|last| last >= tenant.meta.created)
}

/// The roles that the tenants in `directory` are still to get, as they will be there: for who asks what a state comes to.
pub fn coming(directory: &Directory, now: Timestamp) -> Vec<Change> {
    let tenants = directory.keys().filter(|key| key.kind == Kind::Tenant);
    let due = tenants.filter_map(|key| {
        tenant::state(&key.name.namespace, directory, now)?;
        due(&key.name, directory.tenant_entry(&key.name)?, directory)
    });
    let roles = due.flat_map(|due| due.roles);
    let new = roles.filter(|role| !role.there);
    new.map(|OutOfTheBox { name, spec, .. }| {
        let meta = Meta {
            uid: format!("{}:{name}", Kind::Role.as_str()).into(),
            generation: 1,
            created: now,
            deleting: false,
            ended: None,
            received: Received::new(),
        };
        let spec = role::parse(&spec);
        Change::Role(name, Some(Entry { meta, spec }))
    })
    .collect()
}

/// The role of that name as it comes from the factory in the tenant: only if an application that the tenant has brings it,
/// and none of its catalogues is missing.
pub fn from_factory(role: &str, tenant: &Tenant, directory: &Directory) -> Option<RoleSpec> {
    let catalogs = catalogs(tenant, directory)?;
    let mut brought = catalogs.iter().flat_map(|(_, catalog)| &catalog.default_roles);
    let (_, display_name) = brought.find(|(name, _)| name == role)?;
    Some(factory((role, display_name), &catalogs, (tenant, directory)))
}

/// The catalogues of the tenant's applications, if none is missing.
fn catalogs<'a>(tenant: &'a Tenant, directory: &'a Directory) -> Option<Vec<(&'a str, &'a Catalog)>> {
    let applications = tenant.applications.iter();
    applications
        .map(|application| Some((application.as_str(), directory.catalog(application)?)))
        .collect()
}

/// A role as it comes from the factory: Active, with all that the catalogues name it for, but for what would have no effect
/// in this tenant because an application is missing that it requires (P3).
fn factory(
    (role, display_name): (&str, &str),
    catalogs: &[(&str, &Catalog)],
    (tenant, directory): (&Tenant, &Directory),
) -> RoleSpec {
    let named_for = |entry: &ActionEntry| entry.default_for.contains(role) && !entry.unrestricted;
    let all = catalogs.iter().flat_map(|(_, catalog)| &catalog.actions);
    let all: Actions = all
        .filter(|(_, entry)| named_for(entry))
        .map(|(action, _)| action.clone())
        .collect();
    let in_effect = access::in_effect(&all, tenant, directory);
    let grants = catalogs.iter().flat_map(|(application, catalog)| {
        let in_effect = &in_effect;
        catalog.permissions.iter().filter_map(move |(permission, actions)| {
            let given = actions.iter().filter(|(_, action)| {
                let named = catalog.actions.get(*action).is_some_and(named_for);
                named && in_effect.contains(*action)
            });
            let given: Vec<&String> = given.map(|(name, _)| name).collect();
            (!given.is_empty()).then(|| Grant {
                application: (*application).to_owned(),
                permission: permission.clone(),
                actions: if actions.len() == 1 && actions.contains_key(USE) {
                    vec![]
                } else {
                    given.into_iter().cloned().collect()
                },
            })
        })
    });
    RoleSpec {
        display_name: display_name.to_owned(),
        description: None,
        state: LifecycleState::Active,
        permissions: grants.collect(),
    }
}
