//! Waiting for changes: IDLE on one folder (RFC 2177), NOTIFY for the others (RFC 5465) or STATUS of them now and then, and nothing but STATUS
//! where the server has no IDLE.

use std::collections::BTreeMap;

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::types::Error;

use crate::command;
use crate::refusal;
use crate::response::code::Code;
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Selected, Session, Snapshot, Tag};

/// The most folders that NOTIFY is asked to tell of, so that its line stays short.
const NOTIFIED: usize = 200;

/// From this many folders on, one LIST tells the STATUS of all (RFC 5819).
const MANY: usize = 10;

/// One `watch`.
#[derive(Debug)]
pub struct Watch<'a> {
    session: &'a mut Session,
    /// What IDLE covers.
    idle: Option<String>,
    /// What STATUS covers.
    polled: Vec<String>,
    changed: Vec<String>,
    state: State,
    /// The server tells of the other folders as they change.
    notified: bool,
    /// Milliseconds that this IDLE may go on before it is begun anew.
    until_refresh: u64,
    ended: Option<Watched>,
}

/// How a `watch` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// These may have changed.
    Changed(Vec<String>),
    /// Another call wants the line; nothing changed so far.
    Interrupted,
    /// Time is up.
    TimeUp,
}

#[derive(Debug)]
enum State {
    Begin,
    /// Open the folder for IDLE.
    Examine(Tag, Snapshot),
    /// Look at the other folders.
    Poll(BTreeMap<Tag, String>),
    /// Look at all of them with one command, which is this extension's.
    Sweep(Tag, &'static str),
    /// Begin IDLE: the server has not agreed yet. True: leave it as soon as it has.
    Enter(Tag, bool),
    /// Wait.
    Idle(Tag),
    /// End IDLE.
    Leave(Tag),
    /// Wait without IDLE.
    Rest,
}

impl<'a> Watch<'a> {
    /// Watch `folders`, by id.
    pub fn new(session: &'a mut Session, folders: &[String]) -> Self {
        let selected = session.selected.as_ref().map(|selected| selected.folder.clone());
        let folders: Vec<&String> = folders.iter().filter(|folder| !session.refused.contains(*folder)).collect();
        let idle = session.has_rev2("IDLE").then(|| {
            let inbox = folders.iter().find(|folder| folder.eq_ignore_ascii_case("INBOX"));
            folders.iter().find(|folder| Some(**folder) == selected.as_ref()).or(inbox).or(folders.first()).copied().cloned()
        });
        let idle = idle.flatten();
        let polled = folders.into_iter().filter(|folder| Some(*folder) != idle.as_ref()).cloned().collect();
        Self { session, idle, polled, changed: Vec::new(), state: State::Begin, notified: false, until_refresh: 0, ended: None }
    }

    fn begin(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let Some(folder) = self.idle.clone() else { return self.poll(actions) };
        match &self.session.selected {
            Some(selected) if selected.folder == folder => {
                if selected.touched {
                    self.changed.push(folder);
                }
                self.poll(actions)
            }
            _ => {
                let command = command::examine(&self.session.name(&folder)?, self.session.has_condstore());
                self.session.selected = None;
                self.state = State::Examine(self.session.send(&command, actions), Snapshot::default());
                Ok(())
            }
        }
    }

    fn poll(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let condstore = self.session.has_condstore();
        if !self.polled.is_empty() && self.polled.len() <= NOTIFIED && self.idle.is_some() && self.session.has("NOTIFY") {
            let names = self.polled.iter().map(|folder| self.session.name(folder)).collect::<Result<Vec<_>, _>>()?;
            self.state = State::Sweep(self.session.send(&command::notify(&names), actions), "NOTIFY");
            return Ok(());
        }
        if self.polled.len() >= MANY && self.session.has_rev2("LIST-STATUS") {
            self.state = State::Sweep(self.session.send(&command::list_status(condstore), actions), "LIST-STATUS");
            return Ok(());
        }
        let mut asked = BTreeMap::new();
        for folder in &self.polled {
            asked.insert(self.session.send(&command::status(&self.session.name(folder)?, condstore), actions), folder.clone());
        }
        if asked.is_empty() {
            self.wait(actions);
        } else {
            self.state = State::Poll(asked);
        }
        Ok(())
    }

