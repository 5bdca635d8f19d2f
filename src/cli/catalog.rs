//! `catalog`: what the operator needs to be able to grant what a catalogue lists.

use super::{Outcome, check, tell};
use crate::api::PermissionCatalog;
use crate::artifacts;
use crate::policy::catalog;
use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use kube::ResourceExt as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Work with catalogues.
#[derive(clap::Args)]
pub struct Catalog {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the ClusterRole, with its binding, that the operator needs to grant what a catalogue lists.
    Rbac {
        /// The catalogue, or `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Catalog {
    /// Does it.
    pub fn run(self) -> Result<Outcome> {
        let Verb::Rbac { file } = self.verb;
        let mut stdout = anstream::stdout().lock();
        let (mut outcome, mut printed) = (None, false);
        for manifest in check::read(&[file])? {
            let object = manifest.object.map_err(anyhow::Error::msg)?;
            if object.get("kind").and_then(|kind| kind.as_str()) != Some("PermissionCatalog") {
                continue;
            }
            let wire: PermissionCatalog = serde_json::from_value(object).context("the catalogue cannot be read")?;
            let name = wire.name_any();
            match catalog::parse(&name, &wire.spec) {
                Ok(catalog) => {
                    let apart = if printed { "---\n" } else { "" };
                    write!(stdout, "{apart}{}", artifacts::rights_for(&name, &catalog)?)?;
                    printed = true;
                    outcome = outcome.or(Some(Outcome::Fine));
                }
                Err(violations) => {
                    for violation in violations {
                        tell(format_args!("catalogue `{name}`: {violation}"));
                    }
                    outcome = Some(Outcome::Refused);
                }
            }
        }
        match outcome {
            Some(outcome) => Ok(outcome),
            None => bail!("there is no PermissionCatalog in that file"),
        }
    }
}
