//! The account's settings as a type of the connector.

use serde::de::DeserializeOwned;

use crate::types::{Error, Failure};

/// `settings` of `session.open` as the connector's own type. The host checked them against the manifest's schema, so a failure
/// here means that schema and type differ.
///
/// # Errors
/// `misconfigured`, with the name of the setting.
pub fn from_json<T: DeserializeOwned>(settings: &str) -> Result<T, Error> {
    let text = if settings.trim().is_empty() { "{}" } else { settings };
    serde_json::from_str(text).map_err(|error| Error::new(Failure::Misconfigured, format!("the settings do not fit: {error}")))
}
