//! Walking: commands run one after the other, printed with what came back, compared with what was written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::matching::{filled_in, found_in_order};
use super::{Action, Call, Expected, Line, Walk};
use crate::process::{Lifetime, Program};
use crate::{ControlPlane, repository, wait};

/// How long a `~` step is repeated.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one command may take.
const LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);

impl Walk {
    /// Walks it against a control plane, printing to `out`. Programs in the folders `path` are found by their names, after
    /// kubectl. Gives the number of steps; the first one that does not come out as written is an error.
    pub fn run(&self, plane: &ControlPlane, path: &[PathBuf], out: &mut dyn Write) -> Result<usize> {
        let identities = BTreeMap::from([("admin".to_owned(), plane.admin().to_path_buf())]);
        let mut walker = Walker {
            plane,
            path: search_path(plane, path)?,
            identities,
            variables: BTreeMap::new(),
            out,
        };
        let mut steps = 0;
        let mut narrating = false;
        for line in &self.lines {
            let narration = matches!(line.action, Action::Narrate(_));
            if narration && !narrating {
                writeln!(walker.out)?;
            }
            narrating = narration;
            steps += usize::from(matches!(line.action, Action::Step(..)));
            walker
                .take(line)
                .with_context(|| format!("{}, line {}", self.title, line.number))?;
        }
        Ok(steps)
    }
}

/// Our kubectl before any other, then the caller's folders, then what the user has.
fn search_path(plane: &ControlPlane, folders: &[PathBuf]) -> Result<OsString> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let ours = std::iter::once(plane.assets().folder().to_path_buf()).chain(folders.iter().cloned());
    std::env::join_paths(ours.chain(std::env::split_paths(&inherited))).context("a folder on the PATH has a `:` in it")
}

struct Walker<'a> {
    plane: &'a ControlPlane,
    path: OsString,
    identities: BTreeMap<String, PathBuf>,
    variables: BTreeMap<String, String>,
    out: &'a mut dyn Write,
}

struct Outcome {
    code: Option<i32>,
    /// stdout and stderr as they came, or stderr alone if stdout was kept apart.
    output: String,
    stdout: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Streams {
    Together,
    Apart,
}

impl Walker<'_> {
    fn take(&mut self, line: &Line) -> Result<()> {
        match &line.action {
            Action::Narrate(text) => writeln!(self.out, "# {text}").map_err(Into::into),
            Action::User { name, user, groups } => {
                let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                self.identities.insert(name.clone(), self.plane.user(user, &groups)?);
                Ok(())
            }
            Action::Bearer { name, variable } => {
                let kubeconfig = self.plane.bearer(name, self.value(variable)?)?;
                self.identities.insert(name.clone(), kubeconfig);
                Ok(())
            }
            Action::Kubeconfig { name, variable } => {
                let kubeconfig = PathBuf::from(self.value(variable)?);
                self.identities.insert(name.clone(), kubeconfig);
                Ok(())
            }
            Action::Step(call, expected) => self.step(call, expected),
            Action::Let { variable, call } => self.keep(variable, call),
        }
    }

    fn value(&self, variable: &str) -> Result<&str> {
        let value = self.variables.get(variable).map(String::as_str);
        value.with_context(|| format!("`{variable}` is not set"))
    }

    fn step(&mut self, call: &Call, expected: &Expected) -> Result<()> {
        self.announce(call)?;
        let started = Instant::now();
        let found = |outcome: &Outcome| found_in_order(&expected.lines, &outcome.output, &self.variables);
        let as_written =
            |outcome: &Outcome| outcome.code == Some(expected.code) && found(outcome).into_iter().all(|found| found);
        let outcome = self.run_until(call, Streams::Together, as_written)?;
        let (as_written, found) = (as_written(&outcome), found(&outcome));
        self.show(&outcome.output)?;
        if as_written {
            return Ok(());
        }
        let mut told = difference(&outcome, expected, &found);
        if call.patient {
            write!(told, "\n  and so for {} s", started.elapsed().as_secs())?;
        }
        bail!("{}", self.redacted(&told))
    }

