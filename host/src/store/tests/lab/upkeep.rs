//! Upkeep of a store: begun beside what is received, and alone, ended at any of its steps, and begun again.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::child::PASSED;
use super::*;
use crate::clock::Timestamp;
use crate::store::{NewKey, Retention, restore};

/// A backup that a child has made, beside the store.
pub(super) const BACKUP: &str = "backup";

/// Steps of each account of the store that is kept up.
const STEPS: u64 = 6;

/// Octets that are changed in the segments before a repair.
const CHANGED: u64 = 3;

/// An act that is about the store as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Upkeep {
    Rotate,
    Rekey,
    MakeRecoveryKey,
    BackUp,
    Compact,
    /// Give up all messages of the account for that.
    Retain,
    Repair,
    /// Make a store out of the backup, where none is.
    Restore,
}

impl Upkeep {
    const ALL: [Self; 8] =
        [Self::Rotate, Self::Rekey, Self::MakeRecoveryKey, Self::BackUp, Self::Compact, Self::Retain, Self::Repair, Self::Restore];

    /// What goes on beside receiving: often nothing.
    pub(super) fn of_round(number: u64) -> Option<Self> {
        [Self::Rotate, Self::Rekey, Self::MakeRecoveryKey, Self::BackUp].get((number % 8) as usize).copied()
    }

    /// On a store that is not open.
    pub(super) async fn carry_out_alone(self, orders: &Orders) -> Result<(), Error> {
        if self == Self::Restore {
            let key = KeySource::File(orders.home.join("master.key"));
            return restore(&orders.log.with_file_name(BACKUP), &orders.home.join("store"), key).await.map(drop);
        }
        let store = open_soon(&orders.home).await?;
        let done = self.carry_out(&store, orders).await;
        store.close().await?;
        done
    }

    pub(super) async fn carry_out(self, store: &Store, orders: &Orders) -> Result<(), Error> {
        match self {
            Self::Rotate => store.rotate(|_| {}).await.map(drop),
            Self::Rekey => store.rekey(NewKey::File(orders.home.join("master.key"))).await.map(drop),
            Self::MakeRecoveryKey => store.make_recovery_key().await.map(drop),
            Self::BackUp => back_up(store, &orders.log.with_file_name(BACKUP)).await,
            Self::Compact => store.compact().await.map(drop),
            Self::Retain => {
                let all = Retention { stored_before: Timestamp(u64::MAX), up_to: u64::MAX };
                store.retain(AccountId(RETAINED), all, Timestamp::now()).await.map(drop)
            }
            Self::Repair => store.repair(true, |_| {}).await.map(drop),
            Self::Restore => unreachable!("a store that is open"),
        }
    }
}

async fn back_up(store: &Store, to: &Path) -> Result<(), Error> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel(4);
    let making = tokio::spawn({
        let store = store.clone();
        async move { store.backup(sender).await }
    });
    let mut octets = Vec::new();
    while let Some(piece) = pieces.recv().await {
        octets.extend_from_slice(&piece);
    }
    making.await.unwrap()?;
    let draft = to.with_extension("draft");
    std::fs::write(&draft, octets).unwrap();
    std::fs::rename(draft, to).unwrap();
    Ok(())
}

/// A store with a history, and what an act of upkeep passes on it.
struct Bench {
    upkeep: Upkeep,
    base: Laboratory,
    /// The failpoint, the moment and the passing.
    ends: Vec<String>,
}

impl Bench {
    fn new(upkeep: Upkeep, random: &mut Random) -> Self {
        let base = Laboratory::new(random.next());
        base.run(Task::Receive { steps: STEPS, upkeep: None }, None);
        base.verify("before upkeep");
        match upkeep {
            Upkeep::Compact => block_on(base.make_garbage()),
            Upkeep::Repair => base.change_octets(random),
            Upkeep::Restore => {
                base.run(Task::Only(Upkeep::BackUp), None);
                std::fs::remove_dir_all(base.home.join("store")).unwrap();
            }
            _ => {}
        }
        let trial = base.copy();
        trial.run(Task::Only(upkeep), None);
        let passed: Vec<(String, u64)> = serde_json::from_slice(&std::fs::read(trial.beside(PASSED)).unwrap()).unwrap();
        let ends = passed.iter().flat_map(|(point, passed)| {
            (1..=*passed).flat_map(move |passing| ["before", "after"].map(|moment| format!("{point} {moment} kill {passing}")))
        });
        Self { upkeep, base, ends: ends.collect() }
    }

    fn round(&self, end: &str) {
        let laboratory = self.base.copy();
        let round = format!("{:?}, {end}", self.upkeep);
        let only = Task::Only(self.upkeep);
        let status = laboratory.run(only, Some(end));
        // A retry of opening, or of a commit that was shared, may pass a step less often than the trial did.
        let was_killed = status.signal() == Some(9);
        if was_killed {
            laboratory.verify_upkept(self.upkeep, &round, false);
        }
        if !(self.upkeep == Upkeep::Restore && laboratory.home.join("store").exists()) {
            laboratory.run(only, None);
        }
        laboratory.verify_upkept(self.upkeep, &format!("{round}, and again"), true);
    }
}

