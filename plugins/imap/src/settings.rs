//! The account's settings, as `connector.toml` declares them.

use serde::Deserialize;

/// What an operator may set for one account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// Messages that one `FETCH` asks for.
    pub batch_messages: usize,
    /// `FETCH` commands that are under way at once, so that the line is never idle.
    pub pipeline: usize,
    /// Messages after which a checkpoint is asked for.
    pub checkpoint_messages: u64,
    /// Octets after which a checkpoint is asked for.
    pub checkpoint_octets: u64,
    /// Minutes after which IDLE is begun anew (RFC 2177: below 29).
    pub idle_refresh_minutes: u64,
    /// Seconds between two looks at folders that IDLE does not cover.
    pub poll_seconds: u64,
    /// Capabilities that the server announces and that are not to be used.
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

impl Settings {
    /// The same with every number inside what the schema allows.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.batch_messages = self.batch_messages.clamp(1, 1000);
        self.pipeline = self.pipeline.clamp(1, 16);
        self.checkpoint_messages = self.checkpoint_messages.clamp(1, 5000);
        self.checkpoint_octets = self.checkpoint_octets.clamp(1 << 10, 1 << 30);
        self.idle_refresh_minutes = self.idle_refresh_minutes.clamp(1, 28);
        self.poll_seconds = self.poll_seconds.clamp(10, 86_400);
        self
    }
}
