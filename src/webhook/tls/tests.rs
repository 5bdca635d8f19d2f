//! Real connections over the loopback.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use axum::routing::get;
use jiff::Timestamp;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{ServerName, UnixTime},
    time_provider::TimeProvider,
};
use tokio::{io::AsyncReadExt, sync::Notify, task::JoinHandle};

use super::*;
use crate::webhook::certificates::pair::Pair;

const NOW: Timestamp = Timestamp::constant(1_795_420_800, 0);

fn issued() -> Issued {
    let authority = Pair::authority(NOW).unwrap();
    let leaf = authority.leaf(&["localhost".to_owned()], NOW).unwrap();
    let (certificate, key, bundle) = (leaf.certificate, leaf.key, authority.certificate);
    Issued {
        certificate,
        key,
        bundle,
        expires: NOW,
        look_again: NOW,
    }
}

#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            NOW.as_second().unsigned_abs(),
        )))
    }
}

struct Webhook {
    address: SocketAddr,
    config: RustlsConfig,
    shutdown: watch::Sender<bool>,
    ended: JoinHandle<io::Result<()>>,
}

fn start(issued: &Issued, router: Router) -> Webhook {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = config(issued).unwrap();
    let (shutdown, asked) = watch::channel(false);
    let ended = tokio::spawn(serve_on(listener, config.clone(), router, asked));
    Webhook {
        address,
        config,
        shutdown,
        ended,
    }
}

/// What a client that trusts the bundle, and would rather speak HTTP/2, is answered, and in which protocol.
async fn ask(address: SocketAddr, bundle: &str) -> Result<(String, Option<Vec<u8>>), String> {
    send(address, bundle, "connection: close\r\n").await
}

/// The same with that header, until the connection ends.
async fn send(address: SocketAddr, bundle: &str, header: &str) -> Result<(String, Option<Vec<u8>>), String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(bundle.as_bytes()).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(Fixed))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
    let asking = move || {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(session, std::net::TcpStream::connect(address).unwrap());
        stream
            .write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        Ok((answer, stream.conn.alpn_protocol().map(<[u8]>::to_vec)))
    };
    tokio::task::spawn_blocking(asking).await.unwrap()
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "seek him here" }))
}

#[tokio::test]
async fn http_1_is_served_to_a_client_that_would_rather_speak_http_2() {
    let issued = issued();
    let webhook = start(&issued, hello());
    let (answer, protocol) = ask(webhook.address, &issued.bundle).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("seek him here"),
        "{answer}"
    );
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn after_a_reload_new_connections_get_the_new_certificate() {
    let (old, new) = (issued(), issued());
    let webhook = start(&old, hello());
    assert!(
        ask(webhook.address, &new.bundle)
            .await
            .unwrap_err()
            .contains("invalid peer certificate")
    );
    reload(&webhook.config, &new).unwrap();
    ask(webhook.address, &new.bundle).await.unwrap();
    assert!(
        ask(webhook.address, &old.bundle)
            .await
            .unwrap_err()
            .contains("invalid peer certificate")
    );
}

#[tokio::test]
async fn shutdown_lets_the_request_under_way_finish() {
    let issued = issued();
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = Router::new().route(
        "/",
        get({
            let (arrived, go_on) = (arrived.clone(), go_on.clone());
            || async move {
                arrived.notify_one();
                go_on.notified().await;
                "done"
            }
        }),
    );
    let webhook = start(&issued, router);
    let asking = tokio::spawn(async move { ask(webhook.address, &issued.bundle).await });
    arrived.notified().await;
    webhook.shutdown.send_replace(true);
    go_on.notify_one();
    assert!(asking.await.unwrap().unwrap().0.ends_with("done"));
    webhook.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_told_to_stop_answers_a_little_longer_and_says_that_each_connection_ends() {
    let issued = issued();
    let webhook = start(&issued, hello());
    webhook.shutdown.send_replace(true);
    let (answer, _) = send(webhook.address, &issued.bundle, "").await.unwrap();
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("seek him here"), "{answer}");
    webhook.ended.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_shakes_hands_is_dropped() {
    let webhook = start(&issued(), hello());
    let began = tokio::time::Instant::now();
    let mut silent = tokio::net::TcpStream::connect(webhook.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(began.elapsed() >= HANDSHAKE_TIMEOUT && began.elapsed() < FIRST_REQUEST_TIMEOUT);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let mixed = Issued {
        key: issued().key,
        ..issued()
    };
    assert!(matches!(config(&mixed), Err(Error::Tls(_))));
}
