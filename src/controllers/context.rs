//! What every reconcile has at hand.

use super::clock::ServerClock;
use super::observed::Observed;
use super::opening::Openings;
use super::queue::Queue;
use super::rights::Told;
use super::witness::Witness;
use crate::policy::{Directory, Key, Kind, Settings};
use crate::telemetry::{Lane, Metrics};
use jiff::Timestamp;
use kube::Client;
use kube::runtime::events::Recorder;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Semaphore, watch};

/// How many Events may be on their way at once for which nobody waits.
const UNAWAITED: usize = 16;

/// The directory as others may use it.
#[derive(Clone)]
pub struct Snapshot {
    /// What is known.
    pub directory: Arc<Directory>,
    /// Whether every list has been read to its end, so that what is not known does not exist.
    pub complete: bool,
}

/// Who is to be looked at.
#[derive(Default)]
pub struct Woken {
    /// Because something changed.
    pub changed: BTreeSet<Key>,
    /// Roles and tenants, because somebody came from whom they take nothing.
    pub joined: BTreeSet<Key>,
    /// Tenants, because of something that they only count.
    pub counted: BTreeSet<Key>,
}

/// What every reconcile has at hand.
pub struct Context {
    /// For requests; it tells `clock` the time, and writes nothing while this process does not lead.
    pub client: Client,
    /// The API server's time.
    pub clock: ServerClock,
    /// What the operator was told at its start.
    pub settings: Arc<Settings>,
    /// What exists of our making.
    pub observed: Observed,
    /// What is known of who writes.
    pub witness: Arc<Witness>,
    /// Who is being let in.
    pub openings: Openings,
    /// What the operator holds itself.
    pub rights: Told,
    /// Sessions: endings must not wait behind anything else.
    pub sessions: Queue,
    /// Everything else.
    pub others: Queue,
    /// What is counted.
    pub metrics: Metrics,
    /// For Events.
    pub recorder: Recorder,
    /// Lets Events be on their way for which nobody waits.
    pub unawaited: Arc<Semaphore>,
    leading: AtomicBool,
    snapshot: watch::Sender<Snapshot>,
}

impl Context {
    /// A context that knows nothing yet.
    pub fn new(client: Client, clock: ServerClock, settings: Settings, (witness, metrics): (Witness, Metrics)) -> Self {
        let directory = Arc::new(Directory::new(settings.clone()));
        let recorder = Recorder::new(client.clone(), "pimpernel".into());
        Self {
            client,
            clock,
            settings: Arc::new(settings),
            observed: Observed::default(),
            witness: Arc::new(witness),
            openings: Openings::default(),
            rights: Told::default(),
            sessions: Queue::default(),
            others: Queue::default(),
            metrics,
            recorder,
            unawaited: Arc::new(Semaphore::new(UNAWAITED)),
            leading: AtomicBool::new(false),
            snapshot: watch::Sender::new(Snapshot {
                directory,
                complete: false,
            }),
        }
    }

    /// The directory, now and as it changes.
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// The directory as it is.
    pub fn directory(&self) -> Arc<Directory> {
        self.snapshot.borrow().directory.clone()
    }

    /// Makes a directory known. Once complete it stays so: later lists are read beside what is known.
    pub fn publish(&self, directory: Directory, complete: bool) {
        self.metrics.open_sessions(directory.open_sessions());
        self.snapshot.send_modify(|snapshot| {
            snapshot.directory = Arc::new(directory);
            snapshot.complete |= complete;
        });
    }

    /// The queue that `key` waits in.
    pub fn lane(&self, kind: Kind) -> &Queue {
        if kind == Kind::Impersonation {
            &self.sessions
        } else {
            &self.others
        }
    }

    /// How many objects are due or being looked at.
    pub fn waiting(&self, lane: Lane) -> usize {
        let queue = match lane {
            Lane::Sessions => &self.sessions,
            Lane::Others => &self.others,
        };
        self.clock.now().map_or(0, |now| queue.pending(now))
    }

    /// Has those looked at soon, if this process leads.
    pub fn wake(&self, woken: Woken) {
        let Some(now) = self.clock.now().filter(|_| self.leads()) else {
            return;
        };
        for key in woken.joined {
            self.lane(key.kind).joined(key, now);
        }
        for key in woken.counted {
            self.lane(key.kind).counted(key, now);
        }
        for key in woken.changed {
            self.lane(key.kind).changed(key, now);
        }
    }

    /// Has whatever failed looked at at once, if this process leads.
    pub fn retry(&self) {
        if let Some(now) = self.clock.now().filter(|_| self.leads()) {
            self.sessions.retry(now);
            self.others.retry(now);
        }
    }

    /// Whether this process leads.
    pub fn leads(&self) -> bool {
        self.leading.load(Ordering::Acquire)
    }

    /// From here on this process leads: everything of `kind`s that `which` admits is looked at once.
    pub fn lead(&self, now: Timestamp, which: impl Fn(Kind) -> bool) {
        self.leading.store(true, Ordering::Release);
        let directory = self.directory();
        for key in directory
            .keys()
            .chain(self.observed.owners())
            .filter(|key| which(key.kind))
        {
            self.lane(key.kind).add(key, now);
        }
    }
}
