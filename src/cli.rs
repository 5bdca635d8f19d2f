//! The command line, under two names: `pimpernel`, and `kubectl pimpernel` as a plugin. It asks `policy`, as the webhook and
//! the controllers do, and knows nothing of either.
//!
//! Data goes to standard output and nothing else does; what is told to people goes to standard error. The exit code is 0 if
//! all is well, 1 if something was found or refused, and 2 if the command could not be run.

mod ask;
mod catalog;
pub mod check;
mod cluster;
mod completion;
mod consent;
mod explain;
mod history;
mod impersonate;
mod output;
mod picture;
mod purge;
mod roles;
mod session;
mod sessions;
mod stop;
mod tenants;
mod who;
mod write;

pub use ask::{Known, of_cluster as known, of_objects as known_of};
pub use cluster::{Cluster, whole};

use crate::api::ConsentDecision;
use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use completion::Named;
use jiff::Timestamp;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

/// Tenants, roles, employees and impersonation, from the command line.
#[derive(Parser)]
#[command(name = "pimpernel", version)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Check(check::Check),
    Explain(explain::Explain),
    WhoCan(who::WhoCan),
    WhyNot(who::WhyNot),
    Roles(Box<roles::Roles>),
    Tenants(tenants::Tenants),
    Catalog(catalog::Catalog),
    Impersonate(Box<impersonate::Impersonate>),
    Stop(stop::Stop),
    Sessions(sessions::Sessions),
    History(Box<history::History>),
    /// Let a session begin that asked for the consent of your tenant.
    Approve(consent::Answer),
    /// Refuse a session that asked for the consent of your tenant.
    Reject(consent::Answer),
    /// End a session in your tenant, whether or not it needed consent.
    Revoke(consent::Answer),
    Purge(Box<purge::Purge>),
    Completion(completion::Completion),
}

/// What the exit code of every command says.
const EXIT_CODES: &str = "Exit codes: 0 it is done or told, and the answer is not no; 1 the cluster refuses it or does not \
    show it to you, or the answer is no; 2 the command could not be run";

/// How wide help is at most, in columns.
const WIDTH: usize = 80;

/// How a command that could be run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Fine,
    /// Something was found, or the cluster refused.
    Refused,
    /// A command that was run for somebody came out like that.
    Ended(u8),
}

impl Verb {
    async fn run(self) -> Result<Outcome> {
        let outcome = match self {
            // What cannot be read cannot be judged.
            Self::Check(check) => return check.run().await,
            Self::Explain(explain) => explain.run().await,
            Self::WhoCan(who) => who.run().await,
            Self::WhyNot(why) => why.run().await,
            Self::Roles(roles) => roles.run().await,
            Self::Tenants(tenants) => tenants.run().await,
            Self::Catalog(catalog) => catalog.run(),
            Self::Impersonate(impersonate) => impersonate.run().await,
            Self::Stop(stop) => stop.run().await,
            Self::Sessions(sessions) => sessions.run().await,
            Self::History(history) => history.run().await,
            Self::Approve(answer) => answer.run(ConsentDecision::Granted).await,
            Self::Reject(answer) => answer.run(ConsentDecision::Rejected).await,
            Self::Revoke(answer) => answer.run(ConsentDecision::Revoked).await,
            Self::Purge(purge) => purge.run().await,
            Self::Completion(completion) => completion.run(),
        };
        match outcome {
            // That something is not there refuses nobody anything.
            Err(error) if cluster::refusal(&error).is_some_and(|status| status.code != 404) => {
                complain(&error);
                Ok(Outcome::Refused)
            }
            outcome => outcome,
        }
    }
}

/// The time of this machine, by which nothing is decided but what is told to people.
#[expect(
    clippy::disallowed_methods,
    reason = "what is decided by time is decided by the cluster"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// The whole command line. What names something cannot be empty.
fn command() -> Command {
    fn named(command: Command) -> Command {
        let strict = |arg: Arg| match arg.get::<Named>() {
            Some(_) => arg.value_parser(NonEmptyStringValueParser::new()),
            None => arg,
        };
        command.mut_args(strict).mut_subcommands(named).after_help(EXIT_CODES)
    }
    named(Arguments::command()).max_term_width(WIDTH)
}

/// Runs the command line as `program` and tells how it came out.
pub fn main(program: &'static str) -> ExitCode {
    match completion::answered() {
        Ok(false) => (),
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.into());
            return ExitCode::from(2);
        }
    }
    let matches = command().bin_name(program).get_matches();
    let run = Arguments::from_arg_matches(&matches).map_err(anyhow::Error::from);
    let outcome = run.and_then(|arguments| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(arguments.command.run())
    });
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Ok(Outcome::Ended(code)) => ExitCode::from(code),
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Tells people something, on standard error.
fn tell(line: impl std::fmt::Display) {
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Says why the command could not be run: `error: ` and what failed, the outermost step first.
fn complain(error: &anyhow::Error) {
    let nobody_reads = |cause: &std::io::Error| cause.kind() == ErrorKind::BrokenPipe;
    if error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(nobody_reads))
    {
        return;
    }
    // Some errors repeat their cause in their own words.
    let mut steps: Vec<String> = vec![];
    for cause in error.chain() {
        let answer = match cause.downcast_ref() {
            Some(kube::Error::Api(status)) if !status.message.is_empty() => Some(cluster::said(status)),
            _ => None,
        };
        let step = answer.map_or_else(|| cause.to_string(), str::to_owned);
        if !steps.iter().any(|said| said.contains(&step)) {
            steps.push(step);
        }
        if answer.is_some() {
            break;
        }
    }
    let style = output::BAD;
    tell(format_args!("{style}error:{style:#} {}", steps.join(": ")));
}
