//! The Rust files of the package, and how a rule about them is held and shown to bite.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One Rust file, by its path below the root.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// What is wrong with one file; nothing if it keeps to the rule.
pub type Rule = fn(&Source) -> Vec<String>;

impl Source {
    pub fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    pub fn stem(&self) -> &str {
        Path::new(&self.path).file_stem().unwrap().to_str().unwrap()
    }

    /// Whether all of it is compiled for tests only.
    pub fn is_test(&self) -> bool {
        self.is_in("tests/") || self.path.contains("/tests/") || self.stem() == "tests"
    }

    /// The code without comments and without the tests at its end, on one line.
    pub fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        lines.collect::<Vec<_>>().join(" ")
    }

    /// Which of `words` the code uses.
    pub fn uses(&self, words: &[&str]) -> Vec<String> {
        let code = self.code();
        let used = words.iter().filter(|word| code.contains(**word));
        used.map(|word| format!("{} uses `{word}`", self.path)).collect()
    }

    /// Which of `names` the code takes from `crate_`, by path or by `use`.
    pub fn takes(&self, crate_: &str, names: &[&str]) -> Vec<String> {
        let code = self.code();
        let mut taken = BTreeSet::new();
        for tail in code.split(&format!("{crate_}::")).skip(1) {
            let end = if tail.starts_with('{') {
                tail.find(';')
            } else {
                tail.find(|c: char| !c.is_alphanumeric() && c != '_')
            };
            let clause = tail.get(..end.unwrap_or(tail.len())).unwrap();
            taken.extend(clause.split(|c: char| !c.is_alphanumeric() && c != '_'));
        }
        let wrong = names.iter().filter(|name| taken.contains(**name));
        wrong
            .map(|name| format!("{} uses `{crate_}::{name}`", self.path))
            .collect()
    }
}

/// Every Rust file of the package and its tools.
fn sources() -> Vec<Source> {
    let mut found = vec![];
    for folder in ["src", "tests", "tools"] {
        gather(&Path::new(ROOT).join(folder), &mut found);
    }
    assert!(found.len() > 50, "only {} files found", found.len());
    found
}

fn gather(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path, text });
        }
    }
}

#[track_caller]
pub fn all_keep_to(rule: Rule) {
    let wrong: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rule finds something wrong with a file at `path` that says `text`, and nothing without it.
#[track_caller]
pub fn catches(rule: Rule, path: &str, text: &str) {
    let source = |text: &str| Source {
        path: path.to_owned(),
        text: format!("//! A file.\n{text}\n"),
    };
    assert!(!rule(&source(text)).is_empty(), "{path} may say: {text}");
    assert_eq!(rule(&source("fn main() {}")), [""; 0]);
}
