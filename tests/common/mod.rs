//! What the cluster tests share: a [`World`], which is a real control plane with the built operator under its own identity.
//!
//! At most two worlds exist at a time, so that the tests do not starve each other; a test that wants a third waits.

pub mod cast;
pub mod chart;
pub mod commands;
pub mod endings;
mod leaks;
pub mod library;
pub mod loose;
pub mod proxy;
pub mod refused;
pub mod rest;
mod rights;
pub mod secured;
pub mod session;
pub mod splitter;
pub mod state;
mod surroundings;
mod turn;

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Client, Config, Resource};
use pimpernel::api;
pub use pimpernel_launcher::audit;
use pimpernel_launcher::{ControlPlane, Operator, OperatorOptions, Options, port, repository};
pub use rights::{eventually_may, may};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::process::ExitStatus;
use surroundings::Surroundings;
use turn::Turn;

/// How long anything is waited for, unless a test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The namespace of the sessions' accounts.
pub const SESSIONS: &str = "pimpernel-sessions";

/// Makes a new process take over about three seconds after the old one died.
pub const SHORT_LEASE: [&str; 6] = [
    "--lease-duration",
    "3s",
    "--renew-deadline",
    "2s",
    "--retry-period",
    "1s",
];

/// A control plane with an operator, and clients for both.
pub struct World {
    // Dropped in this order.
    operator: Mutex<Option<Operator>>,
    plane: ControlPlane,
    client: Client,
    options: OperatorOptions,
    webhook: u16,
    surroundings: Surroundings,
    endings: endings::Seen,
    turn: Turn,
}

/// What a world should be like.
#[derive(Clone, Copy, Default)]
pub struct Wish<'a> {
    /// Whether all requests are logged, see [`audit`].
    pub audit: bool,
    /// How many bytes etcd stores at most.
    pub etcd_quota: Option<u64>,
    /// Further arguments of the operator.
    pub args: &'a [&'a str],
    /// Whether the operator reaches the API server through a [`proxy::Proxy`].
    pub proxy: bool,
    /// Whether the operator's node has a clock that [`World::node_clock_ahead`] can move.
    pub node_clock: bool,
}

impl World {
    /// Starts one as it is by default and waits until the operator is ready.
    pub async fn start() -> Result<Self> {
        Self::of(Wish::default()).await
    }

    /// Starts one and waits until the operator is ready.
    pub async fn of(wish: Wish<'_>) -> Result<Self> {
        Self::begin(wish, true).await
    }

    /// The same without webhook and admission policies.
    pub async fn unguarded(wish: Wish<'_>) -> Result<Self> {
        Self::begin(wish, false).await
    }

    async fn begin(wish: Wish<'_>, guarded: bool) -> Result<Self> {
        let turn = Turn::wait();
        let plane = ControlPlane::start(&Options {
            audit: wish.audit,
            etcd_quota: wish.etcd_quota,
            ..Options::default()
        })?;
        Operator::install(&plane)?;
        let mut options = OperatorOptions::new(env!("CARGO_BIN_EXE_pimpernel-operator"));
        // At the same address after each start, as behind a Service: else each start had to register it anew.
        options.webhook = false;
        let webhook = port::free()?;
        if guarded {
            options.args = vec![format!("--webhook-url=https://127.0.0.1:{webhook}")];
        }
        options.args.extend(wish.args.iter().map(|&arg| arg.to_owned()));
        let surroundings = Surroundings::made(wish, &plane, &mut options)?;
        let world = Self {
            operator: Mutex::new(None),
            client: client(plane.admin()).await?,
            plane,
            options,
            webhook,
            surroundings,
            endings: endings::Seen::default(),
            turn,
        };
        world.start_operator()?;
        Ok(world)
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// A client of the administrator, who passes every check but admission.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client of a user with a certificate of their own.
    pub async fn client_of(&self, user: &str) -> Result<Client> {
        client(&self.plane.user(user, &[])?).await
    }

    /// Objects of a namespace, as the administrator.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client(), namespace)
    }

    /// All objects of a kind, in whatever namespace or in none.
    pub fn api_everywhere<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = ()>,
    {
        Api::all(self.client())
    }

