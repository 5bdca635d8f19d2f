//! The manifests under `examples/refused/`: what stands in their heads, and their documents.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

/// How the last document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is applied.
    Apply,
    /// The object of its name is deleted.
    Delete,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Where it is, from the root of the repository.
    pub path: String,
    /// The reason that it is refused for.
    pub reason: String,
    /// Who writes it: a user name, or `platform` for the administrator of the cluster.
    pub writer: String,
    /// The files that the platform applies before, beside the quickstart.
    pub given: Vec<PathBuf>,
    /// How the last document is written.
    pub deed: Deed,
    /// What the refusal says.
    pub says: Vec<String>,
    /// The documents: all but the last are admitted, the last is refused.
    pub documents: Vec<Value>,
}

/// The folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/refused")
}

/// All files, by name.
pub fn all() -> Result<Vec<Refused>, String> {
    let entries = std::fs::read_dir(folder()).map_err(|error| error.to_string())?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| error.to_string())?;
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Refused, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let path_in_repository = format!("examples/refused/{name}");
    let wrong = |what: &str| format!("{path_in_repository}: {what}");
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let said = |key: &'static str| {
        let start = format!("# {key}: ");
        let lines: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&start).map(str::to_owned))
            .collect();
        lines
    };
    let one = |key: &'static str| match said(key).as_slice() {
        [value] => Ok(value.clone()),
        other => Err(wrong(&format!(
            "`# {key}:` stands there {} times, and is needed once",
            other.len()
        ))),
    };
    let given = said("given").into_iter().map(|file| folder().join(file)).collect();
    let deed = match said("how").first().map(String::as_str) {
        None => Deed::Apply,
        Some("delete") => Deed::Delete,
        Some(other) => return Err(wrong(&format!("`# how: {other}` is not known"))),
    };
    Ok(Refused {
        reason: one("reason")?,
        writer: one("as")?,
        given,
        deed,
        says: said("says"),
        documents: documents(&text).map_err(|error| wrong(&error))?,
        path: path_in_repository,
    })
}

/// The documents of a text.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).map_err(|error| error.to_string()))
        .collect()
}
