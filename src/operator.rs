//! The operator as a program: its settings, and how its parts are put together.

use crate::artifacts::{OPERATOR, OPERATOR_NAMESPACE, SESSIONS_NAMESPACE};
use crate::controllers::clock::ServerClock;
use crate::controllers::context::Context;
use crate::controllers::lease::{Elector, Outcome, Seat, Term, Timing};
use crate::controllers::witness::Witness;
use crate::controllers::{catalogs, gather, lanes, retention, sealing};
use crate::health::{self, Gate, Readiness};
use crate::policy::Settings;
use crate::policy::history::{Employees, Kept};
use crate::telemetry::{self, LogFormat, Metrics};
use crate::webhook::registration::Registrar;
use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

mod serving;

/// How often the node's clock is compared with the API server's.
const SKEW: Duration = Duration::from_secs(30);
/// How long work that is under way may take after the operator was told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// Turns tenants, roles, employees and impersonations into native rights that end by themselves.
#[derive(Parser)]
#[command(name = "pimpernel-operator", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator until it is told to stop.
    Run(Box<Run>),
    /// Ask an operator whether it is ready.
    Ready {
        /// Where it answers /readyz, as HOST:PORT.
        address: String,
        /// How long to ask again while it is not.
        #[arg(long, default_value = "0s", value_parser = duration)]
        within: Duration,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Where the API server reaches the webhook, such as https://HOST:PORT. The operator then registers it there, and the
    /// admission policies. Absent: no webhook.
    #[arg(long)]
    webhook_url: Option<String>,
    /// Who tells the API server of webhook and admission policies. `chart`: a Helm chart has; the operator adds whom to
    /// trust, and makes and changes nothing else.
    #[arg(long, default_value = "operator", requires_if("chart", "webhook_url"))]
    registered_by: Registrar,
    /// Whether the admission policy that refuses deletion of our definitions must be there: `guarded`, or `unguarded`, as
    /// beside a chart whose definitions go with the release.
    #[arg(long, default_value = "guarded", value_parser = ["guarded", "unguarded"])]
    definitions: String,
    /// A folder with the webhook's certificate: `tls.crt`, `tls.key` and `ca.crt`, as the keys of a Secret that somebody else
    /// renews. Absent: the operator makes and renews one itself.
    #[arg(long, requires = "webhook_url")]
    webhook_certificate: Option<PathBuf>,
    /// Where the webhook listens.
    #[arg(long, default_value = "127.0.0.1:9443")]
    webhook_listen: SocketAddr,
    /// Where /healthz and /readyz are answered, and /metrics unless --metrics-listen says where.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http_listen: SocketAddr,
    /// Where /metrics is answered over TLS, with the webhook's certificate, to those alone who may: each request brings a token
    /// of the cluster, whose user needs verb `get` on the nonResourceURL `/metrics`. Absent: to everybody, on --http-listen.
    #[arg(long, requires = "webhook_url")]
    metrics_listen: Option<SocketAddr>,
    /// The operator's own namespace. It must exist.
    #[arg(long, default_value = OPERATOR_NAMESPACE)]
    namespace: String,
    /// The namespace of the sessions' accounts. It must exist.
    #[arg(long, default_value = SESSIONS_NAMESPACE)]
    sessions_namespace: String,
    /// Whether impersonation is allowed at all; `disabled` also ends the sessions that are open.
    #[arg(long, default_value = "enabled", value_parser = ["enabled", "disabled"])]
    impersonation: String,
    /// The catalogues to bring along; what is changed in them is put back when the operator starts. `none`: all are
    /// applied by others.
    #[arg(long, default_value = "none", value_parser = ["cxone", "none"])]
    catalog: String,
    /// Whose changes of employees are put on record: those of `sessions`, or `all`. Those of roles and tenants always are.
    #[arg(long, default_value = "sessions", value_parser = ["sessions", "all"])]
    history_employees: String,
    /// How long records are kept, in whole days such as `365d`. Those that something hangs on stay, such as the names of
    /// roles. `forever`: all stay.
    #[arg(long, default_value = "forever")]
    history_retention: Kept,
    /// How long the leader's Lease lasts without renewal.
    #[arg(long, default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, default_value = "10s", value_parser = duration)]
    renew_deadline: Duration,
    /// How often leadership is renewed or sought.
    #[arg(long, default_value = "2s", value_parser = duration)]
    retry_period: Duration,
    /// Who this process is, for people who look at the Lease.
    #[arg(long, env = "HOSTNAME", default_value = OPERATOR)]
    identity: String,
    /// Log lines for people or for programs.
    #[arg(long, default_value = "text")]
    log_format: LogFormat,
    /// Which log lines, such as `info,pimpernel=debug`.
    #[arg(long, env = "PIMPERNEL_LOG", default_value = "info")]
    log: String,
}

