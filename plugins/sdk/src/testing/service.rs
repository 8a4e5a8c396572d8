//! A scripted REST service, and the ways to play it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::ready;

use super::block_on::block_on;
use super::promises::{Covers, check_cursors, check_durable, check_kept, ids};
use super::script::{spaced, unescape};
use super::world::World;
use crate::http::{Body, Coming, Request, Response, Source};
use crate::machine::{Answer, Question};
use crate::rest::Host;
use crate::types::{Arrival, Error, Failure, Level, Scope};

/// Requests that a service expects, and its answers.
///
/// ```text
/// # Why this exchange is here.
/// > POST https://mail.example.com/batch
/// > {"ids":["1"]}
/// < 200
/// < Content-Type: application/json
/// <
/// < {"messages": []}
/// ```
///
/// `>` begins an exchange with method and URL; more such lines are the body that is expected (none: any). `<` is the status, then headers, and behind an
/// empty one the body. `- ID` behind the first line says that the request deletes this message, which must be durable then. Lines of a body are put together with LF; `\r`, `\n`, `\0`, `\\` and `\xNN` stand for octets. An exchange is played once; requests
/// may come in any order, the first that fits is taken.
///
/// ```
/// use postrider_connector::http::{Request, Url};
/// use postrider_connector::rest::Host as _;
/// use postrider_connector::testing::{Service, World};
///
/// let service = Service::parse("
///     > GET https://mail.example.com/count
///     < 200
///     <
///     < 17
/// ");
/// let (count, _) = service.check(&World::default(), async |host| host.json::<u32>(Request::get("https://mail.example.com/count"), 100).await);
/// assert_eq!(count, 17);
/// ```
#[derive(Debug, Clone)]
pub struct Service {
    exchanges: Vec<Exchange>,
    covers: Option<Covers>,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exchange {
    method: String,
    url: String,
    /// The message that it deletes.
    deletes: Option<String>,
    /// What must be sent; none: anything.
    sent: Option<Vec<u8>>,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// How a service is played.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    /// Cut the bodies at this octet, counted over all of them.
    cut: Option<usize>,
    /// Give every octet by itself.
    single: bool,
    /// Let every answer come later.
    late: bool,
    /// End the body with this octet there.
    close: Option<usize>,
    /// Where it is ended, say that all octets came.
    lies: bool,
    /// Answer no request from this one on.
    fails: Option<usize>,
}

/// What a conversation runs on in a play: the scripted service, and a host in memory.
#[derive(Debug)]
pub struct Guest<'a> {
    service: &'a Service,
    manner: Manner,
    world: RefCell<World>,
    log: RefCell<Vec<String>>,
    played: RefCell<Vec<bool>>,
    requests: Cell<usize>,
    /// Checkpoints that were answered.
    answered: Cell<usize>,
    /// Ids of what the host had before.
    was_there: Vec<String>,
    /// Octets of bodies that were given out.
    given: Cell<usize>,
    /// Whether the conversation was told of an end that is none.
    failed: std::rc::Rc<Cell<bool>>,
}

