//! The programs of a control plane: where they are, or else how they get built.
//!
//! `KUBEBUILDER_ASSETS` comes first, then the cache, whose name carries the versions, then Go. Versions are those of
//! `tools/controlplane/*/go.mod` and stand nowhere else.

mod build;
pub mod modules;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use build::Recipe;

/// What a control plane is made of, and the program to speak to it.
pub const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The program that installs charts.
const HELM: &str = "helm";

/// The program that tests rules for Prometheus.
const PROMTOOL: &str = "promtool";

/// A folder that holds all of [`PROGRAMS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Finds the programs, building what is missing; tells on stderr what takes long.
    pub fn find_or_build() -> Result<Self> {
        if let Some(folder) = env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()) {
            return Self::given(Path::new(&folder));
        }
        let versions = Versions::pinned()?;
        let folder = cache_folder()?.join(versions.folder_name());
        build::build(&folder, &PROGRAMS.map(|program| Recipe::of(program, &versions)))?;
        Ok(Self { folder })
    }

    fn given(folder: &Path) -> Result<Self> {
        if let Some(program) = missing(folder) {
            bail!(
                "KUBEBUILDER_ASSETS is `{}`, where there is no `{program}`: put it there, or unset KUBEBUILDER_ASSETS \
                 to have all programs built with Go",
                folder.display()
            );
        }
        let folder = folder
            .canonicalize()
            .with_context(|| format!("cannot look into `{}`", folder.display()))?;
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of [`PROGRAMS`].
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Helm in each of the major versions that people use, the newest first, found in the cache or built. Helm is no part of
/// a control plane, and takes minutes to build: so it is apart from [`Assets`].
pub fn helms() -> Result<[PathBuf; 2]> {
    Ok([helm("4")?, helm("3")?])
}

fn helm(major: &str) -> Result<PathBuf> {
    let version = required_version(&module(&format!("helm{major}")), &format!("helm.sh/helm/v{major}"))?;
    let folder = cache_folder()?.join(format!("helm-v{version}"));
    build::build(&folder, &[Recipe::helm(major, &version)])?;
    Ok(folder.join(HELM))
}

/// promtool, found in the cache or built; apart from [`Assets`] for the same reasons.
pub fn promtool() -> Result<PathBuf> {
    let version = required_version(&module(PROMTOOL), "github.com/prometheus/prometheus")?;
    let folder = cache_folder()?.join(format!("{PROMTOOL}-v{version}"));
    build::build(&folder, &[Recipe::promtool(&version)])?;
    Ok(folder.join(PROMTOOL))
}

/// `${XDG_CACHE_HOME:-~/.cache}/pimpernel`.
pub fn cache_folder() -> Result<PathBuf> {
    let named = |variable| {
        env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let caches = caches.or_else(|| named("HOME").map(|home| home.join(".cache")));
    Ok(caches
        .context("neither XDG_CACHE_HOME nor HOME is set: no place to keep built programs")?
        .join("pimpernel"))
}

fn missing(folder: &Path) -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| !folder.join(program).is_file())
}

#[derive(Debug, PartialEq, Eq)]
struct Versions {
    kubernetes: String,
    etcd: String,
}

impl Versions {
    fn pinned() -> Result<Self> {
        let kubernetes = required_version(&module("kubernetes"), "k8s.io/kubernetes")?;
        let etcd = required_version(&module("etcd"), "go.etcd.io/etcd/server/v3")?;
        Ok(Self { kubernetes, etcd })
    }

    fn folder_name(&self) -> String {
        format!("controlplane-k{}-e{}", self.kubernetes, self.etcd)
    }
}

fn module(name: &str) -> PathBuf {
    crate::repository().join("tools/controlplane").join(name)
}

fn required_version(folder: &Path, module: &str) -> Result<String> {
    let path = folder.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let version = version_in(&text, module);
    version.with_context(|| format!("`{}` requires no version of {module}", path.display()))
}

fn version_in(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next() == Some(module))
            .then(|| words.next()?.strip_prefix('v').map(str::to_owned))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_requirement() {
        let text = "tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)\nrequire (\n\tk8s.io/api v0.9.0\n\tk8s.io/kubernetes v1.9.3\n)\n\
                    require other.io/etcd v3.0.1 // indirect\nreplace k8s.io/x => k8s.io/x v0.1.0\n";
        assert_eq!(version_in(text, "k8s.io/kubernetes").as_deref(), Some("1.9.3"));
        assert_eq!(version_in(text, "other.io/etcd").as_deref(), Some("3.0.1"));
        assert_eq!(version_in(text, "k8s.io/x"), None);
    }

    #[test]
    fn the_pinned_versions_are_readable() {
        let versions = Versions::pinned().unwrap();
        assert!(
            versions.kubernetes.starts_with("1.") && versions.etcd.starts_with("3."),
            "{versions:?}"
        );
    }

    #[test]
    fn a_given_folder_without_a_program_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for program in ["etcd", "kube-apiserver", "kubectl"] {
            fs::write(folder.path().join(program), "").unwrap();
        }
        let error = Assets::given(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no `kube-controller-manager`"), "{error}");
        fs::write(folder.path().join("kube-controller-manager"), "").unwrap();
        assert!(Assets::given(folder.path()).is_ok());
    }
}
