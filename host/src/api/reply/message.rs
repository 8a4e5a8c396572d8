//! Messages in answers, without their octets.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::model::message::{Content, Location, Summary};
use crate::model::name::{AccountName, MessageId};

/// A stored message as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its id here.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountName,
    /// Its place in the order in which messages became durable.
    pub sequence: u64,
    /// When it became durable here.
    pub stored: Timestamp,
    /// When the server received it.
    pub received: Option<Timestamp>,
    /// The Date field.
    pub date: Option<Timestamp>,
    /// The Subject field, decoded.
    pub subject: Option<String>,
    /// Addresses of From.
    pub from: Vec<String>,
    /// Addresses of To and Cc.
    pub to: Vec<String>,
    /// The Message-ID field without angle brackets.
    pub message_id: Option<String>,
    /// The provider's thread id.
    pub thread: Option<String>,
    /// What is there.
    #[serde(flatten)]
    pub content: Content,
    /// Where it stands on the server; empty when the server has it no more.
    pub locations: Vec<Location>,
}

impl MessageView {
    /// Of a message of the account called `account`.
    #[must_use]
    pub fn new(account: AccountName, summary: Summary) -> Self {
        Self {
            id: summary.message,
            account,
            sequence: summary.sequence,
            stored: summary.stored,
            received: summary.received,
            date: summary.date,
            subject: summary.subject,
            from: summary.from,
            to: summary.to,
            message_id: summary.rfc5322_message_id,
            thread: summary.thread,
            content: summary.content,
            locations: summary.locations,
        }
    }
}
