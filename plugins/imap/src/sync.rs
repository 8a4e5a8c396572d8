//! Bringing the host up to date with one folder: what changed, what is new, what is gone, in that order, and nothing at all where
//! `UIDNEXT`, `HIGHESTMODSEQ` and the number of messages prove that nothing did. With QRESYNC the server tells what changed and vanished when the folder is opened. The cursor moves with a checkpoint only.

mod listing;
mod receive;
mod stages;

use postrider_connector::machine::{Actions, Answer, Input, Machine, Step, Token};
use postrider_connector::pace::Pace;
use postrider_connector::types::{Error, Failure, Scope};

use self::listing::{FollowFlags, Listing, Resync};
use self::receive::{Place, Receive, done};
use crate::cursor::Cursor;
use crate::refusal;
use crate::response::code::Code;
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Session, Tag};
use crate::uid_set::UidSet;

/// One `sync` of one folder.
#[derive(Debug)]
pub struct Sync<'a> {
    session: &'a mut Session,
    folder: String,
    before: Option<Cursor>,
    after: Cursor,
    opened: Opened,
    scope: Scope,
    state: State,
    /// Questions whose answers are not in, besides those that a state waits for.
    asked: usize,
    pace: Pace,
    /// Something was told since the last checkpoint.
    told: bool,
    /// The messages below `before.next` that the server has, where a listing showed all of them.
    listing: Option<UidSet>,
    /// Messages that the host has and that vanished, where the server said so (QRESYNC); believed only where the numbers add up.
    gone: UidSet,
    /// UIDNEXT is not believed, and so no sum is.
    adds_nothing_up: bool,
    /// Everything from `before.next` on was listed.
    is_discovered: bool,
    /// What the server lists below `before.next` and the host does not have.
    missing: UidSet,
    found: UidSet,
    /// The sum of the flags' digests below `before.next`; none where it is not known.
    flags: Option<u64>,
}

/// What opening the folder showed.
#[derive(Debug, Default)]
struct Opened {
    exists: u32,
    validity: Option<u32>,
    next: Option<u32>,
    modseq: u64,
}

#[derive(Debug)]
enum State {
    Begin,
    /// Open the folder, with what changed where the server tells (QRESYNC).
    Examine(Tag, Option<Resync>),
    /// Which of the vanished messages does the host not have?
    Confirm(Token, UidSet),
    /// Follow the flags of the messages known.
    FollowFlags(FollowFlags),
    /// Look for new messages.
    Discover(Listing),
    /// Look which of the old ones are still there.
    List(Listing),
    /// Compare with what the host knows.
    Compare(Token),
    /// Take new messages over.
    Receive(Box<Receive>),
    /// The line is lost: make durable what came whole, then fail with this.
    Keep(Box<Receive>, Error),
    /// Follow the flags of new messages that the host had.
    FollowHad(FollowFlags, Box<Receive>),
    /// Retire former generations.
    Retire,
    /// Make the end durable.
    Commit(Token),
    Over,
}

