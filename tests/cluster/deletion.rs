//! What is deleted takes with it what followed from it, whether the operator runs or not.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1 as rbac;
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::{Client, Resource};
use pimpernel::api;
use pimpernel::policy::children::DERIVED;

use crate::common::audit::{self, Request};
use crate::common::{Kind, SESSIONS, SHORT_LEASE, Wish, World, condition, exists, says, until};

/// A role that nobody holds, so that it may be deleted.
const BUTLER: &str = "
apiVersion: pimpernel.dev/v1alpha1
kind: Role
metadata: {name: butler, namespace: lsp-paris}
spec: {displayName: Butler, state: Active, permissions: [{application: acd, permission: skills, actions: [View]}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn t8_the_namespace_of_an_active_tenant_with_an_open_session_is_deleted_in_seconds() -> Result<()> {
    let world = World::start().await?;
    let session = world.quickstart().await?;
    let acting = Session::of(&world, &session).await?;
    acting.works().await?;

    world.apply(BUTLER)?;
    let (name, rights): (_, Api<rbac::Role>) = ("pimpernel:role:butler", world.api("lsp-paris"));
    until(rights.clone(), name, exists(true)).await?;
    world.kubectl(&["delete", "role.pimpernel.dev/butler", "--namespace=lsp-paris"])?;
    until(rights, name, exists(false)).await?;

    let began = Instant::now();
    world.kubectl(&["delete", "namespace", "lsp-paris", "--wait=false"])?;
    let limit = Duration::from_mins(1);
    let namespaces: Api<Namespace> = Api::all(world.client());
    while namespaces.get_opt("lsp-paris").await?.is_some() {
        let stuck = || {
            world
                .kubectl(&["get", "namespace", "lsp-paris", "--output=yaml"])
                .unwrap_or_default()
        };
        ensure!(
            began.elapsed() < limit,
            "it is still there:\n{}\n{}",
            stuck(),
            world.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("the namespace was gone after {:?}", began.elapsed());
    nothing_is_left_of_sessions(&world).await?;
    acting.is_refused().await?;
    let parent = until(world.api("lsp"), "lsp", says::<api::Tenant>("Ready", "True")).await?;
    ensure!(parent.is_some(), "the parent is gone as well");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_what_is_deleted_while_the_operator_is_dead_loses_its_rights_and_sessions_are_tidied_first() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        args: &SHORT_LEASE,
        ..Wish::default()
    })
    .await?;
    let session = world.quickstart().await?;
    let acting = Session::of(&world, &session).await?;
    acting.works().await?;
    audit::quiet(world.plane())?;
    world.kill_operator()?;

    world.kubectl(&[
        "delete",
        "impersonation.pimpernel.dev/dewhurst-1792",
        "--namespace=lsp-paris",
    ])?;
    let uid = session.metadata.uid.clone().context("the session has no UID")?;
    let bindings: Api<rbac::RoleBinding> = world.api("lsp-paris");
    until(bindings.clone(), &format!("pimpernel:session:{uid}"), exists(false)).await?;
    until(
        bindings.clone(),
        &format!("pimpernel:session:{uid}:self"),
        exists(false),
    )
    .await?;
    acting.is_refused().await?;
    // R8 cannot be asked for now. The role waits until its deletion is on record, and its rights with it.
    world.kubectl(&[
        "delete",
        "role.pimpernel.dev/administrator",
        "--namespace=lsp",
        "--wait=false",
    ])?;

    let before = audit::here(world.plane())?;
    world.start_operator()?;
    until(world.api::<api::Role>("lsp"), "administrator", exists(false)).await?;
    until(
        world.api::<rbac::Role>("lsp"),
        "pimpernel:role:administrator",
        exists(false),
    )
    .await?;
    until(
        world.api::<rbac::RoleBinding>("lsp"),
        "pimpernel:role:administrator:b",
        exists(false),
    )
    .await?;
    let holder = until(world.api("lsp"), "dewhurst", says::<api::Employee>("Ready", "False")).await?;
    assert_eq!(
        condition(&holder, "Ready").map(|ready| ready.reason).as_deref(),
        Some("RoleNotFound")
    );
    until(bindings, "pimpernel:impersonators:support:b", exists(false)).await?;
    audit::quiet(world.plane())?;
    nothing_is_left_of_sessions(&world).await?;
    let written = audit::writes_since(world.plane(), before)?;
    sessions_came_first(&written);
    Ok(())
}

/// The account, its credential and the right to read that, and then everything else. The account goes when its end is on
/// record.
fn sessions_came_first(written: &[Request]) {
    let recorded =
        |request: &Request| request.resource == "changerecords.pimpernel.dev" && request.object.contains("/end-");
    let of_sessions = |request: &&Request| {
        request.object.starts_with(&format!("{SESSIONS}/impersonated-admin-")) || recorded(request)
    };
    let first = written.iter().take_while(of_sessions).count();
    let all = written.iter().filter(of_sessions).count();
    assert!(
        first == all && all >= 5 && written.len() > all,
        "in this order:{}",
        audit::list(written)
    );
    let removed = written
        .iter()
        .take(first)
        .filter(|request| !recorded(request))
        .all(|request| request.verb == "delete" && request.code == 200);
    let at = |wanted: &dyn Fn(&Request) -> bool| written.iter().position(wanted);
    let account = at(&|request| request.resource == "serviceaccounts");
    assert!(
        at(&recorded).is_some() && at(&recorded) < account,
        "in this order:{}",
        audit::list(written)
    );
    assert!(removed, "in this order:{}", audit::list(written));
}

async fn nothing_is_left_of_sessions(world: &World) -> Result<()> {
    is_empty::<rbac::RoleBinding>(world).await?;
    is_empty::<ServiceAccount>(world).await?;
    // Without its value, which must never be in the message of a test.
    is_empty::<PartialObjectMeta<Secret>>(world).await?;
    is_empty::<rbac::Role>(world).await
}

async fn is_empty<K>(world: &World) -> Result<()>
where
    K: Kind + Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    let api: Api<K> = world.api(SESSIONS);
    for object in api.list(&ListParams::default().labels(DERIVED)).await?.items {
        let name = object.meta().name.clone().unwrap_or_default();
        until(api.clone(), &name, exists(false)).await?;
    }
    Ok(())
}

/// Somebody who acts with the credential of a session.
struct Session(Client);

impl Session {
    async fn of(world: &World, session: &api::Impersonation) -> Result<Self> {
        let named = session.status.as_ref().and_then(|status| status.credential.as_ref());
        let named = named.context("the session names no credential")?;
        let secret: Secret = world.api::<Secret>(&named.namespace).get(&named.secret_name).await?;
        let token = secret
            .data
            .as_ref()
            .and_then(|data| data.get("token"))
            .context("no token")?;
        let token = String::from_utf8(token.0.clone())?;
        let kubeconfig = world.plane().bearer("session", &token)?;
        Ok(Self(crate::common::client(&kubeconfig).await?))
    }

    async fn list(&self) -> kube::Result<()> {
        let employees: Api<api::Employee> = Api::namespaced(self.0.clone(), "lsp-paris");
        employees.list(&ListParams::default()).await.map(|_| ())
    }

    async fn works(&self) -> Result<()> {
        Ok(self.list().await?)
    }

    async fn is_refused(&self) -> Result<()> {
        let began = Instant::now();
        // The rights go with the binding, which the API server's own rules see a moment later.
        while self.list().await.is_ok() {
            ensure!(began.elapsed() < Duration::from_secs(5), "the credential still works");
            tokio::task::yield_now().await;
        }
        match self.list().await {
            Err(kube::Error::Api(status)) if [401, 403].contains(&status.code) => Ok(()),
            other => anyhow::bail!("expected a refusal, not {other:?}"),
        }
    }
}
