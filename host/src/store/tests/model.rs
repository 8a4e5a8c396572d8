//! Random sessions against a model store that is nothing but a list.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::store::Retention;

#[derive(Debug, Clone)]
enum Act {
    Deliver { at: At, octets: u8, stable: Option<u8> },
    Removed { at: At },
    Retired { folder: u8, generation: u8 },
    Checkpoint,
    Abandon,
    Reopen,
    Compact,
    GiveUp,
}

/// Folder, generation, id.
type At = (u8, u8, u8);

#[derive(Debug, Clone, Default)]
struct Model {
    messages: Vec<ModelMessage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelMessage {
    born: At,
    octets: u8,
    stable: Option<u8>,
    places: Vec<At>,
    is_given_up: bool,
}

impl Model {
    /// A checkpoint of `acts`.
    fn commit(&mut self, acts: &[Act]) {
        let mut left = BTreeSet::new();
        for act in acts {
            match act {
                Act::Deliver { at, octets, stable } => self.deliver(*at, *octets, *stable, &mut left),
                Act::Removed { at } => self.remove(|place| place == at, &mut left),
                Act::Retired { folder, generation } => self.remove(|place| (place.0, place.1) == (*folder, *generation), &mut left),
                Act::Checkpoint | Act::Abandon | Act::Reopen | Act::Compact | Act::GiveUp => {}
            }
        }
    }

    fn deliver(&mut self, at: At, octets: u8, stable: Option<u8>, left: &mut BTreeSet<(u8, usize)>) {
        let (folder, generation, _) = at;
        if self.messages.iter().any(|message| message.places.contains(&at)) {
            return;
        }
        let places =
            |message: &ModelMessage, generation| message.places.iter().filter(|place| (place.0, place.1) == (folder, generation)).count();
        let same = |message: &&ModelMessage| message.octets == octets;
        let by_stable =
            self.messages.iter().filter(same).position_in(&self.messages, |message| stable.is_some() && message.stable == stable);
        let by_generation = || {
            self.messages.iter().filter(same).position_in(&self.messages, |message| {
                (0..4).filter(|other| *other != generation).any(|other| places(message, other) > places(message, generation))
            })
        };
        let mut found = by_stable.or_else(by_generation);
        while found.is_none() {
            let Some(first) = left.iter().copied().find(|(from, at)| *from == folder && self.messages[*at].octets == octets) else { break };
            left.remove(&first);
            let (_, candidate) = first;
            if self.messages[candidate].places.iter().all(|place| place.0 != folder) {
                found = Some(candidate);
            }
        }
        let found = found.or_else(|| self.messages.iter().position(|message| message.octets == octets && message.born == at));
        match found {
            Some(found) => {
                let message = &mut self.messages[found];
                message.places.push(at);
                message.stable = stable.or(message.stable);
            }
            None => self.messages.push(ModelMessage { born: at, octets, stable, places: vec![at], is_given_up: false }),
        }
    }