impl<'a> Sync<'a> {
    /// From `cursor` as a former checkpoint left it; what is not a cursor of this connector counts as none.
    ///
    /// # Errors
    /// `gone` where the folder's id is none.
    pub fn new(session: &'a mut Session, folder: &str, cursor: Option<&[u8]>) -> Result<Self, Error> {
        session.name(folder)?;
        Ok(Self {
            session,
            folder: folder.to_owned(),
            before: cursor.and_then(Cursor::decode),
            after: Cursor::default(),
            opened: Opened::default(),
            scope: Scope { folder: Some(folder.to_owned()), generation: String::new() },
            state: State::Begin,
            asked: 0,
            pace: Pace::default(),
            told: false,
            listing: None,
            gone: UidSet::default(),
            adds_nothing_up: false,
            is_discovered: false,
            missing: UidSet::default(),
            found: UidSet::default(),
            flags: None,
        })
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Examine(tag, mut resync) => match event {
                Event::Reply(reply, status) if reply == tag => self.examined(&status, resync, actions)?,
                event => {
                    if let Event::Untagged(response) = &event {
                        self.opened.note(response);
                    }
                    if let Some(resync) = &mut resync {
                        resync.event(event, &self.folder, self.session.limits.resync);
                    }
                    self.state = State::Examine(tag, resync);
                }
            },
            State::FollowFlags(mut follow) => match event {
                Event::Reply(tag, status) if tag == follow.tag => {
                    refused(&status, &self.folder)?;
                    self.followed_flags(follow, actions);
                }
                event => {
                    follow.event(&event, &self.folder);
                    self.tell(&mut follow, false, actions);
                    self.state = State::FollowFlags(follow);
                }
            },
            State::FollowHad(mut follow, receive) => match event {
                Event::Reply(tag, status) if tag == follow.tag => {
                    refused(&status, &self.folder)?;
                    self.tell(&mut follow, true, actions);
                    self.flags = self.flags.map(|sum| sum.wrapping_add(follow.digest));
                    self.retire(actions);
                }
                event => {
                    follow.event(&event, &self.folder);
                    self.tell(&mut follow, false, actions);
                    self.state = State::FollowHad(follow, receive);
                }
            },
            State::Discover(mut listing) => match event {
                Event::Reply(tag, status) if tag == listing.tag => self.discovered(listing, &status, actions)?,
                event => {
                    listing.event(event);
                    self.state = State::Discover(listing);
                }
            },
            State::List(mut listing) => match event {
                Event::Reply(tag, status) if tag == listing.tag => self.listed(listing, &status, actions),
                event => {
                    listing.event(event);
                    self.state = State::List(listing);
                }
            },
            State::Receive(mut receive) => {
                let mut place = Place { session: self.session, scope: &self.scope, folder: &self.folder, is_settled: self.asked == 0 };
                let outcome = receive.event(event, &mut place, actions);
                self.state = State::Receive(receive);
                match outcome {
                    // The line is in the middle of what nobody wants, and what came before is wanted.
                    Err(error) if error.kind == Failure::TooLarge => self.lose(error, actions)?,
                    outcome => outcome?,
                }
            }
            // Nothing is outstanding: what comes is unasked for, and the session has noted it.
            state @ (State::Begin
            | State::Confirm(..)
            | State::Compare(_)
            | State::Retire
            | State::Commit(_)
            | State::Keep(..)
            | State::Over) => {
                self.state = state;
            }
        }
        Ok(())
    }

    fn answer(&mut self, token: Token, answer: Answer, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Compare(asked) if asked == token => {
                let Answer::Page(page) = answer else { return Ok(()) };
                self.compared(page?, actions);
                return Ok(());
            }
            State::Confirm(asked, vanished) if asked == token => {
                let Answer::Ids(unknown) = answer else { return Ok(()) };
                let unknown: UidSet = unknown?.iter().filter_map(|id| id.parse::<u32>().ok()).collect();
                self.gone = vanished.iter().filter(|&uid| !unknown.contains(uid)).collect();
                self.discover(actions);
                return Ok(());
            }
            State::Commit(asked) if asked == token => {
                done(answer)?;
                self.over();
                return Ok(());
            }
            State::Receive(mut receive) if receive.awaits(token) => {
                let mut place = Place { session: self.session, scope: &self.scope, folder: &self.folder, is_settled: self.asked == 0 };
                receive.answer(token, answer, &mut place, actions)?;
                self.state = State::Receive(receive);
                return Ok(());
            }
            State::Keep(mut receive, error) if receive.awaits(token) => {
                let mut place = Place { session: self.session, scope: &self.scope, folder: &self.folder, is_settled: self.asked == 0 };
                receive.answer(token, answer, &mut place, actions)?;
                self.state = State::Keep(receive, error);
                return Ok(());
            }
            state => self.state = state,
        }
        self.asked = self.asked.saturating_sub(1);
        done(answer)?;
        if matches!(self.state, State::Retire) {
            self.commit(actions);
        }
        Ok(())
    }

    /// The line ended or failed with `error`. What came whole is made durable first: a line that dies again and again would otherwise never
    /// come to a checkpoint.
    ///
    /// # Errors
    /// `error`, where nothing is to be kept.
    fn lose(&mut self, error: Error, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Receive(mut receive) | State::FollowHad(_, mut receive) => {
                receive.give_up_line(actions);
                self.state = State::Keep(receive, error);
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn advance(&mut self, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Keep(mut receive, error) => {
                if receive.keep(self.asked == 0, &self.scope, actions) {
                    return Err(error);
                }
                self.state = State::Keep(receive, error);
            }
            State::Receive(mut receive) => {
                let mut place = Place { session: self.session, scope: &self.scope, folder: &self.folder, is_settled: self.asked == 0 };
                receive.advance(&mut place, actions);
                if receive.is_over() {
                    self.received(receive, actions);
                } else {
                    self.state = State::Receive(receive);
                }
            }
            state => self.state = state,
        }
        Ok(())
    }

    /// Take in what the server sent.
    fn events(&mut self, actions: &mut Actions) -> Result<(), Error> {
        loop {
            match self.session.next_event() {
                Ok(Some(event)) => self.event(event, actions)?,
                Ok(None) => return Ok(()),
                // BYE.
                Err(error) if error.kind == Failure::Unreachable => return self.lose(error, actions),
                Err(error) => return Err(error),
            }
        }
    }

    /// Where an answer came and nothing of the next one, the line had run dry.
    fn look_at_line(&mut self) {
        if let State::Receive(receive) = &mut self.state {
            receive.look_at_line(!self.session.is_within_response(), self.session.settings.pipeline);
        }
    }

    fn is_waiting_for_host(&self) -> bool {
        match &self.state {
            State::Receive(receive) | State::Keep(receive, _) => receive.is_waiting_for_host(),
            _ => false,
        }
    }

    const fn has_lost_line(&self) -> bool {
        matches!(self.state, State::Keep(..))
    }
}

