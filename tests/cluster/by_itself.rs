//! What changes without anybody writing: windows open and close, trials end, and what waited becomes right when the rest
//! arrives.

use std::time::{Instant, SystemTime};

use crate::common::cast::Stage;
use crate::common::rest::{name_of, object, told};
use crate::common::{PATIENCE, World, eventually_may, may};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const SKILLS: (&str, &str, &str) = ("edit", "skills.acd.apps.pimpernel.dev", "lsp-paris");
const LATENESS: &str = "pimpernel_deadline_lateness_seconds_count";

/// A right that comes or goes by itself.
struct Turn {
    what: &'static str,
    user: &'static str,
    right: (&'static str, &'static str, &'static str),
    at: Timestamp,
    becomes: bool,
}

#[tokio::test]
async fn e10_e2_t5_t6_what_is_limited_in_time_comes_and_goes_at_its_second() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    too_many_employees_are_told_and_not_blocked(&stage).await?;
    let start = stage.admin.get("Namespace default").await?.date.context("a date")?;
    let turns = turns(start, &stage).await?;
    let before = stage.world.metric(LATENESS)?.unwrap_or_default();
    nothing_is_looked_at_meanwhile(&stage).await?;
    for turn in &turns {
        comes_in_time(turn, &stage).await?;
    }
    let after = stage.world.metric(LATENESS)?.unwrap_or_default();
    ensure!(
        after - before >= 4.0,
        "the metric counts {before} before and {after} after"
    );
    Ok(())
}

/// Declares what has a limit in time; what comes of it, in the order of time.
async fn turns(start: Timestamp, stage: &Stage) -> Result<Vec<Turn>> {
    let after = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let windowed = format!(
        "{{username: galloway@lsp-paris.example, state: Active, primaryRole: team-lead, validFrom: {}, validUntil: {}}}",
        after(10),
        after(13)
    );
    let seconded = format!(
        "{{username: hastings@lsp-paris.example, state: Active, primaryRole: porter, secondaryRoles: [{{name: team-lead, until: {}}}]}}",
        after(11)
    );
    stage
        .given("Role lsp-paris/porter", "{displayName: Porter, state: Active}")
        .await?;
    stage.given("Employee lsp-paris/windowed", &windowed).await?;
    stage.given("Employee lsp-paris/seconded", &seconded).await?;
    stage.admin.apply(&object("Namespace on-trial", "{}")).await?.object()?;
    let trial = format!(
        "{{displayName: On Trial, type: Customer, parent: lsp, state: Active, trial: {{expiresAt: {}}}}}",
        after(12)
    );
    stage.given("Tenant on-trial/on-trial", &trial).await?;
    let lines = "permissions: [{application: admin, permission: employees, actions: [View]}]";
    let viewer = format!("{{displayName: Viewer, state: Active, {lines}}}");
    stage.given("Role on-trial/viewer", &viewer).await?;
    let guest = "{username: guest@trial.example, state: Active, primaryRole: viewer}";
    stage.given("Employee on-trial/guest", guest).await?;
    let view = ("list", "employees.pimpernel.dev", "on-trial");
    for (user, right, has) in [
        ("galloway@lsp-paris.example", SKILLS, false),
        ("hastings@lsp-paris.example", SKILLS, true),
        ("guest@trial.example", view, true),
    ] {
        eventually_may(&stage.world.client(), user, right, has).await?;
    }
    let turn = |what, user, right, seconds, becomes| Turn {
        what,
        user,
        right,
        at: after(seconds),
        becomes,
    };
    Ok(vec![
        turn("E10: a window opens", "galloway@lsp-paris.example", SKILLS, 10, true),
        turn(
            "E2: a secondary role ends",
            "hastings@lsp-paris.example",
            SKILLS,
            11,
            false,
        ),
        turn("T5: a trial ends", "guest@trial.example", view, 12, false),
        turn("E10: a window closes", "galloway@lsp-paris.example", SKILLS, 13, false),
    ])
}

async fn nothing_is_looked_at_meanwhile(stage: &Stage) -> Result<()> {
    let looks = || stage.world.metric("pimpernel_reconciles_total");
    let mut seen = looks()?;
    let began = Instant::now();
    // Counts of what was just declared follow within a second or two.
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        let now = looks()?;
        if now == seen {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "the operator goes on looking: {seen:?}, {now:?}"
        );
        seen = now;
    }
}

/// The API server and the test share a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is finer than the second of an answer's `Date`"
)]
fn now() -> Result<Timestamp> {
    Ok(Timestamp::try_from(SystemTime::now())?)
}

