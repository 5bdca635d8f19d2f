//! A small world to judge: wire specs go in, so reading them is tested too; decisions, answers and rights come out.

#![allow(dead_code, reason = "each test target uses a part of it")]

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use pimpernel::api::{EmployeeSpec, ImpersonationSpec, PermissionCatalogSpec, RoleSpec, TenantSpec};
use pimpernel::policy::admission::{self, Answer, Request};
use pimpernel::policy::children::{Body, Child, Observations, Subject};
use pimpernel::policy::directory::Account;
use pimpernel::policy::ledger::Record;
use pimpernel::policy::verdict::{Further, Standing};
use pimpernel::policy::{Change, Directory, Entry, Key, Kind, Meta, Name, Reason, Settings};
use pimpernel::policy::{catalog, consent, employee, impersonation, role, tenant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The operator's namespaces, named like neither a tenant nor each other.
pub const OPERATOR: &str = "engine-room";
pub const SESSIONS: &str = "green-room";

/// The instant at which everything is judged unless a case says otherwise.
pub const NOW: &str = "2026-11-20T12:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn time(text: &str) -> Time {
    Time(at(text))
}

/// What was decided of one object, whatever its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub children: Vec<Child>,
    pub records: Vec<Record>,
    pub standing: Standing,
    pub further: Option<Further>,
    pub status: serde_json::Value,
    pub wake_at: Option<Timestamp>,
}

/// One right of one subject in one namespace, such as `lsp-paris`, `chauvelin@…`, `edit skills.acd.apps.pimpernel.dev`.
pub type Right = (String, String, String);

#[derive(Clone)]
pub struct World {
    pub directory: Directory,
    pub now: Timestamp,
    pub tenants: BTreeMap<Name, TenantSpec>,
    pub roles: BTreeMap<Name, RoleSpec>,
    pub employees: BTreeMap<Name, EmployeeSpec>,
    pub sessions: BTreeMap<Name, ImpersonationSpec>,
    pub catalogs: BTreeMap<String, PermissionCatalogSpec>,
    /// Whether an object's age follows from its name rather than from when it was put here.
    pub ages_by_name: bool,
    age: i64,
}

impl World {
    /// Nothing at all, in a cluster where impersonation is allowed or not.
    pub fn empty(impersonation: bool) -> Self {
        let settings = Settings {
            operator_namespace: OPERATOR.into(),
            sessions_namespace: SESSIONS.into(),
            impersonation,
        };
        Self {
            directory: Directory::new(settings),
            now: at(NOW),
            tenants: BTreeMap::new(),
            roles: BTreeMap::new(),
            employees: BTreeMap::new(),
            sessions: BTreeMap::new(),
            catalogs: BTreeMap::new(),
            ages_by_name: false,
            age: 0,
        }
    }

    /// What is known of the next object that is made; each is a second younger than the one before.
    fn meta(&mut self, kind: &str, name: &Name) -> Meta {
        self.age += 1;
        let uid = uid(kind, name);
        if self.ages_by_name {
            self.age = uid.bytes().map(i64::from).sum::<i64>() % 5;
        }
        Meta {
            uid,
            generation: 1,
            created: at("2026-01-01T00:00:00Z") + SignedDuration::from_secs(self.age),
            deleting: false,
            ended: None,
            received: BTreeSet::new(),
        }
    }

    pub fn catalog(&mut self, name: &str, spec: &PermissionCatalogSpec) -> &mut Self {
        let key = Name::new("", name);
        let meta = self.meta("catalog", &key);
        self.catalogs.insert(name.to_owned(), spec.clone());
        let spec = catalog::parse(name, spec);
        self.directory.fold(Change::Catalog(key, Some(Entry { meta, spec })));
        self
    }

    pub fn tenant(&mut self, namespace: &str, spec: TenantSpec) -> &mut Self {
        let name = Name::tenant(namespace);
        let meta = self.existing(&Key::new(Kind::Tenant, name.clone()), "tenant");
        let parsed = tenant::parse(&name, &spec, self.directory.settings());
        self.tenants.insert(name.clone(), spec);
        self.directory
            .fold(Change::Tenant(name, Some(Entry { meta, spec: parsed })));
        self
    }

