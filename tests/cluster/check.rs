//! `check` says what the API server says: the same verdict, the same fields, and where the words are ours the same words.

#[path = "check/damage.rs"]
mod damage;
#[path = "check/generated.rs"]
mod generated;
#[path = "check/live.rs"]
mod live_cluster;

use crate::common::refused::documents;
use crate::common::rest::{Answer, Caller, name_of, object};
use crate::common::{Wish, World, library};
use anyhow::{Context, Result, anyhow, ensure};
use futures::StreamExt as _;
use futures::stream;
use generated::NAMESPACES;
use jiff::Timestamp;
use pimpernel::cli::check::{Finding, Judge, Judgement, Layer, Manifest, Target, Verdict, shipped};
use pimpernel::policy::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Seeds of generated objects; one that found something stays.
const SEEDS: [u64; 4] = [6, 1792, 1905, 1934];
const OF_EACH: usize = 500;
const IN_FLIGHT: usize = 8;
/// The annotation by which the operator remembers what it has made of a tenant.
const MEMORY: &str = "pimpernel.dev/default-roles";

/// What is asked of both: an object, beside what stands.
struct Question {
    object: Value,
    from: String,
}

#[tokio::test]
async fn check_says_what_the_api_server_says_of_every_example_and_of_two_thousand_generated_objects() -> Result<()> {
    let world = World::of(Wish::default()).await?;
    let admin = Caller::with(world.plane().admin()).await?;
    base(&world, &admin).await?;
    let live = live(&admin).await?;
    let base = written(&live);
    let now = date(&admin).await?;
    let mut questions = examples(&admin).await?;
    for seed in SEEDS {
        let objects = generated::objects(seed, OF_EACH, now);
        questions.extend(objects.into_iter().enumerate().map(|(number, object)| Question {
            object,
            from: format!("seed {seed}, object {number}"),
        }));
    }
    let people = people(&world).await?;
    let judge = Judge::new(library::settings())?;
    let answers = stream::iter(&questions).map(|question| ask(question, &live, &admin, &people));
    let answers: Vec<Result<Answer>> = answers.buffered(IN_FLIGHT).collect().await;
    let (mut tally, mut wrong) = (BTreeMap::new(), vec![]);
    for (index, (question, answer)) in questions.iter().zip(answers).enumerate() {
        let answer = answer?;
        let judgement = judged(&judge, &[], &question.object, &live, now);
        *tally
            .entry(format!("{:?} {:?}", judgement.verdict, judgement.layer))
            .or_insert(0) += 1;
        if let Err(error) = agree(&judgement, &answer) {
            wrong.push(format!(
                "{}: {error:#}\n  {}\n  {judgement:?}\n  {} {}",
                question.from, question.object, answer.code, answer.body
            ));
        }
        // What stands may as well be in files.
        if index % 20 == 0 {
            let filed = judged(&judge, &base, &question.object, &shipped(), now);
            if (filed.verdict, &filed.violations) != (judgement.verdict, &judgement.violations) {
                wrong.push(format!(
                    "{}: beside files {filed:?}, beside the cluster {judgement:?}",
                    question.from
                ));
            }
        }
    }
    let most = wrong.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    ensure!(
        wrong.is_empty(),
        "{} of {} differ:\n{most}",
        wrong.len(),
        questions.len()
    );
    for (outcome, least) in [
        ("Admitted None", 300),
        ("Refused Some(Request)", 50),
        ("Refused Some(Schema)", 300),
        ("Refused Some(Policy)", 20),
        ("Refused Some(Rules)", 200),
    ] {
        let count = tally.get(outcome).copied().unwrap_or_default();
        ensure!(
            count >= least,
            "only {count} times {outcome}, which the generator misses: {tally:?}"
        );
    }
    Ok(())
}

/// Applies what stands, and waits until it does.
async fn base(world: &World, admin: &Caller) -> Result<()> {
    world.quickstart_without_session().await?;
    for namespace in NAMESPACES {
        let namespace = object(&format!("Namespace {namespace}"), "{}");
        admin.apply(&namespace).await?.object()?;
    }
    let more = documents(include_str!("check.yaml")).map_err(|error| anyhow!(error))?;
    for object in &more {
        admin.apply(object).await?.object()?;
    }
    for tenant in admin.list("Tenant", "", "").await? {
        let remembered = |object: Option<&Value>| object?["metadata"]["annotations"].get(MEMORY).map(drop);
        if tenant["spec"]["defaultRoles"] == "Create" {
            let name = tenant["metadata"]["name"].as_str().context("a name")?;
            admin.await_object(&format!("Tenant {name}/{name}"), remembered).await?;
        }
    }
    // What the operator has judged it knows when it is asked.
    let judged = live(admin).await?;
    for object in judged.iter().filter(|object| object["kind"] != "ChangeRecord") {
        admin.judged(&name_of(object)).await?;
    }
    Ok(())
}

