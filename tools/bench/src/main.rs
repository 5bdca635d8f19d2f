//! `make bench`: what the operator costs, beside what the same work costs at least. All in one run on one machine, since
//! only figures of one run can be compared. Nothing is asserted; the table says what is over its goal.

mod arrival;
mod change;
mod cluster;
mod endings;
mod explain;
mod fleet;
mod floor;
mod history;
mod ready;
mod table;
mod webhook;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use cluster::Cluster;
use fleet::Fleet;
use table::Table;

/// Measures what the operator costs, and prints one table.
#[derive(Parser)]
struct Args {
    /// The operator to measure.
    #[arg(long, default_value = "target/release/pimpernel-operator")]
    operator: PathBuf,
    /// How many employees there are, over a hundredth as many tenants.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    employees: u32,
    /// How many sessions there are, of which half end at once.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    sessions: u32,
    /// What to measure, instead of everything.
    #[arg(long)]
    only: Option<Part>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A start, an arrival and changes.
    Employees,
    /// Many sessions that end at once.
    Endings,
    /// What one of the employees may do, if all are in one tenant.
    Explain,
    /// Reading what is on record.
    History,
    /// The review of one more employee.
    Webhook,
}

#[tokio::main]
async fn main() -> Result<()> {
    // The first to come here decides for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let mut table = Table::new(match args.only {
        Some(Part::Employees | Part::Explain | Part::Webhook) => format!("{} employees", args.employees),
        Some(Part::Endings) => format!("{} sessions", args.sessions),
        Some(Part::History) => "what is on record of one role".to_owned(),
        None => format!("{} employees, and then {} sessions", args.employees, args.sessions),
    });
    let measured = |part| args.only.is_none_or(|only| only == part);
    if measured(Part::Explain) {
        eprintln!("an explanation, in this process");
        explain::measure(args.employees, &mut table)?;
    }
    if measured(Part::Webhook) {
        eprintln!("the webhook, in this process");
        webhook::measure(args.employees, &mut table).await?;
    }
    if measured(Part::Employees) {
        employees(&args, &mut table).await?;
    }
    if measured(Part::Endings) {
        endings::measure(&args.operator, args.sessions, &mut table).await?;
    }
    if measured(Part::History) {
        history::measure(&args.operator, &mut table).await?;
    }
    table.print();
    Ok(())
}

async fn employees(args: &Args, table: &mut Table) -> Result<()> {
    let mut cluster = Cluster::start(&args.operator).await?;
    eprintln!("an empty cluster");
    ready::measure(&mut cluster, table)?;
    let fleet = Fleet::new("fleet", args.employees);
    eprintln!("{} employees arrive", args.employees);
    let arrived = arrival::measure(&cluster, &fleet, table).await?;
    eprintln!("one change at a time");
    change::measure(&cluster, &fleet, table).await?;
    eprintln!("the same writes by a bare client");
    cluster.without_operator().await?;
    let bare = floor::measure(&cluster, args.employees, &arrived).await?;
    arrived.tell(bare, table);
    Ok(())
}
