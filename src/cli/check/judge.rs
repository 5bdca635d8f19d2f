//! Manifests beside one another, and beside what is there already. Each object is judged as a request to write it while all
//! the others are in place, in whatever order they stand: a whole folder is a state that is wanted, not a sequence. What
//! refers to something that is nowhere waits, and is admitted with a warning, as in the cluster. A second object of the
//! same name is a change of the first one.

use super::finding::{self, Finding};
use super::kinds::{Kind, Layer};
use super::manifest::Manifest;
use super::metadata::text;
use crate::api::{GROUP, VERSION};
use crate::cli::picture::{Id, annotation, fold, id, meta, name, recorded, spec, word};
use crate::policy::access;
use crate::policy::admission::{Request, admit};
use crate::policy::default_roles;
use crate::policy::ledger::{Naming, Noted, RENAMED_FROM};
use crate::policy::name::Folded;
use crate::policy::ordering::ANNOTATION as ORDERING;
use crate::policy::{self, Change, Directory, Name, Settings, document};
use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// By how many letters a group can differ from ours that somebody has misspelt.
const NEAR: usize = 3;

/// What would become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// It would be stored.
    Admitted,
    /// It would not.
    Refused,
    /// It is of a kind that Pimpernel has no say in.
    Skipped,
}

/// What is said of one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The file; `-` for standard input.
    pub file: String,
    /// The line on which its document begins, from 1.
    pub line: usize,
    /// Its kind; empty if it has none.
    pub kind: String,
    /// Its namespace; empty if it is in none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// What would become of it.
    pub verdict: Verdict,
    /// Which layer refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// All that this layer finds wrong.
    pub violations: Vec<Finding>,
    /// What the writer should know all the same.
    pub warnings: Vec<String>,
}

/// Where objects go that name no namespace.
#[derive(Clone, Debug)]
pub struct Target {
    /// The namespace.
    pub namespace: String,
    /// Whether objects that name another one are refused, as kubectl does when it is told a namespace.
    pub only: bool,
}

/// Judges manifests.
pub struct Judge {
    kinds: Vec<Kind>,
    settings: Settings,
}

/// An object that the layers before the rules let through.
struct Candidate {
    index: usize,
    id: Id,
    object: Value,
    old: Option<Value>,
}

