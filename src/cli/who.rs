//! `who-can` and `why-not`: who may do something, and why somebody may not.

use super::ask::{Breadth, Known, Question};
use super::completion::Named;
use super::explain::{Idle, Origin};
use super::output::{self, Form, Table, shown};
use super::{Outcome, tell};
use crate::policy::catalog::Action;
use crate::policy::{Kind, access, explain};
use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use std::sync::Arc;

/// List the employees who may do something, and from where they have it.
#[derive(clap::Args)]
pub struct WhoCan {
    #[command(flatten)]
    deed: Deed,
    /// In all tenants, if you may list them.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    question: Question,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Say why somebody may not do something, or from where they have it.
#[derive(clap::Args)]
pub struct WhyNot {
    /// The user name, or the name of an employee.
    #[arg(value_name = "USER", add = Named::Employee)]
    person: String,
    #[command(flatten)]
    deed: Deed,
    #[command(flatten)]
    question: Question,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What is done.
#[derive(clap::Args)]
struct Deed {
    /// The action, such as `Edit`; of a switch `use`.
    #[arg(value_name = "ACTION", add = Named::Action)]
    action: String,
    /// The permission, as APPLICATION/PERMISSION.
    #[arg(value_name = "PERMISSION", add = Named::Permission)]
    permission: String,
}

impl Deed {
    fn action(&self) -> Result<Action> {
        let (application, permission) = self
            .permission
            .split_once('/')
            .context("name the permission as APPLICATION/PERMISSION")?;
        Ok(Action::new(application, permission, &self.action))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Who {
    namespace: String,
    employee: String,
    username: String,
    from: Vec<Origin>,
}

impl WhoCan {
    /// Lists them. Refused if there are none.
    pub async fn run(self) -> Result<Outcome> {
        let action = self.deed.action()?;
        let known = self.question.known(Breadth::tenants(self.all_namespaces)).await?;
        if let Err(unknown) = access::known(&action, &known.directory) {
            bail!(unknown);
        }
        let found: Vec<Who> = if self.all_namespaces {
            let tenants = known.directory.keys().filter(|key| key.kind == Kind::Tenant);
            tenants
                .flat_map(|key| in_tenant(&action, &key.name.namespace, &known))
                .collect()
        } else {
            in_tenant(&action, &known.namespace, &known)
        };
        let (tenants, asked) = (self.all_namespaces, action.to_string());
        let table = |found: &Vec<Who>, _| {
            let headings = ["TENANT", "EMPLOYEE", "USER", "FROM"];
            let mut table = Table::new(headings.get(usize::from(!tenants)..).unwrap_or_default());
            for who in found {
                let from: Vec<String> = who.from.iter().map(|origin| origin.told(&asked)).collect();
                let row: [&str; 4] = [&who.namespace, &who.employee, &who.username, &from.join("; ")];
                table.row(row.get(usize::from(!tenants)..).unwrap_or_default());
            }
            vec![table]
        };
        let names = |found: &Vec<Who>| {
            found
                .iter()
                .map(|who| format!("employee.pimpernel.dev/{}", who.employee))
                .collect()
        };
        output::list(self.output, &found, table, names)?;
        if found.is_empty() {
            let place = if self.all_namespaces {
                "any tenant".to_owned()
            } else {
                format!("`{}`", known.namespace)
            };
            tell(format_args!("nobody may do `{action}` in {place}"));
            return Ok(Outcome::Refused);
        }
        Ok(Outcome::Fine)
    }
}

fn in_tenant(action: &Action, namespace: &Arc<str>, known: &Known) -> Vec<Who> {
    let found = explain::who_can(action, namespace, &known.directory, known.now);
    let who = found.into_iter().map(|(name, (username, because))| Who {
        namespace: name.namespace.to_string(),
        employee: name.name.to_string(),
        username: username.to_string(),
        from: because.iter().map(Origin::of).collect(),
    });
    who.collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    allowed: bool,
    from: Vec<Origin>,
    obstacles: Vec<Idle>,
}

impl WhyNot {
    /// Tells it. Refused if they may not.
    pub async fn run(self) -> Result<Outcome> {
        let action = self.deed.action()?;
        let known = self.question.known(Breadth::Tenant).await?;
        if let Err(unknown) = access::known(&action, &known.directory) {
            bail!(unknown);
        }
        let verdict = explain::why_not(&self.person, &action, &known.namespace, &known.directory, known.now);
        let answer = Answer {
            allowed: !verdict.because.is_empty(),
            from: verdict.because.iter().map(Origin::of).collect(),
            obstacles: verdict.obstacles.iter().map(|why| Idle::of(why, None, None)).collect(),
        };
        let may = if answer.allowed { "may" } else { "may not" };
        tell(shown(&format!(
            "{} {may} do `{action}` in `{}`",
            self.person, known.namespace
        )));
        let asked = action.to_string();
        let table = |answer: &Answer, _| {
            let mut from = Table::new(&["FROM"]);
            answer.from.iter().for_each(|origin| from.row(&[&origin.told(&asked)]));
            let mut why = Table::new(&["WHY NOT"]);
            answer.obstacles.iter().for_each(|idle| why.row(&[&idle.told()]));
            vec![from, why]
        };
        output::list(self.output, &answer, table, |answer| {
            let from = answer.from.iter().map(|origin| origin.told(&asked));
            from.chain(answer.obstacles.iter().map(Idle::told)).collect()
        })?;
        Ok(if answer.allowed {
            Outcome::Fine
        } else {
            Outcome::Refused
        })
    }
}
