//! The Secret on an API server in memory.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use jiff::SignedDuration;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::{
    rotation::{OVERLAP, SETTLE},
    *,
};

const NOW: Timestamp = Timestamp::constant(1_795_420_800, 0);
const HOST: &str = "pimpernel.pimpernel-system.svc";

#[derive(Clone, Default)]
struct Server {
    secret: Arc<Mutex<Option<Value>>>,
    writes: Arc<Mutex<Vec<Method>>>,
    /// What another replica writes just before our next write.
    rival: Arc<Mutex<Option<Value>>>,
}

impl Server {
    fn certificates(&self, host: &str) -> Certificates {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = serde_json::from_slice(&body.collect_bytes().await?).ok();
                let (code, answer) = server.answer(&parts.method, body);
                let body = Body::from(serde_json::to_vec(&answer)?);
                Ok::<_, tower::BoxError>(Response::builder().status(code).body(body)?)
            }
        });
        Certificates::new(
            Client::new(service, "pimpernel-system"),
            "pimpernel-system",
            vec![host.to_owned()],
        )
    }

    fn answer(&self, method: &Method, body: Option<Value>) -> (StatusCode, Value) {
        if body.is_some()
            && let Some(rival) = self.rival.lock().unwrap().take()
        {
            self.store(rival);
        }
        let stored = self.secret.lock().unwrap().clone();
        match (method.as_str(), stored, body) {
            ("GET", Some(secret), _) => (StatusCode::OK, secret),
            ("GET", None, _) => refused(StatusCode::NOT_FOUND, "NotFound"),
            ("POST", None, Some(secret)) => {
                self.writes.lock().unwrap().push(Method::POST);
                (StatusCode::CREATED, self.store(secret))
            }
            ("PUT", Some(old), Some(new))
                if old["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"] =>
            {
                self.writes.lock().unwrap().push(Method::PUT);
                (StatusCode::OK, self.store(new))
            }
            _ => refused(StatusCode::CONFLICT, "Conflict"),
        }
    }

    fn store(&self, mut secret: Value) -> Value {
        let mut stored = self.secret.lock().unwrap();
        let version = stored
            .as_ref()
            .and_then(|secret| secret["metadata"]["resourceVersion"].as_str()?.parse().ok());
        secret["metadata"]["resourceVersion"] = json!((version.unwrap_or(0) + 1).to_string());
        *stored = Some(secret.clone());
        secret
    }

    fn keys(&self) -> Vec<String> {
        let secret = self.secret.lock().unwrap().clone().unwrap();
        secret["data"].as_object().unwrap().keys().cloned().collect()
    }

    fn writes(&self) -> usize {
        self.writes.lock().unwrap().len()
    }
}

fn refused(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code.as_u16()}),
    )
}

/// Whether a client that trusts the bundle accepts the certificate.
fn trusted(issued: &Issued, host: &str) -> bool {
    let authorities = issued
        .bundle
        .split_inclusive("-----END CERTIFICATE-----\n")
        .map(|certificate| Pair {
            certificate: certificate.to_owned(),
            key: issued.key.clone(),
        });
    let signed = authorities
        .into_iter()
        .any(|authority| authority.signed(&issued.certificate));
    signed && pair::facts(&issued.certificate).unwrap().covers_host(host)
}

