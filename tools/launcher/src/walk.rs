//! Walks: scripts of commands under different identities, with what must come out written beside each.
//!
//! A walk is a text file, read line by line. The first word tells what a line is:
//!
//! ```text
//! # Narration, printed as it is.
//! identity percy = percy.blakeney@league.example in staff, fleet
//! percy $ kubectl create configmap boat
//! > configmap/boat created
//! percy $ kubectl auth can-i delete namespaces
//! ! 1
//! > no
//! percy ~ kubectl get pods
//!     --field-selector=status.phase=Running
//! > boat-... 1/1 ...
//! let SECRET_TOKEN = admin $ kubectl create token default
//! identity session = token ${SECRET_TOKEN}
//! session $ kubectl auth whoami
//! ```
//!
//! - `identity NAME = USER [in GROUP, GROUP]` makes a client certificate; `identity NAME = token ${VARIABLE}` acts with a
//!   bearer token, which so never stands on a command line; `identity NAME = kubeconfig ${VARIABLE}` acts with a file that a
//!   command has made. `admin` is the administrator and needs no line.
//! - `NAME $ COMMAND` runs a command with bash, at the root of the repository, with our kubectl. Indented lines belong to
//!   the command; the indentation of the first of them is taken away from all.
//! - `NAME ~ COMMAND` is for what takes a moment: it is repeated until it comes out as written, for 30 s at most.
//! - `! CODE` is the exit code that must come, 0 without it.
//! - `> LINE` must occur in stdout or stderr, several of them in this order, with other lines between them allowed.
//!   `...` stands for anything within a line. Several spaces count as one, those at the ends of a line not at all.
//! - `let VARIABLE = NAME $ COMMAND` keeps what the command writes to stdout, which must not be nothing. In later
//!   commands, bash knows the variable; in `>` lines, `${VARIABLE}` stands for it. The value of a variable whose name
//!   begins with `SECRET` is printed as `***` wherever it appears.
//! - A variable that is not set fails the command.

mod matching;
mod parse;
mod run;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A walk that has been read and is free of mistakes of form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    title: String,
    lines: Vec<Line>,
}

impl Walk {
    /// Reads a walk from a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the walk `{}`", path.display()))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a walk; `title` names it in messages.
    pub fn parse(title: &str, text: &str) -> Result<Self> {
        Ok(Self {
            title: title.to_owned(),
            lines: parse::lines(title, text)?,
        })
    }
}

/// One thing to do, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: usize,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// Print this.
    Narrate(String),
    /// Make a client certificate.
    User {
        name: String,
        user: String,
        groups: Vec<String>,
    },
    /// Make an identity from the token in a variable.
    Bearer { name: String, variable: String },
    /// Make an identity from the kubeconfig whose path is in a variable.
    Kubeconfig { name: String, variable: String },
    /// Run a command and compare.
    Step(Call, Expected),
    /// Run a command and keep its stdout.
    Let { variable: String, call: Call },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    identity: String,
    command: String,
    patient: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Expected {
    code: i32,
    lines: Vec<String>,
}
