//! R13: what happens in the same moment: a role that is made and deleted at once, and another webhook that changes what was
//! noted already.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::routing::post;
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use k8s_openapi::ByteString;
use pimpernel_launcher::ControlPlane;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::{NIGHT, descriptions, night, on_record, recorded, whoami};
use crate::common::cast::Stage;
use crate::common::{PATIENCE, World};

/// What the other webhook writes behind each description.
const MARK: &str = " (marked)";

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_role_that_is_made_and_deleted_at_once_has_both_on_record() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let me = whoami(&stage).await?;
    for _ in 0..5 {
        stage.admin.create(&night("made")).await?.object()?;
        stage.removed(NIGHT).await?;
    }
    let records = recorded(&stage, NIGHT).await?;
    for operation in ["Create", "Delete"] {
        let of_it = records.iter().filter(|record| record["operation"] == operation);
        let mine = of_it.filter(|record| record["actor"] == json!({"username": me, "verified": true}));
        ensure!(mine.count() == 5, "{operation}: {records:#?}");
    }
    ensure!(records.len() == 10, "{records:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_what_another_webhook_changes_afterwards_is_in_the_one_note() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    register(&stage, serve(stage.world.plane())?).await?;
    stage.admin.create(&night("Looks out")).await?.object()?;
    let sleeps = json!({"spec": {"description": "Sleeps"}});
    stage.admin.merge(NIGHT, &sleeps).await?.object()?;
    let records = on_record(&stage, NIGHT).await?;
    let lines = descriptions(&records);
    let wanted = [
        "spec.description: nothing → Looks out (marked)",
        "spec.description: Looks out (marked) → Sleeps (marked)",
    ];
    ensure!(records.len() == 2 && lines == wanted, "{records:#?}");
    Ok(())
}

/// Another webhook, which marks descriptions; its port.
fn serve(plane: &ControlPlane) -> Result<u16> {
    let (certificate, key) = plane.server_certificate();
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(config)))?;
    tokio::spawn(server.serve(Router::new().route("/", post(mark)).into_make_service()));
    Ok(port)
}

async fn mark(Json(review): Json<Value>) -> Json<Value> {
    let request = &review["request"];
    let mut response = json!({"uid": request["uid"], "allowed": true});
    let text = request["object"]["spec"]["description"].as_str().unwrap_or_default();
    if !text.ends_with(MARK) {
        let patch = json!([{"op": "add", "path": "/spec/description", "value": format!("{text}{MARK}")}]);
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(ByteString(patch.to_string().into_bytes()));
    }
    Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

/// Has it asked after ours, and waits until it is.
async fn register(stage: &Stage, port: u16) -> Result<()> {
    let rule = json!({"apiGroups": ["pimpernel.dev"], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["roles"]});
    let bundle = ByteString(stage.world.plane().ca_pem().as_bytes().to_vec());
    let webhook = json!({"name": "marks.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "rules": [rule], "clientConfig": {"url": format!("https://127.0.0.1:{port}/"), "caBundle": bundle}});
    let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "zz-marks"}, "webhooks": [webhook]});
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let created = stage
        .admin
        .send("POST", path, Some(("application/json", &configuration)));
    created.await?.object()?;
    let asked = Instant::now();
    loop {
        let tried = stage.admin.try_apply(&night("tried")).await?.object()?;
        let description = tried["spec"]["description"].as_str().context("a description")?;
        if description.ends_with(MARK) {
            return Ok(());
        }
        ensure!(asked.elapsed() < PATIENCE, "the other webhook is not asked");
        // Nothing tells when the API server has taken it in.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
