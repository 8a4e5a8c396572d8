//! What lasts over one line: the capabilities, what is outstanding, what is marked. The conversations ([`crate::sync`], [`crate::delete`],
//! [`crate::leave`]) borrow it one after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_connector::dot_stuffing::{self, DotReader, Dotted};
use postrider_connector::line::{Line, LineReader};
use postrider_connector::machine::Actions;
use postrider_connector::types::{Error, Failure};

use crate::capabilities::{Capabilities, Expire};
use crate::command::{Command, Form};
use crate::limits::Limits;
use crate::pace;
use crate::reply::{self, Status};
use crate::settings::Settings;

/// A signed-in POP3 session, from its sign-in to its end.
#[derive(Debug)]
pub struct Session {
    /// The account's settings.
    pub settings: Settings,
    /// What holds for the grammar.
    pub limits: Limits,
    /// What the server announced.
    pub capabilities: Capabilities,
    /// Messages marked with `DELE` in this session.
    pub marked: usize,
    /// Messages were retrieved that are not durable yet, and a server with `EXPIRE 0` would delete them at the session's end.
    pub is_at_risk: bool,
    /// Ids that a server said it deleted in earlier sessions; those that it lists again stay here.
    pub deleted: BTreeSet<String>,
    /// Ids of messages in whose middle the line was closed, because nobody wanted the rest of them and they did not end, and why: they are not
    /// asked for whole again.
    pub broken_off: BTreeMap<String, Error>,
    /// Number and claimed size of messages without an id that did not end when they were read for their hash.
    pub endless: BTreeSet<(u32, Option<u64>)>,
    /// The former session told messages as removed that may come again under other ids, and the line was closed before a checkpoint.
    pub is_renaming: bool,
    reader: LineReader,
    outstanding: VecDeque<Command>,
    answering: Answering,
    /// Lines of the listing that is being read.
    lines: usize,
}

/// What the oldest outstanding command is answered with.
#[derive(Debug)]
enum Answering {
    Status,
    Listing,
    Text(DotReader),
}

/// What the server said.
#[derive(Debug)]
pub enum Event {
    /// How a command went; where its answer goes on, the rest follows.
    Reply(Command, Status),
    /// A line of a listing: the message's number, and what is said of it.
    Listed(Command, u32, Vec<u8>),
    /// A line of a listing that cannot be read.
    Unreadable(Command),
    /// A listing is over.
    ListEnd(Command),
    /// Octets of a message, without the dots that were put in.
    Piece(Command, Vec<u8>),
    /// A message is over, and had so many octets.
    TextEnd(Command, u64),
}

/// How a conversation goes on after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// On this line.
    On,
    /// On another line: this one is in the middle of a message that does not end and that nobody wants.
    BrokenOff,
}

impl Session {
    /// A session with a server that lists `capabilities`.
    #[must_use]
    pub fn new(capabilities: &[String], settings: Settings, limits: Limits) -> Self {
        Self {
            capabilities: Capabilities::new(capabilities, &settings),
            settings,
            limits,
            marked: 0,
            is_at_risk: false,
            deleted: BTreeSet::new(),
            broken_off: BTreeMap::new(),
            endless: BTreeSet::new(),
            is_renaming: false,
            reader: LineReader::new(limits.line_octets),
            outstanding: VecDeque::new(),
            answering: Answering::Status,
            lines: 0,
        }
    }

    /// The next session of the same account.
    #[must_use]
    pub fn next(self, capabilities: &[String]) -> Self {
        let Self { deleted, broken_off, endless, is_renaming, settings, limits, .. } = self;
        Self { deleted, broken_off, endless, is_renaming, ..Self::new(capabilities, settings, limits) }
    }

    /// Send a command.
    pub fn send(&mut self, command: Command, actions: &mut Actions) {
        actions.write(format!("{command}\r\n"));
        self.outstanding.push_back(command);
    }

    /// How many commands may be sent now. Without `PIPELINING` a command waits for the answer to the one before (RFC 2449 section 6.6).
    #[must_use]
    pub fn room(&self) -> usize {
        let is_pipelined = !self.settings.ignores("PIPELINING") && (self.settings.assume_pipelining || self.capabilities.has("PIPELINING"));
        let most = if is_pipelined { self.settings.pipeline } else { 1 };
        most.saturating_sub(self.outstanding.len())
    }

    /// Whether answers are outstanding.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// Whether the session may be ended and another begun, so that what is marked is deleted: not where the server wants a long time between
    /// two sign-ins.
    #[must_use]
    pub fn may_split(&self) -> bool {
        self.capabilities.login_delay() <= pace::SHORT_DELAY_SECONDS
    }

    /// Whether the session may be ended with `QUIT`: not where the server would then delete what was retrieved and is not durable
    /// (`EXPIRE 0`, RFC 2449 section 6.7).
    #[must_use]
    pub fn may_quit(&self) -> bool {
        !(self.is_at_risk && self.capabilities.expire() == Expire::Days(0))
    }

    /// Take in what one read gave.
    pub fn feed(&mut self, octets: Vec<u8>) {
        self.reader.feed(octets);
    }

