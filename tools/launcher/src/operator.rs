//! The operator, run against a control plane as it runs in a cluster: under its own identity, with its own rights only.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::{Process, Program};
use crate::{ControlPlane, Lifetime, http, port, repository, wait};

/// The user that `rbac/` gives the operator's rights to.
pub const USER: &str = "pimpernel-operator";

/// The namespaces the operator finds in place.
pub const NAMESPACES: [&str; 2] = ["pimpernel-system", "pimpernel-sessions"];

const STOPPED: Duration = Duration::from_secs(30);

/// How to run the operator.
#[derive(Debug, Clone)]
pub struct OperatorOptions {
    /// The program.
    pub binary: PathBuf,
    /// Whether it serves the webhook. On by default.
    pub webhook: bool,
    /// Further arguments.
    pub args: Vec<String>,
    /// The user it acts as, `pimpernel-operator` by default.
    pub user: String,
    /// Where it finds the API server and who it is there, instead of a kubeconfig of [`Self::user`].
    pub kubeconfig: Option<PathBuf>,
    /// Variables added to its environment.
    pub env: Vec<(String, OsString)>,
    /// How long it lives. At most as long as this process by default.
    pub lifetime: Lifetime,
}

impl OperatorOptions {
    /// The defaults for a program.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            webhook: true,
            args: Vec::new(),
            user: USER.to_owned(),
            kubeconfig: None,
            env: Vec::new(),
            lifetime: Lifetime::default(),
        }
    }
}

/// A running operator. Dropping it ends it at once.
#[derive(Debug)]
pub struct Operator {
    process: Mutex<Process>,
    pid: u32,
    http_port: u16,
}

impl Operator {
    /// Installs, as the administrator, what the operator needs from this repository: `crds/`, its namespaces, `rbac/`
    /// and `catalog/`.
    pub fn install(plane: &ControlPlane) -> Result<()> {
        let root = repository();
        let crds = folder(&root, "crds")?;
        apply(plane, &["-f", &crds])?;
        for namespace in NAMESPACES {
            create_namespace(plane, namespace)?;
        }
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "--recursive",
            "-f",
            &crds,
        ];
        plane.kubectl_output(plane.admin(), &wait)?;
        let (rbac, catalog) = (folder(&root, "rbac")?, folder(&root, "catalog")?);
        apply(plane, &["-f", &rbac, "-f", &catalog])
    }

    /// Starts it. See [`Operator::wait_ready`].
    pub fn start(plane: &ControlPlane, options: &OperatorOptions) -> Result<Self> {
        let OperatorOptions {
            binary,
            webhook,
            args,
            user,
            kubeconfig,
            env,
            lifetime,
        } = options;
        if !binary.is_file() {
            bail!(
                "there is no operator at `{}`: build it with `cargo build --bin pimpernel-operator`",
                binary.display()
            );
        }
        let http_port = port::free()?;
        let mut line = vec!["run".to_owned()];
        if *webhook {
            let address = format!("127.0.0.1:{}", port::free()?);
            line.extend(["--webhook-url".to_owned(), format!("https://{address}")]);
            line.extend(["--webhook-listen".to_owned(), address]);
        }
        line.extend(["--http-listen".to_owned(), format!("127.0.0.1:{http_port}")]);
        line.extend(["--log-format".to_owned(), "json".to_owned()]);
        line.extend(args.iter().cloned());
        let kubeconfig = match kubeconfig {
            Some(path) => path.clone(),
            None => plane.user(user, &[])?,
        };
        let mut env = env.clone();
        env.push(("KUBECONFIG".to_owned(), kubeconfig.into()));
        let program = Program {
            name: "pimpernel-operator",
            path: binary.clone(),
            args: line.into_iter().map(OsString::from).collect(),
            env,
            folder: None,
            stdout: None,
            log: plane.dir().join(format!("operator-{http_port}.log")),
            lifetime: *lifetime,
        };
        let process = program.start()?;
        Ok(Self {
            pid: process.pid(),
            process: Mutex::new(process),
            http_port,
        })
    }

    /// Waits until it says that it is ready.
    pub fn wait_ready(&self, limit: Duration) -> Result<()> {
        let mut answer = "nothing".to_owned();
        let ready = wait::until("the operator to be ready", limit, || {
            self.process().must_run()?;
            match self.http_get("/readyz") {
                Ok((200, _)) => return Ok(Some(())),
                Ok((status, body)) => answer = format!("{status} {body}"),
                Err(_) => {}
            }
            Ok(None)
        });
        let running = self.is_running();
        ready.with_context(|| {
            if running {
                format!(
                    "/readyz answered {answer}; the operator's log ends with\n{}",
                    self.log_end()
                )
            } else {
                "the operator did not become ready".to_owned()
            }
        })
    }

    /// Its metrics, in the text format.
    pub fn metrics(&self) -> Result<String> {
        match self.http_get("/metrics")? {
            (200, body) => Ok(body),
            (status, body) => bail!("GET /metrics answered {status}: {body}"),
        }
    }

    /// Status and body of a GET to its plain port.
    pub fn http_get(&self, path: &str) -> Result<(u16, String)> {
        http::get(self.http_port, path)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) -> Result<()> {
        self.process().kill()
    }

    /// Asks it to end, waits, and tells how it ended.
    pub fn terminate(&self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.process().wait(STOPPED)
    }

    /// Sends a signal by its name, with or without `SIG`: STOP, CONT, TERM, INT, HUP, KILL, QUIT, USR1 or USR2.
    pub fn signal(&self, name: &str) -> Result<()> {
        let signal = match name.strip_prefix("SIG").unwrap_or(name) {
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            "TERM" => Signal::TERM,
            "INT" => Signal::INT,
            "HUP" => Signal::HUP,
            "KILL" => Signal::KILL,
            "QUIT" => Signal::QUIT,
            "USR1" => Signal::USR1,
            "USR2" => Signal::USR2,
            _ => bail!(
                "`{name}` is no signal that can be sent here: take STOP, CONT, TERM, INT, HUP, KILL, QUIT, USR1 or USR2"
            ),
        };
        self.process().signal(signal)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The port of `/readyz` and `/metrics`.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// The last lines of its log, indented for an error message.
    pub fn log_end(&self) -> String {
        self.process().log_end()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.process().exited().is_ok_and(|status| status.is_none())
    }

    /// Leaves it running. Gives its pid.
    pub fn detach(self) -> u32 {
        self.process
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .release();
        self.pid
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(plane: &ControlPlane, files: &[&str]) -> Result<()> {
    let args = [&["apply", "--server-side", "--recursive"], files].concat();
    plane.kubectl_output(plane.admin(), &args)?;
    Ok(())
}

fn create_namespace(plane: &ControlPlane, name: &str) -> Result<()> {
    let made = plane.kubectl_output(plane.admin(), &["create", "namespace", name]);
    match made {
        Err(error) if !error.to_string().contains("AlreadyExists") => Err(error),
        _ => Ok(()),
    }
}

fn folder(root: &Path, name: &str) -> Result<String> {
    let path = root.join(name);
    let files = path
        .read_dir()
        .with_context(|| format!("`{}` is missing", path.display()))?
        .count();
    if files == 0 {
        bail!("`{}` is empty", path.display());
    }
    path.into_os_string()
        .into_string()
        .ok()
        .with_context(|| format!("the path of `{name}` is not UTF-8"))
}
