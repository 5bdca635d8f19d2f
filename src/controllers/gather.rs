//! Fetch: watches everything that is judged and everything that follows from it, folds one change after another into the
//! directory, publishes it, and wakes whom a change can touch. Nothing is judged before every list is complete, and while
//! a list is read anew, what it has not shown yet stays (invariant V8). The one list that need not be read is that of a
//! kind whose definition was deleted, and with it every object of the kind.

use super::context::{Context, Woken};
use super::error;
use super::kinds::{Catalogs, Consents, Declared, Employees, Impersonations, Roles, Tenants, name_of};
use super::wire::Derived;
use crate::api::ChangeRecord;
use crate::policy::children::{Child, ChildId, ChildKind, DERIVED};
use crate::policy::history::Held;
use crate::policy::ledger::Noted;
use crate::policy::{Change, Directory, Key, Kind, Name, Settings, affected};
use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

mod history;
mod reading;

pub use reading::version_of;
use reading::{account, read};

/// How long the keys of the history are waited for.
const KEYS: Duration = Duration::from_secs(10);
/// How many notes are folded at once before the directory is published.
const BATCH: usize = 256;

/// One of the lists that must be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Declared(Kind),
    Derived(ChildKind),
    Recorded,
}

/// How many sources there are.
const SOURCES: usize = Kind::ALL.len() + 4 + 1;

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
        held: Option<Box<Held>>,
    },
    Derived {
        child: Child,
        version: u64,
    },
    Recorded {
        name: Name,
        noted: Option<Noted>,
    },
}

type Notes = BoxStream<'static, (Source, Note)>;

