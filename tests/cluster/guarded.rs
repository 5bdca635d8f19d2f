//! What nobody but Pimpernel writes: derived objects, statuses, the history; and what is not deleted. All of it is tried as
//! the administrator, whom RBAC stops nowhere.

use crate::common::cast::{MARGUERITE, STRANGER, Stage};
use crate::common::rest::{object, refused};
use crate::common::{SESSIONS, World};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[path = "guarded/of_sessions.rs"]
mod of_sessions;
#[path = "guarded/taken_over.rs"]
mod taken_over;

const ROLE: &str = "rbac.Role lsp-paris/pimpernel:role:team-lead";
const BINDING: &str = "rbac.RoleBinding lsp-paris/pimpernel:role:team-lead:b";

fn rbac(kind: &str, name: &str, labels: &Value, rest: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": {"namespace": "lsp-paris", "name": name, "labels": labels},
    });
    if let (Some(object), Some(rest)) = (object.as_object_mut(), rest.as_object()) {
        object.extend(rest.clone());
    }
    object
}

/// A binding of the stranger to a Role.
fn bound_to(role: &str) -> Value {
    json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": STRANGER}],
    })
}

#[tokio::test]
async fn derived_objects_are_written_by_pimpernel_alone() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let admin = &stage.admin;
    let ours = "belongs to Pimpernel";
    let derived = json!({"pimpernel.dev/derived": "true"});
    let rules = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let created = [
        (
            "a Role with a name of ours",
            rbac("Role", "pimpernel:role:mine", &json!({}), &rules),
        ),
        ("a Role with our label", rbac("Role", "mine", &derived, &rules)),
        (
            "a RoleBinding with a name of ours",
            rbac("RoleBinding", "pimpernel:mine", &json!({}), &bound_to("mine")),
        ),
        (
            "a binding to a role",
            rbac("RoleBinding", "mine", &json!({}), &bound_to("pimpernel:role:team-lead")),
        ),
        (
            "a binding to the fixed role",
            rbac(
                "RoleBinding",
                "mine",
                &json!({}),
                &bound_to("pimpernel:impersonated-admin:support"),
            ),
        ),
    ];
    for (what, object) in &created {
        refused(what, &admin.create(object).await?, ours)?;
        refused(what, &admin.apply(object).await?, ours)?;
    }
    for kind in ["ServiceAccount", "Secret"] {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": SESSIONS, "name": "mine", "labels": derived}});
        refused(kind, &admin.create(&object).await?, ours)?;
    }
    let own = rbac("RoleBinding", "own", &json!({}), &bound_to("own"));
    admin.create(&own).await?.object().context("a binding of one's own")?;
    let changed = [
        ("more rights", ROLE, rules.clone()),
        (
            "without the label",
            ROLE,
            json!({"metadata": {"labels": {"pimpernel.dev/derived": null}}}),
        ),
        (
            "of another owner",
            ROLE,
            json!({"metadata": {"labels": {"pimpernel.dev/owner-name": "other"}}}),
        ),
        (
            "another subject",
            BINDING,
            json!({"subjects": bound_to("x")["subjects"]}),
        ),
        ("nobody", BINDING, json!({"subjects": []})),
        (
            "a finalizer",
            BINDING,
            json!({"metadata": {"finalizers": ["example.org/stay"]}}),
        ),
        (
            "our label on a foreign binding",
            "rbac.RoleBinding lsp-paris/own",
            json!({"metadata": {"labels": derived}}),
        ),
    ];
    for (what, which, patch) in &changed {
        refused(what, &admin.merge(which, patch).await?, ours)?;
    }
    for which in [ROLE, BINDING] {
        refused("deletion", &admin.delete(which).await?, ours)?;
        admin.get(which).await?.object().context("it is still there")?;
    }
    ensure!(
        !stage
            .caller(STRANGER)
            .may("list", "employees.pimpernel.dev", "lsp-paris")
            .await?,
        "the stranger came in"
    );
    Ok(())
}

