//! A proxy between the operator and the API server. It can cut the operator off in the middle of a call, and give the answers
//! another date.

use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HOST, HeaderValue, TRANSFER_ENCODING};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use pimpernel_launcher::{ControlPlane, operator, port, wait};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The largest request of the operator.
const LARGEST: usize = 4 << 20;

/// A call of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Such as `PATCH`.
    pub method: Method,
    /// Such as `/api/v1/namespaces/pimpernel-sessions/secrets/impersonated-admin-...`.
    pub path: String,
}

impl Call {
    /// Whether it is to store something; the Lease, which is a heartbeat, and questions do not count.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
            && !["/leases", "reviews", "/events"]
                .iter()
                .any(|kind| self.path.contains(kind))
    }

    /// Whether it is to store something of a session.
    pub fn is_of_a_session(&self) -> bool {
        let signs = ["session", "/impersonations/", "/changerecords"];
        self.is_write() && signs.iter().any(|sign| self.path.contains(sign))
    }
}

impl Call {
    /// Whether it puts a change of a role on record, or takes from the role what is.
    pub fn is_of_history(&self) -> bool {
        let role =
            self.path.contains("/pimpernel.dev/") && self.path.contains("/roles/") && !self.path.ends_with("/status");
        self.is_write() && (self.path.contains("/changerecords") || role)
    }
}

/// In which moment of a call the operator is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the request leaves.
    Before,
    /// When the API server has answered, and the answer has not arrived.
    After,
}

/// Which calls are counted.
pub type Which = fn(&Call) -> bool;

/// The proxy. Dropping it ends it.
pub struct Proxy {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    runtime: Option<Runtime>,
}

struct Shared {
    upstream: Client,
    state: Mutex<Course>,
}

/// What is going on.
#[derive(Default)]
struct Course {
    calls: Vec<Call>,
    trap: Option<Trap>,
    cut: bool,
    /// Counts the restorations: what came in before one is never answered.
    era: usize,
    answers: usize,
    tokens: Vec<Asked>,
    held_up: Option<(Which, Duration)>,
    ahead: SignedDuration,
}

/// A request for a token.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// When it came by, by the clock of this machine, which is the API server's.
    pub at: Timestamp,
    /// For how many seconds it was to be good.
    pub seconds: i64,
}

struct Trap {
    which: Which,
    left: usize,
    moment: Moment,
}

