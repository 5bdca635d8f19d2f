//! The command line under its own name: see `pimpernel::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pimpernel::cli::main("pimpernel")
}
