//! How many objects wait to be looked at: counted when somebody asks, since it changes all the time.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

words! {
    /// Who waits in a queue.
    Lane {
        /// Impersonations.
        Sessions = "sessions",
        /// Everything else.
        Others = "others",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: Lane,
}

type Count = Box<dyn Fn(Lane) -> usize + Send + Sync>;

/// How that is counted; nothing until it is known.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<OnceLock<Count>>);

impl Waiting {
    /// From here on it is counted in that way.
    pub fn count(&self, count: impl Fn(Lane) -> usize + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(count));
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl Collector for Waiting {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(count) = self.0.get() else { return Ok(()) };
        let depth = Family::<LaneLabel, Gauge>::default();
        for lane in [Lane::Sessions, Lane::Others] {
            let objects = i64::try_from(count(lane)).unwrap_or(i64::MAX);
            depth.get_or_create(&LaneLabel { lane }).set(objects);
        }
        let means = "Objects that are due to be looked at or being looked at, by lane, as the leader sees them.";
        depth.encode(encoder.encode_descriptor("queue_depth", means, None, depth.metric_type())?)
    }
}
