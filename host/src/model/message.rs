//! Messages and mailboxes in the contract's words (`wit/deps/mailbox.wit`), as the host keeps them.

use serde::{Deserialize, Serialize};

use super::name::{AccountId, MessageId};
use crate::clock::Timestamp;

/// Open facts: (name, value).
pub type Extra = Vec<(String, String)>;

/// A set of comparable ids: a folder at one generation, or a whole account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The folder's id; none: the whole account.
    pub folder: Option<String>,
    /// What makes ids comparable: UIDVALIDITY, or "".
    pub generation: String,
}

/// How much of a message there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// All of its octets.
    Whole,
    /// Its header section only.
    Headers,
}

/// One message as the server shows it in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Unique within the scope.
    pub id: String,
    /// Never reused and kept across moves.
    pub stable: Option<String>,
    /// Ids of the folders or labels it is in.
    pub folders: Vec<String>,
    /// Flags and keywords.
    pub keywords: Vec<String>,
    /// The provider's thread id.
    pub thread: Option<String>,
    /// When the server received it.
    pub received: Option<Timestamp>,
    /// Octets as the server claims.
    pub size: Option<u64>,
    /// How much is handed over.
    pub part: Part,
    /// Further facts.
    pub extra: Extra,
}

/// The full sets as they now are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The message's id in its scope.
    pub id: String,
    /// Folders or labels.
    pub folders: Vec<String>,
    /// Flags and keywords.
    pub keywords: Vec<String>,
}

/// A piece of a listing of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In the store's own fixed order.
    pub ids: Vec<String>,
    /// Where the next page begins; none: that was the last.
    pub next: Option<String>,
}

/// Where a message stands in an account: one scope and one id in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The scope.
    pub scope: Scope,
    /// Its id there.
    pub id: String,
    /// Folders or labels, as last reported.
    pub folders: Vec<String>,
    /// Flags and keywords, as last reported.
    pub keywords: Vec<String>,
}

/// What is there of a message's octets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "content")]
pub enum Content {
    /// All of it.
    Whole {
        /// Octets.
        size: u64,
    },
    /// The header section only.
    Headers {
        /// Octets of it.
        size: u64,
    },
    /// Set aside: it could not be had or read.
    SetAside {
        /// In words.
        reason: String,
    },
}

/// What a person and a sink see of a stored message. Built by the store from its sealed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id here.
    pub message: MessageId,
    /// Whose it is.
    pub account: AccountId,
    /// Its place in the order in which messages became durable, over all accounts; sinks follow it.
    pub sequence: u64,
    /// When it became durable here.
    pub stored: Timestamp,
    /// When the server received it.
    pub received: Option<Timestamp>,
    /// Where it stands on the server now; empty when the server has it no more.
    pub locations: Vec<Location>,
    /// What is there.
    #[serde(flatten)]
    pub content: Content,
    /// The provider's thread id.
    pub thread: Option<String>,
    /// The Subject field, decoded (RFC 2047), at most 512 characters.
    pub subject: Option<String>,
    /// Addresses of From, as written in the message.
    pub from: Vec<String>,
    /// Addresses of To and Cc.
    pub to: Vec<String>,
    /// The Date field.
    pub date: Option<Timestamp>,
    /// The Message-ID field without angle brackets.
    pub rfc5322_message_id: Option<String>,
}

/// A folder, label or maildrop of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// As the server names it; the connector's to make up, the host's to give back.
    pub id: String,
    /// Names from the root down, in Unicode, for people.
    pub path: Vec<String>,
    /// "inbox", "sent", "drafts", "trash", "junk", "archive", "all", "flagged" (RFC 6154) or the provider's own word.
    pub role: Option<String>,
    /// Whether it can hold messages.
    pub selectable: bool,
    /// Further facts.
    pub extra: Extra,
}

/// What became of one id in a change on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The id.
    pub id: String,
    /// Its new id, where it moved and the server tells.
    pub moved_to: Option<String>,
    /// Why nothing happened.
    pub failed: Option<crate::fault::Fault>,
}
