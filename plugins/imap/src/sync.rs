//! Bringing the host up to date with one folder: what changed, what is new, what is gone, in that order, and nothing at all where
//! `UIDNEXT`, `HIGHESTMODSEQ` and the number of messages prove that nothing did. The cursor moves with a checkpoint only.

mod receive;

use postrider_connector::machine::{Actions, Answer, Input, Machine, Question, Step, Token};
use postrider_connector::types::{Change, Error, Failure, Page, Scope};

use self::receive::{Place, Receive, done};
use crate::command;
use crate::cursor::{Cursor, digest};
use crate::mailbox_name;
use crate::refusal;
use crate::response::code::Code;
use crate::response::parse::{Condition, Response, Status};
use crate::session::{Event, Selected, Session, Snapshot, Tag};
use crate::uid_set::UidSet;

/// Changes that are told together.
const CHANGES: usize = 1_000;

/// Ids that one page of `known` has: the contract's most.
const PAGE_IDS: u32 = 10_000;

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
    /// Something was told since the last checkpoint.
    told: bool,
    /// The messages below `before.next` that the server has, where a listing showed all of them.
    listing: Option<UidSet>,
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
    /// Open the folder.
    Examine(Tag),
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
    /// Follow the flags of new messages that the host had.
    FollowHad(FollowFlags),
    /// Retire former generations.
    Retire,
    /// Make the end durable.
    Commit(Token),
    Over,
}

#[derive(Debug)]
struct FollowFlags {
    tag: Tag,
    /// Only of these.
    within: UidSet,
    /// Tell the changes; false: only add up the digests.
    tells: bool,
    changes: Vec<Change>,
    listing: UidSet,
    digest: u64,
    /// All messages are shown, not only the changed ones.
    is_full: bool,
}

#[derive(Debug)]
struct Listing {
    tag: Tag,
    uids: UidSet,
    by_search: bool,
    lost: bool,
}

impl<'a> Sync<'a> {
    /// From `cursor` as a former checkpoint left it; what is not a cursor of this connector counts as none.
    ///
    /// # Errors
    /// `gone` where the folder's id is none.
    pub fn new(session: &'a mut Session, folder: &str, cursor: Option<&[u8]>) -> Result<Self, Error> {
        if mailbox_name::from_id(folder).is_none_or(|name| !mailbox_name::is_quotable(&name)) {
            return Err(Error::new(Failure::Gone, format!("there is no folder `{folder}`")));
        }
        Ok(Self {
            session,
            folder: folder.to_owned(),
            before: cursor.and_then(Cursor::decode),
            after: Cursor::default(),
            opened: Opened::default(),
            scope: Scope { folder: Some(folder.to_owned()), generation: String::new() },
            state: State::Begin,
            asked: 0,
            told: false,
            listing: None,
            found: UidSet::default(),
            flags: None,
        })
    }

    fn examine(&mut self, actions: &mut Actions) {
        let name = mailbox_name::from_id(&self.folder).unwrap_or_default();
        self.session.selected = None;
        let command = command::examine(&name, self.session.has_condstore());
        self.state = State::Examine(self.session.send(&command, actions));
    }

    fn opened(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let Some(validity) = self.opened.validity else {
            return Err(
                Error::new(Failure::Unsupported, "the server gives no UIDVALIDITY: its messages cannot be told apart").at(&self.folder)
            );
        };
        if !self.session.has_condstore() {
            self.opened.modseq = 0;
        }
        let exists = self.opened.exists;
        self.session.selected = Some(Selected { folder: self.folder.clone(), exists, writable: false, touched: false });
        self.scope.generation = validity.to_string();
        self.after = match &self.before {
            Some(before) if before.validity == validity => before.clone(),
            Some(former) => {
                let mut fresh = Cursor { validity, next: 1, retiring: former.retiring.clone(), ..Cursor::default() };
                fresh.retire(former.validity);
                fresh.retiring.retain(|&other| other != validity);
                fresh
            }
            None => Cursor { validity, next: 1, ..Cursor::default() },
        };
        self.after.next = self.after.next.max(1);
        let is_unchanged = self.before.as_ref() == Some(&self.after)
            && self.after.retiring.is_empty()
            && self.opened.next == Some(self.after.next)
            && self.opened.modseq != 0
            && self.opened.modseq == self.after.modseq
            && u64::from(exists) == self.after.exists;
        if is_unchanged {
            self.over();
        } else {
            self.follow_flags(actions);
        }
        Ok(())
    }

