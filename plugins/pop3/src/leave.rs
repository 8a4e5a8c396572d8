//! Ending a session (RFC 1939 section 6), so that the maildrop is free at once.

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::types::Error;

use crate::command::Command;
use crate::session::{Event, Session};

/// How long the server's answer is waited for, in milliseconds: nothing depends on it.
const PATIENCE_MS: u64 = 2_000;

/// One QUIT that deletes nothing: marks that an earlier conversation left are taken away first.
#[derive(Debug)]
pub struct Leave<'a> {
    session: &'a mut Session,
}

impl<'a> Leave<'a> {
    /// The end of `session`; none where it is to be ended by closing the line: what a `QUIT` would delete is not durable, or an answer is
    /// still outstanding and nothing tells what it will be.
    pub fn new(session: &'a mut Session) -> Option<Self> {
        (session.may_quit() && !session.is_waiting()).then_some(Self { session })
    }
}

impl Machine for Leave<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => {
                let first = if self.session.marked > 0 { Command::Rset } else { Command::Quit };
                self.session.send(first, actions);
                actions.put(Action::Timer(Some(PATIENCE_MS)));
            }
            Input::Octets(octets) => self.session.feed(octets),
            Input::End | Input::Lost(_) | Input::Timer | Input::TimeUp => return Ok(Step::Done(())),
            Input::Wanted | Input::Answer(..) => {}
        }
        while let Some(event) = self.session.next_event()? {
            match event {
                Event::Reply(Command::Rset, status) if status.is_ok => {
                    self.session.marked = 0;
                    self.session.send(Command::Quit, actions);
                }
                // Without it, QUIT would delete; or all is said.
                Event::Reply(..) => return Ok(Step::Done(())),
                _ => {}
            }
        }
        Ok(Step::Read)
    }
}
