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
    /// FETCH commands under way at once, at most: three to begin with, more where the line runs dry between two answers; 1 for servers that cannot take commands ahead of their answers
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
    /// Folders to have, each with what lies below it; all without. Paths like `Archive/2024`, with `*` and `?` within a name and `**` for any names between, or roles like `role:sent`
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    pub include: Vec<String>,
    /// Folders to leave out, each with what lies below it, written as for `include`: `role:junk`, `Lists/*-announce`
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    pub exclude: Vec<String>,
    /// Roles of folders where the server does not tell them, as PATTERN=ROLE: `Sent Items=sent`, `Spam=junk`
    #[schemars(length(max = 100), inner(length(max = 1100), regex(pattern = r"^.+=[a-z]+$")))]
    pub roles: Vec<String>,
    /// Newest messages first, where a folder is new or much has come: a kill in the middle costs a listing, no message twice
    pub newest_first: bool,
    /// What this server gets wrong. `wrong-uidnext`: UIDNEXT is not to be believed (GMX sets it back); found by itself where it goes back. `unselectable-folders`: folders that are listed and refuse to be opened count as empty (Exchange's calendars and contacts)
    #[schemars(length(max = 8))]
    pub quirks: Vec<Quirk>,
    /// Also folders that belong to other users or are shared among users (RFC 2342)
    pub shared_folders: bool,
}

/// What single servers get wrong, where the connector cannot be sure by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// GMX sets UIDNEXT back: new messages have UIDs below one that was told before.
    WrongUidnext,
    /// Exchange lists calendars and contacts as folders and does not open them.
    UnselectableFolders,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_messages: 200,
            pipeline: 12,
            checkpoint_messages: 500,
            checkpoint_octets: 32 << 20,
            idle_refresh_minutes: 28,
            poll_seconds: 120,
            ignore_capabilities: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            roles: Vec::new(),
            newest_first: false,
            quirks: Vec::new(),
            shared_folders: false,
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
