//! The series that the operator exports, and the words in their labels.
//!
//! Labels come from closed enums: no name of a tenant, a person or an object is ever in one. A gauge that nobody has set
//! yet is absent rather than 0, because 0 would be a statement.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use crate::policy::{Key, Kind, Reason};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                encoder.write_str(match self {
                    $(Self::$variant => $word),+
                })
            }
        }
    };
}

mod waiting;

pub use waiting::Lane;
use waiting::Waiting;

words! {
    /// How a reconcile ended.
    Outcome {
        /// What was declared is true.
        Done = "done",
        /// It failed and is tried again.
        Failed = "failed",
        /// It took too long and is tried again.
        TimedOut = "timed_out",
        /// It panicked and is tried again.
        Panicked = "panicked",
    }
}

words! {
    /// What the webhook answered.
    Verdict {
        /// The request was allowed.
        Allowed = "allowed",
        /// The request was refused by a rule.
        Refused = "refused",
        /// The request could not be judged.
        Failed = "failed",
    }
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}

impl EncodeLabelValue for Reason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: Kind,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    kind: Kind,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnreadyLabels {
    kind: Kind,
    reason: Reason,
}

/// No labels. A family of these is one series that appears when it is first set.
type Unlabelled = [(&'static str, &'static str); 0];
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
type Gauges<N, A> = Family<Unlabelled, Gauge<N, A>>;

/// All series of the process. Clones count into the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    series: Series,
    /// The objects that are not Ready.
    unready: Arc<Mutex<HashMap<Key, Reason>>>,
    waiting: Waiting,
}

#[derive(Clone)]
struct Series {
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_duration: Histograms<KindLabel>,
    deadline_lateness: Histograms<KindLabel>,
    unready_objects: Family<UnreadyLabels, Gauge>,
    webhook_requests: Family<ReviewLabels, Counter>,
    webhook_duration: Histogram,
    open_sessions: Gauges<i64, std::sync::atomic::AtomicI64>,
    session_endings: Family<EndLabel, Counter>,
    session_end_lateness: Histogram,
    leader: Gauges<i64, std::sync::atomic::AtomicI64>,
    clock_skew: Gauges<f64, AtomicU64>,
    certificate_expiry: Gauges<i64, std::sync::atomic::AtomicI64>,
    registration_intact: Gauges<i64, std::sync::atomic::AtomicI64>,
    registration_changes: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A new set of series, all empty, in a registry of their own.
    pub fn new() -> Self {
        let series = Series {
            reconciles: Family::default(),
            reconcile_duration: Family::new_with_constructor(|| Histogram::new(WORK_SECONDS)),
            deadline_lateness: Family::new_with_constructor(|| Histogram::new(LATENESS_SECONDS)),
            unready_objects: Family::default(),
            webhook_requests: Family::default(),
            webhook_duration: Histogram::new(WORK_SECONDS),
            open_sessions: Family::default(),
            session_endings: Family::default(),
            session_end_lateness: Histogram::new(LATENESS_SECONDS),
            leader: Family::default(),
            clock_skew: Family::default(),
            certificate_expiry: Family::default(),
            registration_intact: Family::default(),
            registration_changes: Counter::default(),
        };
        let waiting = Waiting::default();
        let mut registry = series.registered();
        registry.register_collector(Box::new(waiting.clone()));
        Self {
            registry: Arc::new(registry),
            series,
            unready: Arc::default(),
            waiting,
        }
    }

    /// For whoever exports the series.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }

    /// A reconcile has ended.
    pub fn reconciled(&self, kind: Kind, outcome: Outcome, took: Duration) {
        self.series
            .reconciles
            .get_or_create(&ReconcileLabels { kind, outcome })
            .inc();
        self.series
            .reconcile_duration
            .get_or_create(&KindLabel { kind })
            .observe(took.as_secs_f64());
    }

    /// An object that changes by itself at some instant was reconciled, so long after that instant.
    pub fn turned(&self, kind: Kind, late: SignedDuration) {
        self.series
            .deadline_lateness
            .get_or_create(&KindLabel { kind })
            .observe(late.as_secs_f64().max(0.0));
    }

    /// From here on what waits in a lane is counted in that way, when somebody asks.
    pub fn count_waiting(&self, count: impl Fn(Lane) -> usize + Send + Sync + 'static) {
        self.waiting.count(count);
    }

    /// The webhook has answered.
    pub fn reviewed(&self, kind: Kind, verdict: Verdict, took: Duration) {
        self.series
            .webhook_requests
            .get_or_create(&ReviewLabels { kind, verdict })
            .inc();
        self.series.webhook_duration.observe(took.as_secs_f64());
    }

