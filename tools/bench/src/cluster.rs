//! The control plane with the operator, and who watches it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, Resource};
use pimpernel_launcher::{ControlPlane, Operator, OperatorOptions, Options};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

/// How many requests are in flight.
pub const IN_FLIGHT: usize = 16;
/// What is measured makes the API server slow, which must not cost the operator its Lease: nobody would start it again.
const PATIENT: [&str; 2] = ["--lease-duration=90s", "--renew-deadline=60s"];
const READY: Duration = Duration::from_mins(1);
const FORGOTTEN: Duration = Duration::from_secs(5);

/// A control plane whose etcd writes through to the disk, and the operator once it is started.
pub struct Cluster {
    // Dropped in this order.
    operator: Option<Operator>,
    /// The control plane.
    pub plane: ControlPlane,
    /// As the administrator.
    pub client: Client,
    options: OperatorOptions,
}

impl Cluster {
    /// Starts the control plane and installs what the operator needs.
    pub async fn start(operator: &Path) -> Result<Self> {
        let plane = ControlPlane::start(&Options {
            fsync: true,
            audit: true,
            ..Options::default()
        })?;
        Operator::install(&plane)?;
        let client = client(plane.admin()).await?;
        let operator = operator
            .canonicalize()
            .with_context(|| format!("there is no operator at `{}`", operator.display()))?;
        Ok(Self {
            operator: None,
            plane,
            client,
            options: OperatorOptions {
                args: PATIENT.map(str::to_owned).into(),
                ..OperatorOptions::new(operator)
            },
        })
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.options.binary
    }

    /// The running operator.
    pub fn operator(&self) -> Result<&Operator> {
        self.operator.as_ref().context("the operator does not run")
    }

    /// Starts the operator and waits until it is ready.
    pub fn start_operator(&mut self) -> Result<()> {
        let operator = Operator::start(&self.plane, &self.options)?;
        operator.wait_ready(READY)?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Asks the operator to end.
    pub fn stop_operator(&mut self) -> Result<()> {
        let operator = self.operator.take().context("the operator does not run")?;
        ensure!(operator.terminate()?.success(), "the operator did not end well");
        Ok(())
    }

    /// Ends the operator, and has the API server ask neither it nor its admission policies any more.
    pub async fn without_operator(&mut self) -> Result<()> {
        self.stop_operator()?;
        let policies: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        let all = (DeleteParams::default(), ListParams::default());
        policies.delete_collection(&all.0, &all.1).await?;
        let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        webhooks.delete_collection(&all.0, &all.1).await?;
        // Nothing tells when the API server has taken that in.
        tokio::time::sleep(FORGOTTEN).await;
        Ok(())
    }

    /// Resident memory of the operator in MiB: now, and at most so far.
    pub fn memory(&self) -> Result<(f64, f64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.operator()?.pid()))?;
        let read = |field| {
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let kib: f64 = line
                .context("no figure of memory")?
                .trim()
                .trim_end_matches(" kB")
                .parse()?;
            anyhow::Ok(kib / 1024.0)
        };
        Ok((read("VmRSS:")?, read("VmHWM:")?))
    }

    /// Processor time that the operator has used, in seconds.
    pub fn processor_time(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.operator()?.pid()))?;
        let fields = text.rsplit_once(") ").context("no figure of processor time")?.1;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    /// Applies an object.
    pub async fn apply<K>(&self, object: &K) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Serialize
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        let meta = object.meta();
        let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace.unwrap_or_default());
        let params = PatchParams::apply("bench").force();
        api.patch(name.unwrap_or_default(), &params, &Patch::Apply(object))
            .await?;
        Ok(())
    }

    /// Makes namespaces.
    pub async fn namespaces(&self, names: Vec<String>) -> Result<()> {
        let made = names.into_iter().map(|name| async move {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name);
            let api: Api<Namespace> = Api::all(self.client.clone());
            api.create(&PostParams::default(), &namespace).await
        });
        stream::iter(made)
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }

    /// Creates objects, so many at a time.
    pub async fn create_all<K>(&self, objects: Vec<K>) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Serialize
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        let created = objects.into_iter().map(|object| async move {
            let namespace = object.meta().namespace.clone().unwrap_or_default();
            let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
            api.create(&PostParams::default(), &object).await
        });
        stream::iter(created)
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(())
    }

    /// Watches all objects of a kind and hands over each as it comes, until the handle is aborted.
    pub fn watch<K>(&self, labels: &str, mut seen: impl FnMut(K) + Send + 'static) -> JoinHandle<()>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
    {
        self.watch_all(labels, move |event| {
            if let watcher::Event::Apply(object) | watcher::Event::InitApply(object) = event {
                seen(object);
            }
        })
    }

    /// The same, and also hands over what is removed.
    pub fn watch_all<K>(&self, labels: &str, mut seen: impl FnMut(watcher::Event<K>) + Send + 'static) -> JoinHandle<()>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let mut config = watcher::Config::default();
        if !labels.is_empty() {
            config = config.labels(labels);
        }
        let events = watcher(api, config).default_backoff();
        tokio::spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                if let Ok(event) = event {
                    seen(event);
                }
            }
        })
    }
}

/// A client of whom a kubeconfig is.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The time, which is also the API server's, since it is on this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "instants at which sessions end, on the one machine that there is"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// How often each thing occurs.
pub fn tally<T: std::hash::Hash + Eq>(things: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut counted = HashMap::new();
    for thing in things {
        *counted.entry(thing).or_default() += 1;
    }
    counted
}
