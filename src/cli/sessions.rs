//! `sessions`: those that are open and those that have ended.

use super::cluster::Scope;
use super::impersonate::{Standing, spelled, standing};
use super::output::{self, Form, Table};
use super::{Outcome, now, tell};
use crate::api::Impersonation;
use anyhow::Result;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::ListParams;

/// List the sessions of a tenant, the open ones first.
#[derive(clap::Args)]
pub struct Sessions {
    #[command(flatten)]
    scope: Scope,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

impl Sessions {
    /// Lists them.
    pub async fn run(self) -> Result<Outcome> {
        let (sessions, place) = self.scope.objects::<Impersonation>().await?;
        let mut list = sessions.list(&ListParams::default()).await?;
        list.items.sort_by_key(|session| {
            let over = matches!(standing(session), Standing::Over(_));
            (over, std::cmp::Reverse(session.creation_timestamp()))
        });
        let tenants = self.scope.all_namespaces;
        if list.items.is_empty() {
            self.scope.there_is().await?;
        }
        output::objects(self.output, &list, |list, wide| table(list, (tenants, wide), now()))?;
        if list.items.is_empty() {
            tell(format_args!("there are no sessions {place}"));
        }
        Ok(Outcome::Fine)
    }
}

fn table(sessions: &[Impersonation], (tenants, wide): (bool, bool), now: Timestamp) -> Table {
    let mut headings = vec!["NAME", "MODE", "IMPERSONATOR", "STATE", "LEFT"];
    if tenants {
        headings.insert(0, "TENANT");
    }
    if wide {
        headings.extend(["END", "TICKET", "REASON"]);
    }
    let mut table = Table::new(&headings);
    for session in sessions {
        let status = session.status.clone().unwrap_or_default();
        let active = status.conditions.iter().find(|condition| condition.type_ == "Active");
        let end = status.end_time.as_ref().or(status.expiration_time.as_ref());
        let left = match (standing(session), &status.expiration_time) {
            (Standing::Open, Some(end)) => spelled(end.0.duration_since(now)),
            _ => String::new(),
        };
        let mut row = vec![
            session.name_any(),
            format!("{:?}", session.spec.mode),
            session.spec.impersonator.clone(),
            active.map(|active| active.reason.clone()).unwrap_or_default(),
            left,
        ];
        if tenants {
            row.insert(0, session.namespace().unwrap_or_default());
        }
        if wide {
            row.extend([
                end.map(|end| end.0.to_string()).unwrap_or_default(),
                session.spec.ticket.clone().unwrap_or_default(),
                session.spec.reason.clone(),
            ]);
        }
        table.row(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}
