//! What is said once, before anything else: which extensions this connector understands (RFC 5161), and where other people's mailboxes
//! begin (RFC 2342).

use postrider_connector::machine::{Actions, Input, Machine, Step};
use postrider_connector::types::Error;

use crate::command;
use crate::response::parse::Response;
use crate::session::{Event, Session};

/// Extensions that only work where they are enabled.
const ENABLED: [&str; 2] = ["QRESYNC", "UTF8=ACCEPT"];

/// The beginning of a session. A server that refuses any of it is spoken to without.
#[derive(Debug)]
pub struct Prepare<'a> {
    session: &'a mut Session,
}

impl<'a> Prepare<'a> {
    /// The beginning of `session`.
    pub const fn new(session: &'a mut Session) -> Self {
        Self { session }
    }

    /// Everything in one flight.
    fn begin(&mut self, actions: &mut Actions) {
        let enabled: Vec<&str> = ENABLED.into_iter().filter(|name| self.session.has(name)).collect();
        if !enabled.is_empty() && self.session.has_rev2("ENABLE") {
            self.session.send(&command::enable(&enabled), actions);
        }
        if self.session.has_rev2("NAMESPACE") {
            self.session.send(&command::word("NAMESPACE"), actions);
        }
    }
}

impl Machine for Prepare<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => self.begin(actions),
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Timer | Input::TimeUp | Input::Wanted | Input::Answer(..) => {}
        }
        while let Some(event) = self.session.next_event()? {
            if let Event::Untagged(Response::Namespace(namespaces)) = event {
                self.session.namespaces = namespaces;
            }
        }
        Ok(if self.session.outstanding() == 0 { Step::Done(()) } else { Step::Read })
    }
}
