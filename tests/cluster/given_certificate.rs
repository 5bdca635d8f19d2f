//! The webhook with a certificate that somebody else makes.

use anyhow::{Context, Result, ensure};
use std::fs;

use crate::common::World;

#[tokio::test]
async fn with_a_certificate_from_a_folder_the_api_server_trusts_its_authority_and_asks() -> Result<()> {
    let mut world = World::start().await?;
    ensure!(world.stop_operator()?.success(), "it failed");
    // Nobody is left who trusts the operator's own authority.
    world.kubectl(&[
        "delete",
        "validatingwebhookconfiguration,mutatingwebhookconfiguration",
        "pimpernel",
    ])?;
    let folder = world.plane().dir().join("certificate");
    let (certificate, key) = world.plane().server_certificate();
    fs::create_dir(&folder)?;
    fs::copy(certificate, folder.join("tls.crt"))?;
    fs::copy(key, folder.join("tls.key"))?;
    fs::write(folder.join("ca.crt"), world.plane().ca_pem())?;
    let folder = folder.to_str().context("the path is not UTF-8")?;
    world.start_operator_with(&["--webhook-certificate", folder])?;

    let path = "-o=jsonpath={.webhooks[0].clientConfig.caBundle}";
    for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
        let trusted = world.kubectl(&["get", kind, "pimpernel", path])?;
        let wanted = serde_json::to_value(k8s_openapi::ByteString(world.plane().ca_pem().into()))?;
        ensure!(wanted == trusted.as_str(), "{kind} trusts {trusted}");
    }
    world.apply_example("quickstart/00-namespaces.yaml")?;
    world.apply_example("quickstart/10-tenants.yaml")?;
    let refused = world
        .apply_example("quickstart/refused.yaml")
        .err()
        .context("it is let in")?;
    ensure!(refused.to_string().contains("did you mean `skills`?"), "{refused}");
    ensure!(world.stop_operator()?.success(), "it failed");
    Ok(())
}
