//! The account's settings as one type of the connector: serde reads it, schemars describes it, and the manifest's schema is made of it.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
//! #[serde(rename_all = "kebab-case", default)]
//! pub struct Settings {
//!     /// Messages that one request asks for
//!     #[schemars(range(min = 1, max = 500))]
//!     pub page_messages: u32,
//!     /// Which mail to receive
//!     pub mode: Mode,
//!     /// Only mail with this label
//!     #[schemars(length(max = 64))]
//!     pub label: Option<String>,
//! }
//!
//! #[derive(Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
//! #[serde(rename_all = "kebab-case")]
//! pub enum Mode {
//!     Everything,
//!     InboxOnly,
//! }
//!
//! impl Default for Settings {
//!     fn default() -> Self {
//!         Self { page_messages: 100, mode: Mode::InboxOnly, label: None }
//!     }
//! }
//!
//! let settings: Settings = postrider_connector::settings::from_json(r#"{"page-messages": 20}"#)?;
//! assert_eq!(settings, Settings { page_messages: 20, ..Settings::default() });
//!
//! assert_eq!(postrider_connector::settings::manifest_block::<Settings>()?, r#"[settings]
//! type = "object"
//!
//! [settings.properties.page-messages]
//! description = "Messages that one request asks for"
//! type = "integer"
//! minimum = 1
//! maximum = 500
//! default = 100
//!
//! [settings.properties.mode]
//! description = "Which mail to receive"
//! type = "string"
//! enum = ["everything", "inbox-only"]
//! default = "inbox-only"
//!
//! [settings.properties.label]
//! description = "Only mail with this label"
//! type = "string"
//! maxLength = 64
//! "#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The block stands in `connector.toml`, where an operator's reviewer reads it, and a test of the connector holds it to the type:
//! `testing::check_manifest`, which also writes it.

use serde::de::DeserializeOwned;

use crate::types::{Error, Failure};

mod schema;

pub use schema::{SchemaError, manifest_block, schema};

/// `settings` of `session.open` as the connector's own type. The host checked them against the manifest's schema, so a failure
/// here means that schema and type differ.
///
/// ```
/// use postrider_connector::settings;
/// use postrider_connector::types::Failure;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     folder: String,
/// }
///
/// let settings: Settings = settings::from_json(r#"{"folder": "INBOX"}"#)?;
/// assert_eq!(settings.folder, "INBOX");
/// assert_eq!(settings::from_json::<Settings>("").err().map(|error| error.kind), Some(Failure::Misconfigured));
/// # Ok::<(), postrider_connector::types::Error>(())
/// ```
///
/// # Errors
/// `misconfigured`, with the name of the setting.
pub fn from_json<T: DeserializeOwned>(settings: &str) -> Result<T, Error> {
    let text = if settings.trim().is_empty() { "{}" } else { settings };
    serde_json::from_str(text).map_err(|error| Error::new(Failure::Misconfigured, format!("the settings do not fit: {error}")))
}
