//! `tenants`: those there are, and how they stand.

use super::cluster::Access;
use super::completion::Named;
use super::output::{self, Form, Table};
use super::{Outcome, tell};
use crate::api::Tenant;
use anyhow::Result;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

/// List tenants, if you may list them all.
#[derive(clap::Args)]
pub struct Tenants {
    /// Those directly below that one.
    #[arg(long, value_name = "TENANT", add = Named::Tenant)]
    child_of: Option<String>,
    #[command(flatten)]
    access: Access,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

impl Tenants {
    /// Lists them.
    pub async fn run(self) -> Result<Outcome> {
        let cluster = self.access.connect().await?;
        let tenants: Api<Tenant> = Api::all(cluster.client.clone());
        let which = match &self.child_of {
            Some(parent) => ListParams::default().fields(&format!("spec.parent={parent}")),
            None => ListParams::default(),
        };
        let list = tenants.list(&which).await?;
        if let Some(parent) = self.child_of.as_ref().filter(|_| list.items.is_empty()) {
            cluster.there_is(parent).await?;
        }
        output::objects(self.output, &list, table)?;
        if list.items.is_empty() {
            tell("there are no such tenants");
        }
        Ok(Outcome::Fine)
    }
}

fn table(tenants: &[Tenant], wide: bool) -> Table {
    let mut headings = vec!["NAME", "DISPLAY NAME", "PARENT", "STATE", "READY"];
    if wide {
        headings.extend(["TYPE", "APPLICATIONS"]);
    }
    let mut table = Table::new(&headings);
    for tenant in tenants {
        let status = tenant.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let mut row = vec![
            tenant.name_any(),
            tenant.spec.display_name.clone(),
            tenant.spec.parent.clone().unwrap_or_default(),
            format!("{:?}", tenant.spec.state),
            ready.map(|ready| format!("{:?}", ready.status)).unwrap_or_default(),
        ];
        if wide {
            row.extend([format!("{:?}", tenant.spec.type_), tenant.spec.applications.join(",")]);
        }
        table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}
