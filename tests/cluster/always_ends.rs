//! I10: access ends even if Pimpernel is dead. In real time, so this takes a quarter of an hour: it begins first (tests run
//! in the order of their names) and runs beside all others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use tokio::task::JoinSet;

use crate::common::cast::Stage;
use crate::common::proxy::Call;
use crate::common::rest::{Caller, object};
use crate::common::{Kind, SESSIONS, Wish, World, exists, until};

const MANY: usize = 100;
/// From the moment at which the first one is asked for; the last one has a quarter of an hour as well.
const LENGTH: SignedDuration = SignedDuration::from_secs(15 * 60 + 45);
/// How often each token is used: oftener than the API server forgets that it was good, which is after 10 s.
const PACE: Duration = Duration::from_secs(1);
/// How long before its end a session may lose its access: ten seconds by I10, the pace, and two fractions of a second.
const EARLY: SignedDuration = SignedDuration::from_secs(13);
/// For how long after the end the token is still tried.
const BEYOND: SignedDuration = SignedDuration::from_secs(20);
/// What is done in the session: the cheapest that needs its rights.
const USE: &str = "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/tenants/lsp-paris";

/// When the API server last accepted the token and first refused it, by its own clock, to the second below.
struct Seen {
    accepted: Timestamp,
    refused: Timestamp,
    requests: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_of_a_hundred_sessions_in_constant_use_none_outlives_its_end_although_the_operator_is_dead() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::unguarded(wish).await?).await?;
    employ(&stage).await?;
    let end = stage.admin.get("Tenant lsp/lsp").await?.date.context("a date")? + LENGTH;
    let tokens = open(&stage, end).await?;
    stage.world.crash_operator().await?;
    stage.world.rests();
    let mut tasks = JoinSet::new();
    for (number, token) in tokens.iter().enumerate() {
        let user = Caller::bearer(stage.world.plane(), token).await?;
        let first = PACE * u32::try_from(number)? / u32::try_from(MANY)?;
        tasks.spawn(async move {
            tokio::time::sleep(first).await;
            use_it(&user, end).await.with_context(|| name(number))
        });
    }
    let seen: Vec<Seen> = tasks.join_all().await.into_iter().collect::<Result<_>>()?;
    let accepted: Vec<Timestamp> = seen.iter().map(|seen| seen.accepted).collect();
    let (first, last) = (
        accepted.iter().min().context("none")?,
        accepted.iter().max().context("none")?,
    );
    eprintln!(
        "{} requests; last accepted from {} to {} before the end; refused from {} before the end on",
        seen.iter().map(|seen| seen.requests).sum::<usize>(),
        end.duration_since(*first),
        end.duration_since(*last),
        end.duration_since(seen.iter().map(|seen| seen.refused).min().context("none")?),
    );
    ensure!(*last < end, "accepted at {last}, though the session ended at {end}");
    ensure!(
        end.duration_since(*first) <= EARLY,
        "one was last accepted at {first}, though it lasts until {end}"
    );
    they_are_ended_before_all_else(&stage, end).await
}

fn name(number: usize) -> String {
    format!("quarter-hour-{number:02}")
}

fn user(number: usize) -> String {
    format!("desk-{number:02}@lsp.example")
}

/// Those who enter.
async fn employ(stage: &Stage) -> Result<()> {
    for number in 0..MANY {
        let spec = format!(
            "{{username: {}, state: Active, primaryRole: helper-desk}}",
            user(number)
        );
        let employee = object(&format!("Employee lsp/desk-{number:02}"), &spec);
        stage.admin.apply(&employee).await?.object()?;
    }
    for number in 0..MANY {
        stage.ready(&format!("Employee lsp/desk-{number:02}")).await?;
    }
    Ok(())
}

