//! The snapshot of everything that rules look up: built by folding one change after another, never altered once it is
//! published. Its maps share their structure, so a copy costs next to nothing. Lookups return options and change nothing.

use super::catalog::{Action, ActionEntry, Catalog};
use super::consent::Consent;
use super::default_roles::Received;
use super::employee::Employee;
use super::impersonation::Impersonation;
use super::ledger::{Ledger, Noted};
use super::name::{Folded, Key, Kind, Name, older};
use super::role::Role;
use super::tenant::Tenant;
use super::verdict::{Reason, Violations};
use imbl::{OrdMap, OrdSet};
use jiff::Timestamp;
use std::sync::Arc;

/// What is known of an object besides its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its generation.
    pub generation: i64,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// For a session: when and how it ended. Final, and the one thing of a status that is read back.
    pub ended: Option<(Timestamp, Reason)>,
    /// For a tenant: the out-of-the-box roles that it has got (R12).
    pub received: Received,
}

/// One object, read; or why it has no effect whatever else there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    /// What is known of it besides its spec.
    pub meta: Meta,
    /// Its spec, in the strict form.
    pub spec: Result<T, Violations>,
}

impl<T> Entry<T> {
    /// Its age, to decide who came first.
    pub fn age(&self) -> (Timestamp, &str) {
        (self.meta.created, &self.meta.uid)
    }
}

/// A session that was opened, by what is written on its account: the record that it must be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The Impersonation.
    pub session: Name,
    /// Its absolute end.
    pub end: Timestamp,
}

/// What the operator was told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The operator's namespace.
    pub operator_namespace: Arc<str>,
    /// The namespace of the sessions' accounts.
    pub sessions_namespace: Arc<str>,
    /// Whether impersonation is allowed at all (I4).
    pub impersonation: bool,
}

/// One change in the world. `None`: the object is gone.
#[derive(Clone, Debug)]
pub enum Change {
    /// A tenant.
    Tenant(Name, Option<Entry<Tenant>>),
    /// A role.
    Role(Name, Option<Entry<Role>>),
    /// An employee.
    Employee(Name, Option<Entry<Employee>>),
    /// A session.
    Impersonation(Name, Option<Entry<Impersonation>>),
    /// What a tenant says to a session.
    Consent(Name, Option<Entry<Consent>>),
    /// A catalogue.
    Catalog(Name, Option<Entry<Catalog>>),
    /// A session's account, by the UID of the Impersonation.
    Account(Arc<str>, Option<Account>),
    /// Something on record.
    Record(Name, Option<Noted>),
}

/// The snapshot.
#[derive(Clone, Debug)]
pub struct Directory {
    settings: Arc<Settings>,
    tenants: OrdMap<Name, Arc<Entry<Tenant>>>,
    roles: OrdMap<Name, Arc<Entry<Role>>>,
    employees: OrdMap<Name, Arc<Entry<Employee>>>,
    sessions: OrdMap<Name, Arc<Entry<Impersonation>>>,
    consents: OrdMap<Name, Arc<Entry<Consent>>>,
    catalogs: OrdMap<Name, Arc<Entry<Catalog>>>,
    accounts: OrdMap<Arc<str>, Account>,
    ledger: Ledger,
    children: OrdMap<Arc<str>, OrdSet<Name>>,
    holders: OrdMap<Name, OrdSet<Name>>,
    role_names: OrdMap<(Arc<str>, Folded), OrdSet<Name>>,
    usernames: OrdMap<Folded, OrdSet<Name>>,
    impersonators: OrdMap<Folded, OrdSet<Name>>,
    addressees: OrdMap<Arc<str>, OrdSet<Name>>,
    authors: OrdMap<Folded, OrdSet<Name>>,
}