/// What stands as a person would have written it.
fn written(live: &[Value]) -> Vec<Value> {
    let objects = live.iter().filter(|object| object["kind"] != "ChangeRecord");
    let written = objects.map(|object| {
        let metadata = &object["metadata"];
        let mut name = json!({"name": metadata["name"]});
        if let Some(namespace) = metadata.get("namespace") {
            name["namespace"] = namespace.clone();
        }
        json!({"apiVersion": "pimpernel.dev/v1alpha1", "kind": object["kind"], "metadata": name, "spec": object["spec"]})
    });
    written.collect()
}

/// Which out-of-the-box roles a tenant has got (R12): applying an object leaves it alone, putting one would remove it.
fn keep_memory(object: &mut Value, standing: &Value) {
    let memory = standing
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(MEMORY));
    let metadata = &mut object["metadata"];
    let annotations = metadata.get("annotations").is_none_or(Value::is_object);
    if let Some(memory) = memory.filter(|_| annotations) {
        metadata["annotations"][MEMORY] = memory.clone();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn live(admin: &Caller) -> Result<Vec<Value>> {
    let mut live = vec![];
    for kind in Kind::ALL.map(Kind::as_str).into_iter().chain(["ChangeRecord"]) {
        for mut object in admin.list(kind, "", "").await? {
            object["kind"] = json!(kind);
            live.push(object);
        }
    }
    Ok(live)
}

async fn date(admin: &Caller) -> Result<Timestamp> {
    admin.get("Namespace lsp").await?.date.context("a date")
}

/// Each object of ours in a file of `examples/`, with its namespace made.
async fn examples(admin: &Caller) -> Result<Vec<Question>> {
    let mut questions = vec![];
    for path in files(&root().join("examples"))? {
        for object in documents(&std::fs::read_to_string(&path)?).map_err(|error| anyhow!(error))? {
            if object["kind"] == "Namespace" {
                admin.apply(&object).await?.object()?;
            } else if is_declared(&object) {
                let from = path.display().to_string();
                questions.push(Question { object, from });
            }
        }
    }
    ensure!(questions.len() > 40, "where are the examples?");
    Ok(questions)
}

/// Kubernetes has Roles too.
fn is_declared(object: &Value) -> bool {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    text("apiVersion").starts_with("pimpernel.dev/") && Kind::of(text("kind")).is_some()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Those who may write Impersonations in their own name.
async fn people(world: &World) -> Result<BTreeMap<&'static str, Caller>> {
    let mut people = BTreeMap::new();
    for name in ["dewhurst@lsp.example"] {
        people.insert(name, Caller::user(world.plane(), name).await?);
    }
    Ok(people)
}

/// What the API server says by dry-run to an object, created or put in the place of the one that stands.
async fn ask(question: &Question, live: &[Value], admin: &Caller, people: &BTreeMap<&str, Caller>) -> Result<Answer> {
    let object = &question.object;
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let plural = format!("{}s", text("/kind").to_lowercase());
    let folder = match text("/metadata/namespace") {
        "" => format!("/apis/pimpernel.dev/v1alpha1/{plural}"),
        namespace => format!("/apis/pimpernel.dev/v1alpha1/namespaces/{namespace}/{plural}"),
    };
    let query = "dryRun=All&fieldValidation=Strict&fieldManager=tester";
    let standing = live.iter().find(|standing| name_of(standing) == name_of(object));
    // An Impersonation with a length is written by the impersonator herself (I12).
    let own = object.pointer("/spec/notAfter").is_none() && text("/kind") == "Impersonation";
    let caller = people.get(text("/spec/impersonator")).filter(|_| own).unwrap_or(admin);
    match standing {
        None => {
            caller
                .send("POST", &format!("{folder}?{query}"), Some(("application/json", object)))
                .await
        }
        Some(standing) => {
            let mut object = object.clone();
            let path = format!("{folder}/{}", text("/metadata/name"));
            object["metadata"]["resourceVersion"] = standing["metadata"]["resourceVersion"].clone();
            keep_memory(&mut object, standing);
            loop {
                let answer = caller
                    .send("PUT", &format!("{path}?{query}"), Some(("application/json", &object)))
                    .await?;
                if answer.code != 409 {
                    return Ok(answer);
                }
                // The operator has written its status meanwhile.
                let now = admin.get(&name_of(standing)).await?.object()?;
                object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            }
        }
    }
}

fn judged(judge: &Judge, base: &[Value], object: &Value, live: &[Value], now: Timestamp) -> Judgement {
    let manifest = |object: &Value| Manifest {
        file: String::new(),
        line: 1,
        object: Ok(object.clone()),
        warnings: vec![],
    };
    let manifests: Vec<Manifest> = base.iter().chain([object]).map(manifest).collect();
    let target = Target {
        namespace: "default".to_owned(),
        only: false,
    };
    let judgements = judge.judge(&manifests, live, &target, now);
    judgements.into_iter().next_back().expect("one for each")
}

/// Whether both say the same.
fn agree(judgement: &Judgement, answer: &Answer) -> Result<()> {
    // Who may not write at all is told so before anything else, and of that `check` knows nothing.
    let writer = [" cannot ", "'impersonator.pimpernel.dev'", "'consent.pimpernel.dev'"]
        .iter()
        .any(|text| answer.message().contains(text));
    if !answer.granted() && writer {
        return Ok(());
    }
    ensure!(
        answer.granted() == (judgement.verdict == Verdict::Admitted),
        "verdicts differ"
    );
    if answer.granted() {
        return Ok(());
    }
    let ours: BTreeSet<&str> = judgement
        .violations
        .iter()
        .map(|finding| finding.field.as_str())
        .collect();
    let causes = causes(answer);
    match judgement.layer {
        Some(Layer::Request) => {
            ensure!(answer.code == 400, "not a bad request");
            let named = unknown(answer.message());
            // Metadata of a wrong type is refused by the first value that is.
            let malformed = judgement.violations.iter().any(|finding| finding.reason == "Malformed");
            ensure!(
                malformed || named == ours.into_iter().map(str::to_owned).collect(),
                "unknown fields differ: {named:?}"
            );
        }
        Some(Layer::Policy) => {
            let first = judgement.violations.first().context("a violation")?;
            let said = format!("denied request: {}: {}", first.field, first.message);
            ensure!(answer.message().ends_with(&said), "the policies differ");
        }
        Some(Layer::Rules) => {
            let ours: BTreeSet<_> = judgement.violations.iter().map(said).collect();
            ensure!(answer.message().contains("admission webhook"), "it was not the webhook");
            ensure!(ours == causes, "the rules differ");
        }
        Some(Layer::Schema) => {
            let fields: BTreeSet<&str> = causes.iter().map(|(field, _)| field.as_str()).collect();
            ensure!(fields == ours, "fields differ: {fields:?}");
            for (field, message) in causes.iter().filter(|(_, message)| is_ours(message)) {
                let same = |finding: &Finding| finding.field == *field && message.ends_with(&finding.message);
                ensure!(
                    judgement.violations.iter().any(same),
                    "the message differs: {field}: {message}"
                );
            }
        }
        None => ensure!(false, "refused by nothing"),
    }
    Ok(())
}

fn said(finding: &Finding) -> (String, String) {
    (finding.field.clone(), finding.message.clone())
}

/// Field and message of each cause, less the remark that something was not looked at.
fn causes(answer: &Answer) -> BTreeSet<(String, String)> {
    let causes = answer.body.pointer("/details/causes").and_then(Value::as_array);
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().replace("<nil>", "");
    let causes = causes
        .into_iter()
        .flatten()
        .map(|cause| (text(cause, "field"), text(cause, "message")));
    causes
        .filter(|(_, message)| !message.contains("some validation rules were not checked"))
        // A remark, not a thing that is wrong.
        .filter(|(_, message)| !message.starts_with("if other objects of the same change"))
        .collect()
}

/// Whether the API server says it in words of a definition of ours.
fn is_ours(message: &str) -> bool {
    let own = [
        " in body ",
        "Required value",
        "Too long",
        "Too many",
        "Unsupported value",
        "Duplicate value",
        "RFC 1123",
        "must be no more",
        "a valid label",
        "must be an object for",
        "must consist of",
    ];
    !own.iter().any(|own| message.contains(own))
}

/// The fields that strict validation names.
fn unknown(message: &str) -> BTreeSet<String> {
    message
        .split("unknown field \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}
