//! Putting a manifest into a component, for authors and the build.

use std::path::Path;

use super::inspection::{Inspection, inspect_octets};
use super::manifest::Manifest;
use super::section;
use crate::fault::Fault;

/// `component` (read from `path`) with the manifest that `connector_toml` describes as its only one, and what can now be said of it: the same checks
/// as for loading, so that what is packed can be approved and run. The same input gives the same octets.
///
/// # Errors
/// A manifest or a component that a host would refuse, or a manifest that does not fit the component.
pub fn pack(component: &[u8], connector_toml: &str, path: &Path) -> Result<(Vec<u8>, Inspection), Fault> {
    let (_, json) = Manifest::from_toml(connector_toml)?;
    let packed = section::replace(component, &json)?;
    let inspection = inspect_octets(path, &packed)?;
    Ok((packed, inspection))
}
