//! Whether what came out is what was written.

use std::collections::BTreeMap;

/// For each expected line, whether it was found, in order.
pub fn found_in_order(expected: &[String], output: &str, variables: &BTreeMap<String, String>) -> Vec<bool> {
    let mut rest = output.lines();
    let mut found = Vec::new();
    for pattern in expected {
        let parts = evenly_spaced(pattern);
        let parts: Vec<String> = parts.split("...").map(|part| filled_in(part, variables)).collect();
        let here = rest.clone().position(|line| matches(&parts, &evenly_spaced(line)));
        if let Some(position) = here {
            // What follows must come later; a line that is missing leaves the place where it is.
            rest.nth(position);
        }
        found.push(here.is_some());
    }
    found
}

/// `${VARIABLE}` replaced by its value, where it has one.
pub fn filled_in(text: &str, variables: &BTreeMap<String, String>) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    })
}

/// Columns are aligned by what else is in the table, which is nobody's promise.
fn evenly_spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line consists of these parts with anything between them.
fn matches(parts: &[String], line: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == line);
    };
    let Some(mut rest) = line.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(expected: &[&str], output: &str) -> Vec<bool> {
        let expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
        let variables = BTreeMap::from([("NAME".to_owned(), "a...z".to_owned())]);
        found_in_order(&expected, output, &variables)
    }

    #[test]
    fn a_line_without_dots_is_the_whole_line() {
        assert_eq!(found(&["no"], "no\n"), [true]);
        assert_eq!(found(&["no"], "  no  \n"), [true]);
        assert_eq!(found(&["NAME  AGE"], "NAME      AGE\n"), [true]);
        assert_eq!(found(&["NAME AGE"], "NAMEAGE\n"), [false]);
        assert_eq!(found(&["no"], "not\n"), [false]);
        assert_eq!(found(&["no"], ""), [false]);
    }

    #[test]
    fn dots_stand_for_anything_within_a_line() {
        assert_eq!(found(&["pod ... is ... ready"], "pod x is not yet ready\n"), [true]);
        assert_eq!(found(&["... ready"], "pod ready\n"), [true]);
        assert_eq!(found(&["pod..."], "pod\n"), [true]);
        assert_eq!(found(&["pod ... ready"], "pod x\nready\n"), [false]);
        assert_eq!(found(&["ab...ba"], "aba\n"), [false]);
        assert_eq!(found(&["a...b...b"], "ab\n"), [false]);
    }

    #[test]
    fn lines_come_in_order_and_others_may_stand_between() {
        assert_eq!(found(&["a", "c"], "a\nb\nc\n"), [true, true]);
        assert_eq!(found(&["c", "a"], "a\nb\nc\n"), [true, false]);
        assert_eq!(found(&["a", "a"], "a\n"), [true, false]);
        assert_eq!(found(&["x", "a"], "a\n"), [false, true]);
    }

    #[test]
    fn the_value_of_a_variable_is_taken_literally() {
        assert_eq!(found(&["${NAME} is there"], "a...z is there\n"), [true]);
        assert_eq!(found(&["${NAME} is there"], "abcz is there\n"), [false]);
        assert_eq!(found(&["${OTHER}"], "${OTHER}\n"), [true]);
    }
}
