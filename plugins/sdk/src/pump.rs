//! The one place where a machine meets the world: it reads and writes the connection, asks the mailbox and streams messages to it,
//! all at the same time, and holds back reading while the host is behind.

mod outlet;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn, ready};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::future::{LocalBoxFuture, join};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::bindings::receiver::postrider::mailbox::mailbox;
use crate::bindings::receiver::postrider::runtime::runtime;
use crate::bindings::receiver::postrider::transport::transport::Connection;
use crate::bindings::receiver::{wit_future, wit_stream};
use crate::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use crate::types::{Arrival, Error, Failure, Scope, StreamReader};

pub use self::outlet::{Outlet, give};

/// Octets that one read asks for: the host's most.
const READ_OCTETS: u32 = 64 << 10;

/// Octets that are drawn at once from a stream that a call brought.
const DRAW_OCTETS: usize = 64 << 10;

/// Octets that one write carries at most: the host's most.
const WRITE_OCTETS: usize = 1 << 20;

/// While more octets of messages than this wait for the host, nothing is read.
const BACKLOG_OCTETS: usize = 512 << 10;

/// While more messages than this are being taken over, nothing is read.
const BACKLOG_MESSAGES: usize = 32;

/// Calls of the host that are under way at once, each message being one. The host refuses more than 64 of one session; what reads, writes and
/// waits besides has its room. One read may hold hundreds of small messages: what does not fit waits here, in order.
const CALLS: usize = 32;

/// How long one read of an idle line waits before it is begun again, in milliseconds: no octet is lost in between.
const IDLE_READ_MS: u64 = 60_000;

/// What stands around a machine while it runs.
pub struct Surroundings<'a> {
    /// The line.
    pub connection: &'a Connection,
    /// Ready when another call waits for the line; [`Input::Wanted`] is given then.
    pub wanted: Pin<&'a mut dyn Future<Output = ()>>,
    /// Ready when the call's time is up; [`Input::TimeUp`] is given then.
    pub time_up: Pin<&'a mut dyn Future<Output = ()>>,
}

/// Run `machine` to its end.
///
/// # Errors
/// The machine's (a line that fails is its [`Input::Lost`]), or `malformed` where a machine waits for nothing (a fault of the connector). The line is then not
/// to be used again: what is outstanding on it is unknown.
pub async fn run<M: Machine>(machine: &mut M, around: Surroundings<'_>) -> Result<M::Output, Error> {
    run_in(machine, Pump::new(around.connection), around).await
}

/// Run `machine` with the stream that the call brought, for its [`Question::Draw`]s.
///
/// # Errors
/// As [`run`].
pub async fn run_drawing<M: Machine>(machine: &mut M, around: Surroundings<'_>, octets: StreamReader<u8>) -> Result<M::Output, Error> {
    let pump = Pump { drawn: Some(octets), ..Pump::new(around.connection) };
    run_in(machine, pump, around).await
}

/// Run `machine`, and put what it gives ([`Action::Give`]) into `outlet`. Reading is held back while more than half a MiB of it waits for the host.
///
/// # Errors
/// As [`run`].
pub async fn run_giving<M: Machine>(machine: &mut M, around: Surroundings<'_>, outlet: &Outlet) -> Result<M::Output, Error> {
    let given = outlet.parcel();
    let pump = Pump { backlog: Rc::clone(&given.backlog), given: Some(given), ..Pump::new(around.connection) };
    run_in(machine, pump, around).await
}