impl Laboratory {
    fn copy(&self) -> Self {
        let copy = Self::new(self.seed);
        damage::copy(self.folder.path(), copy.folder.path());
        copy
    }

    async fn make_garbage(&self) {
        let store = open_soon(&self.home).await.unwrap();
        for id in ["given-up", "given-up-too"] {
            let intake = store.intake(AccountId(1));
            deliver(&intake, &scope("INBOX", "1"), arrival(id), &[0; 90_000]).await;
        }
        store.close().await.unwrap();
    }

    /// Change octets in the frames of the segments.
    fn change_octets(&self, random: &mut Random) {
        let folder = self.home.join("store/spool");
        let mut segments: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.sort();
        for _ in 0..CHANGED {
            let path = &segments[random.below(segments.len() as u64) as usize];
            let mut octets = std::fs::read(path).unwrap();
            let at = 200 + random.below(octets.len() as u64 - 200) as usize;
            octets[at] ^= 1;
            std::fs::write(path, octets).unwrap();
        }
    }

    /// What holds after an act of upkeep, wherever it was ended; `is_whole` when it was not.
    fn verify_upkept(&self, upkeep: Upkeep, round: &str, is_whole: bool) {
        match upkeep {
            Upkeep::Restore if !is_whole && !self.home.join("store").exists() => {}
            Upkeep::Retain => block_on(self.verify_retained(round, is_whole)),
            Upkeep::Repair => block_on(self.verify_repaired(round, is_whole)),
            Upkeep::Rotate if is_whole => {
                self.verify(round);
                block_on(async {
                    let store = open_soon(&self.home).await.unwrap();
                    let state = store.key_state().await.unwrap();
                    assert!(!state.is_half_rotated && state.epoch > 1, "{round}: {state:?}");
                    store.close().await.unwrap();
                });
            }
            _ => self.verify(round),
        }
    }

    /// All of the account's messages are given up, or none.
    async fn verify_retained(&self, round: &str, is_whole: bool) {
        let store = open_soon(&self.home).await.unwrap_or_else(|error| panic!("{round}: {error:?}"));
        let mut progress = self.progress();
        let steps = progress.done(RETAINED);
        let is_gone = store.messages(Some(AccountId(RETAINED)), 0, 1).await.unwrap().is_empty();
        assert!(is_gone || !is_whole, "{round}: messages are still there");
        if is_gone {
            progress.begun.insert(GIVEN_UP, steps);
            progress.done.insert(GIVEN_UP, steps);
        }
        self.compare_with(&store, &progress, round).await;
        assert!(store.check(|_| {}).await.unwrap().is_clean(), "{round}");
        store.close().await.unwrap();
    }

    /// At most as many messages are without octets as octets were changed; all others are as they were.
    async fn verify_repaired(&self, round: &str, is_whole: bool) {
        let store = open_soon(&self.home).await.unwrap_or_else(|error| panic!("{round}: {error:?}"));
        let mut lost = 0;
        let mut names = BTreeSet::new();
        for id in 1..=ACCOUNTS {
            let expected = Expected::after(self.seed, id, child::step_of(store.cursor(AccountId(id), Some("INBOX")).await.unwrap()));
            for summary in store.messages(Some(AccountId(id)), 0, usize::MAX).await.unwrap() {
                let Some(subject) = &summary.subject else { continue };
                let (step, number) = subject.split_once('.').unwrap();
                let content = (step.parse().unwrap(), number.parse().unwrap());
                assert!(names.insert((id, content)), "{round}: message {subject} is there twice");
                if matches!(summary.content, Content::SetAside { .. }) {
                    lost += 1;
                    continue;
                }
                match body(&store, summary.message).await {
                    Ok(octets) => {
                        assert!(octets == workload::octets_of(self.seed, id, content), "{round}: other octets in {subject}");
                        assert!(is_whole || expected.0.is_empty() || expected.0.contains_key(&content), "{round}: {subject}");
                    }
                    Err(Error::Damaged { .. }) => lost += 1,
                    Err(error) => panic!("{round}: {error:?}"),
                }
            }
        }
        assert!(lost <= CHANGED as usize, "{round}: {lost} messages have no octets");
        let report = store.check(|_| {}).await.unwrap();
        assert!(report.is_clean() || !is_whole, "{round}: {:?}", report.findings);
        store.close().await.unwrap();
    }
}

#[test]
fn upkeep_that_is_killed_loses_nothing_and_can_be_done_again() {
    let (rounds, seed) = rounds();
    let mut random = Random(seed);
    let benches = Upkeep::ALL.map(|upkeep| Bench::new(upkeep, &mut random));
    for round in 0..rounds {
        let bench = &benches[(round % benches.len() as u64) as usize];
        bench.round(&bench.ends[random.below(bench.ends.len() as u64) as usize]);
    }
    let steps: Vec<_> = benches.iter().map(|bench| (bench.upkeep, bench.ends.len())).collect();
    println!("ends to choose from: {steps:?}");
}
