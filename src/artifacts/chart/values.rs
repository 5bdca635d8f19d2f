//! The README of the chart: every value, with its default and what the comment above it says.

use std::fmt::Write;

const VALUES: &str = include_str!("../../../charts/pimpernel/values.yaml");

const HEAD: &str = "# Helm chart of Pimpernel

Generated from values.yaml by `make generate`. How to install, upgrade and uninstall is in
[docs/installation.md](../../docs/installation.md).

A value that is not in this table is refused.

| value | default | meaning |
|---|---|---|
";

/// One line of the table.
#[derive(Debug)]
struct Described {
    /// The keys that lead there, such as `image.tag`.
    path: String,
    /// As it is written in the file.
    default: String,
    /// What the comment says; empty if there is none.
    meaning: String,
}

/// The README.
pub fn page() -> String {
    described(VALUES).into_iter().fold(HEAD.to_owned(), |mut text, value| {
        let _ = writeln!(text, "| `{}` | `{}` | {} |", value.path, value.default, value.meaning);
        text
    })
}

/// The values of a file whose maps are written line by line, each level two blanks further in.
fn described(text: &str) -> Vec<Described> {
    let (mut found, mut above, mut comment): (Vec<Described>, Vec<&str>, Vec<&str>) = (vec![], vec![], vec![]);
    for line in text.lines() {
        let within = line.trim_start();
        if let Some(said) = within.strip_prefix('#') {
            comment.push(said.trim());
            continue;
        }
        if let Some((key, value)) = within.split_once(':') {
            above.truncate((line.len() - within.len()) / 2);
            above.push(key);
            if !value.trim().is_empty() {
                found.push(Described {
                    path: above.join("."),
                    default: value.trim().to_owned(),
                    meaning: comment.join(" "),
                });
            }
        }
        comment.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_with_the_comment_right_above_it() {
        let text =
            "# About all.\n\na:\n  # The first,\n  # in two lines.\n  b: 1\n  c:\n    d: {}\n# The last.\ne: \"\"\n";
        let found: Vec<String> = described(text)
            .iter()
            .map(|value| format!("{}={} ({})", value.path, value.default, value.meaning))
            .collect();
        assert_eq!(
            found,
            ["a.b=1 (The first, in two lines.)", "a.c.d={} ()", "e=\"\" (The last.)"]
        );
    }

    #[test]
    fn every_value_of_the_chart_has_a_comment() {
        let all = described(VALUES);
        assert!(all.len() > 40, "{}", all.len());
        let silent: Vec<&Described> = all.iter().filter(|value| value.meaning.is_empty()).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }
}
