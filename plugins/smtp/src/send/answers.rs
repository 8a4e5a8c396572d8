//! What the server's replies do to a transaction.

use postrider_connector::machine::Actions;
use postrider_connector::types::{Error, Failure, Verdict};

use super::{Send, State, Todo};
use crate::command::Command;
use crate::refusal;
use crate::reply::Reply;
use crate::session::Event;

/// The server closes the line (RFC 5321 section 3.8).
const CLOSING: u16 = 421;

impl Send<'_> {
    /// Everything that was read.
    pub(super) fn take_replies(&mut self, actions: &mut Actions) -> Result<(), Error> {
        while !matches!(self.state, State::Over | State::Stale) && self.lost.is_none() {
            let event = match self.session.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                Err(error) => return self.give_up(error),
            };
            self.looks = 0;
            match event {
                Event::Reply(command, reply) => self.replied(command, &reply, actions)?,
                Event::Unasked(reply) => self.said(&reply)?,
            }
        }
        Ok(())
    }

    fn replied(&mut self, command: Command, reply: &Reply, actions: &mut Actions) -> Result<(), Error> {
        if reply.code == CLOSING && !matches!(command, Command::End(_)) {
            return self.give_up(refusal::error(command, reply));
        }
        self.was_answered = true;
        match command {
            Command::Rset if reply.is_positive() => {}
            Command::Rset => return self.give_up(refusal::error(command, reply)),
            Command::Mail => return self.mail_replied(reply),
            Command::Rcpt(place) => self.rcpt_replied(place, reply),
            Command::Data if reply.code == 354 => return self.begin_data(actions),
            Command::Data | Command::Chunk => return self.message_replied(command, reply, actions),
            Command::End(place) => return self.end_replied(place, reply),
            Command::Quit => {}
        }
        Ok(())
    }

    fn mail_replied(&mut self, reply: &Reply) -> Result<(), Error> {
        if reply.is_positive() {
            return Ok(());
        }
        let error = refusal::error(Command::Mail, reply);
        if error.kind == Failure::Unauthenticated {
            // Not the message's fault: nothing goes over this account.
            return Err(error);
        }
        self.mailing.judge_rest(&verdict(Command::Mail, reply)?);
        self.session.needs_reset = false;
        self.todo.clear();
        Ok(())
    }

    fn rcpt_replied(&mut self, place: usize, reply: &Reply) {
        if reply.is_positive() {
            if self.mailing.is_open(place) {
                self.accepted.push(place);
            }
            return;
        }
        if !refusal::is_too_many(reply, self.accepted.len()) {
            self.mailing.judge(place, refusal::verdict(Command::Rcpt(place), reply));
            return;
        }
        let later = refusal::next_transaction(reply.said());
        self.mailing.judge(place, later.clone());
        for todo in std::mem::take(&mut self.todo) {
            match todo {
                Todo::Rcpt(place) => self.mailing.judge(place, later.clone()),
                todo => self.todo.push_back(todo),
            }
        }
    }

    /// The reply to DATA that is not 354, or to a chunk.
    fn message_replied(&mut self, command: Command, reply: &Reply, actions: &mut Actions) -> Result<(), Error> {
        if command == Command::Chunk && reply.is_positive() {
            return match self.state {
                State::Body(None) => self.draw(actions),
                State::Settle => {
                    self.settle(actions);
                    Ok(())
                }
                _ => Ok(()),
            };
        }
        let verdict = match verdict(command, reply) {
            Ok(verdict) => verdict,
            Err(error) => return self.give_up(error),
        };
        // Whatever there was of a transaction: a refused chunk is forgotten only when the server is told to (RFC 3030 section 2).
        self.session.needs_reset |= command == Command::Chunk;
        self.refuse_message(&verdict);
        Ok(())
    }

    /// Nobody of those who were accepted gets the message. What is outstanding is read to its end.
    fn refuse_message(&mut self, verdict: &Verdict) {
        for place in std::mem::take(&mut self.accepted) {
            self.mailing.judge(place, verdict.clone());
        }
        self.todo.clear();
        match self.state {
            State::Commit(_) | State::Final | State::Envelope => {}
            _ if self.session.outstanding() > 0 => self.state = State::Envelope,
            _ => self.state = State::Over,
        }
    }

    fn end_replied(&mut self, place: Option<usize>, reply: &Reply) -> Result<(), Error> {
        if self.state == State::Discard {
            self.session.needs_reset = false;
            self.state = State::Over;
            return Ok(());
        }
        let verdict = if reply.is_positive() {
            Verdict::Accepted(Some(reply.words.clone()).filter(|words| !words.is_empty()))
        } else {
            match verdict(Command::End(place), reply) {
                Ok(verdict) => verdict,
                Err(error) => return self.give_up(error),
            }
        };
        match place {
            Some(place) => self.mailing.judge(place, verdict),
            None => self.accepted.iter().for_each(|&place| self.mailing.judge(place, verdict.clone())),
        }
        if reply.code == CLOSING {
            return self.give_up(refusal::error(Command::End(place), reply));
        }
        let is_chunked = self.plan.as_ref().is_some_and(|plan| plan.is_chunked);
        self.is_reset_due |= is_chunked && !reply.is_positive();
        if self.session.outstanding() == 0 {
            self.session.needs_reset = self.is_reset_due;
            self.state = State::Over;
        }
        Ok(())
    }

    /// What the server says while the message is on its way to it: that it will not have it, or that it hangs up.
    fn said(&mut self, reply: &Reply) -> Result<(), Error> {
        let is_refusal = reply.code >= 400;
        if !is_refusal {
            let words = format!("the server says `{}`, which was not asked", reply.said());
            return self.give_up(Error::new(Failure::Malformed, words));
        }
        match self.state {
            State::Body(_) | State::Settle | State::Commit(_) if reply.code != CLOSING => {
                // It may still take what comes for the message, or for commands.
                self.session.is_broken = true;
                self.refuse_message(&refusal::verdict(Command::End(None), reply));
                Ok(())
            }
            _ => self.give_up(refusal::error(Command::End(None), reply)),
        }
    }
}

/// A reply that is neither positive nor a refusal is none to such a command.
fn verdict(command: Command, reply: &Reply) -> Result<Verdict, Error> {
    if reply.code >= 400 { Ok(refusal::verdict(command, reply)) } else { Err(refusal::error(command, reply)) }
}