    /// The next event; none until more octets come.
    ///
    /// # Errors
    /// The server says goodbye (`unreachable`), what is no answer (`malformed`), or lists without end (`too-large`).
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        let Some(&command) = self.outstanding.front() else { return self.unasked() };
        match &mut self.answering {
            Answering::Status => self.status(command),
            Answering::Listing => self.listing(command),
            Answering::Text(text) => Ok(match text.read(&mut self.reader) {
                Some(Dotted::Octets(octets)) => Some(Event::Piece(command, octets)),
                Some(Dotted::End(count) | Dotted::TooLong(count)) => {
                    self.answered();
                    Some(Event::TextEnd(command, count))
                }
                None => None,
            }),
        }
    }

    /// The server closed the line.
    #[must_use]
    pub fn ended(&self) -> Error {
        self.place(Error::new(Failure::Unreachable, "the server closed the line"))
    }

    /// `error` with the oldest outstanding command.
    #[must_use]
    pub fn place(&self, error: Error) -> Error {
        match self.outstanding.front() {
            Some(command) => error.at(&command.to_string()),
            None => error,
        }
    }

    fn status(&mut self, command: Command) -> Result<Option<Event>, Error> {
        let status = match self.reader.line() {
            None => return Ok(None),
            Some(Line::Whole(line)) => Status::parse(line).ok_or_else(|| reply::shown(line)),
            Some(Line::TooLong(_)) => Err("a line over the limit".to_owned()),
        };
        let status = status.map_err(|shown| self.place(Error::new(Failure::Malformed, format!("the server answers `{shown}`"))))?;
        match command.form() {
            Form::Listing if status.is_ok => {
                self.answering = Answering::Listing;
                self.lines = 0;
            }
            Form::Text if status.is_ok => self.answering = Answering::Text(DotReader::new(u64::MAX)),
            Form::Single | Form::Listing | Form::Text => self.answered(),
        }
        Ok(Some(Event::Reply(command, status)))
    }

    fn listing(&mut self, command: Command) -> Result<Option<Event>, Error> {
        let event = match self.reader.line() {
            None => return Ok(None),
            Some(Line::Whole(line)) => dot_stuffing::listed(line).map(|line| match reply::listed(line) {
                Some((number, rest)) => Event::Listed(command, number, rest.to_vec()),
                None => Event::Unreadable(command),
            }),
            Some(Line::TooLong(_)) => Some(Event::Unreadable(command)),
        };
        let Some(event) = event else {
            self.answered();
            return Ok(Some(Event::ListEnd(command)));
        };
        self.lines += 1;
        if self.lines > self.limits.messages {
            let words = format!("the server lists more than {} messages", self.limits.messages);
            return Err(self.place(Error::new(Failure::TooLarge, words)));
        }
        Ok(Some(event))
    }

    fn answered(&mut self) {
        self.outstanding.pop_front();
        self.answering = Answering::Status;
    }

    /// What a server says when nobody asked: that it hangs up.
    fn unasked(&mut self) -> Result<Option<Event>, Error> {
        let said = match self.reader.line() {
            None => return Ok(None),
            Some(Line::Whole(line)) => Status::parse(line).ok_or_else(|| reply::shown(line)),
            Some(Line::TooLong(_)) => Err("a line over the limit".to_owned()),
        };
        Err(match said {
            Ok(status) => Error::new(Failure::Unreachable, format!("the server hangs up: {}", status.words)),
            Err(shown) => Error::new(Failure::Malformed, format!("the server says `{shown}`, which was not asked")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(limits: Limits) -> (Session, Actions) {
        (Session::new(&["PIPELINING".to_owned()], Settings::default(), limits), Actions::default())
    }

    #[test]
    fn a_listing_without_end_is_not_listened_to() {
        let (mut session, mut actions) = session(Limits { messages: 3, ..Limits::default() });
        session.send(Command::Uidl, &mut actions);
        session.feed(b"+OK\r\n1 a\r\nodd\r\n3 c\r\n4 d\r\n".to_vec());
        for _ in 0..4 {
            assert!(session.next_event().unwrap().is_some());
        }
        assert_eq!(session.next_event().unwrap_err().kind, Failure::TooLarge);
    }

    #[test]
    fn what_nobody_asked_for_ends_the_conversation() {
        for (said, kind) in [(&b"-ERR idle for too long\r\n"[..], Failure::Unreachable), (b"HTTP/1.1 400\r\n", Failure::Malformed)] {
            let (mut session, _) = session(Limits::default());
            session.feed(said.to_vec());
            assert_eq!(session.next_event().unwrap_err().kind, kind);
        }
    }

    #[test]
    fn a_line_without_end_is_no_answer() {
        let (mut session, mut actions) = session(Limits::default());
        session.send(Command::Stat, &mut actions);
        for _ in 0..4 {
            session.feed(vec![b'x'; 64 << 10]);
            assert!(session.next_event().unwrap().is_none());
            assert_eq!(session.reader.pending(), 0, "an endless line is not kept");
        }
        session.feed(b"\r\n".to_vec());
        assert_eq!(session.next_event().unwrap_err().kind, Failure::Malformed);
    }

    #[test]
    fn commands_wait_for_each_other_unless_pipelining_is_announced_or_assumed() {
        let room = |capabilities: &[&str], settings: Settings| {
            let capabilities: Vec<String> = capabilities.iter().map(|&line| line.to_owned()).collect();
            let mut session = Session::new(&capabilities, settings, Limits::default());
            session.send(Command::Stat, &mut Actions::default());
            session.room()
        };
        let assumed = || Settings { assume_pipelining: true, ..Settings::default() };
        let ignored = |settings| Settings { ignore_capabilities: vec!["pipelining".to_owned()], ..settings };
        assert_eq!(room(&[], Settings::default()), 0);
        assert_eq!(room(&["PIPELINING"], Settings::default()), 31);
        assert_eq!(room(&[], assumed()), 31);
        assert_eq!(room(&["PIPELINING"], ignored(Settings::default())), 0);
        assert_eq!(room(&["PIPELINING"], ignored(assumed())), 0);
        assert_eq!(room(&["PIPELINING"], Settings { pipeline: 3, ..Settings::default() }), 2);
    }
}
