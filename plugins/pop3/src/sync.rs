//! Bringing the host up to date with the maildrop in one session: what is gone, what is new, and last what may be deleted. The order is
//! the promise: a message is marked with DELE only after the host has named it as expendable, which it does once the message is durable.

mod compare;
mod receive;
mod stages;

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine, Step, Token};
use postrider_connector::pace::Pace;
use postrider_connector::types::{Error, Scope};

use self::compare::Compare;
use self::receive::{Place, Receive, done};
use crate::command::Command;
use crate::cursor::Cursor;
use crate::limits::KEEP_ALIVE_MS;
use crate::maildrop::Maildrop;
use crate::session::{Course, Event, Session};
use crate::survey::Survey;
use crate::update::Update;

/// The one folder that an account of POP3 has.
pub const FOLDER: &str = "INBOX";

/// One session's `sync`.
#[derive(Debug)]
pub struct Sync<'a> {
    session: &'a mut Session,
    /// As the last checkpoint left it, or as the next one will.
    cursor: Cursor,
    /// As the former session left it.
    before: Cursor,
    scope: Scope,
    maildrop: Maildrop,
    state: State,
    /// Questions whose answers are not in, besides those that a state waits for.
    asked: usize,
    /// Something was told since the last checkpoint.
    is_told: bool,
    /// Every message of the listing is had.
    is_complete: bool,
    timer: Timer,
    pace: Pace,
    synced: Synced,
}

/// What a session came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synced {
    /// Another session is to follow at once.
    pub has_more: bool,
    /// The line is over: the session was ended, or cannot go on.
    pub is_line_over: bool,
    /// Messages received.
    pub received: u64,
    /// Messages deleted on the server.
    pub deleted: u64,
    /// The cursor for the next session.
    pub cursor: Vec<u8>,
}

/// What the timer is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// Nothing.
    Off,
    /// A word to a server that hears nothing.
    KeepAlive,
    /// A look at how much the server says.
    Pace,
}

#[derive(Debug)]
enum State {
    Begin,
    /// Look what there is.
    Survey(Box<Survey>),
    /// Compare with what the host has.
    Compare(Compare),
    /// Take new messages over.
    Receive(Box<Receive>),
    /// The line is lost: make durable what came whole, then fail with this; none: it is closed on purpose, and another session follows.
    Keep(Box<Receive>, Option<Error>),
    /// Retire former generations, before the checkpoint.
    Retire(Box<Receive>),
    /// Make everything so far durable.
    Commit(Token, Box<Receive>),
    /// Ask what may be deleted: found so far, by place.
    Expendable(Token, Vec<usize>, Box<Receive>),
    /// Delete it.
    Update(Update, Box<Receive>),
    /// Tell what was deleted.
    Forget,
    /// Make that durable.
    Settle(Token),
    Over,
}

