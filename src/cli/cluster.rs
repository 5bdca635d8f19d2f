//! Which cluster is meant, and as whom it is asked: found as kubectl finds it.

use super::completion::Named;
use crate::api;
use crate::policy::access;
use anyhow::{Context as _, Result, anyhow, bail};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, ListParams, PostParams};
use kube::client::Body;
use kube::config::{self, AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::core::{
    ApiResource, DynamicObject, GroupVersionKind, NamespaceResourceScope, ObjectList, Request, Status, TypeMeta,
    request,
};
use kube::{Client, Config, Error, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The flags of every command that talks to a cluster about one namespace.
#[derive(clap::Args)]
pub struct Flags {
    /// The namespace. Absent: that of the kubeconfig's context.
    #[arg(short, long, value_name = "NAMESPACE", add = Named::Tenant)]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub access: Access,
}

/// The flags of every command that lists what is in one namespace or in all.
#[derive(clap::Args)]
pub struct Scope {
    /// All tenants, if you may list them.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    #[command(flatten)]
    flags: Flags,
}

/// The flags of every command that talks to a cluster.
#[derive(clap::Args)]
pub struct Access {
    /// The context of the kubeconfig. Absent: its current one.
    #[arg(long, value_name = "CONTEXT", add = Named::Context)]
    context: Option<String>,
    /// The kubeconfig. Absent: as kubectl finds it.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The user to act as, if you may impersonate users.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// A group to act as a member of; may be repeated.
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    groups: Vec<String>,
    /// The UID to act as.
    #[arg(long = "as-uid", value_name = "UID", requires = "user")]
    uid: Option<String>,
}

/// A cluster that can be asked.
pub struct Cluster {
    /// Asks it. A request that fails is not repeated: a person waits.
    pub client: Client,
    /// The namespace that is meant.
    pub namespace: String,
}

/// What can be written: an object of a tenant.
pub trait Ours: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned {}

impl<K> Ours for K where K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned {}

/// The entry of a kubeconfig through which a cluster is reached.
pub struct Origin {
    /// The name of the context.
    pub context: String,
    /// How the cluster is reached, without who asks.
    pub cluster: config::Cluster,
    /// What is noted with the context.
    pub notes: Vec<config::NamedExtension>,
}

impl Flags {
    /// Finds the cluster. Nothing is sent yet.
    pub async fn connect(&self) -> Result<Cluster> {
        let mut cluster = self.access.connect().await?;
        if let Some(namespace) = &self.namespace {
            cluster.namespace.clone_from(namespace);
        }
        Ok(cluster)
    }
}

impl Scope {
    /// The objects of a kind that are meant, and where that is, in words.
    pub async fn objects<K>(&self) -> Result<(Api<K>, String)>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let Cluster { client, namespace } = self.flags.connect().await?;
        Ok(if self.all_namespaces {
            (Api::all(client), "in any tenant".to_owned())
        } else {
            (Api::namespaced(client, &namespace), format!("in `{namespace}`"))
        })
    }

    /// An error, if nothing can be there because there is no such tenant.
    pub async fn there_is(&self) -> Result<()> {
        if self.all_namespaces {
            return Ok(());
        }
        let cluster = self.flags.connect().await?;
        cluster.there_is(&cluster.namespace).await
    }
}

/// That there is no tenant of that name, and which of those that there are may be meant.
pub fn no_tenant<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> anyhow::Error {
    match access::nearest(name, all) {
        Some(nearest) => anyhow!("there is no tenant `{name}`: did you mean `{nearest}`?"),
        None => anyhow!("there is no tenant `{name}`: name one of those that `kubectl pimpernel tenants` lists"),
    }
}

impl Access {
    /// Whoever that kubeconfig is for.
    pub fn of(kubeconfig: PathBuf) -> Self {
        Self {
            context: None,
            kubeconfig: Some(kubeconfig),
            user: None,
            groups: vec![],
            uid: None,
        }
    }

    /// Finds the cluster. Nothing is sent yet.
    pub async fn connect(&self) -> Result<Cluster> {
        let mut config = self.config().await.context("the cluster cannot be found")?;
        self.act(&mut config.auth_info);
        Cluster::of(config)
    }

    fn act(&self, auth: &mut AuthInfo) {
        if self.user.is_some() {
            auth.impersonate.clone_from(&self.user);
            auth.impersonate_uid.clone_from(&self.uid);
            auth.impersonate_groups = (!self.groups.is_empty()).then(|| self.groups.clone());
        }
    }

    /// Whether somebody else is to be acted as than whom the kubeconfig is for.
    pub fn is_another(&self) -> bool {
        self.user.is_some()
    }

    fn read(&self) -> Result<Kubeconfig> {
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        kubeconfig.context("the kubeconfig cannot be read")
    }

    /// The contexts that there are.
    pub fn contexts(&self) -> Result<Vec<String>> {
        Ok(self.read()?.contexts.into_iter().map(|context| context.name).collect())
    }

    /// The entry of the kubeconfig that is meant.
    pub fn origin(&self) -> Result<Origin> {
        let kubeconfig = self.read()?;
        let context = self.context.clone().or(kubeconfig.current_context);
        let context = context.context("the kubeconfig has no current context: name one with `--context`")?;
        let named = kubeconfig.contexts.into_iter().find(|named| named.name == context);
        let entry = named.and_then(|named| named.context);
        let entry = entry.with_context(|| format!("the kubeconfig has no context `{context}`"))?;
        let mut clusters = kubeconfig.clusters.into_iter();
        let cluster = clusters
            .find(|named| named.name == entry.cluster)
            .and_then(|named| named.cluster);
        let Some(cluster) = cluster else {
            bail!("the kubeconfig has no cluster `{}`", entry.cluster);
        };
        let notes = entry.extensions.unwrap_or_default();
        Ok(Origin {
            context,
            cluster,
            notes,
        })
    }

    async fn config(&self) -> Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        Ok(match (&self.kubeconfig, &self.context) {
            (Some(path), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        })
    }
}

impl Cluster {
    /// The cluster of that configuration. Nothing is sent yet.
    pub fn of(mut config: Config) -> Result<Self> {
        config.default_retry = false;
        config.read_timeout = Some(PATIENCE);
        let namespace = config.default_namespace.clone();
        // An error says that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_from(config).context("the cluster cannot be reached")?;
        Ok(Self { client, namespace })
    }

    /// An error, if there is no tenant of that name, as far as whoever asks may know.
    pub async fn there_is(&self, tenant: &str) -> Result<()> {
        let itself: Api<api::Tenant> = Api::namespaced(self.client.clone(), tenant);
        if !matches!(itself.get_metadata_opt(tenant).await, Ok(None)) {
            return Ok(());
        }
        let all: Api<api::Tenant> = Api::all(self.client.clone());
        let all = all.list_metadata(&ListParams::default()).await;
        let all: Vec<String> = all.iter().flatten().map(kube::ResourceExt::name_any).collect();
        Err(no_tenant(tenant, all.iter().map(String::as_str)))
    }

    /// The user name by which the cluster knows who asks.
    pub async fn user(&self) -> Result<String> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await;
        let review = review.context("the cluster does not say who you are")?;
        let name = review.status.and_then(|status| status.user_info?.username);
        name.context("the cluster does not know who you are")
    }

    /// The objects of a kind of ours, in a namespace or wherever they are, as JSON.
    pub async fn objects(&self, kind: &str, namespace: Option<&str>) -> Result<Vec<Value>> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(api::GROUP, api::VERSION, kind));
        let objects: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let place = namespace
            .map(|namespace| format!(" in `{namespace}`"))
            .unwrap_or_default();
        let list = objects.list(&ListParams::default()).await;
        let list = list.with_context(|| format!("the cluster does not show you its objects of kind {kind}{place}"))?;
        whole(list, kind)
    }

    /// Puts an object in the place of the stored one, if that is still what was read, or asks whether it could be.
    pub async fn update<K: Ours>(&self, object: &K, dry_run: bool) -> Result<(K, Vec<String>)> {
        let name = object.meta().name.clone().unwrap_or_default();
        let replace = |to: Request, how: &PostParams, object| to.replace(&name, how, object);
        self.write(object, dry_run, replace).await
    }

    /// Creates an object in its namespace, or asks whether it could be. Gives it with the warnings that came with it.
    pub async fn create<K: Ours>(&self, object: &K, dry_run: bool) -> Result<(K, Vec<String>)> {
        let create = |to: Request, how: &PostParams, object| to.create(how, object);
        self.write(object, dry_run, create).await
    }

    async fn write<K: Ours>(
        &self,
        object: &K,
        dry_run: bool,
        request: impl FnOnce(Request, &PostParams, Vec<u8>) -> Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<(K, Vec<String>)> {
        let url = K::url_path(&(), object.meta().namespace.as_deref());
        let how = PostParams {
            dry_run,
            ..PostParams::default()
        };
        let request = request(Request::new(url), &how, serde_json::to_vec(object)?);
        self.send(request.context("the request cannot be written")?).await
    }

    async fn send<K: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<(K, Vec<String>)> {
        let answer = self.client.send(request.map(Body::from)).await?;
        let (fine, warnings) = (answer.status().is_success(), answer.headers().get_all("warning").iter());
        let warnings = warnings.filter_map(|value| warning(&String::from_utf8_lossy(value.as_bytes())));
        let warnings = warnings.collect();
        let body = answer.into_body().collect_bytes().await?;
        if fine {
            return Ok((serde_json::from_slice(&body)?, warnings));
        }
        if body.trim_ascii() == NO_SUCH_PATH.as_bytes() {
            let status = Status::failure(NO_SUCH_PATH, "NotFound").with_code(404);
            return Err(Error::Api(Box::new(status)).into());
        }
        let status: Status = serde_json::from_slice(&body).context("the cluster's answer cannot be read")?;
        Err(Error::Api(Box::new(status)).into())
    }
}