#[tokio::test]
async fn status_and_history_are_pimpernels_word() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let admin = &stage.admin;
    let ended = object(
        "Impersonation lsp-paris/case",
        &format!("{{mode: Support, impersonator: {MARGUERITE}, reason: He cannot save his skill}}"),
    );
    stage.caller(MARGUERITE).create(&ended).await?.object()?;
    stage
        .says("Impersonation lsp-paris/case", "Active", "True", "Open")
        .await?;
    for (kind, name) in [
        ("Tenant", "lsp-paris/lsp-paris"),
        ("Role", "lsp-paris/team-lead"),
        ("Employee", "lsp-paris/armand"),
        ("Impersonation", "lsp-paris/case"),
        ("PermissionCatalog", "acd"),
    ] {
        let (which, status) = (format!("{kind} {name}"), format!("{kind}/status {name}"));
        for patch in [
            json!({"status": null}),
            json!({"status": {"conditions": []}}),
            json!({"status": {"observedGeneration": 99}}),
        ] {
            refused(
                &which,
                &admin.merge(&status, &patch).await?,
                "is what Pimpernel reports; change the spec",
            )?;
        }
        let before = admin.get(&which).await?.object()?;
        admin
            .merge(&which, &json!({"status": {"observedGeneration": 99, "conditions": []}}))
            .await?
            .object()?;
        ensure!(
            admin.get(&which).await?.object()?["status"] == before["status"],
            "{which}: a status came in with the object"
        );
    }
    let ended = json!({"status": {"endTime": "2026-01-01T00:00:00Z", "endReason": "Stopped"}});
    refused(
        "an end",
        &admin.merge("Impersonation/status lsp-paris/case", &ended).await?,
        "is what Pimpernel reports",
    )?;
    let record = object(
        "ChangeRecord lsp-paris/mine",
        "{subject: {kind: Role, name: team-lead, uid: x}, operation: Delete, actor: {username: me, verified: true}, time: 2026-01-01T00:00:00Z}",
    );
    refused(
        "a record",
        &admin.create(&record).await?,
        "is part of the history, which only Pimpernel writes",
    )
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_and_a_namespace_always_is() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let admin = &stage.admin;
    let paris = "Tenant lsp-paris/lsp-paris";
    refused(
        "T8",
        &admin.delete(paris).await?,
        "spec.state: the tenant `lsp-paris` is `Active`; set it to `Inactive`",
    )?;
    let all = admin
        .send(
            "DELETE",
            "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/tenants",
            None,
        )
        .await?;
    refused("T8, all at once", &all, "set it to `Inactive` before you delete it")?;
    admin
        .merge(paris, &json!({"spec": {"state": "Inactive"}}))
        .await?
        .object()?;
    admin.judged(paris).await?;
    refused(
        "T8, children",
        &admin.delete(paris).await?,
        "metadata.name: `lsp-paris` is the parent of `paris-nord`: delete those first",
    )?;
    let lead = "Role lsp-paris/team-lead";
    let held = "metadata.name: role `team-lead` cannot be deleted while Active employees hold it: `armand`";
    refused("R8", &admin.delete(lead).await?, held)?;
    let all = admin
        .send(
            "DELETE",
            "/apis/pimpernel.dev/v1alpha1/namespaces/lsp-paris/roles",
            None,
        )
        .await?;
    refused("R8, all at once", &all, held)?;
    admin
        .merge("Employee lsp-paris/armand", &json!({"spec": {"state": "Inactive"}}))
        .await?
        .object()?;
    admin.judged("Employee lsp-paris/armand").await?;
    stage
        .removed(lead)
        .await
        .context("R9: an inactive holder does not hold it")?;
    admin
        .merge("Tenant paris-nord/paris-nord", &json!({"spec": {"state": "Inactive"}}))
        .await?
        .object()?;
    stage
        .removed("Tenant paris-nord/paris-nord")
        .await
        .context("T8: Inactive and without children")?;
    stage.removed(paris).await.context("T8: the last child is gone")?;
    // An Active tenant with a child, roles and holders: its namespace goes all the same.
    stage
        .removed("Namespace lsp")
        .await
        .context("T8: the deletion of a namespace is not held up")
}