impl Proxy {
    /// Starts one. It acts towards the API server as the operator, and towards the operator as the API server.
    pub fn before(plane: &ControlPlane) -> Result<Self> {
        let port = port::free()?;
        let kubeconfig = plane.user_at(&format!("https://127.0.0.1:{port}"), operator::USER, &[])?;
        let (certificate, key) = plane.server_certificate();
        let upstream = plane.user(operator::USER, &[])?;
        // Of its own: a test may block its runtime while it waits for the operator.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let (ready, started) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let made: Result<_> = async {
                let mut config = super::config(&upstream).await?;
                config.default_retry = false;
                config.read_timeout = None;
                let shared = Arc::new(Shared {
                    upstream: Client::try_from(config)?,
                    state: Mutex::default(),
                });
                Ok((shared, RustlsConfig::from_pem_file(certificate, key).await?))
            }
            .await;
            let (shared, tls) = match made {
                Ok(made) => made,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let router = Router::new().fallback(forward).with_state(shared.clone());
            let server = axum_server::bind_rustls(SocketAddr::from(([127, 0, 0, 1], port)), tls).http1_only();
            let _ = ready.send(Ok(shared));
            let _ = server.serve(router.into_make_service()).await;
        });
        let shared = started.recv().context("the proxy did not start")??;
        Ok(Self {
            shared,
            kubeconfig,
            runtime: Some(runtime),
        })
    }

    /// For the operator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// From here on every answer is dated so much later than it is.
    pub fn date_ahead(&self, ahead: SignedDuration) {
        self.shared.state().ahead = ahead;
    }

    /// Waits until the operator has got an answer that left from here on.
    pub fn await_answer(&self, limit: Duration) -> Result<()> {
        let before = self.shared.state().answers;
        wait::until("an answer to the operator", limit, || {
            Ok((self.shared.state().answers > before + 1).then_some(()))
        })
    }

    /// What the operator has called since it was last asked.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.state().calls)
    }

    /// The tokens that the operator has asked for since this was last asked.
    pub fn tokens(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.state().tokens)
    }

    /// From here on each call of that kind takes so much longer.
    pub fn hold_up(&self, which: Which, time: Duration) {
        self.shared.state().held_up = Some((which, time));
    }

    /// Cuts the operator off in a moment of the call of that number among those that count, from 1: no request of it
    /// leaves and no answer arrives any more.
    pub fn cut_off(&self, which: Which, number: usize, moment: Moment) {
        self.shared.state().trap = Some(Trap {
            which,
            left: number,
            moment,
        });
    }

    /// Waits until the operator has been cut off.
    pub fn await_cut(&self, limit: Duration) -> Result<()> {
        wait::until("the operator to be cut off", limit, || {
            Ok(self.shared.state().cut.then_some(()))
        })
    }

    /// Lets through what a new operator sends. What the old one has sent stays without an answer.
    pub fn restore(&self) -> Result<()> {
        let mut state = self.shared.state();
        ensure!(state.cut, "it is not cut off");
        state.cut = false;
        state.era += 1;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Course> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call: the era it belongs to, and the moment in which it is cut off, if it is the one.
    fn meet(&self, call: Call) -> (usize, Option<Moment>) {
        let mut state = self.state();
        let moment = state.trap.as_mut().and_then(|trap| {
            trap.left -= usize::from((trap.which)(&call));
            (trap.left == 0).then_some(trap.moment)
        });
        if moment.is_some() {
            state.trap = None;
        }
        state.calls.push(call);
        (state.era, moment)
    }

    /// Returns while the operator of that era is connected, and else never.
    async fn connected(&self, era: usize, cut: bool) {
        let lost = {
            let mut state = self.state();
            state.cut |= cut && state.era == era;
            state.cut || state.era != era
        };
        if lost {
            pending::<()>().await;
        }
    }

    async fn pass(&self, request: Request) -> Result<Response> {
        let (mut head, body) = request.into_parts();
        let call = Call {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
        };
        let held_up = self.state().held_up.filter(|(which, _)| which(&call));
        if let Some((_, time)) = held_up {
            tokio::time::sleep(time).await;
        }
        let is_for_a_token = call.path.ends_with("/token");
        let (era, moment) = self.meet(call);
        self.connected(era, moment == Some(Moment::Before)).await;
        let body = axum::body::to_bytes(body, LARGEST).await?;
        if is_for_a_token {
            let request: Value = serde_json::from_slice(&body)?;
            let seconds = request["spec"]["expirationSeconds"].as_i64();
            let seconds = seconds.context("a token was asked for without a life")?;
            self.state().tokens.push(Asked { at: now(), seconds });
        }
        for header in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(header);
        }
        let request = http::Request::from_parts(head, Body::from(body.to_vec()));
        let (mut head, body) = self.upstream.send(request).await?.into_parts();
        for header in [CONNECTION, TRANSFER_ENCODING] {
            head.headers.remove(header);
        }
        let dated = head.headers.get(DATE).map(|date| self.dated(date)).transpose()?;
        if let Some(dated) = dated {
            head.headers.insert(DATE, dated);
        }
        self.connected(era, moment == Some(Moment::After)).await;
        self.state().answers += 1;
        Ok(Response::from_parts(head, axum::body::Body::new(body)))
    }

    fn dated(&self, date: &HeaderValue) -> Result<HeaderValue> {
        let date: Timestamp = DateTimeParser::new().parse_timestamp(date.as_bytes())?;
        let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&(date + self.state().ahead))?;
        Ok(HeaderValue::from_str(&text)?)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the API server is on this machine, and tells whole seconds only"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let answer = shared.pass(request).await;
    answer.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}