#[tokio::test]
async fn the_first_call_creates_and_the_second_writes_nothing() {
    let server = Server::default();
    let certificates = server.certificates(HOST);
    let first = certificates.keep(NOW, None).await.unwrap();
    assert!(trusted(&first, HOST));
    assert_eq!(server.keys(), ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    let second = certificates.keep(NOW, Some(&first.bundle)).await.unwrap();
    assert_eq!(second.certificate, first.certificate);
    assert_eq!(*server.writes.lock().unwrap(), [Method::POST]);
}

#[tokio::test]
async fn of_two_replicas_that_create_both_end_with_the_same_certificate() {
    let elsewhere = Server::default();
    elsewhere.certificates(HOST).keep(NOW, None).await.unwrap();
    let server = Server::default();
    (*server.rival.lock().unwrap()).clone_from(&elsewhere.secret.lock().unwrap());
    let issued = server.certificates(HOST).keep(NOW, None).await.unwrap();
    let theirs = elsewhere.certificates(HOST).keep(NOW, None).await.unwrap();
    assert_eq!(issued.certificate, theirs.certificate);
    assert_eq!(server.writes(), 0);
}

#[tokio::test]
async fn a_rotation_goes_through_its_three_steps_and_is_trusted_throughout() {
    let server = Server::default();
    let certificates = server.certificates(HOST);
    let first = certificates.keep(NOW, None).await.unwrap();
    let due = NOW + SignedDuration::from_hours(245 * 24);
    let both = certificates.keep(due, Some(&first.bundle)).await.unwrap();
    assert!(both.bundle.starts_with(&first.bundle) && both.bundle.len() > first.bundle.len());
    assert!(server.keys().contains(&"next-ca.key".to_owned()));

    let settled = due + SETTLE;
    let unseen = certificates.keep(settled, Some(&first.bundle)).await.unwrap();
    assert_eq!(unseen.bundle, both.bundle, "not switched before the bundle was seen");
    let switched = certificates.keep(settled, Some(&both.bundle)).await.unwrap();
    assert_ne!(switched.certificate, unseen.certificate);
    assert!(trusted(&switched, HOST));
    assert_eq!(switched.bundle, both.bundle);
    assert!(server.keys().contains(&"previous-ca.crt".to_owned()));

    let dropped = certificates
        .keep(switched.look_again, Some(&switched.bundle))
        .await
        .unwrap();
    assert_eq!(switched.look_again, settled + OVERLAP);
    assert!(trusted(&dropped, HOST) && !dropped.bundle.contains(&first.bundle));
    assert_eq!(server.keys(), ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
}

#[tokio::test]
async fn other_hosts_get_another_leaf_of_the_same_authority() {
    let server = Server::default();
    let first = server.certificates(HOST).keep(NOW, None).await.unwrap();
    let other = server.certificates("127.0.0.1").keep(NOW, None).await.unwrap();
    assert_eq!(other.bundle, first.bundle);
    assert!(trusted(&other, "127.0.0.1"));
    assert_eq!(server.writes(), 2);
}

#[tokio::test]
async fn a_leaf_of_another_authority_is_replaced() {
    let (server, elsewhere) = (Server::default(), Server::default());
    let first = server.certificates(HOST).keep(NOW, None).await.unwrap();
    elsewhere.certificates(HOST).keep(NOW, None).await.unwrap();
    let foreign = elsewhere.secret.lock().unwrap().clone().unwrap();
    for key in ["tls.crt", "tls.key"] {
        server.secret.lock().unwrap().as_mut().unwrap()["data"][key] = foreign["data"][key].clone();
    }
    let issued = server.certificates(HOST).keep(NOW, None).await.unwrap();
    assert!(trusted(&issued, HOST));
    assert_eq!(issued.bundle, first.bundle);
}

#[tokio::test]
async fn a_damaged_secret_is_made_anew() {
    for key in ["ca.crt", "ca.key", "tls.crt", "tls.key"] {
        let server = Server::default();
        server.certificates(HOST).keep(NOW, None).await.unwrap();
        server.secret.lock().unwrap().as_mut().unwrap()["data"][key] = json!("bm9uc2Vuc2U=");
        let issued = server.certificates(HOST).keep(NOW, None).await.unwrap();
        assert!(trusted(&issued, HOST), "{key}");
    }
}

#[tokio::test]
async fn somebody_who_always_writes_is_reported() {
    let server = Server::default();
    server.certificates(HOST).keep(NOW, None).await.unwrap();
    server.secret.lock().unwrap().as_mut().unwrap()["data"] = json!({});
    let certificates = server.certificates(HOST);
    let noise = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": {}});
    let contended = tokio::spawn({
        let rival = server.rival.clone();
        async move {
            loop {
                rival.lock().unwrap().get_or_insert_with(|| noise.clone());
                tokio::task::yield_now().await;
            }
        }
    });
    assert!(matches!(certificates.keep(NOW, None).await, Err(Error::Contended)));
    contended.abort();
}