/// Gives the stranger rights by hand, as a platform team does.
async fn entrust(stage: &Stage, namespace: &str, rules: &Value) -> Result<()> {
    let metadata = json!({"namespace": namespace, "name": "by-hand"});
    let group = "rbac.authorization.k8s.io/v1";
    let role = json!({"apiVersion": group, "kind": "Role", "metadata": metadata, "rules": rules});
    let mut binding = json!({"apiVersion": group, "kind": "RoleBinding", "metadata": metadata});
    binding["roleRef"] = bound_to("by-hand")["roleRef"].clone();
    binding["subjects"] = bound_to("by-hand")["subjects"].clone();
    for object in [role, binding] {
        stage.admin.apply(&object).await?.object()?;
    }
    Ok(())
}

#[tokio::test]
async fn what_of_a_tenant_is_not_its_own_needs_a_right_of_its_own() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let stranger = stage.caller(STRANGER);
    let on = |resources: Value, verbs: Value| json!({"apiGroups": ["pimpernel.dev"], "resources": resources, "verbs": verbs});
    let write = on(
        json!(["tenants"]),
        json!(["create", "delete", "get", "patch", "update"]),
    );
    entrust(&stage, "lsp-paris", &json!([write])).await?;
    stage
        .allowed(STRANGER, "update", "tenants.pimpernel.dev", "lsp-paris")
        .await?;
    let paris = "Tenant lsp-paris/lsp-paris";
    let profile =
        json!({"spec": {"displayName": "LSP à Paris", "brandingProfile": "scarlet", "timeZone": "Europe/Paris"}});
    stranger
        .merge(paris, &profile)
        .await?
        .object()
        .context("T7: the profile")?;
    for (field, value) in [
        ("state", json!("Inactive")),
        ("applications", json!([])),
        ("userCap", json!(5)),
        ("trial", json!({"expiresAt": "2036-01-01T00:00:00Z"})),
    ] {
        let answer = stranger.merge(paris, &json!({"spec": {field: value}})).await?;
        refused(
            "T7",
            &answer,
            &format!("spec.{field}: changing this needs update on tenants/commercial"),
        )?;
    }
    let security = json!({"spec": {"impersonation": {"maxDuration": "24h"}}});
    refused(
        "T7",
        &stranger.merge(paris, &security).await?,
        "spec.impersonation: changing this needs update on tenants/security",
    )?;
    let both = json!({"spec": {"brandingProfile": "blue", "impersonation": null}});
    refused(
        "T7",
        &stranger.merge(paris, &both).await?,
        "spec.impersonation: changing this needs",
    )?;
    let calais = "Tenant lsp-calais/lsp-calais";
    entrust(&stage, "lsp-calais", &json!([write])).await?;
    stage
        .allowed(STRANGER, "delete", "tenants.pimpernel.dev", "lsp-calais")
        .await?;
    refused(
        "T7",
        &stranger.delete(calais).await?,
        "deleting a Tenant needs update on tenants/commercial",
    )?;
    stage.namespace("lsp-dover").await?;
    let dover = object(
        "Tenant lsp-dover/lsp-dover",
        "{displayName: Dover, type: Customer, parent: lsp}",
    );
    entrust(&stage, "lsp-dover", &json!([write])).await?;
    stage
        .allowed(STRANGER, "create", "tenants.pimpernel.dev", "lsp-dover")
        .await?;
    refused("T7", &stranger.create(&dover).await?, "needs")?;
    entrust(
        &stage,
        "lsp-dover",
        &json!([write, on(json!(["tenants/commercial"]), json!(["update"]))]),
    )
    .await?;
    stage
        .allowed(STRANGER, "update", "tenants/commercial.pimpernel.dev", "lsp-dover")
        .await?;
    refused(
        "T2",
        &stranger.create(&dover).await?,
        "spec.parent: naming `lsp` as parent needs verb `adopt` on tenants in namespace `lsp`",
    )?;
    entrust(&stage, "lsp", &json!([on(json!(["tenants"]), json!(["adopt"]))])).await?;
    stage.allowed(STRANGER, "adopt", "tenants.pimpernel.dev", "lsp").await?;
    stranger
        .create(&dover)
        .await?
        .object()
        .context("T2: with the parent's leave")?;
    Ok(())
}