    fn follow_flags(&mut self, actions: &mut Actions) {
        let (next, since) = (self.after.next, self.after.modseq);
        let counts = self.opened.modseq != 0;
        if next == 1 || self.opened.exists == 0 || (counts && since == self.opened.modseq) {
            self.discover(actions);
            return;
        }
        // A mod-sequence that went back says nothing.
        let since = (counts && since != 0 && since < self.opened.modseq).then_some(since);
        let tells = since.is_some() || self.after.flags == 0;
        self.ask_flags(since, tells, actions);
    }

    fn ask_flags(&mut self, since: Option<u64>, tells: bool, actions: &mut Actions) {
        let next = self.after.next;
        let tag = self.session.send(&command::fetch_flags(next, since), actions);
        self.state = State::FollowFlags(FollowFlags::new(tag, UidSet::range(1, next - 1), tells, since.is_none()));
    }

    fn followed_flags(&mut self, mut follow: FollowFlags, actions: &mut Actions) {
        self.tell(&mut follow, true, actions);
        if follow.is_full {
            self.flags = Some(follow.digest);
            if !follow.tells && follow.digest != self.after.flags {
                self.ask_flags(None, true, actions);
                return;
            }
            self.listing = Some(follow.listing);
        }
        self.discover(actions);
    }

    /// Tell the changes gathered, where they are many or these are the last.
    fn tell(&mut self, follow: &mut FollowFlags, is_last: bool, actions: &mut Actions) {
        if follow.changes.len() >= CHANGES || (is_last && !follow.changes.is_empty()) {
            let changes = std::mem::take(&mut follow.changes);
            self.ask(Question::Changed(self.scope.clone(), changes), actions);
        }
    }

    fn discover(&mut self, actions: &mut Actions) {
        let next = self.after.next;
        if self.opened.exists == 0 || self.opened.next == Some(next) {
            self.look_for_vanished(actions);
        } else {
            let listing = self.list(next, None, self.session.has_rev2("ESEARCH"), actions);
            self.state = State::Discover(listing);
        }
    }

    fn list(&mut self, first: u32, last: Option<u32>, by_search: bool, actions: &mut Actions) -> Listing {
        let command = if by_search { command::search(first, last) } else { command::fetch_uids(first, last) };
        Listing { tag: self.session.send(&command, actions), uids: UidSet::default(), by_search, lost: false }
    }

    fn discovered(&mut self, listing: Listing, status: &Status, actions: &mut Actions) -> Result<(), Error> {
        let is_good = status.condition == Condition::Ok && !listing.lost;
        if !is_good && listing.by_search {
            let listing = self.list(self.after.next, None, false, actions);
            self.state = State::Discover(listing);
            return Ok(());
        }
        if !is_good {
            // A message that is passed over here would never be received.
            let error = if listing.lost {
                Error::new(Failure::Malformed, "the listing of new messages cannot be read")
            } else {
                refusal::error(status)
            };
            return Err(error.at(&self.folder));
        }
        self.found = listing.uids.from(self.after.next);
        if self.found.count() > u64::from(self.opened.exists) * 2 + 10_000 {
            return Err(Error::new(Failure::Malformed, "the server lists more messages than it has").at(&self.folder));
        }
        self.look_for_vanished(actions);
        Ok(())
    }

    /// Nothing vanished where the old and the new ones add up to what the server has: below UIDNEXT nothing is ever added.
    fn look_for_vanished(&mut self, actions: &mut Actions) {
        let is_new = self.before.as_ref().is_none_or(|before| before.validity != self.after.validity);
        let new = self.opened.next.map_or_else(|| self.found.count(), |next| self.found.count_below(next));
        let listed = self.listing.as_ref().map_or(self.after.exists, UidSet::count);
        let adds_up = listed == self.after.exists && self.after.exists + new == u64::from(self.opened.exists);
        if adds_up && !is_new {
            self.receive(actions);
        } else if self.listing.is_some() {
            self.compare(None, actions);
        } else if self.after.next == 1 || self.opened.exists == 0 {
            self.listing = Some(UidSet::default());
            self.compare(None, actions);
        } else {
            let listing = self.list(1, Some(self.after.next - 1), self.session.has_rev2("ESEARCH"), actions);
            self.state = State::List(listing);
        }
    }

