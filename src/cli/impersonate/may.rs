//! `impersonate --list`: which tenants one may enter in which mode, and why not the others. The cluster itself is asked, by
//! requests that it does not carry out; so what is said here is what it says to the real request.

use super::super::Outcome;
use super::super::cluster::{self, Cluster};
use super::super::output::{self, Format, Table};
use super::request::{is_banner, request};
use crate::api::{Duration, Impersonation, Mode, Tenant};
use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde::Serialize;

/// The reason that is given in a request that is not carried out.
const REASON: &str = "Nobody enters: this only asks whether one may";
/// The shortest session that there is: whether a longer one is allowed is another question.
const SHORTEST: &str = "15m";

/// Whether somebody may enter a tenant in a mode.
#[derive(Serialize)]
struct Answer {
    tenant: String,
    mode: Mode,
    allowed: bool,
    /// Why not, or what there is to know beforehand.
    messages: Vec<String>,
}

/// Asks for the named tenants, or for all that there are.
pub async fn list(cluster: &Cluster, tenants: Vec<String>, form: Format) -> Result<Outcome> {
    let user = cluster.user().await?;
    let tenants = if tenants.is_empty() {
        all(cluster).await?
    } else {
        tenants
    };
    let mut answers = vec![];
    for tenant in tenants {
        for mode in [Mode::Configure, Mode::Support] {
            answers.push(ask(cluster, &user, &tenant, mode).await?);
        }
    }
    output::write(form, &answers, table)?;
    Ok(Outcome::Fine)
}

async fn all(cluster: &Cluster) -> Result<Vec<String>> {
    let tenants: Api<Tenant> = Api::all(cluster.client.clone());
    let list = tenants.list(&ListParams::default()).await;
    let list = list.context("you may not list all tenants: name those you mean, as in `impersonate --list TENANT`")?;
    Ok(list.items.iter().map(Tenant::name_any).collect())
}

async fn ask(cluster: &Cluster, user: &str, tenant: &str, mode: Mode) -> Result<Answer> {
    let mut request = request(user, tenant, mode, REASON);
    request.spec.duration = Some(Duration::new(SHORTEST));
    let (allowed, messages) = match cluster.create::<Impersonation>(&request, true).await {
        Ok((_, warnings)) => (
            true,
            warnings.into_iter().filter(|warning| !is_banner(warning)).collect(),
        ),
        Err(error) => match cluster::refusal(&error) {
            Some(status) => (false, vec![cluster::said(status).to_owned()]),
            None => return Err(error),
        },
    };
    Ok(Answer {
        tenant: tenant.to_owned(),
        mode,
        allowed,
        messages,
    })
}

fn table(answers: &Vec<Answer>) -> Table {
    let mut table = Table::new(&["TENANT", "MODE", "ALLOWED", "MESSAGE"]);
    for answer in answers {
        let (mode, message) = (format!("{:?}", answer.mode), answer.messages.join("; "));
        let allowed = if answer.allowed { "Yes" } else { "No" };
        table.row(&[answer.tenant.as_str(), &mode, allowed, &message]);
    }
    table
}
