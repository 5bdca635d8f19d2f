//! I10: access ends even if Pimpernel is dead. In real time, so this takes a quarter of an hour: it begins first (tests run
//! in the order of their names) and runs beside all others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use pimpernel::api::{self, Mode};

use crate::common::rest::Caller;
use crate::common::{SESSIONS, World};

const IMPERSONATOR: &str = "dewhurst@lsp.example";
/// How often the token is used: far oftener than the API server forgets that it was good, which is after 10 s.
const PACE: Duration = Duration::from_millis(250);
/// How long before its end a session may lose its access.
const EARLY: SignedDuration = SignedDuration::from_secs(12);
/// For how long after the end the token is still tried.
const BEYOND: SignedDuration = SignedDuration::from_secs(20);

fn session() -> api::Impersonation {
    let spec = api::ImpersonationSpec {
        mode: Mode::Support,
        impersonator: IMPERSONATOR.to_owned(),
        reason: "Shows that access ends although nobody ends it".to_owned(),
        ticket: None,
        duration: Some(api::Duration::new("15m")),
        not_after: None,
        stop: false,
    };
    api::Impersonation::new("quarter-hour", spec)
}

/// When the API server last accepted the token and first refused it, by its own clock, to the second below.
struct Seen {
    accepted: Timestamp,
    refused: Timestamp,
    requests: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_session_in_constant_use_ends_on_time_although_the_operator_is_dead() -> Result<()> {
    let world = World::start().await?;
    world.quickstart_without_session().await?;
    let open = world.enter("lsp-paris", &session()).await?;
    let created = open
        .metadata
        .creation_timestamp
        .as_ref()
        .context("the session was never created")?
        .0;
    let end = created.checked_add(SignedDuration::from_mins(15))?;
    let told = open.status.as_ref().and_then(|status| status.expiration_time.as_ref());
    ensure!(
        told.map(|time| time.0) == Some(end),
        "the status says that it ends at {told:?}, not at {end}"
    );

    let user = Caller::bearer(world.plane(), &token(&world, &open).await?).await?;
    world.kill_operator()?;
    world.rests();
    let seen = poll(&user, end).await?;
    eprintln!(
        "{} requests; last accepted {} before the end, first refused {}",
        seen.requests,
        end.duration_since(seen.accepted),
        end.duration_since(seen.refused)
    );
    ensure!(
        seen.accepted < end,
        "accepted at {}, though the session ended at {end}",
        seen.accepted
    );
    ensure!(
        end.duration_since(seen.accepted) <= EARLY,
        "refused from {} on, though the session lasts until {end}",
        seen.refused
    );
    Ok(())
}

/// The session's credential, read by the impersonator herself.
async fn token(world: &World, session: &api::Impersonation) -> Result<String> {
    let credential = session.status.as_ref().and_then(|status| status.credential.as_ref());
    let name = &credential.context("the status names no credential")?.secret_name;
    let theirs: Api<Secret> = Api::namespaced(world.client_of(IMPERSONATOR).await?, SESSIONS);
    let data = theirs.get(name).await?.data.context("the Secret is empty")?;
    let token = data.get("token").context("the Secret has no token")?;
    Ok(String::from_utf8(token.0.clone())?)
}

/// Uses the token without pause until it has been refused for a while after the end.
async fn poll(user: &Caller, end: Timestamp) -> Result<Seen> {
    let limit = Instant::now() + Duration::from_mins(18);
    let (mut accepted, mut refused, mut requests) = (None, None, 0);
    loop {
        ensure!(Instant::now() < limit, "the API server's clock stands still");
        let answer = user
            .send(
                "GET",
                "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/employees",
                None,
            )
            .await?;
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
