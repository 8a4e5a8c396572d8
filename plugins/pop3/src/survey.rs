//! What a session begins with: which messages there are, and what each is called. Where the server's UIDLs do not tell them apart, all of
//! their octets are read, and nothing of them is kept but a hash.

use std::collections::{BTreeMap, VecDeque};

use postrider_connector::machine::{Action, Actions};
use postrider_connector::types::{Error, Failure, Level};
use sha2::{Digest as _, Sha256};

use crate::command::Command;
use crate::id::Fingerprint;
use crate::limits::REFUSED_IN_ROW;
use crate::maildrop::Maildrop;
use crate::refusal;
use crate::reply::{self, Status};
use crate::session::{Course, Event, Session};
use crate::settings::{Identity, Oversize};

/// The listings of one session, as they come.
#[derive(Debug)]
pub(crate) struct Survey {
    /// To be sent.
    waiting: VecDeque<Command>,
    /// How many messages there are, as `STAT` claims.
    count: Option<usize>,
    uidls: BTreeMap<u32, Vec<u8>>,
    sizes: BTreeMap<u32, Option<u64>>,
    /// `UIDL` was refused, or is not to be used.
    has_no_uidl: bool,
    has_sizes: bool,
    hashes: Option<Hashes>,
}

/// Reading messages for their hashes.
#[derive(Debug)]
struct Hashes {
    maildrop: Maildrop,
    /// Places of messages that are not asked for yet.
    waiting: VecDeque<usize>,
    current: Sha256,
    octets: u64,
    found: BTreeMap<usize, Fingerprint>,
    refused: u32,
}

impl Survey {
    pub(crate) fn new(session: &Session) -> Self {
        let has_no_uidl = session.settings.identity == Identity::Octets || session.settings.ignores("UIDL");
        let mut waiting = VecDeque::from([Command::Stat]);
        if !has_no_uidl {
            waiting.push_back(Command::Uidl);
        }
        let has_sizes = has_no_uidl || session.settings.oversize != Oversize::Take;
        if has_sizes {
            waiting.push_back(Command::List);
        }
        Self { waiting, count: None, uidls: BTreeMap::new(), sizes: BTreeMap::new(), has_no_uidl, has_sizes, hashes: None }
    }

    /// Send what may be sent; the maildrop, once it is known.
    pub(crate) fn advance(&mut self, session: &mut Session, actions: &mut Actions) -> Option<Maildrop> {
        if let Some(hashes) = &mut self.hashes {
            return hashes.advance(session, actions);
        }
        while session.room() > 0 {
            let Some(command) = self.waiting.pop_front() else { break };
            session.send(command, actions);
        }
        if session.is_waiting() || !self.waiting.is_empty() {
            return None;
        }
        let is_incomplete =
            self.has_no_uidl || self.uidls.values().any(Vec::is_empty) || self.count.is_some_and(|count| count != self.uidls.len());
        if is_incomplete && !self.has_sizes {
            self.has_sizes = true;
            session.send(Command::List, actions);
            return None;
        }
        let maildrop = Maildrop::of(&self.uidls, &self.sizes);
        let is_endless =
            |place: &usize| maildrop.get(*place).is_some_and(|message| session.endless.contains(&(message.number, message.size)));
        let nameless: Vec<usize> = maildrop.nameless().into_iter().filter(|place| !is_endless(place)).collect();
        if nameless.is_empty() {
            return Some(maildrop);
        }
        actions.put(Action::Log(Level::Warn, self.degraded(nameless.len(), maildrop.len())));
        let hashes = self.hashes.insert(Hashes {
            maildrop,
            waiting: nameless.into(),
            current: Sha256::new(),
            octets: 0,
            found: BTreeMap::new(),
            refused: 0,
        });
        hashes.advance(session, actions)
    }