impl Service {
    /// Read a script.
    ///
    /// # Panics
    /// On a line that is none of the known ones, or an exchange without a status.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut exchanges: Vec<(Exchange, Stage)> = Vec::new();
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (mark, rest) = line.split_at_checked(1).unwrap_or((line, ""));
            let rest = spaced(rest);
            match (mark, exchanges.last_mut()) {
                (">", Some((exchange, Stage::Request))) => join_line(exchange.sent.get_or_insert_default(), rest, &mut false),
                (">", _) => exchanges.push((Exchange::begin(rest), Stage::Request)),
                ("-", Some((exchange, Stage::Request))) => exchange.deletes = Some(rest.to_owned()),
                ("<", Some((exchange, stage))) => exchange.answer(rest, stage),
                _ => panic!("`{line}` is no line of a service's script"),
            }
        }
        assert!(exchanges.iter().all(|(exchange, _)| exchange.status != 0), "an exchange has no answer");
        Self { exchanges: exchanges.into_iter().map(|(exchange, _)| exchange).collect(), covers: None }
    }

    /// Hold every checkpoint against this rule: where `covers(cursor, id)`, the message must have been handed over before the
    /// checkpoint was asked for. And what was handed over before an exchange failed must have got a checkpoint.
    #[must_use]
    pub const fn with_cursor(mut self, covers: fn(cursor: &[u8], id: &str) -> bool) -> Self {
        self.covers = Some(covers);
        self
    }

    /// Play it once, as it stands.
    ///
    /// # Panics
    /// Where it is not followed, or the conversation fails.
    #[expect(clippy::needless_pass_by_value, reason = "a test writes a closure, not a reference to one")]
    pub fn play<T>(&self, world: &World, converse: impl AsyncFn(&Guest<'_>) -> Result<T, Error>) -> (T, World) {
        let guest = Guest::new(self, world, Manner::default());
        match block_on(converse(&guest)) {
            Ok(outcome) => {
                guest.finish();
                (outcome, guest.world.into_inner())
            }
            Err(error) => panic!("the conversation failed: {error:?}\n{}", guest.place()),
        }
    }

    /// Play it in every manner: bodies cut at every octet and octet by octet, answers that come late; bodies that end early at every octet, told and
    /// not told; requests that get no answer. `converse` gives what shall not depend on the manner.
    ///
    /// # Panics
    /// Where it is not followed, an outcome differs, an early end is taken for a whole, a lost line is told as anything but `unreachable`, or a cursor
    /// covers a message that was not handed over.
    #[expect(clippy::needless_pass_by_value, reason = "a test writes a closure, not a reference to one")]
    pub fn check<T: Debug>(&self, world: &World, converse: impl AsyncFn(&Guest<'_>) -> Result<T, Error>) -> (T, World) {
        let (outcome, whole) = self.play(world, &converse);
        let expected = format!("{outcome:?} {:?} {:?}", whole.messages, whole.retired);
        check_cursors(self.covers, &whole, &whole);
        let length: usize = self.exchanges.iter().map(|exchange| exchange.body.len()).sum();
        let cuts = (1..length).map(|cut| Manner { cut: Some(cut), ..Manner::default() });
        let others = [
            Manner { single: true, ..Manner::default() },
            Manner { late: true, ..Manner::default() },
            Manner { single: true, late: true, ..Manner::default() },
        ];
        for manner in cuts.chain(others) {
            let guest = Guest::new(self, world, manner);
            let outcome = block_on(converse(&guest)).unwrap_or_else(|error| panic!("{manner:?}: the conversation failed: {error:?}"));
            guest.finish();
            let played = guest.world.into_inner();
            assert_eq!(format!("{outcome:?} {:?} {:?}", played.messages, played.retired), expected, "{manner:?}: another outcome");
            check_cursors(self.covers, &played, &whole);
        }
        self.check_failing(world, &whole, length, &converse);
        (outcome, whole)
    }

    fn check_failing<T: Debug>(
        &self,
        world: &World,
        whole: &World,
        length: usize,
        converse: &impl AsyncFn(&Guest<'_>) -> Result<T, Error>,
    ) {
        let ends = (0..length).flat_map(|close| [(close, false), (close, true)]);
        let closed = ends.map(|(close, lies)| Manner { close: Some(close), lies, ..Manner::default() });
        let unanswered = (0..self.exchanges.len()).map(|fails| Manner { fails: Some(fails), ..Manner::default() });
        for manner in closed.chain(unanswered) {
            let guest = Guest::new(self, world, manner);
            match block_on(converse(&guest)) {
                Err(error) => assert_eq!(error.kind, Failure::Unreachable, "{manner:?}: a lost line is told as {error:?}"),
                Ok(outcome) => assert!(!guest.failed.get(), "{manner:?}: what is not whole was taken for it: {outcome:?}"),
            }
            let played = guest.world.into_inner();
            check_cursors(self.covers, &played, whole);
            check_kept(self.covers, world, &played);
        }
    }
}

/// What the lines of an exchange are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Request,
    Headers,
    /// Whether the body has a line already.
    Body(bool),
}

impl Exchange {
    fn begin(line: &str) -> Self {
        let Some((method, url)) = line.split_once(' ') else { panic!("`{line}` is no method and URL") };
        Self { method: method.to_owned(), url: url.to_owned(), deletes: None, sent: None, status: 0, headers: Vec::new(), body: Vec::new() }
    }

    fn answer(&mut self, line: &str, stage: &mut Stage) {
        match stage {
            Stage::Request => {
                self.status = line.parse().unwrap_or_else(|_| panic!("`{line}` is no status"));
                *stage = Stage::Headers;
            }
            Stage::Headers if line.is_empty() => *stage = Stage::Body(false),
            Stage::Headers => {
                let Some((name, value)) = line.split_once(": ") else { panic!("`{line}` is no header") };
                self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            Stage::Body(is_begun) => join_line(&mut self.body, line, is_begun),
        }
    }

    fn fits(&self, request: &Request) -> bool {
        let is_sent = self.sent.is_none() || self.sent.as_deref() == Some(request.body.as_deref().unwrap_or_default());
        self.method == request.method && self.url == request.url && is_sent
    }
}

fn join_line(body: &mut Vec<u8>, line: &str, is_begun: &mut bool) {
    if std::mem::replace(is_begun, true) || !body.is_empty() {
        body.push(b'\n');
    }
    body.extend(unescape(line));
}

impl<'a> Guest<'a> {
    fn new(service: &'a Service, world: &World, manner: Manner) -> Self {
        Self {
            service,
            manner,
            world: RefCell::new(world.clone()),
            log: RefCell::default(),
            played: RefCell::new(vec![false; service.exchanges.len()]),
            requests: Cell::new(0),
            answered: Cell::new(0),
            was_there: ids(world),
            given: Cell::new(0),
            failed: std::rc::Rc::default(),
        }
    }

    /// What was logged.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    fn finish(&self) {
        assert!(self.played.borrow().iter().all(|played| *played), "the script is not over\n{}", self.place());
    }

    fn place(&self) -> String {
        let played = self.played.borrow();
        let left = self.service.exchanges.iter().zip(played.iter()).filter(|(_, played)| !**played);
        let left: Vec<String> = left.map(|(exchange, _)| format!("> {} {}", exchange.method, exchange.url)).collect();
        format!("not asked for: {left:#?}\nlogged: {:?}", self.log.borrow())
    }

    /// The pieces of the next body, and how it ends.
    fn body(&self, octets: &[u8]) -> Body {
        let begin = self.given.get();
        self.given.set(begin + octets.len());
        let mut pieces: VecDeque<Vec<u8>> = VecDeque::new();
        let mut end = Ok(octets.len() as u64);
        for (at, &octet) in octets.iter().enumerate().map(|(at, octet)| (begin + at, octet)) {
            if self.manner.close == Some(at) {
                if !self.manner.lies {
                    end = Err(Error::new(Failure::Unreachable, "the body was cut short"));
                }
                break;
            }
            match pieces.back_mut() {
                Some(piece) if !self.manner.single && self.manner.cut != Some(at) => piece.push(octet),
                _ => pieces.push_back(vec![octet]),
            }
        }
        let is_whole = pieces.iter().map(Vec::len).sum::<usize>() == octets.len();
        Body::new(Scripted { pieces, end, failed: (!is_whole).then(|| std::rc::Rc::clone(&self.failed)) })
    }

    /// Come back later, where the manner is so.
    async fn linger(&self) {
        let mut is_late = self.manner.late;
        std::future::poll_fn(|context| {
            if std::mem::take(&mut is_late) {
                context.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
        .await;
    }
}

impl Host for Guest<'_> {
    async fn exchange(&self, request: Request) -> Result<Response, Error> {
        let number = self.requests.replace(self.requests.get() + 1);
        // When it is sent, not when it is answered.
        let answered = self.answered.get();
        self.linger().await;
        if self.manner.fails.is_some_and(|fails| number >= fails) {
            self.failed.set(true);
            return Err(Error::new(Failure::Unreachable, "the service cannot be reached"));
        }
        let at = self
            .service
            .exchanges
            .iter()
            .zip(self.played.borrow().iter())
            .position(|(exchange, played)| !played && exchange.fits(&request));
        let Some((at, exchange)) = at.and_then(|at| Some((at, self.service.exchanges.get(at)?))) else {
            let body = request.body.as_deref().map(String::from_utf8_lossy);
            panic!("`{} {}` {body:?} is not expected\n{}", request.method, request.url, self.place())
        };
        if let Some(id) = &exchange.deletes {
            check_durable(&self.was_there, &self.world.borrow(), answered, id);
        }
        if let Some(played) = self.played.borrow_mut().get_mut(at) {
            *played = true;
        }
        Ok(Response { status: exchange.status, headers: exchange.headers.clone(), body: self.body(&exchange.body) })
    }

    async fn ask(&self, question: Question) -> Answer {
        if let Question::Checkpoint(scope, cursor) = &question {
            self.world.borrow_mut().checkpoint_asked(scope, cursor);
        }
        self.linger().await;
        let is_checkpoint = matches!(question, Question::Checkpoint(..));
        let answer = self.world.borrow_mut().answer(question);
        self.answered.set(self.answered.get() + usize::from(is_checkpoint));
        answer
    }

    async fn deliver(&self, scope: &Scope, arrival: Arrival, mut body: Body) -> Result<(), Error> {
        let mut octets = Vec::new();
        let end = loop {
            match body.piece().await {
                Ok(Some(piece)) => octets.extend(piece),
                Ok(None) => break Ok(body.handed_out()),
                Err(error) => break Err(error),
            }
        };
        self.linger().await;
        self.world.borrow_mut().deliver(scope, arrival, octets, end)
    }

    fn progress(&self, _: &Scope, _: u64, _: Option<u64>) {}

    fn log(&self, _: Level, message: &str) {
        self.log.borrow_mut().push(message.to_owned());
    }
}

/// A body as the manner gives it.
struct Scripted {
    pieces: VecDeque<Vec<u8>>,
    end: Result<u64, Error>,
    /// Set when its end is told, where it is not whole.
    failed: Option<std::rc::Rc<Cell<bool>>>,
}

impl Source for Scripted {
    fn next(&mut self) -> Coming<'_, Option<Vec<u8>>> {
        Box::pin(ready(self.pieces.pop_front()))
    }

    fn finished(&mut self) -> Coming<'_, Result<u64, Error>> {
        if let Some(failed) = &self.failed {
            failed.set(true);
        }
        Box::pin(ready(self.end.clone()))
    }
}

#[cfg(test)]
mod tests;
