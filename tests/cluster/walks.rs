//! The quickstart and the stories, as the demo plays them.

use anyhow::{Context, Result};
use pimpernel_launcher::{Walk, repository};
use std::path::{Path, PathBuf};

use crate::common::World;

/// Plays a walk of `examples/`, which must have more steps than that.
async fn comes_out_as_written(walk: &str, least: usize) -> Result<()> {
    let walk = Walk::read(&repository().join("examples").join(walk))?;
    let world = World::start().await?;
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-pimpernel"));
    let beside: Vec<PathBuf> = plugin.parent().map(Path::to_path_buf).into_iter().collect();
    let mut said = vec![];
    let steps = walk.run(world.plane(), &beside, &mut said);
    let steps = steps.with_context(|| String::from_utf8_lossy(&said).into_owned())?;
    assert!(steps > least, "only {steps} steps were played");
    assert!(world.stop_operator()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_comes_out_as_written() -> Result<()> {
    comes_out_as_written("quickstart/walk.txt", 20).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stories_come_out_as_written() -> Result<()> {
    comes_out_as_written("stories/walk.txt", 30).await
}
