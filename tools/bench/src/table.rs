//! The one table that is printed.

use std::time::Duration;

/// Rows of figures.
pub struct Table {
    of: String,
    rows: Vec<[String; 5]>,
}

/// A figure, and how much of it there may be.
pub struct Goal {
    /// What is held against the goal.
    pub value: f64,
    /// The most that it should be.
    pub most: f64,
    /// In what both are.
    pub unit: &'static str,
}

impl Table {
    /// No rows yet. `of` says how large the run is.
    pub fn new(of: String) -> Self {
        let rows = vec![];
        Self { of, rows }
    }

    /// A figure that has no goal.
    pub fn note(&mut self, scenario: &str, figure: String) {
        self.rows
            .push([scenario.to_owned(), figure, String::new(), String::new(), String::new()]);
    }

    /// A figure with its goal.
    pub fn row(&mut self, scenario: &str, figure: String, goal: &Goal) {
        let Goal { value, most, unit } = goal;
        let verdict = if value <= most { "met" } else { "over" };
        self.rows.push([
            scenario.to_owned(),
            figure,
            format!("{value:.2}{unit}"),
            format!("{most}{unit}"),
            verdict.to_owned(),
        ]);
    }

    /// Prints it, as Markdown.
    #[expect(clippy::print_stdout, reason = "what the program is for")]
    pub fn print(&self) {
        let head = ["scenario", "figure", "ratio", "goal at most", ""].map(str::to_owned);
        let all = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| {
            all()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..head.len()).filter_map(width).collect();
        let line = |row: &[String; 5]| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!(" {cell:width$} |"));
            format!("|{}", cells.collect::<String>())
        };
        let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
        println!("\nWith {}:\n\n{}\n|{}|", self.of, line(&head), rules.join("|"));
        for row in &self.rows {
            println!("{}", line(row));
        }
    }
}

/// A time, in words.
pub fn told(time: Duration) -> String {
    match time.as_secs_f64() {
        long if long >= 1.0 => format!("{long:.1} s"),
        middling if middling >= 0.001 => format!("{:.1} ms", middling * 1e3),
        short => format!("{:.1} µs", short * 1e6),
    }
}

/// How many times `floor` goes into `time`.
pub fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The time below which that share of `times` is, in percent.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((sorted.len() * percent / 100).min(last))
        .copied()
        .unwrap_or_default()
}
