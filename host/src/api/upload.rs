//! What whoever asks hands over while its request is carried out: messages to send, and that it has heard what became of them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Pieces on their way; more make whoever hands them over wait.
const QUEUED: usize = 4;

/// One thing that is handed over. Messages only when [`Event::Wanted`](super::Event::Wanted) asked for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "kebab-case")]
pub enum Upload {
    /// The next octets of a message. Has a frame of its own on the control socket.
    #[serde(skip)]
    Octets(Bytes),
    /// The message has ended.
    MessageEnd,
    /// There is no further message.
    NoMore,
    /// It was told what became of this submission.
    Told(String),
}

/// Where a request's uploads come out.
#[derive(Debug, Default)]
pub struct Uploads(Option<mpsc::Receiver<Upload>>);

impl Uploads {
    /// An end at which uploads go in, and the one at which they come out.
    #[must_use]
    pub fn channel() -> (mpsc::Sender<Upload>, Self) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (sender, Self(Some(receiver)))
    }

    /// For a request to which nothing is handed over.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// The next one; none: whoever asked has gone. Where nothing is handed over it never returns.
    pub async fn next(&mut self) -> Option<Upload> {
        match &mut self.0 {
            Some(receiver) => receiver.recv().await,
            None => std::future::pending().await,
        }
    }
}
