//! Which of the messages on the server the host does not have, and which that it has are not on the server.

use postrider_connector::machine::{Actions, Answer, Question, Token};
use postrider_connector::types::{Error, Scope};

use crate::limits::IDS;
use crate::maildrop::Maildrop;

/// The comparison under way: one question of each kind at a time, so that no more than a page of ids is copied.
#[derive(Debug)]
pub(super) struct Compare {
    unseen: Option<Token>,
    /// Named messages before this one, in the order of ids, were asked about.
    asked: usize,
    known: Option<Token>,
    outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Places of messages that the host does not have, ascending.
    pub(super) unseen: Vec<usize>,
    /// Ids that the host has and the server has not.
    pub(super) vanished: Vec<String>,
    /// How many ids the host has.
    pub(super) known: usize,
}

impl Compare {
    /// Ask about all messages that have an id.
    pub(super) fn begin(maildrop: &Maildrop, scope: &Scope, actions: &mut Actions) -> Self {
        let known = Some(actions.ask(Question::Known(scope.clone(), None, IDS as u32)));
        let mut compare = Self { unseen: None, asked: 0, known, outcome: Outcome::default() };
        compare.ask(maildrop, scope, actions);
        compare
    }

    /// Take in an answer; the outcome, once it is known.
    ///
    /// # Errors
    /// The host's.
    pub(super) fn answer(
        &mut self,
        token: Token,
        answer: Answer,
        maildrop: &Maildrop,
        scope: &Scope,
        actions: &mut Actions,
    ) -> Result<Option<Outcome>, Error> {
        match answer {
            Answer::Ids(ids) if self.unseen == Some(token) => {
                self.outcome.unseen.extend(ids?.iter().filter_map(|id| maildrop.by_id(id)));
                self.ask(maildrop, scope, actions);
            }
            Answer::Page(page) if self.known == Some(token) => {
                let page = page?;
                self.outcome.known += page.ids.len();
                self.outcome.vanished.extend(page.ids.into_iter().filter(|id| maildrop.by_id(id).is_none()));
                self.known = page.next.map(|next| actions.ask(Question::Known(scope.clone(), Some(next), IDS as u32)));
            }
            Answer::Done(_) | Answer::Ids(_) | Answer::Page(_) | Answer::Recognised(_) | Answer::Octets(_) => {}
        }
        if self.unseen.is_some() || self.known.is_some() {
            return Ok(None);
        }
        let mut outcome = std::mem::take(&mut self.outcome);
        // The oldest first, as the server has them.
        outcome.unseen.sort_unstable();
        Ok(Some(outcome))
    }

    fn ask(&mut self, maildrop: &Maildrop, scope: &Scope, actions: &mut Actions) {
        let ids: Vec<String> = maildrop.ids().skip(self.asked).take(IDS).map(|(_, id)| id.to_owned()).collect();
        self.asked += ids.len();
        self.unseen = (!ids.is_empty()).then(|| actions.ask(Question::Unseen(scope.clone(), ids)));
    }
}
