//! Sending one message on one line: the envelope, the message as it is drawn, the host's mark, and only then the octets that make the server
//! responsible.

mod answers;
mod message;

use std::collections::VecDeque;

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use postrider_connector::types::{Error, Failure, Verdict};

use crate::command::{self, Command};
use crate::content::{Content, Framing};
use crate::limits::{FINAL_PATIENCE_LOOKS, LOOK_MS, PATIENCE_LOOKS};
use crate::mailing::{Mailing, Plan};
use crate::session::Session;

/// One transaction (RFC 5321 section 3.3).
#[derive(Debug)]
pub struct Send<'a> {
    session: &'a mut Session,
    mailing: &'a mut Mailing,
    state: State,
    plan: Option<Plan>,
    /// Commands that are not written yet.
    todo: VecDeque<Todo>,
    /// Places of the recipients whom the server accepted and who have no verdict yet.
    accepted: Vec<usize>,
    content: Option<Content>,
    /// The server answered something on this line, for this message.
    was_answered: bool,
    /// A chunk was refused at last: what the server has of the transaction is forgotten only when it is told to (RFC 3030 section 2).
    is_reset_due: bool,
    /// Why the line is of no use any more, while the host's answer is waited for.
    lost: Option<Error>,
    /// Looks since the last reply.
    looks: u32,
}

/// What came of a transaction.
#[derive(Debug, Clone)]
pub enum Sent {
    /// One verdict a recipient.
    Verdicts(Vec<Verdict>),
    /// The server had given up the line, which had served before; nothing was said to it. The message goes on another.
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The message's beginning is being drawn: what it needs decides what is said.
    Peek(Token),
    /// Commands and their replies, with BDAT the first chunk too.
    Envelope,
    /// The message; none: as many chunks as may be are not answered.
    Body(Option<Token>),
    /// All of it was sent; chunks are not answered.
    Settle,
    /// The host makes its mark.
    Commit(Token),
    /// The reply to its end.
    Final,
    /// The reply to an empty message for nobody (RFC 2920 section 3.1).
    Discard,
    Over,
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Todo {
    Rset,
    Mail,
    Rcpt(usize),
    /// DATA, or the first chunk.
    Message,
}

impl<'a> Send<'a> {
    /// `mailing` on the line of `session`.
    pub const fn new(session: &'a mut Session, mailing: &'a mut Mailing) -> Self {
        Self {
            session,
            mailing,
            state: State::Envelope,
            plan: None,
            todo: VecDeque::new(),
            accepted: Vec::new(),
            content: None,
            was_answered: false,
            is_reset_due: false,
            lost: None,
            looks: 0,
        }
    }

    fn begin(&mut self, actions: &mut Actions) {
        self.mailing.judge_envelope(&self.session.offer);
        if self.mailing.open().is_empty() {
            self.state = State::Over;
        } else if self.mailing.has_header() {
            self.begin_envelope(actions);
        } else {
            self.state = State::Peek(actions.ask(Question::Draw));
        }
    }

    fn begin_envelope(&mut self, actions: &mut Actions) {
        let plan = self.mailing.plan(&self.session.offer, &self.session.settings);
        let chosen = self.mailing.choose(&self.session.offer);
        if chosen.is_empty() {
            self.state = State::Over;
            return;
        }
        self.plan = Some(plan);
        self.todo.extend(self.session.needs_reset.then_some(Todo::Rset));
        self.todo.push_back(Todo::Mail);
        self.todo.extend(chosen.into_iter().map(Todo::Rcpt));
        self.todo.push_back(Todo::Message);
        self.state = State::Envelope;
        self.session.transactions += 1;
        actions.put(Action::Timer(Some(LOOK_MS)));
    }

    /// Write what may be written of the envelope now; and end it when all of it is answered.
    fn go_on_with_envelope(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let mut commands = Vec::new();
        while self.session.has_room()
            && let Some(next) = self.todo.pop_front()
        {
            // Nobody is there to send it to.
            if next == Todo::Message && self.accepted.is_empty() && self.session.outstanding() == 0 {
                break;
            }
            self.write_todo(next, &mut commands)?;
        }
        if !commands.is_empty() {
            actions.write(commands);
        }
        if self.todo.is_empty() && self.session.outstanding() == 0 && self.state == State::Envelope {
            if self.accepted.is_empty() {
                self.state = State::Over;
            } else {
                self.draw(actions)?;
            }
        }
        Ok(())
    }

    fn write_todo(&mut self, next: Todo, commands: &mut Vec<u8>) -> Result<(), Error> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let envelope = &self.mailing.envelope;
        match next {
            Todo::Rset => {
                commands.extend_from_slice(b"RSET\r\n");
                self.session.expect(Command::Rset);
            }
            Todo::Mail => {
                commands.extend_from_slice(command::mail(&envelope.sender, &plan.parameters).as_bytes());
                self.session.expect(Command::Mail);
                // From here on until the message's end, also where the reply never comes.
                self.session.needs_reset = true;
            }
            Todo::Rcpt(place) => {
                let address = envelope.recipients.get(place).map_or("", |recipient| recipient.address.as_str());
                let delivery = if self.session.offer.dsn { self.mailing.of_rcpt(place) } else { "" };
                commands.extend_from_slice(command::rcpt(address, delivery).as_bytes());
                self.session.expect(Command::Rcpt(place));
            }
            Todo::Message if plan.is_chunked => {
                let filter = self.filter();
                self.content = Some(if plan.is_binary { Content::binary() } else { Content::text(Framing::Chunks(Vec::new()), filter) });
                // Another line can begin anew: what is held stays.
                for piece in self.mailing.held().to_vec() {
                    let chunk = self.encode(piece)?;
                    commands.extend_from_slice(&chunk);
                }
            }
            Todo::Message => {
                commands.extend_from_slice(b"DATA\r\n");
                self.session.expect(Command::Data);
            }
        }
        Ok(())
    }

