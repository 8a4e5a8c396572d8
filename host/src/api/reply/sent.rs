//! What became of messages that were to be sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::naming_role;
use crate::clock::Timestamp;
use crate::connector::Verdict;
use crate::fault::{Fault, Kind};
use crate::flow::send::Sent;
use crate::flow::submission::Submission;
use crate::model::account::RoleKind;
use crate::model::name::AccountName;

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentView {
    /// Which of those that were handed over, from 0.
    pub place: u64,
    /// The id of the attempt.
    pub submission: String,
    /// The message's own id.
    pub message_id: Option<String>,
    /// Its octets, as they were handed over.
    pub octets: u64,
    /// One a recipient, in order.
    pub recipients: Vec<RecipientView>,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientView {
    /// Who.
    pub address: String,
    /// What became of it.
    pub verdict: VerdictWord,
    /// The server's words or id, where it accepted.
    pub words: Option<String>,
    /// Why not, where it did not.
    pub fault: Option<Fault>,
}

/// The four verdicts, the better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictWord {
    /// The server is responsible.
    Accepted,
    /// Not now: a repeat may succeed.
    Deferred,
    /// Never.
    Refused,
    /// The line was lost when the server may have had it all.
    Unknown,
}

impl SentView {
    /// Of a message that `recipients` were to get over `account`.
    #[must_use]
    pub fn new(place: u64, sent: &Sent, recipients: &[String], account: &AccountName) -> Self {
        let recipients = recipients.iter().zip(&sent.verdicts).map(|(address, verdict)| RecipientView::new(address, verdict, account));
        Self {
            place,
            submission: sent.id.clone(),
            message_id: sent.message_id.clone(),
            octets: sent.octets,
            recipients: recipients.collect(),
        }
    }
}

impl RecipientView {
    fn new(address: &str, verdict: &Verdict, account: &AccountName) -> Self {
        let named = |fault: &Fault| Some(naming_role(fault.clone(), account, RoleKind::Send));
        let (verdict, words, fault) = match verdict {
            Verdict::Accepted(words) => (VerdictWord::Accepted, words.clone(), None),
            Verdict::Deferred(fault) => (VerdictWord::Deferred, None, named(fault)),
            Verdict::Refused(fault) => (VerdictWord::Refused, None, named(fault)),
            Verdict::Unknown(fault) => (VerdictWord::Unknown, None, named(&unsettled(address, fault.clone()))),
        };
        Self { address: address.to_owned(), verdict, words, fault }
    }
}

/// That nobody can tell, with what happened as the cause.
fn unsettled(address: &str, lost: Fault) -> Fault {
    let told = lost.within(format!("tell whether `{address}` gets the message: the server may have taken it"));
    Fault { kind: Kind::Unsettled, ..told }.with_remedy(
        "look into the server's log or ask the recipient; sent again it has the same Message-ID, by which most mail programs show it once",
    )
}

impl fmt::Display for VerdictWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        })
    }
}

/// A message of which nobody was told how its sending ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionView {
    /// To acknowledge it with.
    pub id: String,
    /// Whose.
    pub account: AccountName,
    /// The reverse path.
    pub sender: String,
    /// The first recipients.
    pub recipients: Vec<String>,
    /// How many there are in all.
    pub recipient_count: u64,
    /// BLAKE3 over the whole envelope, in hex.
    pub envelope_digest: String,
    /// The message's own id.
    pub message_id: Option<String>,
    /// Octets of the message.
    pub octets: u64,
    /// When the server was about to become responsible.
    pub at: Timestamp,
    /// "unknown": the server may have taken it; otherwise what became of it, though nobody was there to be told.
    pub outcome: String,
}

impl SubmissionView {
    /// Of a submission of `account`.
    #[must_use]
    pub fn new(account: AccountName, submission: Submission) -> Self {
        let Submission { id, sender, recipients, recipient_count, envelope_digest, message_id, octets, at, outcome, .. } = submission;
        let outcome = outcome.unwrap_or_else(|| VerdictWord::Unknown.to_string());
        Self { id, account, sender, recipients, recipient_count, envelope_digest, message_id, octets, at, outcome }
    }
}
