//! An API server with one Lease, in memory.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use http::{Method, Request, Response, StatusCode, header::DATE};
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

use crate::controllers::clock::ServerClock;

/// How requests of one competitor fare.
#[derive(Clone, Copy, PartialEq)]
pub enum Line {
    /// They are answered.
    Open,
    /// They fail.
    Failing,
    /// They are never answered.
    Silent,
}

/// One Lease and the version counter of its API server.
#[derive(Clone)]
pub struct Server {
    pub lease: Arc<Mutex<Option<Value>>>,
    version: Arc<AtomicU64>,
    started: Instant,
    /// What to do to the Lease between the next reading and its writing.
    pub interference: Arc<Mutex<Option<Value>>>,
}

impl Server {
    pub fn new() -> Self {
        Self {
            lease: Arc::default(),
            version: Arc::default(),
            started: Instant::now(),
            interference: Arc::default(),
        }
    }

    pub fn holder(&self) -> Option<String> {
        let lease = self.lease.lock().unwrap();
        lease
            .as_ref()
            .map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    pub fn store(&self, mut lease: Value) -> Value {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        lease["metadata"]["resourceVersion"] = json!(version.to_string());
        *self.lease.lock().unwrap() = Some(lease.clone());
        lease
    }

    pub fn held_by(&self, holder: &str) {
        self.store(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "pimpernel", "namespace": "here"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3},
        }));
    }

    fn answer(&self, method: &Method, body: Option<Value>) -> (StatusCode, Value) {
        let stored = self.lease.lock().unwrap().clone();
        match (method.as_str(), stored, body) {
            ("GET", Some(lease), _) => {
                if let Some(interference) = self.interference.lock().unwrap().take() {
                    self.store(interference);
                }
                (StatusCode::OK, lease)
            }
            ("GET" | "PUT", None, _) => refused(StatusCode::NOT_FOUND, "NotFound"),
            ("POST", None, Some(lease)) => (StatusCode::CREATED, self.store(lease)),
            ("POST", Some(_), _) => refused(StatusCode::CONFLICT, "AlreadyExists"),
            ("PUT", Some(old), Some(new))
                if old["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"] =>
            {
                (StatusCode::OK, self.store(new))
            }
            ("PUT", ..) => refused(StatusCode::CONFLICT, "Conflict"),
            (method, ..) => panic!("unexpected {method}"),
        }
    }
}

fn refused(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code.as_u16(),
    });
    (code, status)
}

pub fn client(server: &Server, clock: &ServerClock, line: Arc<Mutex<Line>>, requests: Arc<AtomicU32>) -> Client {
    let server = server.clone();
    let service = service_fn(move |request: Request<Body>| {
        let (server, line, requests) = (server.clone(), line.clone(), requests.clone());
        async move {
            requests.fetch_add(1, Ordering::SeqCst);
            let line = *line.lock().unwrap();
            let (parts, body) = request.into_parts();
            let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).ok();
            let (code, answer) = match line {
                Line::Open => server.answer(&parts.method, body),
                Line::Failing => refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
                Line::Silent => std::future::pending().await,
            };
            let time = jiff::Timestamp::constant(1_795_420_800, 0) + server.started.elapsed();
            let date = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let answer = Body::from(serde_json::to_vec(&answer).unwrap());
            Ok::<_, tower::BoxError>(
                Response::builder()
                    .status(code)
                    .header(DATE, date)
                    .body(answer)
                    .unwrap(),
            )
        }
    });
    ClientBuilder::new(service, "here").with_layer(clock).build()
}
