//! Who is looked at next: two lanes, so that the ending of a session never waits behind anything else. A reconcile that
//! panics, hangs or fails is tried again and stops nobody (invariant V13).

use super::context::Context;
use super::queue::{Looked, Turn};
use super::reconcile::reconcile;
use crate::policy::Kind;
use crate::telemetry::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// How many sessions are looked at at once.
const SESSIONS: usize = 16;
/// How many other objects are looked at at once.
const OTHERS: usize = 16;
/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long overdue endings may take before other work begins all the same.
const OVERDUE: Duration = Duration::from_secs(10);

/// Works as the leader until `shutdown`, and returns when the last look is over. Sessions come before anything else.
pub async fn run(context: Arc<Context>, shutdown: watch::Receiver<bool>) {
    let Some(now) = context.clock.now() else { return };
    let counted = Arc::downgrade(&context);
    let waiting = move |lane| {
        counted
            .upgrade()
            .map_or(0, |context: Arc<Context>| context.waiting(lane))
    };
    context.metrics.count_waiting(waiting);
    context.lead(now, |kind| kind == Kind::Impersonation);
    let sessions = tokio::spawn(lane(context.clone(), Kind::Impersonation, SESSIONS, shutdown.clone()));
    let _ = tokio::time::timeout(OVERDUE, drained(&context)).await;
    context.lead(context.clock.now().unwrap_or(now), |kind| kind != Kind::Impersonation);
    lane(context, Kind::Role, OTHERS, shutdown).await;
    let _ = sessions.await;
}

/// Returns when every session that is due has been looked at.
async fn drained(context: &Context) {
    while context.clock.now().is_some_and(|now| context.sessions.pending(now) > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn lane(context: Arc<Context>, kind: Kind, workers: usize, mut shutdown: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(workers));
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await.ok()?;
            Some((permit, context.lane(kind).next(&context.clock).await))
        };
        let next = tokio::select! {
            _ = shutdown.wait_for(|asked| *asked) => None,
            next = next => next,
        };
        let Some((permit, turn)) = next else {
            break;
        };
        let context = context.clone();
        tokio::spawn(async move {
            look(turn, &context).await;
            drop(permit);
        });
    }
    let all = u32::try_from(workers).unwrap_or(u32::MAX);
    let _ = permits.acquire_many(all).await;
}

async fn look(turn: Turn, context: &Arc<Context>) {
    let began = Instant::now();
    let key = &turn.key;
    let task = {
        let (key, context) = (key.clone(), context.clone());
        tokio::spawn(async move { tokio::time::timeout(LIMIT, reconcile(&key, &context)).await })
    };
    let outcome = match task.await {
        Ok(Ok(Ok(looked))) => {
            let (outcome, over) = match looked {
                Looked::Done(_) => (Outcome::Done, true),
                Looked::Withheld(_) => (Outcome::Failed, true),
                Looked::Unfinished(_) => (Outcome::Done, false),
            };
            context.metrics.reconciled(key.kind, outcome, began.elapsed());
            if let (true, Some(awaited), Some(now)) = (over, turn.awaited, context.clock.now()) {
                context.metrics.turned(key.kind, now.duration_since(awaited));
            }
            context.lane(key.kind).done(key, looked);
            return;
        }
        Ok(Ok(Err(error))) => {
            tracing::warn!(object = %key, %error, "not done, trying again");
            Outcome::Failed
        }
        Ok(Err(_)) => {
            tracing::error!(object = %key, "took too long, trying again");
            Outcome::TimedOut
        }
        Err(panic) => {
            tracing::error!(object = %key, %panic, "panicked, trying again");
            Outcome::Panicked
        }
    };
    context.metrics.reconciled(key.kind, outcome, began.elapsed());
    if let Some(now) = context.clock.now() {
        context.lane(key.kind).failed(key, now);
    }
}
