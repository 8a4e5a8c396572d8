//! The world of a component that sends: a line, the message that the call brought, and the host's mark before the server becomes responsible.

use std::cell::RefCell;

use super::outside::Outside;
use super::parcel::Parcel;
use super::{Pump, Surroundings, drive};
use crate::bindings::receiver::postrider::runtime::runtime;
use crate::bindings::receiver::postrider::transport::transport::Connection;
use crate::bindings::sender::postrider::submission::submission;
use crate::machine::{Answer, Machine, Question};
use crate::types::{Arrival, Error, Failure, Level, Scope, StreamReader};

/// The stream that a call brought, which outlives a line: what was not drawn on one is drawn on the next.
pub struct Brought(RefCell<Option<StreamReader<u8>>>);

impl Brought {
    /// Over the stream of this call.
    #[must_use]
    pub const fn new(octets: StreamReader<u8>) -> Self {
        Self(RefCell::new(Some(octets)))
    }

    /// Of a conversation that draws nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(RefCell::new(None))
    }

    pub(super) async fn draw(&self, max: usize) -> Option<Vec<u8>> {
        let mut octets = self.0.take()?;
        let (_, piece) = octets.read(Vec::with_capacity(max)).await;
        self.0.replace(Some(octets));
        (!piece.is_empty()).then_some(piece)
    }
}

/// Run `machine` with the message that the call brought, for its [`Question::Draw`]s, and with the host's mark ([`Question::Committing`]). It has
/// no mailbox: every question about one is refused.
///
/// # Errors
/// As [`run`](super::run).
pub async fn run_sending<M: Machine>(machine: &mut M, around: Surroundings<'_>, octets: &Brought) -> Result<M::Output, Error> {
    drive(machine, Pump::new(&Sender { connection: around.connection, octets }), around.wanted, around.time_up).await
}

/// What a component that sends has.
struct Sender<'a> {
    connection: &'a Connection,
    octets: &'a Brought,
}

impl Outside for Sender<'_> {
    async fn read(&self, max: u32, timeout_ms: Option<u64>) -> Result<Vec<u8>, Error> {
        self.connection.read(max, timeout_ms).await
    }

    async fn write(&self, octets: Vec<u8>) -> Result<(), Error> {
        self.connection.write(octets).await
    }

    async fn ask(&self, question: Question) -> Answer {
        match question {
            Question::Committing(id) => Answer::Done(submission::committing(id).await),
            _ => Answer::Done(Err(no_mailbox())),
        }
    }

    async fn deliver(&self, _: Scope, _: Arrival, _: &Parcel) -> Result<(), Error> {
        Err(no_mailbox())
    }

    async fn draw(&self, max: usize) -> Option<Vec<u8>> {
        self.octets.draw(max).await
    }

    async fn sleep(&self, ms: u64) {
        runtime::sleep(ms).await;
    }

    fn progress(&self, _: &Scope, _: u64, _: Option<u64>) {}

    fn log(&self, level: Level, message: &str) {
        runtime::log(level, message);
    }
}

fn no_mailbox() -> Error {
    Error::new(Failure::Unsupported, "who sends has no mailbox: a fault of the connector")
}
