//! The webhook as the API server has it: closed while it does not know enough, closed for what it judges while it is down,
//! in the way of nothing else, and there again after a restart.

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::wait;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::common::cast::{CHAUVELIN, MARGUERITE, Stage};
use crate::common::rest::{object, refused};
use crate::common::session::Session;
use crate::common::{PATIENCE, Wish, World, audit};

const SKILLS: &str = "skills.acd.apps.pimpernel.dev";
/// Longer than the operator's longest pause between two attempts to read a list.
const LONG_PATIENCE: Duration = Duration::from_mins(2);

/// One right object of every kind that is judged.
fn right_ones() -> Vec<Value> {
    vec![
        object("Role lsp-paris/next", "{displayName: Next}"),
        object(
            "Employee lsp-paris/next",
            "{username: next@lsp-paris.example, primaryRole: team-lead}",
        ),
        object(
            "Tenant lsp-dover/lsp-dover",
            "{displayName: Dover, type: Customer, parent: lsp}",
        ),
        object(
            "PermissionCatalog fleet",
            "{displayName: Fleet, permissions: [{name: ships, switch: true}]}",
        ),
    ]
}

/// Takes the operator's right to read employees away, or gives it back.
async fn employees_are_readable(stage: &Stage, readable: bool) -> Result<()> {
    let which = "rbac.ClusterRole pimpernel-operator";
    let mut role = stage.admin.get(which).await?.object()?;
    for rule in role["rules"].as_array_mut().context("no rules")? {
        let resources = rule["resources"].as_array_mut().context("no resources")?;
        for resource in resources
            .iter_mut()
            .filter(|name| **name == "employees" || **name == "employees-no-more")
        {
            *resource = json!(if readable { "employees" } else { "employees-no-more" });
        }
    }
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/pimpernel-operator";
    stage
        .admin
        .send("PUT", path, Some(("application/json", &role)))
        .await?
        .object()?;
    Ok(())
}

#[tokio::test]
async fn v8_while_it_has_not_read_every_list_it_lets_nothing_in() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    stage.namespace("lsp-dover").await?;
    stage.world.stop_operator()?;
    // Both ways by which it may read them: its own right, and what the catalogue lets it grant.
    employees_are_readable(&stage, false).await?;
    stage
        .admin
        .delete("rbac.ClusterRoleBinding pimpernel-operator:catalog:admin")
        .await?
        .object()?;
    stage.world.launch_operator()?;
    let role = object("Role lsp-paris/next", "{displayName: Next}");
    let began = Instant::now();
    loop {
        let answer = stage.admin.create(&role).await?;
        ensure!(!answer.granted(), "it was let in");
        if answer.message().contains("try again in a moment") {
            break;
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "it never answered, but: {}",
            answer.message()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for object in right_ones() {
        refused(
            "create",
            &stage.admin.create(&object).await?,
            "the operator has not read everything",
        )?;
    }
    refused(
        "delete",
        &stage.admin.delete("Role lsp-paris/team-lead").await?,
        "try again in a moment",
    )?;
    ensure!(
        stage.world.operator_is_ready(Duration::from_millis(10)).is_err(),
        "it says that it is ready"
    );
    employees_are_readable(&stage, true).await?;
    stage.world.operator_is_ready(LONG_PATIENCE)?;
    for object in right_ones() {
        stage
            .admin
            .create(&object)
            .await?
            .object()
            .context("when everything is read")?;
    }
    Ok(())
}

#[tokio::test]
async fn while_it_is_down_what_it_judges_waits_and_nothing_else_does() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let admin = &stage.admin;
    let session = Session::open(&stage, "Impersonation lsp-paris/case", ("Support", MARGUERITE), "").await?;
    stage.namespace("lsp-dover").await?;
    stage.world.kill_operator()?;
    what_it_judges_waits(&stage).await?;
    nothing_else_does(&stage).await?;
    ensure!(
        stage.caller(CHAUVELIN).may("edit", SKILLS, "lsp-paris").await?,
        "who has rights keeps them"
    );
    ensure!(
        session.inside.may("edit", SKILLS, "lsp-paris").await?,
        "an open session goes on"
    );
    refused(
        "T8",
        &admin.delete("Tenant lsp-paris/lsp-paris").await?,
        "set it to `Inactive` before you delete it",
    )?;
    stage
        .removed("Impersonation lsp-paris/case")
        .await
        .context("revocation")?;
    session
        .until_inside_may("edit", SKILLS, "lsp-paris", false)
        .await
        .context("garbage collection takes the binding")?;
    let deleted = admin.delete("Namespace lsp-paris").await?;
    deleted.object().context("the deletion of a namespace")?;
    stage.world.start_operator()?;
    let gone = |namespace: Option<&Value>| namespace.is_none().then_some(());
    let gone = admin.await_object("Namespace lsp-paris", gone);
    gone.await
        .context("what has a history holds it up until the operator is back")?;
    let dover = object(
        "Tenant lsp-dover/lsp-dover",
        "{displayName: Dover, type: Customer, parent: lsp}",
    );
    admin.create(&dover).await?.object().context("after a restart")?;
    stage.ready("Tenant lsp-dover/lsp-dover").await?;
    session.nothing_left(&stage).await
}

