//! Makes the archive that an operator unpacks.

use anyhow::{Result, bail};

/// `cargo xtask dist`.
pub(crate) fn run(_arguments: &[String]) -> Result<()> {
    bail!("there is no archive yet");
}
