//! Plain HTTP to this machine: enough for a health endpoint, for metrics, and for what etcd is asked as JSON.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const LIMIT: Duration = Duration::from_secs(10);

/// Status and body of `GET path` at a loopback port.
pub fn get(port: u16, path: &str) -> Result<(u16, String)> {
    send(port, ("GET", path), "")
}

/// Status and body of `POST path` with a body of JSON.
pub fn post(port: u16, path: &str, json: &str) -> Result<(u16, String)> {
    send(port, ("POST", path), json)
}

fn send(port: u16, (method, path): (&str, &str), json: &str) -> Result<(u16, String)> {
    let place = || format!("{method} http://127.0.0.1:{port}{path}");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).with_context(place)?;
    stream.set_read_timeout(Some(LIMIT)).with_context(place)?;
    stream.set_write_timeout(Some(LIMIT)).with_context(place)?;
    // HTTP/1.0: the answer ends with the connection and is never chunked.
    let length = json.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n");
    write!(stream, "{head}{json}").with_context(place)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(place)?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{}: the answer is not HTTP", place()))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_told_apart() {
        let answer = "HTTP/1.0 503 Service Unavailable\r\ncontent-type: text/plain\r\n\r\nnot yet\r\n\r\nreally";
        assert_eq!(parse(answer), Some((503, "not yet\r\n\r\nreally".to_owned())));
        assert_eq!(parse("SSH-2.0"), None);
    }
}
