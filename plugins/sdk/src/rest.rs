//! What the conversation of a REST connector runs on: the host as a trait, so that the same code runs in the component and, natively, in the test kit.
//!
//! A conversation is an async function over it. There is no line and no order to keep: requests may run beside each other (`futures_util::future::join`),
//! the host bounds how many.
//!
//! ```
//! use postrider_connector::http::{Request, Url};
//! use postrider_connector::rest::Host;
//! use postrider_connector::types::{Arrival, Error, Part, Scope};
//!
//! #[derive(serde::Deserialize)]
//! struct Listing {
//!     messages: Vec<String>,
//! }
//!
//! /// Receive what the host does not have yet.
//! async fn sync(host: &impl Host, base: &str) -> Result<(), Error> {
//!     let scope = Scope { folder: None, generation: String::new() };
//!     let messages = || Url::new(base).segment("messages");
//!     let listing: Listing = host.json(Request::get(messages()), 1 << 20).await?;
//!     for id in host.unseen(&scope, listing.messages).await? {
//!         let response = host.exchange(Request::get(messages().segment(&id))).await?.success().await?;
//!         host.deliver(&scope, Arrival::new(&id), response.body).await?;
//!     }
//!     host.checkpoint(&scope, Vec::new()).await
//! }
//!
//! use postrider_connector::testing::{Service, World};
//!
//! let (_, world) = Service::parse(r#"
//!     > GET https://mail.example.com/messages
//!     < 200
//!     <
//!     < {"messages": ["7"]}
//!     > GET https://mail.example.com/messages/7
//!     < 200
//!     <
//!     < Subject: hi\r\n\r\n
//! "#).play(&World::default(), async |host| sync(host, "https://mail.example.com").await);
//! assert_eq!(world.octets("", "", "7"), Some(b"Subject: hi\r\n\r\n".as_slice()));
//! ```

use futures_util::future::join;
use serde::de::DeserializeOwned;

use crate::bindings::receiver::postrider::http::http;
use crate::bindings::receiver::postrider::mailbox::mailbox;
use crate::bindings::receiver::postrider::runtime::runtime;
use crate::bindings::receiver::{wit_future, wit_stream};
use crate::http::{Body, Coming, Request, Response, Source};
use crate::machine::{Answer, Question};
use crate::types::{Arrival, Change, Error, Failure, FutureReader, Level, Page, Scope, StreamReader};

/// Octets that one read of a body asks for.
const READ_OCTETS: usize = 64 << 10;

/// The host, as a conversation sees it: [`ComponentHost`] in a component, `testing::Guest` in a test. The provided functions are the contract's
/// (`wit/deps/mailbox.wit`) under their own names.
pub trait Host {
    /// Send one request; an answer of any status is an answer.
    ///
    /// # Errors
    /// The request could not be sent or answered, or the host refuses it.
    fn exchange(&self, request: Request) -> impl Future<Output = Result<Response, Error>>;

    /// Ask the mailbox.
    fn ask(&self, question: Question) -> impl Future<Output = Answer>;

    /// Hand over one message. A body that is cut short is told to the host as that, and nothing of it is kept.
    ///
    /// # Errors
    /// The body's own, or the host's refusal; [`Error::concerns_one_message`] says whether the rest may go on.
    fn deliver(&self, scope: &Scope, arrival: Arrival, body: Body) -> impl Future<Output = Result<(), Error>>;

    /// Tell how far `scope` has come, in messages.
    fn progress(&self, scope: &Scope, done: u64, total: Option<u64>);

    /// A line for the operator.
    fn log(&self, level: Level, message: &str);

    /// The JSON of one answer, at most `limit` octets.
    ///
    /// # Errors
    /// As for [`exchange`](Self::exchange) and [`Response::json`].
    fn json<T: DeserializeOwned>(&self, request: Request, limit: usize) -> impl Future<Output = Result<T, Error>> {
        async move { self.exchange(request).await?.json(limit).await }
    }

    /// Which of these ids the host does not have; at most 10,000.
    ///
    /// # Errors
    /// The host's refusal, as for all that follow.
    fn unseen(&self, scope: &Scope, ids: Vec<String>) -> impl Future<Output = Result<Vec<String>, Error>> {
        async move {
            match self.ask(Question::Unseen(scope.clone(), ids)).await {
                Answer::Ids(ids) => ids,
                _ => Err(unasked()),
            }
        }
    }

    /// The ids that the host has, by the page.
    ///
    /// # Errors
    /// The host's refusal.
    fn known(&self, scope: &Scope, after: Option<String>, max: u32) -> impl Future<Output = Result<Page, Error>> {
        async move { page(self.ask(Question::Known(scope.clone(), after, max)).await) }
    }

    /// The ids that may be deleted on the server, by the page.
    ///
    /// # Errors
    /// The host's refusal.
    fn expendable(&self, scope: &Scope, after: Option<String>, max: u32) -> impl Future<Output = Result<Page, Error>> {
        async move { page(self.ask(Question::Expendable(scope.clone(), after, max)).await) }
    }