impl Directory {
    /// An empty snapshot.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            tenants: OrdMap::new(),
            roles: OrdMap::new(),
            employees: OrdMap::new(),
            sessions: OrdMap::new(),
            consents: OrdMap::new(),
            catalogs: OrdMap::new(),
            accounts: OrdMap::new(),
            ledger: Ledger::default(),
            children: OrdMap::new(),
            holders: OrdMap::new(),
            role_names: OrdMap::new(),
            usernames: OrdMap::new(),
            impersonators: OrdMap::new(),
            addressees: OrdMap::new(),
            authors: OrdMap::new(),
        }
    }

    /// Takes in one change. Whether anything became different.
    pub fn fold(&mut self, change: Change) -> bool {
        match change {
            Change::Tenant(name, entry) => {
                let parent = |tenant: &Tenant| tenant.parent.iter().cloned().collect();
                let old = self.tenants.get(&name);
                reindex(&mut self.children, (old, entry.as_ref()), &name, parent);
                replace(&mut self.tenants, name, entry)
            }
            Change::Role(name, entry) => {
                let title = |role: &Role| vec![(name.namespace.clone(), role.folded.clone())];
                let old = self.roles.get(&name);
                reindex(&mut self.role_names, (old, entry.as_ref()), &name, title);
                replace(&mut self.roles, name, entry)
            }
            Change::Employee(name, entry) => {
                let role = |role: &Arc<str>| Name::new(name.namespace.clone(), role.clone());
                let held = |employee: &Employee| employee.roles().map(role).collect();
                let user = |employee: &Employee| vec![employee.folded.clone()];
                let old = self.employees.get(&name);
                reindex(&mut self.holders, (old, entry.as_ref()), &name, held);
                reindex(&mut self.usernames, (old, entry.as_ref()), &name, user);
                replace(&mut self.employees, name, entry)
            }
            Change::Impersonation(name, entry) => {
                let user = |session: &Impersonation| vec![session.folded.clone()];
                let old = self.sessions.get(&name);
                reindex(&mut self.impersonators, (old, entry.as_ref()), &name, user);
                replace(&mut self.sessions, name, entry)
            }
            Change::Consent(name, entry) => {
                let session = |consent: &Consent| vec![consent.uid.clone()];
                let author = |consent: &Consent| vec![Folded::new(&consent.by)];
                let old = self.consents.get(&name);
                reindex(&mut self.addressees, (old, entry.as_ref()), &name, session);
                reindex(&mut self.authors, (old, entry.as_ref()), &name, author);
                replace(&mut self.consents, name, entry)
            }
            Change::Catalog(name, entry) => replace(&mut self.catalogs, name, entry),
            Change::Account(uid, Some(account)) => self
                .accounts
                .insert(uid, account.clone())
                .is_none_or(|old| old != account),
            Change::Account(uid, None) => self.accounts.remove(&uid).is_some(),
            Change::Record(name, noted) => self.ledger.fold(name, noted),
        }
    }

    /// What the operator was told at its start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The tenant object of that name.
    pub fn tenant_entry(&self, name: &Name) -> Option<&Arc<Entry<Tenant>>> {
        self.tenants.get(name)
    }

    /// The tenant that `namespace` belongs to, if there is one that can be read.
    pub fn tenant(&self, namespace: &str) -> Option<&Tenant> {
        self.tenants.get(&Name::tenant(namespace))?.spec.as_ref().ok()
    }

    /// The role of that name.
    pub fn role(&self, name: &Name) -> Option<&Arc<Entry<Role>>> {
        self.roles.get(name)
    }

    /// The employee of that name.
    pub fn employee(&self, name: &Name) -> Option<&Arc<Entry<Employee>>> {
        self.employees.get(name)
    }

    /// The session of that name.
    pub fn session(&self, name: &Name) -> Option<&Arc<Entry<Impersonation>>> {
        self.sessions.get(name)
    }

    /// The consent of that name.
    pub fn consent(&self, name: &Name) -> Option<&Arc<Entry<Consent>>> {
        self.consents.get(name)
    }

    /// The catalogue object of that name.
    pub fn catalog_entry(&self, name: &Name) -> Option<&Arc<Entry<Catalog>>> {
        self.catalogs.get(name)
    }

    /// The catalogue of `application`, if there is one that can be read.
    pub fn catalog(&self, application: &str) -> Option<&Catalog> {
        self.catalogs.get(&Name::new("", application))?.spec.as_ref().ok()
    }

    /// The applications that have a catalogue.
    pub fn applications(&self) -> impl Iterator<Item = &str> {
        self.catalogs.keys().map(|name| &*name.name)
    }

    /// What its catalogue says of `action`.
    pub fn action(&self, action: &Action) -> Option<&ActionEntry> {
        self.catalog(action.application())?.actions.get(action)
    }

    /// What is on record.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The account of the session with that UID.
    pub fn account(&self, uid: &str) -> Option<&Account> {
        self.accounts.get(uid)
    }

    /// How many sessions have an account.
    pub fn open_sessions(&self) -> usize {
        self.accounts.len()
    }

    /// The tenants that name `tenant` as their parent.
    pub fn children(&self, tenant: &str) -> impl Iterator<Item = &Name> {
        self.children.get(tenant).into_iter().flatten()
    }

    /// The employees that name `role`, as primary or secondary, whatever their state.
    pub fn holders(&self, role: &Name) -> impl Iterator<Item = (&Name, &Arc<Entry<Employee>>)> {
        let names = self.holders.get(role).into_iter().flatten();
        names.filter_map(|name| self.employees.get_key_value(name))
    }

    /// The roles of `namespace` with that display name.
    pub fn roles_named(&self, namespace: &Arc<str>, name: &Folded) -> impl Iterator<Item = (&Name, &Arc<Entry<Role>>)> {
        let names = self
            .role_names
            .get(&(namespace.clone(), name.clone()))
            .into_iter()
            .flatten();
        names.filter_map(|name| self.roles.get_key_value(name))
    }

    /// The employees of any tenant with that user name.
    pub fn employees_named(&self, user: &Folded) -> impl Iterator<Item = (&Name, &Arc<Entry<Employee>>)> {
        let names = self.usernames.get(user).into_iter().flatten();
        names.filter_map(|name| self.employees.get_key_value(name))
    }

    /// The sessions in any tenant of that impersonator.
    pub fn sessions_of(&self, user: &Folded) -> impl Iterator<Item = (&Name, &Arc<Entry<Impersonation>>)> {
        let names = self.impersonators.get(user).into_iter().flatten();
        names.filter_map(|name| self.sessions.get_key_value(name))
    }

    /// The consents in any tenant that are about the session of that UID.
    pub fn consents_to(&self, uid: &str) -> impl Iterator<Item = (&Name, &Arc<Entry<Consent>>)> {
        let names = self.addressees.get(uid).into_iter().flatten();
        names.filter_map(|name| self.consents.get_key_value(name))
    }

    /// The consents in any tenant in the name of that user.
    pub fn consents_by(&self, user: &Folded) -> impl Iterator<Item = (&Name, &Arc<Entry<Consent>>)> {
        let names = self.authors.get(user).into_iter().flatten();
        names.filter_map(|name| self.consents.get_key_value(name))
    }

    /// The roles of `namespace`.
    pub fn roles_in(&self, namespace: &Arc<str>) -> impl Iterator<Item = (&Name, &Arc<Entry<Role>>)> {
        within(&self.roles, namespace)
    }

    /// The employees of `namespace`.
    pub fn employees_in(&self, namespace: &Arc<str>) -> impl Iterator<Item = (&Name, &Arc<Entry<Employee>>)> {
        within(&self.employees, namespace)
    }

    /// The sessions in `namespace`.
    pub fn sessions_in(&self, namespace: &Arc<str>) -> impl Iterator<Item = (&Name, &Arc<Entry<Impersonation>>)> {
        within(&self.sessions, namespace)
    }

    /// Every object there is.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let key = |kind| move |name: &Name| Key::new(kind, name.clone());
        (self.sessions.keys().map(key(Kind::Impersonation)))
            .chain(self.tenants.keys().map(key(Kind::Tenant)))
            .chain(self.roles.keys().map(key(Kind::Role)))
            .chain(self.employees.keys().map(key(Kind::Employee)))
            .chain(self.consents.keys().map(key(Kind::Consent)))
            .chain(self.catalogs.keys().map(key(Kind::PermissionCatalog)))
            .chain(
                self.accounts
                    .values()
                    .map(|account| Key::new(Kind::Impersonation, account.session.clone())),
            )
    }

    /// What is known of the object besides its spec.
    pub fn meta(&self, key: &Key) -> Option<&Meta> {
        match key.kind {
            Kind::Tenant => self.tenants.get(&key.name).map(|entry| &entry.meta),
            Kind::Role => self.roles.get(&key.name).map(|entry| &entry.meta),
            Kind::Employee => self.employees.get(&key.name).map(|entry| &entry.meta),
            Kind::Impersonation => self.sessions.get(&key.name).map(|entry| &entry.meta),
            Kind::Consent => self.consents.get(&key.name).map(|entry| &entry.meta),
            Kind::PermissionCatalog => self.catalogs.get(&key.name).map(|entry| &entry.meta),
        }
    }
}

