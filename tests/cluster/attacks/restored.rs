//! A25: a restore of etcd brings back a session that was over. Nobody can tell it from one that goes on; its end holds.

use super::*;
use crate::common::Wish;
use jiff::SignedDuration;

const CASE: &str = "Impersonation lsp-paris/case";

#[tokio::test(flavor = "multi_thread")]
async fn a25_i10_a_session_that_a_restore_brings_back_ends_at_its_end_and_past_that_is_not_opened() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let session = Session::open(&stage, CASE, ("Support", MARGUERITE), "duration: 20m").await?;
    stage.world.crash_operator().await?;
    let backup = stage.world.plane().back_up()?;
    stage.world.start_operator()?;
    session.stop(stage.caller(MARGUERITE)).await?.object()?;
    session.ended(&stage, "Stopped").await?;

    restore(&stage, &backup)?;
    let back = stage.says(CASE, "Active", "True", "Open").await?;
    ensure!(
        back["status"]["expirationTime"] == session.end.to_string(),
        "its end is {}, not {}",
        back["status"]["expirationTime"],
        session.end
    );
    let again = Session::opened(&stage, CASE, MARGUERITE).await?;
    ensure!(again.token == session.token, "it has another credential");
    again.dies_in_time()?;
    stage.world.proxy()?.date_ahead(SignedDuration::from_mins(21));
    let over = session.ended(&stage, "Expired").await?;
    ensure!(
        over["status"]["endTime"] == session.end.to_string(),
        "{}",
        over["status"]
    );

    // Once more, when its end has passed already.
    restore(&stage, &backup)?;
    let over = session.ended(&stage, "Expired").await?;
    ensure!(
        over["status"]["endTime"] == session.end.to_string(),
        "{}",
        over["status"]
    );
    Ok(())
}

/// Puts back what was there, as whoever restores a cluster does: with everything stopped that knows what came later.
fn restore(stage: &Stage, backup: &std::path::Path) -> Result<()> {
    stage.world.kill_operator()?;
    stage.world.plane().restore(backup)?;
    stage.world.start_operator()
}
