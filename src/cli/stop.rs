//! `stop`: end a session now, from inside or from outside, and remove what is kept of it.

use super::cluster::{Cluster, Flags};
use super::completion::Named;
use super::impersonate::{self, Standing, closed, quoted, standing, watched};
use super::session::{Kept, Noted};
use super::{Outcome, now, tell};
use crate::api::Impersonation;
use anyhow::{Result, bail};
use kube::api::Api;
use std::env;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// How long the operator may take until the session's rights are gone.
const GONE: Duration = Duration::from_secs(30);
/// How often that is asked: a right cannot be watched.
const PAUSE: Duration = Duration::from_millis(100);

/// End a session now.
///
/// Without a name it is the session that the kubeconfig in use is for, or else the only one that was entered from this
/// machine. Its files are removed; your own kubeconfig was never changed. In a shell that has `KUBECONFIG` from the
/// session, a line is printed that sets it back: `eval "$(kubectl pimpernel stop)"`. It is refused if the session is not over
/// soon.
#[derive(clap::Args)]
pub struct Stop {
    /// The Impersonation, in the tenant that `-n` names.
    #[arg(value_name = "NAME", add = Named::Session)]
    name: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

impl Stop {
    /// Ends it. Refused if the cluster refuses, or if the session is not over yet.
    pub async fn run(self) -> Result<Outcome> {
        let other = self.flags.access.is_another();
        if other && self.name.is_none() {
            bail!(
                "without a name a session is ended by its own credential, and not with `--as`: name it, as in `kubectl pimpernel stop NAME -n TENANT --as USER`"
            );
        }
        let all = Kept::all(now())?;
        let in_use = Noted::in_use(&self.flags.access).filter(|_| !other);
        let in_use = in_use.filter(|noted| self.name.as_ref().is_none_or(|name| *name == noted.name));
        if let Some(noted) = in_use {
            let cluster = self.flags.access.connect().await?;
            let outcome = from_inside(&cluster, &noted).await?;
            if let Some(kept) = all.iter().find(|kept| kept.noted.uid == noted.uid) {
                kept.remove()?;
                way_back(kept)?;
            }
            return Ok(outcome);
        }
        if let Some(name) = &self.name {
            return self.by_name(name, &all).await;
        }
        match all.as_slice() {
            [] => bail!("no session was entered from here: name one, as in `kubectl pimpernel stop NAME -n TENANT`"),
            [only] => end(only).await,
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|kept| {
                        format!(
                            "`kubectl pimpernel stop {} -n {}`",
                            kept.noted.name, kept.noted.namespace
                        )
                    })
                    .collect();
                bail!("there are several sessions: say which one, {}", names.join(" or "))
            }
        }
    }

    /// Ends a session by its name, as whoever asks.
    async fn by_name(&self, name: &str, all: &[Kept]) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let sessions: Api<Impersonation> = Api::namespaced(cluster.client, &cluster.namespace);
        impersonate::stop(&sessions, name).await?;
        let over = |session: &Impersonation| match standing(session) {
            Standing::Over(how) => Some((session.metadata.uid.clone(), how)),
            _ => None,
        };
        let Ok(over) = tokio::time::timeout(GONE, watched(&sessions, name, over)).await else {
            tell(not_yet(name));
            return Ok(Outcome::Refused);
        };
        let (uid, how) = over?;
        tell(format_args!("session {}/{name} is over: {how}", cluster.namespace));
        let mut kept = all.iter().filter(|kept| uid.as_ref() == Some(&kept.noted.uid));
        kept.try_for_each(Kept::remove)?;
        Ok(Outcome::Fine)
    }
}

/// Ends a session by its own credential and removes its files.
pub async fn end(kept: &Kept) -> Result<Outcome> {
    let cluster = kept.connect().await?;
    let outcome = from_inside(&cluster, &kept.noted).await?;
    kept.remove()?;
    Ok(outcome)
}

/// Stops a session from inside, and waits until nothing can be done with its credential any more.
async fn from_inside(cluster: &Cluster, noted: &Noted) -> Result<Outcome> {
    let Noted { namespace, name, .. } = noted;
    let itself: Api<Impersonation> = Api::namespaced(cluster.client.clone(), namespace);
    if let Err(error) = impersonate::stop(&itself, name).await {
        if error.downcast_ref().is_some_and(closed) {
            tell(format_args!("session {namespace}/{name} was over already"));
            return Ok(Outcome::Fine);
        }
        return Err(error);
    }
    let began = Instant::now();
    loop {
        match itself.get(name).await {
            Err(error) if closed(&error) => break,
            Err(error) => return Err(error.into()),
            Ok(_) if began.elapsed() > GONE => {
                tell(not_yet(name));
                return Ok(Outcome::Refused);
            }
            Ok(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    tell(format_args!(
        "session {namespace}/{name} is over: you are yourself again, in context `{}`",
        noted.context
    ));
    Ok(Outcome::Fine)
}

fn not_yet(name: &str) -> String {
    format!(
        "session `{name}` is asked to stop, and the operator has not ended it yet: it ends by itself at its end at the latest"
    )
}

/// Tells a shell that has the session's `KUBECONFIG` what it was before.
fn way_back(kept: &Kept) -> Result<()> {
    if env::var_os("KUBECONFIG").is_none_or(|value| value != kept.kubeconfig()) {
        return Ok(());
    }
    let line = match &kept.noted.kubeconfig {
        Some(before) => format!("export KUBECONFIG={}\n", quoted(before)),
        None => "unset KUBECONFIG\n".to_owned(),
    };
    Ok(anstream::stdout().lock().write_all(line.as_bytes())?)
}
