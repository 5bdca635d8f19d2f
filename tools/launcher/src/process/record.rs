//! Programs that outlive who started them, written down so that they can be found and ended later.
//!
//! A pid alone would be a promise to kill a stranger: pids are used again. With the moment of its birth it names one
//! process, and no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::wait;

const SUFFIX: &str = "pid";

/// A program that was started with [`super::Lifetime::Independent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is called.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    birth: String,
}

impl Record {
    /// All that are written down in a folder.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot look into `{}`", folder.display()))?;
        let paths = entries.flatten().map(|entry| entry.path());
        let paths = paths.filter(|path| path.extension().is_some_and(|suffix| suffix == SUFFIX));
        paths.map(|path| Self::read(&path)).collect()
    }

    /// Writes down a process that was just started, beside its log.
    pub(super) fn write(name: &str, pid: u32, log: &Path) -> Result<()> {
        let birth = birth(pid).with_context(|| format!("cannot tell when process {pid} was born"))?;
        let path = Self::path(log);
        let text = json!({ "name": name, "pid": pid, "birth": birth }).to_string();
        // In one step: half a record would stand in the way of all others.
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn path(log: &Path) -> PathBuf {
        log.with_extension(SUFFIX)
    }

    fn read(path: &Path) -> Result<Self> {
        let place = || format!("`{}` does not tell of a process", path.display());
        let text = fs::read_to_string(path).with_context(place)?;
        let value: Value = serde_json::from_str(&text).with_context(place)?;
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let pid = value
            .get("pid")
            .and_then(Value::as_u64)
            .and_then(|pid| u32::try_from(pid).ok());
        Ok(Self {
            name: text("name").with_context(place)?,
            pid: pid.with_context(place)?,
            birth: text("birth").with_context(place)?,
        })
    }

    /// Whether that very process still runs.
    pub fn runs(&self) -> bool {
        birth(self.pid).is_some_and(|birth| birth == self.birth)
    }

    /// Ends it and waits until it is gone: at once, or after a request if it gets time for that.
    pub fn end(&self, time: Option<Duration>) -> Result<()> {
        if let Some(time) = time {
            self.signal(Signal::TERM)?;
            let deadline = Instant::now() + time;
            while self.runs() && Instant::now() < deadline {
                wait::pause(Duration::from_millis(20))?;
            }
        }
        self.signal(Signal::KILL)?;
        wait::until(&format!("the end of {}", self.name), Duration::from_secs(30), || {
            Ok((!self.runs()).then_some(()))
        })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        if !self.runs() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.pid)?).context("process id 0")?;
        match kill_process(pid, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            result => result.with_context(|| format!("cannot end {}, process {pid}", self.name)),
        }
    }
}

/// When a running process was born, in whatever form the system tells it.
fn birth(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let ticks = birth_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        return Some(format!("{} {ticks}", boot.trim()));
    }
    let output = Command::new("ps")
        .args(["-o", "lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!told.is_empty()).then_some(told)
}

/// The time of birth in a line of `/proc/PID/stat`. A process that has ended and is still to be waited for has none.
fn birth_in(stat: &str) -> Option<String> {
    // The name, in parentheses, may hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (state != "Z" && state != "X").then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn the_birth_is_found_behind_any_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 11 12";
        assert_eq!(birth_in(stat).as_deref(), Some("987654"));
        assert_eq!(birth_in(&stat.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn only_the_process_that_was_written_down_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        Record::write("sleeper", child.id(), &folder.path().join("sleeper.log")).unwrap();
        let record = Record::read_all(folder.path()).unwrap().pop().unwrap();
        assert!(record.runs());
        let stranger = Record {
            birth: "another time".to_owned(),
            ..record.clone()
        };
        stranger.end(None).unwrap();
        assert!(!stranger.runs() && child.try_wait().unwrap().is_none());
        record.end(Some(Duration::from_secs(10))).unwrap();
        assert!(!record.runs());
        assert!(!child.wait().unwrap().success());
    }
}