async fn comes_in_time(turn: &Turn, stage: &Stage) -> Result<()> {
    let client = stage.world.client();
    let (mut early, what) = (0, turn.what);
    loop {
        let asked = now()?;
        let has = may(&client, turn.user, turn.right).await?;
        if has == turn.becomes {
            let answered = now()?;
            ensure!(answered >= turn.at, "{what}: seen at {answered}, before {}", turn.at);
            eprintln!("{what}: seen {} after its instant", asked.duration_since(turn.at));
            ensure!(early > 0, "{what}: was so already");
            return Ok(());
        }
        early += 1;
        ensure!(
            asked.duration_since(turn.at) < SignedDuration::from_secs(10),
            "{what}: does not come"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn too_many_employees_are_told_and_not_blocked(stage: &Stage) -> Result<()> {
    let tenant =
        |cap: u32| format!("{{displayName: Crowd, type: Customer, parent: lsp, state: Active, userCap: {cap}}}");
    stage.admin.apply(&object("Namespace crowd", "{}")).await?.object()?;
    stage.given("Tenant crowd/crowd", &tenant(1)).await?;
    stage
        .given("Role crowd/any", "{displayName: Any, state: Active}")
        .await?;
    for name in ["one", "two"] {
        let spec = format!("{{username: {name}@crowd.example, state: Active, primaryRole: any}}");
        stage.given(&format!("Employee crowd/{name}"), &spec).await?;
        stage.ready(&format!("Employee crowd/{name}")).await?;
    }
    let crowded = stage
        .says("Tenant crowd/crowd", "UserCapExceeded", "True", "UserCapExceeded")
        .await?;
    let (ready, ..) = told(&crowded, "Ready").context("no condition Ready")?;
    ensure!(ready == "True", "a soft cap makes nothing fail");
    ensure!(told(&crowded, "Stalled").is_none(), "nobody must act");
    stage.given("Tenant crowd/crowd", &tenant(2)).await?;
    let spoken = |tenant: Option<&Value>| told(tenant?, "UserCapExceeded").is_none().then_some(());
    stage.admin.await_object("Tenant crowd/crowd", spoken).await
}

/// A customer below a partner below a provider, with a role and a person.
fn family(number: usize) -> Vec<Value> {
    let (top, mid, low) = (
        format!("top-{number}"),
        format!("mid-{number}"),
        format!("low-{number}"),
    );
    let lines = "permissions: [{application: acd, permission: skills, actions: [View]}]";
    vec![
        object(
            &format!("Tenant {top}/{top}"),
            "{displayName: Top, type: Provider, state: Active}",
        ),
        object(
            &format!("Tenant {mid}/{mid}"),
            &format!("{{displayName: Mid, type: Partner, parent: {top}, state: Active}}"),
        ),
        object(
            &format!("Tenant {low}/{low}"),
            &format!("{{displayName: Low, type: Customer, parent: {mid}, state: Active, applications: [acd]}}"),
        ),
        object(
            &format!("Role {low}/viewer"),
            &format!("{{displayName: Viewer, state: Active, {lines}}}"),
        ),
        object(
            &format!("Employee {low}/person"),
            &format!("{{username: person-{number}@low.example, state: Active, primaryRole: viewer}}"),
        ),
    ]
}

#[tokio::test]
async fn what_refers_to_what_is_not_there_yet_waits_in_whatever_order_it_is_applied() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let orders: [[usize; 5]; 5] = [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [4, 2, 3, 0, 1],
        [2, 4, 1, 3, 0],
        [3, 0, 4, 2, 1],
    ];
    for (number, order) in orders.iter().enumerate() {
        in_order(number, order, &stage)
            .await
            .with_context(|| format!("{order:?}"))?;
    }
    let listed = stage.world.kubectl(&["get", "pimpernel", "-A"])?;
    for line in listed
        .lines()
        .filter(|line| (line.starts_with("low-") || line.starts_with("mid-")) && !line.contains("changerecord"))
    {
        ensure!(
            line.contains("Active") && line.contains("True"),
            "the list does not show the state: {line}"
        );
    }
    Ok(())
}

async fn in_order(number: usize, order: &[usize], stage: &Stage) -> Result<()> {
    let family = family(number);
    for object in &family {
        let namespace = object["metadata"]["namespace"].as_str().context("a namespace")?;
        stage.namespace(namespace).await?;
    }
    let mut waiting = 0;
    for index in order {
        let object = &family[*index];
        let answer = stage.admin.apply(object).await?;
        let warned = answer.warnings.iter().any(|warning| warning.contains("yet"));
        answer.object()?;
        let judged = stage.admin.judged(&name_of(object)).await?;
        let (ready, reason, message) = told(&judged, "Ready").context("no condition Ready")?;
        ensure!(told(&judged, "Stalled").is_none(), "{}: {message}", name_of(object));
        if ready == "False" {
            waiting += 1;
            ensure!(
                warned,
                "{} waits ({reason}) and was admitted without a warning",
                name_of(object)
            );
            told(&judged, "Reconciling").context("what waits is being worked on")?;
        }
    }
    for object in &family {
        stage.ready(&name_of(object)).await?;
    }
    ensure!((waiting > 0) == (order != [0, 1, 2, 3, 4]), "{waiting} waited");
    let view = ("view", "skills.acd.apps.pimpernel.dev", &*format!("low-{number}"));
    eventually_may(
        &stage.world.client(),
        &format!("person-{number}@low.example"),
        view,
        true,
    )
    .await
}
