//! What the API server's audit log says of requests, and of the operator's writes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::operator::USER;
use crate::{ControlPlane, wait};

const PATIENCE: Duration = Duration::from_secs(30);

/// A place in the audit log, after all requests that were answered before.
#[derive(Clone, Copy, Debug)]
pub struct Place(u64);

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Such as `patch`.
    pub verb: String,
    /// Such as `roles.pimpernel.dev/status`.
    pub resource: String,
    /// Such as `lsp/administrator`.
    pub object: String,
    /// The status code of the answer.
    pub code: i64,
    /// What those who were asked about it noted.
    pub annotations: BTreeMap<String, String>,
    /// Who sent it.
    pub user: String,
    /// The groups of whoever sent it.
    pub groups: Vec<String>,
    dry_run: bool,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            resource,
            object,
            code,
            ..
        } = self;
        write!(f, "{verb} {resource} {object} {code}")
    }
}

impl Request {
    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let dotted = |text: &str, mark: char| {
            if text.is_empty() {
                String::new()
            } else {
                format!("{mark}{text}")
            }
        };
        let group = dotted(text("/objectRef/apiGroup"), '.');
        let subresource = dotted(text("/objectRef/subresource"), '/');
        Some(Self {
            verb: text("/verb").to_owned(),
            resource: format!("{}{group}{subresource}", text("/objectRef/resource")),
            object: format!("{}/{}", text("/objectRef/namespace"), text("/objectRef/name")),
            code: line
                .pointer("/responseStatus/code")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            annotations: serde_json::from_value(line.get("annotations").cloned().unwrap_or_default())
                .unwrap_or_default(),
            user: text("/user/username").to_owned(),
            groups: serde_json::from_value(line.pointer("/user/groups").cloned().unwrap_or_default())
                .unwrap_or_default(),
            dry_run: text("/requestURI").contains("dryRun="),
        })
    }

    /// Whether the operator sent it and it was to store something. Its Lease is its heartbeat and does not count.
    pub fn is_write(&self) -> bool {
        let stores = ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str());
        let review = self.resource.ends_with("reviews.authentication.k8s.io")
            || self.resource.ends_with("reviews.authorization.k8s.io");
        self.is_question() && stores && !review && !self.dry_run
    }

    /// Whether the operator sent it. Its Lease is its heartbeat, and a watch that goes on is no question: neither counts.
    pub fn is_question(&self) -> bool {
        self.user == USER && self.resource != "leases.coordination.k8s.io" && self.verb != "watch"
    }
}

/// The end of the audit log.
pub fn here(plane: &ControlPlane) -> Result<Place> {
    Ok(Place(open(plane)?.metadata()?.len()))
}

/// What the operator wrote since `start`.
pub fn writes_since(plane: &ControlPlane, start: Place) -> Result<Vec<Request>> {
    let mut requests = since(plane, start)?;
    requests.retain(Request::is_write);
    Ok(requests)
}

/// What the operator asked of the API server since `start`, writes included.
pub fn questions_since(plane: &ControlPlane, start: Place) -> Result<Vec<Request>> {
    let mut requests = since(plane, start)?;
    requests.retain(Request::is_question);
    Ok(requests)
}

/// All requests that were ever answered.
pub fn all(plane: &ControlPlane) -> Result<Vec<Request>> {
    since(plane, Place(0))
}

/// All requests that were answered since `start`.
pub fn since(plane: &ControlPlane, start: Place) -> Result<Vec<Request>> {
    let mut file = open(plane)?;
    file.seek(SeekFrom::Start(start.0))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // What follows the last line break is still being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole.lines().filter_map(Request::read).collect())
}

/// Waits until the operator has written nothing for two seconds, which is longer than anything is held back at rest.
pub fn quiet(plane: &ControlPlane) -> Result<()> {
    let mut seen = (here(plane)?, Instant::now());
    wait::until("the operator to be at rest", PATIENCE, || {
        if !writes_since(plane, seen.0)?.is_empty() {
            seen = (here(plane)?, Instant::now());
        }
        Ok((seen.1.elapsed() >= Duration::from_secs(2)).then_some(()))
    })
}

/// Requests, one a line, for messages.
pub fn list(requests: &[Request]) -> String {
    let lines: Vec<String> = requests.iter().map(|request| format!("\n  {request}")).collect();
    lines.concat()
}

fn open(plane: &ControlPlane) -> Result<File> {
    let path = plane.audit_log().context("this world has no audit log")?;
    File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))
}
