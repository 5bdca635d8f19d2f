//! One control plane: etcd, kube-apiserver and, unless declined, kube-controller-manager.
//!
//! It gives out identities (client certificates in kubeconfig files) and knows nothing of what is installed in it.

mod backup;
pub(crate) mod kubeconfig;
mod programs;

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Process, Program};
use crate::scratch::Scratch;
use crate::{Assets, Lifetime, pki, port, wait};
use kubeconfig::secret_file;
use programs::Layout;

const READY: Duration = Duration::from_mins(1);
const KUBECTL: Duration = Duration::from_mins(2);

/// What a control plane should be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether etcd writes through to the disk. Off by default; figures of performance need it on.
    pub fsync: bool,
    /// How many bytes etcd stores at most, history included. etcd's own limit of 2 GiB by default.
    pub etcd_quota: Option<u64>,
    /// Whether kube-controller-manager runs: garbage collection, deletion of namespaces, aggregation of `ClusterRoles`.
    /// On by default.
    pub controller_manager: bool,
    /// Whether all requests, reads too, are logged, see [`ControlPlane::audit_log`]. Off by default.
    pub audit: bool,
    /// The folder to use, which must not exist. A new one in the system's temporary folder by default.
    pub folder: Option<PathBuf>,
    /// How long the programs live. At most as long as this process by default.
    pub lifetime: Lifetime,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: false,
            etcd_quota: None,
            controller_manager: true,
            audit: false,
            folder: None,
            lifetime: Lifetime::default(),
        }
    }
}

/// A running control plane. Dropping it ends its programs and removes its folder.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: the programs end before their folder goes.
    running: Mutex<Running>,
    layout: Layout,
    server: String,
    authority: pki::Authority,
    admin: PathBuf,
    identities: AtomicUsize,
    scratch: Scratch,
}

/// Clients first: so they are dropped.
#[derive(Debug)]
struct Running {
    controller_manager: Option<Process>,
    apiserver: Option<Process>,
    etcd: Option<Process>,
}

impl Running {
    fn each(&mut self) -> impl Iterator<Item = &mut Process> {
        [&mut self.controller_manager, &mut self.apiserver, &mut self.etcd]
            .into_iter()
            .flatten()
    }
}

impl ControlPlane {
    /// Starts one and waits until it serves.
    pub fn start(options: &Options) -> Result<Self> {
        let assets = Assets::find_or_build()?;
        let scratch = match &options.folder {
            Some(path) => Scratch::at(path)?,
            None => Scratch::temporary()?,
        };
        let layout = Layout {
            assets,
            folder: scratch.path().to_path_buf(),
            port: port::free()?,
            etcd_port: port::free()?,
            etcd_peer_port: port::free()?,
            options: options.clone(),
        };
        let authority = pki::Authority::new()?;
        write_files(&layout, &authority)?;
        let running = Running {
            etcd: Some(layout.etcd().start()?),
            apiserver: Some(layout.apiserver().start()?),
            controller_manager: None,
        };
        let mut plane = Self {
            running: Mutex::new(running),
            server: format!("https://127.0.0.1:{}", layout.port),
            layout,
            authority,
            admin: PathBuf::new(),
            identities: AtomicUsize::new(0),
            scratch,
        };
        plane.admin = plane.user("kubernetes-admin", &["system:masters"])?;
        plane.await_server()?;
        if options.controller_manager {
            plane.start_controller_manager()?;
        }
        plane.await_default_namespace()?;
        Ok(plane)
    }

    /// It ends by itself if the server does not serve ten seconds after its start, so it comes after that.
    fn start_controller_manager(&self) -> Result<()> {
        let kubeconfig = self.user("system:kube-controller-manager", &[])?;
        self.running().controller_manager = Some(self.layout.controller_manager(&kubeconfig).start()?);
        Ok(())
    }

    /// The port at which etcd is reached on this machine, without encryption.
    pub fn etcd_port(&self) -> u16 {
        self.layout.etcd_port
    }

    /// The kubeconfig of an administrator, who passes every check.
    pub fn admin(&self) -> &Path {
        &self.admin
    }

    /// A new kubeconfig for a user with a certificate of their own. Two groups at most.
    pub fn user(&self, name: &str, groups: &[&str]) -> Result<PathBuf> {
        self.user_at(&self.server, name, groups)
    }

    /// The same for somebody who asks at another address, where somebody answers with [`Self::server_certificate`].
    pub fn user_at(&self, server: &str, name: &str, groups: &[&str]) -> Result<PathBuf> {
        let identity = self.authority.client(name, groups)?;
        let path = self.new_kubeconfig(name);
        kubeconfig::with_certificate(&path, server, self.ca_pem(), &identity)?;
        Ok(path)
    }

    /// A new kubeconfig for the bearer of a token. `label` is for the name of the file alone.
    pub fn bearer(&self, label: &str, token: &str) -> Result<PathBuf> {
        let path = self.new_kubeconfig(label);
        kubeconfig::with_token(&path, &self.server, self.ca_pem(), token)?;
        Ok(path)
    }

    /// kubectl under an identity, with nothing read from or written to the home of the user.
    pub fn kubectl(&self, kubeconfig: &Path) -> Command {
        self.client(&self.layout.assets.program("kubectl"), kubeconfig)
    }

