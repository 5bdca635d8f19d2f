//! Waiting for a session, and commands and shells in one.

use super::{BANNER, Person, Said};
use crate::common::World;
use crate::common::cast::{CHAUVELIN, DEWHURST, MARGUERITE, Stage};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_in_a_session_that_ends_with_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let dewhurst = Person::new(&stage.world, DEWHURST)?;
    let enter = "pimpernel impersonate lsp-paris --mode Configure --reason Sets_the_branding_profile --exec --";
    let said = dewhurst.runs(&format!(
        "{enter} kubectl patch tenant.pimpernel.dev/lsp-paris --type merge -p {{\"spec\":{{\"brandingProfile\":\"scarlet\"}}}}"
    ))?;
    ensure!(
        said.code == 0 && said.stdout.contains("patched"),
        "{} {}",
        said.stdout,
        said.stderr
    );
    ensure!(
        said.stderr.contains(BANNER) && said.stderr.contains("is over"),
        "{}",
        said.stderr
    );
    ensure!(dewhurst.files()?.is_empty());
    let said = dewhurst.runs(&format!("{enter} sh -c exit_7"))?;
    ensure!(said.code == 7, "{}: {}", said.code, said.stderr);
    let said = dewhurst.runs(&format!("{enter} no-such-command"))?;
    ensure!(
        said.code == 2 && said.stderr.contains("cannot run `no-such-command`"),
        "{}",
        said.stderr
    );
    ensure!(said.stderr.contains("is over"), "the session went on: {}", said.stderr);
    ensure!(dewhurst.files()?.is_empty());

    // What a process shows to others of the machine: its arguments. Its environment is its owner's alone.
    let arguments = "tr '\\0' '\\n' < /proc/$PPID/cmdline; tr '\\0' '\\n' < /proc/$$/environ; cat $KUBECONFIG >&2";
    let enter = "pimpernel impersonate lsp-paris --mode Support --exec --reason";
    let words = enter
        .split(' ')
        .chain(["Who can see the token", "--", "sh", "-c", arguments]);
    let output = dewhurst
        .kubectl(&dewhurst.kubeconfig, &words.collect::<Vec<_>>())
        .output()?;
    let said = Said::of(output)?;
    let kept = said
        .stderr
        .split("\"token\": \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let token = kept.with_context(|| format!("no token in {}", said.stderr))?;
    ensure!(
        token.starts_with("eyJ") && !said.stdout.contains(token),
        "the token is in arguments or environment"
    );
    ensure!(said.stdout.contains("PIMPERNEL_BANNER="), "{}", said.stdout);
    Ok(())
}

