//! Every rule about objects, at admission on a real API server: the manifest that breaks it is refused with the field and
//! the sentence, by dry-run as well, and its right neighbour is admitted.
//!
//! The tables are lists of [`Row`]s; all rows of a table run against one world, and all failures are told at once.

use crate::common::cast::Stage;
use crate::common::rest::{name_of, object};
use crate::common::{Wish, World};
use anyhow::{Result, ensure};
use serde_json::Value;

#[path = "refusals/catalogs.rs"]
mod catalogs;
#[path = "refusals/employees.rs"]
mod employees;
#[path = "refusals/impersonations.rs"]
mod impersonations;
#[path = "refusals/roles.rs"]
mod roles;
#[path = "refusals/tenants.rs"]
mod tenants;
#[path = "refusals/texts.rs"]
mod texts;

/// One rule, a manifest that breaks it, and its right neighbour.
#[derive(Clone)]
struct Row {
    sentence: String,
    given: Vec<Value>,
    by: &'static str,
    wrong: Option<Value>,
    says: Vec<String>,
    right: Option<Value>,
    dry: bool,
    warns: Vec<String>,
}

/// A row, by the sentence that it proves.
fn row(sentence: impl Into<String>) -> Row {
    Row {
        sentence: sentence.into(),
        given: vec![],
        by: "",
        wrong: None,
        says: vec![],
        right: None,
        dry: false,
        warns: vec![],
    }
}

impl Row {
    /// What is there before.
    fn given(mut self, which: &str, spec: &str) -> Self {
        self.given.push(object(which, spec));
        self
    }

    /// Who writes; the administrator, who passes every check but admission, unless it is said.
    fn by(mut self, user: &'static str) -> Self {
        self.by = user;
        self
    }

    /// What is refused.
    fn wrong(mut self, which: &str, spec: &str) -> Self {
        self.wrong = Some(object(which, spec));
        self
    }

    /// What the refusal says, all of it.
    fn says(mut self, text: impl Into<String>) -> Self {
        self.says.push(text.into());
        self
    }

    /// What is admitted.
    fn right(mut self, which: &str, spec: &str) -> Self {
        self.right = Some(object(which, spec));
        self
    }

    /// What would be admitted, and is not stored because later rows could not stand beside it.
    fn would_be_right(mut self, which: &str, spec: &str) -> Self {
        self.dry = true;
        self.right(which, spec)
    }

    /// What the writer is told on admission.
    fn warns(mut self, text: impl Into<String>) -> Self {
        self.warns.push(text.into());
        self
    }

    async fn run(&self, stage: &Stage) -> Result<()> {
        for given in &self.given {
            stage.admin.apply(given).await?.object()?;
            if given["kind"] != "Namespace" {
                stage.admin.judged(&name_of(given)).await?;
            }
        }
        if let Some(wrong) = &self.wrong {
            self.refused(wrong, stage).await?;
        }
        match &self.right {
            Some(right) => self.admitted(right, stage).await,
            None => Ok(()),
        }
    }

    async fn refused(&self, wrong: &Value, stage: &Stage) -> Result<()> {
        let (who, which) = (stage.caller(self.by), name_of(wrong));
        let before = stage.admin.get(&which).await?.found()?;
        let tried = who.try_apply(wrong).await?;
        ensure!(!tried.granted(), "dry-run admits it");
        self.check(tried.message())?;
        let (applied, written) = who.kubectl_apply(stage.world.plane(), wrong)?;
        ensure!(!applied, "kubectl apply admits it: {written}");
        self.check(&written)?;
        let after = stage.admin.get(&which).await?.found()?;
        let spec = |object: &Option<Value>| object.as_ref().map(|object| object["spec"].clone());
        ensure!(spec(&before) == spec(&after), "what is stored has changed");
        Ok(())
    }

    fn check(&self, refusal: &str) -> Result<()> {
        for text in &self.says {
            ensure!(
                refusal.contains(text),
                "the refusal does not say «{text}», but: {refusal}"
            );
        }
        let lower = refusal.to_lowercase();
        for bait in ["is immutable", "immutable field"] {
            ensure!(!lower.contains(bait), "GitOps tools delete and recreate on: {refusal}");
        }
        Ok(())
    }

    async fn admitted(&self, right: &Value, stage: &Stage) -> Result<()> {
        let who = stage.caller(self.by);
        let tried = who.try_apply(right).await?;
        ensure!(tried.granted(), "dry-run refuses the right one: {}", tried.message());
        let warnings = tried.warnings.join("\n");
        for text in &self.warns {
            ensure!(warnings.contains(text), "no warning says «{text}», but: {warnings}");
        }
        if !self.dry {
            let answer = who.apply(right).await?;
            ensure!(answer.granted(), "the right one is refused: {}", answer.message());
            stage.admin.judged(&name_of(right)).await?;
        }
        Ok(())
    }
}

/// Runs all rows and tells all failures.
async fn run(rows: &[Row], stage: &Stage) -> Vec<String> {
    let mut failures = vec![];
    for row in rows {
        assert!(
            row.wrong.is_some() || row.right.is_some(),
            "{}: an empty row",
            row.sentence
        );
        assert!(
            row.wrong.is_none() || !row.says.is_empty(),
            "{}: a refusal must say something",
            row.sentence
        );
        if let Err(error) = row.run(stage).await {
            failures.push(format!("{}: {error:#}", row.sentence));
        }
    }
    failures
}

async fn prove(tables: &[fn() -> Vec<Row>]) -> Result<()> {
    let stage = Stage::set(World::of(Wish::default()).await?).await?;
    let mut failures = vec![];
    for table in tables {
        failures.extend(run(&table(), &stage).await);
    }
    ensure!(
        failures.is_empty(),
        "{} rows failed:\n- {}",
        failures.len(),
        failures.join("\n- ")
    );
    Ok(())
}

#[tokio::test]
async fn what_breaks_a_rule_of_tenants_or_catalogues_is_refused() -> Result<()> {
    prove(&[tenants::rows, catalogs::rows]).await
}

#[tokio::test]
async fn what_breaks_a_rule_of_roles_or_employees_is_refused() -> Result<()> {
    prove(&[roles::rows, employees::rows, texts::rows]).await
}

#[tokio::test]
async fn what_breaks_a_rule_of_impersonations_is_refused() -> Result<()> {
    prove(&[impersonations::rows]).await
}