/// Opens all sessions with the same end, and gives the tokens.
async fn open(stage: &Stage, end: Timestamp) -> Result<Vec<String>> {
    for number in 0..MANY {
        let spec = format!(
            "{{mode: Support, impersonator: {}, reason: Shows that access ends by itself, notAfter: '{end}'}}",
            user(number)
        );
        let session = object(&format!("Impersonation lsp-paris/{}", name(number)), &spec);
        // By the administrator, who may name another.
        stage.admin.create(&session).await?.object()?;
    }
    let mut tokens = vec![];
    for number in 0..MANY {
        let which = format!("Impersonation lsp-paris/{}", name(number));
        let session = stage.says(&which, "Active", "True", "Open").await?;
        ensure!(
            session["status"]["expirationTime"] == end.to_string(),
            "{which} says that it ends at {}, not at {end}",
            session["status"]["expirationTime"]
        );
        let secret = session["status"]["credential"]["secretName"]
            .as_str()
            .context("a Secret")?;
        let secret = stage
            .admin
            .get(&format!("Secret {SESSIONS}/{secret}"))
            .await?
            .object()?;
        let token: ByteString = serde_json::from_value(secret["data"]["token"].clone())?;
        tokens.push(String::from_utf8(token.0)?);
    }
    Ok(tokens)
}

/// Uses a token without a rest until it has been refused for a while after the end.
async fn use_it(user: &Caller, end: Timestamp) -> Result<Seen> {
    let limit = Instant::now() + Duration::from_mins(18);
    let (mut accepted, mut refused, mut requests) = (None, None, 0);
    loop {
        ensure!(Instant::now() < limit, "the API server's clock stands still");
        let answer = user.send("GET", USE, None).await?;
        let now = answer.date.context("the answer has no date")?;
        requests += 1;
        match answer.code {
            200 => accepted = Some(now),
            401 => {
                refused.get_or_insert(now);
            }
            code => ensure!(false, "neither accepted nor unknown but {code}: {}", answer.message()),
        }
        if now.duration_since(end) >= BEYOND {
            break;
        }
        // The pace is the point: a token in constant use lives longer than one that rests.
        tokio::time::sleep(PACE).await;
    }
    Ok(Seen {
        accepted: accepted.context("the token never worked")?,
        refused: refused.context("the token still works")?,
        requests,
    })
}

/// An operator that finds all of them overdue, and other work, ends them first, and each at its end.
async fn they_are_ended_before_all_else(stage: &Stage, end: Timestamp) -> Result<()> {
    let role =
        "{displayName: Valet, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}";
    stage
        .admin
        .apply(&object("Role lsp-paris/valet", role))
        .await?
        .object()?;
    let proxy = stage.world.proxy()?;
    proxy.calls();
    stage.world.start_operator()?;
    stage.ready("Role lsp-paris/valet").await?;
    for number in 0..MANY {
        let which = format!("Impersonation lsp-paris/{}", name(number));
        let over = stage.says(&which, "Active", "False", "Expired").await?;
        ensure!(
            over["status"]["endTime"] == end.to_string(),
            "{which} ended at {}, not at {end}",
            over["status"]["endTime"]
        );
    }
    goes::<ServiceAccount>(stage).await?;
    goes::<Secret>(stage).await?;
    let writes: Vec<Call> = proxy.calls().into_iter().filter(Call::is_write).collect();
    let withdrawn =
        |call: &Call| call.method == "DELETE" && call.path.contains("/rolebindings/") && call.is_of_a_session();
    let first = writes.first().context("it wrote nothing")?;
    ensure!(withdrawn(first), "the first write is {first:?}");
    let rights = |call: &Call| withdrawn(call) && call.path.contains("/lsp-paris/") && !call.path.ends_with("self");
    let more = writes
        .iter()
        .position(|call| !withdrawn(call))
        .context("nothing but bindings was withdrawn")?;
    let before = writes[..more].iter().filter(|call| rights(call)).count();
    ensure!(
        before == MANY,
        "more was done for one when only {before} of {MANY} had lost their rights"
    );
    let other = writes
        .iter()
        .position(|call| !call.is_of_a_session())
        .context("nothing else was written")?;
    let before = writes[..other].iter().filter(|call| withdrawn(call)).count();
    ensure!(
        before == 3 * MANY,
        "other work came after {before} of {} withdrawals",
        3 * MANY
    );
    Ok(())
}

/// Waits until all of a kind is gone that is there for sessions.
async fn goes<K>(stage: &Stage) -> Result<()>
where
    K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let there = || stage.world.api::<K>(SESSIONS);
    let of_sessions = ListParams::default().labels("pimpernel.dev/derived");
    for left in there().list_metadata(&of_sessions).await? {
        until(there(), &left.name_any(), exists(false)).await?;
    }
    Ok(())
}
