//! The command line as a plugin of kubectl, which finds it by this name: see `pimpernel::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pimpernel::cli::main("kubectl pimpernel")
}
