//! What lasts over a session: the capabilities, the tags, what is outstanding, the mailbox that is open. The conversations
//! ([`crate::list`], [`crate::sync`], [`crate::watch`], ...) borrow it one after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_connector::machine::Actions;
use postrider_connector::types::{Error, Failure};

use crate::command::Command;
use crate::limits::Limits;
use crate::mailbox_name;
use crate::mailboxes::Mailboxes;
use crate::refusal;
use crate::response::fetch::Fetch;
use crate::response::frame::{Frame, Framer};
use crate::response::namespace::Namespaces;
use crate::response::parse::{Condition, Response, Status};
use crate::settings::{Quirk, Settings};

/// A signed-in IMAP session.
#[derive(Debug)]
pub struct Session {
    /// The account's settings.
    pub settings: Settings,
    /// What holds for the grammar.
    pub limits: Limits,
    /// The mailbox that is open.
    pub selected: Option<Selected>,
    /// How folders looked when they were last seen, by id.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// Folders that the server lists and does not open, by id; told of once.
    pub refused: BTreeSet<String>,
    /// Names of mailboxes are UTF-8 on this line (RFC 9755, RFC 9051), not modified UTF-7.
    pub utf8: bool,
    /// Extensions that the server enabled (RFC 5161), in capitals.
    pub enabled: BTreeSet<String>,
    /// Folders that are not called what their id says.
    pub mailboxes: Mailboxes,
    /// What the server said of its namespaces (RFC 2342).
    pub namespaces: Namespaces,
    capabilities: Vec<String>,
    /// What is announced and not understood.
    forgone: BTreeSet<&'static str>,
    framer: Framer,
    tags: u32,
    outstanding: VecDeque<(Tag, String)>,
    /// Responses since the last answer to a command.
    unanswered: u32,
    /// The server may say goodbye now.
    leaving: bool,
}

/// Which command.
pub type Tag = u32;

/// The mailbox that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its id.
    pub folder: String,
    /// Messages in it.
    pub exists: u32,
    /// Opened with SELECT, so that it can be changed.
    pub writable: bool,
    /// Something changed since a `sync` saw it.
    pub touched: bool,
}

/// What tells whether a folder changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `UIDVALIDITY`.
    pub validity: u64,
    /// `UIDNEXT`.
    pub next: u64,
    /// Messages.
    pub exists: u64,
    /// `HIGHESTMODSEQ`, or 0.
    pub modseq: u64,
    /// Unseen messages where there is no mod-sequence, or 0.
    pub unseen: u64,
}

/// What the server sent.
#[derive(Debug)]
pub enum Event {
    /// A command ended.
    Reply(Tag, Status),
    /// Anything else that is whole.
    Untagged(Response),
    /// A message's octets begin: the items before them, and how many there are.
    Body(Fetch, u64),
    /// Some of them.
    Piece(Vec<u8>),
    /// That was the last of them. What follows next is the end of their response, as `Untagged` or `Lost`.
    BodyEnd,
    /// A response that cannot be read: what it began with.
    Lost(String),
}

impl Session {
    /// A session that offers `capabilities`.
    #[must_use]
    pub fn new(capabilities: &[String], settings: Settings, limits: Limits) -> Self {
        let mut session = Self {
            settings,
            limits,
            selected: None,
            snapshots: BTreeMap::new(),
            refused: BTreeSet::new(),
            utf8: false,
            enabled: BTreeSet::new(),
            mailboxes: Mailboxes::default(),
            namespaces: Namespaces::default(),
            capabilities: Vec::new(),
            forgone: BTreeSet::new(),
            framer: Framer::new(limits),
            tags: 0,
            outstanding: VecDeque::new(),
            unanswered: 0,
            leaving: false,
        };
        session.offers(capabilities);
        // IMAP4rev2 alone is spoken without being asked for.
        session.utf8 = session.has("UTF8=ONLY") || (session.has("IMAP4REV2") && !session.has("IMAP4REV1"));
        session
    }

    /// The folder's name as this server wants it.
    ///
    /// # Errors
    /// `gone` where the id is none of this connector's.
    pub fn name(&self, folder: &str) -> Result<Vec<u8>, Error> {
        let known = self.mailboxes.name(folder).map(<[u8]>::to_vec);
        let name = known.or_else(|| mailbox_name::from_id(folder, self.utf8)).filter(|name| mailbox_name::is_quotable(name));
        name.ok_or_else(|| Error::new(Failure::Gone, format!("there is no folder `{folder}`")))
    }

