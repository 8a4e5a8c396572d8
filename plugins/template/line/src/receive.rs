//! The conversation: list the maildrop, fetch what the host does not have, make it durable. A state machine without I/O, so that tests play
//! transcripts against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_connector::dot_stuffing::{DotReader, Dotted, listed};
use postrider_connector::line::{Line, LineReader};
use postrider_connector::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use postrider_connector::types::{Arrival, Error, Failure, Scope};

use crate::settings::Settings;

/// The one folder of a maildrop.
pub const FOLDER: &str = "INBOX";

/// Octets of one line; RFC 2449 section 4 allows 512.
const LINE_OCTETS: usize = 1024;

/// Messages of one maildrop; a listing that is longer is not believed.
const MESSAGES: usize = 100_000;

/// Ids in one question to the host: the contract's most.
const IDS: usize = 10_000;

/// Receives the maildrop once.
#[derive(Debug)]
pub struct Receive<'a> {
    settings: &'a Settings,
    reader: LineReader,
    state: State,
    /// Unique id and number of each message, as the server lists them.
    listing: Vec<(String, u32)>,
    /// Which of them the host does not have.
    unseen: BTreeSet<String>,
    /// What is left to fetch.
    wanted: VecDeque<(String, u32)>,
    /// What the host was told or asked and has not answered.
    outstanding: BTreeMap<Token, Asked>,
    /// Messages that the host took since the last checkpoint was asked for.
    fresh: u64,
    /// Why the conversation ends before its end. What came whole is made durable first.
    failure: Option<Error>,
}

#[derive(Debug)]
enum State {
    /// Waiting for the first line of the listing.
    ListingStatus,
    /// In the listing.
    Listing,
    /// Waiting for what the host says of the listing.
    Asking,
    /// Waiting for the first line of this message.
    Status(String),
    /// In a message.
    Message(Token, DotReader),
    /// Nothing is read any more; the host's answers are.
    Ending,
}

#[derive(Debug)]
enum Asked {
    Unseen,
    /// A message of this id.
    Message(String),
    Checkpoint,
}

