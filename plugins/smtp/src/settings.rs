//! The account's settings: `connector.toml` declares what stands here, and a test holds it to that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator may set for one account. The comments are what `postrider connector inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// Commands under way at once where the server takes them ahead of its answers (PIPELINING)
    #[schemars(range(min = 1, max = 1000))]
    pub pipeline: usize,
    /// What the server announces and is not to be used: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING, BINARYMIME, DSN, REQUIRETLS or LIMITS
    #[schemars(length(max = 32), inner(length(max = 64)))]
    pub ignore_capabilities: Vec<String>,
    /// What is done with 8-bit text where the server does not announce 8BITMIME (or SMTPUTF8, for header fields): converted, refused, or sent as it is
    pub eight_bit: EightBit,
    /// Messages after which a line is ended and another begun; fewer where the server says so (LIMITS)
    #[schemars(range(min = 1, max = 100000))]
    pub line_messages: u64,
    /// Seconds after which an idle line is ended
    #[schemars(range(min = 0, max = 3600))]
    pub idle_seconds: u64,
}

/// What is done with 8-bit text that a server does not announce to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words of a case would become a part of the manifest's schema")]
pub enum EightBit {
    // Parts are encoded anew; what cannot be changed is refused.
    #[default]
    Convert,
    Refuse,
    Send,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pipeline: 100, ignore_capabilities: Vec::new(), eight_bit: EightBit::Convert, line_messages: 1_000, idle_seconds: 30 }
    }
}

impl Settings {
    /// Whether `capability` is not to be used.
    #[must_use]
    pub fn ignores(&self, capability: &str) -> bool {
        self.ignore_capabilities.iter().any(|ignored| ignored.eq_ignore_ascii_case(capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifests_say_the_same() {
        postrider_connector::testing::check_manifest::<Settings>(concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml"));
        postrider_connector::testing::check_manifest::<Settings>(concat!(env!("CARGO_MANIFEST_DIR"), "/../lmtp/connector.toml"));
    }
}
