//! The plugin as people run it: `kubectl pimpernel`, with certificates of their own.

use crate::common::World;
use crate::common::cast::{CHAUVELIN, DEWHURST, FFOULKES, MARGUERITE, STRANGER, Stage};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "plugin/agreement.rs"]
mod agreement;
#[path = "plugin/backup.rs"]
mod backup;
#[path = "plugin/consent.rs"]
mod consent;
#[path = "plugin/conventions.rs"]
mod conventions;
#[path = "plugin/history.rs"]
mod history;
#[path = "plugin/inside.rs"]
mod inside;
#[path = "plugin/purge.rs"]
mod purge;
#[path = "plugin/questions.rs"]
mod questions;

/// A person at a terminal of their own: a kubeconfig, and a place for files.
struct Person<'a> {
    world: &'a World,
    kubeconfig: PathBuf,
    /// Where files of sessions go.
    runtime: PathBuf,
}

/// What a command said.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

/// That a command ended with this code and said these words, wherever the lines break.
fn said(said: &Said, code: i32, words: &[&str]) -> Result<()> {
    let all = format!("{}{}", said.stdout, said.stderr);
    let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(said.code == code, "code {}: {all}", said.code);
    for word in words {
        ensure!(flat.contains(word), "no `{word}` in\n{all}");
    }
    Ok(())
}

impl<'a> Person<'a> {
    fn new(world: &'a World, user: &str) -> Result<Self> {
        let kubeconfig = world.plane().user(user, &[])?;
        let runtime = world.plane().dir().join(format!("runtime-{user}"));
        fs::create_dir_all(&runtime)?;
        Ok(Self {
            world,
            kubeconfig,
            runtime,
        })
    }

