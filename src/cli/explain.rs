//! `explain`: what an employee, a role or a permission comes to.

use super::Outcome;
use super::ask::{Breadth, Known, Question};
use super::completion::Named;
use super::output::{self, Form, Table};
use crate::policy::catalog::Action;
use crate::policy::explain::{self, Because, EmployeeView, RoleView, Why};
use crate::policy::{Name, Reason, access};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde::Serialize;

/// Say what an employee may do, what a role gives, or what a permission is, and because of what.
#[derive(clap::Args)]
pub struct Explain {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What an employee may do now, from which role or implication each of it comes, and what has no effect.
    #[command(alias = "emp", mut_arg("name", |arg| arg.add(Named::Employee)))]
    Employee(About),
    /// What a role gives its holders, what of it is implied, and what has no effect.
    #[command(mut_arg("name", |arg| arg.add(Named::Role)))]
    Role(About),
    /// What a permission's actions imply, require and are in Kubernetes, and who has them from the factory.
    #[command(mut_arg("name", |arg| arg.add(Named::Permission)))]
    Permission(About),
}

#[derive(clap::Args)]
struct About {
    /// The name: of an employee also the user name, of a permission APPLICATION/PERMISSION.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    question: Question,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

impl Explain {
    /// Tells it.
    pub async fn run(self) -> Result<Outcome> {
        let (What::Employee(about) | What::Role(about) | What::Permission(about)) = &self.what;
        let breadth = match &self.what {
            What::Permission(_) => Breadth::Catalogs,
            What::Employee(_) | What::Role(_) => Breadth::Tenant,
        };
        let known = about.question.known(breadth).await?;
        let (name, form) = (about.name.as_str(), about.output);
        match &self.what {
            What::Employee(_) => employee(name, &known, form),
            What::Role(_) => role(name, &known, form),
            What::Permission(_) => permission(name, &known, form),
        }
    }
}

/// One action, and where it is from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    action: String,
    from: Vec<Origin>,
    /// The rights in Kubernetes, as `VERBS RESOURCE.GROUP`.
    rights: Vec<String>,
}

/// Where an action is from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    implied_by: Option<String>,
    unrestricted: bool,
}

/// Why something has no effect.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: String,
}

/// The answer about an employee or a role.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// Why it comes to nothing at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<Idle>,
    permissions: Vec<Given>,
    without_effect: Vec<Idle>,
}

impl Origin {
    /// As the answer has it.
    pub fn of(because: &Because) -> Self {
        let (role, implied_by) = match because {
            Because::Listed(role) => (Some(role), None),
            Because::Implied(role, by) => (Some(role), Some(by)),
            Because::Unrestricted => (None, None),
        };
        Self {
            unrestricted: role.is_none(),
            role: role.map(ToString::to_string),
            implied_by: implied_by.map(ToString::to_string),
        }
    }

    /// For people who ask about `action`.
    pub fn told(&self, action: &str) -> String {
        let by = self
            .implied_by
            .as_ref()
            .map(|by| format!("implied by {}", beside(by, action)));
        match (&self.role, by) {
            (Some(role), Some(by)) => format!("role {role}, {by}"),
            (Some(role), None) => format!("role {role}"),
            (None, Some(by)) => by,
            (None, None) if self.unrestricted => "everybody has it".to_owned(),
            (None, None) => "listed".to_owned(),
        }
    }
}

/// An action beside another one: its name alone, if they are of the same permission.
fn beside<'a>(action: &'a str, other: &str) -> &'a str {
    match (action.rsplit_once(':'), other.rsplit_once(':')) {
        (Some((permission, name)), Some((others, _))) if permission == others => name,
        _ => action,
    }
}

impl Idle {
    /// As the answer has it.
    pub fn of(why: &Why, role: Option<&str>, action: Option<&Action>) -> Self {
        Self {
            role: role.map(str::to_owned),
            action: action.map(ToString::to_string),
            reason: why.reason.map(Reason::as_str),
            message: why.message.clone(),
        }
    }