    /// After a look at everything: tell, or wait.
    fn wait(&mut self, actions: &mut Actions) {
        let poll = self.session.settings.poll_seconds * 1000;
        if !self.changed.is_empty() {
            let changed = std::mem::take(&mut self.changed);
            self.end(Watched::Changed(changed), actions);
        } else if self.ended.is_some() {
            self.state = State::Rest;
        } else if self.idle.is_some() {
            if self.until_refresh == 0 {
                self.until_refresh = self.session.settings.idle_refresh_minutes * 60_000;
            }
            let timer = if self.polled.is_empty() || self.notified { self.until_refresh } else { poll.min(self.until_refresh) };
            self.until_refresh -= timer;
            actions.put(Action::Timer(Some(timer)));
            self.state = State::Enter(self.session.send(&command::word("IDLE"), actions), false);
        } else {
            actions.put(Action::Timer(Some(poll)));
            self.state = State::Rest;
        }
    }

    /// Come to an end as soon as nothing is outstanding.
    fn end(&mut self, how: Watched, actions: &mut Actions) {
        if self.ended.is_none() {
            self.ended = Some(how);
        }
        self.leave(actions);
    }

    fn leave(&mut self, actions: &mut Actions) {
        match self.state {
            State::Idle(tag) => {
                self.session.write(&b"DONE\r\n"[..], actions);
                self.state = State::Leave(tag);
            }
            // DONE before the server's `+` would be taken for a command.
            State::Enter(tag, _) => self.state = State::Enter(tag, true),
            State::Begin | State::Examine(..) | State::Poll(_) | State::Sweep(..) | State::Leave(_) | State::Rest => {}
        }
    }

    fn timer(&mut self, actions: &mut Actions) -> Result<(), Error> {
        match self.state {
            State::Idle(_) | State::Enter(..) => self.leave(actions),
            State::Rest => self.poll(actions)?,
            State::Begin | State::Examine(..) | State::Poll(_) | State::Sweep(..) | State::Leave(_) => {}
        }
        Ok(())
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match (&mut self.state, event) {
            (State::Examine(tag, _), Event::Reply(reply, status)) if *tag == reply => {
                let folder = self.idle.clone().unwrap_or_default();
                let State::Examine(_, seen) = std::mem::replace(&mut self.state, State::Rest) else { return Ok(()) };
                if status.condition == Condition::Ok {
                    let exists = u32::try_from(seen.exists).unwrap_or(u32::MAX);
                    self.session.selected = Some(Selected { folder: folder.clone(), exists, writable: false, touched: false });
                    self.compare(folder, seen);
                } else {
                    self.idle = None;
                    self.refused(folder);
                }
                self.poll(actions)?;
            }
            (State::Examine(_, seen), Event::Untagged(response)) => note(seen, &response),
            // NOTIFY tells of changes at any time.
            (state, Event::Untagged(Response::Status(name, items, _))) => {
                let is_idle = matches!(state, State::Enter(..) | State::Idle(_));
                let folder = self.session.id(&name);
                if self.polled.contains(&folder) {
                    self.compare(folder, snapshot(&items));
                }
                if is_idle && !self.changed.is_empty() {
                    let changed = std::mem::take(&mut self.changed);
                    self.end(Watched::Changed(changed), actions);
                }
            }
            (State::Sweep(tag, extension), Event::Reply(reply, status)) if *tag == reply => {
                let extension = *extension;
                if status.condition == Condition::Ok {
                    self.notified = extension == "NOTIFY";
                    self.wait(actions);
                } else {
                    // Too many folders, or one that is gone: they are looked at one by one.
                    self.session.forgo(extension);
                    self.poll(actions)?;
                }
            }
            (State::Poll(asked), Event::Reply(tag, status)) => {
                if let Some(folder) = asked.remove(&tag)
                    && status.condition != Condition::Ok
                {
                    self.refused(folder);
                }
                if matches!(&self.state, State::Poll(asked) if asked.is_empty()) {
                    self.wait(actions);
                }
            }
            (State::Enter(tag, leaves), Event::Untagged(Response::Continue(_))) => {
                let leaves = *leaves;
                self.state = State::Idle(*tag);
                if leaves {
                    self.leave(actions);
                }
            }
            (State::Enter(..) | State::Idle(_) | State::Leave(_), Event::Untagged(Response::Fetch(..))) => self.touched(actions),
            (State::Enter(tag, _) | State::Idle(tag) | State::Leave(tag), Event::Reply(reply, status)) if *tag == reply => {
                let refused = matches!(self.state, State::Enter(..)) || status.condition != Condition::Ok;
                self.state = State::Rest;
                if refused && status.condition != Condition::Ok {
                    return Err(refusal::error(&status).at("IDLE"));
                }
                if self.ended.is_none() {
                    self.poll(actions)?;
                }
            }
            _ => {}
        }
        if matches!(self.state, State::Enter(..) | State::Idle(_))
            && self.session.selected.as_ref().is_some_and(|selected| selected.touched)
        {
            self.touched(actions);
        }
        Ok(())
    }

