//! What happens while a request is carried out, on its way to whoever asked.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::reply::MessageView;
use crate::fault::{Fault, Kind};
use crate::model::name::AccountName;

/// Events on their way; more make the request wait, so that a slow reader costs no memory.
const QUEUED: usize = 64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// How far a pass has come.
    Progress {
        /// Of whom.
        account: AccountName,
        /// Of which folder; none: of the whole account.
        folder: Option<String>,
        /// Messages dealt with.
        done: u64,
        /// Of so many, where known.
        total: Option<u64>,
        /// Octets received in this pass.
        octets: u64,
    },
    /// A page of the messages that were asked for.
    Messages {
        /// In the order asked for.
        page: Vec<MessageView>,
    },
    /// A stage of a test is over.
    Stage(Stage),
    /// Something that a person wants to know.
    Note {
        /// A sentence without a full stop.
        words: String,
    },
    /// The next octets of what is exported. Has a frame of its own on the control socket.
    #[serde(skip)]
    Octets(Bytes),
}

/// One stage of testing an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// "name", "connect", "tls", "greeting", "sign-in" or "folders".
    pub stage: String,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What was found: "TLS 1.3, certificate of mail.example.com until 2027-01-01".
    pub finding: String,
    /// Why it failed.
    pub fault: Option<Fault>,
}

/// Where a request's events go.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<Event>);

impl Events {
    /// A sender and the end at which its events come out.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Say how far a pass has come. Dropped where the reader is slow: the next one says more.
    pub fn progress(&self, account: &AccountName, folder: Option<&str>, done: u64, total: Option<u64>, octets: u64) {
        let event = Event::Progress { account: account.clone(), folder: folder.map(str::to_owned), done, total, octets };
        // Full or without a reader, either is no reason to stop.
        let _ = self.0.try_send(event);
    }

    /// Send an event, and wait while the reader is slow.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] where nobody listens any more.
    pub async fn send(&self, event: Event) -> Result<(), Fault> {
        self.0.send(event).await.map_err(|_| Fault::new(Kind::Cancelled, "report to the one who asked"))
    }

    /// Send a note; nobody listening is no fault.
    pub async fn note(&self, words: impl Into<String>) {
        let _ = self.send(Event::Note { words: words.into() }).await;
    }
}
