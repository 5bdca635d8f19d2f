//! Decides what time it is: the API server's time, read from the `Date` of its answers and carried on by the monotonic clock.
//!
//! Leaves to others what to do at a given time. The node's wall clock decides nothing here: it is only compared,
//! because a node that is far off is a fault worth a metric and a warning.
//!
//! `Date` is truncated to whole seconds, so an answer says only that the server's clock stood at `Date` or later when the
//! answer arrived, and before `Date + 1 s` when the request was sent. The first statement is a lower bound: the largest of
//! the last minute is the estimate, which is therefore never ahead of the server and comes closer with every answer that
//! happens to be made early in a second. The second statement is an upper bound: an answer whose upper bound is below the
//! estimate proves that the server's clock was set back, and everything known before it is forgotten.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use tokio::{sync::Notify, time::Instant};
use tower::{Layer, Service};

/// How long an answer counts. Long enough to meet an answer made early in a second, short enough that the drift of the
/// node's oscillator (some milliseconds a minute) does not push the estimate ahead of the server.
const WINDOW: Duration = Duration::from_mins(1);

/// By how much an answer may contradict the estimate before it proves a step back: drift and slewing within [`WINDOW`].
const TOLERANCE: SignedDuration = SignedDuration::from_millis(50);

/// A jump of the estimate by more than this wakes everybody who sleeps until some time.
const JUMP: SignedDuration = SignedDuration::from_secs(1);

/// The longest single sleep: a sleeper looks at the clock again at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// A difference between the node's clock and the server's that is worth a warning.
const WORRYING_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The API server's time. Clones share what they know.
///
/// It is a [`Layer`] for [`kube::client::ClientBuilder::with_layer`]: every client built with it feeds it.
#[derive(Clone)]
pub struct ServerClock {
    shared: Arc<Shared>,
}

struct Shared {
    /// All bounds are told as the server's time at this instant, so that they can be compared with each other.
    origin: Instant,
    known: Mutex<Known>,
    jumped: Notify,
}

#[derive(Default)]
struct Known {
    bounds: LowerBounds,
    skewed: bool,
}

impl Default for ServerClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerClock {
    /// A clock that has heard of no server yet.
    pub fn new() -> Self {
        let shared = Shared {
            origin: Instant::now(),
            known: Mutex::default(),
            jumped: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The server's time, or a little less; nothing before the first answer.
    pub fn now(&self) -> Option<Timestamp> {
        let best = self.known().bounds.best()?;
        best.checked_add(self.since_origin(Instant::now())?).ok()
    }

    /// By how much the node's clock is ahead of the server's, to about a second; nothing before the first answer.
    pub fn skew(&self) -> Option<SignedDuration> {
        Some(node_time().duration_since(self.now()?))
    }

    /// Returns when the server's time has reached `deadline`, be it through waiting or because the clock was corrected.
    /// Waits for ever while no server answers.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let mut jumped = std::pin::pin!(self.shared.jumped.notified());
            // Registered before the clock is read: a correction between the two must not be missed.
            jumped.as_mut().enable();
            let nap = match self.now() {
                Some(now) if now >= deadline => return,
                Some(now) => nap(deadline.duration_since(now)),
                None => LONGEST_SLEEP,
            };
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = jumped => {}
            }
        }
    }

    fn observe(&self, sent: Instant, received: Instant, headers: &HeaderMap) {
        let Some(date) = date(headers) else { return };
        let Some(sample) = self.sample(date, sent, received) else {
            return;
        };
        let step = self.known().bounds.admit(sample);
        match step {
            Step::None => {}
            Step::Forward => self.shared.jumped.notify_waiters(),
            Step::Back => {
                tracing::warn!("the API server's clock was set back, its time is learnt anew");
                self.shared.jumped.notify_waiters();
            }
        }
        self.compare_with_node();
    }

    fn sample(&self, date: Timestamp, sent: Instant, received: Instant) -> Option<Sample> {
        let lower = date.checked_sub(self.since_origin(received)?).ok()?;
        let upper = date.checked_add(SignedDuration::from_secs(1)).ok()?;
        let upper = upper.checked_sub(self.since_origin(sent)?).ok()?;
        Some(Sample { received, lower, upper })
    }

    fn compare_with_node(&self) {
        let Some(skew) = self.skew() else { return };
        let skewed = skew.abs() > WORRYING_SKEW;
        let crossed = std::mem::replace(&mut self.known().skewed, skewed) != skewed;
        if crossed && skewed {
            tracing::warn!(
                seconds = skew.as_secs(),
                "the node's clock differs from the API server's; the server's counts"
            );
        } else if crossed {
            tracing::info!(
                seconds = skew.as_secs(),
                "the node's clock agrees with the API server's again"
            );
        }
    }

    fn since_origin(&self, instant: Instant) -> Option<SignedDuration> {
        SignedDuration::try_from(instant.saturating_duration_since(self.shared.origin)).ok()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one look at the node's clock: compared with the server's, never used"
)]
fn node_time() -> Timestamp {
    Timestamp::now()
}

fn nap(left: SignedDuration) -> Duration {
    Duration::try_from(left).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
}

/// The one `Date` of an answer. Two of them, or one that is no date, say nothing.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let mut dates = headers.get_all(DATE).iter();
    let (date, None) = (dates.next()?, dates.next()) else {
        return None;
    };
    DateTimeParser::new().parse_timestamp(date.as_bytes()).ok()
}

/// What one answer says about the server's time at the origin.
#[derive(Clone, Copy)]
struct Sample {
    received: Instant,
    lower: Timestamp,
    upper: Timestamp,
}

/// By how much a sample has changed the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    None,
    Forward,
    Back,
}

/// The samples of the last [`WINDOW`] that are, or may yet become, the best: their bounds fall from front to back.
#[derive(Default)]
struct LowerBounds {
    falling: VecDeque<Sample>,
}

impl LowerBounds {
    fn best(&self) -> Option<Timestamp> {
        self.falling.front().map(|sample| sample.lower)
    }

    fn admit(&mut self, sample: Sample) -> Step {
        let Some(before) = self.best() else {
            self.falling.push_back(sample);
            return Step::Forward;
        };
        let contradicted = before.duration_since(sample.upper) > TOLERANCE;
        if contradicted {
            self.falling.clear();
        }
        while self.falling.back().is_some_and(|last| last.lower <= sample.lower) {
            self.falling.pop_back();
        }
        self.falling.push_back(sample);
        while self
            .falling
            .front()
            .is_some_and(|first| sample.received.saturating_duration_since(first.received) > WINDOW)
        {
            self.falling.pop_front();
        }
        match self.best() {
            _ if contradicted => Step::Back,
            Some(after) if after.duration_since(before) > JUMP => Step::Forward,
            _ => Step::None,
        }
    }
}

impl<S> Layer<S> for ServerClock {
    type Service = Clocked<S>;

    fn layer(&self, inner: S) -> Clocked<S> {
        Clocked {
            inner,
            clock: self.clone(),
        }
    }
}

/// A service whose answers feed a [`ServerClock`].
#[derive(Clone)]
pub struct Clocked<S> {
    inner: S,
    clock: ServerClock,
}

impl<S, B, R> Service<Request<B>> for Clocked<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clock = self.clock.clone();
        let sent = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            clock.observe(sent, Instant::now(), answer.headers());
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests;
