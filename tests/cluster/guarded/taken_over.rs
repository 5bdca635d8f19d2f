//! Who has a parent's namespace anew does not have its children.

use super::{bound_to, entrust, refused};
use crate::common::World;
use crate::common::cast::{STRANGER, Stage};
use crate::common::rest::object;
use anyhow::{Context, Result};
use serde_json::json;

const PARIS: &str = "Tenant lsp-paris/lsp-paris";
const MINE: &str = "{displayName: Mine, type: Provider, state: Active, applications: [tenant-management]}";

#[tokio::test]
async fn t2_whoever_has_a_parents_namespace_anew_does_not_get_its_children() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let stranger = stage.caller(STRANGER);
    stage.removed("Namespace lsp").await?;
    stage.says(PARIS, "Ready", "False", "ParentNotFound").await?;
    // In what is theirs they may do everything, and so have verb `adopt` there.
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    for namespace in ["lsp", "lsp-dover"] {
        stage.namespace(namespace).await?;
        entrust(&stage, namespace, &all).await?;
        stage
            .allowed(STRANGER, "adopt", "tenants.pimpernel.dev", namespace)
            .await?;
    }
    let mine = object("Tenant lsp/lsp", MINE);
    let says = "2 tenants name `lsp` as parent already";
    refused("create", &stranger.create(&mine).await?, says)?;
    refused("apply", &stranger.apply(&mine).await?, says)?;
    refused("a trial", &stranger.try_apply(&mine).await?, says)?;
    stranger
        .create(&object("Tenant lsp-dover/lsp-dover", MINE))
        .await?
        .object()
        .context("one that nobody names")?;
    stage.says(PARIS, "Ready", "False", "ParentNotFound").await?;
    // Who restores the parent may adopt, and the tenants below are below it again.
    let back = "{displayName: League of the Scarlet Pimpernel, type: Partner, parent: classics, state: Active}";
    stage.given("Tenant lsp/lsp", back).await?;
    stage.ready(PARIS).await?;
    Ok(())
}

#[tokio::test]
async fn t2_who_may_adopt_anywhere_applies_children_before_their_parent() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let group = "rbac.authorization.k8s.io/v1";
    let rules = json!([
        {"apiGroups": ["pimpernel.dev"], "resources": ["tenants"], "verbs": ["adopt", "create", "get", "patch"]},
        {"apiGroups": ["pimpernel.dev"], "resources": ["tenants/commercial"], "verbs": ["update"]},
    ]);
    let metadata = json!({"name": "tenants-from-git"});
    let role = json!({"apiVersion": group, "kind": "ClusterRole", "metadata": metadata, "rules": rules});
    let mut binding = json!({"apiVersion": group, "kind": "ClusterRoleBinding", "metadata": metadata,
        "subjects": bound_to("x")["subjects"]});
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tenants-from-git"});
    for object in [role, binding] {
        stage.admin.apply(&object).await?.object()?;
    }
    stage.allowed(STRANGER, "adopt", "tenants.pimpernel.dev", "").await?;
    for namespace in ["ghent", "bruges"] {
        stage.namespace(namespace).await?;
    }
    let child = "Tenant bruges/bruges";
    let waiting = object(child, "{displayName: Bruges, type: Customer, parent: ghent}");
    stage.caller(STRANGER).apply(&waiting).await?.object()?;
    stage.says(child, "Ready", "False", "ParentNotFound").await?;
    let parent = object("Tenant ghent/ghent", "{displayName: Ghent, type: Provider}");
    stage.caller(STRANGER).apply(&parent).await?.object()?;
    stage.ready(child).await?;
    Ok(())
}
