//! What lasts over one line: what the server offers, and which replies are outstanding. The conversations ([`crate::send`], [`crate::leave`]) borrow it
//! one after the other.

use std::collections::VecDeque;

use postrider_connector::line::{Line, LineReader};
use postrider_connector::types::{Error, Failure};

use crate::command::Command;
use crate::limits::LINE_OCTETS;
use crate::offer::Offer;
use crate::reply::{NoReply, Replies, Reply};
use crate::settings::Settings;

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5321: one reply to a message.
    #[default]
    Smtp,
    /// RFC 2033: behind the message, one reply for each recipient that was accepted before.
    Lmtp,
}

/// A line that the host made ready.
#[derive(Debug)]
pub struct Session {
    /// The account's settings.
    pub settings: Settings,
    /// Which protocol is spoken.
    pub dialect: Dialect,
    /// What the server announced.
    pub offer: Offer,
    /// A transaction was begun and not ended: the next one begins with `RSET`.
    pub needs_reset: bool,
    /// Nothing was said on this line yet.
    pub is_fresh: bool,
    /// Nothing may be said on it any more.
    pub is_broken: bool,
    /// Transactions that were begun.
    pub transactions: u64,
    reader: LineReader,
    replies: Replies,
    outstanding: VecDeque<Command>,
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// In reply to this command.
    Reply(Command, Reply),
    /// While no reply was outstanding.
    Unasked(Reply),
}

impl Session {
    /// A session with a server that lists `capabilities`.
    #[must_use]
    pub fn new(dialect: Dialect, capabilities: &[String], settings: Settings) -> Self {
        Self {
            offer: Offer::new(capabilities, &settings),
            settings,
            dialect,
            needs_reset: false,
            is_fresh: true,
            is_broken: false,
            transactions: 0,
            reader: LineReader::new(LINE_OCTETS),
            replies: Replies::default(),
            outstanding: VecDeque::new(),
        }
    }

    /// Whether another message may be sent on this line.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        let most = self.offer.max_messages.map_or(self.settings.line_messages, |most| most.min(self.settings.line_messages));
        !self.is_broken && self.transactions < most && self.outstanding.is_empty()
    }

    /// A reply to `command`, which was written, is outstanding now.
    pub fn expect(&mut self, command: Command) {
        self.outstanding.push_back(command);
    }

    /// Whether something came that is not taken in.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.reader.pending() > 0
    }

    /// How many replies are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether a command may be sent now. Without `PIPELINING` it waits for the reply to the one before (RFC 2920).
    #[must_use]
    pub fn has_room(&self) -> bool {
        let most = if self.offer.pipelining { self.settings.pipeline } else { 1 };
        self.outstanding.len() < most
    }

    /// Take in what one read gave.
    pub fn feed(&mut self, octets: Vec<u8>) {
        self.reader.feed(octets);
    }

    /// The next event; none until more octets come.
    ///
    /// # Errors
    /// `malformed`: what is no reply.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let taken = match self.reader.line() {
                None => return Ok(None),
                Some(Line::Whole(line)) => self.replies.take(line),
                Some(Line::TooLong(_)) => Err(NoReply("a line over the limit".to_owned())),
            };
            match taken {
                Ok(None) => {}
                Ok(Some(reply)) => {
                    return Ok(Some(match self.outstanding.pop_front() {
                        Some(command) => Event::Reply(command, reply),
                        None => Event::Unasked(reply),
                    }));
                }
                Err(NoReply(shown)) => {
                    return Err(self.place(Error::new(Failure::Malformed, format!("the server answers `{shown}`"))));
                }
            }
        }
    }

    /// The server closed the line.
    #[must_use]
    pub fn ended(&self) -> Error {
        self.place(Error::new(Failure::Unreachable, "the server closed the line"))
    }

    /// `error` with the oldest command that is not answered.
    #[must_use]
    pub fn place(&self, error: Error) -> Error {
        match self.outstanding.front() {
            Some(command) => error.at(&command.to_string()),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(capabilities: &[&str], settings: Settings) -> Session {
        let capabilities: Vec<String> = capabilities.iter().map(|&line| line.to_owned()).collect();
        Session::new(Dialect::Smtp, &capabilities, settings)
    }

    #[test]
    fn replies_belong_to_commands_in_order() {
        let mut session = session(&[], Settings::default());
        session.expect(Command::Mail);
        session.expect(Command::Rcpt(0));
        session.feed(b"250 2.1.0 Ok\r\n550-5.1.1 no\r\n550 5.1.1 body\r\n421 4.4.2 bye\r\n".to_vec());
        let mut events = Vec::new();
        while let Some(event) = session.next_event().unwrap() {
            events.push(match event {
                Event::Reply(command, reply) => (Some(command), reply.said()),
                Event::Unasked(reply) => (None, reply.said()),
            });
        }
        let said = |command, words: &str| (command, words.to_owned());
        assert_eq!(
            events,
            [said(Some(Command::Mail), "250 2.1.0 Ok"), said(Some(Command::Rcpt(0)), "550 5.1.1 no body"), said(None, "421 4.4.2 bye"),]
        );
    }

    #[test]
    fn a_line_without_end_is_no_reply() {
        let mut session = session(&[], Settings::default());
        session.expect(Command::Mail);
        for _ in 0..4 {
            session.feed(vec![b'2'; 64 << 10]);
            assert!(session.next_event().unwrap().is_none());
            assert_eq!(session.reader.pending(), 0, "an endless line is not kept");
        }
        session.feed(b"\r\n".to_vec());
        assert_eq!(session.next_event().unwrap_err().kind, Failure::Malformed);
    }

    #[test]
    fn commands_wait_for_each_other_unless_pipelining_is_announced() {
        let room = |capabilities: &[&str], settings: Settings| {
            let mut session = session(capabilities, settings);
            (0..10).take_while(|_| session.has_room().then(|| session.expect(Command::Rset)).is_some()).count()
        };
        assert_eq!(room(&[], Settings::default()), 1);
        assert_eq!(room(&["PIPELINING"], Settings { pipeline: 7, ..Settings::default() }), 7);
    }

    #[test]
    fn a_line_is_ended_after_so_many_messages() {
        let may = |capabilities: &[&str], transactions| {
            let settings = Settings { line_messages: 9, ..Settings::default() };
            Session { transactions, ..session(capabilities, settings) }.may_go_on()
        };
        assert_eq!((may(&[], 8), may(&[], 9)), (true, false));
        assert_eq!((may(&["LIMITS MAILMAX=5"], 4), may(&["LIMITS MAILMAX=5"], 5)), (true, false));
    }
}