impl Machine for Sync<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => {
                self.pace.begin(actions);
                self.examine(actions);
            }
            Input::Octets(octets) => {
                self.pace.count(octets.len());
                self.session.feed(octets);
            }
            Input::Timer => {
                let is_servers_turn = self.session.outstanding() > 0 && self.asked == 0 && !self.is_waiting_for_host();
                if let Err(error) = self.pace.look(is_servers_turn, actions) {
                    self.lose(self.session.place(error), actions)?;
                }
            }
            Input::End => self.lose(self.session.ended(), actions)?,
            Input::Lost(error) => self.lose(error, actions)?,
            Input::Answer(token, answer) => self.answer(token, answer, actions)?,
            // A pass ends by itself; who waits for the line waits for it.
            Input::TimeUp | Input::Wanted => {}
        }
        if !self.has_lost_line() {
            self.events(actions)?;
            self.look_at_line();
        }
        self.advance(actions)?;
        Ok(match self.state {
            State::Over => Step::Done(()),
            State::Keep(..) => Step::Wait,
            _ if self.session.outstanding() > 0 => Step::Read,
            _ => Step::Wait,
        })
    }
}

impl Opened {
    fn note(&mut self, response: &Response) {
        match response {
            Response::Exists(exists) => self.exists = *exists,
            Response::Untagged(Status { code: Some(code), .. }) => match code {
                Code::UidValidity(validity) => self.validity = Some(*validity),
                Code::UidNext(next) => self.next = Some(*next),
                Code::HighestModSeq(modseq) => self.modseq = *modseq,
                Code::NoModSeq => self.modseq = 0,
                Code::Capability(_) | Code::AppendUid(..) | Code::CopyUid(..) | Code::Other(_) => {}
            },
            _ => {}
        }
    }
}

fn refused(status: &Status, folder: &str) -> Result<(), Error> {
    if status.condition == Condition::Ok { Ok(()) } else { Err(refusal::error(status).at(folder)) }
}