    fn listed(&mut self, listing: Listing, status: &Status, actions: &mut Actions) {
        let is_good = status.condition == Condition::Ok && !listing.lost;
        if !is_good && listing.by_search {
            let listing = self.list(1, Some(self.after.next - 1), false, actions);
            self.state = State::List(listing);
        } else if is_good {
            self.listing = Some(listing.uids);
            self.compare(None, actions);
        } else {
            // Nothing is said of what vanished; the numbers go on differing, and the next pass looks again.
            self.receive(actions);
        }
    }

    fn compare(&mut self, after: Option<String>, actions: &mut Actions) {
        self.state = State::Compare(actions.ask(Question::Known(self.scope.clone(), after, PAGE_IDS)));
    }

    fn compared(&mut self, page: Page, actions: &mut Actions) {
        let there = self.listing.take().unwrap_or_default();
        let is_there = |id: &String| id.parse().is_ok_and(|uid| there.contains(uid) || self.found.contains(uid));
        let removed: Vec<String> = page.ids.into_iter().filter(|id| !is_there(id)).collect();
        if !removed.is_empty() {
            self.ask(Question::Removed(self.scope.clone(), removed), actions);
        }
        self.after.exists = there.count();
        self.listing = Some(there);
        match page.next {
            Some(next) => self.compare(Some(next), actions),
            None => self.receive(actions),
        }
    }

    fn receive(&mut self, actions: &mut Actions) {
        let found = std::mem::take(&mut self.found);
        let end = self.opened.next.unwrap_or(1).max(self.after.next).max(found.last().map_or(1, |last| last.saturating_add(1)));
        let base = self.after.exists;
        let template = Cursor { next: end, modseq: self.opened.modseq, ..self.after.clone() };
        self.state = State::Receive(Box::new(Receive::new(found, template.clone(), base, false)));
        self.after = template;
        self.advance(actions);
    }

    fn received(&mut self, receive: &Receive, actions: &mut Actions) {
        let (found, had, flags) = receive.outcome();
        self.after.exists += found.count();
        self.told |= !found.is_empty();
        self.flags = self.flags.or((self.after.exists == found.count()).then_some(0)).map(|sum| sum.wrapping_add(flags));
        match (had.first(), had.last()) {
            (Some(first), Some(last)) => {
                let tag = self.session.send(&command::fetch_flags_of(&UidSet::range(first, last)), actions);
                self.state = State::FollowHad(FollowFlags::new(tag, had.clone(), true, false));
            }
            _ => self.retire(actions),
        }
    }

    fn retire(&mut self, actions: &mut Actions) {
        for validity in std::mem::take(&mut self.after.retiring) {
            let scope = Scope { folder: self.scope.folder.clone(), generation: validity.to_string() };
            self.ask(Question::Retired(scope), actions);
        }
        self.state = State::Retire;
        self.commit(actions);
    }

    /// The last checkpoint, once every answer is in.
    fn commit(&mut self, actions: &mut Actions) {
        if self.asked > 0 {
            return;
        }
        self.after.flags = if self.opened.modseq == 0 { self.flags.unwrap_or(0) } else { 0 };
        if self.told || self.before.as_ref() != Some(&self.after) {
            self.state = State::Commit(actions.ask(Question::Checkpoint(self.scope.clone(), self.after.encode())));
        } else {
            self.over();
        }
    }

    fn over(&mut self) {
        let snapshot = Snapshot {
            validity: u64::from(self.after.validity),
            next: u64::from(self.opened.next.unwrap_or(0)),
            exists: u64::from(self.opened.exists),
            modseq: self.opened.modseq,
            unseen: 0,
        };
        self.session.snapshots.insert(self.folder.clone(), snapshot);
        self.state = State::Over;
    }

