//! The image archive, as far as it can be tried where no container engine is: what is in it, that it is the same each time,
//! and that the operator starts in it with nothing else there.

#![expect(clippy::indexing_slicing, reason = "a test: what is not there fails it")]

use anyhow::{Context, Result, ensure};
use pimpernel_image::{Image, USER};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const OPERATOR: &str = env!("CARGO_BIN_EXE_pimpernel-operator");

/// A new folder of this test's.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn packed(archive: &Path) -> Result<()> {
    let image = Image {
        program: OPERATOR.into(),
        reference: "scarlet.example/pimpernel-operator:1792".to_owned(),
        created: 715_392_000,
        revision: Some("demanded-to-the-last".to_owned()),
    };
    image.write(fs::File::create(archive)?)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    said(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder)).map(drop)
}

fn json(path: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

/// Where the archive has what a descriptor describes, which must be as large as it says.
fn blob(unpacked: &Path, descriptor: &Value) -> Result<PathBuf> {
    let digest = descriptor["digest"].as_str().context("no digest")?;
    let path = unpacked.join("blobs").join(digest.replace(':', "/"));
    ensure!(
        descriptor["size"] == fs::metadata(&path)?.len(),
        "not the size of {descriptor}"
    );
    Ok(path)
}

/// Runs the program with `root` as all there is of a file system, as who can do that here, and as nobody in there.
fn run_in(root: &Path, args: &[&str]) -> Result<Output> {
    let root = root.to_str().context("a path")?;
    let user = format!("--userspec={USER}");
    let ways: [&[&str]; 3] = [
        &["chroot", &user, root],
        &["unshare", "--map-root-user", "chroot", root],
        &["sudo", "--non-interactive", "chroot", &user, root],
    ];
    let mut failures = vec![];
    for way in ways {
        let mut command = Command::new(way[0]);
        let output = command
            .args(&way[1..])
            .arg("/pimpernel-operator")
            .args(args)
            .env_clear();
        match output.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output() {
            Ok(output) if output.status.success() => return Ok(output),
            other => failures.push(format!("{way:?}: {other:?}")),
        }
    }
    anyhow::bail!("it does not start:\n{}", failures.join("\n"))
}

/// Nothing else than the operator, its libraries and the licences is in the layer, and it starts with them.
fn starts_alone(layer: &Path, root: &Path) -> Result<()> {
    let files = said(Command::new("tar").arg("-tf").arg(layer))?;
    let files: BTreeSet<&str> = files.lines().filter(|path| !path.ends_with('/')).collect();
    let known = ["pimpernel-operator", "licenses/LICENSE", "licenses/licenses.md"];
    let library = |path: &str| path.starts_with("lib") && path.contains(".so");
    ensure!(
        known.iter().all(|path| files.contains(path)) && files.iter().all(|path| known.contains(path) || library(path)),
        "{files:?}"
    );
    fs::create_dir(root)?;
    unpack(layer, root)?;
    for (packed, source) in [
        ("licenses/LICENSE", "LICENSE"),
        ("licenses/licenses.md", "docs/licenses.md"),
    ] {
        let (packed, source) = (root.join(packed), Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
        ensure!(fs::read(&packed)? == fs::read(source)?, "{}", packed.display());
        ensure!(
            fs::metadata(&packed)?.permissions().mode() & 0o777 == 0o644,
            "{}",
            packed.display()
        );
    }
    let version = String::from_utf8(run_in(root, &["--version"])?.stdout)?;
    ensure!(
        version == concat!("pimpernel-operator ", env!("CARGO_PKG_VERSION"), "\n"),
        "{version}"
    );
    let help = String::from_utf8(run_in(root, &["run", "--help"])?.stdout)?;
    ensure!(help.contains("--webhook-url"), "{help}");
    Ok(())
}

#[test]
fn the_same_program_gives_the_same_archive() -> Result<()> {
    let folder = folder("twice")?;
    let archives = ["one.tar", "two.tar"].map(|name| folder.join(name));
    for archive in &archives {
        packed(archive)?;
    }
    ensure!(fs::read(&archives[0])? == fs::read(&archives[1])?, "they differ");
    let listed = said(
        Command::new("tar")
            .args(["--utc", "--numeric-owner", "-tvf"])
            .arg(&archives[0]),
    )?;
    ensure!(
        listed.lines().count() == 8
            && listed
                .lines()
                .all(|line| line.contains(" 0/0 ") && line.contains(" 1992-09-02 00:00 ")),
        "{listed}"
    );
    fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn the_archive_is_an_image_of_the_operator_alone_that_starts_as_nobody() -> Result<()> {
    let folder = folder("unpacked")?;
    let archive = folder.join("image.tar");
    packed(&archive)?;
    unpack(&archive, &folder)?;
    ensure!(json(&folder.join("oci-layout"))?["imageLayoutVersion"] == "1.0.0");
    for entry in fs::read_dir(folder.join("blobs/sha256"))? {
        let path = entry?.path();
        let sum = said(Command::new("sha256sum").arg(&path))?;
        let name = path.file_name().context("no name")?.to_string_lossy().into_owned();
        ensure!(sum.starts_with(&name), "{name}: {sum}");
    }

    let index = json(&folder.join("index.json"))?;
    let described = &index["manifests"][0];
    let name = "scarlet.example/pimpernel-operator:1792";
    ensure!(described["annotations"]["io.containerd.image.name"] == name, "{index}");
    let manifest = json(&blob(&folder, described)?)?;
    let config = json(&blob(&folder, &manifest["config"])?)?;
    let layer = blob(&folder, &manifest["layers"][0])?;
    ensure!(
        config["rootfs"]["diff_ids"][0] == manifest["layers"][0]["digest"],
        "{config}"
    );
    ensure!(
        config["architecture"] == described["platform"]["architecture"],
        "{config}"
    );
    let docker = json(&folder.join("manifest.json"))?;
    ensure!(docker[0]["RepoTags"][0] == name, "{docker}");
    for path in [&docker[0]["Config"], &docker[0]["Layers"][0]] {
        ensure!(folder.join(path.as_str().context("no path")?).is_file(), "{docker}");
    }

    let settings = &config["config"];
    let user = settings["User"].as_str().context("no user")?;
    let numbers: Vec<u32> = user.split(':').map(str::parse).collect::<Result<_, _>>()?;
    ensure!(numbers.len() == 2 && !numbers.contains(&0), "it runs as {user}");
    ensure!(
        settings["Entrypoint"] == serde_json::json!(["/pimpernel-operator"]),
        "{config}"
    );
    for (label, value) in [
        ("version", "1792"),
        ("licenses", "Apache-2.0"),
        ("revision", "demanded-to-the-last"),
    ] {
        ensure!(
            settings["Labels"][format!("org.opencontainers.image.{label}")] == value,
            "{label}: {config}"
        );
    }

    starts_alone(&layer, &folder.join("root"))?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn the_dockerfile_makes_the_same_image() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dockerfile = fs::read_to_string(root.join("Dockerfile"))?;
    let toolchain = fs::read_to_string(root.join("rust-toolchain.toml"))?;
    let rust = toolchain.split('"').nth(1).context("no channel")?;
    ensure!(dockerfile.contains(&format!("\nARG RUST={rust}\n")), "not Rust {rust}");
    let last = dockerfile.rsplit("\nFROM ").next().context("no stage")?;
    ensure!(
        last.lines().next().is_some_and(|base| base.contains("@${BASE_DIGEST}")),
        "{last}"
    );
    for line in [
        format!("USER {USER}"),
        "ENTRYPOINT [\"/pimpernel-operator\"]".to_owned(),
        "COPY LICENSE docs/licenses.md /licenses/".to_owned(),
    ] {
        ensure!(
            last.lines().any(|found| found == line),
            "`{line}` is missing in\n{last}"
        );
    }
    ensure!(
        !last.lines().any(|line| line.starts_with("RUN ")),
        "the base has no shell"
    );
    let ignored = fs::read_to_string(root.join(".dockerignore"))?;
    ensure!(
        ignored.ends_with("/docs/*\n!/docs/licenses.md\n"),
        "an engine does not see docs/licenses.md: {ignored}"
    );
    Ok(())
}
