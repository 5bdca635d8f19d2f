//! I10: the time is the API server's. What the node's clock says opens and ends nothing; a suspend delays no ending; and
//! where even the API server's date is false, nothing is open past the true end.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};

use crate::common::cast::{DEWHURST, FFOULKES, MARGUERITE, Stage};
use crate::common::rest::object;
use crate::common::session::Session;
use crate::common::{PATIENCE, SESSIONS, Wish, World};
use pimpernel_launcher::wait;

const LENGTH: SignedDuration = SignedDuration::from_mins(20);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const TEN_YEARS: SignedDuration = SignedDuration::from_hours(24 * 3652);
const EMPLOYEES: &str = "employees.pimpernel.dev";

#[tokio::test]
async fn i10_the_nodes_clock_opens_and_ends_nothing() -> Result<()> {
    let wish = Wish {
        node_clock: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let old = open(&stage, "old", DEWHURST).await?;
    for (number, ahead) in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS].into_iter().enumerate() {
        // It jumps while the operator works; then the operator is started with it.
        stage.world.node_clock_ahead(ahead)?;
        opens_and_ends(&stage, &format!("jump-{number}")).await?;
        stage.world.crash_operator().await?;
        stage.world.start_operator()?;
        opens_and_ends(&stage, &format!("start-{number}")).await?;
        is_open(&old, &stage).await?;
        it_is_told(&stage, ahead)?;
    }
    Ok(())
}

/// Opens a session with the right end, and ends it.
async fn opens_and_ends(stage: &Stage, name: &str) -> Result<()> {
    let session = open(stage, name, MARGUERITE).await?;
    let stopped = session.stop(stage.caller(MARGUERITE)).await?;
    let before = stopped.date.context("a date")?;
    stopped.object()?;
    let over = session.ended(stage, "Stopped").await?;
    let after = stage.admin.get(&session.which).await?.date.context("a date")?;
    let ended: Timestamp = over["status"]["endTime"].as_str().context("an end")?.parse()?;
    let tolerance = SignedDuration::from_secs(1);
    ensure!(
        ended >= before - tolerance && ended <= after,
        "{name}: it says that it ended at {ended}, and was stopped between {before} and {after}"
    );
    Ok(())
}

/// Opens a session, and proves that its end, and that of its token, is the right one.
async fn open(stage: &Stage, name: &str, user: &str) -> Result<Session> {
    let which = format!("Impersonation lsp-paris/{name}");
    let mode = if user == FFOULKES { "Configure" } else { "Support" };
    let session = Session::open(stage, &which, (mode, user), "duration: 20m").await;
    let session = session.with_context(|| which.clone())?;
    let created = stage.admin.get(&which).await?.object()?["metadata"]["creationTimestamp"].clone();
    let created: Timestamp = created.as_str().context("created")?.parse()?;
    ensure!(
        session.end == created + LENGTH,
        "{name} ends at {}, created {created}",
        session.end
    );
    session.dies_in_time()?;
    Ok(session)
}

async fn is_open(session: &Session, stage: &Stage) -> Result<()> {
    stage.says(&session.which, "Active", "True", "Open").await?;
    ensure!(
        session.inside.may("list", EMPLOYEES, "lsp-paris").await?,
        "{} gives nothing any more",
        session.which
    );
    Ok(())
}

/// A node whose clock is far off is a fault that is told.
fn it_is_told(stage: &Stage, ahead: SignedDuration) -> Result<()> {
    wait::until("the metric to tell how far the clock is off", PATIENCE, || {
        let told = stage.world.metric("pimpernel_clock_skew_seconds")?;
        Ok(told.filter(|told| (told - ahead.as_secs_f64()).abs() < 10.0))
    })?;
    ensure!(
        stage
            .world
            .log()
            .contains("the node's clock differs from the API server's"),
        "the log does not tell that the clock is off"
    );
    Ok(())
}

#[tokio::test]
async fn i10_under_a_false_date_nothing_is_open_past_the_true_end() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let proxy = stage.world.proxy()?;
    let before = open(&stage, "before", DEWHURST).await?;
    proxy.date_ahead(-HOUR);
    // The token that was asked for at first outlived the session by an hour, and was thrown away.
    let during = open(&stage, "during", FFOULKES).await?;
    is_open(&before, &stage).await?;
    is_open(&during, &stage).await?;
    proxy.date_ahead(HOUR);
    for session in [&before, &during] {
        let over = session.ended(&stage, "Expired").await?;
        ensure!(
            over["status"]["endTime"] == session.end.to_string(),
            "{} ended at {}, not at {}",
            session.which,
            over["status"]["endTime"],
            session.end
        );
    }
    let spec = format!("{{mode: Support, impersonator: {MARGUERITE}, reason: Whatever time it is, duration: 20m}}");
    let late = object("Impersonation lsp-paris/late", &spec);
    stage.caller(MARGUERITE).create(&late).await?.object()?;
    stage
        .says("Impersonation lsp-paris/late", "Active", "False", "Expired")
        .await?;
    ensure!(
        stage.admin.list("Secret", SESSIONS, "").await?.is_empty(),
        "it was opened although its end had passed"
    );
    proxy.date_ahead(SignedDuration::ZERO);
    proxy.await_answer(PATIENCE)?;
    let after = open(&stage, "after", MARGUERITE).await?;
    for which in [&before.which, &during.which, "Impersonation lsp-paris/late"] {
        stage.says(which, "Active", "False", "Expired").await?;
    }
    a_suspend_delays_no_ending(&stage, &after).await
}

/// While a node is suspended its monotonic clock stands still: for the operator the API server's time jumps.
async fn a_suspend_delays_no_ending(stage: &Stage, session: &Session) -> Result<()> {
    let proxy = stage.world.proxy()?;
    for (suspended, over) in [(LENGTH / 2, false), (LENGTH, true)] {
        stage.world.signal_operator("STOP")?;
        proxy.date_ahead(suspended);
        stage.world.signal_operator("CONT")?;
        if over {
            let over = session.ended(stage, "Expired").await?;
            ensure!(
                over["status"]["endTime"] == session.end.to_string(),
                "it ended at {}, not at {}",
                over["status"]["endTime"],
                session.end
            );
        } else {
            // What is judged from here on is judged at the later time.
            proxy.await_answer(PATIENCE)?;
            is_open(session, stage).await?;
        }
    }
    Ok(())
}
