//! Builds the first-party connectors to where a binary of the same build finds them.

use anyhow::{Result, bail};

/// `cargo xtask connectors`.
pub(crate) fn run(_arguments: &[String]) -> Result<()> {
    bail!("the connectors are not built here yet");
}
