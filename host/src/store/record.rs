//! What stands in the sealed records: plain data, a version octet and postcard.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::model::account::Account;
use crate::model::message::{Content, Extra, Location, Part, Summary};
use crate::model::name::MessageId;

use super::layout::Place;
use super::set_hash::SetHash;

/// A clock may be corrected by so much without a word.
const CLOCK_SLACK_MILLIS: u64 = 60_000;

/// A kind of record: how it becomes octets and comes back.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// The version that is written; a reader knows every one up to it.
    const VERSION: u8 = 1;

    fn encode(&self) -> Result<Vec<u8>, &'static str> {
        postcard::to_extend(self, vec![Self::VERSION]).map_err(|_| "it cannot be encoded")
    }

    fn decode(octets: &[u8]) -> Result<Self, &'static str> {
        decode_current(octets)
    }
}

fn decode_current<R: Record>(octets: &[u8]) -> Result<R, &'static str> {
    match octets.split_first() {
        Some((version, rest)) if *version == R::VERSION => decode_whole(rest),
        _ => Err("its version is unknown"),
    }
}

fn decode_whole<'a, T: Deserialize<'a>>(octets: &'a [u8]) -> Result<T, &'static str> {
    match postcard::take_from_bytes(octets) {
        Ok((content, [])) => Ok(content),
        Ok(_) => Err("its content goes on after its end"),
        Err(_) => Err("its content is not that of its kind"),
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
    /// The latest time that mail was committed at. Since version 2.
    pub(super) latest: Timestamp,
    /// Of all other sealed records; the tree works it out when it seals the head. Since version 3; none: not since then.
    pub(super) set_hash: Option<SetHash>,
}

/// The head as version 1 had it.
#[derive(Deserialize)]
struct HeadRecord1(u64, u64, u32, u64, u64);

/// The head as version 2 had it.
#[derive(Deserialize)]
struct HeadRecord2(u64, u64, u32, u64, u64, Timestamp);

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
    /// Messages whose octets were given up; not among `messages`. Since version 2.
    pub(super) removed: u64,
}

/// Counts as version 1 had them.
#[derive(Deserialize)]
struct CountsRecord1([u64; 7]);

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
    Removed(RemovedRecord),
}

/// What stays of a message whose octets were given up: what it is recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RemovedRecord {
    pub(super) part: Part,
    pub(super) size: u64,
    pub(super) hash: [u8; 32],
    /// When the octets went, or the last place on the server, whichever came later.
    pub(super) since: Timestamp,
}

/// What octets are recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) part: Part,
    pub(super) size: u64,
    /// Keyed hash of the octets.
    pub(super) hash: [u8; 32],
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

impl Record for HeadRecord {
    const VERSION: u8 = 3;

    fn decode(octets: &[u8]) -> Result<Self, &'static str> {
        match octets.split_first() {
            Some((1, rest)) => {
                let HeadRecord1(commit, sequence, last_account, accounts, documents) = decode_whole(rest)?;
                Ok(Self { commit, sequence, last_account, accounts, documents, ..Self::default() })
            }
            Some((2, rest)) => {
                let HeadRecord2(commit, sequence, last_account, accounts, documents, latest) = decode_whole(rest)?;
                Ok(Self { commit, sequence, last_account, accounts, documents, latest, set_hash: None })
            }
            _ => decode_current(octets),
        }
    }
}
impl Record for CountsRecord {
    const VERSION: u8 = 2;

    fn decode(octets: &[u8]) -> Result<Self, &'static str> {
        match octets.split_first() {
            Some((1, rest)) => {
                let CountsRecord1([messages, octets, set_aside, identities, folders, secrets, state_keys]) = decode_whole(rest)?;
                Ok(Self { messages, octets, set_aside, identities, folders, secrets, state_keys, removed: 0 })
            }
            _ => decode_current(octets),
        }
    }
}
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

impl HeaderFields {
    /// Octets of them in memory.
    pub(super) fn octets(&self) -> usize {
        let texts = self.subject.iter().chain(&self.from).chain(&self.to).chain(&self.message_id);
        texts.map(String::len).sum()
    }
}

impl HeadRecord {
    /// Milliseconds that `now` is before the latest mail; none: it is not, or by no more than clocks are off.
    pub(super) fn clock_behind(&self, now: Timestamp) -> Option<u64> {
        let behind = self.latest.0.saturating_sub(now.0);
        (behind > CLOCK_SLACK_MILLIS).then_some(behind)
    }
}

impl CountsRecord {
    /// Count a message up or down.
    pub(super) fn count(&mut self, message: &MessageRecord, change: i64) {
        match &message.octets {
            Octets::Body(body) => {
                self.messages = self.messages.saturating_add_signed(change);
                let octets = i64::try_from(body.size).unwrap_or(i64::MAX);
                self.octets = self.octets.saturating_add_signed(octets.saturating_mul(change));
            }
            Octets::SetAside { .. } => {
                self.messages = self.messages.saturating_add_signed(change);
                self.set_aside = self.set_aside.saturating_add_signed(change);
            }
            Octets::Removed(_) => self.removed = self.removed.saturating_add_signed(change),
        }
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
            Octets::SetAside { .. } | Octets::Removed(_) => None,
        }
    }

    /// What the octets are recognised by, also when they were given up since.
    pub(super) const fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.octets {
            Octets::Body(BodyRecord { part, size, hash, .. }) | Octets::Removed(RemovedRecord { part, size, hash, .. }) => {
                Some(Fingerprint { part: *part, size: *size, hash: *hash })
            }
            Octets::SetAside { .. } => None,
        }
    }

    /// The same without its octets and what people could read of it.
    pub(super) fn given_up(self, now: Timestamp) -> Self {
        let octets = match self.octets {
            Octets::Body(BodyRecord { part, size, hash, .. }) => Octets::Removed(RemovedRecord { part, size, hash, since: now }),
            octets @ (Octets::SetAside { .. } | Octets::Removed(_)) => octets,
        };
        Self { octets, headers: HeaderFields::default(), thread: None, extra: Extra::default(), ..self }
    }

    /// The body to change.
    pub(super) const fn body_mut(&mut self) -> Option<&mut BodyRecord> {
        match &mut self.octets {
            Octets::Body(body) => Some(body),
            Octets::SetAside { .. } | Octets::Removed(_) => None,
        }
    }

    /// Whether all of the message is here, or was until it need not be kept any longer.
    pub(super) fn is_whole(&self) -> bool {
        self.fingerprint().is_some_and(|octets| octets.part == Part::Whole)
    }

    /// Whether nothing of `part` is to be had that is not here, or was.
    pub(super) fn has(&self, part: Part) -> bool {
        self.is_whole() || (part == Part::Headers && self.fingerprint().is_some())
    }

    /// The time that listings by address are ordered by.
    pub(super) fn time(&self) -> Timestamp {
        self.received.or(self.headers.date).unwrap_or(self.stored)
    }

    /// None: its octets were given up.
    pub(super) fn summary(self, place: Place) -> Option<Summary> {
        let content = match &self.octets {
            Octets::Body(BodyRecord { part: Part::Whole, size, .. }) => Content::Whole { size: *size },
            Octets::Body(BodyRecord { part: Part::Headers, size, .. }) => Content::Headers { size: *size },
            Octets::SetAside { reason } => Content::SetAside { reason: reason.clone() },
            Octets::Removed(_) => return None,
        };
        Some(Summary {
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
        })
    }
}
