//! V6: the operator is right with the webhook off. Neither webhook nor policies are there and the definitions let through
//! whatever has the right types; so everything that breaks a rule is stored. It gives nobody anything, says what admission
//! would have said, and hinders nobody else.

use crate::common::cast::{DEWHURST, Stage};
use crate::common::library;
use crate::common::loose::{Looseness, definitions};
use crate::common::rest::{name_of, object, told};
use crate::common::{PATIENCE, SESSIONS, Wish, World, eventually_may, may};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Instant;

#[path = "without_admission/cases.rs"]
mod cases;
#[path = "without_admission/entering.rs"]
mod entering;
#[path = "without_admission/first_comes.rs"]
mod first_comes;
#[path = "without_admission/undecodable.rs"]
mod undecodable;

/// A right that is asked for: the user, the verb, `RESOURCE.GROUP`, the namespace.
type Right = (String, &'static str, &'static str, &'static str);

/// An object that breaks a rule, the same mended, and what it gives once it is.
struct Case {
    sentence: String,
    given: Vec<Value>,
    wrong: Value,
    mended: Value,
    gives: Option<Right>,
    never: Option<Right>,
}

fn case(sentence: impl Into<String>, which: &str, wrong: &str, mended: &str) -> Case {
    Case {
        sentence: sentence.into(),
        given: vec![],
        wrong: object(which, wrong),
        mended: object(which, mended),
        gives: None,
        never: None,
    }
}

impl Case {
    /// What is there before.
    fn given(mut self, which: &str, spec: &str) -> Self {
        self.given.push(object(which, spec));
        self
    }

    /// What the object gives when it is right, and must not give while it is wrong.
    fn gives(mut self, user: &str, verb: &'static str, resource: &'static str, namespace: &'static str) -> Self {
        self.gives = Some((user.to_owned(), verb, resource, namespace));
        self
    }

    /// What it must not give while it is wrong.
    fn never(mut self, user: &str, verb: &'static str, resource: &'static str, namespace: &'static str) -> Self {
        self.never = Some((user.to_owned(), verb, resource, namespace));
        self
    }

    async fn run(&self, number: usize, stage: &Stage) -> Result<()> {
        let admin = &stage.admin;
        for given in &self.given {
            admin.apply(given).await?.object()?;
            // Each kind is watched by itself: what refers to it could be seen, and judged, before it.
            if given["kind"] != "Namespace" {
                admin.judged(&name_of(given)).await?;
            }
        }
        let which = name_of(&self.wrong);
        admin.apply(&self.wrong).await?.object().context("it must be stored")?;
        let stored = admin.judged(&which).await?;
        self.says_what_admission_would(&stored, stage).await?;
        goes_on(number, stage).await?;
        self.gives_nothing(&stored, stage).await?;
        if self.mended["spec"] != self.wrong["spec"] {
            stage.removed(&which).await?;
            admin.apply(&self.mended).await?.object().context("the mended one")?;
            stage.ready(&which).await.context("the mended one")?;
            if let Some(right) = &self.gives {
                granted(right, true, stage).await?;
            }
        }
        if which.starts_with("Impersonation ") {
            stage.removed(&which).await?;
        }
        Ok(())
    }

    async fn says_what_admission_would(&self, stored: &Value, stage: &Stage) -> Result<()> {
        let now = stage.admin.get("Namespace default").await?.date.context("a date")?;
        let answer = library::admit(&stage.admin, stored, now).await?;
        let first = answer.violations.first().context("admission admits it")?;
        let wanted: Vec<String> = answer.violations.iter().map(ToString::to_string).collect();
        let wanted = ("False".to_owned(), first.reason.to_string(), wanted.join("; "));
        let ready = told(stored, "Ready").context("no condition Ready")?;
        ensure!(ready == wanted, "Ready says {ready:?}, admission {wanted:?}");
        let (stalled, why, what) = told(stored, "Stalled").context("no condition Stalled")?;
        ensure!(
            (stalled.as_str(), why, what) == ("True", wanted.1, wanted.2),
            "Stalled differs from Ready"
        );
        Ok(())
    }

    async fn gives_nothing(&self, stored: &Value, stage: &Stage) -> Result<()> {
        let derived = derived_from(stored, stage).await?;
        ensure!(
            derived.is_empty() || self.keeps_the_rest(),
            "it has derived objects: {derived:?}"
        );
        for right in self.gives.iter().chain(&self.never) {
            let has = may(&stage.world.client(), &right.0, (right.1, right.2, right.3)).await?;
            ensure!(!has, "it gives {right:?}");
        }
        if let Some(user) = stored.pointer("/spec/username").filter(|_| !self.keeps_the_rest()) {
            let bindings = stage.admin.list("rbac.RoleBinding", "lsp-paris", "").await?;
            let subjects = bindings
                .iter()
                .flat_map(|binding| binding["subjects"].as_array().into_iter().flatten());
            ensure!(
                !subjects.into_iter().any(|subject| subject["name"] == *user),
                "{user} is a subject of a binding"
            );
        }
        Ok(())
    }

    /// Whether only the part that the violation names has no effect.
    fn keeps_the_rest(&self) -> bool {
        self.sentence.ends_with("the rest has effect")
    }
}

/// The names of all that exists because of an object.
async fn derived_from(owner: &Value, stage: &Stage) -> Result<Vec<String>> {
    let text = |pointer: &str| owner.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let namespace = text("/metadata/namespace");
    let labels = format!(
        "pimpernel.dev/owner-kind={},pimpernel.dev/owner-namespace={namespace},pimpernel.dev/owner-name={}",
        text("/kind"),
        text("/metadata/name")
    );
    let query = format!("?labelSelector={}", labels.replace('=', "%3D").replace('/', "%2F"));
    let mut names = vec![];
    for (kind, namespace) in [
        ("rbac.Role", namespace),
        ("rbac.RoleBinding", namespace),
        ("rbac.Role", SESSIONS),
        ("rbac.RoleBinding", SESSIONS),
        ("ServiceAccount", SESSIONS),
        ("Secret", SESSIONS),
    ] {
        for object in stage.admin.list(kind, namespace, &query).await? {
            names.push(format!("{kind} {}", object["metadata"]["name"]));
        }
    }
    Ok(names)
}

async fn granted((user, verb, resource, namespace): &Right, wanted: bool, stage: &Stage) -> Result<()> {
    eventually_may(&stage.world.client(), user, (verb, resource, namespace), wanted).await
}

/// Somebody else gets a right afterwards, by way of a role that others hold too: what came before has been looked at then.
async fn goes_on(number: usize, stage: &Stage) -> Result<()> {
    let user = format!("canary-{number}@lsp-paris.example");
    let which = format!("Employee lsp-paris/canary-{number}");
    let canary = object(
        &which,
        &format!("{{username: {user}, state: Active, primaryRole: team-lead}}"),
    );
    stage.admin.apply(&canary).await?.object()?;
    stage.ready(&which).await.context("the next one")?;
    granted(
        &(user, "edit", "skills.acd.apps.pimpernel.dev", "lsp-paris"),
        true,
        stage,
    )
    .await
}

async fn loose_stage(looseness: Looseness) -> Result<Stage> {
    let stage = Stage::set(World::unguarded(Wish::default()).await?).await?;
    definitions(&stage.admin, looseness).await?;
    Ok(stage)
}

async fn prove(tables: &[fn() -> Vec<Case>]) -> Result<()> {
    let stage = loose_stage(Looseness::Types).await?;
    let mut failures = vec![];
    for (number, case) in tables.iter().flat_map(|table| table()).enumerate() {
        if let Err(error) = case.run(number, &stage).await {
            failures.push(format!("{}: {error:#}", case.sentence));
        }
    }
    ensure!(
        failures.is_empty(),
        "{} cases failed:\n- {}",
        failures.len(),
        failures.join("\n- ")
    );
    Ok(())
}

#[tokio::test]
async fn v6_tenants_and_catalogues_that_break_a_rule_give_nothing() -> Result<()> {
    prove(&[cases::tenants, cases::catalogs]).await
}

#[tokio::test]
async fn v6_roles_and_employees_that_break_a_rule_give_nothing() -> Result<()> {
    prove(&[cases::roles, cases::grants, cases::employees]).await
}

#[tokio::test]
async fn v6_impersonations_that_break_a_rule_open_nothing() -> Result<()> {
    prove(&[entering::impersonations]).await
}

/// Whether a session was opened for an Impersonation.
async fn opened(which: &str, stage: &Stage) -> Result<bool> {
    let session = stage.admin.get(which).await?.object()?;
    let derived = derived_from(&session, stage).await?;
    Ok(derived.iter().any(|name| name.starts_with("ServiceAccount")))
}

/// The manifest of a session of the partner's administrator.
fn dewhursts(rest: &str) -> String {
    format!("{{mode: Support, impersonator: {DEWHURST}, reason: He cannot save his skill, {rest}}}")
}
