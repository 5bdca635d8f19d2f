//! Two processes behind one address: both answer the webhook, one writes; they and their certificate are replaced while others
//! write, and no request is refused for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use pimpernel::webhook::certificates::pair::Pair;
use pimpernel::webhook::certificates::rotation::{OVERLAP, SETTLE};
use pimpernel_launcher::{Operator, port, wait};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::audit::{self, Place};
use crate::common::cast::Stage;
use crate::common::rest::{Caller, object};
use crate::common::splitter::Splitter;
use crate::common::{PATIENCE, Wish, World, metric};

const WRITERS: usize = 4;
/// Between two writes of one writer, so that a slow machine is busy but not brought to a stop.
const PAUSE: Duration = Duration::from_millis(20);
/// How many requests must have been answered after each step.
const ENOUGH: usize = 100;
/// How long the leader's Lease lasts, by default.
const LEASE: Duration = Duration::from_secs(15);
const SECRET: &str = "Secret pimpernel-system/pimpernel-webhook-certificate";

/// Others, who write all the time.
struct Load {
    over: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
    writers: JoinSet<Result<()>>,
}

impl Load {
    async fn begin(world: &World) -> Result<Self> {
        let mut load = Self {
            over: Arc::default(),
            count: Arc::default(),
            refused: Arc::default(),
            writers: JoinSet::new(),
        };
        for writer in 0..WRITERS {
            let admin = Caller::with(world.plane().admin()).await?;
            let (over, count, refused) = (load.over.clone(), load.count.clone(), load.refused.clone());
            load.writers.spawn(async move {
                let mut round = 0;
                while !over.load(Ordering::Acquire) {
                    for answer in written(&admin, writer, round).await? {
                        count.fetch_add(1, Ordering::AcqRel);
                        if let Some(why) = answer {
                            refused.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                        }
                    }
                    round += 1;
                }
                Ok(())
            });
        }
        Ok(load)
    }

    /// Waits until many more were answered, and tells whether one was refused.
    fn goes_on(&self, step: &str) -> Result<()> {
        let before = self.count.load(Ordering::Acquire);
        wait::until("others to write", 2 * PATIENCE, || {
            Ok((self.count.load(Ordering::Acquire) > before + ENOUGH).then_some(()))
        })?;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(
            refused.is_empty(),
            "{step}: {} refused: {:#?}",
            refused.len(),
            refused.iter().take(5).collect::<Vec<_>>()
        );
        Ok(())
    }

    async fn end(self) -> Result<usize> {
        self.over.store(true, Ordering::Release);
        self.writers.join_all().await.into_iter().collect::<Result<()>>()?;
        Ok(self.count.load(Ordering::Acquire))
    }
}

