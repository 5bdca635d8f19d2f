//! A history as people and spreadsheets read it: a line for each value that changed.

use super::super::output::Table;
use crate::api::{Actor, ChangeRecord, FieldChange, Operation};
use kube::ResourceExt as _;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Instead of a value that there is not.
const NONE: &str = "<none>";
/// How much of a UID tells the objects of one name apart.
const LIFE: usize = 8;

/// What stands before each change.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// When.
    Time,
    /// In which tenant.
    Tenant,
    /// The kind of what was changed.
    Kind,
    /// Its name.
    Name,
    /// Which of the objects that had that name, one after the other.
    Uid,
    /// So much of that as tells two of them apart.
    Life,
    /// The generation that the change made.
    Generation,
    /// In which session.
    Session,
    /// What was done.
    Operation,
    /// The same, in a narrow column.
    What,
    /// By whom.
    By,
    /// The same, in fewer words.
    Who,
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Time => "TIME",
            Self::Tenant => "TENANT",
            Self::Kind => "KIND",
            Self::Name => "NAME",
            Self::Uid | Self::Life => "UID",
            Self::Generation => "GENERATION",
            Self::Session => "SESSION",
            Self::Operation => "OPERATION",
            Self::What => "WHAT",
            Self::By | Self::Who => "BY",
        }
    }

    fn of(self, record: &ChangeRecord) -> String {
        let spec = &record.spec;
        match self {
            Self::Time => spec.time.0.to_string(),
            Self::Tenant => record.namespace().unwrap_or_default(),
            Self::Kind => spec.subject.kind.clone(),
            Self::Name => spec.subject.name.clone(),
            Self::Uid => spec.subject.uid.clone(),
            Self::Life => spec.subject.uid.chars().take(LIFE).collect(),
            Self::Generation => generation(record),
            Self::Session => spec.actor.session.clone().unwrap_or_default(),
            Self::Operation | Self::What => format!("{:?}", spec.operation),
            Self::By => by(&spec.actor),
            Self::Who => who(&spec.actor),
        }
    }
}

/// How many objects had the name, one after the other.
pub fn lives(records: &[ChangeRecord]) -> usize {
    let uids: BTreeSet<&str> = records.iter().map(|record| &*record.spec.subject.uid).collect();
    uids.len()
}

/// Whether a record has `text`, which is in lower case, anywhere.
pub fn says(record: &ChangeRecord, text: &str) -> bool {
    let spec = &record.spec;
    let changes = spec.changes.iter().flat_map(|change| {
        let values = change.from.iter().chain(&change.to);
        std::iter::once(&change.path).chain(values)
    });
    let actor = std::iter::once(&spec.actor.username)
        .chain(&spec.actor.on_behalf_of)
        .chain(&spec.actor.session);
    let subject = std::iter::once(&spec.subject.name).chain(&spec.subject.display_name);
    let mut all = subject.chain(actor).chain(changes);
    all.any(|value| value.to_lowercase().contains(text))
}

/// Records as a table, with a line for each change beneath each of them, and before those, if `subject`, of what; if it is to
/// be wide, with the change in a column of its own.
pub fn table(records: &[ChangeRecord], columns: &[Column], (wide, subject): (bool, bool)) -> Table {
    let headings = columns
        .iter()
        .map(|column| column.heading())
        .chain(wide.then_some("CHANGE"));
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for record in records {
        let first: Vec<String> = columns.iter().map(|column| column.of(record)).collect();
        let operation = record.spec.operation;
        let mut changes: Vec<String> = record
            .spec
            .changes
            .iter()
            .map(|change| told(change, operation))
            .collect();
        if !wide {
            table.row(&first.iter().map(String::as_str).collect::<Vec<_>>());
            let of = format!(
                "{}/{}",
                record.spec.subject.kind.to_lowercase(),
                record.spec.subject.name
            );
            for change in subject.then_some(of).iter().chain(&changes) {
                table.beneath(change);
            }
            continue;
        }
        if changes.is_empty() {
            changes.push(String::new());
        }
        for (line, change) in changes.iter().enumerate() {
            let shown = |value: &'_ String| if line == 0 { value.clone() } else { String::new() };
            let row: Vec<String> = first.iter().map(shown).chain([change.clone()]).collect();
            table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    table
}

fn generation(record: &ChangeRecord) -> String {
    record
        .spec
        .generation
        .map(|generation| generation.to_string())
        .unwrap_or_default()
}

fn by(actor: &Actor) -> String {
    let mut by = match &actor.on_behalf_of {
        Some(impersonator) => format!("Impersonated Admin on behalf of {impersonator}"),
        None => actor.username.clone(),
    };
    if !actor.verified {
        by.push_str(" (unverified)");
    }
    by
}

fn who(actor: &Actor) -> String {
    let session = actor.on_behalf_of.as_ref().map(|who| format!("{who} (session)"));
    let mut who = session.unwrap_or_else(|| actor.username.clone());
    if !actor.verified {
        who.push_str(" (unverified)");
    }
    who
}

/// What was created or ended has no value before, and need not say so.
fn told(change: &FieldChange, operation: Operation) -> String {
    let FieldChange { path, from, to } = change;
    let new = matches!(operation, Operation::Create | Operation::End);
    match (from, to) {
        (None, Some(to)) if new => format!("{path}: {to}"),
        (from, to) => {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
            format!("{path}: {} → {}", value(from), value(to))
        }
    }
}

/// Records as CSV: a row for each value that changed, and one for a record without any.
pub fn csv(records: &[ChangeRecord], to: impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(to);
    rows.write_record([
        "time",
        "tenant",
        "kind",
        "name",
        "uid",
        "displayName",
        "operation",
        "generation",
        "by",
        "onBehalfOf",
        "session",
        "verified",
        "path",
        "from",
        "to",
    ])?;
    for record in records {
        let spec = &record.spec;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let head = [
            spec.time.0.to_string(),
            record.namespace().unwrap_or_default(),
            spec.subject.kind.clone(),
            spec.subject.name.clone(),
            spec.subject.uid.clone(),
            text(&spec.subject.display_name),
            format!("{:?}", spec.operation),
            generation(record),
            spec.actor.username.clone(),
            text(&spec.actor.on_behalf_of),
            text(&spec.actor.session),
            spec.actor.verified.to_string(),
        ];
        let mut changes: Vec<[String; 3]> = spec
            .changes
            .iter()
            .map(|change| [change.path.clone(), text(&change.from), text(&change.to)])
            .collect();
        if changes.is_empty() {
            changes.push(Default::default());
        }
        for change in changes {
            rows.write_record(head.iter().chain(&change))?;
        }
    }
    rows.flush()
}
