//! An image without a container engine: a program, the few libraries that it needs, the list of licences and nothing else, as
//! an archive that containerd, Docker and tools for registries read.
//!
//! The archive is an OCI image layout; `manifest.json` in it is what `docker load` looks for. The same program, libraries and
//! settings give the same bytes.

#![forbid(unsafe_code)]

mod libraries;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use ring::digest;
use serde_json::{Map, Value, json};
use tar::{Builder, EntryType, Header};

/// As whom the program runs, user and group: nobody whom the image or a node knows.
pub const USER: &str = "65532:65532";

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// By path in the image, under which licences one has what is in it.
const LICENSES: [(&str, &str); 2] = [
    ("licenses/LICENSE", include_str!("../../../LICENSE")),
    ("licenses/licenses.md", include_str!("../../../docs/licenses.md")),
];

/// What goes into an image.
pub struct Image {
    /// The program that the image runs.
    pub program: PathBuf,
    /// The name of the image and its tag, such as `pimpernel-operator:0.1.0`.
    pub reference: String,
    /// When it was made: seconds since 1970. It stands in every date of the archive.
    pub created: u64,
    /// The commit that it was made of.
    pub revision: Option<String>,
}

/// Part of an image, found by its digest.
struct Blob {
    media_type: &'static str,
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = digest::digest(&digest::SHA256, &bytes);
        let digits: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            media_type,
            digest: digits.concat(),
            bytes,
        }
    }

    fn of(media_type: &'static str, document: &Value) -> Self {
        Self::new(media_type, document.to_string().into_bytes())
    }

    fn descriptor(&self) -> Map<String, Value> {
        let fields = [
            ("mediaType", json!(self.media_type)),
            ("digest", json!(format!("sha256:{}", self.digest))),
            ("size", json!(self.bytes.len())),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }
}