    fn remove(&mut self, is_gone: impl Fn(&At) -> bool, left: &mut BTreeSet<(u8, usize)>) {
        for (at, message) in self.messages.iter_mut().enumerate() {
            let gone: Vec<At> = message.places.iter().copied().filter(|place| is_gone(place)).collect();
            message.places.retain(|place| !is_gone(place));
            left.extend(gone.iter().map(|place| (place.0, at)));
        }
    }
}

/// The index in `all` of the first of some messages that fits.
trait PositionIn<'a>: Iterator<Item = &'a ModelMessage> + Sized {
    fn position_in(mut self, all: &[ModelMessage], fits: impl Fn(&ModelMessage) -> bool) -> Option<usize> {
        let found = self.find(|message| fits(message))?;
        all.iter().position(|message| std::ptr::eq(message, found))
    }
}

impl<'a, I: Iterator<Item = &'a ModelMessage>> PositionIn<'a> for I {}

fn act() -> impl Strategy<Value = Act> {
    let at = || (0..2_u8, 0..3_u8, 0..4_u8);
    prop_oneof![
        10 => (at(), 0..3_u8, proptest::option::weighted(0.2, 0..3_u8)).prop_map(|(at, octets, stable)| Act::Deliver { at, octets, stable }),
        3 => at().prop_map(|at| Act::Removed { at }),
        1 => (0..2_u8, 0..3_u8).prop_map(|(folder, generation)| Act::Retired { folder, generation }),
        4 => Just(Act::Checkpoint),
        1 => Just(Act::Abandon),
        1 => Just(Act::Reopen),
        1 => Just(Act::Compact),
        1 => Just(Act::GiveUp),
    ]
}

fn scope_of((folder, generation, _): At) -> Scope {
    scope(&folder.to_string(), &generation.to_string())
}

async fn play(acts: Vec<Act>) {
    let mut home = Home::with_account().await;
    let mut intake = home.intake();
    let mut model = Model::default();
    let mut staged: Vec<Act> = Vec::new();
    for act in acts {
        match &act {
            Act::Deliver { at, octets, stable: id } => {
                let id = id.map(|id| id.to_string());
                deliver(&intake, &scope_of(*at), Arrival { stable: id, ..arrival(&at.2.to_string()) }, &[*octets]).await;
            }
            Act::Removed { at } => intake.removed(scope_of(*at), vec![at.2.to_string()]).await.unwrap(),
            Act::Retired { folder, generation } => intake.retired(scope(&folder.to_string(), &generation.to_string())).await.unwrap(),
            Act::Checkpoint => {
                intake.checkpoint(scope("0", "0"), vec![1]).await.unwrap();
                model.commit(&staged);
                staged.clear();
                compare(&home, &model).await;
                continue;
            }
            Act::Compact => {
                home.store.compact().await.unwrap();
                compare(&home, &model).await;
                continue;
            }
            Act::GiveUp => {
                let all = Retention { stored_before: Timestamp(u64::MAX), up_to: u64::MAX };
                home.store.retain(AccountId(1), all, Timestamp::now()).await.unwrap();
                model.messages.iter_mut().for_each(|message| message.is_given_up = true);
                compare(&home, &model).await;
                continue;
            }
            Act::Abandon | Act::Reopen => {
                drop(intake);
                staged.clear();
                if matches!(act, Act::Reopen) {
                    home = home.reopen().await;
                }
                intake = home.intake();
                compare(&home, &model).await;
                continue;
            }
        }
        staged.push(act);
        compare_view(&intake, &model, &staged).await;
    }
    assert_eq!(home.check().await, "");
}

/// The messages, in order, with their octets and places; and what must hold whatever the model says.
async fn compare(home: &Home, model: &Model) {
    let mut found = Vec::new();
    for summary in home.messages().await {
        let octets = body(&home.store, summary.message).await.unwrap()[0];
        let parse = |text: &str| text.parse::<u8>().unwrap();
        let mut places: Vec<At> = summary
            .locations
            .iter()
            .map(|at| (parse(at.scope.folder.as_deref().unwrap()), parse(&at.scope.generation), parse(&at.id)))
            .collect();
        places.sort_unstable();
        found.push((octets, places));
    }
    let mut identities = HashMap::new();
    for (at, (_, places)) in found.iter().enumerate() {
        for place in places {
            assert_eq!(identities.insert(*place, at), None, "one identity, one message");
        }
    }
    let expected: Vec<_> = model
        .messages
        .iter()
        .filter(|message| !message.is_given_up)
        .map(|message| {
            let mut places = message.places.clone();
            places.sort_unstable();
            (message.octets, places)
        })
        .collect();
    assert_eq!(found, expected);
}

/// What the session sees of its own staged steps.
async fn compare_view(intake: &Intake, model: &Model, staged: &[Act]) {
    let mut ahead = model.clone();
    ahead.commit(staged);
    for folder in 0..2 {
        for generation in 0..3 {
            let scope = scope_of((folder, generation, 0));
            let had: Vec<String> = (0..4)
                .filter(|id| ahead.messages.iter().any(|message| message.places.contains(&(folder, generation, *id))))
                .map(|id| id.to_string())
                .collect();
            let all: Vec<String> = (0..4).map(|id| id.to_string()).collect();
            let unseen = intake.unseen(scope.clone(), all.clone()).await.unwrap();
            assert_eq!(all.iter().filter(|id| !unseen.contains(id)).cloned().collect::<Vec<_>>(), had);
            let mut known = intake.known(scope, None, 100).await.unwrap().ids;
            known.sort_unstable();
            assert_eq!(known, had);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_sessions_keep_to_the_model(acts in proptest::collection::vec(act(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(acts));
    }
}