    /// Take in what the server said.
    ///
    /// # Errors
    /// The server cannot list its messages now, or lists one twice.
    pub(crate) fn event(&mut self, event: Event, session: &mut Session, actions: &mut Actions) -> Result<Course, Error> {
        if let Some(hashes) = &mut self.hashes {
            return hashes.event(event, session, actions);
        }
        match event {
            Event::Reply(Command::Stat, status) if status.is_ok => self.count = status.count(),
            Event::Reply(command, status) if !status.is_ok => self.refused(command, &status)?,
            // One of the two is another message's: neither can be believed.
            Event::Listed(Command::Uidl, number, _) if self.uidls.contains_key(&number) => {
                return Err(Error::new(Failure::Malformed, format!("the server lists message {number} twice")).at("UIDL"));
            }
            Event::Listed(Command::Uidl, number, uidl) => {
                self.uidls.insert(number, uidl);
            }
            Event::Listed(Command::List, number, rest) => {
                self.sizes.insert(number, reply::size(&rest));
            }
            // A line that cannot be read leaves a gap, which the other listings show.
            _ => {}
        }
        Ok(Course::On)
    }

    fn refused(&mut self, command: Command, status: &Status) -> Result<(), Error> {
        let error = refusal::error(status);
        match command {
            _ if refusal::is_passing(&error) => return Err(error.at(&command.to_string())),
            // A server that lists neither cannot be received from; where only sizes are missing, nothing is lost.
            Command::List if self.has_no_uidl => return Err(error.at("LIST")),
            Command::Uidl => self.has_no_uidl = true,
            _ => {}
        }
        Ok(())
    }

    /// What the operator is told where UIDLs do not do.
    fn degraded(&self, nameless: usize, all: usize) -> String {
        let why =
            if self.has_no_uidl { "the server gives no UIDL that may be used" } else { "several messages share a UIDL, or have none" };
        format!("{why}: {nameless} of {all} messages are told apart by a hash of their octets, and read in every pass")
    }
}

impl Hashes {
    fn advance(&mut self, session: &mut Session, actions: &mut Actions) -> Option<Maildrop> {
        while session.room() > 0 {
            let Some(place) = self.waiting.pop_front() else { break };
            if let Some(message) = self.maildrop.get(place) {
                session.send(Command::Retr(message.number), actions);
            }
        }
        if session.is_waiting() {
            return None;
        }
        self.maildrop.name(&self.found);
        Some(std::mem::take(&mut self.maildrop))
    }

    fn event(&mut self, event: Event, session: &mut Session, actions: &mut Actions) -> Result<Course, Error> {
        match event {
            Event::Reply(_, status) if status.is_ok => {
                session.is_at_risk = true;
                self.current = Sha256::new();
                self.octets = 0;
            }
            Event::Reply(command, status) => {
                let error = refusal::error(&status);
                self.refused += 1;
                // It stays nameless, and is asked for in the next pass again.
                if refusal::is_passing(&error) || self.refused > REFUSED_IN_ROW {
                    return Err(Error { kind: Failure::Transient, ..error }.at(&command.to_string()));
                }
            }
            Event::Piece(Command::Retr(number), octets) => {
                self.octets += octets.len() as u64;
                self.current.update(&octets);
                let size = self.maildrop.by_number(number).and_then(|place| self.maildrop.get(place)?.size);
                let claimed = size.map(|size| size.saturating_mul(2).saturating_add(session.limits.unclaimed_octets));
                if self.octets > claimed.unwrap_or(session.limits.hashed_octets) {
                    let words =
                        format!("message {number} did not end in {} octets: it is left, and has no id to set it aside by", self.octets);
                    actions.put(Action::Log(Level::Warn, words));
                    session.endless.insert((number, size));
                    return Ok(Course::BrokenOff);
                }
            }
            Event::TextEnd(Command::Retr(number), _) => {
                self.refused = 0;
                if let Some(place) = self.maildrop.by_number(number) {
                    self.found.insert(place, std::mem::take(&mut self.current).finalize().into());
                }
            }
            _ => {}
        }
        Ok(Course::On)
    }
}
