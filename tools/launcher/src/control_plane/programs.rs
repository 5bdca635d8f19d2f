//! The command lines of etcd, kube-apiserver and kube-controller-manager.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::process::Program;
use crate::{Assets, Options};

/// What the command lines depend on, all fixed for the life of a control plane.
#[derive(Debug)]
pub struct Layout {
    /// Where the programs are.
    pub assets: Assets,
    /// The folder of this control plane.
    pub folder: PathBuf,
    /// The port of kube-apiserver.
    pub port: u16,
    /// The client port of etcd.
    pub etcd_port: u16,
    /// The peer port of etcd.
    pub etcd_peer_port: u16,
    /// What the caller asked for.
    pub options: Options,
}

impl Layout {
    /// A file or folder of this control plane.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// etcd.
    pub fn etcd(&self) -> Program {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer_port);
        let mut args = Args::default()
            .file("data-dir", &self.path("etcd"))
            .text("listen-client-urls", &client)
            .text("advertise-client-urls", &client)
            .text("listen-peer-urls", &peer)
            .text("initial-advertise-peer-urls", &peer)
            .text("initial-cluster", &format!("default={peer}"));
        if !self.options.fsync {
            args = args.text("unsafe-no-fsync", "true");
        }
        if let Some(bytes) = self.options.etcd_quota {
            args = args.text("quota-backend-bytes", &bytes.to_string());
        }
        self.program("etcd", args)
    }

    /// kube-apiserver.
    pub fn apiserver(&self) -> Program {
        let mut args = Args::default()
            .text("etcd-servers", &format!("http://127.0.0.1:{}", self.etcd_port))
            .text("bind-address", "127.0.0.1")
            .text("secure-port", &self.port.to_string())
            .file("tls-cert-file", &self.path("apiserver.crt"))
            .file("tls-private-key-file", &self.path("apiserver.key"))
            .file("client-ca-file", &self.path("ca.crt"))
            .text("service-account-issuer", "https://kubernetes.default.svc")
            .file("service-account-key-file", &self.path("service-accounts.pub"))
            .file("service-account-signing-key-file", &self.path("service-accounts.key"))
            .text("authorization-mode", "RBAC")
            .text("service-cluster-ip-range", "10.0.0.0/24");
        if self.options.audit {
            // Blocking: an answer that a client has seen is in the log. One file: no rotation within a run.
            args = args
                .file("audit-policy-file", &self.path("audit-policy.json"))
                .file("audit-log-path", &self.path("audit.log"))
                .text("audit-log-mode", "blocking")
                .text("audit-log-maxsize", "100000");
        }
        self.program("kube-apiserver", args)
    }

    /// kube-controller-manager.
    pub fn controller_manager(&self, kubeconfig: &Path) -> Program {
        let args = Args::default()
            .file("kubeconfig", kubeconfig)
            .text("use-service-account-credentials", "true")
            .file("service-account-private-key-file", &self.path("service-accounts.key"))
            .file("root-ca-file", &self.path("ca.crt"))
            .text("leader-elect", "false")
            // No port of its own: its usual one may belong to another control plane on this machine.
            .text("secure-port", "0")
            // Its usual pace makes the first seconds of each controller a queue.
            .text("kube-api-qps", "500")
            .text("kube-api-burst", "1000")
            // It makes this folder, by default under /usr.
            .file("flex-volume-plugin-dir", &self.path("flexvolume"));
        self.program("kube-controller-manager", args)
    }

    fn program(&self, name: &'static str, args: Args) -> Program {
        Program {
            name,
            path: self.assets.program(name),
            args: args.0,
            env: Vec::new(),
            folder: None,
            stdout: None,
            log: self.path(&format!("{name}.log")),
            lifetime: self.options.lifetime,
        }
    }
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn text(mut self, flag: &str, value: &str) -> Self {
        self.0.push(format!("--{flag}={value}").into());
        self
    }

    fn file(mut self, flag: &str, path: &Path) -> Self {
        let mut arg = OsString::from(format!("--{flag}="));
        arg.push(path);
        self.0.push(arg);
        self
    }
}
