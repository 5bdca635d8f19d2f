//! The command line of the launcher: what `make demo`, `make up` and `make down` call.
//!
//! What a program may want to read goes to stdout, all else to stderr. A signal ends the command in order: what it
//! started is stopped, what it wrote outside the cache is removed, and the exit code is 130.

#![forbid(unsafe_code)]

mod demo;
mod up;

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use pimpernel_launcher::interrupt::{self, Interrupted};
use pimpernel_launcher::{Assets, assets, manifest, repository};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Runs a real Kubernetes control plane on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Builds what a control plane needs, if it is missing, and prints the folder
    Assets,
    /// Builds Helm, in each major version that the chart is tested with, if it is missing, and prints the programs
    Helms,
    /// Builds promtool, with which alerts are tested, if it is missing, and prints the program
    Promtool,
    /// Prints one file with which kubectl installs everything
    Manifest {
        /// Arguments of Helm, such as `--set replicas=3`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Starts a control plane, walks a script in it and stops it again, for each script
    Demo {
        /// The program of the operator
        #[arg(long)]
        operator: PathBuf,
        /// The scripts, each with a control plane of its own [default: the quickstart's and the stories']
        walks: Vec<PathBuf>,
    },
    /// Starts a control plane that stays until `down`
    Up {
        /// The program of the operator, to be installed and started too
        #[arg(long)]
        operator: Option<PathBuf>,
    },
    /// Stops the control plane that `up` started
    Down,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match listen_to_signals().and_then(|()| run(arguments.action)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => {
            say("interrupted; all is stopped");
            ExitCode::from(130)
        }
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<()> {
    match action {
        Action::Assets => {
            let assets = Assets::find_or_build()?;
            writeln!(stdout(), "{}", assets.folder().display()).context("cannot write to stdout")
        }
        Action::Helms => {
            let lines = assets::helms()?.map(|helm| format!("{}\n", helm.display()));
            write!(stdout(), "{}", lines.concat()).context("cannot write to stdout")
        }
        Action::Promtool => {
            let promtool = assets::promtool()?;
            writeln!(stdout(), "{}", promtool.display()).context("cannot write to stdout")
        }
        Action::Manifest { arguments } => {
            let [helm, _] = assets::helms()?;
            write!(stdout(), "{}", manifest::rendered(&helm, &arguments)?).context("cannot write to stdout")
        }
        Action::Demo { operator, walks } if walks.is_empty() => {
            let both = ["examples/quickstart/walk.txt", "examples/stories/walk.txt"];
            demo::run(&operator, &both.map(|walk| repository().join(walk)))
        }
        Action::Demo { operator, walks } => demo::run(&operator, &walks),
        Action::Up { operator } => up::up(operator.as_deref()),
        Action::Down => up::down(),
    }
}

fn listen_to_signals() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, interrupt::flag()).context("cannot listen to signals")?;
    }
    Ok(())
}

/// A line on stderr.
fn say(line: impl Display) {
    let _ = writeln!(stderr(), "{line}");
}

/// Does something and says how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let done = work()?;
    say(format_args!("{what} in {:.1} s", started.elapsed().as_secs_f32()));
    Ok(done)
}
