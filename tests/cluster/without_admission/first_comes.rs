//! Who gives way when two objects claim the same: the younger one (R3, E7, I3), until the older one is gone.

use super::*;
use serde_json::json;

const SKILLS: &str = "skills.acd.apps.pimpernel.dev";

fn right(user: &str) -> Right {
    (user.to_owned(), "edit", SKILLS, "lsp-paris")
}

/// Waits until the API server's time is another second than that of an object's creation: ages count in seconds.
async fn older_than_now(which: &str, stage: &Stage) -> Result<()> {
    let created = stage.admin.get(which).await?.object()?["metadata"]["creationTimestamp"].clone();
    let created: jiff::Timestamp = serde_json::from_value(created)?;
    let began = Instant::now();
    while stage
        .admin
        .get("Namespace default")
        .await?
        .date
        .is_none_or(|now| now <= created)
    {
        ensure!(began.elapsed() < PATIENCE, "the API server's time stands still");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
async fn r3_e7_i3_the_older_object_keeps_what_two_claim() -> Result<()> {
    let stage = loose_stage(Looseness::Types).await?;
    a_role_name(&stage).await?;
    a_user_name(&stage).await?;
    a_session(&stage).await
}

async fn a_role_name(stage: &Stage) -> Result<()> {
    let granting = "state: Active, permissions: [{application: acd, permission: skills, actions: [Edit]}]";
    // The younger one comes first in the alphabet: the name must not decide.
    for (name, title) in [("senior", "Wächter"), ("junior", "WÄCHTER")] {
        stage
            .given(
                &format!("Employee lsp-paris/{name}"),
                &format!("{{username: {name}@lsp-paris.example, state: Active, primaryRole: {name}}}"),
            )
            .await?;
        stage
            .given(
                &format!("Role lsp-paris/{name}"),
                &format!("{{displayName: {title}, {granting}}}"),
            )
            .await?;
        older_than_now(&format!("Role lsp-paris/{name}"), stage).await?;
    }
    stage.ready("Role lsp-paris/senior").await?;
    let junior = stage
        .says("Role lsp-paris/junior", "Stalled", "True", "NameTaken")
        .await?;
    let (_, _, message) = told(&junior, "Ready").context("Ready")?;
    ensure!(message.contains("is the name of role `senior` already"), "{message}");
    granted(&right("senior@lsp-paris.example"), true, stage).await?;
    granted(&right("junior@lsp-paris.example"), false, stage).await?;
    let renamed = json!({"spec": {"displayName": "Wächter am Tor"}});
    stage.admin.merge("Role lsp-paris/senior", &renamed).await?.object()?;
    stage
        .ready("Role lsp-paris/junior")
        .await
        .context("when the older one has another name")?;
    granted(&right("junior@lsp-paris.example"), true, stage).await
}

async fn a_user_name(stage: &Stage) -> Result<()> {
    for (name, username) in [("zoe", "Twin@lsp-paris.example"), ("adam", "twin@lsp-paris.example")] {
        stage
            .given(
                &format!("Employee lsp-paris/{name}"),
                &format!("{{username: {username}, state: Active, primaryRole: team-lead}}"),
            )
            .await?;
        older_than_now(&format!("Employee lsp-paris/{name}"), stage).await?;
    }
    stage.ready("Employee lsp-paris/zoe").await?;
    stage
        .says("Employee lsp-paris/adam", "Stalled", "True", "UsernameTaken")
        .await?;
    goes_on(1000, stage).await?;
    granted(&right("Twin@lsp-paris.example"), true, stage).await?;
    granted(&right("twin@lsp-paris.example"), false, stage).await?;
    stage.removed("Employee lsp-paris/zoe").await?;
    stage
        .ready("Employee lsp-paris/adam")
        .await
        .context("when the older one is gone")?;
    granted(&right("twin@lsp-paris.example"), true, stage).await?;
    granted(&right("Twin@lsp-paris.example"), false, stage).await
}

async fn a_session(stage: &Stage) -> Result<()> {
    let (first, second) = ("Impersonation lsp-paris/z-first", "Impersonation lsp-paris/a-second");
    stage.given(first, &dewhursts("duration: 1h")).await?;
    older_than_now(first, stage).await?;
    stage.given(second, &dewhursts("duration: 1h")).await?;
    stage.says(first, "Active", "True", "Open").await?;
    stage.says(second, "Stalled", "True", "SessionAlreadyOpen").await?;
    ensure!(
        opened(first, stage).await? && !opened(second, stage).await?,
        "the older one alone is open"
    );
    let stop = json!({"spec": {"stop": true}});
    stage.admin.merge(first, &stop).await?.object()?;
    stage.says(first, "Active", "False", "Stopped").await?;
    stage
        .says(second, "Active", "True", "Open")
        .await
        .context("when the older one is over")?;
    Ok(())
}