async fn what_it_judges_waits(stage: &Stage) -> Result<()> {
    for object in right_ones() {
        refused("create", &stage.admin.create(&object).await?, "failed calling webhook")?;
    }
    for (which, patch) in [
        ("Role lsp-paris/team-lead", json!({"spec": {"description": "x"}})),
        ("Employee lsp-paris/armand", json!({"spec": {"team": "x"}})),
        ("Tenant lsp-paris/lsp-paris", json!({"spec": {"brandingProfile": "x"}})),
        ("Impersonation lsp-paris/case", json!({"spec": {"stop": true}})),
        ("PermissionCatalog acd", json!({"spec": {"displayName": "x"}})),
    ] {
        refused(
            which,
            &stage.admin.merge(which, &patch).await?,
            "failed calling webhook",
        )?;
    }
    let next = object(
        "Impersonation lsp-paris/next",
        &format!("{{mode: Support, impersonator: {MARGUERITE}, reason: He cannot save his skill}}"),
    );
    refused(
        "a session",
        &stage.caller(MARGUERITE).create(&next).await?,
        "failed calling webhook",
    )
}

async fn nothing_else_does(stage: &Stage) -> Result<()> {
    let metadata = |name: &str| json!({"namespace": "lsp-paris", "name": name});
    let others = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("free")}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("free")}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("free")}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata("free"), "rules": []}),
    ];
    for object in &others {
        stage
            .admin
            .create(object)
            .await?
            .object()
            .with_context(|| object["kind"].to_string())?;
        stage.removed(&crate::common::rest::name_of(object)).await?;
    }
    let operator = crate::common::rest::Caller::user(stage.world.plane(), "pimpernel-operator").await?;
    let status = json!({"status": {"children": 7}});
    operator
        .merge("Tenant/status lsp/lsp", &status)
        .await?
        .object()
        .context("a status")?;
    Ok(())
}

#[tokio::test]
async fn it_judges_without_asking_the_api_server_anything() -> Result<()> {
    let stage = Stage::set(
        World::of(Wish {
            audit: true,
            ..Wish::default()
        })
        .await?,
    )
    .await?;
    stage.namespace("lsp-dover").await?;
    let plane = stage.world.plane();
    // What the operator may do itself it asks once more, two seconds later.
    let before = wait::until("the operator to ask nothing", PATIENCE, || {
        let before = audit::here(plane)?;
        audit::quiet(plane)?;
        Ok(audit::questions_since(plane, before)?.is_empty().then_some(before))
    })?;
    let wrong = object("Role lsp-paris/wrong", "{displayName: monitor}");
    let reviews = || stage.world.metric("pimpernel_webhook_requests_total");
    let judged = reviews()?.unwrap_or_default();
    // Tried only, so that nothing follows that the operator would have to ask about.
    for _ in 0..25 {
        for right in right_ones() {
            stage.admin.try_apply(&right).await?.object()?;
        }
        let answer = stage.admin.try_apply(&wrong).await?;
        refused("a taken name", &answer, "is the name of role `team-lead` already")?;
    }
    let judged = reviews()?.unwrap_or_default() - judged;
    ensure!(judged >= 125.0, "it was asked {judged} times only");
    let asked = audit::questions_since(plane, before)?;
    ensure!(asked.is_empty(), "{judged} reviews cost:{}", audit::list(&asked));
    Ok(())
}

#[tokio::test]
async fn restarts_do_not_break_admission() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let wrong = object("Role lsp-paris/wrong", "{displayName: monitor}");
    for round in 1..=3 {
        if round == 2 {
            stage.world.kill_operator()?;
        } else {
            ensure!(stage.world.stop_operator()?.success(), "it did not end well");
        }
        stage.world.start_operator()?;
        // Ready means that the API server trusts it: the very next request is judged, by the rules.
        let answer = stage.admin.create(&wrong).await?;
        refused("a taken name", &answer, "is the name of role `team-lead` already")?;
        let right = object(
            &format!("Role lsp-paris/round-{round}"),
            &format!("{{displayName: Round {round}}}"),
        );
        stage
            .admin
            .create(&right)
            .await?
            .object()
            .with_context(|| format!("round {round}"))?;
    }
    Ok(())
}
