//! Taking messages over: RETR after RETR as far as the server takes them ahead of its answers, each message straight on to the host, and
//! checkpoints on the way. Whatever happens to one message, the others go on.

mod answer;
mod text;

use std::collections::{BTreeMap, VecDeque};

use postrider_connector::machine::{Action, Actions, Question, Token};
use postrider_connector::types::{Arrival, Error, Failure, Level, Part, Scope};

pub(super) use self::answer::done;
use self::text::Text;
use crate::command::Command;
use crate::cursor::Cursor;
use crate::maildrop::{Maildrop, Message};
use crate::session::Session;
use crate::settings::Oversize;

/// Messages between two reports of progress.
const PROGRESS_EVERY: u64 = 100;

/// Octets between two checkpoints where messages may have got other UIDLs: the host knows those by their octets only if all of it is one
/// checkpoint.
const RENAMING_OCTETS: u64 = 512 << 20;

/// What stands around: the session, the maildrop, and where messages go.
pub(super) struct Place<'a> {
    pub(super) session: &'a mut Session,
    pub(super) maildrop: &'a Maildrop,
    pub(super) scope: &'a Scope,
    pub(super) cursor: &'a Cursor,
    /// Everything told before has been answered, so that a checkpoint covers it.
    pub(super) is_settled: bool,
}

/// The messages to take over, and how far that is.
#[derive(Debug)]
pub(super) struct Receive {
    /// Nothing was asked for yet of these; ascending.
    wanted: VecDeque<usize>,
    /// To be asked for in another way.
    again: VecDeque<(usize, Attempt)>,
    /// What is outstanding on the line, in the order of the commands.
    commands: VecDeque<(usize, Attempt)>,
    text: Option<Text>,
    answers: BTreeMap<Token, Awaited>,
    checkpoint: Option<Token>,
    /// Since the last checkpoint.
    messages_since: u64,
    octets_since: u64,
    /// Refusals in a row.
    refused: u32,
    /// The host has these, or will with the next checkpoint.
    done: u64,
    /// Messages that this session asked for.
    fetched: u64,
    /// Messages after which this session asks for no more; none: it asks for all.
    quota: Option<u64>,
    /// Messages may be known to the host under other ids, which were just told as removed.
    pub(super) is_renaming: bool,
    /// What came of it besides.
    pub(super) outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Outcome {
    /// Messages handed over.
    pub(super) received: u64,
    /// A message was retrieved whole and the host does not have it so.
    pub(super) is_incomplete: bool,
    /// A message was gone when it was asked for, so that the listing is not what the host has.
    pub(super) has_gaps: bool,
}

/// How a message is asked for.
#[derive(Debug, Clone)]
enum Attempt {
    /// All of it.
    Whole,
    /// Its header section; this is why.
    Headers(Error),
    /// Whether it is there; it was refused with this.
    Probe(Error),
}

#[derive(Debug)]
enum Awaited {
    Delivery { place: usize, arrival: Box<Arrival>, attempt: Attempt, octets: u64 },
    SetAside,
}

impl Receive {
    pub(super) fn new(wanted: Vec<usize>, maildrop: &Maildrop, session: &Session, is_renaming: bool) -> Self {
        let done = (maildrop.len() - wanted.len().min(maildrop.len())) as u64;
        Self {
            wanted: wanted.into(),
            again: VecDeque::new(),
            commands: VecDeque::new(),
            text: None,
            answers: BTreeMap::new(),
            checkpoint: None,
            messages_since: 0,
            octets_since: 0,
            refused: 0,
            done,
            fetched: 0,
            quota: session.may_split().then_some(session.settings.session_messages),
            is_renaming,
            outcome: Outcome::default(),
        }
    }

    /// Whether nothing is under way, and nothing more is to be asked for in this session.
    pub(super) fn is_at_rest(&self) -> bool {
        (self.wanted.is_empty() || self.is_over_quota())
            && self.again.is_empty()
            && self.commands.is_empty()
            && self.answers.is_empty()
            && self.checkpoint.is_none()
    }

