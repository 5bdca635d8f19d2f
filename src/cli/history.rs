//! `history`: who changed what, and when.

mod page;
mod period;

use super::cluster::Flags;
use super::completion::Named;
use super::output::{self, Table};
use super::{Outcome, now, tell};
use crate::api::ChangeRecord;
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use kube::core::ObjectList;
use page::Column;
use period::{Edge, Moment};
use std::cmp::Reverse;
use std::io::Write as _;

/// How many records are asked for at once.
const PAGE: u32 = 500;

/// Tell who changed what and when, the newest first, also of what was deleted long ago.
///
/// Exit codes: 0 it is told, 1 the cluster does not show it to you, 2 the command could not be run.
#[derive(clap::Args)]
pub struct History {
    /// The role, or what `--kind` says. Absent: everything in the tenant that has a history.
    #[arg(value_name = "NAME", add = Named::Role)]
    name: Option<String>,
    /// What NAME is. Absent: a role, or without NAME every kind.
    #[arg(long, value_enum, ignore_case = true)]
    kind: Option<Subject>,
    /// No changes before then: an age as in `7d` or `90m`, a day as in `2026-11-01` (UTC), or an instant.
    #[arg(long, value_name = "WHEN", value_parser = period::moment)]
    since: Option<Moment>,
    /// No changes after then: as in `--since`. The whole of a day counts.
    #[arg(long, value_name = "WHEN", value_parser = period::moment)]
    until: Option<Moment>,
    /// Only changes in which that text occurs anywhere, in whatever case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only what that user did, or what was done on their behalf.
    #[arg(long, value_name = "USER")]
    by: Option<String>,
    /// Of all tenants, if you may list their records.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    flags: Flags,
}

/// What has a history.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A role.
    Role,
    /// A tenant.
    Tenant,
    /// An employee.
    Employee,
    /// A session, whose end is on record.
    Impersonation,
}

/// The form of a history.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// A line for each value that changed, for people.
    #[default]
    Table,
    /// With UID, generation and session.
    Wide,
    /// The ChangeRecords, as JSON.
    Json,
    /// The ChangeRecords, as YAML.
    Yaml,
    /// A row for each value that changed, for spreadsheets.
    Csv,
    /// Their names alone.
    Name,
}

impl Subject {
    fn kind(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::Tenant => "Tenant",
            Self::Employee => "Employee",
            Self::Impersonation => "Impersonation",
        }
    }
}

impl History {
    /// Tells it.
    pub async fn run(self) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let records: Api<ChangeRecord> = if self.all_namespaces {
            Api::all(cluster.client)
        } else {
            Api::namespaced(cluster.client, &cluster.namespace)
        };
        let mut list = self.read(&records).await?;
        self.narrow(&mut list.items)?;
        // The name parts what was written in the same second, so that the order is the same each time.
        list.items.sort_by_cached_key(|record| {
            (
                Reverse(record.spec.time.0),
                Reverse(record.spec.generation),
                record.name_any(),
            )
        });
        if list.items.is_empty() {
            tell(self.nothing(&cluster.namespace));
        }
        self.write(&list)?;
        Ok(Outcome::Fine)
    }

    /// All records of what was asked for, a page after the other.
    async fn read(&self, records: &Api<ChangeRecord>) -> Result<ObjectList<ChangeRecord>> {
        let mut parameters = ListParams::default().limit(PAGE).fields(&self.selector());
        let mut list = records.list(&parameters).await?;
        while let Some(more) = list.metadata.continue_.take().filter(|token| !token.is_empty()) {
            parameters = parameters.continue_token(&more);
            let page = records
                .list(&parameters)
                .await
                .context("the history cannot be read to its end")?;
            list.items.extend(page.items);
            list.metadata = page.metadata;
        }
        list.metadata.remaining_item_count = None;
        Ok(list)
    }

    /// What the API server itself can tell apart.
    fn selector(&self) -> String {
        let unsaid = self.name.as_ref().map(|_| Subject::Role);
        let kind = self
            .kind
            .or(unsaid)
            .map(|kind| format!("spec.subject.kind={}", kind.kind()));
        let name = self.name.as_ref().map(|name| format!("spec.subject.name={name}"));
        kind.into_iter().chain(name).collect::<Vec<_>>().join(",")
    }

    fn narrow(&self, records: &mut Vec<ChangeRecord>) -> Result<()> {
        let now = now();
        let since = self.since.map(|moment| moment.edge(Edge::First, now)).transpose()?;
        let until = self.until.map(|moment| moment.edge(Edge::Last, now)).transpose()?;
        let search = self.search.as_ref().map(|text| text.to_lowercase());
        records.retain(|record| {
            let (time, actor) = (record.spec.time.0, &record.spec.actor);
            since.is_none_or(|since| since <= time)
                && until.is_none_or(|until| time <= until)
                && self.by.as_ref().is_none_or(|by| {
                    let did = Some(&actor.username).into_iter().chain(&actor.on_behalf_of);
                    did.into_iter().any(|user| user.eq_ignore_ascii_case(by))
                })
                && search.as_ref().is_none_or(|text| page::says(record, text))
        });
        Ok(())
    }

    fn nothing(&self, namespace: &str) -> String {
        let of = match (&self.name, self.kind.unwrap_or(Subject::Role)) {
            (Some(name), kind) => format!(" of {} `{name}`", kind.kind().to_lowercase()),
            (None, _) => String::new(),
        };
        let within = if self.all_namespaces {
            "any tenant".to_owned()
        } else {
            format!("`{namespace}`")
        };
        format!("there is no record{of} in {within} to which all of that applies")
    }

    /// What need not be said is left out: the tenant and the subject where they are given, which life where there was one.
    fn columns(&self, records: &[ChangeRecord]) -> Vec<Column> {
        let wide = self.output == Form::Wide;
        let subject = self.name.is_none();
        let life = wide || !subject && page::lives(records) > 1;
        let columns = [
            (true, Column::Time),
            (self.all_namespaces, Column::Tenant),
            (subject, Column::Kind),
            (subject, Column::Name),
            (life, Column::Uid),
            (wide, Column::Generation),
            (wide, Column::Session),
            (true, Column::Operation),
            (true, Column::By),
        ];
        columns
            .into_iter()
            .filter_map(|(shown, column)| shown.then_some(column))
            .collect()
    }

    fn write(&self, list: &ObjectList<ChangeRecord>) -> Result<()> {
        match self.output {
            Form::Table | Form::Wide => {
                let columns = self.columns(&list.items);
                output::write(output::Format::Table, list, |list| page::table(&list.items, &columns))
            }
            Form::Json => output::write(output::Format::Json, list, |_| Table::new(&[])),
            Form::Yaml => output::write(output::Format::Yaml, list, |_| Table::new(&[])),
            Form::Csv => Ok(page::csv(&list.items, anstream::stdout().lock())?),
            Form::Name => {
                let mut stdout = anstream::stdout().lock();
                for record in &list.items {
                    writeln!(stdout, "changerecord.pimpernel.dev/{}", record.name_any())?;
                }
                Ok(())
            }
        }
    }
}
