//! How answers are written: as a table for people, as JSON or YAML for programs. Colour is for a terminal, and never where
//! `NO_COLOR` is set.

use super::WIDTH;
use anstream::stdout;
use anyhow::Result;
use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use kube::core::ObjectList;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use std::io::Write as _;

/// The style of what is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// The form of an answer.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
    /// YAML, for programs.
    Yaml,
}

/// The form of a list of objects, as kubectl names them.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Columns, for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// The objects, as JSON.
    Json,
    /// The objects, as YAML.
    Yaml,
    /// Their names alone.
    Name,
}

/// Rows under headings, in columns as wide as their widest value.
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Row>,
}

/// A value for each heading, and the lines that stand beneath them.
struct Row {
    values: Vec<String>,
    beneath: Vec<String>,
}

impl Table {
    /// An empty table under those headings.
    pub fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: vec![],
        }
    }

    /// Adds a row, with a value for each heading. What a terminal would obey instead of showing it is shown.
    pub fn row(&mut self, values: &[&str]) {
        self.rows.push(Row {
            values: values.iter().copied().map(shown).collect(),
            beneath: vec![],
        });
    }

    /// Adds a text beneath the last row, in lines that are no wider than help is, if its words allow.
    pub fn beneath(&mut self, text: &str) {
        let Some(row) = self.rows.last_mut() else { return };
        let text = shown(text);
        let mut words = text.split(' ');
        let mut line = format!("  {}", words.next().unwrap_or_default());
        for word in words {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                row.beneath.push(std::mem::replace(&mut line, format!("    {word}")));
            } else {
                line.push(' ');
                line.push_str(word);
            }
        }
        row.beneath.push(line);
    }

    fn lines(&self) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|&heading| heading.to_owned()).collect();
        let width = |column: usize| {
            let all = std::iter::once(&headings).chain(self.rows.iter().map(|row| &row.values));
            let values = all.filter_map(|values| values.get(column));
            values.map(|value| value.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let line = |values: &Vec<String>| {
            let cells = values
                .iter()
                .zip(&widths)
                .map(|(value, &width)| format!("{value:width$}"));
            cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
        };
        let rows = self.rows.iter().flat_map(|row| {
            let beneath = row.beneath.iter().cloned();
            std::iter::once(line(&row.values)).chain(beneath)
        });
        std::iter::once(line(&headings)).chain(rows).collect()
    }
}

/// A text with what a terminal would obey instead of showing it made visible.
pub fn shown(value: &str) -> String {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if obeyed(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// As kubectl names an object.
pub fn named<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!(
        "{}.{}/{}",
        K::kind(&()).to_lowercase(),
        K::group(&()),
        object.name_any()
    )
}

/// Writes `answer` to standard output; the table only if it has rows.
pub fn write<T: Serialize>(format: Format, answer: &T, table: impl FnOnce(&T) -> Table) -> Result<()> {
    let form = match format {
        Format::Table => Form::Table,
        Format::Json => Form::Json,
        Format::Yaml => Form::Yaml,
    };
    list(form, answer, |answer, _| vec![table(answer)], |_| vec![])
}

/// Writes objects in that form: `table` for people, with more columns if it is to be wide. As kubectl does, it does not show
/// who owns which field.
pub fn objects<K>(form: Form, list: &ObjectList<K>, table: impl FnOnce(&[K], bool) -> Table) -> Result<()>
where
    K: Resource<DynamicType = ()> + Serialize + Clone,
{
    let names = |list: &ObjectList<K>| list.iter().map(named).collect();
    let mut list = list.clone();
    for object in &mut list.items {
        object.meta_mut().managed_fields = None;
    }
    self::list(form, &list, |list, wide| vec![table(&list.items, wide)], names)
}

/// Writes `answer` in that form: `tables` for people, with more columns if they are to be wide, and `names` for a list of names.
pub fn list<T: Serialize>(
    form: Form,
    answer: &T,
    tables: impl FnOnce(&T, bool) -> Vec<Table>,
    names: impl FnOnce(&T) -> Vec<String>,
) -> Result<()> {
    let mut stdout = stdout().lock();
    match form {
        Form::Table | Form::Wide => {
            let tables = tables(answer, form == Form::Wide);
            let filled = tables.iter().filter(|table| !table.rows.is_empty());
            for (number, table) in filled.enumerate() {
                if number > 0 {
                    writeln!(stdout)?;
                }
                table.lines().iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
            }
        }
        Form::Json => writeln!(stdout, "{}", serde_json::to_string_pretty(answer)?)?,
        Form::Yaml => write!(stdout, "{}", serde_yaml::to_string(answer)?)?,
        Form::Name => names(answer).iter().try_for_each(|name| writeln!(stdout, "{name}"))?,
    }
    Ok(stdout.flush()?)
}