    pub fn role(&mut self, namespace: &str, name: &str, spec: RoleSpec) -> &mut Self {
        let name = Name::new(namespace, name);
        let meta = self.existing(&Key::new(Kind::Role, name.clone()), "role");
        let parsed = role::parse(&spec);
        self.roles.insert(name.clone(), spec);
        self.directory
            .fold(Change::Role(name, Some(Entry { meta, spec: parsed })));
        self
    }

    pub fn employee(&mut self, namespace: &str, name: &str, spec: EmployeeSpec) -> &mut Self {
        let name = Name::new(namespace, name);
        let meta = self.existing(&Key::new(Kind::Employee, name.clone()), "employee");
        let parsed = employee::parse(&spec);
        self.employees.insert(name.clone(), spec);
        self.directory
            .fold(Change::Employee(name, Some(Entry { meta, spec: parsed })));
        self
    }

    /// A session that was created at `created`; it is not open until [`World::open`] says so.
    pub fn session(&mut self, namespace: &str, name: &str, spec: ImpersonationSpec, created: &str) -> &mut Self {
        let name = Name::new(namespace, name);
        let mut meta = self.existing(&Key::new(Kind::Impersonation, name.clone()), "session");
        meta.created = at(created);
        let parsed = impersonation::parse(&spec);
        self.sessions.insert(name.clone(), spec);
        self.directory
            .fold(Change::Impersonation(name, Some(Entry { meta, spec: parsed })));
        self
    }

    /// The session's account exists: it was opened.
    pub fn open(&mut self, namespace: &str, name: &str) -> &mut Self {
        let session = Name::new(namespace, name);
        let entry = self.directory.session(&session).unwrap();
        let (uid, mut start) = (entry.meta.uid.clone(), entry.meta.created);
        if let consent::Answer::Granted(at) = consent::answer(&session, entry, &self.directory, self.now) {
            start = at;
        }
        let end = entry.spec.as_ref().map_or(start, |s| s.end(start));
        let account = Some(Account { session, end });
        self.directory.fold(Change::Account(uid, account));
        self
    }

    /// The same object again keeps its age; a new one is the youngest.
    fn existing(&mut self, key: &Key, kind: &str) -> Meta {
        let known = self.directory.meta(key).cloned();
        known.unwrap_or_else(|| self.meta(kind, &key.name))
    }

    /// Somebody has deleted the object, and something still holds it.
    pub fn deleting(&mut self, kind: Kind, name: &Name) -> &mut Self {
        fn marked<T: Clone>(entry: Option<&Arc<Entry<T>>>) -> Option<Entry<T>> {
            let mut entry = Entry::clone(entry?);
            entry.meta.deleting = true;
            Some(entry)
        }
        let d = &self.directory;
        let change = match kind {
            Kind::Tenant => Change::Tenant(name.clone(), marked(d.tenant_entry(name))),
            Kind::Role => Change::Role(name.clone(), marked(d.role(name))),
            Kind::Employee => Change::Employee(name.clone(), marked(d.employee(name))),
            Kind::Impersonation => Change::Impersonation(name.clone(), marked(d.session(name))),
            Kind::Consent => Change::Consent(name.clone(), marked(d.consent(name))),
            Kind::PermissionCatalog => Change::Catalog(name.clone(), marked(d.catalog_entry(name))),
        };
        self.directory.fold(change);
        self
    }

    /// The object is gone.
    pub fn remove(&mut self, kind: Kind, name: &Name) -> &mut Self {
        let change = match kind {
            Kind::Tenant => Change::Tenant(name.clone(), None),
            Kind::Role => Change::Role(name.clone(), None),
            Kind::Employee => Change::Employee(name.clone(), None),
            Kind::Impersonation => Change::Impersonation(name.clone(), None),
            Kind::Consent => Change::Consent(name.clone(), None),
            Kind::PermissionCatalog => Change::Catalog(name.clone(), None),
        };
        self.directory.fold(change);
        self.tenants.retain(|n, _| kind != Kind::Tenant || n != name);
        self.roles.retain(|n, _| kind != Kind::Role || n != name);
        self.employees.retain(|n, _| kind != Kind::Employee || n != name);
        self.sessions.retain(|n, _| kind != Kind::Impersonation || n != name);
        self
    }

