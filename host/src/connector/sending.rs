//! A session that sends: `postrider:sending` as the host calls it.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{InstancePre, StreamReader};

use super::bindings::sending::{Envelope as WitEnvelope, Guest as Exports, GuestIndices, Recipient as WitRecipient, Verdict as WitVerdict};
use super::bindings::types::Error;
use super::contract;
use super::handle::Handle;
use super::host::Guest;
use super::session::Session;
use super::streams::{Octets, Produced};
use super::ticker::Pulse;
use crate::fault::{Fault, Kind};
use crate::limits::contract::{MESSAGE_OCTETS, RECIPIENTS};
use crate::model::message::Extra;

/// A signed-in session that sends. Calls may overlap. Dropping it ends the instance at once, whatever it is doing.
pub struct SendingSession {
    handle: Handle<Exports>,
}

/// One recipient of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// RFC 5321 Mailbox, without angle brackets.
    pub address: String,
    /// "notify", "orcpt" (RFC 3461), ...
    pub extra: Extra,
}

/// One message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The host's id of this submission.
    pub id: String,
    /// The reverse path; empty for bounces.
    pub sender: String,
    /// 1 to 1,000.
    pub recipients: Vec<Recipient>,
    /// The exact number of octets.
    pub size: u64,
    /// "body", "smtputf8", ...
    pub extra: Extra,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted; the server's words or id.
    Accepted(Option<String>),
    /// Never.
    Refused(Fault),
    /// Later.
    Deferred(Fault),
    /// The line was lost when the server may have had it all.
    Unknown(Fault),
}

impl SendingSession {
    pub(super) async fn open(
        pulse: Pulse,
        component: InstancePre<Guest>,
        indices: GuestIndices,
        session: Arc<Session>,
    ) -> Result<Self, Fault> {
        let load = move |store: &mut Store<Guest>, instance: &wasmtime::component::Instance| indices.load(store, instance);
        Handle::open(pulse, component, session, load, |accessor, exports, settings| {
            Box::pin(async move { exports.session().call_open(accessor, settings).await })
        })
        .await
        .map(|handle| Self { handle })
    }

    /// What the server can do now: "dsn", "8bit", ...
    ///
    /// # Errors
    /// `ConnectorFailed` or `Cancelled` where the instance has ended.
    pub async fn abilities(&self) -> Result<Vec<String>, Fault> {
        self.handle
            .abilities(|accessor, exports, session| {
                Box::pin(async move { Ok(Ok(exports.session().call_abilities(accessor, session).await?)) })
            })
            .await
    }

    /// Send one message; one verdict a recipient, in order. An error means that nobody got it.
    ///
    /// # Errors
    /// What the component reports; `ConnectorFailed` where it traps, hangs or answers for another number of recipients.
    pub async fn send(&self, envelope: Envelope, octets: Octets) -> Result<Vec<Verdict>, Fault> {
        let operation = self.handle.operation("send a message");
        contract::at_most("an envelope (in recipients)", envelope.recipients.len(), RECIPIENTS)
            .map_err(|breach| Fault::new(Kind::Usage, operation.clone()).because(&breach))?;
        let asked = envelope.recipients.len();
        let Envelope { id, sender, recipients, size, extra } = envelope;
        let recipients = recipients.into_iter().map(|Recipient { address, extra }| WitRecipient { address, extra }).collect();
        let envelope = WitEnvelope { id, sender, recipients, size, extra };
        let meter = Arc::clone(&self.handle.session().meter);
        let verdicts = self
            .handle
            .call(operation.clone(), |accessor, exports, session| {
                Box::pin(async move {
                    let octets = accessor.with(|store| StreamReader::new(store, Produced::new(octets, meter).0))?;
                    exports.session().call_send(accessor, session, envelope, octets).await
                })
            })
            .await?;
        if verdicts.len() != asked {
            let cause = format!("{} gave {} verdicts for {asked} recipients", self.handle.session().connector, verdicts.len());
            return Err(Fault::new(Kind::ConnectorFailed, operation).because_words(cause));
        }
        let fault = |error: &Error| contract::fault_of_component(error, operation.clone());
        Ok(verdicts
            .iter()
            .map(|verdict| match verdict {
                WitVerdict::Accepted(words) => {
                    Verdict::Accepted(words.as_deref().map(|words| contract::escaped(contract::shortened(words, MESSAGE_OCTETS))))
                }
                WitVerdict::Refused(error) => Verdict::Refused(fault(error)),
                WitVerdict::Deferred(error) => Verdict::Deferred(fault(error)),
                WitVerdict::Unknown(error) => Verdict::Unknown(fault(error)),
            })
            .collect())
    }

    /// Say goodbye to the server, and end. A component that takes longer than `stop-grace-ms` is not waited for.
    pub async fn close(self) {
        self.handle
            .close(|accessor, exports, session| Box::pin(async move { exports.session().call_close(accessor, session).await }))
            .await;
    }

    /// Ask the session to stop: every pending import answers `cancelled`, and after `stop-grace-ms` the instance is dropped.
    pub fn stop(&self) {
        self.handle.stop();
    }
}
