//! `history`: who changed what, and when.

mod page;
mod period;

use super::cluster::Scope;
use super::completion::Named;
use super::output::{self, Form};
use super::{Outcome, now, tell};
use crate::api::ChangeRecord;
use anyhow::{Context as _, Result};
use clap::builder::PossibleValue;
use clap::{ArgMatches, ValueEnum};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use kube::core::ObjectList;
use page::Column;
use period::{Edge, Moment};
use std::cmp::Reverse;

/// How many records are asked for at once.
const PAGE: u32 = 500;

/// Tell who changed what and when, the newest first, also of what was deleted long ago.
#[derive(clap::Args)]
pub struct History {
    /// The role, or what `--kind` says. Absent: everything in the tenant that has a history.
    #[arg(value_name = "NAME", add = Named::Subject)]
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
    #[command(flatten)]
    scope: Scope,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Shape,
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

/// The form of a history: as of other lists, or for spreadsheets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The ChangeRecords; as a table a line for each value that changed.
    Of(Form),
    /// A row for each value that changed.
    Csv,
}

impl ValueEnum for Shape {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Of(Form::Table),
            Self::Of(Form::Wide),
            Self::Of(Form::Json),
            Self::Of(Form::Yaml),
            Self::Of(Form::Name),
            Self::Csv,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Of(form) => form.to_possible_value(),
            Self::Csv => Some(PossibleValue::new("csv").help("A row for each value that changed, for spreadsheets")),
        }
    }
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

/// The kind of what a command line names that has a history.
pub fn kind(meant: &ArgMatches) -> &'static str {
    let said = meant.try_get_one("kind").ok().flatten();
    said.copied().unwrap_or(Subject::Role).kind()
}

impl History {
    /// Tells it.
    pub async fn run(self) -> Result<Outcome> {
        let (records, place) = self.scope.objects().await?;
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
            self.scope.there_is().await?;
            tell(self.nothing(&place));
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

    fn nothing(&self, place: &str) -> String {
        let (of, hint) = match (&self.name, self.kind) {
            (Some(name), None) => (
                format!(" of role `{name}`"),
                "; if it is not a role, say what it is with `--kind`",
            ),
            (Some(name), Some(kind)) => (format!(" of {} `{name}`", kind.kind().to_lowercase()), ""),
            (None, _) => (String::new(), ""),
        };
        format!("there is no record{of} {place} to which all of that applies{hint}")
    }

    /// What need not be said is left out: the tenant and the subject where they are given, which life where there was one.
    fn columns(&self, records: &[ChangeRecord], wide: bool) -> Vec<Column> {
        let subject = self.name.is_none();
        let life = !wide && !subject && page::lives(records) > 1;
        let columns = [
            (true, Column::Time),
            (self.scope.all_namespaces, Column::Tenant),
            (wide && subject, Column::Kind),
            (wide && subject, Column::Name),
            (wide, Column::Uid),
            (life, Column::Life),
            (wide, Column::Generation),
            (wide, Column::Session),
            (wide, Column::Operation),
            (!wide, Column::What),
            (wide, Column::By),
            (!wide, Column::Who),
        ];
        columns
            .into_iter()
            .filter_map(|(shown, column)| shown.then_some(column))
            .collect()
    }

    fn write(&self, list: &ObjectList<ChangeRecord>) -> Result<()> {
        match self.output {
            Shape::Of(form) => output::objects(form, list, |records, wide| {
                page::table(records, &self.columns(records, wide), (wide, self.name.is_none()))
            }),
            Shape::Csv => Ok(page::csv(&list.items, anstream::stdout().lock())?),
        }
    }
}
