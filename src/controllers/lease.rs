//! Decides which process leads: at most one of those that compete for a Lease, by the rules of client-go.
//!
//! Leaves to others what only the leader may do, and to stop doing it: whoever reads `false`, or gets [`Outcome::Lost`],
//! must abort its work and exit. What it has not sent yet is held back by its [`Term`]. A Lease does not fence writes already
//! on their way, so those must stay idempotent or conditional.
//!
//! Why no two lead at once: a leader counts from the moment *before* it sent the renewal that succeeded, and steps down by
//! itself after the renew deadline; a rival counts from the moment it *saw* the Lease change, which is later, and waits
//! for the lease duration, which is longer. Both count on their own monotonic clock. Every write carries the
//! resourceVersion that was read, so of two that write at once the API server refuses one.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::clock::ServerClock;

mod term;
mod timing;
pub use term::Term;
pub use timing::{Error as TimingError, Timing};

/// Why an attempt to take or renew the Lease failed. Every attempt is repeated, so none of these is the end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server answered with an error, or not at all.
    #[error("the Lease cannot be read or written: {0}")]
    Api(#[source] Box<kube::Error>),
    /// No answer came in time.
    #[error("the API server did not answer in time")]
    TimedOut,
    /// No answer so far has told the time, and a Lease carries the time of its renewal.
    #[error("the API server's time is not known yet")]
    NoTime,
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// The Lease to compete for, and as whom.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where the Lease is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// Who this process is, for people who look at the Lease. A random suffix makes it unique to the process.
    pub identity: String,
}

/// How the competition ended for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Shut down on request; the Lease, if held, was given back.
    Released,
    /// Leadership was lost: somebody else has the Lease, or it could not be renewed in time.
    Lost,
}

/// One competitor for a Lease.
pub struct Elector {
    leases: Api<Lease>,
    clock: ServerClock,
    name: String,
    holder: String,
    timing: Timing,
    leading: Published,
}

/// Leadership as others see it: over as soon as the elector is gone, however it went.
struct Published {
    leads: watch::Sender<bool>,
    term: Term,
}

