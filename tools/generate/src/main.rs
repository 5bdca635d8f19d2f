//! Rewrites everything in the repository that is generated.

use anyhow::{Context, Result};
use pimpernel::artifacts;
use std::fs;

fn main() -> Result<()> {
    let (root, files) = (pimpernel_generate::repository(), pimpernel_generate::files()?);
    for folder in artifacts::GENERATED {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
        }
    }
    for (path, text) in files {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
