//! The folder of one control plane: made, locked while it is in use, removed at the end.
//!
//! A process that is killed outright cannot remove its folder. The kernel drops its lock, though, and the next start
//! on this machine removes what nobody holds.

use std::fs::{self, DirBuilder, File, ReadDir};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

const PREFIX: &str = "pimpernel-cluster-";
/// Somebody who has just made a folder may not have locked it yet.
const GRACE: Duration = Duration::from_mins(1);

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    kept: bool,
    _lock: File,
}

impl Scratch {
    /// A new folder under the system's temporary folder, readable by this user only.
    pub fn temporary() -> Result<Self> {
        let parent = std::env::temp_dir();
        if let Ok(entries) = fs::read_dir(&parent) {
            sweep(entries);
        }
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
        let made = made.with_context(|| format!("cannot make a folder in `{}`; set TMPDIR", parent.display()))?;
        Self::hold(made.keep())
    }

    /// The folder `path`, which must not exist yet.
    pub fn at(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make the folder `{}`", parent.display()))?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the folder `{}`", path.display()))?;
        Self::hold(path.to_path_buf())
    }

    fn hold(path: PathBuf) -> Result<Self> {
        let lock = File::open(&path).and_then(|folder| folder.lock().map(|()| folder));
        let lock = lock.with_context(|| format!("cannot lock the folder `{}`", path.display()))?;
        Ok(Self {
            path,
            kept: false,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; a folder that stays is swept up by the next start.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn sweep(entries: ReadDir) {
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && abandoned(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn abandoned(path: &Path) -> bool {
    let settled = fs::symlink_metadata(path)
        .and_then(|found| found.modified())
        .is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > GRACE));
    settled && File::open(path).is_ok_and(|folder| folder.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn aged(parent: &Path, name: &str, age: Duration) -> PathBuf {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the age of a file, not a time of the cluster")]
        let then = SystemTime::now() - age;
        File::open(&path).unwrap().set_modified(then).unwrap();
        path
    }

    #[test]
    fn only_old_folders_of_ours_that_nobody_holds_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let hour = Duration::from_hours(1);
        let left_behind = aged(parent.path(), "pimpernel-cluster-left", hour);
        let in_use = aged(parent.path(), "pimpernel-cluster-used", hour);
        let fresh = aged(parent.path(), "pimpernel-cluster-new", Duration::ZERO);
        let foreign = aged(parent.path(), "somebody-else", hour);
        let lock = File::open(&in_use).unwrap();
        lock.lock().unwrap();
        sweep(fs::read_dir(parent.path()).unwrap());
        assert!(!left_behind.exists());
        assert!(in_use.exists() && fresh.exists() && foreign.exists());
    }

    #[test]
    fn a_dropped_folder_is_gone_and_a_kept_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let (gone, stays) = (parent.path().join("gone"), parent.path().join("stays"));
        drop(Scratch::at(&gone).unwrap());
        Scratch::at(&stays).unwrap().keep();
        assert!(!gone.exists() && stays.exists());
        assert!(Scratch::at(&stays).is_err());
    }
}
