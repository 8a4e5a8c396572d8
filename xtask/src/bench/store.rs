//! The store by itself, beside plain sled and plain files: an example program of the host's, because only the host knows them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Ground;
use crate::project::{self, Profile};

/// The name of the program in `host/examples`.
const PROGRAM: &str = "store_bench";

/// Build it and run it in the target folder: on a disk, because syncs are what it measures.
pub(super) fn run(_ground: &Ground) -> Result<()> {
    let arguments: Vec<&str> =
        ["build", "--package", "postrider", "--example", PROGRAM].iter().chain(Profile::Release.options()).copied().collect();
    project::finish(&mut project::cargo(&arguments)?)?;
    let binaries = project::binaries(Profile::Release)?;
    let place = tempfile::tempdir_in(&binaries).context("make a folder")?;
    println!("\nthe store by itself, in {}", binaries.display());
    measure(&binaries.join("examples").join(PROGRAM), place.path())
}

fn measure(program: &Path, place: &Path) -> Result<()> {
    project::finish(Command::new(program).arg(place))
}