    /// Which of these the host has already under their stable ids; at most 1,000.
    ///
    /// # Errors
    /// The host's refusal.
    fn recognise(&self, scope: &Scope, arrivals: Vec<Arrival>) -> impl Future<Output = Result<Vec<bool>, Error>> {
        async move {
            match self.ask(Question::Recognise(scope.clone(), arrivals)).await {
                Answer::Recognised(recognised) => recognised,
                _ => Err(unasked()),
            }
        }
    }

    /// Set one message aside, for this reason.
    ///
    /// # Errors
    /// The host's refusal.
    fn set_aside(&self, scope: &Scope, arrival: Arrival, reason: Error) -> impl Future<Output = Result<(), Error>> {
        async move { done(self.ask(Question::SetAside(scope.clone(), Box::new(arrival), reason)).await) }
    }

    /// Keywords or folders of messages are now these; at most 10,000.
    ///
    /// # Errors
    /// The host's refusal.
    fn changed(&self, scope: &Scope, changes: Vec<Change>) -> impl Future<Output = Result<(), Error>> {
        async move { done(self.ask(Question::Changed(scope.clone(), changes)).await) }
    }

    /// The server has these no more; at most 10,000.
    ///
    /// # Errors
    /// The host's refusal.
    fn removed(&self, scope: &Scope, ids: Vec<String>) -> impl Future<Output = Result<(), Error>> {
        async move { done(self.ask(Question::Removed(scope.clone(), ids)).await) }
    }

    /// The scope's generation is over.
    ///
    /// # Errors
    /// The host's refusal.
    fn retired(&self, scope: &Scope) -> impl Future<Output = Result<(), Error>> {
        async move { done(self.ask(Question::Retired(scope.clone())).await) }
    }

    /// Make everything so far durable, with the cursor.
    ///
    /// # Errors
    /// The host's refusal.
    fn checkpoint(&self, scope: &Scope, cursor: Vec<u8>) -> impl Future<Output = Result<(), Error>> {
        async move { done(self.ask(Question::Checkpoint(scope.clone(), cursor)).await) }
    }
}

/// The host that a component runs in. Natively there is none, and using it panics: tests give a conversation `testing::Guest`.
///
/// ```no_run
/// use postrider_connector::rest::{ComponentHost, Host as _};
/// use postrider_connector::types::Level;
///
/// ComponentHost.log(Level::Info, "in a component");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ComponentHost;

impl Host for ComponentHost {
    async fn exchange(&self, request: Request) -> Result<Response, Error> {
        let Request { method, url, headers, credential, cost, body } = request;
        let request = http::Request { method, url, headers, credential, cost };
        let Some(octets) = body else { return http::exchange(request, None).await.map(response) };
        let (mut writer, reader) = wit_stream::new();
        let length = octets.len() as u64;
        let feed = async move {
            // Where the host takes not all of them, its answer says why.
            let _ = writer.write_all(octets).await;
        };
        join(http::exchange(request, Some((length, reader))), feed).await.0.map(response)
    }

    async fn ask(&self, question: Question) -> Answer {
        crate::pump::ask(question).await
    }

    async fn deliver(&self, scope: &Scope, arrival: Arrival, mut body: Body) -> Result<(), Error> {
        let (mut octets, reader) = wit_stream::new();
        // What is written when this future is dropped in the middle: the end of a stream alone looks like success.
        let (finished, count) = wit_future::new(|| Err(Error::new(Failure::Cancelled, "the message was given up before its end")));
        let feed = async move {
            let end = loop {
                match body.piece().await {
                    Ok(Some(piece)) => {
                        if !octets.write_all(piece).await.is_empty() {
                            // The host wants no more of it; its answer says why.
                            break Ok(());
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            drop(octets);
            let count = end.clone().map(|()| body.handed_out());
            let _ = finished.write(count).await;
            end
        };
        let (answer, end) = join(mailbox::deliver(scope.clone(), arrival, reader, count), feed).await;
        // Why the body is not whole says more than that it is not.
        end.and(answer)
    }

    fn progress(&self, scope: &Scope, done: u64, total: Option<u64>) {
        mailbox::progress(scope, done, total);
    }

    fn log(&self, level: Level, message: &str) {
        runtime::log(level, message);
    }
}

fn response(response: http::Response) -> Response {
    let http::Response { status, headers, body, finished } = response;
    Response { status, headers, body: Body::new(FromHost { body, finished: Some(finished) }) }
}

/// A body that the host streams.
struct FromHost {
    body: StreamReader<u8>,
    finished: Option<FutureReader<Result<u64, Error>>>,
}

impl Source for FromHost {
    fn next(&mut self) -> Coming<'_, Option<Vec<u8>>> {
        Box::pin(async {
            let (_, piece) = self.body.read(Vec::with_capacity(READ_OCTETS)).await;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn finished(&mut self) -> Coming<'_, Result<u64, Error>> {
        Box::pin(async {
            match self.finished.take() {
                Some(finished) => finished.await,
                None => Err(Error::new(Failure::Malformed, "the end of a body was asked for twice: a fault of the SDK")),
            }
        })
    }
}

fn done(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Done(done) => done,
        _ => Err(unasked()),
    }
}

fn page(answer: Answer) -> Result<Page, Error> {
    match answer {
        Answer::Page(page) => page,
        _ => Err(unasked()),
    }
}

fn unasked() -> Error {
    Error::new(Failure::Malformed, "the host answered another question: a fault of the SDK")
}
