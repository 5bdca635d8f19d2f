//! `completion`, and what a shell or kubectl asks while somebody types: what could come next. Subcommands and flags are those
//! of the command line itself; names are asked of the cluster, and left out if it does not answer soon.

use super::cluster::Access;
use super::output::shown;
use super::{Arguments, Outcome, history};
use crate::policy::catalog::USE;
use crate::policy::tenant::ADMIN;
use anyhow::Result;
use clap::builder::{ArgExt, StyledStr};
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, ValueEnum};
use clap_complete::engine::{self, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Shells, Zsh};
use serde_json::Value;
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Says which shell asks, if one does.
const VARIABLE: &str = "PIMPERNEL_COMPLETE";
/// How long somebody who types waits for names.
const PATIENCE: Duration = Duration::from_secs(2);
/// What kubectl can be told with the candidates: that no blank follows, and that files are not meant.
const NO_BLANK: u8 = 2;
const NO_FILES: u8 = 4;

/// Print a script that lets your shell complete `pimpernel …`.
///
/// For bash: `source <(pimpernel completion bash)`. What follows `kubectl pimpernel` is completed by kubectl's own script if
/// `kubectl_complete-pimpernel` is on the PATH.
#[derive(clap::Args)]
pub struct Completion {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    /// Prints it.
    pub fn run(self) -> Result<Outcome> {
        let shell: &dyn EnvCompleter = match self.shell {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut script = vec![];
        let name = Arguments::command().get_name().to_owned();
        shell.write_registration(VARIABLE, &name, &name, &name, &mut script)?;
        anstream::stdout().lock().write_all(&script)?;
        Ok(Outcome::Fine)
    }
}

/// What an argument names, where the cluster or the kubeconfig knows the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A tenant, which is a namespace.
    Tenant,
    /// A role of the tenant.
    Role,
    /// An employee of the tenant.
    Employee,
    /// A session in the tenant that has not ended.
    Session,
    /// What has a history, of the kind that `--kind` says.
    Subject,
    /// A permission of any application: once an action is typed, one that has it.
    Permission,
    /// An action of any permission.
    Action,
    /// A role that comes out of the box in the tenant.
    OutOfTheBox,
    /// A context of the kubeconfig.
    Context,
}

impl ArgExt for Named {}

/// Answers a shell, if one asks; says whether it did.
pub fn answered() -> clap::error::Result<bool> {
    let words: Vec<OsString> = env::args_os().skip_while(|word| word != "--").skip(1).collect();
    CompleteEnv::with_factory(|| with_names(Arguments::command(), &words))
        .var(VARIABLE)
        .shells(Shells(&[&Bash, &Zsh, &Fish, &Kubectl]))
        .try_complete(env::args_os(), env::current_dir().ok().as_deref())
}

/// The command whose arguments know where to look for names, when these words are typed.
fn with_names(command: Command, words: &[OsString]) -> Command {
    let command = command.mut_args(|arg| match arg.get::<Named>().copied() {
        Some(named) => {
            let words = words.to_vec();
            let look = move |current: &OsStr| candidates(named, &words, current);
            arg.add(ArgValueCompleter::new(look))
        }
        None => arg,
    });
    command.mut_subcommands(|below| with_names(below, words))
}

fn candidates(named: Named, words: &[OsString], current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    // Whoever types is not to be told what is wrong.
    let there = names(named, words, &current).unwrap_or_default();
    let begun = there.into_iter().filter(|(name, _)| name.starts_with(&*current));
    begun
        .map(|(name, about)| CompletionCandidate::new(name).help(about.map(StyledStr::from)))
        .collect()
}

/// The names that there are, each with a word about it, where `typed` is there of one.
fn names(named: Named, words: &[OsString], typed: &str) -> Result<Vec<(String, Option<String>)>> {
    let meant = Arguments::command().ignore_errors(true).try_get_matches_from(words)?;
    let mut meant = &meant;
    while let Some((_, below)) = meant.subcommand() {
        meant = below;
    }
    meant.try_contains_id("context")?;
    let access = Access::from_arg_matches(meant)?;
    if named == Named::Context {
        return Ok(access.contexts()?.into_iter().map(|name| (name, None)).collect());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, of_cluster(named, &access, (meant, typed))).await })?
}

