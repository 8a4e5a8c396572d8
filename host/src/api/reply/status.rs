//! Sinks, and how a home stands.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SubmissionView;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::model::account::Keep;
use crate::model::name::{AccountName, SinkName};
use crate::model::sink::{Sink, Target};
use crate::store::Status;

/// A sink as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkView {
    /// What the operator calls it.
    pub name: SinkName,
    /// Whether it gets everybody's mail.
    pub is_for_all: bool,
    /// Whose mail it gets, where it does not get everybody's.
    pub accounts: Vec<AccountName>,
    /// Where it puts the mail.
    #[serde(flatten)]
    pub target: Target,
    /// When it was added.
    pub created: Timestamp,
    /// How long the store keeps for it what it takes, on top of what its account wants.
    #[serde(default = "Sink::keep_by_default")]
    pub keep: Keep,
}

/// How a home stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Of the program that answers.
    pub version: String,
    /// The home's directory.
    pub home: PathBuf,
    /// The sealed store.
    pub store_directory: PathBuf,
    /// The master key's file.
    pub master_key: PathBuf,
    /// Where operators drop connectors.
    pub connectors: PathBuf,
    /// The process of the daemon; none: there is no daemon.
    pub daemon: Option<u32>,
    /// The store as a whole.
    pub store: Status,
    /// A row for every account.
    pub accounts: Vec<AccountStatus>,
    /// A row for every sink.
    pub sinks: Vec<SinkStatus>,
    /// Messages of which nobody was told how their sending ended, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submissions: Vec<SubmissionView>,
}

/// How one account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Which.
    pub name: AccountName,
    /// Messages stored.
    pub messages: u64,
    /// Octets of them.
    pub octets: u64,
    /// Of them, those that could not be had or read.
    pub set_aside: u64,
    /// Besides them, those that were not kept any longer and are still recognised.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed: u64,
    /// Whether it receives at all.
    #[serde(default = "yes")]
    pub receives: bool,
    /// What the daemon is doing for it: "connecting", "syncing", "watching", "retrying" or "needs-operator"; none: no daemon runs it.
    pub state: Option<String>,
    /// When a pass last ended, well or not.
    pub last_pass: Option<Timestamp>,
    /// When a pass last ended with everything here.
    pub last_complete: Option<Timestamp>,
    /// When the daemon tries again.
    pub next_attempt: Option<Timestamp>,
    /// Why the last attempt failed; none: it did not.
    pub fault: Option<Fault>,
}

const fn yes() -> bool {
    true
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How one sink stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Which.
    pub name: SinkName,
    /// So many messages that it has not got yet.
    pub pending: u64,
    /// Why the last delivery failed; none: it did not.
    pub fault: Option<Fault>,
    /// Since when deliveries fail.
    pub since: Option<Timestamp>,
}
