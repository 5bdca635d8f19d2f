//! Straight at the webhook's port, as somebody in the same network could: it answers with an error or hangs up, and goes on
//! answering the API server meanwhile.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::goes_on;
use crate::common::cast::Stage;
use crate::common::secured::{Secured, exchange, status_and_body};

/// How many who never finish what they began.
const SLOW: usize = 200;

/// Everything, and that the API server is served meanwhile.
pub async fn attacked(stage: &Stage) -> Result<()> {
    let port = Port::of(stage).await?;
    port.without_tls()?;
    port.with_other_protocols()?;
    port.with_other_bodies()?;
    port.with_reviews_that_are_none()?;
    let slow = port.slow_ones()?;
    goes_on(stage, "beside-slow-ones").await?;
    let (status, _) = port.post("/validate", b"{}")?;
    ensure!(status == 400, "beside {} slow ones: {status}", slow.len());
    Ok(())
}

struct Port(Secured);

impl Port {
    async fn of(stage: &Stage) -> Result<Self> {
        let registered = stage
            .admin
            .get("ValidatingWebhookConfiguration pimpernel")
            .await?
            .object()?;
        let bundle: ByteString = serde_json::from_value(registered["webhooks"][0]["clientConfig"]["caBundle"].clone())?;
        Ok(Self(Secured::new(stage.world.webhook_port(), &bundle.0)?))
    }

    fn post(&self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = exchange(self.0.secured(&[])?, &[head.as_bytes(), body].concat());
        status_and_body(&answer)
    }

    fn without_tls(&self) -> Result<()> {
        let request = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
        for sent in [&request[..], &vec![0; 1 << 20][..], &[0x16, 3, 1, 0xff, 0xff, 1]] {
            let answer = exchange(self.0.connect()?, sent);
            ensure!(!answer.starts_with(b"HTTP/1.1 2"), "it speaks without TLS");
        }
        Ok(())
    }

    fn with_other_protocols(&self) -> Result<()> {
        let preface = exchange(
            self.0.secured(&[])?,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        );
        ensure!(!preface.starts_with(b"HTTP/1.1 2"), "it takes HTTP/2");
        let mut other = self.0.secured(&[b"h2"])?;
        ensure!(
            other.write_all(b"x").and_then(|()| other.flush()).is_err(),
            "it agrees on HTTP/2"
        );
        for sent in [
            "GET /validate HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
            "BREW /validate HTTP/9.9\r\n\r\n".to_owned(),
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20)),
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100_000)),
            "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n".to_owned(),
            "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nffffffffffffffffff\r\n".to_owned(),
        ] {
            let answer = exchange(self.0.secured(&[])?, sent.as_bytes());
            let known: String = sent.chars().take(60).collect();
            ensure!(!answer.starts_with(b"HTTP/1.1 2"), "it answers {known}");
        }
        Ok(())
    }

    fn with_other_bodies(&self) -> Result<()> {
        let nested = |inner: &str| {
            format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{inner}}}"#)
        };
        let deep = nested(&"[".repeat(10_000));
        let in_object = review(&json!({"uid": "x"}), &"[".repeat(10_000));
        for (path, body, wanted) in [
            ("/validate", deep.as_bytes(), 400),
            ("/validate/bounded", in_object.as_bytes(), 400),
            ("/validate", &vec![b' '; 5 << 20][..], 413),
            ("/validate", b"\0\0\0", 400),
            ("/elsewhere", b"{}", 404),
            ("/metrics", b"{}", 404),
        ] {
            let (status, _) = self.post(path, body)?;
            ensure!(status == wanted, "{path}: {status}, not {wanted}");
        }
        Ok(())
    }

    /// Of what is no question, the answer is never yes.
    fn with_reviews_that_are_none(&self) -> Result<()> {
        let role = r#"{"apiVersion":"pimpernel.dev/v1alpha1","kind":"Role","metadata":{"name":"x","namespace":"lsp-paris"},"spec":{"displayName":"X"}}"#;
        for (what, changed, object) in [
            (
                "a kind that is not ours",
                json!({"kind": {"group": "", "version": "v1", "kind": "Pod"}}),
                role,
            ),
            (
                "a kind that is none",
                json!({"kind": {"group": "", "version": "", "kind": ""}}),
                role,
            ),
            ("no object", json!({}), "null"),
            ("an object that is none", json!({}), "{}"),
            ("an object of another shape", json!({}), "[7]"),
            ("no operation", json!({"operation": null}), role),
            ("nobody", json!({"userInfo": null}), role),
            ("no UID", json!({"uid": null}), role),
        ] {
            for path in ["/validate", "/validate/bounded"] {
                let (status, body) = self.post(path, review(&changed, object).as_bytes())?;
                let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                let yes = answer.pointer("/response/allowed") == Some(&json!(true));
                ensure!(
                    [200, 400, 422].contains(&status) && !yes,
                    "{what} at {path}: {status} {answer}"
                );
            }
        }
        Ok(())
    }

    /// Those who begin and never end: with the connection, the handshake, the head and the body.
    fn slow_ones(&self) -> Result<Vec<Box<dyn Write>>> {
        let mut slow: Vec<Box<dyn Write>> = vec![];
        for number in 0..SLOW {
            match number % 4 {
                0 => slow.push(Box::new(self.0.connect()?)),
                1 => {
                    let mut stream = self.0.connect()?;
                    stream.write_all(&[0x16, 3, 1, 2])?;
                    slow.push(Box::new(stream));
                }
                kind => {
                    let mut stream = self.0.secured(&[])?;
                    let begun: &[u8] = if kind == 2 {
                        b"POST /validate HTTP/1.1\r\nhost: x\r\na: "
                    } else {
                        b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{"
                    };
                    stream
                        .write_all(begun)
                        .and_then(|()| stream.flush())
                        .context("a slow one")?;
                    slow.push(Box::new(stream));
                }
            }
        }
        Ok(slow)
    }
}

/// A review of a role that is written, with some fields changed or, by null, left out.
fn review(changed: &Value, object: &str) -> String {
    let mut request = json!({
        "uid": "x", "operation": "CREATE", "name": "x", "namespace": "lsp-paris",
        "kind": {"group": "pimpernel.dev", "version": "v1alpha1", "kind": "Role"},
        "resource": {"group": "pimpernel.dev", "version": "v1alpha1", "resource": "roles"},
        "userInfo": {"username": "mallory"},
    });
    for (field, value) in changed.as_object().into_iter().flatten() {
        request[field] = value.clone();
    }
    if let Some(request) = request.as_object_mut() {
        request.retain(|_, value| !value.is_null());
    }
    let request = request.to_string();
    let request = request.strip_suffix('}').unwrap_or_default();
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request},"object":{object}}}}}"#
    )
}