/// Whether `entry` is older than the one of `age`; without an age the newcomer is the youngest.
pub fn came_first<T>(entry: &Entry<T>, age: Option<(Timestamp, &str)>) -> bool {
    age.is_none_or(|age| older(entry.age(), age))
}

fn within<'a, V>(map: &'a OrdMap<Name, V>, namespace: &Arc<str>) -> impl Iterator<Item = (&'a Name, &'a V)> {
    let namespace = namespace.clone();
    map.range(Name::new(namespace.clone(), "")..)
        .take_while(move |(name, _)| name.namespace == namespace)
}

fn replace<T: Clone + PartialEq>(map: &mut OrdMap<Name, Arc<Entry<T>>>, name: Name, entry: Option<Entry<T>>) -> bool {
    match entry {
        Some(entry) if map.get(&name).is_some_and(|old| **old == entry) => false,
        Some(entry) => {
            map.insert(name, Arc::new(entry));
            true
        }
        None => map.remove(&name).is_some(),
    }
}

/// Takes `name` out from under the keys of the old object and puts it under those of the new one.
fn reindex<T, K: Ord + Clone>(
    index: &mut OrdMap<K, OrdSet<Name>>,
    (old, new): (Option<&Arc<Entry<T>>>, Option<&Entry<T>>),
    name: &Name,
    keys: impl Fn(&T) -> Vec<K>,
) {
    let of = |entry: Option<&Entry<T>>| {
        let spec = entry.and_then(|entry| entry.spec.as_ref().ok());
        spec.map(&keys).unwrap_or_default()
    };
    for key in of(old.map(Arc::as_ref)) {
        if let Some(names) = index.get_mut(&key) {
            names.remove(name);
            if names.is_empty() {
                index.remove(&key);
            }
        }
    }
    for key in of(new) {
        index.entry(key).or_default().insert(name.clone());
    }
}