async fn of_cluster(
    named: Named,
    access: &Access,
    (meant, typed): (&ArgMatches, &str),
) -> Result<Vec<(String, Option<String>)>> {
    let cluster = access.connect().await?;
    let first = |id| meant.try_get_many::<String>(id).ok().flatten()?.next().cloned();
    // `impersonate` names the tenant itself.
    let namespace = first("namespace").or_else(|| first("tenants"));
    let namespace = namespace.unwrap_or_else(|| cluster.namespace.clone());
    let within = Some(namespace.as_str());
    let (kind, within) = match named {
        Named::Tenant => ("Tenant", None),
        Named::Role => ("Role", within),
        Named::Employee => ("Employee", within),
        Named::Session => ("Impersonation", within),
        Named::Subject => (history::kind(meant), within),
        Named::Permission | Named::Action | Named::OutOfTheBox => ("PermissionCatalog", None),
        Named::Context => return Ok(vec![]),
    };
    let about = match kind {
        "Employee" => "/spec/username",
        "Impersonation" => "/spec/reason",
        _ => "/spec/displayName",
    };
    let mut objects = cluster.objects(kind, within).await?;
    match named {
        Named::Session => objects.retain(|object| object.pointer("/status/endTime").is_none()),
        Named::OutOfTheBox => {
            let tenants = cluster.objects("Tenant", Some(&namespace)).await?;
            let applications = tenants.iter().flat_map(|tenant| listed(tenant, "/spec/applications"));
            let has: Vec<&str> = applications.filter_map(Value::as_str).chain([ADMIN]).collect();
            objects.retain(|object| text(object, "/metadata/name").is_some_and(|name| has.contains(&name.as_str())));
        }
        _ => {}
    }
    let action = first("action");
    let all: BTreeSet<(String, Option<String>)> = objects
        .iter()
        .flat_map(|object| match named {
            Named::Permission => permissions(object, action.as_deref(), typed),
            Named::Action => listed(object, "/spec/permissions")
                .flat_map(actions)
                .map(|action| (action, None))
                .collect(),
            Named::OutOfTheBox => {
                let roles = listed(object, "/spec/defaultRoles");
                roles
                    .filter_map(|role| Some((text(role, "/name")?, text(role, "/displayName"))))
                    .collect()
            }
            _ => text(object, "/metadata/name")
                .map(|name| (name, text(object, about).map(|about| shown(&about))))
                .into_iter()
                .collect(),
        })
        .collect();
    Ok(all.into_iter().collect())
}

fn text(object: &Value, pointer: &str) -> Option<String> {
    object.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn listed<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The permissions of a catalogue that have that action, as APPLICATION/PERMISSION; once a `:` is typed with their actions.
fn permissions(catalog: &Value, action: Option<&str>, typed: &str) -> Vec<(String, Option<String>)> {
    let application = text(catalog, "/metadata/name").unwrap_or_default();
    let all = listed(catalog, "/spec/permissions").filter(|permission| {
        let has = |action: &str| actions(permission).iter().any(|own| own == action);
        action.is_none_or(has)
    });
    let named = all.filter_map(|permission| {
        let name = format!("{application}/{}", text(permission, "/name")?);
        let about = text(permission, "/displayName");
        Some(if typed.contains(':') {
            let each = |action| (format!("{name}:{action}"), about.clone());
            actions(permission).into_iter().map(each).collect()
        } else {
            vec![(name, about)]
        })
    });
    named.flatten().collect()
}

/// The actions of a permission; a switch has the one.
fn actions(permission: &Value) -> Vec<String> {
    let named: Vec<String> = listed(permission, "/actions")
        .filter_map(|action| text(action, "/name"))
        .collect();
    if named.is_empty() { vec![USE.to_owned()] } else { named }
}

/// Kubectl, which speaks for the shell: a candidate a line, with a word about it after a tab, and what to do with them last.
struct Kubectl;

impl EnvCompleter for Kubectl {
    fn name(&self) -> &'static str {
        "kubectl"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    /// There is nothing to register: kubectl finds the program by its name.
    fn write_registration(&self, _: &str, _: &str, _: &str, _: &str, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let last = words.len().saturating_sub(1);
        // As kubectl does, flags are shown to whoever begins one.
        let flags = words.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
        let mut blank = true;
        for candidate in engine::complete(command, words, last, folder)? {
            let value = candidate.get_value().to_string_lossy();
            if value.starts_with('-') && !flags {
                continue;
            }
            blank &= !value.ends_with(['/', '=']);
            let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
            match help.lines().next() {
                Some(about) => writeln!(to, "{value}\t{about}")?,
                None => writeln!(to, "{value}")?,
            }
        }
        writeln!(to, ":{}", NO_FILES + if blank { 0 } else { NO_BLANK })
    }
}
