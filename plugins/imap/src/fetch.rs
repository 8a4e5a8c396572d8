//! One message again: its octets, as they come. An id is only believed where the host has it under the folder's UIDVALIDITY of now: a UID of another
//! generation is another message.

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use postrider_connector::types::{Error, Failure, Scope};

use crate::command;
use crate::refusal;
use crate::response::code::Code;
use crate::response::fetch::Body;
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Selected, Session, Tag};
use crate::uid_set::UidSet;

/// One message of one folder. The output is how many octets were given.
#[derive(Debug)]
pub struct FetchMessage<'a> {
    session: &'a mut Session,
    folder: String,
    uid: u32,
    state: State,
    validity: Option<u32>,
    exists: u32,
    octets: u64,
    progress: Progress,
}

#[derive(Debug)]
enum State {
    Begin,
    Examine(Tag),
    /// Does the host have it under this UIDVALIDITY?
    Believe(Token),
    Fetch(Tag),
    Over,
}

/// How far the octets have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    /// The server has the message, and no octets of it.
    Nil,
    /// Some came; the response has not ended.
    Under,
    /// The response around them ended well.
    Whole,
    /// It broke: its literal may have been counted wrong.
    Broken,
}

impl<'a> FetchMessage<'a> {
    /// The message `id` of `folder`.
    ///
    /// # Errors
    /// `gone` where the folder or the id is none.
    pub fn new(session: &'a mut Session, folder: &str, id: &str) -> Result<Self, Error> {
        session.name(folder)?;
        let uid = crate::uid_set::number(id.as_bytes()).ok_or_else(gone)?;
        let (validity, exists, octets) = (None, 0, 0);
        Ok(Self { session, folder: folder.to_owned(), uid, state: State::Begin, validity, exists, octets, progress: Progress::Nothing })
    }

    fn examined(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let Some(validity) = self.validity else {
            return Err(Error::new(Failure::Unsupported, "the server gives no UIDVALIDITY").at(&self.folder));
        };
        self.session.selected = Some(Selected { folder: self.folder.clone(), exists: self.exists, writable: false, touched: false });
        let scope = Scope { folder: Some(self.folder.clone()), generation: validity.to_string() };
        self.state = State::Believe(actions.ask(Question::Unseen(scope, vec![self.uid.to_string()])));
        Ok(())
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match (&self.state, event) {
            (State::Examine(tag), Event::Reply(reply, status)) if *tag == reply => {
                if status.condition != Condition::Ok {
                    return Err(refusal::error(&status).at(&format!("open {}", self.folder)));
                }
                self.examined(actions)?;
            }
            (State::Examine(_), Event::Untagged(Response::Exists(exists))) => self.exists = exists,
            (State::Examine(_), Event::Untagged(Response::Untagged(Status { code: Some(Code::UidValidity(validity)), .. }))) => {
                self.validity = Some(validity);
            }
            (State::Fetch(tag), Event::Reply(reply, status)) if *tag == reply => self.fetched(&status)?,
            (State::Fetch(_), event) => self.octets(event, actions),
            _ => {}
        }
        Ok(())
    }

    /// Take in what the FETCH brings. Only one message was asked for, so that a body is its body wherever its UID stands.
    fn octets(&mut self, event: Event, actions: &mut Actions) {
        match event {
            Event::Body(fetch, _) if self.progress == Progress::Nothing && self.is_it(fetch.uid) => self.progress = Progress::Under,
            Event::Piece(octets) if self.progress == Progress::Under => {
                self.octets += octets.len() as u64;
                actions.put(Action::Give(octets));
            }
            Event::Untagged(Response::Fetch(_, fetch)) => match (self.progress, fetch.body) {
                (Progress::Under, _) => self.progress = if self.is_it(fetch.uid) { Progress::Whole } else { Progress::Broken },
                (Progress::Nothing, Body::Text(text)) if self.is_it(fetch.uid) => {
                    self.octets = text.len() as u64;
                    if !text.is_empty() {
                        actions.put(Action::Give(text));
                    }
                    self.progress = Progress::Whole;
                }
                (Progress::Nothing, Body::Nil) if self.is_it(fetch.uid) => self.progress = Progress::Nil,
                _ => {}
            },
            Event::Lost(_) if self.progress == Progress::Under => self.progress = Progress::Broken,
            _ => {}
        }
    }

    fn is_it(&self, uid: Option<u32>) -> bool {
        uid.is_none_or(|uid| uid == self.uid)
    }

    fn fetched(&mut self, status: &Status) -> Result<(), Error> {
        let place = format!("message {} in {}", self.uid, self.folder);
        match (self.progress, status.condition) {
            // What came whole is whole, whatever the server says afterwards.
            (Progress::Whole, _) => {
                self.state = State::Over;
                Ok(())
            }
            (Progress::Under | Progress::Broken, _) => {
                Err(Error::new(Failure::Malformed, "the response around the message's octets cannot be read").at(&place))
            }
            (Progress::Nothing | Progress::Nil, condition) if condition != Condition::Ok => Err(refusal::error(status).at(&place)),
            (Progress::Nil, _) => Err(Error::new(Failure::Permanent, "the server has the message and no octets of it").at(&place)),
            (Progress::Nothing, _) => Err(gone().at(&place)),
        }
    }
}

impl Machine for FetchMessage<'_> {
    type Output = u64;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<u64>, Error> {
        match input {
            Input::Start => {
                self.session.selected = None;
                let command = command::examine(&self.session.name(&self.folder)?, self.session.has_condstore());
                self.state = State::Examine(self.session.send(&command, actions));
            }
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Answer(token, Answer::Ids(unknown)) => {
                if matches!(self.state, State::Believe(asked) if asked == token) {
                    if !unknown?.is_empty() {
                        return Err(gone());
                    }
                    self.state = State::Fetch(self.session.send(&command::fetch_octets(&UidSet::range(self.uid, self.uid)), actions));
                }
            }
            Input::Answer(..) | Input::Timer | Input::TimeUp | Input::Wanted => {}
        }
        while let Some(event) = self.session.next_event()? {
            self.event(event, actions)?;
        }
        Ok(match self.state {
            State::Over => Step::Done(self.octets),
            State::Believe(_) => Step::Wait,
            State::Begin | State::Examine(_) | State::Fetch(_) => Step::Read,
        })
    }
}

fn gone() -> Error {
    Error::new(Failure::Gone, "the folder has no such message now")
}