impl Judge {
    /// One who knows the kinds. `settings` are those of the operator in the cluster.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            kinds: Kind::all()?,
            settings,
        })
    }

    /// Judges `manifests`, in their order, where the objects `live` exist already.
    pub fn judge(&self, manifests: &[Manifest], live: &[Value], target: &Target, now: Timestamp) -> Vec<Judgement> {
        self.picture(manifests, live, target, now).0
    }

    /// The same, and what there is then: those that the layers before the rules refuse are not.
    pub fn picture(
        &self,
        manifests: &[Manifest],
        live: &[Value],
        target: &Target,
        now: Timestamp,
    ) -> (Vec<Judgement>, Directory) {
        let mut standing: BTreeMap<Id, Value> = live.iter().map(|object| (id(object), object.clone())).collect();
        let (mut judgements, mut candidates) = (vec![], vec![]);
        for (index, manifest) in manifests.iter().enumerate() {
            let (judgement, object) = self.alone(manifest, &standing, target);
            if let Some(object) = object {
                let id = id(&object);
                let old = standing.insert(id.clone(), object.clone());
                candidates.push(Candidate { index, id, object, old });
            }
            judgements.push(judgement);
        }
        let mut directory = Directory::new(self.settings.clone());
        for (id, object) in &standing {
            fold(&mut directory, id, object, now);
        }
        let renamed = candidates.iter().filter_map(|candidate| renamed(candidate, now));
        let recorded = live.iter().filter_map(recorded);
        for (number, noted) in recorded.chain(renamed).enumerate() {
            directory.fold(Change::Record(Name::new("", number.to_string()), Some(noted)));
        }
        for role in default_roles::coming(&directory, now) {
            directory.fold(role);
        }
        // What a cluster has has a UID.
        let alone = live.iter().all(|object| text(object, "uid").is_empty());
        for candidate in candidates {
            if let Some(judgement) = judgements.get_mut(candidate.index) {
                together(&candidate, (&directory, alone), now, judgement);
            }
        }
        (judgements, directory)
    }

    /// What the layers before the rules say, and the object as it would be stored if they say nothing.
    fn alone(
        &self,
        manifest: &Manifest,
        standing: &BTreeMap<Id, Value>,
        target: &Target,
    ) -> (Judgement, Option<Value>) {
        let mut judgement = Judgement {
            file: manifest.file.clone(),
            line: manifest.line,
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
            verdict: Verdict::Admitted,
            layer: None,
            violations: vec![],
            warnings: manifest.warnings.clone(),
        };
        let mut object = match &manifest.object {
            Ok(object) => object.clone(),
            Err(error) => {
                let finding = Finding::new(finding::MALFORMED, "", error.clone());
                return (refused(judgement, Layer::Request, vec![finding]), None);
            }
        };
        (judgement.kind, judgement.name) = (word(&object, "kind").to_owned(), text(&object, "name").to_owned());
        text(&object, "namespace").clone_into(&mut judgement.namespace);
        let kind = match self.kind(&object) {
            Ok(Some(kind)) => kind,
            Ok(None) => {
                judgement.verdict = Verdict::Skipped;
                judgement.warnings.extend(self.misspelt(&object));
                return (judgement, None);
            }
            Err(finding) => return (refused(judgement, Layer::Request, vec![finding]), None),
        };
        let mut findings = kind.decode(&mut object);
        findings.extend(settle(&mut object, kind.namespaced, target));
        text(&object, "namespace").clone_into(&mut judgement.namespace);
        if !findings.is_empty() {
            return (refused(judgement, Layer::Request, findings), None);
        }
        let old = standing.get(&id(&object));
        match kind.judge(&object, old) {
            Some((layer, findings)) => (refused(judgement, layer, findings), None),
            None => (judgement, Some(object)),
        }
    }

    /// The kind, if it is one of the group.
    fn kind(&self, object: &Value) -> Result<Option<&Kind>, Finding> {
        let (version, kind) = (word(object, "apiVersion"), word(object, "kind"));
        for (field, value) in [("apiVersion", version), ("kind", kind)] {
            if value.is_empty() {
                return Err(Finding::new(
                    finding::REQUIRED,
                    field,
                    "is missing: say what the object is",
                ));
            }
        }
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        if group != GROUP {
            return Ok(None);
        }
        if version != VERSION {
            let message = format!("there is no version `{version}` of `{GROUP}`: write `{GROUP}/{VERSION}`");
            return Err(Finding::new(finding::INVALID, "apiVersion", message));
        }
        let found = self.kinds.iter().find(|known| known.name == kind);
        let message = || match access::nearest(kind, self.kinds.iter().map(|known| known.name.as_str())) {
            Some(nearest) => format!("there is no kind `{kind}` in `{GROUP}`: did you mean `{nearest}`?"),
            None => format!("there is no kind `{kind}` in `{GROUP}`: correct it"),
        };
        found
            .map(Some)
            .ok_or_else(|| Finding::new(finding::INVALID, "kind", message()))
    }

    /// What somebody should know of an object of another group who may have meant ours.
    fn misspelt(&self, object: &Value) -> Option<String> {
        let (version, kind) = (word(object, "apiVersion"), word(object, "kind"));
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let ours = self.kinds.iter().any(|known| known.name == kind);
        let near = strsim::damerau_levenshtein(group, GROUP) <= NEAR;
        (near || ours && (group.is_empty() || group.contains("pimpernel"))).then(|| {
            format!("apiVersion: `{version}` is not judged, and not known here: did you mean `{GROUP}/{VERSION}`?")
        })
    }
}