impl Published {
    fn end(&self) {
        self.term.end();
        self.leads.send_replace(false);
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the Lease said when it was last seen to change, and when that was.
struct Seen {
    spec: LeaseSpec,
    at: Instant,
}

/// What one attempt came to.
enum Attempt {
    /// The Lease is this process's.
    Held,
    /// It is somebody else's.
    HeldBy(String),
    /// Somebody else wrote it between our reading and our writing.
    Outrun,
}

impl Elector {
    /// A competitor that has not started yet. The client must not retry by itself (`Config::default_retry` off):
    /// a renewal repeated late is worse than one that fails. `clock` must be fed by that client. `term` will say for how
    /// long this process leads.
    pub fn new(
        client: Client,
        clock: ServerClock,
        seat: Seat,
        timing: Timing,
        term: Term,
    ) -> Result<Self, TimingError> {
        let Seat {
            namespace,
            name,
            identity,
        } = seat;
        let holder = format!("{identity}_{:016x}", RandomState::new().hash_one(&identity));
        let leases = Api::namespaced(client, &namespace);
        let leads = watch::Sender::new(false);
        let leading = Published { leads, term };
        Ok(Self {
            leases,
            clock,
            name,
            holder,
            timing: timing.validated()?,
            leading,
        })
    }

    /// The identity written into the Lease.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Whether this process leads, now and as it changes. False for good when the elector has ended.
    pub fn leadership(&self) -> watch::Receiver<bool> {
        self.leading.leads.subscribe()
    }

    /// Competes, leads and renews until `shutdown` is true (or its sender is gone) or leadership is lost.
    /// Ask for shutdown only when the work of the leader has stopped, because the next one takes over at once.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> Outcome {
        let outcome = tokio::select! {
            biased;
            () = asked_to(&mut shutdown) => Outcome::Released,
            () = self.compete() => Outcome::Lost,
        };
        self.leading.end();
        if outcome == Outcome::Released {
            self.release().await;
        }
        outcome
    }

    async fn compete(&self) {
        let acquired = self.acquire().await;
        tracing::info!(lease = self.name, holder = self.holder, "leading");
        let deadline = acquired + self.timing.renew_deadline;
        self.leading.term.extend(deadline);
        self.leading.leads.send_replace(true);
        self.renew(deadline).await;
    }

    /// Returns when this process holds the Lease, with the moment at which the attempt that succeeded began.
    async fn acquire(&self) -> Instant {
        let mut seen = None;
        let mut rival = None;
        let mut round = 0;
        loop {
            let began = Instant::now();
            match within(began + self.patience(), self.attempt(&mut seen)).await {
                Ok(Attempt::Held) => return began,
                Ok(Attempt::HeldBy(holder)) if rival.as_ref() != Some(&holder) => {
                    tracing::info!(lease = self.name, holder, "another process leads");
                    rival = Some(holder);
                }
                Ok(Attempt::HeldBy(_) | Attempt::Outrun) => {}
                Err(error) => tracing::warn!(lease = self.name, %error, "cannot compete for the Lease, trying again"),
            }
            tokio::time::sleep(self.pause(&mut round)).await;
        }
    }

    /// Returns when leadership is lost.
    async fn renew(&self, mut deadline: Instant) {
        let mut round = 0;
        loop {
            let next = Instant::now() + self.pause(&mut round);
            tokio::time::sleep_until(next.min(deadline)).await;
            let began = Instant::now();
            if began >= deadline {
                tracing::error!(
                    lease = self.name,
                    "leadership lost, the Lease could not be renewed in time"
                );
                return;
            }
            match within(deadline.min(began + self.patience()), self.renewal()).await {
                Ok(Attempt::Held) => {
                    deadline = began + self.timing.renew_deadline;
                    self.leading.term.extend(deadline);
                }
                Ok(Attempt::HeldBy(holder)) => {
                    tracing::error!(
                        lease = self.name,
                        holder,
                        "leadership lost, another process has the Lease"
                    );
                    return;
                }
                Ok(Attempt::Outrun) => {
                    tracing::error!(lease = self.name, "leadership lost, another process wrote the Lease");
                    return;
                }
                Err(error) => tracing::warn!(lease = self.name, %error, "the Lease was not renewed, trying again"),
            }
        }
    }

    /// One reading, and one writing if the Lease is free, ours, or has not changed for as long as it lasts.
    async fn attempt(&self, seen: &mut Option<Seen>) -> Result<Attempt, Error> {
        let found = self.leases.get_opt(&self.name).await?;
        let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let Some(rival) = self.rival(&spec) else {
            return self.write(found).await;
        };
        let now = Instant::now();
        let unchanged_since = match seen {
            Some(seen) if seen.spec == spec => seen.at,
            _ => {
                seen.insert(Seen {
                    spec: spec.clone(),
                    at: now,
                })
                .at
            }
        };
        if now < unchanged_since + self.duration_of(&spec) {
            return Ok(Attempt::HeldBy(rival));
        }
        tracing::info!(
            lease = self.name,
            holder = rival,
            "the Lease was not renewed by its holder, taking over"
        );
        self.write(found).await
    }

    /// One reading, and one writing unless somebody else has the Lease.
    async fn renewal(&self) -> Result<Attempt, Error> {
        let found = self.leases.get_opt(&self.name).await?;
        match found.as_ref().and_then(|lease| self.rival(lease.spec.as_ref()?)) {
            Some(rival) => Ok(Attempt::HeldBy(rival)),
            None => self.write(found).await,
        }
    }

    /// Makes the Lease ours, provided that it still is what was found.
    async fn write(&self, found: Option<Lease>) -> Result<Attempt, Error> {
        let now = MicroTime(self.clock.now().ok_or(Error::NoTime)?);
        let parameters = PostParams::default();
        let written = if let Some(mut lease) = found {
            lease.spec = Some(self.spec(lease.spec.unwrap_or_default(), now));
            self.leases.replace(&self.name, &parameters, &lease).await
        } else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            };
            let lease = Lease {
                metadata,
                spec: Some(self.spec(LeaseSpec::default(), now)),
            };
            self.leases.create(&parameters, &lease).await
        };
        match written {
            Ok(_) => Ok(Attempt::Held),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::Outrun),
            Err(error) => Err(error.into()),
        }
    }

    fn spec(&self, before: LeaseSpec, now: MicroTime) -> LeaseSpec {
        let ours = before.holder_identity.as_ref() == Some(&self.holder);
        let transitions = before.lease_transitions.unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease_duration.as_secs()).ok(),
            acquire_time: before.acquire_time.filter(|_| ours).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if ours {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..before
        }
    }

    /// Gives the Lease back, if it is ours, so that the next process need not wait. A failure costs only that wait.
    async fn release(&self) {
        let release = async {
            let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
                return Ok(false);
            };
            let spec = lease.spec.get_or_insert_default();
            let ours = spec.holder_identity.as_ref() == Some(&self.holder);
            if ours {
                spec.holder_identity = Some(String::new());
                self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
            }
            Ok(ours)
        };
        match within(Instant::now() + self.patience(), release).await {
            Ok(true) => tracing::info!(lease = self.name, "the Lease is given back"),
            Ok(false) => {}
            Err(error) => tracing::warn!(lease = self.name, %error, "the Lease could not be given back"),
        }
    }

    /// The holder, if there is one and it is not this process.
    fn rival(&self, spec: &LeaseSpec) -> Option<String> {
        spec.holder_identity
            .clone()
            .filter(|holder| !holder.is_empty() && *holder != self.holder)
    }

    /// How long a Lease lasts: what its holder wrote, but never less than we would take it for.
    fn duration_of(&self, spec: &LeaseSpec) -> Duration {
        let written = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(0);
        Duration::from_secs(written).max(self.timing.lease_duration)
    }

    /// How long one attempt may take: two fit into the renew deadline, so that one dead connection is survived.
    fn patience(&self) -> Duration {
        self.timing.renew_deadline / 2
    }

    /// The pause before the next attempt: the retry period less a part of a second that differs from round to round.
    /// Answers that always arrive at the same part of a second would teach the [`ServerClock`] nothing new.
    fn pause(&self, round: &mut u32) -> Duration {
        *round = (*round + 618) % 1000;
        let period = self.timing.retry_period;
        period.saturating_sub((period / 2).min(Duration::from_secs(1)) * *round / 1000)
    }
}

async fn asked_to(shutdown: &mut watch::Receiver<bool>) {
    // An error says that nobody is left to ask, which is a reason to stop as well.
    let _ = shutdown.wait_for(|asked| *asked).await;
}

async fn within<T>(deadline: Instant, attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout_at(deadline, attempt).await.unwrap_or(Err(Error::TimedOut))
}

#[cfg(test)]
mod tests;
