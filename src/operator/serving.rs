//! Serves the webhook, and keeps its certificate and registration as they should be. What is registered is left to
//! [`crate::webhook`].

use super::{Parts, Registrar};
use crate::health::Gate;
use crate::webhook::certificates::{Certificates, Issued, given};
use crate::webhook::review::{Reviewer, router};
use crate::webhook::{configuration, registration, tls};
use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::sync::watch;

/// How often the webhook's registration is compared with what it should be.
const REGISTRATION: SignedDuration = SignedDuration::from_secs(30);
/// How soon it is tried again when it failed.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// Where the certificate comes from.
enum Source {
    /// From the operator itself.
    Kept(Box<Certificates>),
    /// From somebody else.
    Given(given::Folder),
}

impl Parts {
    /// Serves, and keeps what is needed for it, until told to stop.
    pub(super) async fn webhook(self: Arc<Self>, stopped: watch::Receiver<bool>) -> Result<()> {
        let url = self.run.webhook_url.clone().unwrap_or_default();
        let source = self.source(&url)?;
        let now = self
            .context
            .clock
            .now()
            .context("the time of the API server is not known")?;
        let mut issued = self.certificate(&source, None, now).await?;
        let served = tls::config(&issued)?;
        let serving = tls::serve(
            self.run.webhook_listen,
            served.clone(),
            router(self.reviewer()),
            stopped,
        );
        let keeping = async {
            self.readiness.open(Gate::Certificate);
            loop {
                self.context.metrics.certificate_expiry(issued.expires);
                let in_place = self.registered(&url, &issued, now).await?;
                let now = self.context.clock.now().unwrap_or(now);
                issued = self.certificate(&source, Some((&issued, in_place)), now).await?;
                tls::reload(&served, &issued)?;
            }
        };
        let kept: Result<()> = tokio::select! {
            served = serving => return Ok(served?),
            kept = keeping => kept,
        };
        kept
    }

    fn source(&self, url: &str) -> Result<Source> {
        let host = host_of(url).with_context(|| format!("--webhook-url `{url}` is not https://HOST:PORT"))?;
        let kept = || Certificates::new(self.client.clone(), &self.run.namespace, vec![host]);
        Ok(match &self.run.webhook_certificate {
            Some(folder) => Source::Given(given::Folder::new(folder.clone())),
            None => Source::Kept(Box::new(kept())),
        })
    }

    /// What to present and whom to have trusted, after what was presented before and whether that was seen to be trusted.
    async fn certificate(&self, source: &Source, before: Option<(&Issued, bool)>, now: Timestamp) -> Result<Issued> {
        let folder = match source {
            Source::Kept(keeper) => {
                let trusted = before.filter(|(_, in_place)| *in_place);
                let bundle = trusted.map(|(issued, _)| issued.bundle.as_str());
                return Ok(keeper.keep(now, bundle).await?);
            }
            Source::Given(folder) => folder,
        };
        let shown = before.map(|(issued, _)| issued);
        let looked = async {
            let issued = folder.look(now, shown, &registration::trusted(&self.client).await?)?;
            // The files may have been read while they were exchanged.
            tls::config(&issued)?;
            anyhow::Ok(issued)
        };
        match (looked.await.context("--webhook-certificate"), shown) {
            (Err(error), Some(shown)) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the webhook's certificate stays as it was");
                Ok(shown.clone())
            }
            (looked, _) => looked,
        }
    }

    fn reviewer(&self) -> Reviewer {
        let snapshots = self.context.snapshots();
        let directory = move || {
            let snapshot = snapshots.borrow();
            snapshot.complete.then(|| snapshot.directory.clone())
        };
        Reviewer {
            directory: Arc::new(directory),
            clock: self.context.clock.clone(),
            witness: self.context.witness.clone(),
            metrics: self.context.metrics.clone(),
        }
    }

    /// Whether the registration was seen to be as it should be. Returns when it is time to look again: at once after
    /// something was written.
    async fn registered(&self, url: &str, issued: &Issued, started: Timestamp) -> Result<bool> {
        let later = |pause| self.context.clock.now().unwrap_or(started).saturating_add(pause);
        match self.register(url, &issued.bundle).await {
            Ok(0) => {
                self.readiness.open(Gate::Registration);
                let next = later(REGISTRATION)?;
                self.context.clock.sleep_until(next.min(issued.look_again)).await;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => {
                tracing::warn!(%error, "the webhook could not be registered, trying again");
                self.context.clock.sleep_until(later(AGAIN)?).await;
                Ok(false)
            }
        }
    }

    /// How much of the registration was not as it should be, and is written.
    async fn register(&self, url: &str, bundle: &str) -> Result<usize> {
        if self.run.registered_by == Registrar::Chart {
            return Ok(registration::trust(&self.client, bundle).await?);
        }
        let names = registration::Names {
            operator_user: self.user.clone(),
            operator_namespace: self.run.namespace.clone(),
            sessions_namespace: self.run.sessions_namespace.clone(),
        };
        let mut desired = registration::policies(&names)?;
        let recorded = (self.run.sessions_namespace.as_str(), self.context.witness.employees);
        for configuration in [
            configuration::configuration(url, &self.user),
            configuration::history(url, &self.user, recorded),
        ] {
            desired.push(registration::with_bundle(configuration, bundle));
        }
        Ok(registration::apply(&self.client, &desired).await?)
    }
}

/// The host of `https://HOST:PORT`, for the certificate.
fn host_of(url: &str) -> Option<String> {
    let authority = url.strip_prefix("https://")?.split('/').next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    (!host.is_empty()).then(|| host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_the_webhook_is_read_from_its_address() {
        assert_eq!(host_of("https://127.0.0.1:9443").as_deref(), Some("127.0.0.1"));
        assert_eq!(
            host_of("https://operator.example:443/").as_deref(),
            Some("operator.example")
        );
        assert_eq!(
            host_of("https://pimpernel.pimpernel-system.svc").as_deref(),
            Some("pimpernel.pimpernel-system.svc")
        );
        assert_eq!(host_of("https://[::1]:9443").as_deref(), Some("::1"));
        assert_eq!(host_of("http://127.0.0.1:9443"), None);
    }
}
