//! The account's settings: `connector.toml` declares what stands here, and a test holds it to that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator may set for one account. The comments are what `postrider connector inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// Commands under way at once where the server takes them ahead of its answers (PIPELINING)
    #[schemars(range(min = 1, max = 100))]
    pub pipeline: usize,
    /// Pipeline although the server does not announce it; for servers that are known to take it
    pub assume_pipelining: bool,
    /// What the server announces or does and is not to be used: PIPELINING (o2.pl, early WildDuck), TOP, UIDL, EXPIRE or LOGIN-DELAY
    #[schemars(length(max = 32), inner(length(max = 64)))]
    pub ignore_capabilities: Vec<String>,
    /// What tells messages apart: the server's UIDL, or a hash of their octets, for servers that use a UIDL twice; every pass then reads every message
    pub identity: Identity,
    /// What is done with messages over oversize-octets: taken like others, only their header section (TOP), or set aside
    pub oversize: Oversize,
    /// Octets above which oversize says what is done
    #[schemars(range(min = 1024, max = 4294967296u64))]
    pub oversize_octets: u64,
    /// Messages after which what came is made durable
    #[schemars(range(min = 1, max = 5000))]
    pub checkpoint_messages: u64,
    /// Octets after which what came is made durable
    #[schemars(range(min = 1024, max = 1073741824))]
    pub checkpoint_octets: u64,
    /// Messages after which a session that deletes is ended and another begun: a server deletes when a session ends, and not before
    #[schemars(range(min = 1, max = 100000))]
    pub session_messages: u64,
    /// Begin session after session until one brings nothing new; for Gmail, which lists only some hundred messages at a time
    pub until_no_news: bool,
    /// Seconds between two looks at the maildrop; the server's LOGIN-DELAY where that is longer
    #[schemars(range(min = 10, max = 86400))]
    pub poll_seconds: u64,
    /// Seconds that a maildrop which another session has locked is waited for
    #[schemars(range(min = 0, max = 90))]
    pub lock_wait_seconds: u64,
}

/// What tells messages apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words of a case would become a part of the manifest's schema")]
pub enum Identity {
    // A hash of the octets where the server has none.
    #[default]
    Uidl,
    Octets,
}

/// What is done with a message that is too large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words of a case would become a part of the manifest's schema")]
pub enum Oversize {
    #[default]
    Take,
    // The header section only.
    Headers,
    // Set aside.
    Skip,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pipeline: 32,
            assume_pipelining: false,
            ignore_capabilities: Vec::new(),
            identity: Identity::Uidl,
            oversize: Oversize::Take,
            oversize_octets: 32 << 20,
            checkpoint_messages: 500,
            checkpoint_octets: 32 << 20,
            session_messages: 1_000,
            until_no_news: false,
            poll_seconds: 120,
            lock_wait_seconds: 30,
        }
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
    fn the_manifest_says_the_same() {
        postrider_connector::testing::check_manifest::<Settings>(concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml"));
    }
}
