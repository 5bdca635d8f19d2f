//! Fetch: watches everything that is judged and everything that follows from it, folds one change after another into the
//! directory, publishes it, and wakes whom a change can touch. Nothing is judged before every list is complete, and while
//! a list is read anew, what it has not shown yet stays (invariant V8). The one list that need not be read is that of a
//! kind whose definition was deleted, and with it every object of the kind.

use super::context::Context;
use super::error;
use super::kinds::{Catalogs, Declared, Employees, Impersonations, Roles, Status, Tenants, key_of, name_of};
use super::wire::Derived;
use crate::policy::children::{Child, ChildId, ChildKind, DERIVED, SESSION_END, SESSION_UID};
use crate::policy::default_roles;
use crate::policy::directory::Account;
use crate::policy::{Change, Directory, Entry, Key, Kind, Meta, Name, Reason, Settings, Violation, affected};
use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{DeserializeGuard, ObjectMeta, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

/// How many notes are folded at once before the directory is published.
const BATCH: usize = 256;

/// One of the lists that must be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Declared(Kind),
    Derived(ChildKind),
}

/// How many sources there are.
const SOURCES: usize = Kind::ALL.len() + 4;

/// What a watch says.
enum Note {
    Restart,
    Complete,
    /// The API server does not serve the kind.
    Unserved,
    /// Nor is the kind defined any more.
    Undefined,
    Seen(Box<Fact>, bool),
    Gone(Name, u64),
}

/// What is known of one object.
enum Fact {
    Declared {
        change: Change,
        name: Name,
        version: u64,
        status: Box<str>,
    },
    Derived {
        child: Child,
        version: u64,
    },
}

type Notes = BoxStream<'static, (Source, Note)>;

/// Watches until the process ends.
pub async fn run(context: Arc<Context>) {
    let mut gather = Gather::new(context.settings.as_ref().clone());
    let mut notes = sources(&context).ready_chunks(BATCH);
    while let Some(batch) = notes.next().await {
        let mut woken = BTreeSet::new();
        for (source, note) in batch {
            gather.take(source, note, &context, &mut woken);
        }
        context.publish(gather.directory.clone(), gather.complete.len() == SOURCES);
        context.wake(woken);
    }
}

struct Gather {
    directory: Directory,
    known: BTreeMap<Source, BTreeSet<Name>>,
    listing: BTreeMap<Source, BTreeSet<Name>>,
    complete: BTreeSet<Source>,
}

impl Gather {
    fn new(settings: Settings) -> Self {
        let directory = Directory::new(settings);
        Self {
            directory,
            known: BTreeMap::new(),
            listing: BTreeMap::new(),
            complete: BTreeSet::new(),
        }
    }

    fn take(&mut self, source: Source, note: Note, context: &Context, woken: &mut BTreeSet<Key>) {
        match note {
            Note::Restart => drop(self.listing.insert(source, BTreeSet::new())),
            Note::Unserved => {}
            Note::Undefined => {
                self.take(source, Note::Restart, context, woken);
                self.take(source, Note::Complete, context, woken);
            }
            Note::Complete => {
                let listed = self.listing.remove(&source).unwrap_or_default();
                let known = self.known.entry(source).or_default();
                let lost: Vec<Name> = known.difference(&listed).cloned().collect();
                for name in lost {
                    self.gone(source, (&name, u64::MAX), context, woken);
                }
                self.complete.insert(source);
            }
            Note::Seen(fact, listed) => {
                let name = match fact.as_ref() {
                    Fact::Declared { name, .. } => name.clone(),
                    Fact::Derived { child, .. } => child.id.name.clone(),
                };
                if listed {
                    self.listing.entry(source).or_default().insert(name.clone());
                }
                self.known.entry(source).or_default().insert(name);
                self.seen(*fact, context, woken);
            }
            Note::Gone(name, version) => self.gone(source, (&name, version), context, woken),
        }
    }