/// The objects of a list of a kind of ours, each as it is by itself.
pub fn whole(list: ObjectList<DynamicObject>, kind: &str) -> Result<Vec<Value>> {
    let types = TypeMeta {
        api_version: format!("{}/{}", api::GROUP, api::VERSION),
        kind: kind.to_owned(),
    };
    let whole = |mut object: DynamicObject| {
        // A list leaves out what is the same for all.
        object.types = Some(types.clone());
        Ok(serde_json::to_value(object)?)
    };
    list.items.into_iter().map(whole).collect()
}

/// The text of a warning in a header: `299 - "text"`.
fn warning(header: &str) -> Option<String> {
    let quoted = header.split_once('"')?.1.rsplit_once('"')?.0;
    let mut text = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    Some(text)
}

/// What the cluster said, if it refused a request: not that it could not be reached or did not work.
pub fn refusal(error: &anyhow::Error) -> Option<&Status> {
    match error.chain().find_map(|cause| cause.downcast_ref())? {
        Error::Api(status) if (400..500).contains(&status.code) => Some(status),
        _ => None,
    }
}

/// What the API server says of a path that leads to nothing, such as that of a kind that it does not know.
const NO_SUCH_PATH: &str = "404 page not found";

/// What a refusal says, without who in the cluster said it.
pub fn said(status: &Status) -> &str {
    let message = status.message.trim();
    if message == NO_SUCH_PATH {
        return "Pimpernel is not installed in this cluster: install it, or name another one with `--context`";
    }
    let mut ends = ["denied the request: ", "denied request: "].iter();
    let rest = ends.find_map(|end| Some(message.split_once(end)?.1));
    rest.unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_the_quoted_text_of_its_header() {
        let text = |header| warning(header);
        assert_eq!(
            text(r#"299 - "on tenant [LSP Paris]""#).as_deref(),
            Some("on tenant [LSP Paris]")
        );
        assert_eq!(text(r#"299 - "a \"b\" c\\d""#).as_deref(), Some(r#"a "b" c\d"#));
        assert_eq!(text("299 - none"), None);
    }

    #[test]
    fn somebody_else_is_acted_as_with_their_groups_and_uid() {
        let access = Access {
            user: Some("percy".to_owned()),
            groups: vec!["league".to_owned()],
            uid: Some("1792".to_owned()),
            ..Access::of(PathBuf::new())
        };
        let mut auth = AuthInfo::default();
        access.act(&mut auth);
        assert_eq!(auth.impersonate.as_deref(), Some("percy"));
        assert_eq!(auth.impersonate_groups, Some(vec!["league".to_owned()]));
        assert_eq!(auth.impersonate_uid.as_deref(), Some("1792"));
    }
}
