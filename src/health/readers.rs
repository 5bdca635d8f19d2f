//! Decides who may read the metrics, where that is asked: whoever the API server knows by their token and lets `get` the path
//! `/metrics`.
//!
//! Its answers are remembered for a minute, by a digest of the token and never by the token itself. Leaves to others what is
//! read, and the TLS without which nobody should send a token.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How long an answer of the API server counts: so much later somebody who lost the right reads still.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many answers are remembered.
const MOST: usize = 1024;
/// About how many tokens the API server is asked at once, whoever sends how many; and one more of those who could read.
const AT_ONCE: usize = 4;
/// How long somebody waits until their token's turn comes, and then for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Reads,
    NoToken,
    Unknown,
    MayNot,
    /// Whether they may is not known. Never remembered.
    NotAsked,
}

impl Verdict {
    /// Status and sentence of a refusal.
    fn refusal(self) -> Option<(StatusCode, &'static str)> {
        Some(match self {
            Self::Reads => return None,
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "who reads the metrics says who they are: send `Authorization: Bearer TOKEN`, with a token of this cluster\n",
            ),
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "the API server does not know this token: send another one\n",
            ),
            Self::MayNot => (
                StatusCode::FORBIDDEN,
                "who this token is for may not read the metrics: give them verb `get` on the nonResourceURL `/metrics`\n",
            ),
            Self::NotAsked => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the API server could not be asked who reads the metrics: try again\n",
            ),
        })
    }
}

/// The routes, for those alone who may read the metrics. `client` is to be one that does not try again by itself.
pub fn guarded(router: Router, client: Client) -> Router {
    let readers = Readers {
        client,
        memory: Mutex::default(),
        asking: Semaphore::new(AT_ONCE),
        returning: Semaphore::new(1),
        failed: AtomicBool::new(false),
    };
    router.layer(from_fn_with_state(Arc::new(readers), admitted))
}

async fn admitted(State(readers): State<Arc<Readers>>, request: Request, next: Next) -> Response {
    let verdict = match bearer(request.headers()) {
        Some(token) => readers.judge(token).await,
        None => Verdict::NoToken,
    };
    let Some(refusal) = verdict.refusal() else {
        return next.run(request).await;
    };
    // Strangers keep no connection.
    let parting = [(CONNECTION, "close")];
    if refusal.0 == StatusCode::UNAUTHORIZED {
        return (parting, [(WWW_AUTHENTICATE, "Bearer")], refusal).into_response();
    }
    (parting, refusal).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

struct Readers {
    client: Client,
    memory: Mutex<Memory>,
    asking: Semaphore,
    /// For those who could read when they were last asked about, so that they do not wait behind strangers.
    returning: Semaphore,
    /// Whether the last question failed: that is said once, and not to everybody who asks anew.
    failed: AtomicBool,
}

impl Readers {
    async fn judge(&self, token: &str) -> Verdict {
        let key = Key(Sha256::digest(token).into());
        if let Some(known) = self.memory().recall(key, Instant::now()) {
            return known;
        }
        let returns = self.memory().could_read(key);
        let turns = if returns { &self.returning } else { &self.asking };
        let Ok(Ok(_turn)) = timeout(PATIENCE, turns.acquire()).await else {
            return Verdict::NotAsked;
        };
        let now = Instant::now();
        // Somebody else may have asked about the same meanwhile.
        if let Some(known) = self.memory().recall(key, now) {
            return known;
        }
        let answer = timeout(PATIENCE, self.ask(token)).await;
        match answer.context("no answer in time").flatten() {
            Ok(verdict) => {
                self.memory().keep(key, verdict, now);
                self.failed.store(false, Ordering::Relaxed);
                verdict
            }
            Err(error) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    // Whoever answers in the API server's place may repeat what they were sent.
                    let error = format!("{error:#}").replace(token, "...");
                    tracing::warn!(error, "the API server could not be asked who reads the metrics");
                }
                Verdict::NotAsked
            }
        }
    }

    async fn ask(&self, token: &str) -> Result<Verdict> {
        let mut review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        review = self.answer(&review).await.context("TokenReview")?;
        let known = review.status.filter(|status| status.authenticated == Some(true));
        let Some(user) = known.and_then(|status| status.user) else {
            return Ok(Verdict::Unknown);
        };
        let mut review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                groups: user.groups,
                uid: user.uid,
                extra: user.extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some("/metrics".to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        review = self.answer(&review).await.context("SubjectAccessReview")?;
        let may = review.status.is_some_and(|status| status.allowed);
        Ok(if may { Verdict::Reads } else { Verdict::MayNot })
    }

    /// Not by `Api`: its client logs an answer that it cannot read, and this one repeats the token.
    async fn answer<K>(&self, review: &K) -> Result<K>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let request = kube::core::Request::new(K::url_path(&(), None));
        let request = request.create(&PostParams::default(), serde_json::to_vec(review)?)?;
        Ok(serde_json::from_str(&self.client.request_text(request).await?)?)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

/// What was answered, and until when that counts.
#[derive(Default)]
struct Memory(HashMap<Key, (Verdict, Instant)>);

impl Memory {
    fn recall(&self, key: Key, now: Instant) -> Option<Verdict> {
        let (verdict, until) = self.0.get(&key)?;
        (now < *until).then_some(*verdict)
    }

    /// Whether they could read when they were last asked about.
    fn could_read(&self, key: Key) -> bool {
        self.0.get(&key).is_some_and(|(verdict, _)| *verdict == Verdict::Reads)
    }

    /// Keeps an answer to what was asked at `now`. When there is no room, the one goes that counts the shortest: refusals
    /// first, so that nobody who may read is forgotten for many who may not.
    fn keep(&mut self, key: Key, verdict: Verdict, now: Instant) {
        if self.0.len() >= MOST {
            self.0
                .retain(|_, (verdict, until)| *verdict == Verdict::Reads || now < *until);
        }
        if self.0.len() >= MOST {
            let least = self
                .0
                .iter()
                .min_by_key(|(_, (verdict, until))| (*verdict == Verdict::Reads, *until));
            if let Some(least) = least.map(|(key, _)| *key) {
                self.0.remove(&least);
            }
        }
        self.0.insert(key, (verdict, now + REMEMBERED));
    }
}

#[cfg(test)]
mod tests;
