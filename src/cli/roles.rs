//! `roles`: listing, who holds one, copying, setting back, assigning. What writes can print what it would write instead.

use super::ask;
use super::cluster::{Cluster, Flags, Scope};
use super::completion::Named;
use super::output::{self, Form, Table, shown};
use super::write::Writing;
use super::{Outcome, tell};
use crate::api::{Employee, EmployeeState, LifecycleState, Role};
use crate::policy::name::Folded;
use crate::policy::{access, default_roles, employee, role};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Subcommand, ValueEnum};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use kube::core::ObjectMeta;
use serde::Serialize;
use std::collections::BTreeSet;

/// Look after the roles of a tenant.
#[derive(clap::Args)]
pub struct Roles {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List roles.
    List(List),
    /// List whose primary role it is, whatever their state.
    Holders(Holders),
    /// Make a role with the permissions and the description of another one: Draft, without holders.
    Copy(Copy),
    /// Give a role the permissions that an out-of-the-box role has from the factory.
    Reset(Reset),
    /// Make it the primary role of employees.
    Assign(Assign),
}

#[derive(clap::Args)]
struct List {
    /// Those whose name, name for people or description has this in it, whatever its case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those in that state.
    #[arg(long, value_enum, ignore_case = true)]
    state: Option<State>,
    #[command(flatten)]
    scope: Scope,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// A state of a role.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Draft,
    Active,
    Inactive,
}

#[derive(clap::Args)]
struct Holders {
    /// The role.
    #[arg(value_name = "NAME", add = Named::Role)]
    name: String,
    /// Also those who hold it as a secondary role.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    flags: Flags,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(clap::Args)]
struct Copy {
    /// The role to copy.
    #[arg(value_name = "FROM", add = Named::Role)]
    from: String,
    /// The new role.
    #[arg(value_name = "NEW")]
    new: String,
    /// Its name for people.
    #[arg(long, value_name = "TEXT")]
    display_name: String,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Args)]
struct Reset {
    /// The role to set back.
    #[arg(value_name = "NAME", add = Named::Role)]
    name: String,
    /// The out-of-the-box role, such as `agent`.
    #[arg(long, value_name = "ROLE", add = Named::OutOfTheBox)]
    to: String,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Args)]
struct Assign {
    /// The role. It must be Active.
    #[arg(value_name = "NAME", add = Named::Role)]
    name: String,
    /// The employees, by user name or by name.
    #[arg(value_name = "USER", required = true, add = Named::Employee)]
    users: Vec<String>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    flags: Flags,
}

impl Roles {
    /// Does it.
    pub async fn run(self) -> Result<Outcome> {
        match self.verb {
            Verb::List(list) => list.run().await,
            Verb::Holders(holders) => holders.run().await,
            Verb::Copy(copy) => copy.run().await,
            Verb::Reset(reset) => reset.run().await,
            Verb::Assign(assign) => assign.run().await,
        }
    }
}

impl List {
    fn wanted(&self, role: &Role) -> bool {
        let state = |state| match state {
            State::Draft => LifecycleState::Draft,
            State::Active => LifecycleState::Active,
            State::Inactive => LifecycleState::Inactive,
        };
        let found = |text: &String| {
            let text = Folded::new(text);
            let within = |own: &str| Folded::new(own).as_str().contains(text.as_str());
            let description = role.spec.description.as_deref().unwrap_or_default();
            within(&role.name_any()) || within(&role.spec.display_name) || within(description)
        };
        self.state.is_none_or(|wanted| role.spec.state == state(wanted)) && self.search.as_ref().is_none_or(found)
    }

    async fn run(self) -> Result<Outcome> {
        let (roles, place) = self.scope.objects::<Role>().await?;
        let mut list = roles.list(&ListParams::default()).await?;
        list.items.retain(|role| self.wanted(role));
        let tenants = self.scope.all_namespaces;
        if list.items.is_empty() {
            self.scope.there_is().await?;
        }
        output::objects(self.output, &list, |list, wide| table(list, tenants, wide))?;
        if list.items.is_empty() {
            tell(format_args!("there are no such roles {place}"));
        }
        Ok(Outcome::Fine)
    }
}

fn table(roles: &[Role], tenants: bool, wide: bool) -> Table {
    let mut headings = vec!["NAME", "DISPLAY NAME", "STATE", "ASSIGNED", "READY"];
    if tenants {
        headings.insert(0, "TENANT");
    }
    if wide {
        headings.extend(["INACTIVE", "DESCRIPTION"]);
    }
    let mut table = Table::new(&headings);
    for role in roles {
        let status = role.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let assigned = status.assigned_users;
        let count = |count: Option<i64>| count.map(|count| count.to_string()).unwrap_or_default();
        let mut row = vec![
            role.name_any(),
            role.spec.display_name.clone(),
            format!("{:?}", role.spec.state),
            count(assigned.as_ref().map(|assigned| assigned.active)),
            ready.map(|ready| format!("{:?}", ready.status)).unwrap_or_default(),
        ];
        if tenants {
            row.insert(0, role.namespace().unwrap_or_default());
        }
        if wide {
            row.push(count(assigned.as_ref().map(|assigned| assigned.inactive)));
            row.push(role.spec.description.clone().unwrap_or_default());
        }
        table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}

/// Somebody who holds a role.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    employee: String,
    username: String,
    state: EmployeeState,
    primary: bool,
}

