//! A leader that stood still for a while, and does not know yet that another one has taken over.

use super::*;
use crate::common::metric;
use pimpernel_launcher::wait;

#[tokio::test(flavor = "multi_thread")]
async fn i9_a_leader_that_goes_on_beside_its_successor_writes_nothing() -> Result<()> {
    let wish = Wish {
        audit: true,
        args: &SHORT_LEASE,
        ..Wish::default()
    };
    // Without the webhook, which would be asked at the address of the one that stands still.
    let stage = Stage::set(World::unguarded(wish).await?).await?;
    let stopped = Session::open(&stage, CASE, ("Support", MARGUERITE), "").await?;
    let lost = Session::open(&stage, "Impersonation lsp-paris/lost", ("Configure", FFOULKES), "").await?;
    let successor = stage.world.another_operator()?;
    audit::quiet(stage.world.plane())?;
    stage.world.signal_operator("STOP")?;
    wait::until("the other process to lead", PATIENCE, || {
        Ok((metric(&successor, "pimpernel_leader")? == Some(1.0)).then_some(()))
    })?;
    stopped.stop(stage.caller(MARGUERITE)).await?.object()?;
    stopped.ended_by_another(&stage, "Stopped").await?;
    let away = json!({"spec": {"state": "Inactive"}});
    stage.admin.merge("Employee lsp/andrew", &away).await?.object()?;
    lost.ended_by_another(&stage, "Withdrawn").await?;
    // What gives access to somebody whose session the first one knows to be open, and what it has never heard of.
    let next = Session::open(&stage, "Impersonation lsp-paris/next", ("Support", MARGUERITE), "").await?;
    let waiting = Session::open(&stage, "Impersonation lsp-calais/waiting", ("Configure", DEWHURST), "").await?;
    audit::quiet(stage.world.plane())?;
    let place = audit::here(stage.world.plane())?;
    stage.world.signal_operator("CONT")?;
    wait::until("the first process to give up", PATIENCE, || {
        Ok(stage.world.metric("pimpernel_leader").is_err().then_some(()))
    })?;
    audit::quiet(stage.world.plane())?;
    let writes = audit::writes_since(stage.world.plane(), place)?;
    ensure!(writes.is_empty(), "it wrote{}", audit::list(&writes));
    for session in [&next, &waiting] {
        stage.says(&session.which, "Active", "True", "Open").await?;
        ensure!(
            session.inside.may("list", EMPLOYEES, session.namespace()).await?,
            "{} gives nothing any more",
            session.which
        );
    }
    for session in [&stopped, &lost] {
        ensure!(session.objects(&stage).await?.is_empty(), "{} is back", session.which);
    }
    next.stop(stage.caller(MARGUERITE)).await?.object()?;
    next.ended_by_another(&stage, "Stopped").await?;
    ensure!(successor.terminate()?.success(), "the successor did not end well");
    Ok(())
}
