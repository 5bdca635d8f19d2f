//! Kubeconfig files with everything inside, readable by this user only.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pki::Identity;

/// Writes a kubeconfig for the holder of a client certificate.
pub fn with_certificate(path: &Path, server: &str, ca: &str, identity: &Identity) -> Result<()> {
    let user = json!({
        "client-certificate-data": STANDARD.encode(&identity.certificate),
        "client-key-data": STANDARD.encode(&identity.key),
    });
    write(path, server, ca, &user)
}

/// Writes a kubeconfig for the bearer of a token.
pub fn with_token(path: &Path, server: &str, ca: &str, token: &str) -> Result<()> {
    write(path, server, ca, &json!({ "token": token }))
}

// JSON is YAML: no quoting of our own can go wrong.
fn write(path: &Path, server: &str, ca: &str, user: &Value) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "pimpernel",
            "cluster": { "server": server, "certificate-authority-data": STANDARD.encode(ca) },
        }],
        "users": [{ "name": "user", "user": user }],
        "contexts": [{ "name": "pimpernel", "context": { "cluster": "pimpernel", "user": "user" } }],
        "current-context": "pimpernel",
    });
    secret_file(path, &serde_json::to_string_pretty(&config)?)
}

/// Writes a new file that only this user may read.
pub fn secret_file(path: &Path, text: &str) -> Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
