//! The command line of the packer: what `make image` calls.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use pimpernel_image::Image;

/// Packs a program and the libraries it needs into an image archive.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The program
    program: PathBuf,
    /// Where the archive goes
    archive: PathBuf,
    /// Name and tag of the image
    #[arg(long, default_value = concat!("pimpernel-operator:", env!("CARGO_PKG_VERSION")))]
    reference: String,
    /// When it was made, in seconds since 1970: in every date of the archive
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value = "0")]
    created: u64,
    /// The commit that it was made of
    #[arg(long)]
    revision: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let image = Image {
        program: arguments.program,
        reference: arguments.reference,
        created: arguments.created,
        revision: arguments.revision.filter(|revision| !revision.is_empty()),
    };
    let path = &arguments.archive;
    let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
    image.write(BufWriter::new(file))
}