impl Image {
    /// Writes the archive.
    pub fn write(&self, out: impl Write) -> Result<()> {
        let program = fs::read(&self.program).with_context(|| format!("cannot read `{}`", self.program.display()))?;
        let architecture = libraries::architecture(&program)?;
        let (name, tag) = self.name_and_tag()?;
        let layer = Blob::new(LAYER, self.layer(program)?);
        let config = Blob::of(CONFIG, &self.config(architecture, &layer)?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
            "annotations": self.labels()?,
        });
        let manifest = Blob::of(MANIFEST, &manifest);
        let mut described = manifest.descriptor();
        let platform = json!({"os": "linux", "architecture": architecture});
        // The second is under which name containerd keeps it; kubelets ask by that one.
        let annotations = json!({
            "org.opencontainers.image.ref.name": tag,
            "io.containerd.image.name": format!("{}:{tag}", full(name)),
        });
        described.extend([
            ("platform".to_owned(), platform),
            ("annotations".to_owned(), annotations),
        ]);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]});
        let for_docker = json!([{
            "Config": config.path(),
            "RepoTags": [self.reference],
            "Layers": [layer.path()],
        }]);
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        files.insert("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        files.insert("index.json".into(), index.to_string().into_bytes());
        files.insert("manifest.json".into(), for_docker.to_string().into_bytes());
        files.extend([layer, config, manifest].map(|blob| (blob.path(), blob.bytes)));
        self.archive(out, &files)
    }

    /// What the container sees: the program and its libraries, where the program looks for them, and the licences.
    fn layer(&self, program: Vec<u8>) -> Result<Vec<u8>> {
        let mut files: BTreeMap<String, Vec<u8>> = LICENSES.map(|(path, text)| (path.to_owned(), text.into())).into();
        for library in libraries::needed(&self.program, &program)? {
            let bytes = fs::read(&library).with_context(|| format!("cannot read `{}`", library.display()))?;
            files.insert(library.to_string_lossy().trim_start_matches('/').to_owned(), bytes);
        }
        files.insert(self.entry()?.trim_start_matches('/').to_owned(), program);
        let mut layer = vec![];
        self.archive(&mut layer, &files)?;
        Ok(layer)
    }

    /// Where the program is in the image.
    fn entry(&self) -> Result<String> {
        let name = self.program.file_name().context("the program has no name")?;
        Ok(format!("/{}", name.to_string_lossy()))
    }

    fn config(&self, architecture: &str, layer: &Blob) -> Result<Value> {
        let created = self.date()?;
        Ok(json!({
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": {
                "User": USER,
                "Entrypoint": [self.entry()?],
                "WorkingDir": "/",
                "Labels": self.labels()?,
            },
            // The layer is not compressed, so what it is and what is sent are the same.
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)]},
            "history": [{"created": created, "created_by": "make image"}],
        }))
    }

    fn labels(&self) -> Result<BTreeMap<String, String>> {
        let description = "The operator of Pimpernel: tenants, roles, employees and impersonation";
        let mut labels = vec![
            ("title", "pimpernel-operator".to_owned()),
            ("description", description.to_owned()),
            ("version", self.name_and_tag()?.1.to_owned()),
            ("source", env!("CARGO_PKG_REPOSITORY").to_owned()),
            ("licenses", env!("CARGO_PKG_LICENSE").to_owned()),
            ("created", self.date()?),
        ];
        labels.extend(self.revision.clone().map(|revision| ("revision", revision)));
        let labelled = labels.into_iter();
        Ok(labelled
            .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value))
            .collect())
    }

    fn date(&self) -> Result<String> {
        let created = i64::try_from(self.created)?;
        Ok(Timestamp::from_second(created)?.to_string())
    }

    fn name_and_tag(&self) -> Result<(&str, &str)> {
        match self.reference.rsplit_once(':') {
            Some((name, tag)) if !name.is_empty() && !tag.is_empty() && !tag.contains('/') => Ok((name, tag)),
            _ => bail!("`{}` is not NAME:TAG", self.reference),
        }
    }

    /// Files, of which only programs and libraries can be run, and the folders that they are in, each before what is in it.
    fn archive(&self, out: impl Write, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
        let above = |path: &String| -> Vec<PathBuf> {
            let folders = Path::new(path).ancestors().skip(1);
            folders
                .filter(|folder| *folder != Path::new(""))
                .map(Path::to_path_buf)
                .collect()
        };
        let folders: BTreeSet<PathBuf> = files.keys().flat_map(above).collect();
        let mut archive = Builder::new(out);
        for folder in folders {
            let mut header = self.header(EntryType::Directory, (0, 0o755));
            archive.append_data(&mut header, folder.join(""), &[][..])?;
        }
        for (path, bytes) in files {
            let mode = if libraries::is_program(bytes) { 0o755 } else { 0o644 };
            let mut header = self.header(EntryType::Regular, (bytes.len().try_into()?, mode));
            archive.append_data(&mut header, path, &bytes[..])?;
        }
        archive.into_inner()?.flush()?;
        Ok(())
    }

    fn header(&self, kind: EntryType, (size, mode): (u64, u32)) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(self.created);
        header.set_uid(0);
        header.set_gid(0);
        header
    }
}

/// A name as containerd has it, with the host that a name without one means.
fn full(name: &str) -> String {
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_host_means_what_a_kubelet_takes_it_for() {
        assert_eq!(full("pimpernel-operator"), "docker.io/library/pimpernel-operator");
        assert_eq!(full("league/pimpernel"), "docker.io/league/pimpernel");
        for named in ["localhost/pimpernel", "registry:5000/pimpernel", "images.example/a/b"] {
            assert_eq!(full(named), named);
        }
    }

    #[test]
    fn a_reference_has_a_name_and_a_tag() {
        let image = |reference: &str| Image {
            program: PathBuf::from("x"),
            reference: reference.to_owned(),
            created: 0,
            revision: None,
        };
        assert_eq!(image("host:5000/a:1").name_and_tag().unwrap(), ("host:5000/a", "1"));
        for wrong in ["a", "a:", ":1", "host:5000/a"] {
            assert!(image(wrong).name_and_tag().is_err(), "{wrong}");
        }
    }
}
