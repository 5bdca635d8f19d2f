//! How the end of a session is told, besides its status: by an Event, on record, and by a metric.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::wait;
use serde_json::{Value, json};

use super::cast::Stage;
use super::{PATIENCE, World};

/// The ends that a test has seen: the process, the reason, the session's UID. Each of them must have been counted.
pub type Seen = Mutex<BTreeSet<(u32, String, String)>>;

/// How a session ended.
pub struct Ending<'a> {
    /// The tenant.
    pub namespace: &'a str,
    /// The Impersonation's UID.
    pub uid: &'a str,
    /// How, such as `Stopped`.
    pub reason: &'a str,
}

impl<'a> Ending<'a> {
    /// That of an Impersonation.
    pub fn of(session: &'a Value, reason: &'a str) -> Result<Self> {
        let text = |field: &str| session["metadata"][field].as_str().context("not an object");
        Ok(Self {
            namespace: text("namespace")?,
            uid: text("uid")?,
            reason,
        })
    }

    /// Waits until an Event, a record and the metric tell it. Gives the record, as [`on_record`] does.
    pub async fn told(&self, stage: &Stage) -> Result<Value> {
        self.announced(stage).await?;
        self.counted(&stage.world)?;
        self.recorded(stage).await
    }

    /// Waits until an Event tells it. There is none if the process died between the status and that.
    pub async fn announced(&self, stage: &Stage) -> Result<()> {
        let event = stage.event(self.namespace, self.uid, self.reason).await?;
        let message = event["message"].as_str().unwrap_or_default();
        ensure!(
            event["type"] == "Normal" && event["involvedObject"]["kind"] == "Impersonation" && !message.is_empty(),
            "{event}"
        );
        Ok(())
    }

    /// Waits until a record tells it, and gives that as [`on_record`] does.
    pub async fn recorded(&self, stage: &Stage) -> Result<Value> {
        let record = on_record(self.namespace, self.uid, stage).await?;
        ensure!(
            record["operation"] == "End" && record["status.endReason"] == *self.reason,
            "not {}, the record says {record}",
            self.reason
        );
        Ok(record)
    }

    /// Waits until the process that runs has counted it, which that one alone has that ended the session.
    pub fn counted(&self, world: &World) -> Result<()> {
        let process = world.operator_pid()?;
        let least = {
            let mut seen = world.endings.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((process, self.reason.to_owned(), self.uid.to_owned()));
            let alike = |(one, reason, _): &&(u32, String, String)| *one == process && reason == self.reason;
            seen.iter().filter(alike).count()
        };
        let name = format!("pimpernel_session_endings_total{{reason=\"{}\"}}", self.reason);
        wait::until(&format!("{name} to be {least}"), PATIENCE, || {
            let counted = world.metric(&name)?.unwrap_or_default();
            Ok((counted + 0.5 > f64::from(u32::try_from(least)?)).then_some(()))
        })
    }
}

/// What is on record of a session's end, as a map; waits until there is something.
pub async fn on_record(namespace: &str, uid: &str, stage: &Stage) -> Result<Value> {
    let which = format!("ChangeRecord {namespace}/end-{uid}");
    let record = stage.admin.await_object(&which, |record| Some(record?.clone())).await?;
    ensure!(record["spec"]["subject"]["uid"] == uid, "{record}");
    let changes = record["spec"]["changes"].as_array().context("changes")?;
    let said = changes.iter().map(|change| {
        let path = change["path"].as_str().unwrap_or_default();
        (path.to_owned(), change["to"].clone())
    });
    let mut told = Value::Object(said.collect());
    told["by"] = record["spec"]["actor"]["username"].clone();
    told["operation"] = json!(record["spec"]["operation"]);
    Ok(told)
}