    /// A folder is gone or closed to us: `sync` finds out which, once. Until it succeeds nobody looks there again: a server that
    /// lists what it does not open would be asked for ever.
    fn refused(&mut self, folder: String) {
        self.polled.retain(|polled| *polled != folder);
        if self.session.refused.insert(folder.clone()) {
            self.changed.push(folder);
        }
    }

    /// The folder in IDLE changed.
    fn touched(&mut self, actions: &mut Actions) {
        if let Some(folder) = self.idle.clone() {
            self.end(Watched::Changed(vec![folder]), actions);
        }
    }

    fn compare(&mut self, folder: String, seen: Snapshot) {
        let former = self.session.snapshots.get(&folder);
        // UNSEEN is known from STATUS only.
        if former.is_some_and(|former| {
            Snapshot { unseen: seen.unseen, ..*former } != seen || (former.unseen != seen.unseen && former.unseen != 0)
        }) {
            self.changed.push(folder.clone());
        }
        self.session.snapshots.insert(folder, seen);
    }
}

impl Machine for Watch<'_> {
    type Output = Watched;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Watched>, Error> {
        match input {
            Input::Start => self.begin(actions)?,
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Timer => self.timer(actions)?,
            Input::TimeUp => self.end(Watched::TimeUp, actions),
            Input::Wanted => self.end(Watched::Interrupted, actions),
            Input::Answer(..) => {}
        }
        while let Some(event) = self.session.next_event()? {
            self.event(event, actions)?;
        }
        if self.session.outstanding() == 0 && self.ended.is_some() && self.notified {
            // From now on only the open folder is told of, as without NOTIFY.
            self.notified = false;
            self.session.send(&command::notify(&[]), actions);
        }
        if self.session.outstanding() == 0
            && let Some(ended) = self.ended.take()
        {
            actions.put(Action::Timer(None));
            return Ok(Step::Done(ended));
        }
        Ok(match self.state {
            State::Idle(_) => Step::Idle,
            _ if self.session.outstanding() > 0 => Step::Read,
            _ => Step::Wait,
        })
    }
}

fn note(seen: &mut Snapshot, response: &Response) {
    match response {
        Response::Exists(exists) => seen.exists = u64::from(*exists),
        Response::Untagged(Status { code: Some(code), .. }) => match code {
            Code::UidValidity(validity) => seen.validity = u64::from(*validity),
            Code::UidNext(next) => seen.next = u64::from(*next),
            Code::HighestModSeq(modseq) => seen.modseq = *modseq,
            Code::NoModSeq | Code::Capability(_) | Code::AppendUid(..) | Code::CopyUid(..) | Code::Other(_) => {}
        },
        _ => {}
    }
}

fn snapshot(items: &[(String, u64)]) -> Snapshot {
    let item = |name: &str| items.iter().find(|(item, _)| item == name).map_or(0, |(_, value)| *value);
    Snapshot {
        validity: item("UIDVALIDITY"),
        next: item("UIDNEXT"),
        exists: item("MESSAGES"),
        modseq: item("HIGHESTMODSEQ"),
        unseen: item("UNSEEN"),
    }
}
