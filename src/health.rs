//! Answers the questions of the platform: alive, ready, and the metrics.
//!
//! Leaves to others when a gate opens, and who may read the metrics where that is asked ([`readers`]). A process that answers
//! at all is alive; it is ready when every gate that was declared is open.

pub mod asked;
pub mod readers;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use axum_server::Handle;
use prometheus_client::{encoding::text, registry::Registry};
use tokio::sync::watch;

/// How long a client may take to send its first request, and then each further one.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long answers under way may take when shutdown was asked for.
const GRACE: Duration = Duration::from_secs(2);

/// Why the questions cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on, or serving failed.
    #[error("health and metrics cannot be served on `{0}`: {1}")]
    Serve(SocketAddr, #[source] io::Error),
}

/// What must have happened before the process is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Every cache has completed its first list.
    Caches,
    /// The webhook presents a certificate.
    Certificate,
    /// The API server is told to call the webhook and to trust its certificate.
    Registration,
}

impl Gate {
    fn missing(self) -> &'static str {
        match self {
            Self::Caches => "caches: the first list of every kind is not complete yet",
            Self::Certificate => "certificate: the webhook has no certificate yet",
            Self::Registration => "registration: the API server is not told to call the webhook yet",
        }
    }
}

/// Which gates are still shut. Clones see and open the same gates.
#[derive(Clone)]
pub struct Readiness {
    /// Each with what is said of it.
    shut: watch::Sender<BTreeMap<Gate, String>>,
}

impl Readiness {
    /// These gates count, and all are shut. Others may be opened without effect.
    pub fn of(gates: impl IntoIterator<Item = Gate>) -> Self {
        Self {
            shut: watch::Sender::new(
                gates
                    .into_iter()
                    .map(|gate| (gate, gate.missing().to_owned()))
                    .collect(),
            ),
        }
    }

    /// What the gate stands for has happened.
    pub fn open(&self, gate: Gate) {
        self.shut.send_if_modified(|shut| shut.remove(&gate).is_some());
    }

    /// Why the gate is shut still, if it is.
    pub fn explain(&self, gate: Gate, why: &str) {
        self.shut.send_if_modified(|shut| {
            if let Some(said) = shut.get_mut(&gate) {
                *said = format!("{}: {why}", gate.missing());
            }
            false
        });
    }

    /// The gates that are still shut.
    pub fn missing(&self) -> BTreeSet<Gate> {
        self.shut.borrow().keys().copied().collect()
    }

    /// Returns when every gate is open.
    pub async fn ready(&self) {
        // The sender is `self`, so it cannot be gone.
        let _ = self.shut.subscribe().wait_for(BTreeMap::is_empty).await;
    }
}

/// Serves `/healthz`, `/readyz` and what is `besides`, until `shutdown` is true (or its sender is gone).
pub async fn serve(
    listen: SocketAddr,
    readiness: Readiness,
    besides: Router,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), Error> {
    let failed = |error| Error::Serve(listen, error);
    let handle = Handle::new();
    let listener = TcpListener::bind(listen).map_err(failed)?;
    let mut server = axum_server::from_tcp(listener)
        .map_err(failed)?
        .http1_only()
        .handle(handle.clone())
        .first_request_timeout(TIMEOUT);
    server.http_builder().http1().header_read_timeout(TIMEOUT);
    let serving = server.serve(router(readiness).merge(besides).into_make_service());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended.map_err(failed),
        // An error says that nobody is left to ask, which is a reason to stop as well.
        _ = shutdown.wait_for(|asked| *asked) => handle.graceful_shutdown(Some(GRACE)),
    }
    serving.await.map_err(failed)
}

/// `/metrics`, for whoever comes.
pub fn metrics(registry: Arc<Registry>) -> Router {
    Router::new().route("/metrics", get(exported).with_state(registry))
}

fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz).with_state(readiness))
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let lines: String = readiness.shut.borrow().values().flat_map(|said| [said, "\n"]).collect();
    if lines.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

async fn exported(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let mut exported = String::new();
    match text::encode(&mut exported, &registry) {
        Ok(()) => (StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], exported),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(CONTENT_TYPE, PLAIN)],
                "the metrics cannot be written\n".to_owned(),
            )
        }
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;
    use crate::telemetry::Metrics;

    async fn asked(readiness: &Readiness, path: &str) -> (StatusCode, String, String) {
        let router = router(readiness.clone()).merge(metrics(Metrics::new().registry()));
        let answer = router
            .oneshot(Request::get(path).body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let kind = parts.headers[CONTENT_TYPE].to_str().unwrap().to_owned();
        (parts.status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_only_when_every_declared_gate_is_open() {
        let readiness = Readiness::of([Gate::Caches, Gate::Certificate]);
        let (status, _, body) = asked(&readiness, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body.lines()
                .map(|line| line.split(':').next().unwrap())
                .collect::<Vec<_>>(),
            ["caches", "certificate"]
        );
        readiness.explain(Gate::Certificate, "the Secret is gone");
        let (_, _, body) = asked(&readiness, "/readyz").await;
        assert!(
            body.ends_with("the webhook has no certificate yet: the Secret is gone\n"),
            "{body}"
        );
        readiness.clone().open(Gate::Caches);
        readiness.open(Gate::Registration);
        readiness.explain(Gate::Registration, "it is open");
        assert_eq!(readiness.missing(), BTreeSet::from([Gate::Certificate]));
        assert_eq!(asked(&readiness, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        readiness.open(Gate::Certificate);
        assert_eq!(asked(&readiness, "/readyz").await.0, StatusCode::OK);
        readiness.ready().await;
    }

    #[tokio::test]
    async fn alive_although_not_ready() {
        assert_eq!(
            asked(&Readiness::of([Gate::Caches]), "/healthz").await.0,
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let (status, kind, body) = asked(&Readiness::of([]), "/metrics").await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, OPEN_METRICS));
        assert!(body.contains("pimpernel_build_info") && body.ends_with("# EOF\n"));
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_and_shutdown_is_none() {
        let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = occupied.local_addr().unwrap();
        let (shutdown, asked) = watch::channel(false);
        let failed = serve(address, Readiness::of([]), Router::new(), asked.clone())
            .await
            .unwrap_err();
        assert!(failed.to_string().contains(&address.to_string()));
        shutdown.send_replace(true);
        serve("127.0.0.1:0".parse().unwrap(), Readiness::of([]), Router::new(), asked)
            .await
            .unwrap();
    }
}
