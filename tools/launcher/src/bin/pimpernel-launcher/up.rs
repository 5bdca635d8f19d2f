//! A control plane that stays: `up` starts it, `down` ends it.
//!
//! Its folder in the cache is the whole memory of it: each program leaves a record of itself there before it is waited
//! for, so that `down` also finds what an `up` that was killed has left behind.

use std::fs::{self, File};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pimpernel_launcher::process::Record;
use pimpernel_launcher::{Assets, ControlPlane, Lifetime, Operator, OperatorOptions, Options, assets, operator};

use crate::{say, timed};

const READY: Duration = Duration::from_secs(30);
/// What the operator gets to end by itself; the control plane is thrown away and needs no time.
const GRACE: Duration = Duration::from_secs(30);

/// Starts a control plane, and the operator if given, that outlive this command. What it prints is for a shell to evaluate,
/// which must not go on in another cluster if this one is not there.
pub fn up(binary: Option<&Path>) -> Result<()> {
    start(binary).inspect_err(|_| {
        let _ = writeln!(stdout(), "export KUBECONFIG=/dev/null; false");
    })
}

fn start(binary: Option<&Path>) -> Result<()> {
    let place = place()?;
    refuse_if_up(&place)?;
    let binary = binary.map(|path| {
        path.canonicalize()
            .with_context(|| format!("there is no operator at `{}`", path.display()))
    });
    let binary = binary.transpose()?;
    let assets = Assets::find_or_build()?;
    let options = Options {
        folder: Some(place),
        lifetime: Lifetime::Independent,
        ..Options::default()
    };
    let cluster = timed("control plane ready", || ControlPlane::start(&options))?;
    let programs = binary.as_deref().and_then(Path::parent).map(Path::to_owned);
    let running = binary.map(|binary| start_operator(&cluster, binary)).transpose()?;
    let kubeconfig = cluster.admin().display().to_string();
    say(format_args!(
        "logs are in {}, kubectl is in {}",
        cluster.dir().display(),
        assets.folder().display()
    ));
    if let Some(programs) = programs {
        say(format_args!(
            "`kubectl pimpernel` and its completion are in {}: put that on the PATH",
            programs.display()
        ));
    }
    say("it stays until `make down`; to use it in this shell:");
    writeln!(stdout(), "export KUBECONFIG='{kubeconfig}'").context("cannot write to stdout")?;
    // Only now: whatever fails before this takes all down again.
    running.map(Operator::detach);
    cluster.detach();
    Ok(())
}

fn start_operator(cluster: &ControlPlane, binary: PathBuf) -> Result<Operator> {
    timed("operator installed", || Operator::install(cluster))?;
    timed("operator ready", || {
        let options = OperatorOptions {
            lifetime: Lifetime::Independent,
            ..OperatorOptions::new(binary)
        };
        let running = Operator::start(cluster, &options)?;
        running.wait_ready(READY)?;
        Ok(running)
    })
}

/// Ends what `up` started and forgets it.
pub fn down() -> Result<()> {
    let place = place()?;
    if !place.exists() {
        say("nothing is up");
        return Ok(());
    }
    refuse_if_starting(&place)?;
    timed("all stopped", || {
        end_all(&place)?;
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove `{}`", place.display()))
    })
}

fn end_all(place: &Path) -> Result<()> {
    let records = Record::read_all(place)?;
    let (operators, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.name == operator::USER);
    operators.iter().try_for_each(|record| record.end(Some(GRACE)))?;
    others.iter().try_for_each(|record| record.end(None))
}

fn refuse_if_up(place: &Path) -> Result<()> {
    if !place.exists() {
        return Ok(());
    }
    refuse_if_starting(place)?;
    if let Some(record) = Record::read_all(place)?.iter().find(|record| record.runs()) {
        bail!(
            "a control plane is up already ({} is process {}): end it with `make down`",
            record.name,
            record.pid
        );
    }
    // The machine was started anew, or somebody ended the programs.
    fs::remove_dir_all(place).with_context(|| format!("cannot remove what is left in `{}`", place.display()))
}

/// The folder is locked for as long as somebody is at work on it.
fn refuse_if_starting(place: &Path) -> Result<()> {
    let folder = File::open(place).with_context(|| format!("cannot look into `{}`", place.display()))?;
    if folder.try_lock().is_err() {
        bail!(
            "another `make up` is just starting in `{}`: wait for it",
            place.display()
        );
    }
    Ok(())
}

fn place() -> Result<PathBuf> {
    Ok(assets::cache_folder()?.join("up"))
}
