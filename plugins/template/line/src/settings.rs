//! The account's settings. The comments are what an operator reads; `connector.toml` is held to this type by the test below.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator may set for one account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// Messages after which what came is made durable
    #[schemars(range(min = 1, max = 5000))]
    pub checkpoint_messages: u64,
    /// Octets of one message; longer ones are set aside
    #[schemars(range(min = 1024, max = 1073741824))]
    pub message_octets: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { checkpoint_messages: 100, message_octets: 64 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_the_same() {
        postrider_connector::testing::check_manifest::<Settings>(concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml"));
    }
}
