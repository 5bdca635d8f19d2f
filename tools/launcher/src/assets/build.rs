//! Building programs with Go into the cache, one process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{HELM, PROGRAMS, PROMTOOL, Versions, module};
use crate::process::{Program, last_lines, on_path};
use crate::{Lifetime, wait};

const LIMIT: Duration = Duration::from_hours(1);

/// Builds into `folder` what is not there yet.
pub fn build(folder: &Path, recipes: &[Recipe]) -> Result<()> {
    if recipes.iter().all(|recipe| folder.join(recipe.program).is_file()) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let _lock = only_one(folder)?;
    for recipe in recipes.iter().filter(|recipe| !folder.join(recipe.program).is_file()) {
        if !on_path("go") {
            bail!(
                "`{}` is not in `{}` and Go, which would build it, is not on the PATH: install Go 1.26 or newer{}",
                recipe.program,
                folder.display(),
                recipe.otherwise
            );
        }
        build_one(recipe, folder)?;
    }
    Ok(())
}

fn only_one(folder: &Path) -> Result<File> {
    let path = folder.join(".lock");
    let place = || format!("cannot lock `{}`", path.display());
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(place)?;
    let mut told = false;
    wait::until("another process that builds the same", LIMIT, || {
        match lock.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    told = true;
                    let _ = writeln!(stderr(), "another process is building the same; waiting for it");
                }
                Ok(None)
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(place),
        }
    })?;
    Ok(lock)
}

fn build_one(recipe: &Recipe, folder: &Path) -> Result<()> {
    let program = recipe.program;
    let unfinished = tempfile::Builder::new().prefix(".build-").tempdir_in(folder)?;
    let output = unfinished.path().join(program);
    let mut command = Command::new("go");
    command
        .args(["build", "-C"])
        .arg(module(recipe.module))
        .args(["-trimpath", "-buildvcs=false"]);
    command
        .args(["-tags", recipe.tags, "-ldflags", &recipe.ldflags, "-o"])
        .arg(&output)
        .arg(&recipe.package);
    let go = Program {
        name: "go build",
        path: "go".into(),
        args: command.get_args().map(Into::into).collect(),
        env: vec![
            ("CGO_ENABLED".to_owned(), "0".into()),
            ("GOTOOLCHAIN".to_owned(), "local".into()),
            ("GOWORK".to_owned(), "off".into()),
            // An interrupted build then leaves nothing in the system's temporary folder.
            ("GOTMPDIR".to_owned(), unfinished.path().into()),
        ],
        folder: None,
        log: unfinished.path().join("log"),
        stdout: None,
        lifetime: Lifetime::OfThisProcess,
    };
    let title = format!(
        "building {program} {} (first time only, {})",
        recipe.version, recipe.usual
    );
    let started = Instant::now();
    let mut progress = Progress::begin(&title);
    let mut go = go.start()?;
    let status = wait::until("go build", LIMIT, || {
        progress.passed(started.elapsed());
        go.exited()
    });
    let how = match &status {
        Ok(status) if status.success() => "done",
        Ok(_) => "failed",
        Err(_) => "stopped",
    };
    progress.end(how, started.elapsed());
    let status = status?;
    if !status.success() {
        bail!(
            "cannot build {program} ({status}); go says\n{}",
            last_lines(&go.log(), 20)
        );
    }
    fs::rename(&output, folder.join(program)).with_context(|| format!("cannot move {program} into the cache"))
}

/// How a program is built.
pub struct Recipe {
    program: &'static str,
    module: &'static str,
    package: String,
    version: String,
    tags: &'static str,
    ldflags: String,
    usual: &'static str,
    /// What else than Go helps.
    otherwise: String,
}

impl Recipe {
    /// Of one of [`PROGRAMS`].
    pub fn of(program: &'static str, versions: &Versions) -> Self {
        let otherwise = format!(", or set KUBEBUILDER_ASSETS to a folder with {PROGRAMS:?}");
        if program == "etcd" {
            return Self {
                program,
                module: "etcd",
                package: "go.etcd.io/etcd/server/v3".to_owned(),
                version: versions.etcd.clone(),
                tags: "",
                ldflags: "-s -w".to_owned(),
                usual: "about 20 seconds",
                otherwise,
            };
        }
        let usual = if program == "kube-apiserver" {
            "about 2 minutes"
        } else {
            "about a minute"
        };
        let package = format!("k8s.io/kubernetes/cmd/{program}");
        let version = versions.kubernetes.clone();
        Self {
            program,
            module: "kubernetes",
            package,
            tags: "",
            ldflags: kubernetes_ldflags(&version),
            version,
            usual,
            otherwise,
        }
    }

    /// Of Helm, of that major version.
    pub fn helm(major: &str, version: &str) -> Self {
        let root = format!("helm.sh/helm/v{major}");
        Self {
            program: HELM,
            module: if major == "3" { "helm3" } else { "helm4" },
            package: format!("{root}/cmd/helm"),
            version: version.to_owned(),
            tags: "",
            ldflags: format!("-s -w -X {root}/internal/version.version=v{version}"),
            usual: "about a minute",
            otherwise: String::new(),
        }
    }

    /// Of promtool, without what would find targets in clouds: no rule needs that.
    pub fn promtool(version: &str) -> Self {
        Self {
            program: PROMTOOL,
            module: PROMTOOL,
            package: "github.com/prometheus/prometheus/cmd/promtool".to_owned(),
            version: version.to_owned(),
            tags: "remove_all_sd",
            ldflags: "-s -w".to_owned(),
            usual: "about 3 minutes",
            otherwise: String::new(),
        }
    }
}

/// Without these the server calls itself `v0.0.0-master+$Format`, and a chart's `kubeVersion` check fails.
fn kubernetes_ldflags(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let component = "k8s.io/component-base/version";
    format!(
        "-s -w -X {component}.gitVersion=v{version} -X {component}.gitMajor={major} -X {component}.gitMinor={minor} \
         -X k8s.io/client-go/pkg/version.gitVersion=v{version}"
    )
}

/// A line on stderr that counts the seconds where somebody watches.
struct Progress<'a> {
    title: &'a str,
    watched: bool,
    shown: u64,
}

impl<'a> Progress<'a> {
    fn begin(title: &'a str) -> Self {
        let _ = write!(stderr(), "{title} ... ");
        Self {
            title,
            watched: stderr().is_terminal(),
            shown: 0,
        }
    }

    fn passed(&mut self, time: Duration) {
        if self.watched && time.as_secs() > self.shown {
            self.shown = time.as_secs();
            let _ = write!(stderr(), "\r{} ... {} s ", self.title, self.shown);
        }
    }

    fn end(self, how: &str, time: Duration) {
        let start = if self.watched {
            format!("\r{} ... ", self.title)
        } else {
            String::new()
        };
        let _ = writeln!(stderr(), "{start}{how} in {} s", time.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubernetes_program_is_told_its_version() {
        let versions = Versions {
            kubernetes: "1.77.2".to_owned(),
            etcd: "3.9.1".to_owned(),
        };
        let flags = Recipe::of("kubectl", &versions).ldflags;
        assert!(flags.contains("component-base/version.gitVersion=v1.77.2 "), "{flags}");
        assert!(
            flags.contains("gitMajor=1 ") && flags.contains("gitMinor=77 "),
            "{flags}"
        );
        assert_eq!(Recipe::of("etcd", &versions).version, "3.9.1");
    }
}
