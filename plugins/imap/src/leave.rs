//! Saying goodbye (RFC 9051 section 6.1.3).

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::types::Error;

use crate::command;
use crate::session::{Event, Session, Tag};

/// How long the server's answer is waited for, in milliseconds: nothing depends on it.
const PATIENCE_MS: u64 = 2_000;

/// One LOGOUT.
#[derive(Debug)]
pub struct Leave<'a> {
    session: &'a mut Session,
    tag: Option<Tag>,
}

impl<'a> Leave<'a> {
    /// The end of `session`.
    pub const fn new(session: &'a mut Session) -> Self {
        Self { session, tag: None }
    }
}

impl Machine for Leave<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => {
                self.session.leave();
                self.tag = Some(self.session.send(&command::word("LOGOUT"), actions));
                actions.put(Action::Timer(Some(PATIENCE_MS)));
            }
            Input::Octets(octets) => self.session.feed(octets),
            Input::End | Input::Lost(_) | Input::Timer | Input::TimeUp => return Ok(Step::Done(())),
            Input::Wanted | Input::Answer(..) => {}
        }
        while let Some(event) = self.session.next_event()? {
            if matches!(event, Event::Reply(tag, _) if Some(tag) == self.tag) {
                return Ok(Step::Done(()));
            }
        }
        Ok(Step::Read)
    }
}
