//! I9: however much else there is to do, a session that is stopped ends as soon as the API server lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use crate::common::cast::{DEWHURST, FFOULKES, MARGUERITE, PERCY, Stage};
use crate::common::proxy::Call;
use crate::common::rest::{Caller, object};
use crate::common::session::Session;
use crate::common::{PATIENCE, Wish, World};

const STORM: Duration = Duration::from_secs(30);
/// How many write at once, each to employees of their own.
const WRITERS: usize = 8;
const EMPLOYEES_EACH: usize = 10;
/// In the calm.
const ROUNDS: usize = 3;
/// How long each write of the operator takes that is not for a session.
const HELD_UP: Duration = Duration::from_millis(500);
/// By how much more than a plain write an ending may be slowed down.
const MUCH: f64 = 3.0;
const PLAIN: &str = "ConfigMap default/plain";

/// How long things took.
#[derive(Default)]
struct Took {
    endings: Vec<Duration>,
    plain: Vec<Duration>,
}

#[tokio::test(flavor = "multi_thread")]
async fn i9_a_storm_of_other_work_delays_no_ending() -> Result<()> {
    let wish = Wish {
        proxy: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    employ(&stage).await?;
    // So that whoever waits for other work waits long, however fast the machine is.
    let other = |call: &Call| call.is_write() && !call.is_of_a_session();
    stage.world.proxy()?.hold_up(other, HELD_UP);
    let mut calm = Took::default();
    for round in 0..ROUNDS {
        open_and_stop(&stage, &format!("calm-{round}"), &mut calm).await?;
    }
    let (over, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let admin = Caller::with(stage.world.plane().admin()).await?;
        writers.spawn(write(admin, writer, over.clone(), changes.clone()));
    }
    let (began, mut storm) = (Instant::now(), Took::default());
    for round in 0.. {
        open_and_stop(&stage, &format!("storm-{round}"), &mut storm).await?;
        if began.elapsed() > STORM {
            break;
        }
    }
    let lasted = began.elapsed();
    over.store(true, Ordering::Release);
    writers.join_all().await.into_iter().collect::<Result<()>>()?;
    let slower = (median(&mut storm.plain)? / median(&mut calm.plain)?).max(1.0);
    let later = median(&mut storm.endings)? / median(&mut calm.endings)?;
    eprintln!(
        "{} changes in {lasted:?}; endings take {:?} in the calm, {:?} in the storm, {:?} at most; a plain write {:?} and {:?}",
        changes.load(Ordering::Acquire),
        calm.endings[calm.endings.len() / 2],
        storm.endings[storm.endings.len() / 2],
        storm.endings.last(),
        calm.plain[calm.plain.len() / 2],
        storm.plain[storm.plain.len() / 2],
    );
    ensure!(
        later <= MUCH * slower,
        "endings take {later:.1} times as long as in the calm, and a plain write {slower:.1} times"
    );
    Ok(())
}

fn median(times: &mut [Duration]) -> Result<f64> {
    times.sort();
    Ok(times
        .get(times.len() / 2)
        .context("nothing was measured")?
        .as_secs_f64())
}

async fn employ(stage: &Stage) -> Result<()> {
    let role =
        "{displayName: Valet, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}";
    stage.given("Role lsp-paris/valet", role).await?;
    for writer in 0..WRITERS {
        for number in 0..EMPLOYEES_EACH {
            let spec = format!("{{username: {writer}-{number}@lsp-paris.example, state: Active, primaryRole: valet}}");
            let employee = object(&format!("Employee lsp-paris/staff-{writer}-{number}"), &spec);
            stage.admin.apply(&employee).await?.object()?;
        }
    }
    let plain = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "plain"}});
    stage.admin.create(&plain).await?.object()?;
    Ok(())
}

/// Changes one employee after the other, as fast as the API server takes it: each change moves somebody from one role to
/// another.
async fn write(admin: Caller, writer: usize, over: Arc<AtomicBool>, changes: Arc<AtomicUsize>) -> Result<()> {
    for turn in 0.. {
        let role = if (turn / EMPLOYEES_EACH).is_multiple_of(2) {
            "team-lead"
        } else {
            "valet"
        };
        let which = format!("Employee lsp-paris/staff-{writer}-{}", turn % EMPLOYEES_EACH);
        let patch = json!({"spec": {"primaryRole": role}});
        admin.merge(&which, &patch).await?.object()?;
        changes.fetch_add(1, Ordering::AcqRel);
        if over.load(Ordering::Acquire) {
            break;
        }
    }
    Ok(())
}

/// How long it takes from the answer to the stop until the rights are gone, and beside it a plain write.
async fn open_and_stop(stage: &Stage, round: &str, took: &mut Took) -> Result<()> {
    for (number, (mode, user)) in [
        ("Support", MARGUERITE),
        ("Configure", FFOULKES),
        ("Support", DEWHURST),
        ("Support", PERCY),
    ]
    .into_iter()
    .enumerate()
    {
        let which = format!("Impersonation lsp-paris/{round}-{number}");
        let session = Session::open(stage, &which, (mode, user), "").await?;
        let asked = Instant::now();
        stage
            .admin
            .merge(PLAIN, &json!({"data": {"round": which}}))
            .await?
            .object()?;
        took.plain.push(asked.elapsed());
        let binding = format!("rbac.RoleBinding lsp-paris/pimpernel:session:{}", session.uid);
        session.stop(stage.caller(user)).await?.object()?;
        let asked = Instant::now();
        while stage.admin.get(&binding).await?.granted() {
            ensure!(asked.elapsed() < PATIENCE, "{which} does not end");
        }
        took.endings.push(asked.elapsed());
        session.ended(stage, "Stopped").await?;
    }
    Ok(())
}
