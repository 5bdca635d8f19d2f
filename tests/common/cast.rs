//! The tenants and people that the tests begin with, and the requests of one of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::rest::{Caller, name_of, object, told};
use super::{PATIENCE, World};

/// The vendor's administrator, who may enter every tenant below in both modes.
pub const PERCY: &str = "blakeney@classics.example";
/// The partner's administrator, who may enter the partner's own customers in both modes.
pub const DEWHURST: &str = "dewhurst@lsp.example";
/// Of the partner, with the right for Configure only.
pub const FFOULKES: &str = "ffoulkes@lsp.example";
/// Of the partner, with the right for Support only.
pub const MARGUERITE: &str = "marguerite@lsp.example";
/// The customer's team lead.
pub const CHAUVELIN: &str = "chauvelin@lsp-paris.example";
/// A user that nobody employs.
pub const STRANGER: &str = "kulmsted@nowhere.example";

/// A world with the tenants and people in it.
pub struct Stage {
    /// What they play on.
    pub world: World,
    /// The administrator, who passes every check but admission.
    pub admin: Caller,
    people: BTreeMap<&'static str, Caller>,
}

impl Stage {
    /// Everybody in place and everything Ready.
    pub async fn set(world: World) -> Result<Self> {
        let admin = Caller::with(world.plane().admin()).await?;
        let mut people = BTreeMap::new();
        for name in [PERCY, DEWHURST, FFOULKES, MARGUERITE, CHAUVELIN, STRANGER] {
            people.insert(name, Caller::user(world.plane(), name).await?);
        }
        let stage = Self { world, admin, people };
        for namespace in ["classics", "lsp", "lsp-paris", "paris-nord", "lsp-calais"] {
            stage.namespace(namespace).await?;
        }
        let cast: Vec<Value> = serde_yaml::Deserializer::from_str(include_str!("cast.yaml"))
            .map(Value::deserialize)
            .collect::<Result<_, _>>()?;
        for object in &cast {
            stage.admin.apply(object).await?.object()?;
        }
        for object in &cast {
            stage.ready(&name_of(object)).await?;
        }
        for (user, namespace) in [
            (PERCY, "paris-nord"),
            (PERCY, "lsp-paris"),
            (DEWHURST, "lsp-paris"),
            (DEWHURST, "lsp-calais"),
            (FFOULKES, "lsp-paris"),
            (MARGUERITE, "lsp-paris"),
        ] {
            stage
                .allowed(user, "create", "impersonations.pimpernel.dev", namespace)
                .await?;
        }
        Ok(stage)
    }

    /// Waits until a user is allowed something: what gives a right is Ready a moment before the API server heeds it.
    pub async fn allowed(&self, user: &str, verb: &str, resource: &str, namespace: &str) -> Result<()> {
        let heeded = self.caller(user).until_may((verb, resource, namespace), true);
        heeded.await.with_context(|| user.to_owned())
    }

    /// A namespace, made if it is not there.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        self.admin
            .apply(&object(&format!("Namespace {name}"), "{}"))
            .await?
            .object()?;
        Ok(())
    }

    /// One of the people, or the administrator.
    pub fn caller(&self, name: &str) -> &Caller {
        self.people.get(name).unwrap_or(&self.admin)
    }

    /// A new ServiceAccount of a namespace, by a token of its own.
    pub async fn account(&self, namespace: &str, name: &str) -> Result<Caller> {
        let metadata = json!({"namespace": namespace, "name": name});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        self.admin.create(&account).await?.object()?;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self.admin.send("POST", &path, Some(("application/json", &request)));
        let token = answer.await?.object()?;
        let token = token.pointer("/status/token").and_then(Value::as_str);
        Caller::bearer(self.world.plane(), token.context("a token")?).await
    }

    /// Waits until an object is Ready, and gives it.
    pub async fn ready(&self, which: &str) -> Result<Value> {
        self.says(which, "Ready", "True", "").await
    }

    /// Waits until a condition of the present generation has that status and, unless empty, that reason.
    pub async fn says(&self, which: &str, type_: &str, status: &str, reason: &str) -> Result<Value> {
        self.admin
            .await_object(which, |object| {
                let object = object?;
                let (seen, generation) = (
                    object.pointer("/status/observedGeneration")?,
                    object.pointer("/metadata/generation")?,
                );
                let (is, why, _) = told(object, type_)?;
                (seen == generation && is == status && (reason.is_empty() || why == reason)).then(|| object.clone())
            })
            .await
    }

    /// Waits for an Event of that reason about the object of that UID, and gives it.
    pub async fn event(&self, namespace: &str, uid: &str, reason: &str) -> Result<Value> {
        let query = format!("?fieldSelector=involvedObject.uid%3D{uid},reason%3D{reason}");
        let began = Instant::now();
        loop {
            let events = self.admin.list("Event", namespace, &query).await?;
            if let Some(event) = events.into_iter().next() {
                return Ok(event);
            }
            ensure!(began.elapsed() < PATIENCE, "no Event says of {uid}: {reason}");
            // As in `Caller::await_object`: an Event is asked for, not watched.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Applies an object as the administrator and waits until it has been judged.
    pub async fn given(&self, which: &str, spec: &str) -> Result<Value> {
        self.admin.apply(&object(which, spec)).await?.object()?;
        self.admin.judged(which).await
    }

    /// Deletes an object as the administrator and waits until it is gone.
    pub async fn removed(&self, which: &str) -> Result<()> {
        let answer = self.admin.delete(which).await?;
        ensure!(answer.granted(), "{which}: {}", answer.message());
        self.admin.gone(which).await
    }
}