    /// For people.
    pub fn told(&self) -> String {
        match self.reason {
            Some(reason) => format!("{reason}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

fn rights(action: &Action, known: &Known) -> Vec<String> {
    let rules = access::rules([action], &known.directory);
    let right = |rule: &crate::policy::children::Rule| {
        let verbs = rule.verbs.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let dot = if rule.group.is_empty() { "" } else { "." };
        format!("{verbs} {}{dot}{}", rule.resource, rule.group)
    };
    rules.iter().map(right).collect()
}

fn employee(name: &str, known: &Known, form: Form) -> Result<Outcome> {
    let found = explain::find(name, &known.namespace, &known.directory);
    let found = found.with_context(|| format!("tenant `{}` has no employee `{name}`", known.namespace))?;
    let view = explain::employee(&found, &known.directory, known.now).context("the employee is gone")?;
    let EmployeeView {
        username,
        idle,
        roles,
        actions,
        without_effect,
    } = view;
    let of_roles = roles
        .iter()
        .filter(|_| idle.is_none())
        .filter_map(|held| Some(Idle::of(held.idle.as_ref()?, Some(&held.role), None)));
    let of_actions = without_effect
        .iter()
        .map(|(role, action, why)| Idle::of(why, Some(role), Some(action)));
    let given = actions.iter().map(|(action, because)| Given {
        action: action.to_string(),
        from: because.iter().map(Origin::of).collect(),
        rights: rights(action, known),
    });
    let answer = Answer {
        namespace: known.namespace.to_string(),
        name: found.name.to_string(),
        username: Some(username.to_string()),
        without_effect: of_roles.chain(of_actions).collect(),
        idle: idle.as_ref().map(|why| Idle::of(why, None, None)),
        permissions: given.collect(),
    };
    told(&answer, form)
}

fn role(name: &str, known: &Known, form: Form) -> Result<Outcome> {
    let full = Name::new(known.namespace.clone(), name);
    let view = explain::role(&full, &known.directory, known.now);
    let view = view.with_context(|| format!("tenant `{}` has no role `{name}`", known.namespace))?;
    let RoleView {
        idle,
        actions,
        without_effect,
    } = view;
    let given = actions.iter().map(|(action, by)| Given {
        action: action.to_string(),
        from: vec![Origin {
            role: None,
            implied_by: by.as_ref().map(ToString::to_string),
            unrestricted: false,
        }],
        rights: rights(action, known),
    });
    let answer = Answer {
        namespace: known.namespace.to_string(),
        name: name.to_owned(),
        username: None,
        permissions: given.collect(),
        without_effect: without_effect
            .iter()
            .map(|(action, why)| Idle::of(why, None, Some(action)))
            .collect(),
        idle: idle.as_ref().map(|why| Idle::of(why, None, None)),
    };
    told(&answer, form)
}

fn told(answer: &Answer, form: Form) -> Result<Outcome> {
    if let Some(idle) = &answer.idle {
        super::tell(format_args!(
            "{} gives no right at present: {}",
            answer.name,
            output::shown(&idle.told())
        ));
    }
    output::list(form, answer, tables, |answer| {
        answer.permissions.iter().map(|given| given.action.clone()).collect()
    })?;
    Ok(Outcome::Fine)
}

fn tables(answer: &Answer, wide: bool) -> Vec<Table> {
    let mut headings = vec!["PERMISSION", "FROM"];
    if wide {
        headings.push("RIGHTS");
    }
    let mut given = Table::new(&headings);
    for line in &answer.permissions {
        let from: Vec<String> = line.from.iter().map(|origin| origin.told(&line.action)).collect();
        let mut row = vec![line.action.clone(), from.join("; ")];
        if wide {
            row.push(line.rights.join("; "));
        }
        given.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // Of a role all that is without effect is its own.
    let of_roles = answer.username.is_some();
    let mut idle = if of_roles {
        Table::new(&["WITHOUT EFFECT", "ROLE", "WHY"])
    } else {
        Table::new(&["WITHOUT EFFECT", "WHY"])
    };
    for line in &answer.without_effect {
        let (action, why) = (line.action.as_deref().unwrap_or("all of it"), line.told());
        if of_roles {
            idle.row(&[action, line.role.as_deref().unwrap_or_default(), &why]);
        } else {
            idle.row(&[action, &why]);
        }
    }
    vec![given, idle]
}

/// The answer about one action of a permission.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    action: String,
    implies: Vec<String>,
    requires: Vec<String>,
    unrestricted: bool,
    default_for: Vec<String>,
    sessions: Vec<String>,
    rights: Vec<String>,
}

fn permission(name: &str, known: &Known, form: Form) -> Result<Outcome> {
    let (name, only) = match name.split_once(':') {
        Some((name, action)) => (name, Some(action)),
        None => (name, None),
    };
    let (application, permission) = name.split_once('/').context("name it as APPLICATION/PERMISSION")?;
    let catalog = known.directory.catalog(application);
    let actions = catalog.and_then(|catalog| catalog.permissions.get(permission));
    let Some(actions) = actions else {
        let unknown = access::known(&Action::new(application, permission, ""), &known.directory);
        anyhow::bail!(unknown.err().unwrap_or_default());
    };
    let described = actions.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
    let described: Vec<Described> = described
        .filter_map(|(_, action)| Some((action, known.directory.action(action)?)))
        .map(|(action, entry)| Described {
            action: action.to_string(),
            implies: entry.implies.iter().map(ToString::to_string).collect(),
            requires: entry.requires.iter().map(ToString::to_string).collect(),
            unrestricted: entry.unrestricted,
            default_for: entry.default_for.iter().cloned().collect(),
            sessions: entry.sessions.iter().map(|mode| format!("{mode:?}")).collect(),
            rights: rights(action, known),
        })
        .collect();
    let table = |described: &Vec<Described>, wide: bool| {
        let mut headings = vec!["ACTION", "IMPLIES", "REQUIRES", "DEFAULT FOR"];
        if wide {
            headings.extend(["SESSIONS", "RIGHTS"]);
        }
        let mut table = Table::new(&headings);
        for line in described {
            let free = if line.unrestricted {
                "everybody".to_owned()
            } else {
                line.default_for.join(",")
            };
            let names = |actions: &[String]| {
                let names: Vec<&str> = actions.iter().map(|action| beside(action, &line.action)).collect();
                names.join(",")
            };
            let mut row = vec![
                beside(&line.action, &line.action).to_owned(),
                names(&line.implies),
                names(&line.requires),
                free,
            ];
            if wide {
                row.extend([line.sessions.join(","), line.rights.join("; ")]);
            }
            table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        vec![table]
    };
    output::list(form, &described, table, |described| {
        described.iter().map(|line| line.action.clone()).collect()
    })?;
    Ok(Outcome::Fine)
}