impl<'a> Sync<'a> {
    /// From `cursor` as a former checkpoint left it; what is not a cursor of this connector counts as none.
    #[must_use]
    pub fn new(session: &'a mut Session, cursor: Option<&[u8]>) -> Self {
        let cursor = cursor.and_then(Cursor::decode).unwrap_or_default();
        let scope = Scope { folder: Some(FOLDER.to_owned()), generation: Cursor::name(cursor.generation) };
        Self {
            session,
            before: cursor.clone(),
            cursor,
            scope,
            maildrop: Maildrop::default(),
            state: State::Begin,
            asked: 0,
            is_told: false,
            is_complete: false,
            timer: Timer::Off,
            pace: Pace::default(),
            synced: Synced::default(),
        }
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Survey(mut survey) => match survey.event(event, self.session, actions)? {
                Course::On => self.state = State::Survey(survey),
                Course::BrokenOff => {
                    self.synced.is_line_over = true;
                    self.synced.has_more = true;
                }
            },
            State::Receive(mut receive) => {
                let outcome = receive.event(event, &mut self.place(), actions);
                self.state = State::Receive(receive);
                match outcome {
                    Ok(Course::On) => {}
                    Ok(Course::BrokenOff) => self.lose(None, actions)?,
                    // The line is of no use any more, and what came before is.
                    Err(error) => self.lose(Some(error), actions)?,
                }
            }
            State::Update(mut update, receive) => match update.event(event, self.session, actions)? {
                Some(deleted) => self.deleted(&deleted, &receive, actions),
                None => self.state = State::Update(update, receive),
            },
            // The answer to a NOOP.
            state => self.state = state,
        }
        Ok(())
    }

    fn answer(&mut self, token: Token, answer: Answer, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Compare(mut compare) => {
                match compare.answer(token, answer, &self.maildrop, &self.scope, actions)? {
                    Some(outcome) => self.compared(outcome, actions),
                    None => self.state = State::Compare(compare),
                }
                return Ok(());
            }
            State::Receive(mut receive) if receive.awaits(token) => {
                receive.answer(token, answer, &mut self.place(), actions)?;
                self.state = State::Receive(receive);
                return Ok(());
            }
            State::Keep(mut receive, error) if receive.awaits(token) => {
                receive.answer(token, answer, &mut self.place(), actions)?;
                self.state = State::Keep(receive, error);
                return Ok(());
            }
            State::Commit(asked, receive) if asked == token => {
                done(answer)?;
                self.committed(receive, actions);
                return Ok(());
            }
            State::Expendable(asked, found, receive) if asked == token => {
                let Answer::Page(page) = answer else { return Ok(()) };
                self.expendable(page?, found, receive, actions);
                return Ok(());
            }
            State::Settle(asked) if asked == token => return done(answer),
            state => self.state = state,
        }
        self.asked = self.asked.saturating_sub(1);
        done(answer)
    }

    /// The line ended or failed with `error`, or (none) is closed on purpose. What came whole is made durable first: a line that dies again and again would otherwise never
    /// come to a checkpoint. What was marked is not deleted, and nothing is told of it.
    ///
    /// # Errors
    /// `error`, where nothing is to be kept.
    fn lose(&mut self, error: Option<Error>, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Receive(mut receive) => {
                receive.give_up_line(actions);
                self.state = State::Keep(receive, error);
                Ok(())
            }
            // Nothing is outstanding on the line in these, and what was asked of the host is answered.
            State::Retire(receive) | State::Commit(_, receive) => {
                self.state = State::Keep(receive, error);
                Ok(())
            }
            _ => error.map_or(Ok(()), Err),
        }
    }

    /// Go on as far as it goes without another word from anybody.
    fn advance(&mut self, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Survey(mut survey) => match survey.advance(self.session, actions) {
                Some(maildrop) => self.surveyed(maildrop, actions),
                None => self.state = State::Survey(survey),
            },
            State::Receive(mut receive) => {
                receive.advance(&mut self.place(), actions);
                if receive.is_at_rest() && self.asked == 0 && !self.session.is_waiting() {
                    self.received(receive, actions);
                } else {
                    self.state = State::Receive(receive);
                }
            }
            State::Keep(mut receive, error) => {
                // Where the next session is not this pass's, what is known of the message must last.
                let in_any_case = error.is_none() && !self.session.may_split();
                match (receive.keep(in_any_case, &self.place(), actions), error) {
                    (true, Some(error)) => return Err(error),
                    (true, None) => self.broken_off(&receive),
                    (false, error) => self.state = State::Keep(receive, error),
                }
            }
            State::Retire(receive) if self.asked == 0 => self.commit(receive, actions),
            State::Update(mut update, receive) => {
                if update.advance(self.session, &self.maildrop, actions) {
                    self.rest(receive, actions);
                } else {
                    self.state = State::Update(update, receive);
                }
            }
            State::Forget if self.asked == 0 => self.settle(actions),
            state => self.state = state,
        }
        Ok(())
    }

    fn place(&mut self) -> Place<'_> {
        Place { session: self.session, maildrop: &self.maildrop, scope: &self.scope, cursor: &self.cursor, is_settled: self.asked == 0 }
    }

    fn events(&mut self, actions: &mut Actions) -> Result<(), Error> {
        while !self.is_line_over() {
            match self.session.next_event() {
                Ok(Some(event)) => self.event(event, actions)?,
                Ok(None) => return Ok(()),
                Err(error) => return self.lose(Some(error), actions),
            }
        }
        Ok(())
    }

    fn timer(&mut self, actions: &mut Actions) -> Result<(), Error> {
        match self.timer {
            Timer::Off => {}
            Timer::KeepAlive => {
                self.timer = Timer::Off;
                if !self.is_line_over() && !self.session.is_waiting() {
                    self.session.send(Command::Noop, actions);
                }
            }
            Timer::Pace => {
                let is_hosts_turn = self.asked > 0 || matches!(&self.state, State::Receive(receive) if receive.is_waiting_for_host());
                if let Err(error) = self.pace.look(!is_hosts_turn, actions) {
                    self.lose(Some(self.session.place(error)), actions)?;
                }
            }
        }
        Ok(())
    }

    const fn is_line_over(&self) -> bool {
        matches!(self.state, State::Keep(..) | State::Forget | State::Settle(_) | State::Over)
    }

    /// What to wait for. While only the host is waited for, the server is reminded now and then that somebody is there.
    fn wait(&mut self, actions: &mut Actions) -> Step<Synced> {
        if matches!(self.state, State::Over) {
            self.synced.cursor = self.cursor.encode();
            return Step::Done(std::mem::take(&mut self.synced));
        }
        let timer = match (self.is_line_over(), self.session.is_waiting()) {
            (true, _) => Timer::Off,
            (false, false) => Timer::KeepAlive,
            (false, true) => Timer::Pace,
        };
        if timer != self.timer {
            self.timer = timer;
            match timer {
                Timer::Off => actions.put(Action::Timer(None)),
                Timer::KeepAlive => actions.put(Action::Timer(Some(KEEP_ALIVE_MS))),
                Timer::Pace => self.pace.begin(actions),
            }
        }
        if self.is_line_over() || !self.session.is_waiting() { Step::Wait } else { Step::Read }
    }
}

impl Machine for Sync<'_> {
    type Output = Synced;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Synced>, Error> {
        match input {
            Input::Start => self.state = State::Survey(Box::new(Survey::new(self.session))),
            Input::Octets(octets) => {
                self.pace.count(octets.len());
                self.session.feed(octets);
            }
            Input::End => self.lose(Some(self.session.ended()), actions)?,
            Input::Lost(error) => self.lose(Some(error), actions)?,
            Input::Answer(token, answer) => self.answer(token, answer, actions)?,
            Input::Timer => self.timer(actions)?,
            // A pass ends by itself; who waits for the line waits for it.
            Input::TimeUp | Input::Wanted => {}
        }
        self.events(actions)?;
        loop {
            let before = std::mem::discriminant(&self.state);
            self.advance(actions)?;
            if std::mem::discriminant(&self.state) == before {
                break;
            }
        }
        Ok(self.wait(actions))
    }
}
