//! A shell or a command in a session. It is told of the session by its environment, in which there is no secret.

use super::super::session::Kept;
use super::super::{Outcome, tell};
use super::Interruptions;
use anyhow::{Context as _, Result};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use tokio::signal::unix::{SignalKind, signal};

/// What bash reads at its start. The banner is text of the tenant: it stands in a variable, since what a variable has in it
/// is not read again as a command.
const BASH: &str = r#"[ -r ~/.bashrc ] && . ~/.bashrc
pimpernel_banner() {
  if [ -e "$KUBECONFIG" ]; then printf '%s' "$PIMPERNEL_BANNER"; else printf 'The session has ended: leave this shell.'; fi
}
PS1='$(pimpernel_banner)\n\$ '
"#;

/// Runs a command in the session and tells how it ended.
pub async fn command(kept: &Kept, words: &[OsString], interrupted: &mut Interruptions) -> Result<Outcome> {
    let (program, arguments) = words.split_first().context("there is no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let ended = run(kept, command, interrupted).await;
    let ended = ended.with_context(|| format!("cannot run `{}`", program.display()))?;
    Ok(Outcome::Ended(code(ended)))
}

/// Opens a shell in the session. The session stays open when it ends.
pub async fn shell(kept: &Kept, interrupted: &mut Interruptions) -> Result<Outcome> {
    let shell = env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let shell = shell.unwrap_or_else(|| "/bin/sh".into());
    let mut command = Command::new(&shell);
    match Path::new(&shell).file_name().and_then(OsStr::to_str) {
        Some("bash") => {
            command.arg("--rcfile").arg(kept.write_file("bashrc", BASH)?).arg("-i");
        }
        Some("sh" | "ash" | "dash" | "ksh") => {
            command.env("PS1", "${PIMPERNEL_BANNER}\n$ ");
        }
        // Whatever else there is has a prompt of its own way; the banner was shown, and is in the environment.
        _ => {}
    }
    let ended = run(kept, command, interrupted).await;
    ended.with_context(|| format!("cannot run the shell `{}`", shell.display()))?;
    if kept.kubeconfig().exists() {
        let end = &kept.noted.expiration_time.0;
        tell(format_args!(
            "the session stays open until {end}; to end it now: `kubectl pimpernel stop {} -n {}`",
            kept.noted.name, kept.noted.namespace
        ));
    }
    Ok(Outcome::Fine)
}

/// What is typed at the keyboard is the command's own affair; whoever asks this program to end means the command too.
async fn run(kept: &Kept, mut command: Command, interrupted: &mut Interruptions) -> Result<ExitStatus> {
    command
        .env("KUBECONFIG", kept.kubeconfig())
        .env("PIMPERNEL_BANNER", &kept.noted.banner);
    // From now on no end of a child is missed.
    let mut children = signal(SignalKind::child())?;
    let mut child = command.spawn()?;
    loop {
        if let Some(ended) = child.try_wait()? {
            return Ok(ended);
        }
        tokio::select! {
            _ = children.recv() => (),
            () = interrupted.not_typed() => child.kill()?,
        }
    }
}

/// As a shell would tell it.
fn code(ended: ExitStatus) -> u8 {
    let code = ended.code().or_else(|| Some(128 + ended.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