    fn ask(&mut self, question: Question, actions: &mut Actions) {
        actions.ask(question);
        self.asked += 1;
        self.told = true;
    }

    fn event(&mut self, event: Event, actions: &mut Actions) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Examine(tag) => {
                self.state = State::Examine(tag);
                match event {
                    Event::Untagged(response) => self.opened.note(&response),
                    Event::Reply(reply, status) if reply == tag => {
                        if status.condition != Condition::Ok {
                            return Err(refusal::error(&status).at(&format!("open {}", self.folder)));
                        }
                        self.opened(actions)?;
                    }
                    _ => {}
                }
            }
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
            State::FollowHad(mut follow) => match event {
                Event::Reply(tag, status) if tag == follow.tag => {
                    refused(&status, &self.folder)?;
                    self.tell(&mut follow, true, actions);
                    self.flags = self.flags.map(|sum| sum.wrapping_add(follow.digest));
                    self.retire(actions);
                }
                event => {
                    follow.event(&event, &self.folder);
                    self.tell(&mut follow, false, actions);
                    self.state = State::FollowHad(follow);
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
                receive.event(event, &mut place, actions)?;
                self.state = State::Receive(receive);
            }
            // Nothing is outstanding: what comes is unasked for, and the session has noted it.
            state @ (State::Begin | State::Compare(_) | State::Retire | State::Commit(_) | State::Over) => self.state = state,
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
            state => self.state = state,
        }
        self.asked = self.asked.saturating_sub(1);
        done(answer)?;
        if matches!(self.state, State::Retire) {
            self.commit(actions);
        }
        Ok(())
    }

    fn advance(&mut self, actions: &mut Actions) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Receive(mut receive) => {
                let mut place = Place { session: self.session, scope: &self.scope, folder: &self.folder, is_settled: self.asked == 0 };
                receive.advance(&mut place, actions);
                if receive.is_over() {
                    self.received(&receive, actions);
                } else {
                    self.state = State::Receive(receive);
                }
            }
            state => self.state = state,
        }
    }
}

impl Machine for Sync<'_> {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => self.examine(actions),
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Answer(token, answer) => self.answer(token, answer, actions)?,
            // A pass ends by itself; who waits for the line waits for it.
            Input::Timer | Input::TimeUp | Input::Wanted => {}
        }
        while let Some(event) = self.session.next_event()? {
            self.event(event, actions)?;
        }
        self.advance(actions);
        Ok(match self.state {
            State::Over => Step::Done(()),
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

impl FollowFlags {
    fn new(tag: Tag, within: UidSet, tells: bool, is_full: bool) -> Self {
        Self { tag, within, tells, changes: Vec::new(), listing: UidSet::default(), digest: 0, is_full }
    }

    fn event(&mut self, event: &Event, folder: &str) {
        match event {
            Event::Untagged(Response::Fetch(_, fetch)) => {
                if let (Some(uid), Some(flags)) = (fetch.uid.filter(|&uid| self.within.contains(uid)), &fetch.flags)
                    && !self.listing.contains(uid)
                {
                    self.listing.insert(uid);
                    self.digest = self.digest.wrapping_add(digest(uid, flags));
                    if self.tells {
                        self.changes.push(Change { id: uid.to_string(), folders: vec![folder.to_owned()], keywords: flags.clone() });
                    }
                }
            }
            // It may have been a message: then this is no listing of all.
            Event::Lost(_) => self.is_full = false,
            _ => {}
        }
    }
}

impl Listing {
    fn event(&mut self, event: Event) {
        match event {
            Event::Untagged(Response::Esearch(_, Some(uids))) => self.uids = uids,
            Event::Untagged(Response::Search(uids)) => self.uids = uids.into_iter().collect(),
            Event::Untagged(Response::Fetch(_, fetch)) if !self.by_search => {
                if let Some(uid) = fetch.uid {
                    self.uids.insert(uid);
                }
            }
            Event::Lost(_) => self.lost = true,
            _ => {}
        }
    }
}

fn refused(status: &Status, folder: &str) -> Result<(), Error> {
    if status.condition == Condition::Ok { Ok(()) } else { Err(refusal::error(status).at(folder)) }
}
