//! The demo: walks, each through a control plane of its own.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pimpernel_launcher::interrupt::Interrupted;
use pimpernel_launcher::{Assets, ControlPlane, Operator, OperatorOptions, Options, Walk};

use crate::{say, timed};

const READY: Duration = Duration::from_secs(30);

/// For each walk starts everything, walks, stops everything. Fails unless all came out as written.
pub fn run(operator: &Path, walks: &[PathBuf]) -> Result<()> {
    // Mistakes of form are found before anything is started.
    let walks = walks.iter().map(|walk| Walk::read(walk)).collect::<Result<Vec<_>>>()?;
    // A step runs elsewhere, so a relative path would lead it elsewhere.
    let operator = operator
        .canonicalize()
        .with_context(|| format!("there is no operator at `{}`", operator.display()))?;
    Assets::find_or_build()?;
    walks.iter().try_for_each(|walk| play(&operator, walk))
}

fn play(operator: &Path, walk: &Walk) -> Result<()> {
    let plane = timed("control plane ready", || ControlPlane::start(&Options::default()))?;
    timed("operator installed", || Operator::install(&plane))?;
    let running = timed("operator ready", || {
        let running = Operator::start(&plane, &OperatorOptions::new(operator))?;
        running.wait_ready(READY)?;
        Ok(running)
    })?;
    let started = Instant::now();
    let beside: Vec<PathBuf> = operator.parent().map(Path::to_path_buf).into_iter().collect();
    let steps = walk.run(&plane, &beside, &mut stdout().lock());
    let steps = steps.inspect_err(|error| {
        let _ = stdout().flush();
        if !error.is::<Interrupted>() {
            say(format_args!("\nthe operator's log ends with\n{}", running.log_end()));
        }
    })?;
    say(format_args!(
        "\n{steps} steps came out as written in {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    let status = running.terminate()?;
    if !status.success() {
        bail!(
            "the operator ended with {status} when asked to; its log ends with\n{}",
            running.log_end()
        );
    }
    timed("all stopped", || plane.stop())
}
