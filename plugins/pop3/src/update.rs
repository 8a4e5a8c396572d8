//! Deleting: messages are marked, and the server deletes them when the session ends. Only its answer to QUIT tells whether it did (RFC 1939
//! section 6).

use std::collections::VecDeque;

use postrider_connector::machine::{Action, Actions};
use postrider_connector::types::{Error, Failure, Level};

use crate::command::Command;
use crate::maildrop::Maildrop;
use crate::refusal;
use crate::session::{Event, Session};

/// Marking some messages, and the end of the session.
#[derive(Debug)]
pub(crate) struct Update {
    /// Places of messages to be marked.
    waiting: VecDeque<usize>,
    /// Places of messages whose `DELE` is outstanding, in order.
    asked: VecDeque<usize>,
    marked: Vec<usize>,
    /// What the server does not mark, and why.
    pub(crate) refused: Vec<(usize, Error)>,
    has_quit: bool,
}

impl Update {
    pub(crate) fn new(places: Vec<usize>) -> Self {
        Self { waiting: places.into(), asked: VecDeque::new(), marked: Vec::new(), refused: Vec::new(), has_quit: false }
    }

    /// Send what may be sent. True: the session goes on, as nothing could be marked.
    pub(crate) fn advance(&mut self, session: &mut Session, maildrop: &Maildrop, actions: &mut Actions) -> bool {
        while session.room() > 0 {
            let Some(place) = self.waiting.pop_front() else { break };
            let Some(message) = maildrop.get(place) else { continue };
            session.send(Command::Dele(message.number), actions);
            self.asked.push_back(place);
        }
        if !self.waiting.is_empty() || !self.asked.is_empty() || self.has_quit {
            return false;
        }
        if self.marked.is_empty() {
            return true;
        }
        self.has_quit = true;
        session.send(Command::Quit, actions);
        false
    }

    /// Take in what the server said; the places of all messages that it deleted, once it says so.
    ///
    /// # Errors
    /// The server could not delete everything, and does not tell what.
    pub(crate) fn event(&mut self, event: Event, session: &mut Session, actions: &mut Actions) -> Result<Option<Vec<usize>>, Error> {
        match event {
            Event::Reply(Command::Dele(number), status) => {
                let Some(place) = self.asked.pop_front() else { return Ok(None) };
                if status.is_ok {
                    session.marked += 1;
                    self.marked.push(place);
                } else {
                    actions.put(Action::Log(Level::Warn, format!("the server does not delete message {number}: {}", status.words)));
                    self.refused.push((place, refusal::error(&status)));
                }
            }
            Event::Reply(Command::Quit, status) if status.is_ok => {
                session.marked = 0;
                return Ok(Some(std::mem::take(&mut self.marked)));
            }
            Event::Reply(Command::Quit, status) => {
                let words = format!("the server could not delete all of {} messages: {}", self.marked.len(), status.words);
                let error = Error::new(Failure::Transient, words).with_code(status.code.unwrap_or_else(|| "UPDATE".to_owned()));
                return Err(error.at("QUIT"));
            }
            _ => {}
        }
        Ok(None)
    }
}