/// Does what the arguments say, until it is told to stop or a part of it fails.
pub async fn main(arguments: Arguments) -> Result<()> {
    let run = match arguments.command {
        Command::Run(run) => run,
        Command::Ready { address, within } => return health::asked::ready(&address, within),
    };
    telemetry::init(run.log_format, &run.log)?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        bail!("another TLS provider is installed already");
    }
    let parts = Arc::new(Parts::new(*run).await?);
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    running.spawn(parts.clone().gather(stopped.clone()));
    running.spawn(parts.clone().health(stopped.clone()));
    running.spawn(parts.clone().lead(stopped.clone()));
    if parts.run.webhook_url.is_some() {
        running.spawn(parts.clone().webhook(stopped));
    }
    tokio::select! {
        told = told_to_stop() => told?,
        Some(ended) = running.join_next() => {
            ended.context("a part of the operator panicked")??;
            bail!("a part of the operator ended by itself");
        }
    }
    tracing::info!("told to stop");
    stop.send_replace(true);
    let rest = async {
        while let Some(ended) = running.join_next().await {
            ended.context("a part of the operator panicked")??;
        }
        Ok(())
    };
    tokio::time::timeout(GRACE, rest)
        .await
        .context("work under way did not end in time")?
}

async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// What the running parts share.
struct Parts {
    run: Run,
    user: String,
    context: Arc<Context>,
    readiness: Readiness,
    /// For how long this process leads, as far as it knows.
    term: Term,
    /// For what every process writes: certificate and registration.
    client: Client,
    /// For the Lease, where a renewal repeated late is worse than one that fails, and for whoever waits for an answer.
    impatient: Client,
}

impl Parts {
    async fn new(run: Run) -> Result<Self> {
        let clock = ServerClock::new();
        let config = Config::infer()
            .await
            .context("finding the cluster: set KUBECONFIG, or run in a cluster")?;
        let term = Term::default();
        let fenced = ClientBuilder::try_from(config.clone())?
            .with_layer(&clock)
            .with_layer(&term)
            .build();
        let client = client(config.clone(), &clock)?;
        let impatient = client_without_retry(config, &clock)?;
        let user = who_am_i(&client)
            .await
            .context("asking the API server who the operator is")?;
        tracing::info!(user, version = env!("CARGO_PKG_VERSION"), "started");
        let settings = Settings {
            operator_namespace: run.namespace.as_str().into(),
            sessions_namespace: run.sessions_namespace.as_str().into(),
            impersonation: run.impersonation == "enabled",
        };
        let gates = [Gate::Caches, Gate::Certificate, Gate::Registration];
        let counts = |gate: &Gate| *gate == Gate::Caches || run.webhook_url.is_some();
        let readiness = Readiness::of(gates.into_iter().filter(counts));
        let witness = Witness::new(&user, Employees::of(&run.history_employees));
        let knows = (witness, Metrics::new());
        let context = Arc::new(Context::new(fenced, clock, settings, knows));
        Ok(Self {
            run,
            user,
            context,
            readiness,
            term,
            client,
            impatient,
        })
    }

