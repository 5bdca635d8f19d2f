//! `purge`: takes Pimpernel out of a cluster. Rights go first, then what holds the rules, then the objects, then their
//! definitions; so whatever it is broken off at, nobody is left with more than before, and doing it again goes on from there.
//! As long as anybody has a right that follows from our objects, they stay guarded: what somebody wrote into them meanwhile
//! would count when an operator is started again. It needs no operator, and is refused while one runs, which would put back
//! what goes.

mod found;
mod removal;
mod running;

use super::cluster::{Access, Cluster};
use super::output::{self, BAD, Format, Table};
use super::{Outcome, complain, tell};
use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use found::{Found, Part, SORTS};
use running::{Leases, Running};
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// What is typed to go on.
const WORD: &str = "purge";
/// What stays.
const STAYS: &str = "what stays: the namespaces, and in the operator's its Secrets; what `helm uninstall` or `kubectl delete -f rbac/` takes away; and without the chart, the ClusterRoles `pimpernel-reader` and `pimpernel-metrics-reader`, those of `rbac/optional/`, and a ClusterRoleBinding `pimpernel-metrics-reader` that somebody made";

/// Take Pimpernel out of the cluster: the rights that follow from our objects, then the objects, then their definitions.
///
/// Says first what it will do, and asks. Stop the operator before, such as by `helm uninstall`, and whatever applies
/// manifests of ours. Namespaces stay, and so do the rights of the operator itself.
#[derive(clap::Args)]
pub struct Purge {
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Only say what would go.
    #[arg(long, value_enum, value_name = "WHERE")]
    dry_run: Option<DryRun>,
    /// Take away rights, webhooks and policies alone: objects and definitions stay, and an operator that is started again goes
    /// on from them.
    #[arg(long)]
    rights_only: bool,
    #[command(flatten)]
    access: Access,
    /// The form in which it is said what goes.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Where it is not done.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum DryRun {
    /// Here: nothing but reading is asked of the cluster.
    Client,
}

/// One line of what goes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    part: Part,
    kind: &'static str,
    count: usize,
    /// The names, of what is in no namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

impl Purge {
    /// Does it. Refused while an operator runs, if somebody says no, or if something cannot be removed.
    pub async fn run(self) -> Result<Outcome> {
        let cluster = self.access.connect().await?;
        let found = found::all(&cluster, self.rights_only).await?;
        let lines: Vec<Line> = found
            .iter()
            .filter(|found| !found.objects.is_empty())
            .map(line)
            .collect();
        output::write(self.output, &lines, table)?;
        if lines.is_empty() {
            tell("there is nothing of ours to take away");
            return Ok(Outcome::Fine);
        }
        self.warn();
        let leases = Leases::of(&cluster).await?;
        if let Some(running) = leases.renewed_in_time().await? {
            if self.dry_run.is_some() {
                tell(runs(&running));
                return Ok(Outcome::Fine);
            }
            complain(&anyhow!(runs(&running)));
            return Ok(Outcome::Refused);
        }
        if self.dry_run.is_some() {
            return Ok(Outcome::Fine);
        }
        if !self.agreed()? {
            tell("nothing was done");
            return Ok(Outcome::Refused);
        }
        self.remove(&cluster, &leases).await
    }

    /// Removes it, step by step.
    async fn remove(&self, cluster: &Cluster, leases: &Leases<'_>) -> Result<Outcome> {
        let mut gone = 0;
        let parts = Part::ALL.into_iter();
        for part in parts.filter(|part| !self.rights_only || part.is_of_rights()) {
            // It may have been started while somebody was asked, or since.
            if let Some(running) = leases.renewed().await? {
                complain(&anyhow!("{}; {gone} objects are gone", runs(&running)));
                return Ok(Outcome::Refused);
            }
            let sorts: Vec<_> = SORTS.iter().filter(|sort| sort.part == part).collect();
            let told = removal::until_gone(cluster, &sorts).await?;
            gone += told.gone;
            if let Some(left) = told.left {
                // What comes next would take away more than what this was to take away first.
                complain(&anyhow!(
                    "{left}; nothing after that was touched: mend it, and run this again"
                ));
                return Ok(Outcome::Refused);
            }
        }
        tell(format_args!("{gone} objects are gone"));
        tell(STAYS);
        Ok(Outcome::Fine)
    }

    /// What somebody should know who is about to do it.
    fn warn(&self) {
        let place = match self.access.origin() {
            Ok(origin) => format!(
                "context `{}`, at {}",
                origin.context,
                origin.cluster.server.unwrap_or_default()
            ),
            Err(_) => "the cluster that this runs in".to_owned(),
        };
        tell(format_args!("{BAD}this goes{BAD:#} from {place}"));
        if self.rights_only {
            tell("everybody loses what a role or a session gives them; objects and definitions stay");
            return;
        }
        tell(
            "everybody loses what a role or a session gives them, and the history goes too; it cannot be undone. A copy of it all:",
        );
        tell(format_args!(
            "  kubectl get {} -A -o yaml > pimpernel.yaml",
            found::ours().collect::<Vec<_>>().join(",")
        ));
        tell("what applies manifests, such as Argo CD or Flux, brings objects back: stop it first");
    }

    fn agreed(&self) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            bail!("nobody can be asked here: say `--yes`, or `--dry-run client` to see what would go");
        }
        let mut stderr = anstream::stderr();
        write!(stderr, "type `{WORD}` to go on: ")?;
        stderr.flush()?;
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed)?;
        Ok(typed.trim() == WORD)
    }
}

fn line(found: &Found) -> Line {
    let placed = found.objects.iter().any(|object| object.metadata.namespace.is_some());
    let names = found.objects.iter().filter(|_| !placed);
    Line {
        part: found.sort.part,
        kind: found.sort.kind,
        count: found.objects.len(),
        names: names.filter_map(|object| object.metadata.name.clone()).collect(),
    }
}

fn table(lines: &Vec<Line>) -> Table {
    let mut table = Table::new(&["PART", "KIND", "COUNT"]);
    for line in lines {
        table.row(&[line.part.name(), line.kind, &line.count.to_string()]);
    }
    table
}

fn runs(Running { holder, namespace }: &Running) -> String {
    format!(
        "the operator runs, as `{holder}` in namespace `{namespace}`, and would put back what goes: stop it first, such as by `helm uninstall pimpernel -n {namespace}`"
    )
}
