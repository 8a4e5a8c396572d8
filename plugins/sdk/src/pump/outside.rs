//! What a pump needs of the world, so that it runs natively in a test; and the world of a component.

use std::cell::RefCell;

use futures_util::future::join;

use super::parcel::Parcel;
use crate::bindings::receiver::postrider::mailbox::mailbox;
use crate::bindings::receiver::postrider::runtime::runtime;
use crate::bindings::receiver::postrider::transport::transport::Connection;
use crate::bindings::receiver::{wit_future, wit_stream};
use crate::machine::{Answer, Question};
use crate::types::{Arrival, Error, Failure, Level, Scope, StreamReader};

/// The line, the mailbox and the clock.
pub(super) trait Outside {
    /// `connection.read`.
    fn read(&self, max: u32, timeout_ms: Option<u64>) -> impl Future<Output = Result<Vec<u8>, Error>>;

    /// `connection.write`.
    fn write(&self, octets: Vec<u8>) -> impl Future<Output = Result<(), Error>>;

    /// Ask the mailbox.
    fn ask(&self, question: Question) -> impl Future<Output = Answer>;

    /// `mailbox.deliver`, as the parcel's pieces come.
    fn deliver(&self, scope: Scope, arrival: Arrival, parcel: &Parcel) -> impl Future<Output = Result<(), Error>>;

    /// At most `max` octets of the stream that the call brought; none at its end.
    fn draw(&self, max: usize) -> impl Future<Output = Option<Vec<u8>>>;

    /// `runtime.sleep`.
    fn sleep(&self, ms: u64) -> impl Future<Output = ()>;

    /// `mailbox.progress`.
    fn progress(&self, scope: &Scope, done: u64, total: Option<u64>);

    /// `runtime.log`.
    fn log(&self, level: Level, message: &str);
}

/// What a component has.
pub(super) struct Component<'a> {
    connection: &'a Connection,
    /// The stream that the call brought, while nothing is being drawn from it.
    brought: RefCell<Option<StreamReader<u8>>>,
}

impl<'a> Component<'a> {
    pub(super) const fn new(connection: &'a Connection, brought: Option<StreamReader<u8>>) -> Self {
        Self { connection, brought: RefCell::new(brought) }
    }
}

impl Outside for Component<'_> {
    async fn read(&self, max: u32, timeout_ms: Option<u64>) -> Result<Vec<u8>, Error> {
        self.connection.read(max, timeout_ms).await
    }

    async fn write(&self, octets: Vec<u8>) -> Result<(), Error> {
        self.connection.write(octets).await
    }

    async fn ask(&self, question: Question) -> Answer {
        ask(question).await
    }

    async fn deliver(&self, scope: Scope, arrival: Arrival, parcel: &Parcel) -> Result<(), Error> {
        deliver(scope, arrival, parcel).await
    }

    async fn draw(&self, max: usize) -> Option<Vec<u8>> {
        let mut octets = self.brought.take()?;
        let (_, piece) = octets.read(Vec::with_capacity(max)).await;
        self.brought.replace(Some(octets));
        (!piece.is_empty()).then_some(piece)
    }

    async fn sleep(&self, ms: u64) {
        runtime::sleep(ms).await;
    }

    fn progress(&self, scope: &Scope, done: u64, total: Option<u64>) {
        mailbox::progress(scope, done, total);
    }

    fn log(&self, level: Level, message: &str) {
        runtime::log(level, message);
    }
}

/// Ask the mailbox.
pub(crate) async fn ask(question: Question) -> Answer {
    match question {
        Question::Unseen(scope, ids) => Answer::Ids(mailbox::unseen(scope, ids).await),
        Question::Known(scope, after, max) => Answer::Page(mailbox::known(scope, after, max).await),
        Question::Recognise(scope, arrivals) => Answer::Recognised(mailbox::recognise(scope, arrivals).await),
        Question::Expendable(scope, after, max) => Answer::Page(mailbox::expendable(scope, after, max).await),
        Question::SetAside(scope, arrival, reason) => Answer::Done(mailbox::set_aside(scope, *arrival, reason).await),
        Question::Changed(scope, changes) => Answer::Done(mailbox::changed(scope, changes).await),
        Question::Removed(scope, ids) => Answer::Done(mailbox::removed(scope, ids).await),
        Question::Retired(scope) => Answer::Done(mailbox::retired(scope).await),
        Question::Checkpoint(scope, cursor) => Answer::Done(mailbox::checkpoint(scope, cursor).await),
        // The pump's own.
        Question::Draw => Answer::Octets(None),
        // Whoever sends runs with `run_sending`.
        Question::Committing(_) => Answer::Done(Err(Error::new(Failure::Unsupported, "this call sends nothing"))),
    }
}

/// Hand one message to the host, as its pieces come.
async fn deliver(scope: Scope, arrival: Arrival, parcel: &Parcel) -> Result<(), Error> {
    let (mut octets, reader) = wit_stream::new();
    // What is written when this future is dropped in the middle: the end of a stream alone looks like success.
    let (finished, count) = wit_future::new(|| Err(Error::new(Failure::Cancelled, "the message was given up before its end")));
    let feed = async move {
        while let Some(piece) = parcel.next().await {
            let length = piece.len();
            let left = octets.write_all(piece).await;
            parcel.settle(length);
            if !left.is_empty() {
                // The host wants no more of it; its answer says why.
                parcel.refuse();
            }
        }
        drop(octets);
        let count = parcel.count().unwrap_or_else(|| Err(Error::new(Failure::Cancelled, "the message has no end")));
        // Where nobody reads the count the call was refused, and its answer says why.
        let _ = finished.write(count).await;
    };
    join(mailbox::deliver(scope, arrival, reader, count), feed).await.0
}
