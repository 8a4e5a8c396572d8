//! What the store tells about itself and its accounts, as plain data.

use serde::{Deserialize, Serialize};

use super::keys::KeyKind;
use crate::clock::Timestamp;
use crate::model::message::Summary;
use crate::model::name::{AccountId, MessageId};

/// One folder (or whole account) as it was brought up to date last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderState {
    /// The folder's id; none: the whole account.
    pub folder: Option<String>,
    /// The generation of the last checkpoint.
    pub generation: String,
    /// Messages of all generations that stand there on the server, as far as known here, those set aside included.
    pub messages: u64,
    /// When the last checkpoint became durable.
    pub checkpoint: Option<Timestamp>,
    /// Octets of the cursor.
    pub cursor_octets: u64,
}

/// What an account has here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages, those set aside included.
    pub messages: u64,
    /// Octets of their bodies.
    pub octets: u64,
    /// Messages that were set aside.
    pub set_aside: u64,
    /// Messages that are known although their octets need not be kept any longer; not among `messages`.
    pub removed: u64,
}

/// The store as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The format of what is on disk.
    pub format: u32,
    /// The keys.
    pub key: KeyState,
    /// The highest durable sequence.
    pub watermark: u64,
    /// Commits since the store was made.
    pub commits: u64,
    /// Octets on disk of the record tree.
    pub record_octets: u64,
    /// Octets on disk of the spool segments.
    pub spool_octets: u64,
    /// Spool segments.
    pub segments: u64,
    /// Damage that was found when the store was opened and is not yet repaired, in words.
    pub damage: Vec<String>,
    /// Milliseconds that the machine's clock stands before the latest mail, where it was set back; none: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_behind_millis: Option<u64>,
}

/// The keys of a store, as far as everybody may know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Where the master key comes from.
    pub kind: KeyKind,
    /// Of the master key: eight hexadecimal digits that tell keys apart and nothing else.
    pub fingerprint: String,
    /// Of the recovery key; none: there is none.
    pub recovery: Option<String>,
    /// The epoch of the data key that seals what is written now.
    pub epoch: u32,
    /// Some of the store may still be sealed with an earlier data key: a rotation was begun and has not ended.
    pub is_half_rotated: bool,
}

/// How far something has come that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// In all, as far as known.
    pub total: u64,
}

/// A piece of a listing of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SummaryPage {
    /// Newest first.
    pub messages: Vec<Summary>,
    /// Where the next page begins; none: that was the last.
    pub next: Option<String>,
}

/// How far [`check`](super::Store::check) has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// Messages whose record and octets were checked.
    pub done: u64,
    /// Messages in all.
    pub total: u64,
}

/// What [`check`](super::Store::check) saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Accounts walked.
    pub accounts: u64,
    /// Messages whose records were read and found whole; those whose octets were given up are not among them.
    pub messages: u64,
    /// Octets of bodies that were opened and hashed.
    pub octets: u64,
    /// Records of every kind.
    pub records: u64,
    /// Octets in the spool that no record refers to: no damage, compaction frees them.
    pub unreferenced_octets: u64,
    /// What is wrong, at most [`FINDINGS`](Self::FINDINGS) of it.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more_findings: u64,
}

impl CheckReport {
    /// The most findings that are listed one by one.
    pub const FINDINGS: usize = 1_000;

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whose it is.
    pub account: Option<AccountId>,
    /// Of which message.
    pub message: Option<MessageId>,
    /// Where: a record, or a segment and the offset in it.
    pub place: String,
    /// What is wrong, in words.
    pub finding: String,
}
