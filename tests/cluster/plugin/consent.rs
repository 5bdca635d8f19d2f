//! Answering for a tenant that is asked (I11).

use super::inside::begun;
use super::{Person, text};
use crate::common::World;
use crate::common::cast::{CHAUVELIN, MARGUERITE, Stage};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};

/// The tenant's own, who may answer.
const WARDEN: &str = "armand.stjust@lsp-paris.example";
const GATE: &str = "{displayName: Gatekeeper, state: Active, permissions: [{application: admin, permission: role-impersonation, actions: [Respond]}, {application: admin, permission: impersonations, actions: [View]}]}";

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_tenant_approves_rejects_and_revokes_by_the_plugin() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let paris = "Tenant lsp-paris/lsp-paris";
    let approval = json!({"spec": {"impersonation": {"approval": "Required"}}});
    stage.admin.merge(paris, &approval).await?.object()?;
    stage.admin.judged(paris).await?;
    stage.given("Role lsp-paris/gate", GATE).await?;
    let keeper = format!("{{username: {WARDEN}, state: Active, primaryRole: gate}}");
    stage.given("Employee lsp-paris/keeper", &keeper).await?;
    let (warden, marguerite) = (
        Person::new(&stage.world, WARDEN)?,
        Person::new(&stage.world, MARGUERITE)?,
    );
    let began = Instant::now();
    while warden
        .runs("auth can-i create impersonationconsents.pimpernel.dev -n lsp-paris")?
        .code
        != 0
    {
        ensure!(
            began.elapsed() < crate::common::PATIENCE,
            "he never gets the right to answer"
        );
        // A right cannot be watched.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let words = "pimpernel impersonate lsp-paris --mode Support --reason Waits_for_a_word_of_theirs";
    let (mut child, said) = begun(
        marguerite.command(&marguerite.kubeconfig, words),
        "waiting: The session waits until the tenant consents",
    )?;
    let name = said
        .split("asked for session lsp-paris/")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let name = name.with_context(|| said.clone())?;
    // Neither the impersonator nor somebody without the right answers.
    let chauvelin = Person::new(&stage.world, CHAUVELIN)?;
    for person in [&marguerite, &chauvelin] {
        let said = person.runs(&format!("pimpernel approve {name} -n lsp-paris"))?;
        ensure!(said.code == 1 && said.stderr.contains("forbidden"), "{}", said.stderr);
    }
    let said = warden.runs(&format!("pimpernel approve {name} -n lsp-paris --message Come_in"))?;
    ensure!(said.code == 0 && said.stdout.is_empty(), "{}", said.stderr);
    ensure!(
        said.stderr.contains("is approved") && said.stderr.contains("is open"),
        "{}",
        said.stderr
    );
    ensure!(
        child.wait()?.success() && marguerite.files()?.len() == 1,
        "she was let in"
    );
    let consents = stage.admin.list("ImpersonationConsent", "lsp-paris", "").await?;
    let [consent] = consents.as_slice() else {
        anyhow::bail!("one consent, not {consents:?}")
    };
    ensure!(
        text(consent, "/spec/by")? == WARDEN && text(consent, "/spec/message")? == "Come in",
        "{consent}"
    );

    let said = warden.runs(&format!("pimpernel revoke {name} -n lsp-paris"))?;
    ensure!(
        said.code == 0 && said.stderr.contains("is over: Revoked"),
        "{}",
        said.stderr
    );
    let said = marguerite.runs("pimpernel stop")?;
    ensure!(
        said.code == 0 && said.stderr.contains("was over already") && marguerite.files()?.is_empty(),
        "{}",
        said.stderr
    );
    let said = warden.runs(&format!("pimpernel approve {name} -n lsp-paris"))?;
    ensure!(said.code == 1 && said.stderr.contains("is over"), "{}", said.stderr);

    let said =
        marguerite.runs("pimpernel impersonate lsp-paris --mode Support --reason Tries_it_once_more --no-wait")?;
    let name = said.stdout.trim();
    let said = warden.runs(&format!("pimpernel reject {name} -n lsp-paris"))?;
    ensure!(
        said.code == 0 && said.stderr.contains("is over: Rejected"),
        "{}",
        said.stderr
    );
    let said = marguerite.runs(&format!("pimpernel impersonate lsp-paris --resume {name}"))?;
    ensure!(
        said.code == 1 && said.stderr.contains("it has ended: Rejected"),
        "{}",
        said.stderr
    );
    Ok(())
}
