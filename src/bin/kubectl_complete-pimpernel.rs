//! What kubectl asks for candidates when somebody types `kubectl pimpernel …`: it hands the question to the plugin, which
//! kubectl has found on the PATH as it found this.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let mut plugin = Command::new("kubectl-pimpernel");
    plugin
        .args(["--", "pimpernel"])
        .args(words)
        .env("PIMPERNEL_COMPLETE", "kubectl");
    // It comes back only if the plugin is not there.
    let error = plugin.exec();
    eprintln!("kubectl-pimpernel cannot be run: {error}");
    ExitCode::from(2)
}
