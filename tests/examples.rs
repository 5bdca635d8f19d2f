//! What a reader may copy is true: manifests under `examples/`, `catalog/` and in the documentation are read by the types
//! of the code and judged by its rules, and every `make` target, path and link that the documentation names exists.

#[path = "examples/manifests.rs"]
mod manifests;
#[path = "examples/pages.rs"]
mod pages;
#[path = "common/refused.rs"]
mod refused;
#[path = "examples/rights.rs"]
mod rights;

use manifests::{Manifest, World};
use pages::Page;
use pimpernel::artifacts::refused_example;
use pimpernel::policy::Reason;
use pimpernel::policy::verdict::Class;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files with that extension in `folder` and below, sorted.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![];
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn named(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The manifests of `folder` and below, by file.
fn manifests_in(folder: &str) -> Result<BTreeMap<PathBuf, Vec<Manifest>>, String> {
    let mut all = BTreeMap::new();
    for path in files(&root().join(folder), "yaml")? {
        let manifests = manifests::read(&read(&path)?).map_err(|error| format!("{}: {error}", named(&path)))?;
        all.insert(path, manifests);
    }
    Ok(all)
}

/// Pages that people read: those at the root, in `docs/` and in `examples/`.
fn documentation() -> Result<Vec<Page>, String> {
    let mut paths = files(&root().join("docs"), "md")?;
    paths.extend(files(&root().join("examples"), "md")?);
    let top = ["README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY"];
    paths.extend(top.map(|name| root().join(format!("{name}.md"))));
    paths.into_iter().map(|path| Page::read(root(), &path)).collect()
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// A file whose name begins with `refused` holds what must be refused.
fn is_to_be_refused(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("refused"))
}

#[test]
fn every_example_is_admitted_beside_its_neighbours_and_every_refused_one_refused() -> Result<(), String> {
    let catalogs = manifests_in("catalog")?;
    assert!(catalogs.len() >= 3, "where are the catalogues?");
    let mut folders: BTreeMap<PathBuf, BTreeMap<PathBuf, Vec<Manifest>>> = BTreeMap::new();
    // Those of `examples/refused` are tried on a real API server, each as its writer.
    for (path, manifests) in manifests_in("examples/quickstart")?
        .into_iter()
        .chain(manifests_in("examples/stories")?)
        .chain(manifests_in("examples/catalogue")?)
    {
        let folder = path.parent().unwrap_or(root()).to_owned();
        folders.entry(folder).or_default().insert(path, manifests);
    }
    assert!(!folders.is_empty(), "where are the examples?");
    folders.insert(root().join("catalog"), BTreeMap::new());
    let mut problems = vec![];
    for files in folders.values() {
        let standing = files.iter().filter(|(path, _)| !is_to_be_refused(path));
        let world = World::of(catalogs.iter().chain(standing).flat_map(|(_, manifests)| manifests));
        for (path, manifests) in catalogs.iter().chain(files) {
            let wrong: Vec<String> = manifests.iter().flat_map(|manifest| world.judge(manifest)).collect();
            match (is_to_be_refused(path), wrong.is_empty()) {
                (true, true) => problems.push(format!("{}: is admitted, and should be refused", named(path))),
                (false, false) => problems.extend(wrong.iter().map(|wrong| format!("{}: {wrong}", named(path)))),
                _ => {}
            }
        }
    }
    assert_none(&problems);
    Ok(())
}

#[test]
fn every_manifest_in_the_documentation_is_read_and_stands_by_itself() -> Result<(), String> {
    let mut problems = vec![];
    for page in documentation()? {
        for block in page.blocks("yaml") {
            let judged = manifests::read(&block).map(|manifests| {
                let stands = manifests.iter().filter_map(|manifest| manifest.parse().err());
                stands.flatten().collect::<Vec<_>>()
            });
            match judged {
                Ok(wrong) => problems.extend(wrong.iter().map(|wrong| format!("{}: {wrong}", page.name))),
                Err(error) => problems.push(format!("{}: {error}, in\n{block}", page.name)),
            }
        }
    }
    assert_none(&problems);
    Ok(())
}

#[test]
fn every_make_target_that_is_named_exists() -> Result<(), String> {
    let makefile = read(&root().join("Makefile"))?;
    let targets: Vec<&str> = (makefile.lines())
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .filter(|target| target.chars().all(|c| c.is_ascii_lowercase()))
        .collect();
    let mut seen = 0;
    let mut problems = vec![];
    for page in documentation()? {
        for target in page.make_targets() {
            seen += 1;
            if !targets.contains(&target.as_str()) {
                problems.push(format!("{}: there is no `make {target}`", page.name));
            }
        }
    }
    assert!(seen > 5, "the pages name {seen} targets: are they still found?");
    assert_none(&problems);
    Ok(())
}

#[test]
fn every_path_that_is_named_exists() -> Result<(), String> {
    let mut seen = 0;
    let mut problems = vec![];
    for page in documentation()? {
        for path in page.paths() {
            seen += 1;
            if !root().join(&path).exists() {
                problems.push(format!("{}: there is no `{path}`", page.name));
            }
        }
    }
    assert!(seen > 50, "the pages name {seen} paths: are they still found?");
    assert_none(&problems);
    Ok(())
}

#[test]
fn every_reason_is_explained_with_what_to_do() -> Result<(), String> {
    let path = root().join("docs/troubleshooting.md");
    let text = read(&path)?;
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let explained: Vec<&str> = rows
        .flat_map(|cell| cell.split("`, `"))
        .map(|word| word.trim_matches(['`', ' ']))
        .collect();
    let mut problems = vec![];
    for reason in Reason::ALL {
        if !text.contains(&format!("`{reason}`")) {
            problems.push(format!("{}: does not say what to do about `{reason}`", named(&path)));
        }
    }
    let reasons = explained.iter().filter(|word| word.chars().all(char::is_alphanumeric));
    let gone = reasons.filter(|word| !Reason::ALL.iter().any(|reason| reason.as_str() == **word));
    problems.extend(gone.map(|word| format!("{}: there is no reason `{word}`", named(&path))));
    assert_none(&problems);
    Ok(())
}

#[test]
fn v9_every_reason_to_refuse_has_a_manifest_that_is_refused_for_it() -> Result<(), String> {
    let files = refused::all()?;
    let mut problems = vec![];
    for reason in Reason::ALL {
        let path = refused_example(*reason);
        let file = files.iter().find(|file| file.path == path);
        match (reason.class() == Class::Refusal, file) {
            (true, None) => problems.push(format!("{path}: is missing, the example of `{reason}`")),
            (false, Some(_)) => problems.push(format!("{path}: `{reason}` is no reason to refuse")),
            (true, Some(file)) if file.reason != reason.as_str() => {
                problems.push(format!(
                    "{path}: says `{}`, and is the example of `{reason}`",
                    file.reason
                ));
            }
            _ => {}
        }
    }
    for file in &files {
        if !Reason::ALL.iter().any(|reason| refused_example(*reason) == file.path) {
            problems.push(format!("{}: is not called after a reason", file.path));
        }
        if file.says.is_empty() || file.documents.is_empty() {
            problems.push(format!(
                "{}: has no document, or does not say what comes out",
                file.path
            ));
        }
        if file.writer != "platform" && !file.writer.contains('@') {
            problems.push(format!(
                "{}: `{}` is neither a user name nor the platform",
                file.path, file.writer
            ));
        }
        if file.deed == refused::Deed::Delete && file.documents.len() > 1 {
            problems.push(format!("{}: deletes, and has more than one document", file.path));
        }
        let missing = file.given.iter().filter(|given| !given.exists());
        problems.extend(missing.map(|given| format!("{}: there is no {}", file.path, given.display())));
    }
    assert_none(&problems);
    Ok(())
}

#[test]
fn every_relative_link_leads_somewhere() -> Result<(), String> {
    let mut problems = vec![];
    for page in documentation()? {
        for (path, anchor) in page.links() {
            let target = if path.is_empty() {
                page.path.clone()
            } else {
                page.path.parent().unwrap_or(root()).join(&path)
            };
            if !target.exists() {
                problems.push(format!("{}: `{path}` leads nowhere", page.name));
            } else if let Some(anchor) = anchor
                && !Page::read(root(), &target)?.anchors().contains(&anchor)
            {
                problems.push(format!("{}: `{path}` has no heading `#{anchor}`", page.name));
            }
        }
    }
    assert_none(&problems);
    Ok(())
}

#[test]
fn the_table_of_the_operators_rights_has_each_of_them_and_no_other() -> Result<(), String> {
    let told = rights::told(&read(&root().join("SECURITY.md"))?);
    let given = rights::given(&read(&root().join("rbac/operator.yaml"))?)?;
    assert!(given.len() > 60, "only {} rights are given", given.len());
    let [untold, untrue] = [given.difference(&told), told.difference(&given)];
    let (untold, untrue): (Vec<_>, Vec<_>) = (untold.collect(), untrue.collect());
    assert!(untold.is_empty(), "SECURITY.md does not tell of {untold:?}");
    assert!(
        untrue.is_empty(),
        "the operator has not, as SECURITY.md says, {untrue:?}"
    );
    Ok(())
}
