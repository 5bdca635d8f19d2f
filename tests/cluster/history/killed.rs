//! Whatever the moment in which the operator dies, each change is on record once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{NIGHT, on_record, recorded, whoami};
use crate::common::audit;
use crate::common::cast::Stage;
use crate::common::proxy::{Call, Moment};
use crate::common::rest::{Caller, object};
use crate::common::{PATIENCE, Wish, World};

const ROLES: usize = 20;
const WRITERS: usize = 200;
const USERS: usize = 20;
const KILLS: u32 = 5;
/// Between two writes of one writer, so that a slow machine is busy but not brought to a stop.
const PAUSE: Duration = Duration::from_secs(3);
/// How long they write while the operator runs.
const LENGTH: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn r13_killed_in_any_call_of_draining_each_change_is_on_record_once() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let me = whoami(&stage).await?;
    stage.given(NIGHT, "{displayName: Night Watch, state: Active}").await?;
    on_record(&stage, NIGHT).await?;
    let calls = || {
        Ok::<_, anyhow::Error>(
            stage
                .world
                .proxy()?
                .calls()
                .into_iter()
                .filter(Call::is_of_history)
                .collect::<Vec<_>>(),
        )
    };
    calls()?;
    change(&stage, "undisturbed").await?;
    on_record(&stage, NIGHT).await?;
    let draining = calls()?;
    ensure!(draining.len() == 2, "a record and the removal, not {draining:?}");
    let mut changes = 2;
    for number in 1..=draining.len() {
        for moment in [Moment::Before, Moment::After] {
            let told = format!("killed {moment:?} {:?}", draining[number - 1]);
            stage.world.proxy()?.cut_off(Call::is_of_history, number, moment);
            change(
                &stage,
                &told.chars().filter(char::is_ascii_alphanumeric).collect::<String>(),
            )
            .await?;
            die(&stage).await?;
            changes += 1;
            let records = on_record(&stage, NIGHT).await?;
            let generations: Vec<i64> = records
                .iter()
                .filter_map(|record| record["generation"].as_i64())
                .collect();
            ensure!(
                generations == (1..=changes).collect::<Vec<_>>(),
                "{told}: {generations:?}"
            );
            let mine = records
                .iter()
                .all(|record| record["actor"] == json!({"username": me, "verified": true}));
            ensure!(mine, "{told}: {records:#?}");
            gone(&stage, number, moment).await.context(told)?;
        }
    }
    Ok(())
}

async fn change(stage: &Stage, text: &str) -> Result<()> {
    let text: String = text.chars().take(150).collect();
    stage
        .admin
        .merge(NIGHT, &json!({"spec": {"description": text}}))
        .await?
        .object()
        .map(drop)
}

/// The same for a deletion. Who deleted is known to the operator that died alone.
async fn gone(stage: &Stage, number: usize, moment: Moment) -> Result<()> {
    let which = format!("Role lsp-paris/brief-{number}-{moment:?}")
        .to_lowercase()
        .replace("role ", "Role ");
    let called = format!("{{displayName: Brief {number} {moment:?}}}");
    stage.admin.create(&object(&which, &called)).await?.object()?;
    on_record(stage, &which).await?;
    stage.world.proxy()?.cut_off(Call::is_of_history, number, moment);
    stage.admin.delete(&which).await?.object()?;
    die(stage).await?;
    stage.admin.gone(&which).await?;
    let records = recorded(stage, &which).await?;
    let operations: Vec<&Value> = records.iter().map(|record| &record["operation"]).collect();
    ensure!(operations == ["Create", "Delete"], "{records:#?}");
    Ok(())
}

/// Waits until the operator is cut off, and begins anew.
async fn die(stage: &Stage) -> Result<()> {
    let proxy = stage.world.proxy()?;
    proxy.await_cut(PATIENCE)?;
    stage.world.crash_operator().await?;
    proxy.restore()?;
    stage.world.start_operator()
}

/// What was let in, by role and user: the descriptions.
type Accepted = BTreeMap<(String, String), Vec<String>>;

