//! Requests as they go over the wire, with the whole answer: code, text, causes, warnings and the API server's date.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use kube::Client;
use kube::client::Body;
use pimpernel_launcher::ControlPlane;
use serde_json::{Value, json};

use super::{PATIENCE, leaks};

/// The field manager of the tests' own writes.
const MANAGER: &str = "tester";

/// Somebody who asks the API server.
pub struct Caller {
    client: Client,
    kubeconfig: PathBuf,
}

/// What the API server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The object, or the Status.
    pub body: Value,
    /// What the writer should know all the same.
    pub warnings: Vec<String>,
    /// The API server's time.
    pub date: Option<Timestamp>,
}

impl Answer {
    /// Whether the request was granted.
    pub fn granted(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// What a refusal says.
    pub fn message(&self) -> &str {
        self.body
            .pointer("/message")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The object, if the request was granted.
    pub fn object(self) -> Result<Value> {
        if self.granted() {
            return Ok(self.body);
        }
        bail!("{}: {}", self.code, self.message())
    }

    /// The object, or nothing if there is none.
    pub fn found(self) -> Result<Option<Value>> {
        if self.code == 404 {
            return Ok(None);
        }
        self.object().map(Some)
    }
}

impl Caller {
    /// Acts with a kubeconfig.
    pub async fn with(kubeconfig: &Path) -> Result<Self> {
        let mut config = super::config(kubeconfig).await?;
        // Every answer is the test's to see, that to try again later too.
        config.default_retry = false;
        Ok(Self {
            client: Client::try_from(config)?,
            kubeconfig: kubeconfig.to_path_buf(),
        })
    }

    /// A user with a certificate of their own.
    pub async fn user(plane: &ControlPlane, name: &str) -> Result<Self> {
        Self::with(&plane.user(name, &[])?).await
    }

    /// The bearer of a token.
    pub async fn bearer(plane: &ControlPlane, token: &str) -> Result<Self> {
        Self::with(&plane.bearer("bearer", token)?).await
    }

    /// Sends a request. `content` is its type and its body. After a change of a definition the API server may ask to come
    /// again, which every client does.
    pub async fn send(&self, method: &str, path: &str, content: Option<(&str, &Value)>) -> Result<Answer> {
        let content = match content {
            Some((type_, body)) => Some((type_, serde_json::to_vec(body)?)),
            None => None,
        };
        let began = Instant::now();
        loop {
            let answer = self.send_bytes(method, path, content.clone()).await?;
            let again = answer.code == 429 && answer.message().contains("storage is (re)initializing");
            if !again || began.elapsed() > PATIENCE {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends a request whose body may be anything.
    pub async fn send_bytes(&self, method: &str, path: &str, content: Option<(&str, Vec<u8>)>) -> Result<Answer> {
        let mut request = http::Request::builder().method(method).uri(path);
        let body = match content {
            Some((type_, body)) => {
                request = request.header(http::header::CONTENT_TYPE, type_);
                Body::from(body)
            }
            None => Body::empty(),
        };
        let (head, body) = self.client.send(request.body(body)?).await?.into_parts();
        let text = |name: http::HeaderName| {
            head.headers
                .get_all(name)
                .into_iter()
                .filter_map(|v| std::str::from_utf8(v.as_bytes()).ok())
        };
        let warnings = text(http::header::WARNING).map(str::to_owned).collect();
        let date = text(http::header::DATE)
            .next()
            .and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let body = body.collect_bytes().await?;
        if !head.status.is_success() {
            leaks::none_in(&String::from_utf8_lossy(&body), "an error text")?;
        }
        Ok(Answer {
            code: head.status.as_u16(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            warnings,
            date,
        })
    }

    /// Reads an object, such as `Role lsp/administrator`.
    pub async fn get(&self, which: &str) -> Result<Answer> {
        self.send("GET", &path(which)?, None).await
    }

    /// The objects of a kind in a namespace; `query` may narrow the list, such as `?labelSelector=...`.
    pub async fn list(&self, kind: &str, namespace: &str, query: &str) -> Result<Vec<Value>> {
        let path = path(&format!("{kind} {namespace}/"))?;
        let list = self
            .send("GET", &format!("{}{query}", path.trim_end_matches('/')), None)
            .await?;
        let items = list.object()?.pointer("/items").and_then(Value::as_array).cloned();
        items.context("the answer is no list")
    }

    /// Applies an object on the server's side.
    pub async fn apply(&self, object: &Value) -> Result<Answer> {
        self.patch_apply(object, "").await
    }

    /// Asks what applying an object would come to.
    pub async fn try_apply(&self, object: &Value) -> Result<Answer> {
        self.patch_apply(object, "&dryRun=All").await
    }

    async fn patch_apply(&self, object: &Value, query: &str) -> Result<Answer> {
        let path = format!(
            "{}?fieldManager={MANAGER}&force=true&fieldValidation=Strict{query}",
            path(&name_of(object))?
        );
        self.send("PATCH", &path, Some(("application/apply-patch+yaml", object)))
            .await
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Result<Answer> {
        let folder = folder(&name_of(object))?;
        self.send("POST", &folder, Some(("application/json", object))).await
    }

    /// Changes part of an object, such as `Role lsp/administrator` or, with `/status`, its status.
    pub async fn merge(&self, which: &str, patch: &Value) -> Result<Answer> {
        self.send("PATCH", &path(which)?, Some(("application/merge-patch+json", patch)))
            .await
    }

    /// Deletes an object.
    pub async fn delete(&self, which: &str) -> Result<Answer> {
        self.send("DELETE", &path(which)?, None).await
    }

    /// Asks as this caller whether `verb` is allowed on `resource.group` in a namespace.
    pub async fn may(&self, verb: &str, resource: &str, namespace: &str) -> Result<bool> {
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.send("POST", path, Some(("application/json", &review))).await?;
        let told = answer.object()?;
        told.pointer("/status/allowed")
            .and_then(Value::as_bool)
            .context("no review")
    }

    /// `kubectl apply --server-side`: whether it went well, and what it wrote.
    pub fn kubectl_apply(&self, plane: &ControlPlane, object: &Value) -> Result<(bool, String)> {
        self.kubectl(
            plane,
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                "--field-manager",
                MANAGER,
            ],
            object,
        )
    }

    /// Hands an object to a command of kubectl: whether it went well, and what it wrote.
    pub fn kubectl(&self, plane: &ControlPlane, command: &[&str], object: &Value) -> Result<(bool, String)> {
        let file = plane
            .dir()
            .join(format!("applied-{}.yaml", std::thread::current().name().unwrap_or("one")).replace("::", "-"));
        std::fs::write(&file, serde_yaml::to_string(object)?)?;
        let mut kubectl = plane.kubectl(&self.kubeconfig);
        kubectl.args(command).arg("-f").arg(&file);
        let ended = kubectl.stdin(Stdio::null()).output()?;
        let written = [ended.stdout, ended.stderr].concat();
        Ok((ended.status.success(), String::from_utf8_lossy(&written).into_owned()))
    }

    /// Waits until they may do that, or may not: what gives a right is Ready a moment before the API server heeds it.
    pub async fn until_may(&self, (verb, resource, namespace): (&str, &str, &str), wanted: bool) -> Result<()> {
        let asked = std::time::Instant::now();
        while self.may(verb, resource, namespace).await? != wanted {
            let what = format!("to be allowed `{verb}` on `{resource}` in `{namespace}`: {wanted}");
            ensure!(asked.elapsed() < PATIENCE, "waited {} s {what}", PATIENCE.as_secs());
            // A review is an answer of the moment and cannot be watched.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, which: &str) -> Result<()> {
        self.await_object(which, |object| object.is_none().then_some(())).await
    }

    /// Asks for an object until it is as `wanted`, for [`PATIENCE`] at most.
    pub async fn await_object<T>(&self, which: &str, wanted: impl Fn(Option<&Value>) -> Option<T>) -> Result<T> {
        let asked = std::time::Instant::now();
        loop {
            let found = self.get(which).await?.found()?;
            if let Some(answer) = wanted(found.as_ref()) {
                return Ok(answer);
            }
            if asked.elapsed() > PATIENCE {
                let found = serde_yaml::to_string(&found)?;
                bail!("waited {} s for {which}, which is still\n{found}", PATIENCE.as_secs());
            }
            // There is no watch on what is asked under many identities; a question costs about a millisecond.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits until the operator has judged the present generation of an object, and gives it.
    pub async fn judged(&self, which: &str) -> Result<Value> {
        self.await_object(which, |object| {
            let object = object?;
            let (seen, generation) = (
                object.pointer("/status/observedGeneration")?,
                object.pointer("/metadata/generation")?,
            );
            (seen == generation).then(|| object.clone())
        })
        .await
        .with_context(|| format!("{which} was not judged"))
    }
}

/// That a request was refused in those words.
pub fn refused(what: &str, answer: &Answer, says: &str) -> Result<()> {
    ensure!(!answer.granted(), "{what}: it was admitted");
    ensure!(
        answer.message().contains(says),
        "{what}: not «{says}», but: {}",
        answer.message()
    );
    Ok(())
}

/// An object from its kind, namespace and name, such as `Role lsp/administrator`, and its spec in YAML or JSON.
pub fn object(which: &str, spec: &str) -> Value {
    let (kind, name) = which.split_once(' ').expect("KIND NAME");
    let mut metadata = json!({});
    match name.split_once('/') {
        Some((namespace, name)) => metadata = json!({"namespace": namespace, "name": name}),
        None => metadata["name"] = json!(name),
    }
    // JSON may say what YAML may not.
    let spec: Value = serde_json::from_str(spec)
        .or_else(|_| serde_yaml::from_str(spec))
        .unwrap_or_else(|error| panic!("{which}: {error} in {spec}"));
    let version = match kind {
        "Namespace" => return json!({"apiVersion": "v1", "kind": kind, "metadata": metadata}),
        _ => "pimpernel.dev/v1alpha1",
    };
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

/// As it is written here: `KIND NAMESPACE/NAME`, with `rbac.` before the kinds of Kubernetes' own roles.
pub fn name_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let rbac = text("/apiVersion").starts_with("rbac.");
    let (prefix, kind) = (if rbac { "rbac." } else { "" }, text("/kind"));
    match text("/metadata/namespace") {
        "" => format!("{prefix}{kind} {}", text("/metadata/name")),
        namespace => format!("{prefix}{kind} {namespace}/{}", text("/metadata/name")),
    }
}

/// What a condition says: its status, reason and message.
pub fn told(object: &Value, type_: &str) -> Option<(String, String, String)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == type_)?;
    let text = |field: &str| condition[field].as_str().map(str::to_owned);
    Some((text("status")?, text("reason")?, text("message")?))
}

/// The path under which an object of that name is created.
pub fn folder(which: &str) -> Result<String> {
    let path = path(which)?;
    Ok(path
        .rsplit_once('/')
        .map_or(path.clone(), |(folder, _)| folder.to_owned()))
}

fn path(which: &str) -> Result<String> {
    let (kind, name) = which
        .split_once(' ')
        .with_context(|| format!("`{which}` is not KIND NAME"))?;
    let (kind, subresource) = match kind.split_once('/') {
        Some((kind, subresource)) => (kind, format!("/{subresource}")),
        None => (kind, String::new()),
    };
    let (root, plural) = match kind {
        "Tenant" => ("/apis/pimpernel.dev/v1alpha1", "tenants"),
        "Role" => ("/apis/pimpernel.dev/v1alpha1", "roles"),
        "Employee" => ("/apis/pimpernel.dev/v1alpha1", "employees"),
        "Impersonation" => ("/apis/pimpernel.dev/v1alpha1", "impersonations"),
        "ImpersonationConsent" => ("/apis/pimpernel.dev/v1alpha1", "impersonationconsents"),
        "ChangeRecord" => ("/apis/pimpernel.dev/v1alpha1", "changerecords"),
        "PermissionCatalog" => ("/apis/pimpernel.dev/v1alpha1", "permissioncatalogs"),
        "CustomResourceDefinition" => ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
        "rbac.Role" => ("/apis/rbac.authorization.k8s.io/v1", "roles"),
        "rbac.RoleBinding" => ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
        "rbac.ClusterRole" => ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
        "rbac.ClusterRoleBinding" => ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
        "Namespace" => ("/api/v1", "namespaces"),
        "Secret" => ("/api/v1", "secrets"),
        "ServiceAccount" => ("/api/v1", "serviceaccounts"),
        "Pod" => ("/api/v1", "pods"),
        "Event" => ("/api/v1", "events"),
        "ConfigMap" => ("/api/v1", "configmaps"),
        "ResourceQuota" => ("/api/v1", "resourcequotas"),
        "MutatingWebhookConfiguration" => ("/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
        "ValidatingWebhookConfiguration" => (
            "/apis/admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
        ),
        _ => bail!("no path is known for `{kind}`"),
    };
    Ok(match name.split_once('/') {
        Some((namespace, name)) => format!("{root}/namespaces/{namespace}/{plural}/{}{subresource}", encoded(name)),
        None => format!("{root}/{plural}/{}{subresource}", encoded(name)),
    })
}

fn encoded(name: &str) -> String {
    name.replace(':', "%3A")
}
