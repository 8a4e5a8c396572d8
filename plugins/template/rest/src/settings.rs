//! The account's settings. The comments are what an operator reads; `connector.toml` is held to this type by the test below.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator may set for one account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Where the service is, as in `https://mail.example.com/v1`; on the account's server
    #[schemars(length(max = 1024), regex(pattern = "^https://"))]
    pub base_url: String,
    /// Messages that one page lists
    #[serde(default = "page_messages")]
    #[schemars(range(min = 1, max = 1000))]
    pub page_messages: u32,
    /// Seconds between two looks at the service
    #[serde(default = "poll_seconds")]
    #[schemars(range(min = 10, max = 86400))]
    pub poll_seconds: u64,
}

fn page_messages() -> u32 {
    100
}

fn poll_seconds() -> u64 {
    120
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_the_same() {
        postrider_connector::testing::check_manifest::<Settings>(concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml"));
    }
}
