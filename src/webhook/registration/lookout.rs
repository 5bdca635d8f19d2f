//! Watches what is registered, and the Secret with the certificate, so that a change is known at once and nothing is asked
//! at rest. What is judged of it is left to [`super::Registration`].

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use super::super::certificates::SECRET;
use super::super::configuration::NAME;
use super::{Id, Kind, Objects};

/// How the names of our policies and of their bindings end.
const OURS: &str = ".pimpernel.dev";

/// What there is.
#[derive(Clone, Default, PartialEq)]
pub struct Seen {
    /// Webhook configurations, policies and bindings.
    pub objects: Objects,
    listed: BTreeSet<Kind>,
    /// The version of the Secret with the certificate.
    secret: Option<String>,
}

impl Seen {
    /// Whether every list has been read, so that what is not known does not exist.
    pub fn is_complete(&self) -> bool {
        self.listed.len() == Kind::ALL.len()
    }

    /// Whether the Secret is the same as then.
    pub fn has_same_certificate(&self, then: &Self) -> bool {
        self.secret == then.secret
    }
}

enum Note {
    Registered(Kind, Box<watcher::Event<DynamicObject>>),
    Certificate(Option<String>),
}

/// Tells what there is, for as long as it is polled. Of the Secret in `namespace` only the metadata is read.
pub async fn run(client: Client, namespace: String, seen: watch::Sender<Seen>) {
    let mut notes: SelectAll<BoxStream<'static, Note>> =
        Kind::ALL.into_iter().map(|kind| registered(&client, kind)).collect();
    notes.push(certificate(&client, &namespace));
    let mut listing = Objects::new();
    while let Some(note) = notes.next().await {
        seen.send_if_modified(|seen| {
            let before = seen.clone();
            seen.take(note, &mut listing);
            *seen != before
        });
    }
}

fn registered(client: &Client, kind: Kind) -> BoxStream<'static, Note> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource());
    let mut config = watcher::Config::default();
    if kind.is_configuration() {
        config = config.fields(&format!("metadata.name={NAME}"));
    }
    let complain = move |error: &watcher::Error| tracing::warn!(%error, ?kind, "cannot be watched, trying again");
    let events = watcher(api, config).default_backoff().inspect_err(complain);
    let events = events.filter_map(|event| async { event.ok() });
    events.map(move |event| Note::Registered(kind, Box::new(event))).boxed()
}

fn certificate(client: &Client, namespace: &str) -> BoxStream<'static, Note> {
    let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={SECRET}"));
    let complain =
        |error: &watcher::Error| tracing::warn!(%error, "the Secret `{SECRET}` cannot be watched, trying again");
    let events = watcher(api, config).default_backoff().inspect_err(complain);
    let version = |event: watcher::Event<PartialObjectMeta<Secret>>| match event {
        watcher::Event::Apply(secret) | watcher::Event::InitApply(secret) => {
            Some(Note::Certificate(secret.resource_version()))
        }
        watcher::Event::Delete(_) => Some(Note::Certificate(None)),
        watcher::Event::Init | watcher::Event::InitDone => None,
    };
    events
        .filter_map(move |event| async move { event.ok().and_then(version) })
        .boxed()
}

impl Seen {
    /// Takes a note in. While a list is read anew, in `listing`, what was known stands.
    fn take(&mut self, note: Note, listing: &mut Objects) {
        let (kind, event) = match note {
            Note::Certificate(version) => {
                self.secret = version;
                return;
            }
            Note::Registered(kind, event) => (kind, *event),
        };
        let id = |object: &DynamicObject| Id {
            kind,
            name: object.name_any(),
        };
        let ours = |id: &Id| kind.is_configuration() || id.name.ends_with(OURS);
        match event {
            watcher::Event::Init => listing.retain(|id, _| id.kind != kind),
            watcher::Event::InitApply(object) if ours(&id(&object)) => {
                listing.insert(id(&object), Arc::new(object));
            }
            watcher::Event::Apply(object) if ours(&id(&object)) => {
                self.objects.insert(id(&object), Arc::new(object));
            }
            watcher::Event::InitApply(_) | watcher::Event::Apply(_) => {}
            watcher::Event::Delete(object) => drop(self.objects.remove(&id(&object))),
            watcher::Event::InitDone => {
                self.objects.retain(|id, _| id.kind != kind);
                self.objects.extend(listing.extract_if(.., |id, _| id.kind == kind));
                self.listed.insert(kind);
            }
        }
    }
}