/// A role that comes, changes and goes: what was refused of it, and why.
async fn written(admin: &Caller, writer: usize, round: usize) -> Result<[Option<String>; 3]> {
    let which = format!("Role lsp-paris/load-{writer}-{round}");
    let role = object(&which, &format!("{{displayName: Load {writer} of {round}}}"));
    let change = json!({"spec": {"description": "under load"}});
    let mut refused = [None, None, None];
    for (number, refused) in refused.iter_mut().enumerate() {
        let answer = match number {
            0 => admin.create(&role).await?,
            1 => admin.merge(&which, &change).await?,
            _ => admin.delete(&which).await?,
        };
        *refused = (!answer.granted()).then(|| format!("{which}: {}", answer.message()));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(refused)
}

/// A process behind the address.
struct Replica {
    port: u16,
    operator: Operator,
}

impl Replica {
    /// Starts one, and lets it answer as soon as it is ready.
    fn join(stage: &Stage, service: &Splitter, name: &str) -> Result<Self> {
        let port = port::free()?;
        let operator = stage.world.replica(name, port)?;
        service.add(port);
        Ok(Self { port, operator })
    }

    fn leads(&self) -> Result<bool> {
        Ok(metric(&self.operator, "pimpernel_leader")? == Some(1.0))
    }
}

fn one_leads(replicas: &VecDeque<Replica>) -> Result<Duration> {
    let began = Instant::now();
    wait::until("another one to lead", PATIENCE, || {
        Ok(replicas
            .iter()
            .any(|replica| replica.leads().is_ok_and(|leads| leads))
            .then_some(()))
    })?;
    Ok(began.elapsed())
}

/// Takes one away as a Deployment does: no new connection goes to it, and then it is told to end.
fn leaves(old: &Replica, service: &Splitter, others: &VecDeque<Replica>) -> Result<()> {
    service.remove(old.port);
    let led = old.leads()?;
    old.operator.signal("TERM")?;
    let took = one_leads(others)?;
    if led {
        eprintln!("after SIGTERM another process led after {took:?}");
        ensure!(took < LEASE, "the Lease was not given back: it took {took:?}");
    }
    wait::until("its end", PATIENCE, || Ok((!old.operator.is_running()).then_some(())))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_replicas_and_their_certificate_are_replaced_no_request_is_refused_and_one_writes() -> Result<()> {
    let wish = Wish {
        audit: true,
        ..Wish::default()
    };
    let stage = Stage::set(World::of(wish).await?).await?;
    let plane = stage.world.plane();
    ensure!(stage.world.stop_operator()?.success(), "it did not end well");
    let service = Splitter::at(stage.world.webhook_port())?;
    let start = audit::here(plane)?;
    let mut replicas = VecDeque::new();
    for name in ["percy", "andrew"] {
        replicas.push_back(Replica::join(&stage, &service, name)?);
    }
    one_leads(&replicas)?;
    let load = Load::begin(&stage.world).await?;
    load.goes_on("in the calm")?;
    for replica in &replicas {
        let answered = metric(&replica.operator, "pimpernel_webhook_requests_total")?.unwrap_or_default();
        ensure!(answered > 0.0, "one of them answers nothing");
    }
    for name in ["tony", "armand"] {
        replicas.push_back(Replica::join(&stage, &service, name)?);
        let old = replicas.pop_front().context("nobody is left")?;
        leaves(&old, &service, &replicas)?;
        load.goes_on(&format!("{name} in the place of another"))?;
    }
    let authority = rotate(&stage, &service, &replicas).await?;
    load.goes_on("with another certificate")?;
    outlives(&stage, &authority).await?;
    load.goes_on("with the old authority gone")?;
    eprintln!("{} requests were answered", load.end().await?);

    let leader = replicas
        .iter()
        .position(|replica| replica.leads().is_ok_and(|leads| leads));
    let leader = leader.and_then(|at| replicas.remove(at)).context("nobody leads")?;
    service.remove(leader.port);
    leader.operator.kill()?;
    eprintln!("after SIGKILL another process led after {:?}", one_leads(&replicas)?);
    let role = object("Role lsp-paris/last", "{displayName: Last Watch}");
    stage.admin.create(&role).await?.object()?;
    stage.ready("Role lsp-paris/last").await?;
    one_writes(&stage, start)
}

/// That nobody wrote between two writes of another one. The log is in the order in which requests were answered.
fn one_writes(stage: &Stage, place: Place) -> Result<()> {
    let mut writers: Vec<String> = vec![];
    let mut count = 0;
    for write in audit::writes_since(stage.world.plane(), place)? {
        // The certificate is for each to keep, whoever leads.
        let certificate = write.resource == "secrets" && write.object.starts_with("pimpernel-system/");
        let name = write.groups.iter().find_map(|group| group.strip_prefix("replica:"));
        if let Some(name) = name.filter(|_| !certificate) {
            count += 1;
            if writers.last().is_none_or(|last| last != name) {
                writers.push(name.to_owned());
            }
        }
    }
    eprintln!("{count} writes, by one after the other: {writers:?}");
    let mut once = writers.clone();
    once.sort();
    once.dedup();
    ensure!(once.len() == writers.len(), "they wrote in turns: {writers:?}");
    ensure!(count > ENOUGH && writers.len() >= 2, "{count} writes by {writers:?}");
    Ok(())
}

/// Has the next authority sign soon: one that was made so long ago that it need not be waited for. Gives that one.
async fn rotate(stage: &Stage, service: &Splitter, replicas: &VecDeque<Replica>) -> Result<Pair> {
    let answer = stage.admin.get(SECRET).await?;
    let now: Timestamp = answer.date.context("no date")?;
    let old = text(&answer.object()?["data"]["ca.crt"])?;
    let next = Pair::authority(now - SETTLE + SignedDuration::from_secs(5))?;
    let encoded = |text: &str| json!(ByteString(text.into()));
    let data = json!({"next-ca.crt": encoded(&next.certificate), "next-ca.key": encoded(next.key.reveal())});
    let before: Vec<usize> = replicas.iter().map(|replica| service.taken(replica.port)).collect();
    stage.admin.merge(SECRET, &json!({"data": data})).await?.object()?;
    let switched = |secret: Option<&Value>| {
        let ca = text(secret?.pointer("/data/ca.crt")?).ok()?;
        (ca == next.certificate).then_some(())
    };
    stage.admin.await_object(SECRET, switched).await.context("the switch")?;
    let configuration = stage
        .admin
        .get("ValidatingWebhookConfiguration pimpernel")
        .await?
        .object()?;
    for webhook in configuration["webhooks"].as_array().context("no webhooks")? {
        let bundle = text(&webhook["clientConfig"]["caBundle"])?;
        ensure!(
            bundle == format!("{old}{}", next.certificate),
            "they do not overlap: {bundle}"
        );
    }
    for (replica, before) in replicas.iter().zip(before) {
        wait::until("connections with the other certificate", PATIENCE, || {
            Ok((service.taken(replica.port) > before).then_some(()))
        })?;
    }
    Ok(next)
}

/// Has the old authority be due to go soon: the present one has signed what is presented so long ago. It is trusted no more then.
async fn outlives(stage: &Stage, authority: &Pair) -> Result<()> {
    let answer = stage.admin.get(SECRET).await?;
    let now: Timestamp = answer.date.context("no date")?;
    ensure!(
        answer.object()?["data"]["previous-ca.crt"].is_string(),
        "the old authority is gone before its time"
    );
    let host = ["127.0.0.1".to_owned()];
    let leaf = authority.leaf(&host, now - OVERLAP + SignedDuration::from_secs(5))?;
    let encoded = |text: &str| json!(ByteString(text.into()));
    let data = json!({"tls.crt": encoded(&leaf.certificate), "tls.key": encoded(leaf.key.reveal())});
    stage.admin.merge(SECRET, &json!({"data": data})).await?.object()?;
    let dropped = |secret: Option<&Value>| secret?["data"]["previous-ca.crt"].is_null().then_some(());
    stage.admin.await_object(SECRET, dropped).await.context("the drop")?;
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let alone = |configuration: Option<&Value>| {
            let webhooks = configuration?["webhooks"].as_array()?;
            let bundle = |webhook: &Value| text(&webhook["clientConfig"]["caBundle"]).ok();
            let trusted = |webhook| bundle(webhook).as_ref() == Some(&authority.certificate);
            webhooks.iter().all(trusted).then_some(())
        };
        let which = format!("{kind} pimpernel");
        stage.admin.await_object(&which, alone).await.context(which)?;
    }
    Ok(())
}

fn text(encoded: &Value) -> Result<String> {
    Ok(String::from_utf8(ByteString::deserialize(encoded)?.0)?)
}