    /// Whether messages are left that were not asked for.
    pub(super) fn has_more(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Whether answers are outstanding, so that the line may have been held back.
    pub(super) fn is_waiting_for_host(&self) -> bool {
        self.checkpoint.is_some() || self.answers.values().any(|awaited| matches!(awaited, Awaited::SetAside))
    }

    /// Whether something came since the last checkpoint.
    pub(super) const fn is_checkpoint_due(&self) -> bool {
        self.messages_since > 0
    }

    /// Ask for all the rest in this session.
    pub(super) const fn go_on(&mut self) {
        self.quota = None;
        self.messages_since = 0;
        self.octets_since = 0;
        self.is_renaming = false;
    }

    /// Ask for as much as may be under way, and for a checkpoint where one is due.
    pub(super) fn advance(&mut self, place: &mut Place<'_>, actions: &mut Actions) {
        while place.session.room() > 0 {
            let Some((at, attempt)) = self.next(place, actions) else { break };
            let Some(message) = place.maildrop.get(at) else { continue };
            let command = match attempt {
                Attempt::Whole => Command::Retr(message.number),
                Attempt::Headers(_) => Command::Top(message.number),
                Attempt::Probe(_) => Command::ListOne(message.number),
            };
            place.session.send(command, actions);
            self.commands.push_back((at, attempt));
        }
        let settings = &place.session.settings;
        let octets = if self.is_renaming { RENAMING_OCTETS } else { settings.checkpoint_octets };
        let is_due = self.messages_since >= settings.checkpoint_messages || self.octets_since >= octets;
        if is_due && place.is_settled && self.checkpoint.is_none() {
            self.ask_checkpoint(place, actions);
        }
    }

    /// The line is lost: whatever did not come whole will not come.
    pub(super) fn give_up_line(&mut self, actions: &mut Actions) {
        if let Some(token) = self.text.take().and_then(|text| text.token()) {
            let lost = Error::new(Failure::Unreachable, "the line was lost in the middle of the message");
            actions.put(Action::Finish(token, Err(lost)));
        }
        self.commands.clear();
        self.again.clear();
        self.wanted.clear();
    }

    /// After the line is lost: once all that came whole is taken over, ask for a checkpoint; true: it is there, or there is nothing to make
    /// durable. Where messages may have other ids than before, nothing is kept unless `in_any_case`: half of such a change would be stored twice.
    pub(super) fn keep(&mut self, in_any_case: bool, place: &Place<'_>, actions: &mut Actions) -> bool {
        if !place.is_settled || self.checkpoint.is_some() || !self.answers.is_empty() {
            return false;
        }
        if self.messages_since > 0 && (in_any_case || !self.is_renaming) {
            self.ask_checkpoint(place, actions);
        }
        self.checkpoint.is_none()
    }

    fn ask_checkpoint(&mut self, place: &Place<'_>, actions: &mut Actions) {
        self.checkpoint = Some(actions.ask(Question::Checkpoint(place.scope.clone(), place.cursor.encode())));
        self.messages_since = 0;
        self.octets_since = 0;
        self.is_renaming = false;
    }

    const fn is_over_quota(&self) -> bool {
        matches!(self.quota, Some(quota) if self.fetched >= quota)
    }

    /// The next message to ask for, and how. What is known to be too large is not asked for.
    fn next(&mut self, place: &Place<'_>, actions: &mut Actions) -> Option<(usize, Attempt)> {
        if let Some(again) = self.again.pop_front() {
            return Some(again);
        }
        while !self.is_over_quota() {
            let at = self.wanted.pop_front()?;
            let Some(message) = place.maildrop.get(at) else { continue };
            self.fetched += 1;
            let broken_off = message.id.as_ref().and_then(|id| place.session.broken_off.get(id));
            if let Some(why) = broken_off.cloned() {
                if let Some(attempt) = self.oversize(at, why, place, actions) {
                    return Some((at, attempt));
                }
                continue;
            }
            match message.size {
                Some(size) if place.session.settings.oversize != Oversize::Take && size > place.session.settings.oversize_octets => {
                    let words = format!("the server says that it has {size} octets, over `oversize-octets`");
                    if let Some(attempt) = self.oversize(at, Error::new(Failure::TooLarge, words), place, actions) {
                        return Some((at, attempt));
                    }
                }
                _ => return Some((at, Attempt::Whole)),
            }
        }
        None
    }

    /// What is done with a message that is too large: it is set aside, or its header section is asked for.
    fn oversize(&mut self, at: usize, why: Error, place: &Place<'_>, actions: &mut Actions) -> Option<Attempt> {
        let session = &place.session;
        if session.settings.oversize == Oversize::Headers && !session.settings.ignores("TOP") {
            return Some(Attempt::Headers(why));
        }
        self.set_aside(at, why, place, actions);
        None
    }

    fn set_aside(&mut self, at: usize, why: Error, place: &Place<'_>, actions: &mut Actions) {
        let Some(message) = place.maildrop.get(at) else { return };
        let Some(arrival) = arrival(message, place.scope, Part::Whole) else { return };
        actions.put(Action::Log(Level::Warn, format!("message `{}` is set aside: {}", arrival.id, why.message)));
        let token = actions.ask(Question::SetAside(place.scope.clone(), Box::new(arrival), why));
        self.answers.insert(token, Awaited::SetAside);
    }

    /// The host has one more, or knows why not.
    fn count(&mut self, octets: u64, place: &Place<'_>, actions: &mut Actions) {
        self.messages_since += 1;
        self.octets_since += octets;
        self.done += 1;
        let all = place.maildrop.len() as u64;
        if self.done.is_multiple_of(PROGRESS_EVERY) || self.done == all {
            actions.put(Action::Progress(place.scope.clone(), self.done, Some(all)));
        }
    }
}

/// A message as the host is told of it; none where it has no id.
fn arrival(message: &Message, scope: &Scope, part: Part) -> Option<Arrival> {
    Some(Arrival {
        id: message.id.clone()?,
        stable: None,
        folders: scope.folder.iter().cloned().collect(),
        keywords: Vec::new(),
        thread: None,
        received: None,
        size: message.size,
        part,
        extra: Vec::new(),
    })
}
