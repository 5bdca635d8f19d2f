//! A port that is spoken to over TLS, byte by byte: what a client of one's own trusts, sends and gets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::PATIENCE;

/// A port of this machine, and the authorities that are trusted there.
pub struct Secured {
    number: u16,
    trust: RootCertStore,
}

/// A connection to it.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Secured {
    /// The port, where whatever is signed by these authorities, in PEM, is trusted.
    pub fn new(number: u16, authorities: &[u8]) -> Result<Self> {
        let mut trust = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities) {
            trust.add(authority?)?;
        }
        Ok(Self { number, trust })
    }

    /// Connects, without TLS.
    pub fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.number))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Connects with TLS and offers these protocols.
    pub fn secured(&self, protocols: &[&[u8]]) -> Result<Tls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.trust.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from("127.0.0.1")?;
        let connection = ClientConnection::new(Arc::new(config), name)?;
        Ok(StreamOwned::new(connection, self.connect()?))
    }

    /// Status and body of a GET with these lines of a head, each with its line break.
    pub fn get(&self, path: &str, head: &str) -> Result<(u16, String)> {
        let sent = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n");
        let mut tls = self.secured(&[])?;
        tls.write_all(sent.as_bytes())?;
        let (status, body) = status_and_body(&rest(tls))?;
        Ok((status, String::from_utf8(body)?))
    }
}

/// Sends bytes and gives what comes back until the other side hangs up.
pub fn exchange(mut stream: impl Read + Write, sent: &[u8]) -> Vec<u8> {
    // That it hangs up while it is being written to is an answer too.
    let _ = stream.write_all(sent).and_then(|()| stream.flush());
    rest(stream)
}

fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// An answer's status, and what is behind its head.
pub fn status_and_body(answer: &[u8]) -> Result<(u16, Vec<u8>)> {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("no head")?;
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, answer[end + 4..].to_vec()))
}
