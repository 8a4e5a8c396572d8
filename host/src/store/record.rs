//! What stands in the sealed records: plain data, a version octet and postcard.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::model::account::Account;
use crate::model::message::{Content, Extra, Location, Part, Summary};
use crate::model::name::MessageId;

use super::layout::Place;

/// A kind of record: how it becomes octets and comes back.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// The version that is written; a reader knows every one up to it.
    const VERSION: u8 = 1;

    fn encode(&self) -> Result<Vec<u8>, &'static str> {
        postcard::to_extend(self, vec![Self::VERSION]).map_err(|_| "it cannot be encoded")
    }

    fn decode(octets: &[u8]) -> Result<Self, &'static str> {
        match octets.split_first() {
            Some((version, rest)) if *version == Self::VERSION => match postcard::take_from_bytes(rest) {
                Ok((record, [])) => Ok(record),
                Ok(_) => Err("its content goes on after its end"),
                Err(_) => Err("its content is not that of its kind"),
            },
            _ => Err("its version is unknown"),
        }
    }
}

/// The store's own counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadRecord {
    /// Commits since the store was made.
    pub(super) commit: u64,
    /// The highest sequence given.
    pub(super) sequence: u64,
    /// The highest account number given.
    pub(super) last_account: u32,
    /// Accounts.
    pub(super) accounts: u64,
    /// Documents.
    pub(super) documents: u64,
}

/// How many records an account has: what makes a deleted one visible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CountsRecord {
    pub(super) messages: u64,
    pub(super) octets: u64,
    pub(super) set_aside: u64,
    pub(super) identities: u64,
    pub(super) folders: u64,
    pub(super) secrets: u64,
    pub(super) state_keys: u64,
}

/// One account, as JSON: its shape grows with every release, and JSON fields may be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountRecord(String);

/// A folder (or whole account) of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FolderRecord {
    pub(super) folder: Option<String>,
    pub(super) cursor: Option<Vec<u8>>,
    /// When the last checkpoint was committed, and with which generation.
    pub(super) checkpoint: Option<Timestamp>,
    pub(super) generation: String,
    /// The generations that hold identities, and how many.
    pub(super) generations: Vec<(String, u64)>,
}

/// One id in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdentityRecord {
    pub(super) id: String,
    pub(super) sequence: u64,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MessageRecord {
    pub(super) message: MessageId,
    pub(super) stored: Timestamp,
    pub(super) received: Option<Timestamp>,
    pub(super) locations: Vec<Location>,
    pub(super) stable: Option<String>,
    pub(super) thread: Option<String>,
    pub(super) extra: Extra,
    pub(super) headers: HeaderFields,
    pub(super) octets: Octets,
}

/// What is there of a message's octets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Octets {
    Body(BodyRecord),
    SetAside { reason: String },
}

/// Where a body stands, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BodyRecord {
    /// Random; the associated data of every chunk.
    pub(super) body: [u8; 16],
    pub(super) part: Part,
    pub(super) size: u64,
    /// Keyed hash of the octets.
    pub(super) hash: [u8; 32],
    /// In the order of the chunks; a run of chunks that stand behind each other is one.
    pub(super) extents: Vec<Extent>,
}

/// A run of whole frames in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// What is shown of a message and found by, taken from its header section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeaderFields {
    pub(super) subject: Option<String>,
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
    pub(super) date: Option<Timestamp>,
    pub(super) message_id: Option<String>,
}

/// A secret with its name.
#[derive(Serialize, Deserialize)]
pub(super) struct SecretRecord {
    pub(super) name: String,
    pub(super) octets: Vec<u8>,
}

/// A named value: a document, or one of the connector's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ValueRecord {
    pub(super) key: String,
    pub(super) octets: Vec<u8>,
}

impl Record for HeadRecord {}
impl Record for CountsRecord {}
impl Record for AccountRecord {}
impl Record for FolderRecord {}
impl Record for IdentityRecord {}
impl Record for MessageRecord {}
impl Record for SecretRecord {}
impl Record for ValueRecord {}

impl Drop for SecretRecord {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.octets);
    }
}

impl AccountRecord {
    pub(super) fn new(account: &Account) -> Result<Self, &'static str> {
        serde_json::to_string(account).map(Self).map_err(|_| "it cannot be encoded")
    }

    pub(super) fn account(&self) -> Result<Account, &'static str> {
        serde_json::from_str(&self.0).map_err(|_| "its content is not that of an account")
    }
}

impl FolderRecord {
    /// Count identities of `generation` up or down; one without any is forgotten.
    pub(super) fn count(&mut self, generation: &str, change: i64) {
        let at = self.generations.iter().position(|(held, _)| held == generation);
        match at.and_then(|at| self.generations.get_mut(at)) {
            Some((_, count)) => *count = count.saturating_add_signed(change),
            None => self.generations.push((generation.to_owned(), u64::try_from(change).unwrap_or_default())),
        }
        self.generations.retain(|(_, count)| *count > 0);
    }

    /// Identities of every generation.
    pub(super) fn messages(&self) -> u64 {
        self.generations.iter().map(|(_, count)| count).sum()
    }
}

impl MessageRecord {
    /// The body, where the octets are here.
    pub(super) const fn body(&self) -> Option<&BodyRecord> {
        match &self.octets {
            Octets::Body(body) => Some(body),
            Octets::SetAside { .. } => None,
        }
    }

    /// The body to change.
    pub(super) const fn body_mut(&mut self) -> Option<&mut BodyRecord> {
        match &mut self.octets {
            Octets::Body(body) => Some(body),
            Octets::SetAside { .. } => None,
        }
    }

    /// Whether all of the message is here.
    pub(super) fn is_whole(&self) -> bool {
        self.body().is_some_and(|body| body.part == Part::Whole)
    }

    /// The time that listings by address are ordered by.
    pub(super) fn time(&self) -> Timestamp {
        self.received.or(self.headers.date).unwrap_or(self.stored)
    }

    pub(super) fn summary(self, place: Place) -> Summary {
        let content = match &self.octets {
            Octets::Body(BodyRecord { part: Part::Whole, size, .. }) => Content::Whole { size: *size },
            Octets::Body(BodyRecord { part: Part::Headers, size, .. }) => Content::Headers { size: *size },
            Octets::SetAside { reason } => Content::SetAside { reason: reason.clone() },
        };
        Summary {
            message: self.message,
            account: place.account,
            sequence: place.sequence,
            stored: self.stored,
            received: self.received,
            locations: self.locations,
            content,
            thread: self.thread,
            subject: self.headers.subject,
            from: self.headers.from,
            to: self.headers.to,
            date: self.headers.date,
            rfc5322_message_id: self.headers.message_id,
        }
    }
}
