//! The one place where a machine meets the world: it reads and writes the connection, asks the mailbox and streams messages to it,
//! all at the same time, and holds back reading while the host is behind.

mod outlet;
mod outside;
mod parcel;
mod sending;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::bindings::receiver::postrider::transport::transport::Connection;
use crate::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use crate::types::{Error, Failure, StreamReader};

pub use self::outlet::{Outlet, give};
pub(crate) use self::outside::ask;
use self::outside::{Component, Outside};
use self::parcel::Parcel;
pub use self::sending::{Brought, run_sending};

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

/// While a checkpoint is not answered and this many messages were begun behind it, nothing is read: they belong to the next one, and the host
/// bounds what waits for a checkpoint (10,000 messages by default).
const AHEAD_MESSAGES: usize = 2_000;

/// Calls of the host that are under way at once, each message being one. The host refuses more than 64 of one session; what reads, writes and
/// waits besides has its room. One read may hold hundreds of small messages: what does not fit waits here, in order.
const CALLS: usize = 32;

/// How long one read of an idle line waits before it is begun again, in milliseconds: no octet is lost in between.
const IDLE_READ_MS: u64 = 60_000;

/// What stands around a machine while it runs.
///
/// ```no_run
/// use std::future::pending;
/// use std::pin::pin;
///
/// use postrider_connector::bindings::receiver::postrider::transport::transport::Connection;
/// use postrider_connector::machine::Machine;
/// use postrider_connector::pump::{self, Surroundings};
/// use postrider_connector::types::Error;
///
/// /// Run one conversation on a new line, which nobody else wants and which may take its time.
/// async fn converse<M: Machine>(machine: &mut M) -> Result<M::Output, Error> {
///     let (connection, _opening) = Connection::open("receive".to_owned()).await?;
///     let around = Surroundings { connection: &connection, wanted: pin!(pending()), time_up: pin!(pending()) };
///     pump::run(machine, around).await
/// }
/// ```
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
    drive(machine, Pump::new(&Component::new(around.connection, None)), around.wanted, around.time_up).await
}

/// Run `machine` with the stream that the call brought, for its [`Question::Draw`]s.
///
/// # Errors
/// As [`run`].
pub async fn run_drawing<M: Machine>(machine: &mut M, around: Surroundings<'_>, octets: StreamReader<u8>) -> Result<M::Output, Error> {
    drive(machine, Pump::new(&Component::new(around.connection, Some(octets))), around.wanted, around.time_up).await
}

/// Run `machine`, and put what it gives ([`Action::Give`]) into `outlet`. Reading is held back while more than half a MiB of it waits for the host.
///
/// # Errors
/// As [`run`].
pub async fn run_giving<M: Machine>(machine: &mut M, around: Surroundings<'_>, outlet: &Outlet) -> Result<M::Output, Error> {
    let given = outlet.parcel();
    let outside = Component::new(around.connection, None);
    let pump = Pump { backlog: Rc::clone(&given.backlog), given: Some(given), ..Pump::new(&outside) };
    drive(machine, pump, around.wanted, around.time_up).await
}

async fn drive<M: Machine, O: Outside>(
    machine: &mut M,
    mut pump: Pump<'_, O>,
    wanted: Pin<&mut dyn Future<Output = ()>>,
    time_up: Pin<&mut dyn Future<Output = ()>>,
) -> Result<M::Output, Error> {
    let (mut wanted, mut time_up) = (Some(wanted), Some(time_up));
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
    Drawn(Token, Option<Vec<u8>>),
    TimeUp,
    Wanted,
    /// The host caught up.
    Room,
    /// Nothing is under way.
    Stuck,
}

struct Pump<'a, O> {
    outside: &'a O,
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
    /// Checkpoints that are not answered.
    checkpoints: BTreeSet<Token>,
    /// Messages that were begun since the first of them.
    ahead: usize,
    /// Who wants the next octets of the stream that the call brought.
    draw: Option<Token>,
    /// What is asked once everything written has gone out.
    commit: Option<(Token, Question)>,
    /// Where what the call gives back goes.
    given: Option<Rc<Parcel>>,
}

