//! A8: what was kept of a session that a tenant consented to, and is applied again.

use super::*;

#[tokio::test]
async fn a8_i11_a_session_that_is_applied_again_with_its_consent_opens_nothing() -> Result<()> {
    let (stage, warden) = demanding(World::start().await?).await?;
    let request = asked(&stage, CASE, MARGUERITE).await?;
    let yes = consent("yes", &request, "Granted", WARDEN);
    warden.create(&yes).await?.object()?;
    let session = Session::opened(&stage, CASE, MARGUERITE).await?;
    session.stop(stage.caller(MARGUERITE)).await?.object()?;
    session.ended(&stage, "Stopped").await?;
    stage.removed(CASE).await?;

    let second = asked(&stage, CASE, MARGUERITE).await?;
    ensure!(
        second["metadata"]["uid"] != request["metadata"]["uid"],
        "it is the same one"
    );
    // The consent is still there, and applying it again changes nothing; under another name it is of nothing that exists.
    stage.admin.apply(&yes).await?.object().context("the same once more")?;
    let renamed = consent("yes-again", &request, "Granted", WARDEN);
    let answer = warden.create(&renamed).await?;
    refused(
        "of the old UID",
        &answer,
        422,
        "there is no Impersonation `case` with UID",
    )?;
    stage.says(CASE, "Ready", "False", "AwaitingConsent").await?;
    no_account(&second, &stage).await?;
    no_account(&request, &stage).await?;
    let now = consent("now", &second, "Granted", WARDEN);
    warden.create(&now).await?.object().context("a consent to this one")?;
    Session::opened(&stage, CASE, MARGUERITE).await?;
    Ok(())
}
