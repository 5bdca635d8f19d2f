//! The quickstart, as the demo plays it.

use anyhow::{Context, Result};
use pimpernel_launcher::{Walk, repository};

use crate::common::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_comes_out_as_written() -> Result<()> {
    let walk = Walk::read(&repository().join("examples/quickstart/walk.txt"))?;
    let world = World::start().await?;
    let mut said = vec![];
    let steps = walk.run(world.plane(), &[], &mut said);
    let steps = steps.with_context(|| String::from_utf8_lossy(&said).into_owned())?;
    assert!(steps > 20, "only {steps} steps were played");
    assert!(world.stop_operator()?.success());
    Ok(())
}