    /// It is written in the session's status that it ended.
    pub fn ended(&mut self, namespace: &str, name: &str, when: &str, why: Reason) -> &mut Self {
        let name = Name::new(namespace, name);
        let mut entry = (**self.directory.session(&name).unwrap()).clone();
        entry.meta.ended = Some((at(when), why));
        self.directory.fold(Change::Impersonation(name, Some(entry)));
        self
    }

    /// The session's account is gone.
    pub fn closed(&mut self, namespace: &str, name: &str) -> &mut Self {
        let uid = uid("session", &Name::new(namespace, name));
        self.directory.fold(Change::Account(uid, None));
        self
    }

    pub fn decide(&self, kind: Kind, namespace: &str, name: &str) -> Outcome {
        self.decide_at(&Key::new(kind, Name::new(namespace, name)), self.now)
            .unwrap()
    }

    /// What is decided of the object, if it exists and its kind is decided about here.
    pub fn decide_at(&self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let (name, d) = (&key.name, &self.directory);
        Some(match key.kind {
            Kind::Tenant => outcome(tenant::decide(name, d.tenant_entry(name)?, d, now)),
            Kind::Role => outcome(role::decide(name, d.role(name)?, d, now)),
            Kind::Employee => outcome(employee::decide(name, d.employee(name)?, d, now)),
            Kind::Impersonation => outcome(impersonation::decide(
                name,
                d.session(name)?,
                &Observations::new(),
                d,
                now,
            )),
            Kind::Consent => outcome(consent::decide(name, d.consent(name)?, d, now)),
            Kind::PermissionCatalog => outcome(catalog::decide(&name.name, d.catalog_entry(name)?, d)),
        })
    }

    /// Everything that is decided.
    pub fn decisions(&self, now: Timestamp) -> BTreeMap<Key, Outcome> {
        let keys = self.directory.keys();
        keys.filter_map(|key| self.decide_at(&key, now).map(|outcome| (key, outcome)))
            .collect()
    }

    /// Every right of everybody that follows from all decisions together.
    pub fn rights(&self, now: Timestamp) -> BTreeSet<Right> {
        rights(self.decisions(now).values().flat_map(|outcome| &outcome.children))
    }

    /// What `user` may do in `namespace` now, but for looking at and writing Impersonations.
    pub fn may(&self, user: &str, namespace: &str) -> Vec<String> {
        let rights = self.rights(self.now).into_iter();
        let own = rights.filter(|(ns, who, what)| ns == namespace && who == user && !what.ends_with(" *"));
        own.map(|(_, _, what)| what).collect()
    }

    /// Those who may write Impersonations in `namespace` for `mode`, by what the bindings say.
    pub fn impersonators(&self, namespace: &str, mode: &str) -> Vec<String> {
        let prefix = format!("pimpernel:impersonators:{mode}:");
        let children = self.decide(Kind::Tenant, namespace, namespace).children;
        let bindings = children.iter().filter(|c| c.id.name.name.starts_with(&prefix));
        bindings.flat_map(|c| subjects(&c.body)).collect()
    }

    pub fn admit(&self, namespace: &str, name: &str, subject: admission::Subject, user: &str) -> Answer {
        let request = Request {
            name: Name::new(namespace, name),
            subject,
            user: user.into(),
            bounded: false,
            ordering: None,
            renamed_from: None,
        };
        admission::admit(&request, &self.directory, self.now)
    }

    /// Writes the tenant: creates it, or updates the one there is.
    pub fn write_tenant(&self, namespace: &str, new: TenantSpec) -> Answer {
        let old = self.tenants.get(&Name::tenant(namespace)).cloned();
        let change = admission::Change { old, new: Some(new) };
        self.admit(namespace, namespace, admission::Subject::Tenant(change), "somebody")
    }

