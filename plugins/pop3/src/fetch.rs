//! One message again: its octets, as they come. Its number is looked up by its UIDL in this very session, for a number holds in no other.

use std::collections::BTreeMap;

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::pace::Pace;
use postrider_connector::types::{Error, Failure};

use crate::command::Command;
use crate::id;
use crate::maildrop::Maildrop;
use crate::refusal;
use crate::reply::Status;
use crate::session::{Event, Session};

/// One message of the maildrop. The output is how many octets were given.
#[derive(Debug)]
pub struct FetchMessage<'a> {
    session: &'a mut Session,
    id: String,
    uidls: BTreeMap<u32, Vec<u8>>,
    octets: u64,
    is_over: bool,
    pace: Pace,
}

impl<'a> FetchMessage<'a> {
    /// The message `id`.
    ///
    /// # Errors
    /// `unsupported` where it is called by its octets: every message would have to be read to find it.
    pub fn new(session: &'a mut Session, id: &str) -> Result<Self, Error> {
        if id::is_of_octets(id) || session.settings.ignores("UIDL") {
            let words = "the message is told apart by its octets, so that it can only be found by reading every message of the maildrop";
            return Err(Error::new(Failure::Unsupported, words));
        }
        let (id, uidls, pace) = (id.to_owned(), BTreeMap::new(), Pace::default());
        Ok(Self { session, id, uidls, octets: 0, is_over: false, pace })
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match event {
            Event::Reply(command, status) if !status.is_ok => return Err(self.refused(command, &status)),
            // A server with EXPIRE 0 would delete it at the session's end.
            Event::Reply(Command::Retr(_), _) => self.session.is_at_risk = true,
            Event::Listed(Command::Uidl, number, uidl) => {
                if self.uidls.insert(number, uidl).is_some() {
                    return Err(Error::new(Failure::Malformed, format!("the server lists message {number} twice")).at("UIDL"));
                }
            }
            Event::ListEnd(Command::Uidl) => {
                let maildrop = Maildrop::of(&std::mem::take(&mut self.uidls), &BTreeMap::new());
                let message = maildrop.by_id(&self.id).and_then(|place| maildrop.get(place));
                let number = message.ok_or_else(|| Error::new(Failure::Gone, "the maildrop has no message with this UIDL now"))?.number;
                self.session.send(Command::Retr(number), actions);
            }
            Event::Piece(command, octets) => {
                self.octets = self.octets.saturating_add(octets.len() as u64);
                if self.octets > self.session.limits.fetched_octets {
                    return Err(Error::new(Failure::TooLarge, "the message does not end").at(&command.to_string()));
                }
                actions.put(Action::Give(octets));
            }
            Event::TextEnd(..) => self.is_over = true,
            Event::Reply(..) | Event::Listed(..) | Event::Unreadable(_) | Event::ListEnd(_) => {}
        }
        Ok(())
    }

    fn refused(&self, command: Command, status: &Status) -> Error {
        let error = refusal::error(status);
        let error = match command {
            Command::Uidl if !refusal::is_passing(&error) => {
                Error { kind: Failure::Unsupported, message: format!("the server gives no UIDL: {}", error.message), ..error }
            }
            _ => error,
        };
        error.at(&command.to_string())
    }
}

impl Machine for FetchMessage<'_> {
    type Output = u64;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<u64>, Error> {
        match input {
            Input::Start => {
                self.pace.begin(actions);
                self.session.send(Command::Uidl, actions);
            }
            Input::Octets(octets) => {
                self.pace.count(octets.len());
                self.session.feed(octets);
            }
            Input::Timer => self.pace.look(true, actions).map_err(|error| self.session.place(error))?,
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Answer(..) | Input::TimeUp | Input::Wanted => {}
        }
        while !self.is_over {
            let Some(event) = self.session.next_event()? else { return Ok(Step::Read) };
            self.event(event, actions)?;
        }
        Ok(Step::Done(self.octets))
    }
}