    /// The same for another program that knows where to go by `KUBECONFIG`.
    pub fn client(&self, program: &Path, kubeconfig: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment(kubeconfig));
        command
    }

    /// Runs kubectl under an identity and gives its stdout; a failure is an error with its stderr.
    pub fn kubectl_output(&self, kubeconfig: &Path, args: &[&str]) -> Result<String> {
        let files = tempfile::Builder::new().prefix("kubectl-").tempdir_in(self.dir())?;
        let stdout = files.path().join("stdout");
        let program = Program {
            name: "kubectl",
            path: self.layout.assets.program("kubectl"),
            args: args.iter().map(Into::into).collect(),
            env: self.environment(kubeconfig),
            folder: None,
            log: files.path().join("stderr"),
            stdout: Some(stdout.clone()),
            lifetime: Lifetime::OfThisProcess,
        };
        let mut kubectl = program.start()?;
        let status = kubectl.wait(KUBECTL)?;
        if !status.success() {
            bail!(
                "`kubectl {}` failed ({status}): {}",
                args.join(" "),
                kubectl.log().trim_end()
            );
        }
        fs::read_to_string(&stdout).context("cannot read what kubectl wrote")
    }

    /// The address of kube-apiserver.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate of the authority that signed the server's, in PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.certificate()
    }

    /// The files with the certificate of kube-apiserver, which is good for any port of this machine, and with its key.
    pub fn server_certificate(&self) -> (PathBuf, PathBuf) {
        (self.layout.path("apiserver.crt"), self.layout.path("apiserver.key"))
    }

    /// The folder of this control plane, with the logs of its programs.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// The programs it runs.
    pub fn assets(&self) -> &Assets {
        &self.layout.assets
    }

    /// The audit log, one JSON object per line, if [`Options::audit`] is on.
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.layout.options.audit.then(|| self.layout.path("audit.log"))
    }

    /// Ends kube-apiserver at once, as a crash would.
    pub fn kill_apiserver(&self) -> Result<()> {
        let apiserver = self.running().apiserver.take();
        apiserver.context("kube-apiserver does not run")?.kill()
    }

    /// Starts kube-apiserver again, at the same address and with the same contents, and waits until it serves.
    pub fn start_apiserver(&self) -> Result<()> {
        {
            let mut running = self.running();
            if running.apiserver.is_some() {
                bail!("kube-apiserver runs already");
            }
            running.apiserver = Some(self.layout.apiserver().start()?);
        }
        self.await_server()
    }

    /// Ends all programs and removes the folder, and says what went wrong, which dropping cannot.
    pub fn stop(self) -> Result<()> {
        self.running().each().try_for_each(Process::kill)?;
        let folder = self.dir().to_path_buf();
        drop(self);
        if folder.exists() {
            bail!("the folder `{}` could not be removed", folder.display());
        }
        Ok(())
    }

    /// Leaves the programs running and the folder in place. Gives name and pid of each program, clients first. Makes
    /// sense with [`Lifetime::Independent`].
    pub fn detach(self) -> Vec<(&'static str, u32)> {
        let Running {
            controller_manager,
            apiserver,
            etcd,
        } = self.running.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.scratch.keep();
        let running = [controller_manager, apiserver, etcd].into_iter().flatten();
        let entries = running.map(|process| {
            let entry = (process.name(), process.pid());
            process.release();
            entry
        });
        entries.collect()
    }

    /// Variables for kubectl: who it is, and nothing to do with the home of the user.
    pub(crate) fn environment(&self, kubeconfig: &Path) -> Vec<(String, OsString)> {
        let (home, cache) = (self.layout.path("home"), self.layout.path("home/cache"));
        // The home is as private as a place for the time of a login.
        let entries = [
            ("KUBECONFIG", kubeconfig),
            ("HOME", &home),
            ("XDG_RUNTIME_DIR", &home),
            ("KUBECACHEDIR", &cache),
        ];
        entries
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_kubeconfig(&self, label: &str) -> PathBuf {
        let number = self.identities.fetch_add(1, Ordering::Relaxed);
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() || letter == '.' {
                letter
            } else {
                '-'
            }
        };
        let label: String = label.chars().take(60).map(plain).collect();
        self.layout
            .path("identities")
            .join(format!("{number:03}-{label}.kubeconfig"))
    }

    fn await_server(&self) -> Result<()> {
        let what = format!(
            "kube-apiserver; its log is `{}`",
            self.layout.path("kube-apiserver.log").display()
        );
        wait::until(&what, READY, || {
            self.running().each().try_for_each(Process::must_run)?;
            // kubectl costs a tenth of a second of processor time, which the starting server needs more.
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.layout.port)).is_err() {
                return Ok(None);
            }
            Ok(self
                .kubectl_output(&self.admin, &["get", "--raw=/readyz", "--request-timeout=10s"])
                .ok())
        })?;
        Ok(())
    }

    /// A namespace is of use only once it exists, and to Pods only once it has its service account.
    fn await_default_namespace(&self) -> Result<()> {
        let object = if self.layout.options.controller_manager {
            "serviceaccount/default"
        } else {
            "namespace/default"
        };
        self.kubectl_output(
            &self.admin,
            &["wait", "--for=create", object, "--namespace=default", "--timeout=30s"],
        )?;
        Ok(())
    }
}

fn write_files(layout: &Layout, authority: &pki::Authority) -> Result<()> {
    for folder in ["home/cache", "identities"] {
        fs::create_dir_all(layout.path(folder)).with_context(|| format!("cannot make a folder for {folder}"))?;
    }
    let server = authority.server()?;
    let (private, public) = pki::service_account_keys()?;
    let policy = r#"{
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata" }]
    }"#;
    let files = [
        ("ca.crt", authority.certificate()),
        ("apiserver.crt", &server.certificate),
        ("apiserver.key", &server.key),
        ("service-accounts.key", &private),
        ("service-accounts.pub", &public),
        ("audit-policy.json", policy),
    ];
    files
        .iter()
        .try_for_each(|(name, text)| secret_file(&layout.path(name), text))
}
