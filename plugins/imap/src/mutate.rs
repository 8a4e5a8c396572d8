//! Changing messages on the server: keywords (`UID STORE`), moving (RFC 6851, or RFC 4315), deleting (RFC 4315 only: a bare EXPUNGE would
//! take messages that others marked). An id is only believed where the host has it under the folder's UIDVALIDITY of now: a UID of another
//! generation is another message.

use std::collections::{BTreeMap, BTreeSet};

use postrider_connector::machine::{Actions, Answer, Input, Machine, Question, Step, Token};
use postrider_connector::types::{Error, Failure, Outcome, Scope};

use crate::command::{self, Command};
use crate::refusal;
use crate::response::code::Code;
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Selected, Session, Tag};
use crate::uid_set::UidSet;

/// UIDs that one command names, so that its line stays short.
const BATCH: usize = 200;

/// Ids that one `unseen` asks about: the contract's most.
const UNSEEN_IDS: usize = 10_000;

/// One change of some messages of one folder.
#[derive(Debug)]
pub struct Mutate<'a> {
    session: &'a mut Session,
    folder: String,
    ids: Vec<String>,
    what: What,
    state: State,
    validity: Option<u32>,
    exists: u32,
    /// Not sent yet.
    waiting: UidSet,
    /// The UIDs of the batch at work.
    batch: UidSet,
    moved: BTreeMap<u32, u32>,
    failed: BTreeMap<u32, Error>,
    done: UidSet,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Add and remove flags and keywords.
    Keywords {
        /// To add.
        add: Vec<String>,
        /// To remove.
        remove: Vec<String>,
    },
    /// Move to the folder with this id.
    Move(String),
    /// Delete for good.
    Delete,
}

#[derive(Debug)]
enum State {
    Begin,
    /// Open the folder for changes.
    Select(Tag),
    /// Which of the ids below this place does the host have under this UIDVALIDITY?
    Believe(Token, usize),
    /// The commands of one batch, the one at work first.
    Change(Tag, Vec<Command>),
    Over,
}

impl<'a> Mutate<'a> {
    /// Do `what` to the messages `ids` of `folder`.
    ///
    /// # Errors
    /// `unsupported` where the server has no safe way, `misconfigured` for a keyword that is none, `gone` for a folder that is none.
    pub fn new(session: &'a mut Session, folder: &str, ids: Vec<String>, what: What) -> Result<Self, Error> {
        let can = match &what {
            What::Keywords { .. } => true,
            What::Move(_) => session.can_move(),
            What::Delete => session.can_delete(),
        };
        if !can {
            return Err(Error::new(Failure::Unsupported, "the server offers neither what this needs (UIDPLUS, MOVE) nor another safe way"));
        }
        if let What::Keywords { add, remove } = &what
            && let Some(flag) = add.iter().chain(remove).find(|flag| !command::is_flag(flag))
        {
            return Err(Error::new(Failure::Misconfigured, format!("`{flag}` is no IMAP flag or keyword")));
        }
        session.name(folder)?;
        if let What::Move(target) = &what {
            session.name(target)?;
        }
        Ok(Self {
            session,
            folder: folder.to_owned(),
            ids,
            what,
            state: State::Begin,
            validity: None,
            exists: 0,
            waiting: UidSet::default(),
            batch: UidSet::default(),
            moved: BTreeMap::new(),
            failed: BTreeMap::new(),
            done: UidSet::default(),
        })
    }

    fn scope(&self) -> Scope {
        Scope { folder: Some(self.folder.clone()), generation: self.validity.unwrap_or(0).to_string() }
    }

    fn selected(&mut self, actions: &mut Actions) -> Result<(), Error> {
        if self.validity.is_none() {
            return Err(Error::new(Failure::Unsupported, "the server gives no UIDVALIDITY").at(&self.folder));
        }
        self.session.selected = Some(Selected { folder: self.folder.clone(), exists: self.exists, writable: true, touched: false });
        self.believe(0, actions);
        Ok(())
    }

    /// Ask about the ids from this place on.
    fn believe(&mut self, from: usize, actions: &mut Actions) {
        let page: Vec<String> = self.ids.iter().skip(from).take(UNSEEN_IDS).cloned().collect();
        let to = from + page.len();
        self.state = State::Believe(actions.ask(Question::Unseen(self.scope(), page)), to);
    }

    fn believed(&mut self, unknown: &[String], to: usize, actions: &mut Actions) -> Result<(), Error> {
        let unknown: BTreeSet<&String> = unknown.iter().collect();
        let page = self.ids.iter().take(to).skip(to.saturating_sub(1) / UNSEEN_IDS * UNSEEN_IDS);
        let known: Vec<u32> = page.filter(|id| !unknown.contains(id)).filter_map(|id| id.parse().ok()).collect();
        known.into_iter().for_each(|uid| self.waiting.insert(uid));
        if to < self.ids.len() {
            self.believe(to, actions);
            return Ok(());
        }
        self.next_batch(actions)
    }

