//! The account's settings: `connector.toml` declares what stands here, and a test holds it to that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator may set for one account. The comments are what `postrider connector inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// Messages that one FETCH asks for
    #[schemars(range(min = 1, max = 1000))]
    pub batch_messages: usize,
    /// FETCH commands under way at once; 1 for servers that cannot take commands ahead of their answers
    #[schemars(range(min = 1, max = 16))]
    pub pipeline: usize,
    /// Messages after which what came is made durable
    #[schemars(range(min = 1, max = 5000))]
    pub checkpoint_messages: u64,
    /// Octets after which what came is made durable
    #[schemars(range(min = 1024, max = 1073741824))]
    pub checkpoint_octets: u64,
    // RFC 2177: below 29.
    /// Minutes after which IDLE is begun anew; lower where a firewall forgets quiet connections sooner
    #[schemars(range(min = 1, max = 28))]
    pub idle_refresh_minutes: u64,
    /// Seconds between two looks at folders that IDLE does not cover
    #[schemars(range(min = 10, max = 86400))]
    pub poll_seconds: u64,
    /// Capabilities that the server announces and that are not to be used, such as CONDSTORE, ESEARCH or IDLE
    #[schemars(length(max = 32), inner(length(max = 64)))]
    pub ignore_capabilities: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_messages: 200,
            pipeline: 3,
            checkpoint_messages: 500,
            checkpoint_octets: 32 << 20,
            idle_refresh_minutes: 28,
            poll_seconds: 120,
            ignore_capabilities: Vec::new(),
        }
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
