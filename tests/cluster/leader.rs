//! One process of the operator works, the others stand by and take over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pimpernel::api;
use pimpernel_launcher::{Operator, wait};

use crate::common::{PATIENCE, SHORT_LEASE, Wish, World, audit, metric, says, until};

const LEASE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_writes_nothing_until_the_first_is_killed_or_told_to_stop() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        args: &SHORT_LEASE,
        ..Wish::default()
    })
    .await?;
    world.quickstart().await?;
    audit::quiet(world.plane())?;
    let before = audit::here(world.plane())?;
    let standby = world.another_operator()?;
    change(&world, "Marguerite").await?;
    assert_eq!(metric(&standby, "pimpernel_leader")?, Some(0.0));
    let queues = (
        world.metric("pimpernel_queue_depth")?,
        metric(&standby, "pimpernel_queue_depth")?,
    );
    assert!(queues.0.is_some() && queues.1.is_none(), "the leader alone: {queues:?}");
    let looks = metric(&standby, "pimpernel_reconciles_total")?.unwrap_or_default();
    assert!(looks == 0.0, "it looked at {looks} objects while another process leads");
    audit::quiet(world.plane())?;
    let written = audit::writes_since(world.plane(), before)?;
    let statuses = written
        .iter()
        .all(|write| write.resource == "employees.pimpernel.dev/status");
    assert!(statuses && written.len() == 1, "{}", audit::list(&written));

    world.kill_operator()?;
    let took = leads(&standby)?;
    eprintln!("after SIGKILL another process led after {took:?}");

    world.start_operator()?;
    change(&world, "Tony").await?;
    assert_eq!(world.metric("pimpernel_leader")?, Some(0.0));
    let ended = standby.terminate()?;
    assert!(ended.success(), "asked to end, it ended with {ended}");
    let began = Instant::now();
    wait::until("the other process to lead", PATIENCE, || {
        Ok((world.metric("pimpernel_leader")? == Some(1.0)).then_some(()))
    })?;
    let took = began.elapsed();
    eprintln!("after SIGTERM another process led after {took:?}");
    assert!(took < LEASE, "the Lease was not given back: it took {took:?}");
    change(&world, "Percy").await?;
    let ended = world.stop_operator()?;
    assert!(ended.success(), "asked to end, it ended with {ended}");
    Ok(())
}

fn leads(operator: &Operator) -> Result<Duration> {
    let began = Instant::now();
    wait::until("the standby to lead", PATIENCE, || {
        Ok((metric(operator, "pimpernel_leader")? == Some(1.0)).then_some(()))
    })?;
    Ok(began.elapsed())
}

/// A change that only a leader answers: the status then tells of the new generation.
async fn change(world: &World, first_name: &str) -> Result<()> {
    let patch = format!(r#"--patch={{"spec":{{"firstName":"{first_name}"}}}}"#);
    let employee = [
        "patch",
        "employee.pimpernel.dev/ffoulkes",
        "--namespace=lsp",
        "--type=merge",
        &patch,
    ];
    world.kubectl(&employee)?;
    let answered = until(world.api("lsp"), "ffoulkes", says::<api::Employee>("Ready", "True")).await?;
    let answered = answered.context("the employee is gone")?;
    assert_eq!(answered.spec.first_name.as_deref(), Some(first_name));
    Ok(())
}
