//! Who gives way when two objects claim the same: the younger one (R3, E7, I3), until the older one is gone; of two that
//! came in the same second always the same one. Where a role and its holder contradict each other, access does (R8, E3).

use super::*;
use crate::common::cast::MARGUERITE;
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
    a_session(&stage).await?;
    a_role_and_its_holder(&stage).await?;
    in_the_same_moment(&stage).await
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
        .says("Role lsp-paris/junior", "Stalled", "True", "NameBurnt")
        .await
        .context("R4: the name stays the older one's")?;
    let renamed = json!({"spec": {"displayName": "Torwart"}});
    stage.admin.merge("Role lsp-paris/junior", &renamed).await?.object()?;
    stage.ready("Role lsp-paris/junior").await?;
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

async fn a_role_and_its_holder(stage: &Stage) -> Result<()> {
    let (role, holder) = ("Role lsp-paris/bell", "Employee lsp-paris/ringer");
    let user = right("ringer@lsp-paris.example");
    let granting = "permissions: [{application: acd, permission: skills, actions: [Edit]}]";
    stage
        .given(role, &format!("{{displayName: Bell, state: Active, {granting}}}"))
        .await?;
    stage
        .given(
            holder,
            "{username: ringer@lsp-paris.example, state: Active, primaryRole: bell}",
        )
        .await?;
    granted(&user, true, stage).await?;
    for (state, wanted) in [("Inactive", false), ("Active", true)] {
        let changed = json!({"spec": {"state": state}});
        stage.admin.merge(role, &changed).await?.object()?;
        granted(&user, wanted, stage).await.context(state)?;
        let (status, reason) = if wanted {
            ("True", "InEffect")
        } else {
            ("False", "RoleNotActive")
        };
        stage.says(holder, "Ready", status, reason).await?;
    }
    Ok(())
}

/// Pairs that claim the same, sent without waiting for each other. Which of them has it does not change by a restart.
async fn in_the_same_moment(stage: &Stage) -> Result<()> {
    let employed = |name: &str, user: &str| {
        let spec = format!("{{username: {user}@lsp-paris.example, state: Active, primaryRole: team-lead}}");
        object(&format!("Employee lsp-paris/{name}"), &spec)
    };
    let employees = (employed("moment-b", "moment"), employed("moment-a", "Moment"));
    let entering = |name: &str| {
        let spec = format!("{{mode: Support, impersonator: {MARGUERITE}, reason: He cannot save his skill}}");
        object(&format!("Impersonation lsp-paris/{name}"), &spec)
    };
    let sessions = (entering("moment-b"), entering("moment-a"));
    let titled = |name: &str, title: &str| {
        let spec = format!("{{displayName: {title}, state: Active}}");
        object(&format!("Role lsp-paris/{name}"), &spec)
    };
    let roles = (titled("moment-b", "Moment"), titled("moment-a", "MOMENT"));
    let pairs = [
        (roles, ["NameTaken", "NameBurnt"].as_slice()),
        (employees, ["UsernameTaken"].as_slice()),
        // Of two sessions the one that is open comes first, and which was opened first is not known.
        (sessions, ["SessionAlreadyOpen"].as_slice()),
    ];
    for ((one, other), reasons) in &pairs {
        let (first, second) = futures::try_join!(stage.admin.create(one), stage.admin.create(other))?;
        settles(stage, (&first.object()?, &second.object()?), reasons).await?;
    }
    goes_on(1002, stage).await?;
    let mut settled = vec![];
    for ((one, other), reasons) in &pairs {
        let [has, lacks] = settles(stage, (one, other), reasons).await?;
        if has["kind"] == "Employee" {
            ensure!(age(&has) < age(&lacks), "the younger one has the user name");
        }
        settled.push([has, lacks]);
    }
    stage.world.stop_operator()?;
    stage.world.start_operator()?;
    goes_on(1001, stage).await?;
    for pair in settled {
        for before in pair {
            let after = stage.admin.get(&name_of(&before)).await?.object()?;
            ensure!(after == before, "a restart has changed {before}\nto {after}");
        }
    }
    Ok(())
}

/// What decides between two that claim the same.
fn age(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("creationTimestamp"), text("uid"))
}

/// Waits until one of two has what both claim, and the other has not. The one that has it, and the other.
async fn settles(stage: &Stage, (one, other): (&Value, &Value), reasons: &[&str]) -> Result<[Value; 2]> {
    let began = Instant::now();
    loop {
        let one = stage.admin.get(&name_of(one)).await?.object()?;
        let other = stage.admin.get(&name_of(other)).await?.object()?;
        let has = |object: &Value| told(object, "Ready").is_some_and(|(status, _, _)| status == "True");
        let lacks = |object: &Value| told(object, "Stalled").is_some_and(|(_, reason, _)| reasons.contains(&&*reason));
        if has(&one) && lacks(&other) {
            return Ok([one, other]);
        }
        if has(&other) && lacks(&one) {
            return Ok([other, one]);
        }
        ensure!(began.elapsed() < PATIENCE, "not settled: {one}\n{other}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
