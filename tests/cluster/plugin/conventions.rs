//! What every command that lists or shows something keeps to, on a stage.

use super::Person;
use crate::common::commands::{COMMANDS, Reach};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The widest line of a table, in columns.
const WIDTH: usize = 80;

/// Each form of each list is what it is called, for somebody who may see everything.
pub fn are_kept(admin: &Person<'_>) -> Result<()> {
    for command in COMMANDS.iter().filter(|command| command.forms.contains(&"wide")) {
        for form in command.forms {
            let place = match command.reach {
                Reach::Namespace | Reach::Everywhere => "-n lsp-paris",
                Reach::Cluster | Reach::Nowhere => "",
            };
            let parts = ["pimpernel", command.words, command.example, place, "-o", form];
            let words = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            is_kept(admin, &words.join(" "), form).with_context(|| words.join(" "))?;
        }
    }
    Ok(())
}

fn is_kept(admin: &Person<'_>, words: &str, form: &str) -> Result<()> {
    let said = admin.runs_with(admin.world.plane().admin(), words)?;
    ensure!(said.code == 0 && !said.stdout.is_empty(), "{}", said.stderr);
    ensure!(!said.stdout.contains('\u{1b}'), "colour: {}", said.stdout);
    match form {
        "json" => drop(serde_json::from_str::<Value>(&said.stdout)?),
        "yaml" => drop(serde_yaml::from_str::<Value>(&said.stdout)?),
        "table" => {
            let mut lines = said.stdout.lines();
            ensure!(
                lines.all(|line| line.chars().count() <= WIDTH),
                "too wide:\n{}",
                said.stdout
            );
        }
        _ => (),
    }
    Ok(())
}