    /// The id of the folder that this server calls so.
    #[must_use]
    pub fn id(&self, name: &[u8]) -> String {
        self.mailboxes.id(name).map_or_else(|| mailbox_name::to_id(name, self.utf8), str::to_owned)
    }

    /// Items that a FETCH of messages asks for besides, by what the server offers: ids of messages and threads (RFC 8474; Gmail's own).
    #[must_use]
    pub fn further_items(&self) -> &'static str {
        if self.has("X-GM-EXT-1") {
            " X-GM-MSGID X-GM-THRID X-GM-LABELS"
        } else if self.has("OBJECTID") {
            " EMAILID THREADID"
        } else {
            ""
        }
    }

    /// Whether `quirk` is set for this account.
    #[must_use]
    pub fn is_quirky(&self, quirk: Quirk) -> bool {
        self.settings.quirks.contains(&quirk)
    }

    /// The number behind `NAME=` in the capabilities (`APPENDLIMIT=35651584`).
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<u64> {
        self.capabilities.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }

    /// Send octets that belong to a command that has begun: a literal, the end of an IDLE.
    pub fn write(&mut self, octets: impl Into<Vec<u8>>, actions: &mut Actions) {
        actions.write(octets);
    }

    /// Whether the server offers `capability` (in capitals) and the operator lets it be used.
    #[must_use]
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|offered| offered == capability)
    }

    /// `CONDSTORE`, also where `QRESYNC` implies it (RFC 7162 section 3.2.3).
    #[must_use]
    pub fn has_condstore(&self) -> bool {
        self.has("CONDSTORE") || self.has("QRESYNC")
    }

    /// Whether `capability` is offered by itself or as a part of IMAP4rev2 (RFC 9051 appendix E).
    #[must_use]
    pub fn has_rev2(&self, capability: &str) -> bool {
        self.has(capability) || (self.has("IMAP4REV2") && !self.forgone.contains(capability))
    }

    /// The server announces `capability` (in capitals) and does not understand it: the rest of the session goes on without.
    pub fn forgo(&mut self, capability: &'static str) {
        self.capabilities.retain(|offered| offered != capability);
        self.forgone.insert(capability);
    }

    /// Send a command.
    pub fn send(&mut self, command: &Command, actions: &mut Actions) -> Tag {
        self.tags += 1;
        let mut line = format!("A{} ", self.tags).into_bytes();
        line.extend_from_slice(command.octets());
        line.extend_from_slice(b"\r\n");
        self.write(line, actions);
        self.outstanding.push_back((self.tags, command.label()));
        self.tags
    }

    /// From now on the server may end the line.
    pub const fn leave(&mut self) {
        self.leaving = true;
    }

    /// Whether a response has begun and not ended.
    #[must_use]
    pub const fn is_within_response(&self) -> bool {
        self.framer.is_within()
    }

    /// How many commands are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Take in what one read gave.
    pub fn feed(&mut self, octets: Vec<u8>) {
        self.framer.feed(octets);
    }

    /// The next event; none until more octets come.
    ///
    /// # Errors
    /// The server said BYE (`unreachable`), answers something that was not asked, or talks without end (`malformed`).
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        let Some(frame) = self.framer.next_frame() else { return Ok(None) };
        if !matches!(frame, Frame::Piece(_) | Frame::BodyEnd) {
            self.unanswered += 1;
            if self.unanswered > self.limits.responses {
                let words = format!("the server sent {} responses and no answer", self.limits.responses);
                return Err(self.place(Error::new(Failure::Malformed, words)));
            }
        }
        Ok(Some(match frame {
            Frame::Response(text) => match Response::parse(&text, &self.limits) {
                Response::Tagged(tag, status) => self.reply(&tag, status)?,
                Response::Unreadable(shown) => self.lost(shown)?,
                response => {
                    self.note(&response)?;
                    Event::Untagged(response)
                }
            },
            Frame::Body(head, octets) => {
                Event::Body(Response::parse_head(&head, &self.limits).map(|(_, fetch)| fetch).unwrap_or_default(), octets)
            }
            Frame::Piece(octets) => Event::Piece(octets),
            Frame::BodyEnd => Event::BodyEnd,
            Frame::TooLong => Event::Lost("a response over the limit".to_owned()),
        }))
    }

    /// Whether the line can be used again after a conversation ended with `error`: nothing is outstanding, and both sides
    /// understand each other.
    #[must_use]
    pub fn is_usable_after(&self, error: &Error) -> bool {
        self.outstanding.is_empty() && !matches!(error.kind, Failure::Unreachable | Failure::Malformed | Failure::Cancelled)
    }

    /// Whether messages can be moved without touching others (RFC 6851, RFC 4315).
    #[must_use]
    pub fn can_move(&self) -> bool {
        self.has_rev2("MOVE") || self.can_delete()
    }

    /// Whether messages can be deleted without touching others (RFC 4315).
    #[must_use]
    pub fn can_delete(&self) -> bool {
        self.has_rev2("UIDPLUS")
    }

    /// What this server can do, in the contract's words.
    #[must_use]
    pub fn abilities(&self) -> Vec<String> {
        let mut abilities = Vec::new();
        if self.has_rev2("IDLE") {
            abilities.push("push".to_owned());
        }
        abilities.push("keywords".to_owned());
        if self.can_move() {
            abilities.push("move".to_owned());
        }
        if self.can_delete() {
            abilities.push("delete".to_owned());
        }
        abilities.push("append".to_owned());
        if !self.further_items().is_empty() {
            abilities.push("threads".to_owned());
        }
        abilities
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
            Some((_, label)) => error.at(label),
            None => error,
        }
    }

    fn reply(&mut self, tag: &str, status: Status) -> Result<Event, Error> {
        let number = tag.strip_prefix('A').and_then(|number| number.parse::<Tag>().ok());
        let at = self.outstanding.iter().position(|(outstanding, _)| Some(*outstanding) == number);
        let Some((tag, label)) = at.and_then(|at| self.outstanding.remove(at)) else {
            return Err(self.place(Error::new(Failure::Malformed, format!("the server answers `{tag}`, which was not asked"))));
        };
        self.unanswered = 0;
        if let Some(crate::response::code::Code::Capability(capabilities)) = &status.code {
            self.offers(&capabilities.clone());
        }
        if status.condition == Condition::Bye {
            return Err(refusal::error(&status).at(&label));
        }
        Ok(Event::Reply(tag, status))
    }

    fn lost(&self, shown: String) -> Result<Event, Error> {
        // An answer that cannot be read would be waited for until the time-out.
        if self.outstanding.iter().any(|(tag, _)| shown.starts_with(&format!("A{tag} "))) {
            return Err(self.place(Error::new(Failure::Malformed, format!("the server answers `{shown}`"))));
        }
        Ok(Event::Lost(shown))
    }

    /// What concerns the session, whoever is at work.
    fn note(&mut self, response: &Response) -> Result<(), Error> {
        match response {
            Response::Untagged(status) if status.condition == Condition::Bye && !self.leaving => {
                return Err(self.place(refusal::error(status)));
            }
            Response::Capability(capabilities) => self.offers(&capabilities.clone()),
            Response::Enabled(extensions) => {
                self.enabled.extend(extensions.iter().cloned());
                self.utf8 |= ["UTF8=ACCEPT", "IMAP4REV2"].iter().any(|&name| self.enabled.contains(name));
            }
            Response::Exists(exists) => {
                if let Some(selected) = &mut self.selected {
                    selected.touched |= selected.exists != *exists;
                    selected.exists = *exists;
                }
            }
            Response::Expunge(_) => {
                if let Some(selected) = &mut self.selected {
                    selected.exists = selected.exists.saturating_sub(1);
                    selected.touched = true;
                }
            }
            Response::Vanished(false, _) => {
                if let Some(selected) = &mut self.selected {
                    selected.touched = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn offers(&mut self, capabilities: &[String]) {
        let ignored = &self.settings.ignore_capabilities;
        self.capabilities = capabilities
            .iter()
            .map(|word| word.to_ascii_uppercase())
            .filter(|word| !ignored.iter().any(|other| other.eq_ignore_ascii_case(word)) && !self.forgone.contains(word.as_str()))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_talks_without_end_is_not_listened_to() {
        let limits = Limits { responses: 3, ..Limits::default() };
        let mut session = Session::new(&[], Settings::default(), limits);
        let mut actions = Actions::default();
        for _ in 0..2 {
            session.send(&crate::command::word("NOOP"), &mut actions);
        }
        session.feed(b"* 1 EXISTS\r\n* 2 EXISTS\r\nA1 OK done\r\n* 3 EXISTS\r\n* 4 EXISTS\r\n* 5 EXISTS\r\n* 6 EXISTS\r\n".to_vec());
        for _ in 0..6 {
            assert!(session.next_event().unwrap().is_some());
        }
        assert_eq!(session.next_event().unwrap_err().kind, Failure::Malformed);
    }
}
