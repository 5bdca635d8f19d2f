//! What etcd holds, put aside and put back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::ControlPlane;
use crate::process::Process;

impl ControlPlane {
    /// Puts aside what is stored, and gives where it is. Nothing is served meanwhile.
    pub fn back_up(&self) -> Result<PathBuf> {
        let backup = self.layout.path("backup");
        self.halted(|| copy(&self.layout.path("etcd"), &backup))?;
        Ok(backup)
    }

    /// Puts back what was put aside; what was stored later is lost. Clients that know it must be started anew.
    pub fn restore(&self, backup: &Path) -> Result<()> {
        let store = self.layout.path("etcd");
        self.halted(|| {
            fs::remove_dir_all(&store)?;
            copy(backup, &store)
        })
    }

    /// Does something while no program runs, and starts them again.
    fn halted(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let manager = {
            let mut running = self.running();
            running.each().try_for_each(Process::kill)?;
            running.controller_manager.take().is_some()
        };
        work()?;
        {
            let mut running = self.running();
            running.etcd = Some(self.layout.etcd().start()?);
            running.apiserver = Some(self.layout.apiserver().start()?);
        }
        self.await_server()?;
        if manager {
            self.start_controller_manager()?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("`{}` cannot be read", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