/// Watches until the process ends.
pub async fn run(context: Arc<Context>) {
    // Names that wait to be put on record count, if they are believed.
    context.witness.has_keys(KEYS).await;
    let mut gather = Gather::new(context.settings.as_ref().clone());
    let mut notes = sources(&context).ready_chunks(BATCH);
    while let Some(batch) = notes.next().await {
        let mut woken = Woken::default();
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
    /// The UIDs and keys of the sessions whose accounts the watch has shown, by account.
    accounts: BTreeMap<Name, (Arc<str>, Key)>,
    /// The names of roles that wait to be put on record.
    waiting: BTreeMap<Name, BTreeSet<Name>>,
}

impl Gather {
    fn new(settings: Settings) -> Self {
        let directory = Directory::new(settings);
        Self {
            directory,
            known: BTreeMap::new(),
            listing: BTreeMap::new(),
            complete: BTreeSet::new(),
            accounts: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    fn take(&mut self, source: Source, note: Note, context: &Context, woken: &mut Woken) {
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
                    Fact::Declared { name, .. } | Fact::Recorded { name, .. } => name.clone(),
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

    fn seen(&mut self, fact: Fact, context: &Context, woken: &mut Woken) {
        match fact {
            Fact::Declared {
                change,
                name,
                version,
                status,
                held,
            } => {
                let key = Key::new(kind_of(&change), name);
                if let Some(held) = held {
                    self.held((&key, version), *held, context, woken);
                }
                if context.observed.status(&key, version, &status) {
                    woken.changed.insert(key.clone());
                }
                self.fold(change, &key, woken);
            }
            Fact::Derived { child, version } => {
                if let Some((uid, account)) = account(&child) {
                    let session = Key::new(Kind::Impersonation, account.session.clone());
                    let shown = (uid.clone(), session.clone());
                    self.accounts.insert(child.id.name.clone(), shown);
                    self.fold(Change::Account(uid, Some(account)), &session, woken);
                }
                woken.changed.extend(context.observed.child(version, child));
            }
            Fact::Recorded { name, noted } => {
                self.record(&name, noted, woken);
                context.observed.shown(&name);
            }
        }
    }

    fn gone(&mut self, source: Source, (name, version): (&Name, u64), context: &Context, woken: &mut Woken) {
        self.known.entry(source).or_default().remove(name);
        match source {
            Source::Recorded => {
                self.record(name, None, woken);
                context.observed.shown(name);
            }
            Source::Declared(kind) => {
                let key = Key::new(kind, name.clone());
                context.observed.forget(&key);
                woken.changed.insert(key.clone());
                self.lost(&key, context, woken);
                self.fold(absent(kind, name.clone()), &key, woken);
            }
            Source::Derived(kind) => {
                let id = ChildId {
                    kind,
                    name: name.clone(),
                };
                let child = context.observed.gone(&id, version);
                // What we removed ourselves is gone from there already; what is there was made again.
                let again = child.is_none() && context.observed.has(&id);
                let account = (kind == ChildKind::ServiceAccount && !again).then(|| self.accounts.remove(name));
                if let Some((uid, session)) = account.flatten() {
                    self.fold(Change::Account(uid, None), &session, woken);
                }
                woken.changed.extend(child.map(|child| child.owner));
            }
        }
    }

    fn fold(&mut self, change: Change, key: &Key, woken: &mut Woken) {
        let before = self.directory.clone();
        if !self.directory.fold(change) || self.complete.len() < SOURCES {
            return;
        }
        let touched = affected::by(key, &before)
            .into_iter()
            .chain(affected::by(key, &self.directory));
        let only_adds = affected::only_adds(key, &before, &self.directory);
        for touched in touched {
            let set = match touched.kind {
                Kind::Tenant | Kind::Role if only_adds => &mut woken.joined,
                Kind::Tenant if affected::only_counted(key) => &mut woken.counted,
                _ => &mut woken.changed,
            };
            set.insert(touched);
        }
    }
}

fn kind_of(change: &Change) -> Kind {
    match change {
        Change::Tenant(..) => Kind::Tenant,
        Change::Role(..) => Kind::Role,
        Change::Employee(..) => Kind::Employee,
        Change::Impersonation(..) | Change::Account(..) | Change::Record(..) => Kind::Impersonation,
        Change::Consent(..) => Kind::Consent,
        Change::Catalog(..) => Kind::PermissionCatalog,
    }
}

fn absent(kind: Kind, name: Name) -> Change {
    match kind {
        Kind::Tenant => Tenants::change(name, None),
        Kind::Role => Roles::change(name, None),
        Kind::Employee => Employees::change(name, None),
        Kind::Impersonation => Impersonations::change(name, None),
        Kind::Consent => Consents::change(name, None),
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
        declared::<Consents>(client, settings),
        declared::<Catalogs>(client, settings),
        recorded(client),
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
    unless_undefined::<D::Wire>(notes, client)
}

fn recorded(client: &kube::Client) -> Notes {
    let api: Api<DeserializeGuard<ChangeRecord>> = Api::all(client.clone());
    let fact = |DeserializeGuard(object): DeserializeGuard<ChangeRecord>| {
        let object = object.ok()?;
        let name = name_of(&object.metadata);
        let noted = Noted::read(&name.namespace, &object.spec);
        Some(Fact::Recorded { name, noted })
    };
    let notes = notes(api, watcher::Config::default(), Source::Recorded, fact);
    unless_undefined::<ChangeRecord>(notes, client)
}

/// Tells a kind that is not defined any more from one that is not served.
fn unless_undefined<K: Resource<DynamicType = ()>>(notes: Notes, client: &kube::Client) -> Notes {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let notes = notes.then(move |(source, note)| {
        let definitions = definitions.clone();
        async move {
            let undefined = matches!(note, Note::Unserved) && is_undefined::<K>(&definitions).await;
            (source, if undefined { Note::Undefined } else { note })
        }
    });
    notes.boxed()
}

/// Whether a kind is defined no more. The definition itself is asked for, since an API server may for a while, or for
/// good, not serve what is defined, and the objects are there all the same.
async fn is_undefined<K: Resource<DynamicType = ()>>(definitions: &Api<CustomResourceDefinition>) -> bool {
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
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
