//! A session that was entered from this machine: a folder of its own with a kubeconfig, which is also the memory of it.
//! The person's own kubeconfig is never touched.

use super::cluster::{Access, Cluster, Origin};
use crate::api::{Impersonation, Mode};
use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::env;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Under which name a kubeconfig notes the session that it is for.
const NOTE: &str = "pimpernel.dev/session";
/// How long after its end a session's files may stay, since this machine's clock may be wrong.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(5);

/// What is noted of a session. No secret is in it.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Noted {
    /// The tenant.
    pub namespace: String,
    /// The Impersonation.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// What the session is for.
    pub mode: Mode,
    /// Who entered.
    pub impersonator: String,
    /// What must be shown.
    pub banner: String,
    /// When it ends at the latest.
    pub expiration_time: Time,
    /// The context of the kubeconfig from which it was entered.
    pub context: String,
    /// What `KUBECONFIG` was then, if it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
}

impl Noted {
    /// What there is to note of an open session that was entered from there.
    pub fn of(session: &Impersonation, origin: &Origin) -> Result<Self> {
        let status = session.status.clone().unwrap_or_default();
        let (metadata, spec) = (session.metadata.clone(), session.spec.clone());
        Ok(Self {
            namespace: metadata.namespace.context("the session has no namespace")?,
            name: metadata.name.context("the session has no name")?,
            uid: metadata.uid.context("the session has no UID")?,
            mode: spec.mode,
            impersonator: spec.impersonator,
            banner: status.banner.context("the session has no banner")?,
            expiration_time: status.expiration_time.context("the session has no end")?,
            context: origin.context.clone(),
            kubeconfig: env::var_os("KUBECONFIG").and_then(|value| value.into_string().ok()),
        })
    }

    /// What the kubeconfig in use notes, if it is one of a session.
    pub fn in_use(access: &Access) -> Option<Self> {
        // A kubeconfig that is not there or cannot be read is not one of a session.
        access.origin().ok()?.notes.into_iter().find_map(|note| {
            let ours = note.name == NOTE;
            serde_json::from_value(note.extension).ok().filter(|_| ours)
        })
    }
}

/// The files of a session.
pub struct Kept {
    /// What is noted of it.
    pub noted: Noted,
    folder: PathBuf,
}

impl Kept {
    /// Writes the kubeconfig of a session, for nobody else to read. Nothing is left of it if that fails.
    pub fn write(noted: Noted, origin: &Origin, token: &str) -> Result<Self> {
        let place = places().into_iter().next();
        let place = place.context("there is no place for the session's files: set XDG_RUNTIME_DIR or HOME")?;
        let kept = Self {
            folder: place.join(&noted.uid),
            noted,
        };
        // Those of the same session, if it is entered a second time.
        kept.remove()?;
        let written = kept.write_files(&place, origin, token);
        let written = written.with_context(|| format!("cannot write into `{}`", kept.folder.display()));
        match written {
            Ok(()) => Ok(kept),
            Err(error) => {
                // The first failure is what counts.
                let _ = fs::remove_dir_all(&kept.folder);
                Err(error)
            }
        }
    }

    fn write_files(&self, place: &Path, origin: &Origin, token: &str) -> Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        fs::set_permissions(place, Permissions::from_mode(0o700))?;
        DirBuilder::new().mode(0o700).create(&self.folder)?;
        let noted = &self.noted;
        let context = format!("{}/{}", noted.namespace, noted.name);
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": origin.cluster}],
            "users": [{"name": "session", "user": {"token": token}}],
            "contexts": [{"name": context, "context": {
                "cluster": "cluster", "user": "session", "namespace": noted.namespace,
                "extensions": [{"name": NOTE, "extension": noted}],
            }}],
            "current-context": context,
        });
        // JSON is YAML.
        self.write_file("kubeconfig", &serde_json::to_string_pretty(&kubeconfig)?)?;
        Ok(())
    }

    /// Writes a file beside the kubeconfig, for nobody else to read, and gives its path.
    pub fn write_file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(path)
    }

    /// All sessions of this machine and person, but for those that are over for long, whose files are removed.
    pub fn all(now: Timestamp) -> Result<Vec<Self>> {
        let mut all = vec![];
        for place in places() {
            let entries = match fs::read_dir(&place) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                entries => entries.with_context(|| format!("cannot look into `{}`", place.display()))?,
            };
            for entry in entries {
                let kept = Self::read(entry?.path());
                let Some(kept) = kept else { continue };
                if now.duration_since(kept.noted.expiration_time.0) > AFTERMATH {
                    kept.remove()?;
                } else {
                    all.push(kept);
                }
            }
        }
        all.sort_by(|a, b| (&a.noted.namespace, &a.noted.name).cmp(&(&b.noted.namespace, &b.noted.name)));
        Ok(all)
    }

    fn read(folder: PathBuf) -> Option<Self> {
        let access = Access::of(folder.join("kubeconfig"));
        Some(Self {
            noted: Noted::in_use(&access)?,
            folder,
        })
    }

    /// The session's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The cluster, asked from inside the session.
    pub async fn connect(&self) -> Result<Cluster> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        Cluster::of(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    /// Removes the files. That they are gone already is fine.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove `{}`: remove it by hand", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Where files of sessions may be, the first being where new ones go: they should not outlive the login, if there is such
/// a place.
fn places() -> Vec<PathBuf> {
    let absolute = |variable| {
        env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let places = [absolute("XDG_RUNTIME_DIR"), state].into_iter().flatten();
    places.map(|place| place.join("pimpernel")).collect()
}
