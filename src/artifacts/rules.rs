//! The table of rules: each with its sentence, and for each place where it is enforced the tests that prove it. The table
//! itself is `rules.txt`, beside this file.

use std::fmt::Write;

/// The table, as it is written.
const TABLE: &str = include_str!("rules.txt");
/// What stands in a cell of a rule that nothing holds yet.
const NOT_YET: &str = "not there yet";

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Such as `R8`.
    pub id: String,
    /// What it says.
    pub sentence: String,
    /// By definition, admission policy, webhook and reconciler.
    pub places: [Place; 4],
}

/// What happens at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Why nothing is refused there, if nothing is.
    pub why: Option<String>,
    /// The tests that show what is refused.
    pub refused: Vec<String>,
    /// The tests that show what is admitted, or the effect.
    pub admitted: Vec<String>,
}

impl Place {
    /// Whether nothing holds the rule there, and the table says so.
    pub fn is_not_there_yet(&self) -> bool {
        self.why.as_deref() == Some(NOT_YET)
    }

    fn read(cell: &str) -> Self {
        let (before, after) = cell.split_once(" > ").unwrap_or((cell, ""));
        let tests = |text: &str| -> Vec<String> {
            let names = text.split(";;").map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        match before.strip_prefix("- ") {
            Some(why) => Self {
                why: Some(why.to_owned()),
                refused: vec![],
                admitted: tests(after),
            },
            None => Self {
                why: None,
                refused: tests(before),
                admitted: if after.is_empty() { tests(before) } else { tests(after) },
            },
        }
    }

    fn shown(&self) -> String {
        let named = |tests: &[String]| {
            let tests: Vec<String> = tests.iter().map(|test| format!("*{test}*")).collect();
            tests.join(", ")
        };
        match &self.why {
            Some(why) if self.admitted.is_empty() => why.clone(),
            Some(why) => format!("{why}: {}", named(&self.admitted)),
            None if self.refused == self.admitted => format!("refuses and admits: {}", named(&self.refused)),
            None => format!("refuses: {}; admits: {}", named(&self.refused), named(&self.admitted)),
        }
    }
}

/// Every rule. A line with too few cells is a rule with empty places.
pub fn all() -> Vec<Rule> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(read).collect()
}

fn read(line: &str) -> Rule {
    let mut cells = line.split('|');
    let mut next = || cells.next().unwrap_or_default();
    Rule {
        id: next().to_owned(),
        sentence: next().to_owned(),
        places: [
            Place::read(next()),
            Place::read(next()),
            Place::read(next()),
            Place::read(next()),
        ],
    }
}

/// The page.
pub fn page() -> String {
    let mut text = String::from(
        "# Rules\n\nGenerated from `src/artifacts/rules.txt`. For each rule and each place where it could be enforced: the tests that \
         show what is refused and what is admitted there, or why nothing is refused there and the test of the effect. A sentence \
         that begins with a rule is a row of a table under `tests/cluster/refusals` or `tests/cluster/without_admission`, which shows \
         both: the wrong manifest and, beside it, the same mended. The other names are those of test functions.\n",
    );
    for Rule { id, sentence, places } in all() {
        let [definition, policy, webhook, reconciler] = places;
        let _ = write!(text, "\n## {id}\n\n{sentence}.\n\n| where | |\n|---|---|\n");
        for (place, cell) in [
            ("definition (schema, CEL)", definition),
            ("admission policy", policy),
            ("webhook", webhook),
            ("reconciler", reconciler),
        ] {
            let _ = writeln!(text, "| {place} | {} |", cell.shown());
        }
    }
    text
}
