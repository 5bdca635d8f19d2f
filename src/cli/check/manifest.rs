//! Where manifests come from: files, folders and standard input; lists are taken apart.

use super::yaml;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// One object as it is written.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file; `-` for standard input.
    pub file: String,
    /// The line on which its document begins, from 1.
    pub line: usize,
    /// The object, or why it cannot be read.
    pub object: Result<Value, String>,
    /// What its writer should know all the same.
    pub warnings: Vec<String>,
}

/// Reads files, standard input (`-`), and all manifests of folders and those below, in the order of their names. An error
/// if one of them cannot be read, or if there is nothing.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>> {
    let mut manifests = vec![];
    for path in paths {
        let files = if path.is_dir() {
            within(path)?
        } else {
            vec![path.clone()]
        };
        ensure!(
            !files.is_empty(),
            "{}: there is no file *.yaml, *.yml or *.json in it",
            path.display()
        );
        for file in files {
            manifests.extend(of(&file.display().to_string(), &bytes(&file)?));
        }
    }
    ensure!(!manifests.is_empty(), "there is no object in what was given");
    Ok(manifests)
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = vec![];
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
        return Ok(bytes);
    }
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// The manifests in a folder. A link to a folder is not followed, so that there is an end.
fn within(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    let cannot = || format!("{} cannot be read", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let path = entry.path();
        let named = path.extension().and_then(|extension| extension.to_str());
        if entry.file_type().with_context(cannot)?.is_dir() {
            files.extend(within(&path)?);
        } else if matches!(named, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The manifests in a text.
pub fn of(file: &str, bytes: &[u8]) -> Vec<Manifest> {
    let manifest = |line, object, warnings| Manifest {
        file: file.to_owned(),
        line,
        object,
        warnings,
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        let message = "is not UTF-8: save it as such".to_owned();
        return vec![manifest(1, Err(message), vec![])];
    };
    let mut manifests = vec![];
    for document in yaml::documents(text) {
        let mut warnings = document.warnings;
        match document.value {
            Err(error) => manifests.push(manifest(document.line, Err(error), warnings)),
            Ok(value) => {
                for object in items(value) {
                    manifests.push(manifest(document.line, Ok(object), std::mem::take(&mut warnings)));
                }
            }
        }
    }
    manifests
}

/// The objects of a list of any kind, or the object itself.
fn items(mut value: Value) -> Vec<Value> {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items") {
        Some(Value::Array(list)) if is_list => std::mem::take(list).into_iter().flat_map(items).collect(),
        _ => vec![value],
    }
}
