//! The line protocols from the greeting to the signed-in state, as machines without I/O: octets in, steps out. The pump that
//! feeds them is `open`; what they refuse becomes a [`Fault`](crate::fault::Fault) in [`problem`].

pub mod imap;
pub mod pop3;
pub mod problem;
pub mod quirks;
pub mod refusal;
pub mod smtp;

mod lines;
mod sign_in;
#[cfg(test)]
mod transcript;

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::sasl::ChannelBinding;
pub use problem::Problem;
pub use quirks::Quirks;

/// What the server said on the way in. Nothing of the sign-in itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// The greeting line without CRLF; empty for protocols without one, and where it was said before STARTTLS: nothing from
    /// before TLS survives it.
    pub greeting: String,
    /// What is offered after TLS and sign-in: IMAP capabilities as single words, CAPA and EHLO as one line each.
    pub capabilities: Vec<String>,
    /// Whether somebody is signed in.
    pub signed_in: bool,
    /// Where the server said who that is.
    pub identity: Option<String>,
}

/// What a preamble wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More octets.
    Read,
    /// These octets written. They may hold a secret, hence the type.
    Write(Zeroizing<Vec<u8>>),
    /// TLS on this line; then [`Preamble::secured`], and to be stepped again with nothing pending.
    StartTls,
    /// To be stepped again without more octets, after others had their turn: it has work that takes long.
    Busy,
    /// Nothing: greeting and capabilities are known and sign-in comes next. Said once, so that the two can be timed apart.
    Greeted,
    /// Nothing ever: the line is ready, and what is pending belongs to who gets it.
    Done(Opening),
}

/// The preamble of one protocol.
pub trait Preamble: Send {
    /// Go on with the octets in `pending`, of which it takes what it understands.
    ///
    /// # Errors
    /// The server, or the way to it, is not what the account asks for. The machine is not stepped again after that.
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, Problem>;

    /// TLS stands, from the first octet or after [`Step::StartTls`]; `binding` is what a sign-in can be bound to. Said before the
    /// next step.
    fn secured(&mut self, binding: Option<ChannelBinding>);

    /// What the server greeted with, so far as it is known.
    fn greeting(&self) -> &str;

    /// The problem when the server closed the line here, with what was `pending`.
    fn closed(&self, pending: &[u8]) -> Problem;
}
