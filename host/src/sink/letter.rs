//! What a sink is given, and what it promises.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::fault::Fault;
use crate::model::message::Summary;
use crate::model::name::MessageId;

/// What makes a repeat recognisable: the message's id (a keyed hash of its identity) and what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    /// Which message.
    pub message: MessageId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was stored.
    Received,
}

/// The octets of a message, piece by piece.
#[async_trait]
pub trait Octets: Send {
    /// The next piece, at most 64 KiB; none after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, Fault>;
}

/// One message on its way to a sink.
pub struct Letter {
    /// To recognise a repeat by.
    pub event: EventId,
    /// What is known of the message.
    pub summary: Summary,
    /// Its octets.
    pub octets: Box<dyn Octets>,
}

/// One place that stored mail goes on to.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Begin to deliver: a look at what is there already, so that repeats are recognised.
    async fn round(&self) -> Result<Box<dyn Round>, Fault>;
}

/// One run of deliveries to a sink.
#[async_trait]
pub trait Round: Send {
    /// Take over `letters`; durable when it returns. An error means that any of them may have been taken, and all come again.
    async fn deliver(&mut self, letters: Vec<Letter>) -> Result<(), Fault>;
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            EventKind::Received => "r",
        };
        write!(f, "{}{kind}", self.message)
    }
}