    fn seen(&mut self, fact: Fact, context: &Context, woken: &mut BTreeSet<Key>) {
        match fact {
            Fact::Declared {
                change,
                name,
                version,
                status,
            } => {
                let key = Key::new(kind_of(&change), name);
                if context.observed.status(&key, version, &status) {
                    woken.insert(key.clone());
                }
                self.fold(change, &key, woken);
            }
            Fact::Derived { child, version } => {
                if let Some((uid, account)) = account(&child) {
                    let session = Key::new(Kind::Impersonation, account.session.clone());
                    self.fold(Change::Account(uid, Some(account)), &session, woken);
                }
                woken.extend(context.observed.child(version, child));
            }
        }
    }

    fn gone(&mut self, source: Source, (name, version): (&Name, u64), context: &Context, woken: &mut BTreeSet<Key>) {
        self.known.entry(source).or_default().remove(name);
        match source {
            Source::Declared(kind) => {
                let key = Key::new(kind, name.clone());
                context.observed.forget(&key);
                woken.insert(key.clone());
                self.fold(absent(kind, name.clone()), &key, woken);
            }
            Source::Derived(kind) => {
                let id = ChildId {
                    kind,
                    name: name.clone(),
                };
                let Some(child) = context.observed.gone(&id, version) else {
                    return;
                };
                if let Some((uid, account)) = account(&child) {
                    let session = Key::new(Kind::Impersonation, account.session);
                    self.fold(Change::Account(uid, None), &session, woken);
                }
                woken.insert(child.owner);
            }
        }
    }

    fn fold(&mut self, change: Change, key: &Key, woken: &mut BTreeSet<Key>) {
        let before = self.directory.clone();
        if self.directory.fold(change) && self.complete.len() == SOURCES {
            woken.extend(affected::by(key, &before));
            woken.extend(affected::by(key, &self.directory));
        }
    }
}

/// What the account of a session says of it.
fn account(child: &Child) -> Option<(Arc<str>, Account)> {
    if child.id.kind != ChildKind::ServiceAccount || child.owner.kind != Kind::Impersonation {
        return None;
    }
    let uid = child.annotations.get(SESSION_UID)?.as_str().into();
    let end = child.annotations.get(SESSION_END)?.parse().ok()?;
    Some((
        uid,
        Account {
            session: child.owner.name.clone(),
            end,
        },
    ))
}

fn kind_of(change: &Change) -> Kind {
    match change {
        Change::Tenant(..) => Kind::Tenant,
        Change::Role(..) => Kind::Role,
        Change::Employee(..) => Kind::Employee,
        Change::Impersonation(..) | Change::Account(..) => Kind::Impersonation,
        Change::Catalog(..) => Kind::PermissionCatalog,
    }
}

fn absent(kind: Kind, name: Name) -> Change {
    match kind {
        Kind::Tenant => Tenants::change(name, None),
        Kind::Role => Roles::change(name, None),
        Kind::Employee => Employees::change(name, None),
        Kind::Impersonation => Impersonations::change(name, None),
        Kind::PermissionCatalog => Catalogs::change(name, None),
    }
}

fn sources(context: &Context) -> SelectAll<Notes> {
    let client = &context.client;
    let settings = &context.settings;
    let sessions = settings.sessions_namespace.as_ref();
    futures::stream::select_all([
        declared::<Tenants>(client, settings),
        declared::<Roles>(client, settings),
        declared::<Employees>(client, settings),
        declared::<Impersonations>(client, settings),
        declared::<Catalogs>(client, settings),
        derived(Api::<rbac::Role>::all(client.clone())),
        derived(Api::<rbac::RoleBinding>::all(client.clone())),
        derived(Api::<ServiceAccount>::namespaced(client.clone(), sessions)),
        derived(Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), sessions)),
    ])
}

fn declared<D: Declared>(client: &kube::Client, settings: &Arc<Settings>) -> Notes {
    let api: Api<DeserializeGuard<D::Wire>> = Api::all(client.clone());
    let settings = settings.clone();
    let notes = notes(
        api,
        watcher::Config::default(),
        Source::Declared(D::KIND),
        move |DeserializeGuard(object)| Some(read::<D>(object, &settings)),
    );
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let notes = notes.then(move |(source, note)| {
        let definitions = definitions.clone();
        async move {
            let undefined = matches!(note, Note::Unserved) && is_undefined::<D>(&definitions).await;
            (source, if undefined { Note::Undefined } else { note })
        }
    });
    notes.boxed()
}