    /// The line is of no use any more.
    fn give_up(&mut self, error: Error) -> Result<(), Error> {
        self.session.is_broken = true;
        let is_first = self.state == State::Envelope && !self.was_answered;
        if is_first && !self.session.is_fresh && self.mailing.may_begin_anew() {
            self.state = State::Stale;
            return Ok(());
        }
        if let State::Commit(_) = self.state
            && self.lost.is_none()
        {
            // Nothing is sent any more, but the host has been asked.
            self.lost = Some(error);
            return Ok(());
        }
        if !self.mailing.is_committed() && !self.mailing.has_verdict() {
            return Err(error);
        }
        let rest = if self.mailing.is_committed() { Verdict::Unknown(error) } else { Verdict::Deferred(error) };
        self.mailing.judge_rest(&rest);
        self.state = State::Over;
        Ok(())
    }

    fn look(&mut self, actions: &mut Actions) -> Result<(), Error> {
        actions.put(Action::Timer(Some(LOOK_MS)));
        let patience = match self.state {
            State::Envelope | State::Settle | State::Discard => PATIENCE_LOOKS,
            State::Final => FINAL_PATIENCE_LOOKS,
            State::Body(None) => PATIENCE_LOOKS,
            // The host is waited for.
            State::Peek(_) | State::Body(Some(_)) | State::Commit(_) | State::Over | State::Stale => u32::MAX,
        };
        self.looks = self.looks.saturating_add(1);
        if self.looks < patience {
            return Ok(());
        }
        let seconds = LOOK_MS / 1_000 * u64::from(patience);
        let words = format!("the server has not answered for {seconds} seconds");
        let error = self.session.place(Error::new(Failure::Unreachable, words).with_code("TIMEOUT"));
        self.give_up(error)
    }

    fn answered(&mut self, token: Token, answer: Answer, actions: &mut Actions) -> Result<(), Error> {
        match (self.state, answer) {
            (State::Peek(asked), Answer::Octets(piece)) if asked == token => {
                if self.mailing.peek(piece)? {
                    self.begin_envelope(actions);
                } else {
                    self.state = State::Peek(actions.ask(Question::Draw));
                }
            }
            (State::Body(Some(asked)), Answer::Octets(piece)) if asked == token => self.drawn(piece, actions)?,
            (State::Commit(asked), Answer::Done(mark)) if asked == token => self.committed(mark, actions)?,
            _ => {}
        }
        Ok(())
    }

    fn take_in(&mut self, input: Input, actions: &mut Actions) -> Result<(), Error> {
        match input {
            Input::Start => self.begin(actions),
            Input::Octets(octets) => {
                self.session.feed(octets);
                self.take_replies(actions)?;
            }
            Input::End => {
                let error = self.session.ended();
                self.give_up(error)?;
            }
            Input::Lost(error) => {
                let error = self.session.place(error);
                self.give_up(error)?;
            }
            Input::Timer => self.look(actions)?,
            Input::Answer(token, answer) => self.answered(token, answer, actions)?,
            Input::TimeUp | Input::Wanted => {}
        }
        if self.state == State::Envelope {
            self.go_on_with_envelope(actions)?;
        }
        Ok(())
    }
}

impl Machine for Send<'_> {
    type Output = Sent;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Sent>, Error> {
        if let Err(error) = self.take_in(input, actions) {
            // What was begun on the line cannot be ended: only closing it keeps the server from taking what it has for the message.
            self.session.is_broken |= !matches!(self.state, State::Peek(_));
            if self.mailing.is_committed() || !self.mailing.open().is_empty() {
                return Err(error);
            }
            self.state = State::Over;
        }
        Ok(match self.state {
            State::Over => {
                self.session.is_fresh = false;
                // A server that says more than it was asked is not understood any more.
                self.session.is_broken |= self.session.has_unread();
                let error = Error::new(Failure::Malformed, "the recipient was forgotten: a fault of the connector");
                Step::Done(Sent::Verdicts(self.mailing.verdicts(&error)))
            }
            State::Stale => Step::Done(Sent::Stale),
            State::Peek(_) => Step::Wait,
            State::Commit(_) if self.lost.is_some() => Step::Wait,
            // However long the host takes; and the reply to the message's end is waited for longer than for others.
            State::Body(Some(_)) | State::Commit(_) | State::Final => Step::Idle,
            State::Envelope | State::Body(None) | State::Settle | State::Discard => Step::Read,
        })
    }
}
