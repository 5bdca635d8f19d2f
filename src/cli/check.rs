//! `check`: what the cluster would say to manifests, by the same code: the schema and the rules in CEL of the definitions,
//! the admission policies, and `policy`. Rules about the writer are left out, since nobody writes.

mod finding;
mod judge;
mod kinds;
mod manifest;
pub mod metadata;
mod schema;
mod yaml;

pub use finding::Finding;
pub use judge::{Judge, Judgement, Target, Verdict};
pub use kinds::Layer;
pub use manifest::{Manifest, of as manifests, read};

use super::cluster::{Cluster, Flags};
use super::output::{self, Format, Table};
use super::{Outcome, now};
use crate::artifacts::{CATALOGS, OPERATOR_NAMESPACE, SESSIONS_NAMESPACE};
use crate::policy::{Kind, Settings};
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;

/// What `check` does not judge: it has no writer and deletes nothing.
const NOT_JUDGED: [(&str, &str); 9] = [
    (
        "T2",
        "whether the writer may name the parent, or create the one that tenants name (verb `adopt`)",
    ),
    ("T7", "which fields of a tenant the writer may change"),
    ("T8, R8", "deletions"),
    (
        "R12",
        "whether the operator's memory of out-of-the-box roles is left as it is",
    ),
    (
        "R16, I5, R4",
        "whether the writer would hand out more than they have, or may give the names of one role to another",
    ),
    ("E6", "whether the writer changes their own employee"),
    ("I9, I12", "whether the writer is the impersonator"),
    (
        "RBAC",
        "whether the writer may write the objects at all, or set owners and finalizers",
    ),
    ("", "whether the namespaces exist"),
];

const NAMESPACE: &str = "The namespace of objects that name none; those that name another one are refused, as kubectl does. \
    Absent: `default`, or with `--cluster` that of the kubeconfig's context";

/// Say what the cluster would say to manifests, without applying them.
///
/// Each object is judged as if all the others were in place. What refers to something that is nowhere is admitted with a
/// warning. The catalogues that come with Pimpernel are taken to exist.
#[derive(clap::Args)]
#[command(
    mut_arg("namespace", |flag| flag.help(NAMESPACE)),
    mut_arg("context", |flag| flag.requires("cluster")),
    mut_arg("kubeconfig", |flag| flag.requires("cluster")),
    mut_arg("user", |flag| flag.requires("cluster")),
)]
pub struct Check {
    /// Files, folders with all below them, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Judge beside what is in the cluster, which must let you list it in all namespaces.
    #[arg(long)]
    cluster: bool,
    #[command(flatten)]
    flags: Flags,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The whole answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    objects: Vec<Judgement>,
    not_judged: Vec<NotJudged>,
}

#[derive(Serialize)]
struct NotJudged {
    rules: &'static str,
    what: &'static str,
}

impl Check {
    /// Judges them. Refused if one of them would be.
    pub async fn run(self) -> Result<Outcome> {
        let manifests = manifest::read(&self.files)?;
        let mut target = Target {
            namespace: self.flags.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            only: self.flags.namespace.is_some(),
        };
        let live = if self.cluster {
            let cluster = self.flags.connect().await?;
            target.namespace.clone_from(&cluster.namespace);
            live(&cluster).await?
        } else {
            shipped()
        };
        let objects = Judge::new(settings())?.judge(&manifests, &live, &target, now());
        let not_judged = NOT_JUDGED.map(|(rules, what)| NotJudged { rules, what }).into();
        let report = Report { objects, not_judged };
        output::write(self.output, &report, table)?;
        summarise(&report)?;
        let refused = report.objects.iter().any(|object| object.verdict == Verdict::Refused);
        Ok(if refused { Outcome::Refused } else { Outcome::Fine })
    }
}

/// The operator's settings in a default installation.
pub fn settings() -> Settings {
    Settings {
        operator_namespace: OPERATOR_NAMESPACE.into(),
        sessions_namespace: SESSIONS_NAMESPACE.into(),
        impersonation: true,
    }
}

/// The catalogues that come with Pimpernel.
pub fn shipped() -> Vec<Value> {
    let manifests = CATALOGS.iter().flat_map(|(_, text)| manifests("", text.as_bytes()));
    manifests.filter_map(|manifest| manifest.object.ok()).collect()
}

/// Everything in the cluster that the rules look at.
async fn live(cluster: &Cluster) -> Result<Vec<Value>> {
    let mut objects = vec![];
    for kind in Kind::ALL.map(Kind::as_str).into_iter().chain(["ChangeRecord"]) {
        objects.extend(cluster.objects(kind, None).await?);
    }
    Ok(objects)
}

/// A row for each thing that is wrong, and for each warning.
fn table(report: &Report) -> Table {
    let mut table = Table::new(&["FILE", "OBJECT", "VERDICT", "FIELD", "MESSAGE"]);
    for object in &report.objects {
        let place = format!("{}:{}", object.file, object.line);
        let slash = if object.namespace.is_empty() { "" } else { "/" };
        let named = format!("{} {}{slash}{}", object.kind, object.namespace, object.name);
        let mut row = |verdict: &str, field: &str, message: &str| {
            table.row(&[place.as_str(), named.trim(), verdict, field, message]);
        };
        for violation in &object.violations {
            row("Refused", &violation.field, &violation.message);
        }
        for warning in &object.warnings {
            row("Warning", "", warning);
        }
    }
    table
}

/// Tells people how many there were, and where it stands what was not judged.
fn summarise(report: &Report) -> Result<()> {
    let count = |verdict| report.objects.iter().filter(|object| object.verdict == verdict).count();
    let mut stderr = anstream::stderr().lock();
    writeln!(
        stderr,
        "{} admitted, {} refused, {} of other kinds skipped. What depends on the writer is not judged: see `-o json`, or docs/check.md",
        count(Verdict::Admitted),
        count(Verdict::Refused),
        count(Verdict::Skipped)
    )?;
    Ok(())
}
