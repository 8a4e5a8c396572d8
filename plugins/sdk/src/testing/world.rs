//! A host in memory: the mailbox of the contract, with everything written down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::machine::{Answer, Question};
use crate::types::{Arrival, Change, Error, Failure, Page, Scope};

/// Ids that one call may carry: the contract's most.
const IDS: usize = 10_000;

/// Folder, generation and id of a message.
type Key = (String, String, String);

/// What the host has.
///
/// ```
/// use postrider_connector::testing::World;
///
/// let mut world = World::default();
/// world.put("INBOX", "7", "17", b"Subject: hi\r\n\r\n", &["\\Seen"]);
/// assert_eq!(world.ids("INBOX", "7"), ["17"]);
/// assert_eq!(world.octets("INBOX", "7", "17"), Some(b"Subject: hi\r\n\r\n".as_slice()));
/// assert_eq!(world.cursor("INBOX"), None, "no checkpoint yet");
/// ```
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Messages by folder, generation and id.
    pub messages: BTreeMap<(String, String, String), Stored>,
    /// The checkpoints in order.
    pub checkpoints: Vec<Checkpoint>,
    /// Ids whose delivery is refused, and why.
    pub refused: BTreeMap<String, Error>,
    /// Stable ids that the host has octets of, for `recognise`.
    pub recognised: BTreeSet<String>,
    /// Generations retired, as (folder, generation).
    pub retired: Vec<(String, String)>,
    /// Ids in one page of `known` and of `expendable`; 0: all.
    pub page_ids: usize,
    /// Pieces of the stream that the call brings.
    pub brought: VecDeque<Vec<u8>>,
    /// Octets that the call gave back.
    pub given: Vec<u8>,
    /// Messages may be deleted on the server once they are durable: no copy is to be left there.
    pub lets_go: bool,
    /// Messages that a checkpoint covers which was answered, by folder, generation and id.
    pub durable: BTreeSet<Key>,
    /// Why the host does not want a message to be committed to, if so.
    pub holds_back: Option<Error>,
    /// The ids that were committed to, in order.
    pub committed: Vec<String>,
    /// How often each question was asked.
    pub asked: BTreeMap<&'static str, usize>,
}

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its octets; none: it was set aside.
    pub octets: Option<Vec<u8>>,
    /// Flags and keywords.
    pub keywords: Vec<String>,
    /// When it was received.
    pub received: Option<u64>,
    /// Its id that outlives moves.
    pub stable: Option<String>,
    /// Its thread.
    pub thread: Option<String>,
    /// Further facts.
    pub extra: Vec<(String, String)>,
    /// Whether the server has it no more.
    pub removed: bool,
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its folder.
    pub folder: String,
    /// Its generation.
    pub generation: String,
    /// The cursor.
    pub cursor: Vec<u8>,
    /// The ids of its scope that were handed over when it was asked for.
    pub had: BTreeSet<String>,
    /// Whether it was answered.
    pub answered: bool,
}

impl World {
    /// The cursor of the last checkpoint of `folder`.
    #[must_use]
    pub fn cursor(&self, folder: &str) -> Option<Vec<u8>> {
        self.checkpoints.iter().rev().find(|checkpoint| checkpoint.folder == folder).map(|checkpoint| checkpoint.cursor.clone())
    }

    /// The octets of one message.
    #[must_use]
    pub fn octets(&self, folder: &str, generation: &str, id: &str) -> Option<&[u8]> {
        self.messages.get(&(folder.to_owned(), generation.to_owned(), id.to_owned()))?.octets.as_deref()
    }

    /// The ids that the host has and the server too, in order of their numbers.
    #[must_use]
    pub fn ids(&self, folder: &str, generation: &str) -> Vec<String> {
        let here = self.messages.iter().filter(|((f, g, _), stored)| f == folder && g == generation && !stored.removed);
        let mut ids: Vec<String> = here.map(|((_, _, id), _)| id.clone()).collect();
        ids.sort_by_key(|id| (id.len(), id.clone()));
        ids
    }

    /// Put a message there, as if a former session had delivered it.
    pub fn put(&mut self, folder: &str, generation: &str, id: &str, octets: &[u8], keywords: &[&str]) {
        let keywords = keywords.iter().map(ToString::to_string).collect();
        let stored = Stored { octets: Some(octets.to_vec()), keywords, ..Stored::default() };
        let key = (folder.to_owned(), generation.to_owned(), id.to_owned());
        self.durable.insert(key.clone());
        self.messages.insert(key, stored);
    }

    pub(super) fn checkpoint_asked(&mut self, scope: &Scope, cursor: &[u8]) {
        let (folder, generation) = key(scope);
        let had = self.messages.keys().filter(|(f, g, _)| *f == folder && *g == generation).map(|(_, _, id)| id.clone()).collect();
        self.checkpoints.push(Checkpoint { folder, generation, cursor: cursor.to_vec(), had, answered: false });
    }

    pub(super) fn deliver(&mut self, scope: &Scope, arrival: Arrival, octets: Vec<u8>, count: Result<u64, Error>) -> Result<(), Error> {
        let count = count?;
        if count != octets.len() as u64 {
            return Err(Error::new(Failure::Malformed, format!("{count} octets were promised and {} came", octets.len())));
        }
        if let Some(refusal) = self.refused.get(&arrival.id) {
            return Err(refusal.clone());
        }
        self.store(scope, arrival, Some(octets));
        Ok(())
    }

