//! What a pass does one after the other: open, follow flags, look for new and for vanished messages, receive, retire, commit.

use postrider_connector::machine::{Action, Actions, Question};
use postrider_connector::types::{Error, Failure, Level, Page, Scope};

use super::listing::{FollowFlags, Listing, Resync};
use super::receive::Receive;
use super::{Opened, State, Sync};
use crate::command;
use crate::cursor::Cursor;
use crate::refusal;
use crate::response::parse::{Condition, Status};
use crate::session::{Selected, Snapshot};
use crate::settings::Quirk;
use crate::uid_set::UidSet;

/// Changes that are told together.
const CHANGES: usize = 1_000;

/// Ids that one page of `known` has: the contract's most.
const PAGE_IDS: u32 = 10_000;

impl Sync<'_> {
    pub(super) fn examine(&mut self, actions: &mut Actions) {
        let name = self.session.name(&self.folder).unwrap_or_default();
        self.session.selected = None;
        let resyncs = self.session.enabled.contains("QRESYNC");
        let since = self.before.as_ref().filter(|before| resyncs && before.modseq != 0 && before.next > 1 && before.validity != 0);
        let command = match since {
            Some(before) => command::examine_since(&name, before.validity, before.modseq, before.next),
            None => command::examine(&name, self.session.has_condstore()),
        };
        let tag = self.session.send(&command, actions);
        self.state = State::Examine(tag, since.map(|before| Resync::new(tag, before.next)));
    }

    pub(super) fn examined(&mut self, status: &Status, resync: Option<Resync>, actions: &mut Actions) -> Result<(), Error> {
        match status.condition {
            Condition::Ok => self.opened(resync, actions),
            Condition::Bad if resync.is_some() => {
                // It enabled what it does not understand: the rest of the session goes on without.
                self.session.enabled.remove("QRESYNC");
                self.opened = Opened::default();
                self.examine(actions);
                Ok(())
            }
            Condition::No if self.session.is_quirky(Quirk::UnselectableFolders) => {
                let words = format!("the folder `{}` is not opened by the server and counts as empty: {}", self.folder, status.words);
                actions.put(Action::Log(Level::Warn, words));
                self.session.refused.insert(self.folder.clone());
                self.state = State::Over;
                Ok(())
            }
            _ => Err(refusal::error(status).at(&format!("open {}", self.folder))),
        }
    }

    fn opened(&mut self, resync: Option<Resync>, actions: &mut Actions) -> Result<(), Error> {
        let Some(validity) = self.opened.validity else {
            return Err(
                Error::new(Failure::Unsupported, "the server gives no UIDVALIDITY: its messages cannot be told apart").at(&self.folder)
            );
        };
        if !self.session.has_condstore() {
            self.opened.modseq = 0;
        }
        let exists = self.opened.exists;
        // A UIDNEXT that goes back is not to be believed (GMX): new messages come below it.
        let went_back = self
            .before
            .as_ref()
            .is_some_and(|before| before.validity == validity && self.opened.next.is_some_and(|next| next < before.next));
        self.adds_nothing_up = went_back || self.session.is_quirky(Quirk::WrongUidnext);
        if self.adds_nothing_up {
            self.opened.next = None;
        }
        self.session.refused.remove(&self.folder);
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
        // What was told since another UIDVALIDITY, or since a mod-sequence that is not reached, says nothing.
        let resync = resync.filter(|resync| {
            !resync.is_broken
                && self.before.as_ref().is_some_and(|before| before.validity == validity && before.modseq <= self.opened.modseq)
        });
        let tells_nothing = resync.as_ref().is_none_or(|resync| resync.vanished.is_empty() && resync.follow.changes.is_empty());
        let is_unchanged = tells_nothing
            && self.before.as_ref() == Some(&self.after)
            && self.after.retiring.is_empty()
            && self.opened.next == Some(self.after.next)
            && self.opened.modseq != 0
            && self.opened.modseq == self.after.modseq
            && u64::from(exists) == self.after.exists;
        if is_unchanged {
            self.over();
        } else {
            match resync {
                Some(resync) => self.resynced(resync, actions),
                None => self.follow_flags(actions),
            }
        }
        Ok(())
    }

    /// Tell the changes, and find out which of the vanished messages the host had. Where they are more than one question takes, the folder is listed, as
    /// without QRESYNC: a server that has forgotten what was expunged names every UID that it does not have.
    fn resynced(&mut self, mut resync: Resync, actions: &mut Actions) {
        self.tell(&mut resync.follow, true, actions);
        let vanished = resync.vanished.below(self.after.next);
        if vanished.is_empty() || vanished.count() > u64::from(PAGE_IDS) {
            self.discover(actions);
        } else {
            let ids = vanished.iter().map(|uid| uid.to_string()).collect();
            self.state = State::Confirm(actions.ask(Question::Unseen(self.scope.clone(), ids)), vanished);
        }
    }

    pub(super) fn follow_flags(&mut self, actions: &mut Actions) {
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

    pub(super) fn ask_flags(&mut self, since: Option<u64>, tells: bool, actions: &mut Actions) {
        let next = self.after.next;
        let tag = self.session.send(&command::fetch_flags(next, since), actions);
        self.state = State::FollowFlags(FollowFlags::new(tag, UidSet::range(1, next - 1), tells, since.is_none()));
    }

    pub(super) fn followed_flags(&mut self, mut follow: FollowFlags, actions: &mut Actions) {
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
    pub(super) fn tell(&mut self, follow: &mut FollowFlags, is_last: bool, actions: &mut Actions) {
        if follow.changes.len() >= CHANGES || (is_last && !follow.changes.is_empty()) {
            let changes = std::mem::take(&mut follow.changes);
            self.ask(Question::Changed(self.scope.clone(), changes), actions);
        }
    }

    pub(super) fn discover(&mut self, actions: &mut Actions) {
        let next = self.after.next;
        if self.opened.exists == 0 || self.opened.next == Some(next) {
            self.look_for_vanished(actions);
        } else {
            self.ask_new(actions);
        }
    }

    pub(super) fn list(&mut self, first: u32, last: Option<u32>, by_search: bool, actions: &mut Actions) -> Listing {
        let command = if by_search { command::search(first, last) } else { command::fetch_uids(first, last) };
        Listing { tag: self.session.send(&command, actions), uids: UidSet::default(), by_search, lost: false }
    }

    pub(super) fn discovered(&mut self, listing: Listing, status: &Status, actions: &mut Actions) -> Result<(), Error> {
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
        self.is_discovered = true;
        self.found = listing.uids.from(self.after.next);
        if self.found.count() > u64::from(self.opened.exists) * 2 + 10_000 {
            return Err(Error::new(Failure::Malformed, "the server lists more messages than it has").at(&self.folder));
        }
        self.look_for_vanished(actions);
        Ok(())
    }

    /// What vanished is known where the old ones without it and the new ones add up to what the server has: below UIDNEXT nothing is ever added. Otherwise
    /// the folder is listed.
    pub(super) fn look_for_vanished(&mut self, actions: &mut Actions) {
        let is_new = self.before.as_ref().is_none_or(|before| before.validity != self.after.validity);
        let new = self.opened.next.map_or_else(|| self.found.count(), |next| self.found.count_below(next));
        let listed = self.listing.as_ref().map_or(self.after.exists, UidSet::count);
        let gone = self.gone.count();
        let adds_up = !self.adds_nothing_up
            && self.after.exists != Cursor::UNCOUNTED
            && listed == self.after.exists
            && self.after.exists.saturating_add(new) == u64::from(self.opened.exists) + gone;
        if adds_up && !is_new {
            if gone > 0 {
                let gone: Vec<String> = std::mem::take(&mut self.gone).iter().map(|uid| uid.to_string()).collect();
                self.after.exists = self.after.exists.saturating_sub(gone.len() as u64);
                self.ask(Question::Removed(self.scope.clone(), gone), actions);
            }
            self.receive();
        } else if self.opened.exists == 0 {
            self.begin_compare(UidSet::default(), actions);
        } else if let Some(listing) = self.listing.take() {
            // There may be new messages that UIDNEXT does not tell of.
            if !self.is_discovered && listing.count() < u64::from(self.opened.exists) {
                self.listing = Some(listing);
                self.ask_new(actions);
            } else {
                self.begin_compare(listing, actions);
            }
        } else if self.after.next > 1 {
            self.list_old(self.session.has_rev2("ESEARCH"), actions);
        } else if self.is_discovered {
            self.begin_compare(UidSet::default(), actions);
        } else {
            self.ask_new(actions);
        }
    }

    fn ask_new(&mut self, actions: &mut Actions) {
        let listing = self.list(self.after.next, None, self.session.has_rev2("ESEARCH"), actions);
        self.state = State::Discover(listing);
    }

    /// List what is below the cursor, and what is not where nobody asked for it yet.
    fn list_old(&mut self, by_search: bool, actions: &mut Actions) {
        let last = self.is_discovered.then(|| self.after.next - 1);
        let listing = self.list(1, last, by_search, actions);
        self.state = State::List(listing);
    }

    pub(super) fn listed(&mut self, listing: Listing, status: &Status, actions: &mut Actions) {
        let is_good = status.condition == Condition::Ok && !listing.lost;
        if !is_good && listing.by_search {
            self.list_old(false, actions);
        } else if is_good {
            if !self.is_discovered {
                self.is_discovered = true;
                self.found = listing.uids.clone().from(self.after.next);
            }
            self.begin_compare(listing.uids.below(self.after.next), actions);
        } else {
            // Nothing is said of what vanished; the numbers go on differing, and the next pass looks again.
            self.receive();
        }
    }

    fn begin_compare(&mut self, listing: UidSet, actions: &mut Actions) {
        self.missing = listing.clone();
        self.listing = Some(listing);
        self.compare(None, actions);
    }

    pub(super) fn compare(&mut self, after: Option<String>, actions: &mut Actions) {
        self.state = State::Compare(actions.ask(Question::Known(self.scope.clone(), after, PAGE_IDS)));
    }

    pub(super) fn compared(&mut self, page: Page, actions: &mut Actions) {
        let there = self.listing.take().unwrap_or_default();
        let is_there = |id: &String| id.parse().is_ok_and(|uid| there.contains(uid) || self.found.contains(uid));
        let had: UidSet = page.ids.iter().filter_map(|id| id.parse::<u32>().ok()).collect();
        self.missing.remove(&had);
        let removed: Vec<String> = page.ids.into_iter().filter(|id| !is_there(id)).collect();
        if !removed.is_empty() {
            self.ask(Question::Removed(self.scope.clone(), removed), actions);
        }
        self.after.exists = there.count();
        self.listing = Some(there);
        match page.next {
            Some(next) => self.compare(Some(next), actions),
            None => {
                // Below UIDNEXT nothing is ever added, and yet: whatever the host does not have is new.
                let missing = std::mem::take(&mut self.missing);
                self.after.exists = self.after.exists.saturating_sub(missing.count());
                self.found.extend(missing);
                self.receive();
            }
        }
    }

    pub(super) fn receive(&mut self) {
        let found = std::mem::take(&mut self.found);
        let end = self.opened.next.unwrap_or(1).max(self.after.next).max(found.last().map_or(1, |last| last.saturating_add(1)));
        let base = self.after.exists;
        let template = Cursor { next: end, modseq: self.opened.modseq, ..self.after.clone() };
        self.state = State::Receive(Box::new(Receive::new(found, template.clone(), base, self.session)));
        self.after = template;
    }

    pub(super) fn received(&mut self, receive: Box<Receive>, actions: &mut Actions) {
        let (found, had, flags) = receive.outcome();
        self.after.exists = self.after.exists.saturating_add(found.count());
        self.told |= !found.is_empty();
        self.flags = self.flags.or((self.after.exists == found.count()).then_some(0)).map(|sum| sum.wrapping_add(flags));
        match (had.first(), had.last()) {
            (Some(first), Some(last)) => {
                let tag = self.session.send(&command::fetch_flags_of(&UidSet::range(first, last)), actions);
                self.state = State::FollowHad(FollowFlags::new(tag, had.clone(), true, false), receive);
            }
            _ => self.retire(actions),
        }
    }

    pub(super) fn retire(&mut self, actions: &mut Actions) {
        for validity in std::mem::take(&mut self.after.retiring) {
            let scope = Scope { folder: self.scope.folder.clone(), generation: validity.to_string() };
            self.ask(Question::Retired(scope), actions);
        }
        self.state = State::Retire;
        self.commit(actions);
    }

    /// The last checkpoint, once every answer is in.
    pub(super) fn commit(&mut self, actions: &mut Actions) {
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

    pub(super) fn over(&mut self) {
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

    pub(super) fn ask(&mut self, question: Question, actions: &mut Actions) {
        actions.ask(question);
        self.asked += 1;
        self.told = true;
    }
}