impl<'a> Receive<'a> {
    /// A conversation on a line that is signed in.
    #[must_use]
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            reader: LineReader::new(LINE_OCTETS),
            state: State::ListingStatus,
            listing: Vec::new(),
            unseen: BTreeSet::new(),
            wanted: VecDeque::new(),
            outstanding: BTreeMap::new(),
            fresh: 0,
            failure: None,
        }
    }

    /// Take in one whole thing that the server sent; false: more must be read first.
    fn take_in(&mut self, actions: &mut Actions) -> bool {
        match &mut self.state {
            State::Asking | State::Ending => return false,
            State::Message(token, dots) => {
                let (token, limit) = (*token, self.settings.message_octets);
                let end = match dots.read(&mut self.reader) {
                    None => return false,
                    Some(Dotted::Octets(octets)) => {
                        actions.put(Action::Piece(token, octets));
                        return true;
                    }
                    Some(Dotted::End(octets)) => Ok(octets),
                    Some(Dotted::TooLong(octets)) => {
                        Err(Error::new(Failure::TooLarge, format!("it has {octets} octets, and {limit} are taken")))
                    }
                };
                actions.put(Action::Finish(token, end));
                self.fetch_next(actions);
            }
            State::ListingStatus | State::Listing | State::Status(_) => {
                let line = match self.reader.line() {
                    None => return false,
                    Some(Line::Whole(line)) => String::from_utf8_lossy(line).into_owned(),
                    Some(Line::TooLong(_)) => {
                        self.fail(Error::new(Failure::Malformed, "the server sends a line that is too long"));
                        return true;
                    }
                };
                self.line(&line, actions);
            }
        }
        true
    }

    fn line(&mut self, line: &str, actions: &mut Actions) {
        match &self.state {
            State::ListingStatus if line.starts_with("+OK") => self.state = State::Listing,
            State::ListingStatus => self.fail(Error::new(Failure::Permanent, line).at("UIDL")),
            State::Listing => match listed(line.as_bytes()) {
                None => self.ask(actions),
                Some(_) if self.listing.len() >= MESSAGES => {
                    self.fail(Error::new(Failure::TooLarge, "the maildrop is too large").at("UIDL"))
                }
                Some(_) => match line.split_once(' ').and_then(|(number, id)| Some((id.trim().to_owned(), number.parse().ok()?))) {
                    Some(message) => self.listing.push(message),
                    None => self.fail(Error::new(Failure::Malformed, format!("the server lists `{line}`")).at("UIDL")),
                },
            },
            State::Status(id) if line.starts_with("+OK") => {
                let token = actions.begin(scope(), Arrival { folders: vec![FOLDER.to_owned()], ..Arrival::new(id) });
                self.outstanding.insert(token, Asked::Message(id.clone()));
                self.state = State::Message(token, DotReader::new(self.settings.message_octets));
            }
            State::Status(id) => {
                // This one message cannot be had: the rest goes on.
                let id = id.clone();
                self.set_aside(&id, Error::new(Failure::Permanent, line).at("RETR"), actions);
                self.fetch_next(actions);
            }
            State::Asking | State::Message(..) | State::Ending => {}
        }
    }

    /// Ask which of the listed messages the host does not have.
    fn ask(&mut self, actions: &mut Actions) {
        self.state = State::Asking;
        for part in self.listing.chunks(IDS) {
            let ids = part.iter().map(|(id, _)| id.clone()).collect();
            self.outstanding.insert(actions.ask(Question::Unseen(scope(), ids)), Asked::Unseen);
        }
        if self.listing.is_empty() {
            self.state = State::Ending;
        }
    }

    /// The host told all that it does not have.
    fn begin(&mut self, actions: &mut Actions) {
        let unseen = std::mem::take(&mut self.unseen);
        let mut begun = BTreeSet::new();
        // A server that lists an id twice has one message of it.
        self.wanted = self.listing.drain(..).filter(|(id, _)| unseen.contains(id) && begun.insert(id.clone())).collect();
        self.fetch_next(actions);
    }

    fn fetch_next(&mut self, actions: &mut Actions) {
        if self.fresh >= self.settings.checkpoint_messages {
            self.checkpoint(actions);
        }
        match self.wanted.pop_front() {
            Some((id, number)) => {
                actions.write(format!("RETR {number}\r\n"));
                self.state = State::Status(id);
            }
            None => self.state = State::Ending,
        }
    }

    fn set_aside(&mut self, id: &str, reason: Error, actions: &mut Actions) {
        let arrival = Arrival { folders: vec![FOLDER.to_owned()], ..Arrival::new(id) };
        let token = actions.ask(Question::SetAside(scope(), Box::new(arrival), reason));
        self.outstanding.insert(token, Asked::Message(id.to_owned()));
    }

    fn checkpoint(&mut self, actions: &mut Actions) {
        self.fresh = 0;
        // A maildrop has no cursor: the listing is the whole of it.
        self.outstanding.insert(actions.ask(Question::Checkpoint(scope(), Vec::new())), Asked::Checkpoint);
    }

    /// What the host answered.
    fn answered(&mut self, token: Token, answer: Answer, actions: &mut Actions) {
        match (self.outstanding.remove(&token), answer) {
            (Some(Asked::Unseen), Answer::Ids(Ok(ids))) => {
                self.unseen.extend(ids);
                let is_asking = self.outstanding.values().any(|asked| matches!(asked, Asked::Unseen));
                if matches!(self.state, State::Asking) && !is_asking {
                    self.begin(actions);
                }
            }
            (Some(Asked::Message(_)), Answer::Done(Ok(()))) => self.fresh += 1,
            (Some(Asked::Message(id)), Answer::Done(Err(error))) if self.failure.is_none() && error.concerns_one_message() => {
                self.set_aside(&id, error, actions);
            }
            (Some(_), Answer::Done(Err(error)) | Answer::Ids(Err(error))) => self.fail(error),
            _ => {}
        }
    }

    /// Go on to the end: a message that is under way is given up.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn give_up(&mut self, actions: &mut Actions) {
        if let (State::Message(token, _), Some(failure)) = (&self.state, &self.failure) {
            actions.put(Action::Finish(*token, Err(failure.clone())));
        }
        self.state = State::Ending;
    }
}

impl Machine for Receive<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => actions.write("UIDL\r\n"),
            Input::Octets(octets) => self.reader.feed(octets),
            Input::End => self.fail(Error::new(Failure::Unreachable, "the server closed the line")),
            Input::Lost(error) => self.fail(error),
            Input::Answer(token, answer) => self.answered(token, answer, actions),
            Input::Timer | Input::TimeUp | Input::Wanted => {}
        }
        while self.failure.is_none() && self.take_in(actions) {}
        if self.failure.is_some() {
            self.give_up(actions);
        }
        if !matches!(self.state, State::Ending) {
            return Ok(if matches!(self.state, State::Asking) { Step::Wait } else { Step::Read });
        }
        if !self.outstanding.is_empty() {
            return Ok(Step::Wait);
        }
        if self.fresh > 0 {
            self.checkpoint(actions);
            return Ok(Step::Wait);
        }
        self.failure.take().map_or(Ok(Step::Done(())), Err)
    }
}

/// What the ids of a maildrop are unique in.
#[must_use]
pub fn scope() -> Scope {
    Scope { folder: Some(FOLDER.to_owned()), generation: String::new() }
}