/// Whether a kind is defined no more. The definition itself is asked for, since an API server may for a while, or for
/// good, not serve what is defined, and the objects are there all the same.
async fn is_undefined<D: Declared>(definitions: &Api<CustomResourceDefinition>) -> bool {
    let name = format!("{}.{}", D::Wire::plural(&()), D::Wire::group(&()));
    match definitions.get_metadata_opt(&name).await {
        Ok(definition) => definition.is_none(),
        Err(error) => {
            tracing::warn!(definition = name, %error, "cannot tell whether the kind is still defined");
            false
        }
    }
}

fn derived<K>(api: Api<K>) -> Notes
where
    K: Derived + Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    let config = watcher::Config::default().labels(&format!("{DERIVED}=true"));
    notes(api, config, Source::Derived(K::KIND), |object| {
        let child = object.child()?;
        Some(Fact::Derived {
            child,
            version: version_of(object.metadata()),
        })
    })
}

fn notes<K>(
    api: Api<K>,
    config: watcher::Config,
    source: Source,
    fact: impl Fn(K) -> Option<Fact> + Send + 'static,
) -> Notes
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    let complain = move |error: &watcher::Error| tracing::warn!(?source, %error, "watch interrupted, trying again");
    let events = watcher(api, config).default_backoff().inspect_err(complain);
    let notes = events.filter_map(move |event| {
        let note = match event {
            Ok(watcher::Event::Init) => Some(Note::Restart),
            Ok(watcher::Event::InitDone) => Some(Note::Complete),
            Ok(watcher::Event::InitApply(object)) => fact(object).map(|fact| Note::Seen(Box::new(fact), true)),
            Ok(watcher::Event::Apply(object)) => fact(object).map(|fact| Note::Seen(Box::new(fact), false)),
            Ok(watcher::Event::Delete(object)) => Some(Note::Gone(name_of(object.meta()), version_of(object.meta()))),
            Err(watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error))
                if error::is_gone(&error) =>
            {
                Some(Note::Unserved)
            }
            Err(_) => None,
        };
        std::future::ready(note.map(|note| (source, note)))
    });
    notes.boxed()
}

/// Reads an object; one that does not decode is kept as one that contradicts, so that it gives nothing and stops nobody.
fn read<D: Declared>(object: Result<D::Wire, kube::core::error_boundary::InvalidObject>, settings: &Settings) -> Fact {
    let (meta, spec, status) = match object {
        Ok(wire) => {
            let name = name_of(wire.meta());
            let spec = D::parse(&name, &wire, settings);
            (wire.meta().clone(), spec, D::status(&wire).cloned())
        }
        Err(invalid) => {
            let message = format!(
                "cannot be read as a {}: {}; correct the object",
                D::KIND.as_str(),
                invalid.error
            );
            (
                invalid.metadata,
                Err(vec![Violation::whole(Reason::InvalidSpec, "spec", message)]),
                None,
            )
        }
    };
    let name = name_of(&meta);
    let version = version_of(&meta);
    let ended = status.as_ref().and_then(Status::ended);
    let status = status
        .and_then(|status| serde_json::to_string(&status).ok())
        .unwrap_or_default();
    let change = D::change(
        name.clone(),
        Some(Entry {
            meta: read_meta(meta, ended),
            spec,
        }),
    );
    let name = key_of::<D>(name).name;
    Fact::Declared {
        change,
        name,
        version,
        status: status.into(),
    }
}

fn read_meta(meta: ObjectMeta, ended: Option<(Timestamp, Reason)>) -> Meta {
    let annotation = meta
        .annotations
        .as_ref()
        .and_then(|all| all.get(default_roles::RECEIVED));
    let received = annotation.map(|text| default_roles::read(text)).unwrap_or_default();
    Meta {
        uid: meta.uid.unwrap_or_default().into(),
        generation: meta.generation.unwrap_or_default(),
        created: meta.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        deleting: meta.deletion_timestamp.is_some(),
        ended,
        received,
    }
}

/// Versions of one resource can be compared (stable since Kubernetes 1.35).
pub fn version_of(meta: &ObjectMeta) -> u64 {
    meta.resource_version
        .as_deref()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
