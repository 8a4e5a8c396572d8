//! Ending a line (RFC 5321 section 4.1.1.10).

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::types::Error;

use crate::command::Command;
use crate::limits::GOODBYE_MS;
use crate::session::Session;

/// One QUIT.
#[derive(Debug)]
pub struct Leave<'a> {
    session: &'a mut Session,
}

impl<'a> Leave<'a> {
    /// The end of `session`; none where it is to be ended by closing the line, because a reply is still outstanding.
    pub fn new(session: &'a mut Session) -> Option<Self> {
        (!session.is_broken && session.outstanding() == 0).then_some(Self { session })
    }
}

impl Machine for Leave<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => {
                self.session.is_broken = true;
                self.session.expect(Command::Quit);
                actions.write("QUIT\r\n");
                actions.put(Action::Timer(Some(GOODBYE_MS)));
            }
            Input::Octets(octets) => self.session.feed(octets),
            Input::End | Input::Lost(_) | Input::Timer | Input::TimeUp => return Ok(Step::Done(())),
            Input::Wanted | Input::Answer(..) => {}
        }
        Ok(if self.session.next_event()?.is_some() { Step::Done(()) } else { Step::Read })
    }
}