    pub fn write_role(&self, namespace: &str, name: &str, new: RoleSpec) -> Answer {
        let old = self.roles.get(&Name::new(namespace, name)).cloned();
        let change = admission::Change { old, new: Some(new) };
        self.admit(namespace, name, admission::Subject::Role(change), "somebody")
    }

    pub fn write_employee(&self, namespace: &str, name: &str, new: EmployeeSpec) -> Answer {
        let old = self.employees.get(&Name::new(namespace, name)).cloned();
        let change = admission::Change { old, new: Some(new) };
        self.admit(namespace, name, admission::Subject::Employee(change), "somebody")
    }

    /// The impersonator herself asks for a session.
    pub fn request(&self, namespace: &str, new: ImpersonationSpec) -> Answer {
        let user = new.impersonator.clone();
        let (old, new) = (None, Some(new));
        let subject = admission::Subject::Impersonation(admission::Change { old, new }, None);
        self.admit(namespace, "a-request", subject, &user)
    }

    pub fn write_catalog(&self, name: &str, new: PermissionCatalogSpec) -> Answer {
        let (old, new) = (None, Some(new));
        let change = admission::Change { old, new };
        self.admit("", name, admission::Subject::Catalog(change), "somebody")
    }

    pub fn delete_tenant(&self, namespace: &str) -> Answer {
        let old = self.tenants.get(&Name::tenant(namespace)).cloned();
        let change = admission::Change { old, new: None };
        self.admit(namespace, namespace, admission::Subject::Tenant(change), "somebody")
    }

    pub fn delete_role(&self, namespace: &str, name: &str) -> Answer {
        let old = self.roles.get(&Name::new(namespace, name)).cloned();
        let change = admission::Change { old, new: None };
        self.admit(namespace, name, admission::Subject::Role(change), "somebody")
    }
}

/// The UID of the object of that name: unlike any of its names.
pub fn uid(kind: &str, name: &Name) -> Arc<str> {
    format!("uid-{kind}-{}-{}", name.namespace, name.name).into()
}

fn outcome<S: serde::Serialize>(decision: pimpernel::policy::Decision<S>) -> Outcome {
    let pimpernel::policy::Decision {
        children,
        default_roles: _,
        records,
        standing,
        further,
        status,
        wake_at,
    } = decision;
    Outcome {
        children,
        records,
        standing,
        further,
        status: serde_json::to_value(status).unwrap(),
        wake_at,
    }
}

fn subjects(body: &Body) -> Vec<String> {
    let Body::RoleBinding { subjects, .. } = body else {
        return vec![];
    };
    subjects
        .iter()
        .map(|subject| match subject {
            Subject::User(user) => user.to_string(),
            Subject::ServiceAccount(name) => format!("serviceaccount {name}"),
            Subject::Other(other) => panic!("nobody binds {other}"),
        })
        .collect()
}

/// What the bindings among `children` give, right by right. A right on named objects only says which.
pub fn rights<'a>(children: impl IntoIterator<Item = &'a Child>) -> BTreeSet<Right> {
    let children: Vec<&Child> = children.into_iter().collect();
    let mut rules: BTreeMap<(Arc<str>, String), Vec<String>> = BTreeMap::new();
    for child in &children {
        if let Body::Role(of) = &child.body {
            let key = (child.id.name.namespace.clone(), child.id.name.name.to_string());
            let texts = of.iter().flat_map(|rule| {
                let names = rule.names.iter().fold(String::new(), |all, name| all + " " + name);
                let resource = format!("{}.{}", rule.resource, rule.group);
                rule.verbs.iter().map(move |verb| format!("{verb} {resource}{names}"))
            });
            rules.insert(key, texts.collect());
        }
    }
    let mut rights = BTreeSet::new();
    for child in &children {
        let Body::RoleBinding { role, .. } = &child.body else {
            continue;
        };
        let namespace = &child.id.name.namespace;
        for what in rules.get(&(namespace.clone(), role.clone())).into_iter().flatten() {
            for who in subjects(&child.body) {
                rights.insert((namespace.to_string(), who, what.clone()));
            }
        }
    }
    rights
}