    /// The object is not Ready for that reason; without one it is, or it is gone.
    pub fn stands(&self, key: &Key, unready: Option<Reason>) {
        let mut known = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match unready {
            Some(reason) => known.insert(key.clone(), reason),
            None => known.remove(key),
        };
        let kind = key.kind;
        let count = |reason| {
            self.series
                .unready_objects
                .get_or_create(&UnreadyLabels { kind, reason })
        };
        before.map(|reason| count(reason).dec());
        unready.map(|reason| count(reason).inc());
    }

    /// So many sessions are open now.
    pub fn open_sessions(&self, count: usize) {
        self.series
            .open_sessions
            .get_or_create(&[])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A session's access was withdrawn, so long after it was due. Before it was due is not late.
    pub fn session_ended(&self, reason: Reason, late: SignedDuration) {
        self.series.session_endings.get_or_create(&EndLabel { reason }).inc();
        self.series.session_end_lateness.observe(late.as_secs_f64().max(0.0));
    }

    /// This process leads, or not.
    pub fn leader(&self, leads: bool) {
        self.series.leader.get_or_create(&[]).set(i64::from(leads));
    }

    /// The node's clock is ahead of the API server's by so much.
    pub fn clock_skew(&self, node_minus_server: SignedDuration) {
        self.series
            .clock_skew
            .get_or_create(&[])
            .set(node_minus_server.as_secs_f64());
    }

    /// The certificate that the webhook presents expires then.
    pub fn certificate_expiry(&self, at: Timestamp) {
        self.series.certificate_expiry.get_or_create(&[]).set(at.as_second());
    }

    /// Webhook configurations and admission policies are as this process needs them, or not.
    pub fn registration_intact(&self, intact: bool) {
        self.series
            .registration_intact
            .get_or_create(&[])
            .set(i64::from(intact));
    }

    /// One of them was found to be changed or gone.
    pub fn registration_changed(&self) {
        self.series.registration_changes.inc();
    }
}

/// Buckets for work of ours, from a webhook answer out of memory to a reconcile against a slow API server.
const WORK_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Buckets for the lateness of endings, from "to the second" to "the operator was down".
const LATENESS_SECONDS: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0];

impl Series {
    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("pimpernel");
        self.register_work(&mut registry);
        self.register_sessions(&mut registry);
        self.register_process(&mut registry);
        registry
    }

    fn register_work(&self, registry: &mut Registry) {
        registry.register(
            "reconciles",
            "Reconciles that have ended, by kind and outcome",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time from the start of a reconcile to its end, writes included",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register_with_unit(
            "deadline_lateness",
            "Time from the instant at which an object changes by itself to the end of its reconcile",
            Unit::Seconds,
            self.deadline_lateness.clone(),
        );
        registry.register(
            "unready_objects",
            "Objects whose condition Ready is not True, by kind and reason, as the leader sees them",
            self.unready_objects.clone(),
        );
        registry.register(
            "webhook_requests",
            "Admission reviews answered by this process, by kind and verdict",
            self.webhook_requests.clone(),
        );
        registry.register_with_unit(
            "webhook_duration",
            "Time from the arrival of an admission review to the answer",
            Unit::Seconds,
            self.webhook_duration.clone(),
        );
    }

    fn register_sessions(&self, registry: &mut Registry) {
        registry.register(
            "open_sessions",
            "Impersonation sessions that give access now, as the leader sees them",
            self.open_sessions.clone(),
        );
        registry.register(
            "session_endings",
            "Impersonation sessions whose access this process has withdrawn, by reason",
            self.session_endings.clone(),
        );
        registry.register_with_unit(
            "session_end_lateness",
            "Time from the moment a session's access was due to end to its withdrawal, by the API server's clock",
            Unit::Seconds,
            self.session_end_lateness.clone(),
        );
    }

    fn register_process(&self, registry: &mut Registry) {
        registry.register(
            "leader",
            "1 while this process holds the Lease, else 0",
            self.leader.clone(),
        );
        registry.register_with_unit(
            "clock_skew",
            "The node's clock minus the API server's, exact to about a second; the node's clock decides nothing",
            Unit::Seconds,
            self.clock_skew.clone(),
        );
        registry.register_with_unit(
            "webhook_certificate_expiry_timestamp",
            "When the certificate that the webhook presents expires, in seconds since 1970",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry.register(
            "registration_intact",
            "1 while the API server has the webhook configurations and admission policies that this process needs, else 0",
            self.registration_intact.clone(),
        );
        registry.register(
            "registration_changes",
            "Webhook configurations and admission policies that were found changed or gone",
            self.registration_changes.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this process", build);
    }
}

#[cfg(test)]
mod tests;
