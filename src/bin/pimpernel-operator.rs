//! The operator: see `pimpernel::operator`.

use clap::Parser;
use pimpernel::operator::{Arguments, main as operate};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    operate(Arguments::parse()).await
}