    /// Starts the operator and waits until it is ready.
    pub fn start_operator(&self) -> Result<()> {
        let mut operator = self.operator();
        ensure!(operator.is_none(), "the operator runs already");
        *operator = Some(self.operator_listening(self.webhook)?);
        Ok(())
    }

    /// The same with further arguments.
    pub fn start_operator_with(&mut self, args: &[&str]) -> Result<()> {
        self.options.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self.start_operator()
    }

    /// Starts another process of the operator, which is reached at the same address as the first one when that is gone
    /// from there, as behind a Service that has not noticed it yet.
    pub fn another_operator(&self) -> Result<Operator> {
        self.operator_listening(port::free()?)
    }

    /// Starts the operator, which may never become ready.
    pub fn launch_operator(&self) -> Result<()> {
        let mut operator = self.operator();
        ensure!(operator.is_none(), "the operator runs already");
        *operator = Some(self.launched(self.webhook)?);
        Ok(())
    }

    /// Waits until the operator is ready.
    pub fn operator_is_ready(&self, limit: Duration) -> Result<()> {
        self.operator()
            .as_ref()
            .context("the operator does not run")?
            .wait_ready(limit)
    }

    fn operator_listening(&self, port: u16) -> Result<Operator> {
        let started = self.launched(port)?;
        started.wait_ready(PATIENCE)?;
        Ok(started)
    }

    fn launched(&self, port: u16) -> Result<Operator> {
        let mut options = self.options.clone();
        options.args.push(format!("--webhook-listen=127.0.0.1:{port}"));
        Operator::start(&self.plane, &options)
    }

    /// Ends the operator as a crash would.
    pub fn kill_operator(&self) -> Result<()> {
        self.operator().take().context("the operator does not run")?.kill()
    }

    /// Asks the operator to end, waits, and tells how it ended.
    pub fn stop_operator(&self) -> Result<ExitStatus> {
        self.operator().take().context("the operator does not run")?.terminate()
    }

    /// What the operator has logged, for messages.
    pub fn log(&self) -> String {
        self.operator().as_ref().map(Operator::log).unwrap_or_default()
    }

    /// The operator's process, which can be looked at, and must be ended by [`Self::kill_operator`].
    pub fn operator_pid(&self) -> Result<u32> {
        Ok(self.operator().as_ref().context("the operator does not run")?.pid())
    }

    /// The port of the webhook, which the API server alone should ask.
    pub fn webhook_port(&self) -> u16 {
        self.webhook
    }

    /// The value of one of the operator's metrics, see [`metric`].
    pub fn metric(&self, name: &str) -> Result<Option<f64>> {
        metric(self.operator().as_ref().context("the operator does not run")?, name)
    }

    fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs kubectl as the administrator and gives its stdout.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.plane.kubectl_output(self.plane.admin(), args)
    }

    /// Applies a file of `examples/`, as the administrator.
    pub fn apply_example(&self, file: &str) -> Result<String> {
        let path = repository().join("examples").join(file);
        self.kubectl(&["apply", "-f", path.to_str().context("the path is not UTF-8")?])
    }

    /// Applies YAML, as the administrator.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        let path = self.plane.dir().join("applied.yaml");
        std::fs::write(&path, yaml)?;
        self.kubectl(&["apply", "-f", path.to_str().context("the path is not UTF-8")?])
    }

    /// Opens a session as its impersonator does, as soon as that is allowed, and waits until it is open.
    pub async fn enter(&self, namespace: &str, session: &api::Impersonation) -> Result<api::Impersonation> {
        let client = self.client_of(&session.spec.impersonator).await?;
        let theirs: Api<api::Impersonation> = Api::namespaced(client, namespace);
        let began = Instant::now();
        while let Err(error) = theirs.create(&PostParams::default(), session).await {
            // The right itself follows from the roles a moment later. What the operator refuses stays refused.
            let early = error.to_string().contains("cannot create resource");
            ensure!(early && began.elapsed() < PATIENCE, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let name = session.metadata.name.as_deref().context("the session has no name")?;
        let open = until(self.api(namespace), name, says::<api::Impersonation>("Active", "True")).await?;
        open.context("the session is gone")
    }

    /// Applies the files of the quickstart up to the session, opens that, and waits until all of it is ready.
    pub async fn quickstart(&self) -> Result<api::Impersonation> {
        self.quickstart_without_session().await?;
        let file = repository().join("examples/quickstart/40-impersonation.yaml");
        let session: api::Impersonation = serde_yaml::from_str(&std::fs::read_to_string(file)?)?;
        self.enter("lsp-paris", &session).await
    }

    /// Applies the files of the quickstart up to the session and waits until all of it is ready.
    pub async fn quickstart_without_session(&self) -> Result<()> {
        for file in ["00-namespaces", "10-tenants", "20-roles", "30-employees"] {
            self.apply_example(&format!("quickstart/{file}.yaml"))?;
        }
        for namespace in ["classics", "lsp", "lsp-paris"] {
            self.all_ready::<api::Tenant>(namespace).await?;
            self.all_ready::<api::Role>(namespace).await?;
            self.all_ready::<api::Employee>(namespace).await?;
        }
        Ok(())
    }

    /// Waits until every object of a kind in a namespace is ready.
    pub async fn all_ready<K>(&self, namespace: &str) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Kind,
    {
        let api: Api<K> = self.api(namespace);
        for object in api.list(&kube::api::ListParams::default()).await?.items {
            let name = object.meta().name.clone().unwrap_or_default();
            until(api.clone(), &name, says::<K>("Ready", "True")).await?;
        }
        Ok(())
    }
}

/// The value of a metric, summed over its labels if the name has none; nothing if there is none of that name yet.
pub fn metric(operator: &Operator, name: &str) -> Result<Option<f64>> {
    let text = operator.metrics()?;
    let samples = text.lines().filter_map(|line| line.rsplit_once(' '));
    let named = samples.filter(|(series, _)| *series == name || series.split('{').next() == Some(name));
    let values: Vec<f64> = named.filter_map(|(_, value)| value.parse().ok()).collect();
    Ok((!values.is_empty()).then(|| values.iter().sum()))
}

/// A kind that can be watched and looked into.
pub trait Kind: Clone + Debug + Send + Serialize + DeserializeOwned + 'static {}
impl<K: Clone + Debug + Send + Serialize + DeserializeOwned + 'static> Kind for K {}

/// Waits until an object is as `wanted`, for [`PATIENCE`] at most. Gives it, or nothing if it is not there.
pub async fn until<K: Kind + Resource>(api: Api<K>, name: &str, wanted: impl Condition<K>) -> Result<Option<K>> {
    let met = await_condition(api.clone(), name, wanted);
    if let Ok(object) = tokio::time::timeout(PATIENCE, met).await {
        return Ok(object?);
    }
    let now = api.get_opt(name).await?;
    let now = serde_yaml::to_string(&now)?;
    bail!("waited {} s for `{name}`, which is still\n{now}", PATIENCE.as_secs())
}

/// That the current generation of an object has a condition with that status.
pub fn says<K: Kind + Resource>(type_: &'static str, status: &'static str) -> impl Condition<K> {
    move |object: Option<&K>| {
        let condition = object.and_then(|object| condition(object, type_));
        condition.is_some_and(|condition| {
            serde_json::to_value(condition.status).is_ok_and(|told| told == status)
                && condition.observed_generation == object.and_then(|object| object.meta().generation)
        })
    }
}

/// That an object is there, or is not.
pub fn exists<K>(wanted: bool) -> impl Condition<K> {
    move |object: Option<&K>| object.is_some() == wanted
}

/// A condition of an object.
pub fn condition<K: Serialize>(object: &K, type_: &str) -> Option<api::Condition> {
    let object = serde_json::to_value(object).ok()?;
    let conditions: Vec<api::Condition> = serde_json::from_value(object.pointer("/status/conditions")?.clone()).ok()?;
    conditions.into_iter().find(|condition| condition.type_ == type_)
}

/// A client of the identity in a kubeconfig.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    Ok(Client::try_from(config(kubeconfig).await?)?)
}

async fn config(kubeconfig: &Path) -> Result<Config> {
    // The first test to come here decides for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}