    fn next_batch(&mut self, actions: &mut Actions) -> Result<(), Error> {
        self.batch = self.waiting.take(BATCH).into_iter().collect();
        if self.batch.is_empty() {
            self.state = State::Over;
            return Ok(());
        }
        self.begin_batch(actions)
    }

    fn begin_batch(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let deleted = ["\\Deleted".to_owned()];
        let mut commands = match &self.what {
            What::Keywords { add, remove } => {
                let mut commands = Vec::new();
                if !remove.is_empty() {
                    commands.push(command::store(&self.batch, false, remove));
                }
                if !add.is_empty() {
                    commands.push(command::store(&self.batch, true, add));
                }
                commands
            }
            What::Move(target) if self.session.has_rev2("MOVE") => vec![command::move_to(&self.batch, &self.session.name(target)?)],
            What::Move(target) => {
                vec![
                    command::expunge(&self.batch),
                    command::store(&self.batch, true, &deleted),
                    command::copy_to(&self.batch, &self.session.name(target)?),
                ]
            }
            What::Delete => vec![command::expunge(&self.batch), command::store(&self.batch, true, &deleted)],
        };
        match commands.pop() {
            Some(first) => self.state = State::Change(self.session.send(&first, actions), commands),
            // Nothing to add and nothing to remove.
            None => {
                self.done = self.done.iter().chain(self.batch.iter()).collect();
                self.state = State::Over;
            }
        }
        Ok(())
    }

    fn note(&mut self, code: &Code) {
        match code {
            Code::UidValidity(validity) => self.validity = Some(*validity),
            Code::CopyUid(_, pairs) => self.moved.extend(pairs.iter().copied()),
            Code::UidNext(_) | Code::HighestModSeq(_) | Code::NoModSeq | Code::Capability(_) | Code::AppendUid(..) | Code::Other(_) => {}
        }
    }

    fn changed(&mut self, status: &Status, mut rest: Vec<Command>, actions: &mut Actions) -> Result<(), Error> {
        // BAD: nothing was done. Some servers announce MOVE and do not know it.
        let is_move = matches!(self.what, What::Move(_)) && rest.is_empty() && self.session.has_rev2("MOVE");
        if is_move && status.condition == Condition::Bad && self.session.can_delete() {
            self.session.forgo("MOVE");
            return self.begin_batch(actions);
        }
        if status.condition != Condition::Ok {
            // What comes after a COPY that failed would lose messages.
            let error = refusal::error(status);
            self.failed.extend(self.batch.iter().map(|uid| (uid, error.clone())));
            rest.clear();
        }
        match rest.pop() {
            Some(next) => self.state = State::Change(self.session.send(&next, actions), rest),
            None => {
                self.done = self.done.iter().chain(self.batch.iter().filter(|uid| !self.failed.contains_key(uid))).collect();
                self.next_batch(actions)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        if let Event::Untagged(Response::Untagged(Status { code: Some(code), .. })) | Event::Reply(_, Status { code: Some(code), .. }) =
            &event
        {
            self.note(code);
        }
        match (std::mem::replace(&mut self.state, State::Over), event) {
            (State::Select(tag), Event::Reply(reply, status)) if tag == reply => {
                if status.condition != Condition::Ok {
                    return Err(refusal::error(&status).at(&format!("open {}", self.folder)));
                }
                self.selected(actions)?;
            }
            (State::Select(tag), Event::Untagged(Response::Exists(exists))) => {
                self.exists = exists;
                self.state = State::Select(tag);
            }
            (State::Change(tag, rest), Event::Reply(reply, status)) if tag == reply => self.changed(&status, rest, actions)?,
            (state, _) => self.state = state,
        }
        Ok(())
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |id: &String| {
            let uid = id.parse().unwrap_or(0);
            let failed = if self.done.contains(uid) { None } else { Some(self.failed.get(&uid).cloned().unwrap_or_else(unknown)) };
            let moved_to = self.moved.get(&uid).filter(|_| failed.is_none()).map(u32::to_string);
            Outcome { id: id.clone(), moved_to, failed }
        };
        self.ids.iter().map(outcome).collect()
    }
}

impl Machine for Mutate<'_> {
    type Output = Vec<Outcome>;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Vec<Outcome>>, Error> {
        match input {
            // Also where it is open for changes already: its UIDVALIDITY must be the one of now.
            Input::Start => {
                self.session.selected = None;
                self.state = State::Select(self.session.send(&command::select(&self.session.name(&self.folder)?), actions));
            }
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Answer(token, Answer::Ids(unknown)) => {
                if let State::Believe(asked, to) = self.state
                    && asked == token
                {
                    self.believed(&unknown?, to, actions)?;
                }
            }
            Input::Answer(..) | Input::Timer | Input::TimeUp | Input::Wanted => {}
        }
        while let Some(event) = self.session.next_event()? {
            self.event(event, actions)?;
        }
        Ok(match self.state {
            State::Over => Step::Done(self.outcomes()),
            State::Believe(..) => Step::Wait,
            State::Begin | State::Select(_) | State::Change(..) => Step::Read,
        })
    }
}

fn unknown() -> Error {
    Error::new(Failure::Gone, "the folder has no such message now")
}
