//! Serves the webhook, and whatever else presents its certificate, over TLS: which protocols and certificate, how long a slow client is borne, how serving ends.
//!
//! Leaves to others what is answered (the router) and where the certificate comes from ([`super::certificates`]).

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::map_response;
use axum::response::Response;
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::sync::watch;

use super::certificates::Issued;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take from the handshake to the end of its first request's headers.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be idle between requests. Longer than the 90 s after which the API server drops its idle
/// connections: if we hung up first, a review on its way would be lost, and with it somebody's write.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// How long it answers on after it was told to stop, saying that each connection ends with the answer: one that is closed
/// while a request is under way to it is a refused request.
const PARTING: Duration = Duration::from_secs(1);
/// How long requests under way may take to finish after shutdown was asked for. The API server waits 5 s for a review.
const GRACE: Duration = Duration::from_secs(6);

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate or its key is no PEM.
    #[error("the certificate cannot be read: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Certificate and key cannot be used for TLS.
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The address cannot be listened on, or serving failed.
    #[error("serving over TLS on `{0}` failed: {1}")]
    Serve(SocketAddr, #[source] io::Error),
}

/// The configuration that presents this certificate.
pub fn config(issued: &Issued) -> Result<RustlsConfig, Error> {
    Ok(RustlsConfig::from_config(server_config(issued)?))
}

/// From now on, new connections are presented this certificate; those that exist stay.
pub fn reload(config: &RustlsConfig, issued: &Issued) -> Result<(), Error> {
    config.reload_from_config(server_config(issued)?);
    Ok(())
}

/// Only HTTP/1.1 is offered: a client that negotiated HTTP/2 would not be understood.
fn server_config(issued: &Issued) -> Result<Arc<ServerConfig>, Error> {
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.reveal().as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until `shutdown` is true (or its sender is gone), then finishes what is under way.
pub async fn serve(
    listen: SocketAddr,
    config: RustlsConfig,
    router: Router,
    shutdown: watch::Receiver<bool>,
) -> Result<(), Error> {
    let listener = std::net::TcpListener::bind(listen).map_err(|error| Error::Serve(listen, error))?;
    serve_on(listener, config, router, shutdown)
        .await
        .map_err(|error| Error::Serve(listen, error))
}

async fn serve_on(
    listener: std::net::TcpListener,
    config: RustlsConfig,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let acceptor = RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE_TIMEOUT);
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(acceptor)
        .http1_only()
        .handle(handle.clone())
        .first_request_timeout(FIRST_REQUEST_TIMEOUT)
        .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "a connection over TLS came to nothing"));
    server.http_builder().http1().header_read_timeout(IDLE_TIMEOUT);
    let leaving = shutdown.clone();
    let router = router.layer(map_response(move |response| {
        let answer = parting(response, *leaving.borrow());
        async move { answer }
    }));
    let serving = server.serve(router.into_make_service());
    tokio::pin!(serving);
    let left = async {
        // An error says that nobody is left to ask, which is a reason to stop as well.
        let _ = shutdown.wait_for(|asked| *asked).await;
        tokio::time::sleep(PARTING).await;
    };
    tokio::select! {
        ended = &mut serving => return ended,
        () = left => handle.graceful_shutdown(Some(GRACE)),
    }
    serving.await
}

/// An answer which, of one who is leaving, says that nothing more is to be asked over its connection.
fn parting(mut response: Response, leaving: bool) -> Response {
    if leaving {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

#[cfg(test)]
mod tests;
