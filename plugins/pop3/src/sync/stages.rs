//! What follows what in a session.

use std::collections::BTreeSet;

use postrider_connector::machine::{Action, Actions, Question};
use postrider_connector::types::{Level, Page, Scope};

use super::compare::{Compare, Outcome};
use super::receive::Receive;
use super::{State, Sync};
use crate::capabilities::Expire;
use crate::cursor::Cursor;
use crate::id;
use crate::limits::{DELETED_IDS, IDS};
use crate::maildrop::Maildrop;
use crate::update::Update;

impl Sync<'_> {
    /// It is known what the maildrop holds.
    pub(super) fn surveyed(&mut self, maildrop: Maildrop, actions: &mut Actions) {
        self.maildrop = maildrop;
        // What a former session deleted and this one does not list is gone, and its id may come again as another message's.
        self.session.deleted = self.session.deleted.iter().filter(|id| self.maildrop.by_id(id).is_some()).cloned().collect();
        if self.cursor.digest.is_some() && self.cursor.digest == self.digest(&BTreeSet::new()) {
            // Every message was had when this was committed.
            self.is_complete = true;
            let nothing = Receive::new(Vec::new(), &self.maildrop, self.session, false);
            self.ask_expendable(Box::new(nothing), actions);
            return;
        }
        self.cursor.digest = None;
        self.state = State::Compare(Compare::begin(&self.maildrop, &self.scope, actions));
    }

    /// It is known what the host has of it.
    pub(super) fn compared(&mut self, outcome: Outcome, actions: &mut Actions) {
        let Outcome { unseen, vanished, known } = outcome;
        let most = self.session.settings.checkpoint_messages;
        let has_nothing_known = vanished.len() == known && vanished.len() as u64 > most && unseen.len() >= vanished.len() / 2;
        if has_nothing_known {
            self.begin_generation(actions);
            return;
        }
        let was_renaming = std::mem::take(&mut self.session.is_renaming);
        let is_renaming = was_renaming || (!vanished.is_empty() && !unseen.is_empty() && unseen.len() as u64 <= most);
        self.tell_removed(&vanished, actions);
        let receive = Receive::new(unseen, &self.maildrop, self.session, is_renaming);
        self.state = State::Receive(Box::new(receive));
    }

    /// The server shows many messages and not one that the host has: it calls its messages by other names than before (a server that was
    /// replaced does). In a new generation the host knows them by their octets.
    fn begin_generation(&mut self, actions: &mut Actions) {
        actions.put(Action::Log(
            Level::Warn,
            "the server gives all messages other UIDLs than before: they are compared by their octets".into(),
        ));
        self.cursor.begin_generation();
        self.scope.generation = Cursor::name(self.cursor.generation);
        self.state = State::Compare(Compare::begin(&self.maildrop, &self.scope, actions));
    }

    fn tell_removed(&mut self, ids: &[String], actions: &mut Actions) {
        for page in ids.chunks(IDS) {
            actions.ask(Question::Removed(self.scope.clone(), page.to_vec()));
            self.asked += 1;
            self.is_told = true;
        }
    }

    /// Everything that this session asks for is here.
    pub(super) fn received(&mut self, receive: Box<Receive>, actions: &mut Actions) {
        self.is_complete = !receive.has_more();
        if self.is_complete {
            for generation in std::mem::take(&mut self.cursor.retiring) {
                let scope = Scope { folder: self.scope.folder.clone(), generation: Cursor::name(generation) };
                actions.ask(Question::Retired(scope));
                self.asked += 1;
                self.is_told = true;
            }
            if !receive.outcome.has_gaps {
                self.cursor.digest = self.digest(&BTreeSet::new());
            }
        }
        self.state = State::Retire(receive);
    }

    /// Make it durable, where there is something.
    pub(super) fn commit(&mut self, receive: Box<Receive>, actions: &mut Actions) {
        if self.is_told || receive.is_checkpoint_due() || self.cursor != self.before {
            let token = actions.ask(Question::Checkpoint(self.scope.clone(), self.cursor.encode()));
            self.state = State::Commit(token, receive);
        } else {
            self.committed(receive, actions);
        }
    }

    /// All that came is durable.
    pub(super) fn committed(&mut self, receive: Box<Receive>, actions: &mut Actions) {
        self.is_told = false;
        self.before = self.cursor.clone();
        self.session.is_at_risk = receive.outcome.is_incomplete;
        if self.session.may_quit() {
            self.ask_expendable(receive, actions);
            return;
        }
        let words = "the server deletes at the session's end what was retrieved (EXPIRE 0), and not all of that could be kept here: the line \
                     is closed without QUIT, so that nothing is deleted";
        actions.put(Action::Log(Level::Warn, words.into()));
        self.rest(receive, actions);
    }

    fn ask_expendable(&mut self, receive: Box<Receive>, actions: &mut Actions) {
        let token = actions.ask(Question::Expendable(self.scope.clone(), None, IDS as u32));
        self.state = State::Expendable(token, Vec::new(), receive);
    }

    /// A page of what may be deleted: what of it this session lists is marked, as many as one session deletes.
    pub(super) fn expendable(&mut self, page: Page, mut found: Vec<usize>, receive: Box<Receive>, actions: &mut Actions) {
        let most = if self.session.may_split() { self.session.settings.session_messages } else { u64::MAX };
        let mut is_kept_by_server = false;
        for id in &page.ids {
            let Some(place) = self.maildrop.by_id(id) else { continue };
            if self.session.deleted.contains(id) {
                is_kept_by_server = true;
            } else if (found.len() as u64) < most {
                found.push(place);
            } else {
                self.synced.has_more = true;
            }
        }
        if is_kept_by_server {
            let words = "the server lists messages again that it said it had deleted: they are left there (Gmail's `recent:` mode does so)";
            actions.put(Action::Log(Level::Warn, words.into()));
        }
        match page.next {
            Some(next) if !self.synced.has_more => {
                let token = actions.ask(Question::Expendable(self.scope.clone(), Some(next), IDS as u32));
                self.state = State::Expendable(token, found, receive);
            }
            _ if found.is_empty() => self.rest(receive, actions),
            _ => {
                found.sort_unstable();
                self.state = State::Update(Update::new(found), receive);
            }
        }
    }

    /// Nothing is deleted in this session: the rest of the messages is asked for, or it is over.
    pub(super) fn rest(&mut self, mut receive: Box<Receive>, actions: &mut Actions) {
        self.synced.has_more = false;
        if receive.has_more() && self.session.may_quit() {
            receive.go_on();
            self.state = State::Receive(receive);
            return;
        }
        self.over(&receive, actions);
    }

    /// The server says that it deleted these.
    pub(super) fn deleted(&mut self, places: &[usize], receive: &Receive, actions: &mut Actions) {
        let ids: Vec<String> = places.iter().filter_map(|&place| self.maildrop.get(place)?.id.clone()).collect();
        self.synced.deleted = ids.len() as u64;
        self.synced.is_line_over = true;
        self.synced.has_more |= receive.has_more();
        if self.is_complete && self.cursor.digest.is_some() {
            self.cursor.digest = self.digest(&places.iter().copied().collect());
        }
        if self.session.deleted.len() + ids.len() <= DELETED_IDS {
            self.session.deleted.extend(ids.iter().cloned());
        }
        self.tell_removed(&ids, actions);
        self.over(receive, actions);
        self.state = State::Forget;
    }

    /// What the server deleted becomes known.
    pub(super) fn settle(&mut self, actions: &mut Actions) {
        let token = actions.ask(Question::Checkpoint(self.scope.clone(), self.cursor.encode()));
        self.state = State::Settle(token);
    }

    /// The line is to be closed in the middle of a message, and what came before is kept: the next session asks for the rest.
    pub(super) fn broken_off(&mut self, receive: &Receive) {
        self.session.is_renaming = receive.is_renaming;
        self.synced.is_line_over = true;
        self.over(receive, &mut Actions::default());
        self.synced.has_more = true;
    }

    fn over(&mut self, receive: &Receive, actions: &mut Actions) {
        self.synced.received = receive.outcome.received;
        self.synced.has_more |= self.session.settings.until_no_news && receive.outcome.received > 0;
        if self.session.capabilities.expire() == Expire::Days(0) && receive.outcome.received > 0 && !receive.outcome.is_incomplete {
            let words = "the server deletes what was retrieved when the session ends (EXPIRE 0), whatever is to be left there";
            actions.put(Action::Log(Level::Warn, words.into()));
        }
        self.state = State::Over;
    }

    /// The digest of the listing without the messages at some places; none where a message has no id, and could be another one every time.
    fn digest(&self, without: &BTreeSet<usize>) -> Option<[u8; 32]> {
        // An id made of octets was read in this session, and would have to be read to be compared.
        let is_all_named = self.maildrop.ids().count() == self.maildrop.len() && !self.maildrop.ids().any(|(_, id)| id::is_of_octets(id));
        is_all_named.then(|| id::digest(self.maildrop.ids().filter(|(place, _)| !without.contains(place)).map(|(_, id)| id)))
    }
}
