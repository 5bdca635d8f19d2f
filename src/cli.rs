//! The command line, under two names: `pimpernel`, and `kubectl pimpernel` as a plugin. It asks `policy`, as the webhook and
//! the controllers do, and knows nothing of either.
//!
//! Data goes to standard output and nothing else does; what is told to people goes to standard error. The exit code is 0 if
//! all is well, 1 if something was found or refused, and 2 if the command could not be run.

pub mod check;
mod cluster;
mod output;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

/// Tenants, roles, employees and impersonation, from the command line.
///
/// Exit codes: 0 all is well, 1 something was found or refused, 2 the command could not be run.
#[derive(Parser)]
#[command(name = "pimpernel", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
}

/// How a command that could be run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Fine,
    /// Something was found, or the cluster refused.
    Refused,
}

impl Command {
    async fn run(self) -> Result<Outcome> {
        match self {
            Self::Check(check) => check.run().await,
        }
    }
}

/// Runs the command line as `program` and tells how it came out.
pub fn main(program: &'static str) -> ExitCode {
    let matches = Arguments::command().bin_name(program).get_matches();
    let run = Arguments::from_arg_matches(&matches).map_err(anyhow::Error::from);
    let outcome = run.and_then(|arguments| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(arguments.command.run())
    });
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Says why the command could not be run: `error: ` and what failed, the outermost step first.
fn complain(error: &anyhow::Error) {
    let nobody_reads = |cause: &std::io::Error| cause.kind() == ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(nobody_reads) {
        return;
    }
    let steps = error.chain().map(|cause| match cause.downcast_ref() {
        Some(kube::Error::Api(status)) if !status.message.is_empty() => status.message.clone(),
        _ => cause.to_string(),
    });
    // Some errors repeat their cause in their own words.
    let mut said: Vec<String> = vec![];
    for step in steps {
        if !said.iter().any(|said| said.contains(&step)) {
            said.push(step);
        }
    }
    let style = output::BAD;
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {}", said.join(": "));
}
