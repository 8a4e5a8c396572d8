//! The process that is ended: it works on a store, and writes each step into a log beside it before the step and after its
//! acknowledgement.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::upkeep::Upkeep;
use super::workload::{
    ACCOUNTS, Act, Expected, GIVEN_UP, KEPT_STEPS, OF_A_STEP, OF_STORE, RECEIVED, RETAINED, StoreAct, id_of, octets_of, scope_at, store_act,
};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::model::message::{Change, Scope};
use crate::model::name::AccountId;
use crate::secret::Secret;
use crate::store::failpoint::Failpoint;
use crate::store::tests::{account, arrival, scope};
use crate::store::{Error, Intake, Retention, Store};

/// Holds the [`Orders`] of a child.
pub(super) const VARIABLE: &str = "POSTRIDER_TEST_LABORATORY";

/// Written at the end, beside the log: how often each failpoint was passed.
pub(super) const PASSED: &str = "passed";

/// Failures in a row after which a child gives up.
const TRIES: u32 = 3;

/// What a child shall do.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) home: PathBuf,
    pub(super) log: PathBuf,
    pub(super) seed: u64,
    pub(super) task: Task,
}

/// What it does to the store.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Task {
    /// Receive: so many steps of each account, and beside it one act of upkeep, or none.
    Receive { steps: u64, upkeep: Option<Upkeep> },
    /// Nothing but this.
    Only(Upkeep),
}

