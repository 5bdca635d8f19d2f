//! `approve`, `reject` and `revoke`: what a tenant says to a session (I11).

use super::cluster::Flags;
use super::completion::Named;
use super::impersonate::{Standing, standing, unlikely, watched};
use super::output::shown;
use super::{Outcome, tell};
use crate::api::{Consent, ConsentDecision, Impersonation, ImpersonationConsentSpec};
use anyhow::{Context as _, Result};
use kube::api::{Api, ObjectMeta};
use std::time::Duration;

/// How long the operator may take until the answer shows in the session.
const HEEDED: Duration = Duration::from_secs(10);

/// An answer to a session, in the tenant that `-n` names.
#[derive(clap::Args)]
pub struct Answer {
    /// The Impersonation.
    #[arg(value_name = "NAME", add = Named::Session)]
    name: String,
    /// A word about the decision. It stays on record.
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

impl Answer {
    /// Writes the ImpersonationConsent in the name of whoever asks, and tells where the session stands then.
    pub async fn run(self, decision: ConsentDecision) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let sessions: Api<Impersonation> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let session = sessions.get(&self.name).await;
        // Another session of the same name is not meant.
        let uid = session.context("the session cannot be read")?.metadata.uid;
        let spec = ImpersonationConsentSpec {
            impersonation: self.name.clone(),
            impersonation_uid: uid.context("the session has no UID")?,
            decision,
            by: cluster.user().await?,
            message: self.message,
        };
        let metadata = ObjectMeta {
            name: Some(unlikely(&self.name)),
            namespace: Some(cluster.namespace.clone()),
            ..ObjectMeta::default()
        };
        let consent = Consent {
            metadata,
            spec,
            status: None,
        };
        let (_, warnings) = cluster.create(&consent, false).await?;
        for warning in warnings {
            tell(format_args!("warning: {}", shown(&warning)));
        }
        let word = word(decision);
        let name = format!("session {}/{}", cluster.namespace, self.name);
        tell(format_args!("{name} is {word}"));
        let look = |session: &Impersonation| match (standing(session), decision) {
            (Standing::Over(how), _) => Some(format!("{name} is over: {how}")),
            (Standing::Open, ConsentDecision::Granted) => Some(format!("{name} is open")),
            (Standing::Refused(why), ConsentDecision::Granted) => Some(format!("{name} cannot be opened: {why}")),
            _ => None,
        };
        match tokio::time::timeout(HEEDED, watched(&sessions, &self.name, look)).await {
            Ok(Ok(seen)) => tell(shown(&seen)),
            // The answer is on record, and that was the order.
            _ => tell(format_args!(
                "the session does not show it yet: look again with `kubectl pimpernel sessions -n {}`",
                cluster.namespace
            )),
        }
        Ok(Outcome::Fine)
    }
}

fn word(decision: ConsentDecision) -> &'static str {
    match decision {
        ConsentDecision::Granted => "approved",
        ConsentDecision::Rejected => "rejected",
        ConsentDecision::Revoked => "revoked",
    }
}