/// What the rules say about other objects, where all the others are in place; `alone` if there is no cluster beside them.
fn together(candidate: &Candidate, (directory, alone): (&Directory, bool), now: Timestamp, judgement: &mut Judgement) {
    let Some(kind) = policy::Kind::of(&candidate.id.0) else {
        return;
    };
    let mut around = directory.clone();
    match &candidate.old {
        Some(old) => fold(&mut around, &candidate.id, old, now),
        None => drop(around.fold(document::absence(kind, name(&candidate.id)))),
    }
    let (old, new) = (candidate.old.as_ref().map(spec), Some(spec(&candidate.object)));
    let meta = candidate.old.as_ref().map(|old| meta(&candidate.id, old, now));
    // The rules about the writer are left out: nobody is an employee of no name, and a session is stopped by the one
    // who may.
    let user = spec(&candidate.object)
        .get("impersonator")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let answer = document::subject(kind, old, new, meta).map(|subject| {
        let request = Request {
            name: name(&candidate.id),
            subject,
            user: user.into(),
            bounded: false,
            ordering: annotation(&candidate.object, ORDERING),
            renamed_from: renamed_from(candidate, (&around, alone)),
        };
        admit(&request, &around, now)
    });
    let violations = match answer {
        Ok(answer) => {
            judgement
                .warnings
                .extend(answer.warnings.into_iter().chain(answer.hints));
            answer.violations
        }
        Err(violation) => vec![violation],
    };
    if !violations.is_empty() {
        judgement.verdict = Verdict::Refused;
        judgement.layer = Some(Layer::Rules);
        judgement.violations = violations.into_iter().map(Finding::from).collect();
    }
}

/// The annotation that takes over names, if writing the object sets it. Which roles there have been a cluster alone knows.
fn renamed_from(candidate: &Candidate, (around, alone): (&Directory, bool)) -> Option<Arc<str>> {
    let said = annotation(&candidate.object, RENAMED_FROM)?;
    let before = candidate.old.as_ref().and_then(|old| annotation(old, RENAMED_FROM));
    let lives = |from: &Arc<str>| {
        let namespace = name(&candidate.id).namespace;
        around.role(&Name::new(namespace, from.clone())).is_some()
    };
    Some(said).filter(|said| before.as_ref() != Some(said) && (!alone || lives(said)))
}

/// The name that a role had before, which stays its own (R4).
fn renamed(candidate: &Candidate, now: Timestamp) -> Option<Noted> {
    let title = |object: &Value| spec(object).get("displayName").and_then(Value::as_str).map(Folded::new);
    let before = title(candidate.old.as_ref()?).filter(|_| candidate.id.0 == policy::Kind::Role.as_str())?;
    (title(&candidate.object).as_ref() != Some(&before)).then(|| Noted::Named {
        made: None,
        naming: Naming {
            role: name(&candidate.id),
            folded: before,
            at: now,
            by: Some("an object here".into()),
            from: None,
        },
    })
}

/// Gives the object the namespace and the name that it would get.
fn settle(object: &mut Value, namespaced: bool, target: &Target) -> Option<Finding> {
    let own = text(object, "namespace").to_owned();
    let generated = text(object, "generateName").to_owned();
    if namespaced && target.only && !own.is_empty() && own != target.namespace {
        let message = format!(
            "`{own}` is not the namespace that was asked for, `{}`: choose one",
            target.namespace
        );
        return Some(Finding::new(finding::INVALID, "metadata.namespace", message));
    }
    if text(object, "name").is_empty() && generated.is_empty() {
        return Some(Finding::new(
            finding::REQUIRED,
            "metadata.name",
            "is missing: name the object",
        ));
    }
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    if !namespaced {
        metadata.remove("namespace");
    } else if own.is_empty() {
        metadata.insert("namespace".to_owned(), json!(target.namespace));
    }
    if metadata.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        // As long as what the API server appends.
        metadata.insert("name".to_owned(), json!(format!("{generated}00000")));
    }
    None
}

fn refused(mut judgement: Judgement, layer: Layer, violations: Vec<Finding>) -> Judgement {
    judgement.verdict = Verdict::Refused;
    judgement.layer = Some(layer);
    judgement.violations = violations;
    judgement
}
