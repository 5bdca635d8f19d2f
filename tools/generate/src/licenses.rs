//! `docs/licenses.md`: what of others is in the programs, and under which licences. That these are allowed is for
//! `deny.toml`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;

const PREAMBLE: &str = "# Licences

Generated from what Cargo builds with. Pimpernel itself is under Apache-2.0: see `LICENSE`. These crates of others are in its
programs for Linux, or wrote code for them while they were built. The text of each licence is in the crate's source.

Besides them there is Rust's standard library (MIT OR Apache-2.0). An image of `make image` has, unchanged, the libraries
that the operator loads, of the system on which it was packed: glibc (LGPL-2.1-or-later) and libgcc (GPL-3.0-or-later WITH
GCC-exception-3.1); one of the Dockerfile has what its base has.

| crate | version | licence |
|---|---|---|
";

/// Name, version, licence.
type Crate = (String, String, String);

/// The page.
pub fn page() -> Result<String> {
    let mut crates = BTreeSet::new();
    for target in targets()? {
        crates.extend(crates_in(&tree(&target)?)?);
    }
    let mut page = PREAMBLE.to_owned();
    for (name, version, licence) in crates {
        writeln!(page, "| {name} | {version} | {licence} |")?;
    }
    Ok(page)
}

/// What programs are built for, as it is in `deny.toml`.
fn targets() -> Result<Vec<String>> {
    let text = fs::read_to_string(repository().join("deny.toml")).context("cannot read deny.toml")?;
    let list = text.lines().find_map(|line| line.strip_prefix("targets = ["));
    let list = list.context("deny.toml has no line of targets")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// What the programs are made of, a crate a line, as Cargo tells it: without what only tests or build scripts need.
fn tree(target: &str) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "--package", "pimpernel", "--edges", "normal"]);
    command.args(["--prefix", "none", "--format", "{p}|{l}|", "--target", target]);
    let output = command.current_dir(repository()).output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo does not tell what is built for {target}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn crates_in(said: &str) -> Result<BTreeSet<Crate>> {
    let mut crates = BTreeSet::new();
    for line in said.lines() {
        let mut cells = line.split('|');
        let mut words = cells.next().unwrap_or_default().split(' ');
        let version = |word: &str| word.strip_prefix('v').map(str::to_owned);
        let (Some(name), Some(version), Some(licence)) = (words.next(), words.next().and_then(version), cells.next())
        else {
            bail!("`{line}` is no crate");
        };
        ensure!(
            !licence.is_empty(),
            "{name} {version} does not say under which licence it is"
        );
        if name != "pimpernel" {
            // The slash is how older crates say it.
            crates.insert((
                name.to_owned(),
                version,
                licence.replace(" / ", "/").replace('/', " OR "),
            ));
        }
    }
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_read_once_each_with_licences_in_one_spelling() {
        let said = "pimpernel v0.1.0 (/somewhere)|Apache-2.0|\nscarlet v1.7.92 (proc-macro)|MIT/Apache-2.0|\n\
                    league v0.2.0|Apache-2.0 / MIT|\nscarlet v1.7.92 (proc-macro)|MIT/Apache-2.0| (*)\n";
        let crates: Vec<Crate> = crates_in(said).unwrap().into_iter().collect();
        let of = |name: &str, version: &str, licence: &str| (name.to_owned(), version.to_owned(), licence.to_owned());
        assert_eq!(
            crates,
            [
                of("league", "0.2.0", "Apache-2.0 OR MIT"),
                of("scarlet", "1.7.92", "MIT OR Apache-2.0")
            ]
        );
    }

    #[test]
    fn a_crate_that_names_no_licence_is_told() {
        let error = crates_in("chauvelin v1.0.0||\n").unwrap_err().to_string();
        assert!(error.contains("chauvelin 1.0.0"), "{error}");
        assert!(crates_in("chauvelin|MIT|\n").is_err());
    }
}