#[tokio::test(flavor = "multi_thread")]
async fn r13_of_two_hundred_writers_and_five_kills_every_change_let_in_is_on_record_once_and_none_is_invented()
-> Result<()> {
    let wish = Wish {
        audit: true,
        ..Wish::default()
    };
    let stage = Arc::new(Stage::set(World::of(wish).await?).await?);
    for number in 0..ROLES {
        let which = format!("Role lsp-paris/role-{number}");
        stage.given(&which, &format!("{{displayName: Role {number}}}")).await?;
    }
    a_change_costs_two_writes(&stage).await?;
    let before = audit::here(stage.world.plane())?;
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = vec![];
    for number in 0..USERS {
        let user = format!("writer-{number}");
        let kubeconfig = stage.world.plane().user(&user, &["system:masters"])?;
        callers.push((user, Arc::new(Caller::with(&kubeconfig).await?)));
    }
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..WRITERS {
        let (user, caller) = callers[number % USERS].clone();
        writers.spawn(write(number, user, caller, over.clone()));
    }
    for _ in 0..KILLS {
        tokio::time::sleep(LENGTH / (KILLS + 1)).await;
        stage.world.crash_operator().await?;
        stage.world.start_operator()?;
    }
    tokio::time::sleep(LENGTH / (KILLS + 1)).await;
    over.store(true, Ordering::Relaxed);
    let mut accepted = Accepted::new();
    while let Some(written) = writers.join_next().await {
        for (key, texts) in written?? {
            accepted.entry(key).or_default().extend(texts);
        }
    }
    compare(&stage, accepted, before).await
}

/// The record, and its removal from the role; besides these the status, which tells of the generation.
async fn a_change_costs_two_writes(stage: &Stage) -> Result<()> {
    let plane = stage.world.plane();
    audit::quiet(plane)?;
    let before = audit::here(plane)?;
    let body = json!({"spec": {"description": "for a change"}});
    stage.admin.merge("Role lsp-paris/role-0", &body).await?.object()?;
    stage.admin.judged("Role lsp-paris/role-0").await?;
    audit::quiet(plane)?;
    let written = audit::writes_since(plane, before)?;
    let mut resources: Vec<&str> = written.iter().map(|request| request.resource.as_str()).collect();
    resources.sort_unstable();
    let wanted = [
        "changerecords.pimpernel.dev",
        "roles.pimpernel.dev",
        "roles.pimpernel.dev/status",
    ];
    ensure!(resources == wanted, "a change costs{}", audit::list(&written));
    Ok(())
}

/// Writes to one role until it is over. A request that finds no operator, or a full outbox, is refused, and another one
/// follows.
async fn write(number: usize, user: String, caller: Arc<Caller>, over: Arc<AtomicBool>) -> Result<Accepted> {
    let role = format!("role-{}", number % ROLES);
    let mut accepted = vec![];
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        round += 1;
        let text = format!("writer {number} round {round}");
        let body = json!({"spec": {"description": text}});
        let answer = caller.merge(&format!("Role lsp-paris/{role}"), &body).await?;
        if answer.granted() {
            accepted.push(text);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok([((role, user), accepted)].into())
}

async fn compare(stage: &Stage, mut accepted: Accepted, before: audit::Place) -> Result<()> {
    let mut told = Accepted::new();
    for number in 0..ROLES {
        let role = format!("role-{number}");
        for record in on_record(stage, &format!("Role lsp-paris/{role}")).await? {
            ensure!(record["actor"]["verified"] == true, "{record}");
            let changes = record["changes"].as_array().context("changes")?.iter();
            let text = changes
                .filter(|change| change["path"] == "spec.description")
                .find_map(|change| change["to"].as_str());
            let user = record["actor"]["username"].as_str().context("a user")?;
            if let Some(text) = text.filter(|_| user.starts_with("writer-")) {
                told.entry((role.clone(), user.to_owned()))
                    .or_default()
                    .push(text.to_owned());
            }
        }
    }
    for texts in accepted.values_mut().chain(told.values_mut()) {
        texts.sort();
    }
    accepted.retain(|_, texts| !texts.is_empty());
    let count: usize = accepted.values().map(Vec::len).sum();
    eprintln!("{count} changes were let in");
    ensure!(count >= ROLES, "only {count} were let in: too few to tell anything");
    for key in accepted.keys().chain(told.keys()) {
        ensure!(
            accepted.get(key) == told.get(key),
            "{key:?}: let in were {:#?}, on record are {:#?}",
            accepted.get(key),
            told.get(key)
        );
    }
    let mut logged: BTreeMap<(String, String), usize> = BTreeMap::new();
    for request in audit::since(stage.world.plane(), before)? {
        let of_role = request.resource == "roles.pimpernel.dev" && request.verb == "patch" && request.code == 200;
        if of_role && request.user.starts_with("writer-") {
            let role = request.object.trim_start_matches("lsp-paris/").to_owned();
            *logged.entry((role, request.user)).or_default() += 1;
        }
    }
    let told: BTreeMap<_, _> = told.into_iter().map(|(key, texts)| (key, texts.len())).collect();
    ensure!(logged == told, "the audit log says {logged:?}, on record are {told:?}");
    Ok(())
}