    async fn gather(self: Arc<Self>, mut stopped: watch::Receiver<bool>) -> Result<()> {
        let mut snapshots = self.context.snapshots();
        let complete = async {
            if snapshots.wait_for(|snapshot| snapshot.complete).await.is_ok() {
                self.readiness.open(Gate::Caches);
            }
            loop {
                if let Some(skew) = self.context.clock.skew() {
                    self.context.metrics.clock_skew(skew);
                }
                tokio::time::sleep(SKEW).await;
            }
        };
        tokio::select! {
            () = gather::run(self.context.clone()) => bail!("the watches ended by themselves"),
            () = sealing::run(self.client.clone(), self.context.clone()) => bail!("the watch of the key ended by itself"),
            () = complete => Ok(()),
            _ = stopped.wait_for(|asked| *asked) => Ok(()),
        }
    }

    async fn health(self: Arc<Self>, stopped: watch::Receiver<bool>) -> Result<()> {
        let besides = match self.run.metrics_listen {
            Some(_) => axum::Router::new(),
            None => health::metrics(self.context.metrics.registry()),
        };
        Ok(health::serve(self.run.http_listen, self.readiness.clone(), besides, stopped).await?)
    }

    /// Competes for the Lease, works while it is held, and gives it back when the work is over.
    async fn lead(self: Arc<Self>, mut stopped: watch::Receiver<bool>) -> Result<()> {
        let seat = Seat {
            namespace: self.run.namespace.clone(),
            name: OPERATOR.to_owned(),
            identity: self.run.identity.clone(),
        };
        let timing = Timing {
            lease_duration: self.run.lease_duration,
            renew_deadline: self.run.renew_deadline,
            retry_period: self.run.retry_period,
        };
        let elector = Elector::new(
            self.impatient.clone(),
            self.context.clock.clone(),
            seat,
            timing,
            self.term.clone(),
        )?;
        let mut leadership = elector.leadership();
        let (release, released) = watch::channel(false);
        let elected = tokio::spawn(elector.run(released));
        let metrics = &self.context.metrics;
        metrics.leader(false);
        let mut snapshots = self.context.snapshots();
        let ready = async {
            let _ = leadership.wait_for(|leads| *leads).await;
            metrics.leader(true);
            let _ = snapshots.wait_for(|snapshot| snapshot.complete).await;
        };
        let leads = tokio::select! {
            () = ready => true,
            _ = stopped.wait_for(|asked| *asked) => false,
        };
        if leads {
            let catalogs = async {
                if self.run.catalog == "cxone" {
                    catalogs::bring(&self.context).await;
                }
                std::future::pending::<()>().await;
            };
            let keeping = async {
                retention::run(self.run.history_retention, &self.context).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = lanes::run(self.context.clone(), stopped) => {}
                () = catalogs => {}
                () = keeping => {}
                _ = leadership.wait_for(|leads| !*leads) => bail!("leadership was lost"),
            }
        }
        metrics.leader(false);
        release.send_replace(true);
        match elected.await.context("the elector panicked")? {
            Outcome::Released => Ok(()),
            Outcome::Lost => bail!("leadership was lost"),
        }
    }
}

fn client(config: Config, clock: &ServerClock) -> Result<Client> {
    Ok(ClientBuilder::try_from(config)?.with_layer(clock).build())
}

fn client_without_retry(mut config: Config, clock: &ServerClock) -> Result<Client> {
    config.default_retry = false;
    client(config, clock)
}

async fn who_am_i(client: &Client) -> Result<String> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    review
        .status
        .and_then(|status| status.user_info?.username)
        .context("the answer names nobody")
}

/// A length of time in whole hours, minutes and seconds, such as `15s`.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = crate::api::Duration::new(text)
        .seconds()
        .map_err(|error| error.to_string())?;
    u64::try_from(seconds)
        .map(Duration::from_secs)
        .map_err(|error| error.to_string())
}