    /// `kubectl` with those words, with the plugin on the PATH.
    fn kubectl(&self, kubeconfig: &Path, words: &[&str]) -> Command {
        let mut command = self.world.plane().kubectl(kubeconfig);
        let beside = Path::new(env!("CARGO_BIN_EXE_kubectl-pimpernel"))
            .parent()
            .expect("a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(beside.to_owned()).chain(std::env::split_paths(&path));
        command
            .args(words)
            .env("PATH", std::env::join_paths(path).expect("a PATH"))
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .env("SHELL", "/bin/bash")
            .stdin(Stdio::null());
        command
    }

    fn runs(&self, words: &str) -> Result<Said> {
        self.runs_with(&self.kubeconfig, words)
    }

    /// The same with another kubeconfig. Words are parted by blanks; `_` stands for a blank within one.
    fn runs_with(&self, kubeconfig: &Path, words: &str) -> Result<Said> {
        Said::of(self.command(kubeconfig, words).output()?)
    }

    fn command(&self, kubeconfig: &Path, words: &str) -> Command {
        let words: Vec<String> = words.split(' ').map(|word| word.replace('_', " ")).collect();
        self.kubectl(kubeconfig, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What `impersonate … -o json` says of a session that it opened.
    fn enters(&self, words: &str) -> Result<Value> {
        let said = self.runs(&format!(
            "pimpernel impersonate {words} --reason He_cannot_save_his_skill -o json"
        ))?;
        ensure!(said.code == 0, "{}", said.stderr);
        Ok(serde_json::from_str(&said.stdout)?)
    }

    /// The files that are kept of sessions.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = vec![];
        let place = self.runtime.join("pimpernel");
        for folder in fs::read_dir(place).into_iter().flatten() {
            for file in fs::read_dir(folder?.path())? {
                files.push(file?.path());
            }
        }
        Ok(files)
    }
}

impl Said {
    fn of(output: Output) -> Result<Self> {
        Ok(Self {
            code: output.status.code().context("ended by a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no {pointer} in {value}"))
}

fn mode_of(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// The token in a kubeconfig.
fn token(kubeconfig: &Path) -> Result<String> {
    let config: Value = serde_json::from_str(&fs::read_to_string(kubeconfig)?)?;
    Ok(text(&config, "/users/0/user/token")?.to_owned())
}

const BANNER: &str = "You are currently impersonating Impersonated Admin on tenant [LSP Paris]";

#[tokio::test(flavor = "multi_thread")]
async fn i9_a_session_is_entered_used_and_stopped_from_inside_and_nothing_is_left_of_it() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let marguerite = Person::new(&stage.world, MARGUERITE)?;
    let own = fs::read(&marguerite.kubeconfig)?;
    let said = marguerite
        .runs("pimpernel impersonate lsp-paris --mode support --reason He_cannot_save_his_skill --for 20m")?;
    ensure!(said.code == 0, "{}", said.stderr);
    ensure!(said.stderr.contains(BANNER), "I6: {}", said.stderr);
    ensure!(said.stderr.contains("admin: Employees"), "I1: {}", said.stderr);
    ensure!(
        said.stderr.contains("ends by itself in 1"),
        "the time that is left: {}",
        said.stderr
    );
    let files = marguerite.files()?;
    let [kubeconfig] = files.as_slice() else {
        anyhow::bail!("one file, not {files:?}")
    };
    ensure!(
        said.stdout == format!("export KUBECONFIG='{}'\n", kubeconfig.display()),
        "{}",
        said.stdout
    );
    ensure!(mode_of(kubeconfig)? == 0o600 && mode_of(kubeconfig.parent().context("folder")?)? == 0o700);
    let token = token(kubeconfig)?;
    ensure!(
        !said.stdout.contains(&token) && !said.stderr.contains(&token),
        "the token was shown"
    );

    // I3, in the words of the rule.
    let again = marguerite.runs("pimpernel impersonate lsp-paris --mode Support --reason Another_call_came_in")?;
    ensure!(again.code == 1 && again.stdout.is_empty(), "{}", again.stdout);
    ensure!(
        again.stderr.contains("has an open session already, `lsp-paris/")
            && again.stderr.contains("stop that one first"),
        "{}",
        again.stderr
    );

    let inside = marguerite.runs_with(kubeconfig, "get employees")?;
    ensure!(
        inside.stdout.contains(CHAUVELIN),
        "the session's namespace is the tenant: {}",
        inside.stderr
    );
    let inside = marguerite.runs_with(kubeconfig, "pimpernel stop")?;
    ensure!(
        inside.code == 0 && inside.stderr.contains("is over: you are yourself again, in context"),
        "{}",
        inside.stderr
    );
    // It was entered with a kubeconfig that the shell had, so that is what the shell gets back.
    ensure!(
        inside.stdout == format!("export KUBECONFIG='{}'\n", marguerite.kubeconfig.display()),
        "{}",
        inside.stdout
    );
    ensure!(marguerite.files()?.is_empty(), "files are left");
    ensure!(
        fs::read(&marguerite.kubeconfig)? == own,
        "her own kubeconfig was changed"
    );
    let after = marguerite.runs("get employees -n lsp-paris")?;
    ensure!(
        after.code == 1 && after.stderr.contains("forbidden"),
        "{}",
        after.stderr
    );

    let listed = marguerite.runs("pimpernel sessions -n lsp-paris -o wide")?;
    ensure!(
        listed.stdout.contains("Stopped") && listed.stdout.contains("He cannot save his skill"),
        "{}",
        listed.stdout
    );
    let names = marguerite.runs("pimpernel sessions -n lsp-paris -o name")?;
    ensure!(names.stdout.starts_with("impersonation.pimpernel.dev/marguerite-") && names.stdout.lines().count() == 1);
    let listed = marguerite.runs("pimpernel sessions -n lsp-paris -o json")?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    ensure!(text(&listed, "/items/0/status/endReason")? == "Stopped", "{listed}");
    let listed = marguerite.runs("pimpernel sessions -n lsp-paris -o yaml")?;
    ensure!(listed.stdout.contains("endReason: Stopped"), "{}", listed.stdout);
    let everywhere = marguerite.runs("pimpernel sessions -A")?;
    ensure!(
        everywhere.code == 1 && everywhere.stderr.contains("at the cluster scope"),
        "{}",
        everywhere.stderr
    );
    let admin = Person::new(&stage.world, "an-administrator")?;
    let everywhere = admin.runs_with(
        stage.world.plane().admin(),
        "pimpernel sessions -A --as marguerite@lsp.example",
    )?;
    ensure!(everywhere.code == 1, "--as is heeded");
    let as_one = "pimpernel sessions -A --as marguerite@lsp.example --as-group system:masters";
    let everywhere = admin.runs_with(stage.world.plane().admin(), as_one)?;
    ensure!(everywhere.code == 0, "--as-group is heeded: {}", everywhere.stderr);
    let everywhere = admin.runs_with(stage.world.plane().admin(), "pimpernel sessions -A")?;
    ensure!(everywhere.stdout.contains("marguerite-"), "{}", everywhere.stderr);
    conventions::are_kept(&admin)?;
    let none = admin.runs_with(stage.world.plane().admin(), "pimpernel sessions -n lsp-calais")?;
    ensure!(
        none.stderr == "there are no sessions in `lsp-calais`\n",
        "{}",
        none.stderr
    );
    let enter = "pimpernel impersonate lsp-paris --mode Support --reason In_her_place --as marguerite@lsp.example";
    let entered = admin.runs_with(stage.world.plane().admin(), enter)?;
    ensure!(
        entered.code == 0 && entered.stderr.contains(BANNER),
        "{}",
        entered.stderr
    );
    let inside = admin.runs_with(&admin.files()?[0], "auth whoami")?;
    ensure!(inside.stdout.contains("impersonated-admin-"), "{}", inside.stdout);
    ensure!(admin.runs("pimpernel stop")?.code == 0 && admin.files()?.is_empty());
    ensure!(marguerite.runs("pimpernel stop")?.code == 2, "there is nothing to stop");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_enter_is_told_why_and_nothing_is_kept() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    for (user, mode, why) in [
        (
            FFOULKES,
            "Support",
            "has no right to enter `lsp-paris` for `Support` (only for `Configure`)",
        ),
        (STRANGER, "Support", "cannot create resource \"impersonations\""),
        (CHAUVELIN, "Configure", "cannot create resource \"impersonations\""),
    ] {
        let person = Person::new(&stage.world, user)?;
        let said = person.runs(&format!(
            "pimpernel impersonate lsp-paris --mode {mode} --reason Just_looking_around"
        ))?;
        ensure!(said.code == 1 && said.stdout.is_empty(), "{user}: {}", said.stdout);
        ensure!(said.stderr.contains(why), "{user}: {}", said.stderr);
        ensure!(person.files()?.is_empty(), "{user}");
    }
    let dewhurst = Person::new(&stage.world, DEWHURST)?;
    let said = dewhurst.runs("pimpernel impersonate lsp-paris --mode Support --reason short")?;
    ensure!(said.code == 1 && said.stderr.contains("spec.reason"), "{}", said.stderr);
    let said = dewhurst.runs("pimpernel impersonate lsp-paris --mode Support --reason Long_enough_it_is --for ever")?;
    ensure!(
        said.code == 2 && said.stderr.contains("is not a duration such as"),
        "{}",
        said.stderr
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_stopped_from_outside_and_what_is_kept_of_it_is_removed() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let dewhurst = Person::new(&stage.world, DEWHURST)?;
    // The only one that was entered here needs no name.
    let session = dewhurst.enters("lsp-calais --mode Configure")?;
    ensure!(text(&session, "/banner")?.ends_with("[LSP Calais]"), "{session}");
    let said = dewhurst.runs("pimpernel stop")?;
    ensure!(
        said.code == 0 && said.stdout.is_empty() && dewhurst.files()?.is_empty(),
        "{}",
        said.stderr
    );
    // By its name, as herself.
    let session = dewhurst.enters("lsp-paris --mode Support --ticket CASE-1792")?;
    let name = text(&session, "/name")?;
    let said = dewhurst.runs(&format!("pimpernel stop {name} -n lsp-paris"))?;
    ensure!(
        said.code == 0 && said.stderr.contains("is over: Stopped"),
        "{}",
        said.stderr
    );
    ensure!(dewhurst.files()?.is_empty());
    // One that is over already, by somebody else's deed.
    let session = dewhurst.enters("lsp-paris --mode Support")?;
    stage
        .removed(&format!("Impersonation lsp-paris/{}", text(&session, "/name")?))
        .await?;
    let said = dewhurst.runs("pimpernel stop")?;
    ensure!(said.code == 0 && dewhurst.files()?.is_empty(), "{}", said.stderr);
    // Somebody else's is not hers to stop.
    let marguerite = Person::new(&stage.world, MARGUERITE)?;
    let hers = marguerite.enters("lsp-paris --mode Support")?;
    let said = dewhurst.runs(&format!("pimpernel stop {} -n lsp-paris", text(&hers, "/name")?))?;
    ensure!(
        said.code == 1
            && said
                .stderr
                .contains("stopped: spec.stop: `dewhurst@lsp.example` is not the impersonator"),
        "{}",
        said.stderr
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_the_list_of_whom_one_may_enter_says_what_admission_then_says() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let mut agreed = 0;
    for user in [DEWHURST, FFOULKES, MARGUERITE, CHAUVELIN, STRANGER] {
        let person = Person::new(&stage.world, user)?;
        let said = person.runs("pimpernel impersonate --list lsp lsp-paris lsp-calais paris-nord -o json")?;
        ensure!(said.code == 0, "{}", said.stderr);
        let answers: Vec<Value> = serde_json::from_str(&said.stdout)?;
        ensure!(answers.len() == 8, "{}", said.stdout);
        for answer in &answers {
            let (tenant, mode) = (text(answer, "/tenant")?, text(answer, "/mode")?);
            let words =
                format!("pimpernel impersonate {tenant} --mode {mode} --reason As_the_list_says --exec -- true");
            let said = person.runs(&words)?;
            ensure!(
                (said.code == 0) == (answer["allowed"] == true),
                "{user}: {answer}: {}",
                said.stderr
            );
            if said.code != 0 {
                ensure!(
                    said.code == 1 && said.stderr.contains(text(answer, "/messages/0")?),
                    "{answer}: {}",
                    said.stderr
                );
            }
            agreed += 1;
        }
        let all = person.runs("pimpernel impersonate --list")?;
        ensure!(
            all.code == 1 && all.stderr.contains("name those you mean"),
            "{}",
            all.stderr
        );
    }
    ensure!(agreed == 40);
    let ffoulkes = Person::new(&stage.world, FFOULKES)?;
    let said = ffoulkes.runs("pimpernel impersonate --list lsp-paris")?;
    let lines: Vec<&str> = said.stdout.lines().collect();
    ensure!(
        lines.len() == 3 && lines[1].contains("Configure   Yes"),
        "{}",
        said.stdout
    );
    ensure!(
        lines[2].contains("Support     No        spec.impersonator: `ffoulkes@lsp.example` has no right"),
        "{}",
        said.stdout
    );
    Ok(())
}