impl Holders {
    async fn run(self) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let employees: Api<Employee> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let selector = format!("spec.primaryRole={}", self.name);
        let which = if self.all {
            ListParams::default()
        } else {
            ListParams::default().fields(&selector)
        };
        let list = employees.list(&which).await?;
        let holds = |employee: &&Employee| {
            let secondary = employee.spec.secondary_roles.iter().any(|role| role.name == self.name);
            employee.spec.primary_role == self.name || self.all && secondary
        };
        let holders: Vec<Holder> = list
            .iter()
            .filter(holds)
            .map(|employee| Holder {
                employee: employee.name_any(),
                username: employee.spec.username.clone(),
                state: employee.spec.state,
                primary: employee.spec.primary_role == self.name,
            })
            .collect();
        let table = |holders: &Vec<Holder>, _| {
            let mut table = Table::new(&["EMPLOYEE", "USER", "STATE", "AS"]);
            for holder in holders {
                let kind = if holder.primary { "Primary" } else { "Secondary" };
                table.row(&[&holder.employee, &holder.username, &format!("{:?}", holder.state), kind]);
            }
            vec![table]
        };
        let names = |holders: &Vec<Holder>| {
            holders
                .iter()
                .map(|holder| format!("employee.pimpernel.dev/{}", holder.employee))
                .collect()
        };
        if holders.is_empty() {
            stored(&cluster, &self.name).await?;
        }
        output::list(self.output, &holders, table, names)?;
        if holders.is_empty() {
            tell(format_args!("nobody holds role `{}`", shown(&self.name)));
        }
        Ok(Outcome::Fine)
    }
}

impl Copy {
    async fn run(self) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let from = stored(&cluster, &self.from).await?;
        let metadata = ObjectMeta {
            name: Some(self.new.clone()),
            namespace: Some(cluster.namespace.clone()),
            ..ObjectMeta::default()
        };
        let copy = Role {
            metadata,
            spec: role::copied(&from.spec, &self.display_name),
            status: None,
        };
        self.writing.create(&cluster, copy).await
    }
}

async fn stored(cluster: &Cluster, name: &str) -> Result<Role> {
    let roles: Api<Role> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let found = roles.get_opt(name).await;
    let found = found.with_context(|| format!("role `{name}` cannot be read"))?;
    if let Some(role) = found {
        return Ok(role);
    }
    cluster.there_is(&cluster.namespace).await?;
    let all = roles.list_metadata(&ListParams::default()).await;
    let all: Vec<String> = all.iter().flatten().map(kube::ResourceExt::name_any).collect();
    let tenant = &cluster.namespace;
    Err(match access::nearest(name, all.iter().map(String::as_str)) {
        Some(nearest) => anyhow!("tenant `{tenant}` has no role `{name}`: did you mean `{nearest}`?"),
        None => anyhow!(
            "tenant `{tenant}` has no role `{name}`: name one of those that `kubectl pimpernel roles list -n {tenant}` lists"
        ),
    })
}

impl Reset {
    async fn run(self) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let role = stored(&cluster, &self.name).await?;
        let known = ask::of_cluster(&cluster, false).await?;
        let tenant = known.directory.tenant(&known.namespace);
        let tenant = tenant.with_context(|| format!("there is no tenant `{}`", known.namespace))?;
        let Some(factory) = default_roles::from_factory(&self.to, tenant, &known.directory) else {
            bail!(
                "no application of tenant `{}` brings a role `{}`",
                known.namespace,
                self.to
            );
        };
        let lines = |role: &crate::api::RoleSpec| -> BTreeSet<String> {
            let line = |grant: &crate::api::Grant| {
                let switch = ["use".to_owned()];
                let actions = if grant.actions.is_empty() {
                    switch.to_vec()
                } else {
                    grant.actions.clone()
                };
                let id = |action| format!("{}/{}:{action}", grant.application, grant.permission);
                actions.into_iter().map(id).collect::<Vec<_>>()
            };
            role.permissions.iter().flat_map(line).collect()
        };
        let (before, after) = (lines(&role.spec), lines(&factory));
        for action in before
            .union(&after)
            .filter(|action| before.contains(*action) != after.contains(*action))
        {
            tell(format_args!(
                "{} {}",
                if after.contains(action) { '+' } else { '-' },
                shown(action)
            ));
        }
        if before == after {
            tell(format_args!("role `{}` has these permissions already", self.name));
        }
        let mut spec = role.spec.clone();
        // The same in another order is the same.
        if before != after {
            spec.permissions = factory.permissions;
        }
        self.writing
            .update(&cluster, &role, Role { spec, ..role.clone() })
            .await
    }
}

impl Assign {
    async fn run(self) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let role = stored(&cluster, &self.name).await?;
        if role.spec.state != LifecycleState::Active {
            super::complain(&anyhow!(
                "role `{}` is `{:?}`, and only an Active role is assigned: activate it first",
                self.name,
                role.spec.state
            ));
            return Ok(Outcome::Refused);
        }
        let employees: Api<Employee> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let list = employees
            .list(&ListParams::default())
            .await
            .context("the employees cannot be read")?;
        let mut found = vec![];
        for user in &self.users {
            let is = |employee: &&Employee| {
                Folded::new(&employee.spec.username) == Folded::new(user) || employee.name_any() == *user
            };
            let employee = list.iter().find(is);
            found.push(employee.with_context(|| {
                format!(
                    "tenant `{}` has no employee `{user}`: nobody was assigned",
                    cluster.namespace
                )
            })?);
        }
        let mut outcome = Outcome::Fine;
        for stored in found {
            let spec = employee::assigned(&stored.spec, &self.name);
            let employee = Employee { spec, ..stored.clone() };
            if self.writing.update(&cluster, stored, employee).await? != Outcome::Fine {
                outcome = Outcome::Refused;
            }
        }
        Ok(outcome)
    }
}