    fn keep(&mut self, variable: &str, call: &Call) -> Result<()> {
        self.announce(call)?;
        let gave = |outcome: &Outcome| outcome.code == Some(0) && !outcome.stdout.trim().is_empty();
        let outcome = self.run_until(call, Streams::Apart, gave)?;
        if !gave(&outcome) {
            let said = self.redacted(&format!("{}{}", outcome.stdout, outcome.output));
            let ended = ending(outcome.code);
            bail!(
                "the command gave no value for `{variable}`: {ended}\n{}",
                indented("  got: ", &said)
            );
        }
        let value = outcome.stdout.trim().to_owned();
        let told = format!("{variable} = {value}");
        self.variables.insert(variable.to_owned(), value);
        self.show(&told)
    }

    /// Runs a command, a patient one again and again, until `content` or out of patience.
    fn run_until(&self, call: &Call, streams: Streams, content: impl Fn(&Outcome) -> bool) -> Result<Outcome> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let outcome = self.run(call, streams)?;
            if content(&outcome) || !call.patient || Instant::now() >= deadline {
                return Ok(outcome);
            }
            wait::pause(PAUSE)?;
        }
    }

    fn run(&self, call: &Call, streams: Streams) -> Result<Outcome> {
        let files = tempfile::Builder::new().prefix("step-").tempdir_in(self.plane.dir())?;
        let (output, stdout) = (files.path().join("output"), files.path().join("stdout"));
        let kubeconfig = self
            .identities
            .get(&call.identity)
            .context("there is no such identity")?;
        let mut env = self.plane.environment(kubeconfig);
        env.push(("PATH".to_owned(), self.path.clone()));
        // By the environment, so that the value of a secret is on no command line.
        env.extend(self.variables.iter().map(|(name, value)| (name.clone(), value.into())));
        let program = Program {
            name: "the command",
            path: "bash".into(),
            args: ["-u", "-c", &call.command].map(OsString::from).into(),
            env,
            folder: Some(repository()),
            log: output,
            stdout: (streams == Streams::Apart).then(|| stdout.clone()),
            lifetime: Lifetime::OfThisProcess,
        };
        let mut process = program.start()?;
        let code = process.wait(LIMIT)?.code();
        process.end_group();
        let stdout = if streams == Streams::Apart {
            fs::read_to_string(&stdout)?
        } else {
            String::new()
        };
        Ok(Outcome {
            code,
            output: process.log(),
            stdout,
        })
    }

    fn announce(&mut self, call: &Call) -> Result<()> {
        let told = self.variables.iter().filter(|(name, _)| !is_secret(name));
        let told = told.map(|(name, value)| (name.clone(), value.clone())).collect();
        let command = self.redacted(&filled_in(&call.command, &told));
        let mut lines = command.lines();
        writeln!(self.out, "{}$ {}", call.identity, lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(self.out, "{line}"))?;
        self.out.flush().map_err(Into::into)
    }

    fn show(&mut self, text: &str) -> Result<()> {
        for line in self.redacted(text).lines() {
            writeln!(self.out, "{}", format!("    {line}").trim_end())?;
        }
        self.out.flush().map_err(Into::into)
    }

    fn redacted(&self, text: &str) -> String {
        let secrets = self.variables.iter().filter(|(name, _)| is_secret(name));
        secrets.fold(text.to_owned(), |text, (_, value)| text.replace(value.as_str(), "***"))
    }
}

fn is_secret(variable: &str) -> bool {
    variable.starts_with("SECRET")
}

fn ending(code: Option<i32>) -> String {
    code.map_or_else(
        || "it was ended by a signal".to_owned(),
        |code| format!("exit code {code}"),
    )
}

/// What was expected beside what came, for a person to compare.
fn difference(outcome: &Outcome, expected: &Expected, found: &[bool]) -> String {
    let mut told = vec!["this did not come out as written".to_owned()];
    if outcome.code != Some(expected.code) {
        told.push(format!("  expected: exit code {}", expected.code));
        told.push(format!("  got:      {}", ending(outcome.code)));
    }
    for (line, found) in expected.lines.iter().zip(found) {
        let note = if *found {
            ""
        } else {
            "   <- missing, or not in this order"
        };
        told.push(format!("  expected: {line}{note}"));
    }
    let got = if outcome.output.trim().is_empty() {
        "(nothing)"
    } else {
        outcome.output.trim_end()
    };
    told.push(indented("  got:      ", got));
    told.join("\n")
}

fn indented(label: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{label}{line}")).collect();
    lines.join("\n")
}
