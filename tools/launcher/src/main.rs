//! The command line of the launcher.

use std::io::{Write, stdout};

use anyhow::Result;
use pimpernel_launcher::Assets;

fn main() -> Result<()> {
    writeln!(stdout(), "{}", Assets::find_or_build()?.folder().display())?;
    Ok(())
}
