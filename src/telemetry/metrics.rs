//! The series that the operator exports, and the words in their labels.
//!
//! Labels come from closed enums: no name of a tenant, a person or an object is ever in one. A gauge that nobody has set
//! yet is absent rather than 0, because 0 would be a statement.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use crate::policy::{Kind, Reason};
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

/// No labels. A family of these is one series that appears when it is first set.
type Unlabelled = [(&'static str, &'static str); 0];
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
type Gauges<N, A> = Family<Unlabelled, Gauge<N, A>>;

/// All series of the process. Clones count into the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    series: Series,
}

#[derive(Clone)]
struct Series {
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_duration: Histograms<KindLabel>,
    deadline_lateness: Histograms<KindLabel>,
    webhook_requests: Family<ReviewLabels, Counter>,
    webhook_duration: Histogram,
    open_sessions: Gauges<i64, std::sync::atomic::AtomicI64>,
    session_endings: Family<EndLabel, Counter>,
    session_end_lateness: Histogram,
    leader: Gauges<i64, std::sync::atomic::AtomicI64>,
    clock_skew: Gauges<f64, AtomicU64>,
    certificate_expiry: Gauges<i64, std::sync::atomic::AtomicI64>,
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
            webhook_requests: Family::default(),
            webhook_duration: Histogram::new(WORK_SECONDS),
            open_sessions: Family::default(),
            session_endings: Family::default(),
            session_end_lateness: Histogram::new(LATENESS_SECONDS),
            leader: Family::default(),
            clock_skew: Family::default(),
            certificate_expiry: Family::default(),
        };
        Self {
            registry: Arc::new(series.registered()),
            series,
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

    /// The webhook has answered.
    pub fn reviewed(&self, kind: Kind, verdict: Verdict, took: Duration) {
        self.series
            .webhook_requests
            .get_or_create(&ReviewLabels { kind, verdict })
            .inc();
        self.series.webhook_duration.observe(took.as_secs_f64());
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
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this process", build);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(metrics: &Metrics) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        text
    }

    #[test]
    fn every_series_is_exported_under_its_name() {
        let metrics = Metrics::new();
        metrics.reconciled(Kind::Role, Outcome::Done, Duration::from_millis(20));
        metrics.reviewed(Kind::Employee, Verdict::Refused, Duration::from_micros(300));
        metrics.open_sessions(3);
        metrics.session_ended(Reason::Expired, SignedDuration::from_millis(700));
        metrics.leader(true);
        metrics.clock_skew(SignedDuration::from_millis(-1500));
        metrics.certificate_expiry(Timestamp::constant(1_795_420_800, 0));
        let text = exported(&metrics);
        for line in [
            r#"pimpernel_reconciles_total{kind="Role",outcome="done"} 1"#,
            r#"pimpernel_reconcile_duration_seconds_bucket{le="0.025",kind="Role"} 1"#,
            r#"pimpernel_webhook_requests_total{kind="Employee",verdict="refused"} 1"#,
            r#"pimpernel_webhook_duration_seconds_bucket{le="0.001"} 1"#,
            "pimpernel_open_sessions{} 3",
            r#"pimpernel_session_endings_total{reason="Expired"} 1"#,
            r#"pimpernel_session_end_lateness_seconds_bucket{le="0.5"} 0"#,
            r#"pimpernel_session_end_lateness_seconds_bucket{le="1.0"} 1"#,
            "pimpernel_leader{} 1",
            "pimpernel_clock_skew_seconds{} -1.5",
            "pimpernel_webhook_certificate_expiry_timestamp_seconds{} 1795420800",
            concat!(
                r#"pimpernel_build_info{version=""#,
                env!("CARGO_PKG_VERSION"),
                r#""} 1"#
            ),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_gauge_that_was_never_set_is_absent() {
        let text = exported(&Metrics::new());
        for name in ["leader", "open_sessions", "clock_skew", "expiry"] {
            assert!(!text.contains(name), "{name} in:\n{text}");
        }
    }

    #[test]
    fn clones_count_into_the_same_series() {
        let metrics = Metrics::new();
        metrics
            .clone()
            .reconciled(Kind::Tenant, Outcome::Failed, Duration::ZERO);
        assert!(exported(&metrics).contains(r#"pimpernel_reconciles_total{kind="Tenant",outcome="failed"} 1"#));
    }

    #[test]
    fn a_session_that_ended_before_it_was_due_is_not_late() {
        let metrics = Metrics::new();
        metrics.session_ended(Reason::Stopped, SignedDuration::from_secs(-600));
        assert!(exported(&metrics).contains("pimpernel_session_end_lateness_seconds_sum 0.0"));
    }
}
