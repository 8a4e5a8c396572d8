//! The host's side of the mailbox, in memory: what is staged, and what a checkpoint has made durable.

use std::collections::{BTreeMap, BTreeSet};

use postrider_connector::machine::{Answer, Question, Token};
use postrider_connector::types::{Arrival, Error, Page, Scope};

use super::server::Server;

/// Octets and flags.
pub(super) type Message = (Vec<u8>, String);

#[derive(Debug, Clone, Default)]
struct Kept {
    messages: BTreeMap<(String, u32), Message>,
    cursor: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct Host {
    durable: Kept,
    staged: Kept,
    /// What was staged when the checkpoint under way was asked for.
    under_way: Option<Kept>,
    taking: BTreeMap<Token, (String, Arrival, Vec<u8>)>,
}

impl Host {
    pub(super) fn cursor(&self) -> Option<Vec<u8>> {
        self.staged.cursor.clone()
    }

    /// What is there by UID.
    pub(super) fn has(&self, validity: u32) -> BTreeMap<u32, Message> {
        let here = self.staged.messages.iter().filter(|((generation, _), _)| *generation == validity.to_string());
        here.map(|((_, uid), message)| (*uid, message.clone())).collect()
    }

    /// Everything since the last checkpoint is lost.
    pub(super) fn die(&mut self) {
        self.staged = self.durable.clone();
        self.taking.clear();
        self.under_way = None;
    }

    pub(super) fn begin(&mut self, token: Token, scope: &Scope, arrival: Arrival) {
        self.taking.insert(token, (scope.generation.clone(), arrival, Vec::new()));
    }

    pub(super) fn piece(&mut self, token: Token, octets: &[u8]) {
        self.taking.get_mut(&token).unwrap().2.extend_from_slice(octets);
    }

    pub(super) fn finish(&mut self, token: Token, count: Result<u64, Error>) -> Result<(), Error> {
        let (generation, arrival, octets) = self.taking.remove(&token).unwrap();
        assert_eq!(count?, octets.len() as u64);
        let key = (generation, arrival.id.parse().unwrap());
        assert!(!self.staged.messages.contains_key(&key), "{key:?} came twice");
        self.staged.messages.insert(key, (octets, arrival.keywords.join(" ")));
        Ok(())
    }

    pub(super) fn begin_checkpoint(&mut self) {
        self.under_way = Some(self.staged.clone());
    }

    pub(super) fn answer(&mut self, question: Question, server: &Server) -> Answer {
        match question {
            Question::Unseen(scope, ids) => {
                let had = |id: &String| self.staged.messages.contains_key(&(scope.generation.clone(), id.parse().unwrap()));
                Answer::Ids(Ok(ids.into_iter().filter(|id| !had(id)).collect()))
            }
            Question::Known(scope, after, _) => {
                let after: u32 = after.map_or(0, |after| after.parse().unwrap());
                let here = self.staged.messages.keys().filter(|(generation, uid)| *generation == scope.generation && *uid > after);
                let mut ids: Vec<String> = here.map(|(_, uid)| uid.to_string()).collect();
                // Small pages, so that there are several.
                let next = (ids.len() > 3).then(|| ids[2].clone());
                ids.truncate(if next.is_some() { 3 } else { ids.len() });
                Answer::Page(Ok(Page { ids, next }))
            }
            Question::Changed(scope, changes) => {
                for change in changes {
                    if let Some(message) = self.staged.messages.get_mut(&(scope.generation.clone(), change.id.parse().unwrap())) {
                        message.1 = change.keywords.join(" ");
                    }
                }
                Answer::Done(Ok(()))
            }
            Question::Removed(scope, ids) => {
                assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
                for id in ids {
                    let uid = id.parse().unwrap();
                    assert!(!server.has(&scope.generation, uid), "UID {uid} is told to be gone and is there");
                    self.staged.messages.remove(&(scope.generation.clone(), uid));
                }
                Answer::Done(Ok(()))
            }
            Question::Retired(scope) => {
                self.staged.messages.retain(|(generation, _), _| *generation != scope.generation);
                Answer::Done(Ok(()))
            }
            Question::Checkpoint(_, cursor) => {
                if let Some(kept) = self.under_way.take() {
                    self.durable = Kept { cursor: Some(cursor.clone()), ..kept };
                    self.staged.cursor = Some(cursor);
                }
                Answer::Done(Ok(()))
            }
            question => panic!("an honest server gives no reason for {question:?}"),
        }
    }
}
