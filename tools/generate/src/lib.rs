//! Everything in the repository that is generated: from the code, and from what Cargo knows of what we build on.

#![forbid(unsafe_code)]

mod licenses;

use anyhow::Result;
use pimpernel::artifacts;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every generated file: its path in the repository, and what is in it.
pub fn files() -> Result<BTreeMap<String, String>> {
    let mut files = artifacts::files()?;
    files.insert("docs/licenses.md".to_owned(), licenses::page()?);
    Ok(files)
}