#[test]
#[ignore = "the laboratory starts it in a process of its own"]
fn process() {
    let orders: Orders = serde_json::from_str(&std::env::var(VARIABLE).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let passed = orders.log.with_file_name(PASSED);
    runtime.block_on(run(Arc::new(orders)));
    let counts = Failpoint::ALL.map(|point| (format!("{point:?}"), point.passed()));
    std::fs::write(passed, serde_json::to_vec(&counts).unwrap()).unwrap();
}

async fn run(orders: Arc<Orders>) {
    let (steps, upkeep) = match orders.task {
        Task::Receive { steps, upkeep } => (steps, upkeep),
        Task::Only(upkeep) => {
            // A step of it that fails is for the next one to deal with.
            let _ = upkeep.carry_out_alone(&orders).await;
            return;
        }
    };
    // Sled writes a snapshot whenever it opens a tree and when it closes it; whoever ends it then leaves the draft.
    let records = orders.home.join("store/records");
    if records.is_dir() {
        std::fs::write(records.join("snap.00000000FFFFFFFF.generating"), "").unwrap();
    }
    // A failpoint of opening may have failed it: that is for the next one to deal with.
    let Ok(store) = super::open_soon(&orders.home).await else { return };
    for id in 1..=RETAINED {
        if store.put_account(account(id, &format!("a{id}")), Vec::new()).await.is_err() {
            return;
        }
    }
    let mut tasks: Vec<_> = (1..=ACCOUNTS).map(|id| tokio::spawn(receive(store.clone(), Arc::clone(&orders), id, steps))).collect();
    tasks.push(tokio::spawn(keep_store(store.clone(), Arc::clone(&orders), steps)));
    tasks.push(tokio::spawn(receive_and_give_up(store.clone(), Arc::clone(&orders), steps)));
    tasks.push(tokio::spawn(compact(store.clone(), steps)));
    if let Some(upkeep) = upkeep {
        let (store, orders) = (store.clone(), Arc::clone(&orders));
        tasks.push(tokio::spawn(async move { drop(upkeep.carry_out(&store, &orders).await) }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let _ = store.close().await;
}

/// Makes garbage and compacts the spool, again and again, while the others receive.
async fn compact(store: Store, times: u64) {
    for at in 0..times {
        let intake = store.intake(AccountId(1));
        if hand_over(&intake, scope("INBOX", "1"), "given-up", &vec![0; 20_000]).await.is_err() {
            return;
        }
        drop(intake);
        // What fails is for the next one to deal with.
        let _ = store.compact().await;
        tokio::time::sleep(Duration::from_millis(at % 7)).await;
    }
}

/// One account's steps, from the one that its cursor says.
async fn receive(store: Store, orders: Arc<Orders>, id: u32, steps: u64) {
    let mut failures = 0;
    let mut done = 0;
    while done < steps && failures < TRIES {
        let Ok(cursor) = store.cursor(AccountId(id), Some("INBOX")).await else { return };
        let step = step_of(cursor) + 1;
        let expected = Expected::after(orders.seed, id, step - 1);
        note(&orders, "begin", id, step);
        match one_step(&store, &orders, id, step, expected.acts(orders.seed, id, step)).await {
            Ok(()) => {
                note(&orders, "done", id, step);
                (done, failures) = (done + 1, 0);
            }
            Err(_) => failures += 1,
        }
    }
}

async fn one_step(store: &Store, orders: &Orders, id: u32, step: u64, acts: Vec<Act>) -> Result<(), Error> {
    let intake = store.intake(AccountId(id));
    for act in acts {
        match act {
            Act::Deliver { scope, content } => {
                hand_over(&intake, scope, &id_of(content), &octets_of(orders.seed, id, content)).await?;
            }
            Act::SetAside { scope, content } => {
                intake.set_aside(scope, arrival(&id_of(content)), Fault::new(Kind::Malformed, "read a message")).await?;
            }
            Act::Changed { scope, contents, keyword } => {
                let change = |content| Change { id: id_of(content), folders: vec!["INBOX".to_owned()], keywords: vec![keyword.clone()] };
                intake.changed(scope, contents.into_iter().map(change).collect()).await?;
            }
            Act::Removed { scope, contents } => intake.removed(scope, contents.into_iter().map(id_of).collect()).await?,
            Act::Retired { scope } => intake.retired(scope).await?,
        }
    }
    intake.checkpoint(scope_at(step), step.to_be_bytes().to_vec()).await
}

/// Documents, and accounts that come and go. A step that was begun and not acknowledged is done again.
async fn keep_store(store: Store, orders: Arc<Orders>, steps: u64) {
    let first = super::Progress::read(&orders.log).done(OF_STORE) + 1;
    for step in first..first + steps {
        note(&orders, "begin", OF_STORE, step);
        let done = match store_act(orders.seed, step) {
            StoreAct::Document { key, octets } => store.put_document("laboratory", &key, &octets).await,
            StoreAct::Account(id) => {
                let secret = ("receive".to_owned(), Secret::new("correct horse"));
                store.put_account(account(id, &format!("a{id}")), vec![secret]).await
            }
            StoreAct::Receive(id) => receive_a_few(&store.intake(AccountId(id))).await,
            StoreAct::Remove(id) => match store.remove_account(AccountId(id)).await {
                Err(Error::NoAccount(_)) => Ok(()),
                removed => removed,
            },
        };
        if done.is_err() {
            return;
        }
        note(&orders, "done", OF_STORE, step);
    }
}

/// Messages of which only those of the last steps are kept.
async fn receive_and_give_up(store: Store, orders: Arc<Orders>, steps: u64) {
    let account = AccountId(RETAINED);
    for _ in 0..steps {
        let Ok(cursor) = store.cursor(account, Some("INBOX")).await else { return };
        let step = step_of(cursor) + 1;
        note(&orders, "begin", RETAINED, step);
        let intake = store.intake(account);
        for number in 0..OF_A_STEP {
            let octets = octets_of(orders.seed, RETAINED, (step, number));
            if hand_over(&intake, scope("INBOX", "1"), &id_of((step, number)), &octets).await.is_err() {
                return;
            }
        }
        if intake.checkpoint(scope("INBOX", "1"), step.to_be_bytes().to_vec()).await.is_err() {
            return;
        }
        note(&orders, "done", RETAINED, step);
        let last = step.saturating_sub(KEPT_STEPS);
        let Ok(held) = store.messages(Some(account), 0, usize::MAX).await else { return };
        let is_over = |subject: &str| subject.split_once('.').is_some_and(|(step, _)| step.parse::<u64>().unwrap() <= last);
        let over = held.iter().filter(|held| held.subject.as_deref().is_some_and(is_over)).map(|held| held.sequence);
        let Some(up_to) = over.max() else { continue };
        note(&orders, "begin", GIVEN_UP, last);
        let retention = Retention { stored_before: Timestamp(u64::MAX), up_to };
        if store.retain(account, retention, Timestamp::now()).await.is_err() {
            return;
        }
        note(&orders, "done", GIVEN_UP, last);
    }
}

async fn receive_a_few(intake: &Intake) -> Result<(), Error> {
    for at in 0..RECEIVED {
        hand_over(intake, scope("INBOX", "1"), &at.to_string(), at.to_string().as_bytes()).await?;
    }
    intake.checkpoint(scope("INBOX", "1"), Vec::new()).await
}

async fn hand_over(intake: &Intake, scope: Scope, id: &str, octets: &[u8]) -> Result<(), Error> {
    let mut delivery = intake.begin(scope, arrival(id)).await?;
    for piece in octets.chunks(50_000) {
        delivery.write(Bytes::copy_from_slice(piece)).await?;
    }
    delivery.finish().await.map(drop)
}

/// The step that a cursor stands for.
pub(super) fn step_of(cursor: Option<Vec<u8>>) -> u64 {
    cursor.map_or(0, |cursor| u64::from_be_bytes(cursor.try_into().unwrap()))
}

fn note(orders: &Orders, word: &str, account: u32, step: u64) {
    let mut log = File::options().append(true).create(true).open(&orders.log).unwrap();
    // One write a line: what the process had acknowledged stands there however it ends.
    log.write_all(format!("{word} {account} {step}\n").as_bytes()).unwrap();
}