/// A program that still runs, and what it has said on stderr.
pub fn begun(mut command: Command, until: &str) -> Result<(Child, String)> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().context("stderr")?;
    let mut said = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        said.push_str(&line);
        said.push('\n');
        if line.contains(until) {
            return Ok((child, said));
        }
    }
    let status = child.wait()?;
    anyhow::bail!("it ended with {status} before it said `{until}`: {said}")
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_it_waits_stops_the_request() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    stage
        .given(
            "Tenant lsp-paris/lsp-paris",
            "{displayName: LSP Paris, type: Customer, parent: lsp, state: Active, applications: [acd], defaultRoles: None, impersonation: {maxDuration: 4h, approval: Required}}",
        )
        .await?;
    let marguerite = Person::new(&stage.world, MARGUERITE)?;
    let words = [
        "pimpernel",
        "impersonate",
        "lsp-paris",
        "--mode",
        "Support",
        "--reason",
        "Waits for a word of theirs",
    ];
    let (mut child, said) = begun(marguerite.kubectl(&marguerite.kubeconfig, &words), "waiting: ")?;
    let name = said
        .split("asked for session lsp-paris/")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let name = name.with_context(|| said.clone())?;
    // `kubectl` puts the plugin in its own place, so it is the plugin that gets the signal.
    ensure!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()?
            .success()
    );
    ensure!(child.wait()?.code() == Some(1));
    let which = format!("Impersonation lsp-paris/{name}");
    let session = stage.says(&which, "Active", "False", "Stopped").await?;
    ensure!(session["spec"]["stop"] == true, "{session}");
    ensure!(marguerite.files()?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_the_banner_is_in_the_prompt_of_the_shell_and_is_no_command() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    stage
        .given(
            "Tenant lsp-paris/lsp-paris",
            "{displayName: '$(touch ~/owned)`touch ~/owned`\\w', type: Customer, parent: lsp, state: Active, applications: [acd], defaultRoles: None}",
        )
        .await?;
    let dewhurst = Person::new(&stage.world, DEWHURST)?;
    let words = [
        "pimpernel",
        "impersonate",
        "lsp-paris",
        "--mode",
        "Support",
        "--reason",
        "Looks at the prompt",
        "--shell",
    ];
    let mut command = dewhurst.kubectl(&dewhurst.kubeconfig, &words);
    let mut child = command
        .env("HOME", &dewhurst.runtime)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("stdin")?;
    std::io::Write::write_all(&mut stdin, b"kubectl get employees\nkubectl pimpernel stop\nexit\n")?;
    drop(stdin);
    let said = Said::of(child.wait_with_output()?)?;
    ensure!(said.code == 0, "{}", said.stderr);
    let banner = "on tenant [$(touch ~/owned)`touch ~/owned`\\w]\n$ ";
    // The sign at the end tells who is root.
    let prompts = said.stderr.replace('\r', "").replace("\n# ", "\n$ ");
    ensure!(prompts.contains(banner), "{prompts}");
    ensure!(
        !dewhurst.runtime.join("owned").exists(),
        "the tenant's name was run as a command"
    );
    ensure!(
        said.stdout.contains(CHAUVELIN) && said.stderr.contains("The session has ended"),
        "{} {}",
        said.stdout,
        said.stderr
    );
    ensure!(dewhurst.files()?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_asked_for_and_entered_later_and_again() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let dewhurst = Person::new(&stage.world, DEWHURST)?;
    let said =
        dewhurst.runs("pimpernel impersonate lsp-paris --mode Support --reason Comes_back_to_it_later --no-wait")?;
    ensure!(said.code == 0 && dewhurst.files()?.is_empty(), "{}", said.stderr);
    let name = said.stdout.trim().to_owned();
    stage
        .says(&format!("Impersonation lsp-paris/{name}"), "Active", "True", "Open")
        .await?;
    let resume = format!("pimpernel impersonate lsp-paris --resume {name}");
    for _ in 0..2 {
        let said = dewhurst.runs(&resume)?;
        ensure!(said.code == 0 && said.stderr.contains(BANNER), "{}", said.stderr);
        ensure!(dewhurst.files()?.len() == 1);
    }
    let files = dewhurst.files()?;
    // Whoever asks the program to end means the command in it too, and the session ends.
    let words = [
        &resume.split(' ').collect::<Vec<_>>()[..],
        &["--exec", "--", "sh", "-c", "echo up >&2; exec sleep 600"],
    ]
    .concat();
    let (mut child, _) = begun(dewhurst.kubectl(&dewhurst.kubeconfig, &words), "up")?;
    ensure!(
        Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()?
            .success()
    );
    ensure!(child.wait()?.code() == Some(128 + 9));
    stage
        .says(&format!("Impersonation lsp-paris/{name}"), "Active", "False", "Stopped")
        .await?;
    ensure!(!files[0].exists() && dewhurst.files()?.is_empty());
    let said = dewhurst.runs(&resume)?;
    ensure!(
        said.code == 1 && said.stderr.contains("it has ended: Stopped"),
        "{}",
        said.stderr
    );
    let nobody = dewhurst.runs("pimpernel impersonate lsp-paris --resume nobody")?;
    ensure!(
        nobody.code == 2 && nobody.stderr.contains("\"nobody\" not found"),
        "{}",
        nobody.stderr
    );
    Ok(())
}
