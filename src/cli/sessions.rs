//! `sessions`: those that are open and those that have ended.

use super::cluster::Flags;
use super::impersonate::{Standing, spelled, standing};
use super::output::{self, Form, Table};
use super::{Outcome, now};
use crate::api::Impersonation;
use anyhow::Result;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use kube::core::ObjectList;
use std::io::Write as _;

/// List the sessions of a tenant, the open ones first.
///
/// Exit codes: 0 they are listed, 1 the cluster does not show them to you, 2 the command could not be run.
#[derive(clap::Args)]
pub struct Sessions {
    #[command(flatten)]
    flags: Flags,
    /// Those of all tenants, if you may list them.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

impl Sessions {
    /// Lists them.
    pub async fn run(self) -> Result<Outcome> {
        let cluster = self.flags.connect().await?;
        let sessions: Api<Impersonation> = if self.all_namespaces {
            Api::all(cluster.client)
        } else {
            Api::namespaced(cluster.client, &cluster.namespace)
        };
        let mut list = sessions.list(&ListParams::default()).await?;
        list.items.sort_by_key(|session| {
            let over = matches!(standing(session), Standing::Over(_));
            (over, std::cmp::Reverse(session.creation_timestamp()))
        });
        match self.output {
            Form::Table | Form::Wide => {
                let wide = self.output == Form::Wide;
                output::write(output::Format::Table, &list, |list| table(list, wide, now()))?;
                if list.items.is_empty() {
                    super::tell("there are no sessions");
                }
            }
            Form::Json => output::write(output::Format::Json, &list, |_| Table::new(&[]))?,
            Form::Yaml => output::write(output::Format::Yaml, &list, |_| Table::new(&[]))?,
            Form::Name => {
                let mut stdout = anstream::stdout().lock();
                for session in &list.items {
                    writeln!(stdout, "impersonation.pimpernel.dev/{}", session.name_any())?;
                }
            }
        }
        Ok(Outcome::Fine)
    }
}

fn table(list: &ObjectList<Impersonation>, wide: bool, now: Timestamp) -> Table {
    let mut headings = vec!["TENANT", "NAME", "MODE", "IMPERSONATOR", "STATE", "LEFT", "END"];
    if wide {
        headings.extend(["TICKET", "REASON"]);
    }
    let mut table = Table::new(&headings);
    for session in &list.items {
        let status = session.status.clone().unwrap_or_default();
        let active = status.conditions.iter().find(|condition| condition.type_ == "Active");
        let end = status.end_time.as_ref().or(status.expiration_time.as_ref());
        let left = match (standing(session), &status.expiration_time) {
            (Standing::Open, Some(end)) => spelled(end.0.duration_since(now)),
            _ => String::new(),
        };
        let mut row = vec![
            session.namespace().unwrap_or_default(),
            session.name_any(),
            format!("{:?}", session.spec.mode),
            session.spec.impersonator.clone(),
            active.map(|active| active.reason.clone()).unwrap_or_default(),
            left,
            end.map(|end| end.0.to_string()).unwrap_or_default(),
        ];
        if wide {
            row.extend([
                session.spec.ticket.clone().unwrap_or_default(),
                session.spec.reason.clone(),
            ]);
        }
        table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}
