//! Child processes: started so that they cannot outlive this process, watched through their log, ended by pid.

mod record;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

pub use record::Record;

use crate::wait;

/// How long a started program lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifetime {
    /// At most as long as this process, even if this process is killed outright.
    #[default]
    OfThisProcess,
    /// Until somebody ends it: in a session of its own, out of reach of the terminal's signals, with a [`Record`] beside
    /// its log.
    Independent,
}

/// What to start.
#[derive(Debug)]
pub struct Program {
    /// What to call it in messages.
    pub name: &'static str,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to the environment it inherits.
    pub env: Vec<(String, OsString)>,
    /// The folder it starts in, that of this process by default.
    pub folder: Option<PathBuf>,
    /// Where stdout and stderr are appended.
    pub log: PathBuf,
    /// Where stdout goes instead, into a new file.
    pub stdout: Option<PathBuf>,
    /// How long it lives.
    pub lifetime: Lifetime,
}

impl Program {
    /// Starts it.
    pub fn start(self) -> Result<Process> {
        let mut command = match self.lifetime {
            Lifetime::OfThisProcess => tied(&self.path),
            Lifetime::Independent => apart(&self.path),
        };
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write the log of {} to `{}`", self.name, self.log.display()))?;
        let stdout = self.stdout.as_ref().map_or_else(|| log.try_clone(), File::create);
        let stdout = stdout.with_context(|| format!("cannot write what {} says to a file", self.name))?;
        command
            .args(&self.args)
            .envs(self.env)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let child = spawn(command).with_context(|| format!("cannot start `{}`", self.path.display()))?;
        let process = Process {
            name: self.name,
            child,
            log: self.log,
            released: false,
        };
        if self.lifetime == Lifetime::Independent {
            Record::write(process.name, process.pid(), &process.log)?;
        }
        Ok(process)
    }
}

/// A running program, killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    released: bool,
}

impl Process {
    /// What it is called in messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or nothing while it runs.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot ask for the state of {}", self.name))
    }

    /// Fails, with the end of its log, if it no longer runs.
    pub fn must_run(&mut self) -> Result<()> {
        if let Some(status) = self.exited()? {
            bail!(
                "{} ended by itself ({status}); its log ends with\n{}",
                self.name,
                self.log_end()
            );
        }
        Ok(())
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Asked first: a process that is still to be waited for keeps its pid, so the signal cannot hit another.
        if self.exited()?.is_some() {
            bail!("cannot send {signal:?} to {}: it has ended", self.name);
        }
        let pid = Pid::from_raw(i32::try_from(self.pid())?).context("process id 0")?;
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until(&what, limit, || self.exited())
    }

    /// Ends it and what it started at once, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.exited()?.is_none()
            && let Some(group) = Pid::from_raw(i32::try_from(self.pid())?)
        {
            // It leads a group of its own, but for the moment before it has come so far.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .with_context(|| format!("cannot end {}", self.name))?;
        Ok(())
    }

    /// Ends what it has started and left behind, after its own end.
    pub fn end_group(&mut self) {
        if let Ok(Some(group)) = i32::try_from(self.pid()).map(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Lets it run on after this value is dropped.
    pub fn release(mut self) {
        self.released = true;
    }

    /// All it has written.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines it has written, indented for an error message.
    pub fn log_end(&self) -> String {
        last_lines(&self.log(), 20)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.released {
            let _ = self.kill();
        }
    }
}

/// The last `count` lines, indented.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(count)..).unwrap_or_default();
    shown.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// Whether a program of that name is on the search path.
pub fn on_path(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// A command whose process the kernel kills when this process ends, where the system can do that.
pub fn tied(program: &Path) -> Command {
    if !on_path("setpriv") {
        let mut command = Command::new(program);
        command.process_group(0);
        return command;
    }
    let mut command = Command::new("setpriv");
    // A group of its own keeps a Ctrl-C in the terminal from ending it behind the back of its owner.
    command.process_group(0);
    // The shell closes the gap in which this process could end before the wish is on record: then the parent is
    // already another.
    let script = r#"[ "$PPID" = "$1" ] || exit 125; shift; exec "$@""#;
    command
        .args(["--pdeathsig", "KILL", "sh", "-c", script, "sh"])
        .arg(std::process::id().to_string())
        .arg(program);
    command
}

fn apart(program: &Path) -> Command {
    if !on_path("setsid") {
        let mut command = Command::new(program);
        command.process_group(0);
        return command;
    }
    // No group of its own here: setsid would fork for a group leader, and the pid would be another.
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

/// Starts a command from a thread that lives as long as the process: the kernel takes the end of the *thread* that
/// started a child for the death of its parent.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (orders, received) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in received {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = channel();
    SPAWNER.send((command, reply)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}
