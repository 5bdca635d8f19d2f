//! `make bench`: what the operator costs, beside what the same work costs at least. All in one run on one machine, since
//! only figures of one run can be compared. Nothing is asserted; the table says what is over its goal.

mod arrival;
mod change;
mod cluster;
mod fleet;
mod floor;
mod ready;
mod table;
mod webhook;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

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
}

#[tokio::main]
async fn main() -> Result<()> {
    // The first to come here decides for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let mut table = Table::new(args.employees);
    eprintln!("the webhook, in this process");
    webhook::measure(args.employees, &mut table).await?;
    let mut cluster = Cluster::start(&args.operator).await?;
    eprintln!("an empty cluster");
    ready::measure(&mut cluster, &mut table)?;
    let fleet = Fleet::new("fleet", args.employees);
    eprintln!("{} employees arrive", args.employees);
    let arrived = arrival::measure(&cluster, &fleet, &mut table).await?;
    eprintln!("one change at a time");
    change::measure(&cluster, &fleet, &mut table).await?;
    eprintln!("the same writes by a bare client");
    cluster.without_operator().await?;
    let bare = floor::measure(&cluster, args.employees, &arrived).await?;
    arrived.tell(bare, &mut table);
    table.print();
    Ok(())
}
