//! Serves the webhook, and beside it the metrics where their readers are asked who they are, and keeps certificate and
//! registration as they should be. What is registered is left to [`crate::webhook`].

use super::Parts;
use crate::health::{self, Gate};
use crate::webhook::certificates::{Certificates, Issued, given};
use crate::webhook::registration::lookout::{self, Seen};
use crate::webhook::registration::{self, Registration};
use crate::webhook::review::{Reviewer, router};
use crate::webhook::tls;
use anyhow::{Context as _, Result, bail};
use axum_server::tls_rustls::RustlsConfig;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::sync::watch;

mod registering;

/// How often the files of a certificate are looked at: nothing tells of a new one.
const FILES: SignedDuration = SignedDuration::from_secs(30);
/// How soon the certificate is looked at again when it could not be read.
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
        let (seeing, seen) = watch::channel(Seen::default());
        tokio::select! {
            served = self.serve(seen, stopped) => served,
            () = lookout::run(self.client.clone(), self.run.namespace.clone(), seeing) => bail!("the watches ended by themselves"),
        }
    }

    async fn serve(&self, seen: watch::Receiver<Seen>, stopped: watch::Receiver<bool>) -> Result<()> {
        let url = self.run.webhook_url.clone().unwrap_or_default();
        let registration = self.registration(&url)?;
        let source = self.source(&url)?;
        if matches!(source, Source::Given(_)) {
            // Whom to trust depends on who is trusted already.
            seen.clone().wait_for(Seen::is_complete).await?;
        }
        let now = self.now().context("the time of the API server is not known")?;
        let found = seen.borrow().clone();
        let issued = self.certificate(&source, None, &found, now).await?;
        let served = tls::config(&issued)?;
        let serving = tls::serve(
            self.run.webhook_listen,
            served.clone(),
            router(self.reviewer()),
            stopped.clone(),
        );
        let reading = self.metrics(&served, stopped);
        tokio::select! {
            served = async { tokio::try_join!(serving, reading) } => Ok(served.map(|_| ())?),
            kept = self.keep((&source, &registration), issued, &served, seen) => kept,
        }
    }

    /// Serves the metrics as the webhook is, if their readers are to be asked who they are.
    async fn metrics(&self, served: &RustlsConfig, stopped: watch::Receiver<bool>) -> Result<(), tls::Error> {
        let Some(listen) = self.run.metrics_listen else {
            return Ok(());
        };
        let metrics = health::metrics(self.context.metrics.registry());
        let guarded = health::readers::guarded(metrics, self.impatient.clone());
        tls::serve(listen, served.clone(), guarded, stopped).await
    }

    /// Keeps certificate and registration, until something fails for good.
    async fn keep(
        &self,
        (source, registration): (&Source, &Registration),
        mut issued: Issued,
        served: &RustlsConfig,
        mut seen: watch::Receiver<Seen>,
    ) -> Result<()> {
        self.readiness.open(Gate::Certificate);
        let mut keeping = registering::Keeping::default();
        let mut now = self.now().unwrap_or_default();
        loop {
            self.context.metrics.certificate_expiry(issued.expires);
            let found = seen.borrow_and_update().clone();
            let told = (registration, issued.bundle.as_str());
            let next = self.registered(told, &found, &mut keeping, now).await;
            let mut look = issued.look_again;
            if matches!(source, Source::Given(_)) {
                look = look.min(now.checked_add(FILES)?);
            }
            let changed = tokio::select! {
                changed = seen.changed() => changed.map(|()| true)?,
                () = self.context.clock.sleep_until(next.min(look)) => false,
            };
            now = self.now().unwrap_or(now);
            let before = (&found, registration::in_place(&found.objects, &issued.bundle));
            let found = seen.borrow().clone();
            let trusted = registration::in_place(&found.objects, &issued.bundle);
            let concerns = changed && (before.1 != trusted || !before.0.has_same_certificate(&found));
            if concerns || look <= now {
                issued = self.certificate(source, Some(&issued), &found, now).await?;
                tls::reload(served, &issued)?;
            }
        }
    }

    fn now(&self) -> Option<Timestamp> {
        self.context.clock.now()
    }

    fn registration(&self, url: &str) -> Result<Registration> {
        let names = registration::Names {
            operator_user: self.user.clone(),
            operator_namespace: self.run.namespace.clone(),
            sessions_namespace: self.run.sessions_namespace.clone(),
        };
        let recorded = self.context.witness.employees;
        let registration = Registration::new(self.run.registered_by, &names, url, recorded)?;
        Ok(match self.run.definitions.as_str() {
            "unguarded" => registration.without_definitions(),
            _ => registration,
        })
    }

    fn source(&self, url: &str) -> Result<Source> {
        let host = host_of(url).with_context(|| format!("--webhook-url `{url}` is not https://HOST:PORT"))?;
        let kept = || Certificates::new(self.client.clone(), &self.run.namespace, vec![host]);
        Ok(match &self.run.webhook_certificate {
            Some(folder) => Source::Given(given::Folder::new(folder.clone())),
            None => Source::Kept(Box::new(kept())),
        })
    }

    /// What to present and whom to have trusted, after what is shown, and by what is registered.
    async fn certificate(
        &self,
        source: &Source,
        shown: Option<&Issued>,
        found: &Seen,
        now: Timestamp,
    ) -> Result<Issued> {
        let looked = async {
            match source {
                Source::Kept(keeper) => {
                    let trusted = |issued: &&Issued| registration::in_place(&found.objects, &issued.bundle);
                    let bundle = shown.filter(trusted).map(|issued| issued.bundle.as_str());
                    Ok(keeper.keep(now, bundle).await?)
                }
                Source::Given(folder) => {
                    let issued = folder.look(now, shown, &registration::trusted(&found.objects));
                    let issued = issued.context("--webhook-certificate")?;
                    // The files may have been read while they were exchanged.
                    tls::config(&issued)?;
                    anyhow::Ok(issued)
                }
            }
        };
        match (looked.await, shown) {
            (Err(error), Some(shown)) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the webhook's certificate stays as it was");
                Ok(Issued {
                    look_again: now.checked_add(AGAIN)?,
                    ..shown.clone()
                })
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