async fn run_in<M: Machine>(machine: &mut M, mut pump: Pump<'_>, around: Surroundings<'_>) -> Result<M::Output, Error> {
    let (mut wanted, mut time_up) = (Some(around.wanted), Some(around.time_up));
    let mut input = Input::Start;
    loop {
        let step = machine.step(input, &mut pump.actions)?;
        pump.act();
        let reading = match step {
            Step::Read | Step::Idle if pump.lost => {
                return Err(Error::new(Failure::Malformed, "the conversation reads a line that failed: a fault of the connector"));
            }
            Step::Read => Some(None),
            Step::Idle => Some(Some(IDLE_READ_MS)),
            Step::Wait => None,
            Step::Done(output) => {
                pump.flush().await?;
                return Ok(output);
            }
        };
        input = loop {
            if let Some(timeout) = reading {
                pump.read(timeout);
            }
            let event = poll_fn(|context| {
                if let Some(future) = &mut time_up
                    && future.as_mut().poll(context).is_ready()
                {
                    time_up = None;
                    return Poll::Ready(Event::TimeUp);
                }
                if let Some(future) = &mut wanted
                    && future.as_mut().poll(context).is_ready()
                {
                    wanted = None;
                    return Poll::Ready(Event::Wanted);
                }
                match pump.events.poll_next_unpin(context) {
                    Poll::Ready(Some(event)) => Poll::Ready(event),
                    Poll::Pending | Poll::Ready(None) if reading.is_some() && pump.may_read() => Poll::Ready(Event::Room),
                    // What is given back is taken beside this.
                    Poll::Pending | Poll::Ready(None) if reading.is_some() && pump.waits_for_room(context) => Poll::Pending,
                    Poll::Ready(None) => Poll::Ready(Event::Stuck),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await;
            if let Some(input) = pump.take_in(event)? {
                break input;
            }
        };
    }
}

/// Something that ended.
enum Event {
    Read(Result<Vec<u8>, Error>),
    Written(Result<(), Error>),
    Timer(u64),
    Answer(Token, Answer),
    Drawn(Token, Option<StreamReader<u8>>, Vec<u8>),
    TimeUp,
    Wanted,
    /// The host caught up.
    Room,
    /// Nothing is under way.
    Stuck,
}

struct Pump<'a> {
    connection: &'a Connection,
    actions: Actions,
    events: FuturesUnordered<LocalBoxFuture<'a, Event>>,
    outbox: Vec<u8>,
    writing: bool,
    reading: bool,
    /// Whether the read under way is of an idle line.
    patient: bool,
    /// Whether the line failed.
    lost: bool,
    /// Counts settings of the timer, so that a former one is known when it goes off.
    timer: u64,
    deliveries: BTreeMap<Token, Rc<Parcel>>,
    /// Calls that wait until others are answered, in order.
    waiting: VecDeque<LocalBoxFuture<'a, Event>>,
    /// Calls that are not answered.
    calls: usize,
    /// Octets that wait for the host.
    backlog: Rc<Cell<usize>>,
    /// Messages that the host has not answered for.
    taking: usize,
    /// The stream that the call brought, while nothing is being drawn from it.
    drawn: Option<StreamReader<u8>>,
    /// Who wants its next octets.
    draw: Option<Token>,
    /// Where what the call gives back goes.
    given: Option<Rc<Parcel>>,
}

impl<'a> Pump<'a> {
    fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            actions: Actions::default(),
            events: FuturesUnordered::new(),
            outbox: Vec::new(),
            writing: false,
            reading: false,
            patient: false,
            lost: false,
            timer: 0,
            deliveries: BTreeMap::new(),
            waiting: VecDeque::new(),
            calls: 0,
            backlog: Rc::default(),
            taking: 0,
            drawn: None,
            draw: None,
            given: None,
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.actions.pop() {
            match action {
                Action::Write(octets) => self.outbox.extend_from_slice(&octets),
                Action::Ask(token, Question::Draw) => self.draw = Some(token),
                Action::Ask(token, question) => self.call(Box::pin(async move { Event::Answer(token, ask(question).await) })),
                Action::Begin(token, scope, arrival) => {
                    let parcel = Rc::new(Parcel::new(Rc::clone(&self.backlog)));
                    self.deliveries.insert(token, Rc::clone(&parcel));
                    self.taking += 1;
                    self.call(Box::pin(async move { Event::Answer(token, Answer::Done(deliver(scope, *arrival, &parcel).await)) }));
                }
                Action::Piece(token, octets) => {
                    if let Some(parcel) = self.deliveries.get(&token) {
                        parcel.put(octets);
                    }
                }
                Action::Finish(token, count) => {
                    if let Some(parcel) = self.deliveries.get(&token) {
                        parcel.finish(count);
                    }
                }
                Action::Timer(after) => {
                    self.timer += 1;
                    let timer = self.timer;
                    if let Some(ms) = after {
                        self.events.push(Box::pin(async move {
                            runtime::sleep(ms).await;
                            Event::Timer(timer)
                        }));
                    }
                }
                Action::Progress(scope, done, total) => mailbox::progress(&scope, done, total),
                Action::Log(level, message) => runtime::log(level, &message),
                Action::Give(octets) => {
                    if let Some(given) = &self.given {
                        given.put(octets);
                    }
                }
            }
        }
        self.write();
        self.draw();
    }

    /// Draw what is asked for, once nothing waits to be written: what the call brought is never gathered here.
    fn draw(&mut self) {
        if self.writing || !self.outbox.is_empty() {
            return;
        }
        if let Some(token) = self.draw.take() {
            self.events.push(match self.drawn.take() {
                Some(mut octets) => Box::pin(async move {
                    let (_, piece) = octets.read(Vec::with_capacity(DRAW_OCTETS)).await;
                    Event::Drawn(token, Some(octets), piece)
                }),
                None => Box::pin(ready(Event::Drawn(token, None, Vec::new()))),
            });
        }
    }

    /// Make a call, now or when there is room for it.
    fn call(&mut self, call: LocalBoxFuture<'a, Event>) {
        if self.calls < CALLS {
            self.calls += 1;
            self.events.push(call);
        } else {
            self.waiting.push_back(call);
        }
    }

    /// A call was answered: the next one has its room.
    fn answered(&mut self) {
        match self.waiting.pop_front() {
            Some(next) => self.events.push(next),
            None => self.calls -= 1,
        }
    }

    fn write(&mut self) {
        if self.writing || self.lost || self.outbox.is_empty() {
            return;
        }
        let rest = self.outbox.split_off(self.outbox.len().min(WRITE_OCTETS));
        let octets = mem::replace(&mut self.outbox, rest);
        let connection = self.connection;
        self.writing = true;
        self.events.push(Box::pin(async move { Event::Written(connection.write(octets).await) }));
    }

    fn may_read(&self) -> bool {
        !self.reading && !self.lost && self.taking <= BACKLOG_MESSAGES && self.backlog.get() <= BACKLOG_OCTETS
    }

    /// Whether nothing is read because what the call gives back is not taken; `context` is woken when some of it is.
    fn waits_for_room(&self, context: &Context<'_>) -> bool {
        let given = self.given.as_ref().filter(|_| !self.reading && self.backlog.get() > BACKLOG_OCTETS);
        given.inspect(|given| given.inner.borrow_mut().room = Some(context.waker().clone())).is_some()
    }

    fn read(&mut self, timeout_ms: Option<u64>) {
        if self.may_read() {
            let connection = self.connection;
            self.reading = true;
            self.patient = timeout_ms.is_some();
            self.events.push(Box::pin(async move { Event::Read(connection.read(READ_OCTETS, timeout_ms).await) }));
        }
    }

    /// What an event means to the machine; none where it is the pump's own.
    fn take_in(&mut self, event: Event) -> Result<Option<Input>, Error> {
        Ok(Some(match event {
            Event::Read(result) => {
                self.reading = false;
                match result {
                    Ok(octets) if octets.is_empty() => Input::End,
                    Ok(octets) => Input::Octets(octets),
                    // An idle read that timed out is begun again, patiently or not, as the machine now wants it.
                    Err(error) if self.patient && is_time_out(&error) => return Ok(None),
                    Err(error) => return Ok(self.lose(error)),
                }
            }
            Event::Written(result) => {
                self.writing = false;
                match result {
                    Ok(()) => {
                        self.write();
                        self.draw();
                    }
                    Err(error) => return Ok(self.lose(error)),
                }
                return Ok(None);
            }
            Event::Timer(timer) if timer == self.timer => Input::Timer,
            Event::Timer(_) | Event::Room => return Ok(None),
            Event::Answer(token, answer) => {
                self.answered();
                if self.deliveries.remove(&token).is_some() {
                    self.taking = self.taking.saturating_sub(1);
                }
                Input::Answer(token, answer)
            }
            Event::Drawn(token, octets, piece) => {
                self.drawn = octets;
                Input::Answer(token, Answer::Octets((!piece.is_empty()).then_some(piece)))
            }
            Event::TimeUp => Input::TimeUp,
            Event::Wanted => Input::Wanted,
            Event::Stuck => return Err(Error::new(Failure::Malformed, "the conversation waits for nothing: a fault of the connector")),
        }))
    }

    /// The line failed; reading and writing may both say so, the machine hears it once.
    fn lose(&mut self, error: Error) -> Option<Input> {
        (!mem::replace(&mut self.lost, true)).then_some(Input::Lost(error))
    }

    /// Wait until everything written went out.
    async fn flush(&mut self) -> Result<(), Error> {
        while self.writing {
            match self.events.next().await {
                Some(event) => {
                    if let Some(Input::Lost(error)) = self.take_in(event)? {
                        return Err(error);
                    }
                }
                None => break,
            }
        }
        Ok(())
    }
}

fn is_time_out(error: &Error) -> bool {
    error.kind == Failure::Unreachable && error.code.as_deref() == Some("TIMEOUT")
}

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

/// The pieces of one message between the machine and the host.
struct Parcel {
    inner: RefCell<Contents>,
    backlog: Rc<Cell<usize>>,
}

#[derive(Default)]
struct Contents {
    pieces: VecDeque<Vec<u8>>,
    count: Option<Result<u64, Error>>,
    refused: bool,
    waker: Option<Waker>,
    /// Who waits until fewer octets wait.
    room: Option<Waker>,
}

impl Parcel {
    fn new(backlog: Rc<Cell<usize>>) -> Self {
        Self { inner: RefCell::default(), backlog }
    }

    fn put(&self, piece: Vec<u8>) {
        let mut inner = self.inner.borrow_mut();
        if inner.refused || piece.is_empty() {
            return;
        }
        self.backlog.set(self.backlog.get() + piece.len());
        inner.pieces.push_back(piece);
        inner.wake();
    }

    fn finish(&self, count: Result<u64, Error>) {
        let mut inner = self.inner.borrow_mut();
        inner.count = Some(count);
        inner.wake();
    }

    /// The next piece; none after the last.
    async fn next(&self) -> Option<Vec<u8>> {
        poll_fn(|context| {
            let mut inner = self.inner.borrow_mut();
            match inner.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(piece)),
                None if inner.count.is_some() || inner.refused => Poll::Ready(None),
                None => {
                    inner.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn count(&self) -> Option<Result<u64, Error>> {
        self.inner.borrow_mut().count.take()
    }

    fn settle(&self, octets: usize) {
        self.backlog.set(self.backlog.get().saturating_sub(octets));
        if let Some(room) = self.inner.borrow_mut().room.take() {
            room.wake();
        }
    }

    fn refuse(&self) {
        let pieces = {
            let mut inner = self.inner.borrow_mut();
            inner.refused = true;
            mem::take(&mut inner.pieces)
        };
        self.settle(pieces.iter().map(Vec::len).sum());
    }
}

impl Contents {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