impl<'a, O: Outside> Pump<'a, O> {
    fn new(outside: &'a O) -> Self {
        Self {
            outside,
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
            checkpoints: BTreeSet::new(),
            ahead: 0,
            draw: None,
            commit: None,
            given: None,
        }
    }

    fn act(&mut self) {
        let outside = self.outside;
        while let Some(action) = self.actions.pop() {
            match action {
                Action::Write(octets) => self.outbox.extend_from_slice(&octets),
                Action::Ask(token, Question::Draw) => self.draw = Some(token),
                Action::Ask(token, question @ Question::Committing(_)) => self.commit = Some((token, question)),
                Action::Ask(token, question) => {
                    if matches!(question, Question::Checkpoint(..)) {
                        self.checkpoints.insert(token);
                    }
                    self.call(Box::pin(async move { Event::Answer(token, outside.ask(question).await) }));
                }
                Action::Begin(token, scope, arrival) => {
                    let parcel = Rc::new(Parcel::new(Rc::clone(&self.backlog)));
                    self.deliveries.insert(token, Rc::clone(&parcel));
                    self.taking += 1;
                    if !self.checkpoints.is_empty() {
                        self.ahead += 1;
                    }
                    self.call(Box::pin(async move { Event::Answer(token, Answer::Done(outside.deliver(scope, *arrival, &parcel).await)) }));
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
                            outside.sleep(ms).await;
                            Event::Timer(timer)
                        }));
                    }
                }
                Action::Progress(scope, done, total) => outside.progress(&scope, done, total),
                Action::Log(level, message) => outside.log(level, &message),
                Action::Give(octets) => {
                    if let Some(given) = &self.given {
                        given.put(octets);
                    }
                }
            }
        }
        self.write();
        self.go_on();
    }

    /// Draw what is asked for, once nothing waits to be written: what the call brought is never gathered here. And ask then what has to be asked
    /// behind everything that was written; of a line that failed nothing is asked.
    fn go_on(&mut self) {
        if self.writing || !(self.outbox.is_empty() || self.lost) {
            return;
        }
        if let Some((token, question)) = self.commit.take() {
            let outside = self.outside;
            if self.lost {
                let lost = Error::new(Failure::Unreachable, "the line failed before everything had gone out");
                return self.call(Box::pin(async move { Event::Answer(token, Answer::Done(Err(lost))) }));
            }
            self.call(Box::pin(async move { Event::Answer(token, outside.ask(question).await) }));
        }
        if let Some(token) = self.draw.take() {
            let outside = self.outside;
            self.events.push(Box::pin(async move { Event::Drawn(token, outside.draw(DRAW_OCTETS).await) }));
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
        let outside = self.outside;
        self.writing = true;
        self.events.push(Box::pin(async move { Event::Written(outside.write(octets).await) }));
    }

    fn may_read(&self) -> bool {
        let is_behind = self.taking > BACKLOG_MESSAGES || self.ahead >= AHEAD_MESSAGES || self.backlog.get() > BACKLOG_OCTETS;
        !self.reading && !self.lost && !is_behind
    }

    /// Whether nothing is read because what the call gives back is not taken; `context` is woken when some of it is.
    fn waits_for_room(&self, context: &Context<'_>) -> bool {
        let given = self.given.as_ref().filter(|_| !self.reading && self.backlog.get() > BACKLOG_OCTETS);
        given.inspect(|given| given.wake_for_room(context.waker())).is_some()
    }

    fn read(&mut self, timeout_ms: Option<u64>) {
        if self.may_read() {
            let outside = self.outside;
            self.reading = true;
            self.patient = timeout_ms.is_some();
            self.events.push(Box::pin(async move { Event::Read(outside.read(READ_OCTETS, timeout_ms).await) }));
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
                        self.go_on();
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
                if self.checkpoints.remove(&token) && self.checkpoints.is_empty() {
                    self.ahead = 0;
                }
                Input::Answer(token, answer)
            }
            Event::Drawn(token, piece) => Input::Answer(token, Answer::Octets(piece)),
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

#[cfg(test)]
mod tests;
