//! What a program needs to start: for which processor it is, and which libraries it loads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Whether it is a program or a library, as Linux has them.
pub fn is_program(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// The processor that a program is for, in the words of images.
pub fn architecture(program: &[u8]) -> Result<&'static str> {
    let elf = program.starts_with(b"\x7fELF\x02\x01");
    ensure!(elf, "it is no program for Linux with 64 bits, the lower byte first");
    match number(program, 18, 2)? {
        62 => Ok("amd64"),
        183 => Ok("arm64"),
        other => bail!("it is for a processor that is not known here: {other}"),
    }
}

/// The libraries that the program at `path` loads, its loader among them, where it looks for them; none if it is static.
pub fn needed(path: &Path, program: &[u8]) -> Result<BTreeSet<PathBuf>> {
    if !has_loader(program)? {
        return Ok(BTreeSet::new());
    }
    let output = Command::new("ldd").arg(path).output().context("cannot run ldd")?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "ldd cannot say what `{}` needs: is it for this machine? {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    listed(&said)
}

/// The files in what ldd says.
fn listed(said: &str) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for line in said.lines() {
        ensure!(!line.contains("not found"), "a library is missing: {}", line.trim());
        let place = line.rsplit("=>").next().unwrap_or(line);
        files.extend(
            place
                .split_whitespace()
                .next()
                .filter(|word| word.starts_with('/'))
                .map(PathBuf::from),
        );
    }
    ensure!(!files.is_empty(), "ldd names no library:\n{said}");
    Ok(files)
}

/// Whether a program asks for a loader, as all do that are not static.
fn has_loader(program: &[u8]) -> Result<bool> {
    const LOADER: u64 = 3;
    let (start, size, count) = (
        number(program, 32, 8)?,
        number(program, 54, 2)?,
        number(program, 56, 2)?,
    );
    for index in 0..count {
        if number(program, start + index * size, 4)? == LOADER {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A number of `length` bytes in the header of a program, the lowest first.
fn number(program: &[u8], at: u64, length: usize) -> Result<u64> {
    let at = usize::try_from(at)?;
    let bytes = program.get(at..at + length).context("the program ends too early")?;
    Ok(bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_has_a_path() {
        let said = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld-linux.so.2 (0x00007f)\n";
        let files: Vec<PathBuf> = listed(said).unwrap().into_iter().collect();
        assert_eq!(
            files,
            [PathBuf::from("/lib/x/libc.so.6"), PathBuf::from("/lib64/ld-linux.so.2")]
        );
        assert!(listed("\tlibx.so => not found\n").is_err());
        assert!(listed("\tstatically linked\n").is_err());
    }

    #[test]
    fn what_is_no_program_for_a_node_is_refused() {
        for wrong in [&b"#!/bin/sh"[..], b"\x7fELF\x01\x01", b"\x7fELF\x02\x01"] {
            assert!(architecture(wrong).is_err(), "{wrong:?}");
        }
    }
}