    pub(super) fn answer(&mut self, question: Question) -> Answer {
        if let Question::Unseen(_, ids) | Question::Removed(_, ids) = &question {
            assert!(ids.len() <= IDS, "{} ids in one question: the host takes {IDS}", ids.len());
        }
        let (name, answer) = match question {
            Question::Unseen(scope, ids) => ("unseen", Answer::Ids(Ok(ids.into_iter().filter(|id| !self.has(&scope, id)).collect()))),
            Question::Known(scope, after, max) => ("known", Answer::Page(Ok(self.page(&scope, after.as_deref(), max, |_, _| true)))),
            Question::Expendable(scope, after, max) => ("expendable", Answer::Page(Ok(self.expendable(&scope, after.as_deref(), max)))),
            Question::Recognise(scope, arrivals) => ("recognise", Answer::Recognised(Ok(self.recognise(&scope, arrivals)))),
            Question::SetAside(scope, arrival, _) => {
                self.store(&scope, *arrival, None);
                ("set-aside", Answer::Done(Ok(())))
            }
            Question::Changed(scope, changes) => {
                for change in changes {
                    self.change(&scope, change);
                }
                ("changed", Answer::Done(Ok(())))
            }
            Question::Removed(scope, ids) => {
                let (folder, generation) = key(&scope);
                for id in ids {
                    if let Some(stored) = self.messages.get_mut(&(folder.clone(), generation.clone(), id)) {
                        stored.removed = true;
                    }
                }
                ("removed", Answer::Done(Ok(())))
            }
            Question::Retired(scope) => {
                self.retired.push(key(&scope));
                ("retired", Answer::Done(Ok(())))
            }
            Question::Checkpoint(scope, _) => {
                self.make_durable(&scope);
                ("checkpoint", Answer::Done(Ok(())))
            }
            Question::Committing(id) => (
                "committing",
                Answer::Done(match &self.holds_back {
                    Some(error) => Err(error.clone()),
                    None => {
                        self.committed.push(id);
                        Ok(())
                    }
                }),
            ),
            Question::Draw => ("draw", Answer::Octets(self.brought.pop_front())),
        };
        *self.asked.entry(name).or_default() += 1;
        answer
    }

    fn recognise(&mut self, scope: &Scope, arrivals: Vec<Arrival>) -> Vec<bool> {
        let mut known = Vec::new();
        for arrival in arrivals {
            let is_here = arrival.stable.as_ref().is_some_and(|stable| self.recognised.contains(stable));
            known.push(is_here);
            if is_here {
                self.store(scope, arrival, None);
            }
        }
        known
    }

    fn has(&self, scope: &Scope, id: &str) -> bool {
        let (folder, generation) = key(scope);
        self.messages.get(&(folder, generation, id.to_owned())).is_some_and(|stored| !stored.removed)
    }

    /// What was handed over in `scope` before its oldest checkpoint that is not answered yet.
    fn make_durable(&mut self, scope: &Scope) {
        let (folder, generation) = key(scope);
        let Some(checkpoint) = self.checkpoints.iter_mut().find(|checkpoint| !checkpoint.answered) else { return };
        checkpoint.answered = true;
        self.durable.extend(checkpoint.had.iter().map(|id| (folder.clone(), generation.clone(), id.clone())));
    }

    fn expendable(&self, scope: &Scope, after: Option<&str>, max: u32) -> Page {
        if !self.lets_go {
            return Page { ids: Vec::new(), next: None };
        }
        self.page(scope, after, max, |key, stored| self.durable.contains(key) && stored.octets.is_some())
    }

    fn page(&self, scope: &Scope, after: Option<&str>, max: u32, is_listed: impl Fn(&Key, &Stored) -> bool) -> Page {
        let (folder, generation) = key(scope);
        let most = if self.page_ids == 0 { usize::MAX } else { self.page_ids }.min(max as usize);
        let is_here = |at: &Key, stored: &Stored| at.0 == folder && at.1 == generation && !stored.removed && is_listed(at, stored);
        let here = self.messages.iter().filter(|(at, stored)| is_here(at, stored));
        let mut ids = here.map(|((_, _, id), _)| id.clone()).filter(|id| after.is_none_or(|after| id.as_str() > after));
        let page: Vec<String> = ids.by_ref().take(most).collect();
        Page { next: ids.next().and_then(|_| page.last().cloned()), ids: page }
    }

    fn change(&mut self, scope: &Scope, change: Change) {
        let (folder, generation) = key(scope);
        if let Some(stored) = self.messages.get_mut(&(folder, generation, change.id)) {
            stored.keywords = change.keywords;
        }
    }

    fn store(&mut self, scope: &Scope, arrival: Arrival, octets: Option<Vec<u8>>) {
        let (folder, generation) = key(scope);
        let stored = Stored {
            octets,
            keywords: arrival.keywords,
            received: arrival.received,
            stable: arrival.stable,
            thread: arrival.thread,
            extra: arrival.extra,
            removed: false,
        };
        let key = (folder, generation, arrival.id.clone());
        // It may be another message under an id that is free again.
        self.durable.remove(&key);
        let former = self.messages.insert(key, stored);
        assert!(former.is_none_or(|former| former.removed), "message {} was handed over twice", arrival.id);
    }
}

fn key(scope: &Scope) -> (String, String) {
    (scope.folder.clone().unwrap_or_default(), scope.generation.clone())
}
