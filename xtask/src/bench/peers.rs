//! Programs that are only compared with. No test needs them, so `setup` does not install them: the benchmark does, when it gets there.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use harness::package;

use crate::setup;

/// A program from a Debian package.
///
/// # Errors
/// It is not there and cannot be installed; the words say what to install.
pub(super) fn debian(package: &str, program: &str) -> Result<PathBuf> {
    if package::find(program).is_none() {
        setup::install(&[package])?;
    }
    package::find(program).with_context(|| format!("the package {package} brought no `{program}`"))
}
