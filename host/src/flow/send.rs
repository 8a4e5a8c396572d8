//! The way out: messages over a few sessions, and what became of each recipient.

pub mod content;

use std::sync::Arc;

use futures_util::stream::try_unfold;

use self::content::Content;
use super::event::Watcher;
use super::host::Host;
use super::submission::Submission;
use crate::connector::{Envelope, Recipient, SendingSession, Verdict};
use crate::fault::{Fault, Kind};
use crate::model::account::Account;
use crate::model::message::Extra;
use crate::store::PutAside;

/// Octets of a submission's id, before it is written as text.
const ID_OCTETS: usize = 15;

/// To whom messages go, and with which facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    /// The reverse path; empty for bounces.
    pub sender: String,
    /// RFC 5321 Mailboxes, and what is asked for each.
    pub recipients: Vec<Recipient>,
    /// What is asked for the message: "requiretls", "ret", "envid", ...
    pub extra: Extra,
}

/// One message that waits.
pub struct Outgoing {
    /// Its octets.
    pub octets: PutAside,
    /// What its header says.
    pub content: Content,
}

/// What became of one message.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The id of the attempt, to be acknowledged with.
    pub id: String,
    /// Its own id.
    pub message_id: Option<String>,
    /// Its octets.
    pub octets: u64,
    /// One a recipient, in order.
    pub verdicts: Vec<Verdict>,
}

/// Sends one message after the other over one session. Several of them make up the connections of one request.
pub struct Courier {
    host: Arc<Host>,
    account: Account,
    watcher: Arc<dyn Watcher>,
    session: Option<SendingSession>,
}

/// Why a message was not sent at all, and none after it would be.
pub struct NoSession {
    /// What went wrong.
    pub fault: Fault,
    /// The message, which nobody got.
    pub unsent: Outgoing,
}

impl Courier {
    /// For `account`; its session is opened with the first message.
    #[must_use]
    pub const fn new(host: Arc<Host>, account: Account, watcher: Arc<dyn Watcher>) -> Self {
        Self { host, account, watcher, session: None }
    }

    /// Send one message.
    ///
    /// # Errors
    /// There is no session to be had: nobody got it, and nobody would get another one.
    pub async fn send(&mut self, to: &Addressed, outgoing: Outgoing) -> Result<Sent, NoSession> {
        let (session, id) = match self.session().await {
            Ok(ready) => ready,
            Err(fault) => return Err(NoSession { fault, unsent: outgoing }),
        };
        let Outgoing { octets, content } = outgoing;
        let addresses: Vec<_> = to.recipients.iter().map(|recipient| recipient.address.clone()).collect();
        let submission = Submission::new(id.clone(), self.account.id, &to.sender, &addresses, content.message_id.clone(), octets.octets());
        self.host.marks.begin(submission);
        let envelope = Envelope {
            id: id.clone(),
            sender: to.sender.clone(),
            recipients: to.recipients.clone(),
            size: octets.octets(),
            extra: to.extra.clone(),
        };
        let size = octets.octets();
        let verdicts = match session.send(envelope, Box::pin(stream(&octets))).await {
            Ok(verdicts) => {
                self.session = Some(session);
                verdicts
            }
            Err(fault) => {
                // An instance that has ended sends nothing more.
                if fault.kind != Kind::ConnectorFailed && fault.kind != Kind::Cancelled {
                    self.session = Some(session);
                }
                let verdict = self.verdict_of(&id, fault);
                to.recipients.iter().map(|_| verdict.clone()).collect()
            }
        };
        Ok(Sent { id, message_id: content.message_id, octets: size, verdicts })
    }

    /// The session, and the id of an attempt.
    async fn session(&mut self) -> Result<(SendingSession, String), Fault> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let marks = Arc::clone(&self.host.marks);
                self.host.sending_session(&self.account, &self.watcher, marks).await?
            }
        };
        Ok((session, new_id()?))
    }

    /// What a failure of the whole means for each recipient.
    fn verdict_of(&self, id: &str, fault: Fault) -> Verdict {
        if self.host.marks.has_mark(id) {
            return Verdict::Unknown(fault);
        }
        let is_final = matches!(
            fault.kind,
            Kind::Permanent | Kind::Forbidden | Kind::Unsupported | Kind::TooLarge | Kind::Misconfigured | Kind::Usage
        );
        if is_final { Verdict::Refused(fault) } else { Verdict::Deferred(fault) }
    }

    /// Say goodbye to the server.
    pub async fn close(mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

/// The octets as a session takes them.
fn stream(octets: &PutAside) -> impl futures_util::Stream<Item = Result<bytes::Bytes, Fault>> + Send + use<> {
    try_unfold(octets.read(), |mut reader| async move {
        let piece = reader.next().await?;
        Ok(piece.map(|piece| (piece, reader)))
    })
}

/// An id that no other attempt has.
///
/// # Errors
/// The system gives no random octets.
pub fn new_id() -> Result<String, Fault> {
    let mut octets = [0; ID_OCTETS];
    getrandom::fill(&mut octets).map_err(|error| Fault::new(Kind::Bug, "draw a submission's id").because_words(error.to_string()))?;
    Ok(data_encoding::BASE32_NOPAD.encode(&octets).to_ascii_lowercase())
}
