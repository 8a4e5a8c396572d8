//! What the laboratory's children do to a store, worked out from a seed: who knows how many steps of an account were committed
//! knows what must be there.

use std::collections::BTreeMap;

use super::random::Random;
use crate::model::message::Scope;
use crate::store::tests::scope;

/// Accounts that receive all the time. Others come and go.
pub(super) const ACCOUNTS: u32 = 3;

/// The account whose messages are given up after some steps.
pub(super) const RETAINED: u32 = ACCOUNTS + 1;

/// In the log: up to which step they were given up.
pub(super) const GIVEN_UP: u32 = RETAINED + 1;

/// Messages of each step of that account, and the steps that are kept.
pub(super) const OF_A_STEP: u64 = 5;
pub(super) const KEPT_STEPS: u64 = 3;

/// The account of the steps that are about the store as a whole.
pub(super) const OF_STORE: u32 = 0;

/// The folder's generation changes every so many steps.
const GENERATION: u64 = 20;

/// A message's content: the step that brought it, and its number in that step.
pub(super) type Content = (u64, u64);

/// One act of a step of an account.
pub(super) enum Act {
    Deliver { scope: Scope, content: Content },
    SetAside { scope: Scope, content: Content },
    Changed { scope: Scope, contents: Vec<Content>, keyword: String },
    Removed { scope: Scope, contents: Vec<Content> },
    Retired { scope: Scope },
}

/// Where a message stands on the server, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The generation; none: the server has it no more.
    pub(super) generation: Option<u64>,
    pub(super) keywords: Vec<String>,
    pub(super) is_aside: bool,
}

/// What an account must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected(pub(super) BTreeMap<Content, Standing>);

impl Expected {
    /// After so many steps.
    pub(super) fn after(seed: u64, account: u32, steps: u64) -> Self {
        let mut expected = Self::default();
        for step in 1..=steps {
            for act in expected.acts(seed, account, step) {
                expected.take(act);
            }
        }
        expected
    }

    /// What the account does in a step that follows.
    pub(super) fn acts(&self, seed: u64, account: u32, step: u64) -> Vec<Act> {
        let now = scope_at(step);
        let standing = |wanted: &dyn Fn(u64) -> bool| -> Vec<Content> {
            let here = self.0.iter().filter(|(content, held)| held.generation.is_some() && wanted(content.0));
            here.map(|(content, _)| *content).collect()
        };
        if step.is_multiple_of(GENERATION) {
            let again = self.0.iter().filter(|(_, held)| held.generation.is_some() && !held.is_aside);
            let again = again.map(|(content, _)| Act::Deliver { scope: now.clone(), content: *content });
            return again.chain([Act::Retired { scope: scope_at(step - 1) }]).collect();
        }
        let mut random = Random::of(seed, &[u64::from(account), step]);
        let deliver = |number| Act::Deliver { scope: now.clone(), content: (step, number) };
        match step % 10 {
            5 => vec![deliver(0), Act::SetAside { scope: now.clone(), content: (step, 1) }, deliver(2)],
            7 => {
                let contents = standing(&|since| since + 3 >= step);
                vec![Act::Changed { scope: now.clone(), contents, keyword: format!("in{step}") }, deliver(0)]
            }
            8 => vec![deliver(0), Act::Removed { scope: now, contents: standing(&|since| since + 6 <= step) }],
            9 => vec![deliver(0)],
            _ => (0..=random.below(4)).map(deliver).collect(),
        }
    }

    fn take(&mut self, act: Act) {
        let number = |scope: &Scope| scope.generation.parse().unwrap();
        match act {
            Act::Deliver { scope, content } => {
                // A new place says anew what stands there.
                self.0.insert(content, Standing { generation: Some(number(&scope)), ..Standing::default() });
            }
            Act::SetAside { scope, content } => {
                self.0.insert(content, Standing { generation: Some(number(&scope)), is_aside: true, ..Standing::default() });
            }
            Act::Changed { contents, keyword, .. } => {
                for content in contents {
                    self.0.get_mut(&content).unwrap().keywords = vec![keyword.clone()];
                }
            }
            Act::Removed { contents, .. } => contents.into_iter().for_each(|content| self.leave(content)),
            Act::Retired { scope } => {
                let over = self.0.iter().filter(|(_, held)| held.generation == Some(number(&scope)));
                for content in over.map(|(content, _)| *content).collect::<Vec<_>>() {
                    self.leave(content);
                }
            }
        }
    }

    fn leave(&mut self, content: Content) {
        // One that was set aside and stands nowhere has no name left to be found by.
        let held = self.0.remove(&content).unwrap();
        if !held.is_aside {
            self.0.insert(content, Standing::default());
        }
    }
}

/// The scope of an account's checkpoint.
pub(super) fn scope_at(step: u64) -> Scope {
    scope("INBOX", &(step / GENERATION).to_string())
}

pub(super) fn id_of(content: Content) -> String {
    format!("{}.{}", content.0, content.1)
}

/// The octets of a message: most are small, some take several segments.
pub(super) fn octets_of(seed: u64, account: u32, content: Content) -> Vec<u8> {
    let mut random = Random::of(seed, &[u64::from(account), content.0, content.1]);
    let length = match content.0 % 10 {
        9 => 100_000 + random.below(300_000),
        _ => random.below(6_000),
    };
    let head = format!("From: a{account}@example.com\r\nSubject: {}\r\n\r\n", id_of(content));
    [head.into_bytes(), random.octets(length)].concat()
}

/// What the store as a whole must hold: documents, and the accounts that come and go with what they have received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExpectedStore {
    pub(super) documents: BTreeMap<String, Vec<u8>>,
    pub(super) accounts: BTreeMap<u32, usize>,
}

/// One act on the store as a whole.
pub(super) enum StoreAct {
    Document { key: String, octets: Vec<u8> },
    Account(u32),
    Receive(u32),
    Remove(u32),
}

/// Messages that an account receives that comes and goes.
pub(super) const RECEIVED: usize = 3;

pub(super) fn store_act(seed: u64, step: u64) -> StoreAct {
    let account = 100 + u32::try_from(step / 5).unwrap();
    match step % 5 {
        1 => StoreAct::Account(account),
        2 => StoreAct::Receive(account),
        4 if step.is_multiple_of(3) => StoreAct::Remove(account),
        _ => {
            let mut random = Random::of(seed, &[step]);
            // Large ones stand in pieces.
            let length = if step % 4 == 3 { 200_000 + random.below(200_000) } else { random.below(500) };
            StoreAct::Document { key: (step % 7).to_string(), octets: random.octets(length) }
        }
    }
}

impl ExpectedStore {
    pub(super) fn after(seed: u64, steps: u64) -> Self {
        let mut expected = Self::default();
        (1..=steps).for_each(|step| expected.take(store_act(seed, step)));
        expected
    }

    /// Whether it was like this after some step up to the given one.
    pub(super) fn was_ever(&self, seed: u64, last: u64) -> bool {
        let mut expected = Self::default();
        *self == expected
            || (1..=last).any(|step| {
                expected.take(store_act(seed, step));
                *self == expected
            })
    }

    fn take(&mut self, act: StoreAct) {
        match act {
            StoreAct::Document { key, octets } => drop(self.documents.insert(key, octets)),
            StoreAct::Account(account) => drop(self.accounts.insert(account, 0)),
            StoreAct::Receive(account) => drop(self.accounts.insert(account, RECEIVED)),
            StoreAct::Remove(account) => drop(self.accounts.remove(&account)),
        }
    }
}
