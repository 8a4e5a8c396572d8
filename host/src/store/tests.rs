//! The store as others use it.

use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;

use super::{Delivered, Error, Intake, KeySource, Store};
use crate::clock::Timestamp;
use crate::model::account::{Account, Keep};
use crate::model::message::{Arrival, Part, Scope, Summary};
use crate::model::name::{AccountId, MessageId};

mod accounts;
mod adoption;
mod backup;
mod bounds;
mod compaction;
mod crash;
mod damage;
mod fixture;
mod intake;
mod lab;
mod load;
mod model;
mod opening;
mod repair;
mod replayed;
mod retention;
mod rotation;
mod runtime;
mod scratch;
mod spool;

/// A store in a folder of its own.
struct Home {
    folder: TempDir,
    store: Store,
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await.unwrap();
        Self { folder, store }
    }

    /// With one account, number 1.
    async fn with_account() -> Self {
        let home = Self::new().await;
        home.store.put_account(account(1, "help"), Vec::new()).await.unwrap();
        home
    }

    /// Every message, by sequence.
    async fn messages(&self) -> Vec<Summary> {
        self.store.messages(None, 0, usize::MAX).await.unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }

    async fn reopen(self) -> Self {
        let Self { folder, store } = self;
        store.close().await.unwrap();
        let store = open(folder.path()).await.unwrap();
        Self { folder, store }
    }

    fn intake(&self) -> Intake {
        self.store.intake(AccountId(1))
    }

    /// What the check has to say, as one text.
    async fn check(&self) -> String {
        let report = self.store.check(|_| {}).await.unwrap();
        report.findings.iter().map(|finding| format!("{finding:?}\n")).collect()
    }

    async fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        for summary in self.messages().await {
            bodies.push(body(&self.store, summary.message).await.unwrap());
        }
        bodies
    }
}

async fn open(home: &Path) -> Result<Store, Error> {
    Store::open(&home.join("store"), KeySource::File(home.join("master.key"))).await
}

fn account(id: u32, name: &str) -> Account {
    Account { id: AccountId(id), name: name.parse().unwrap(), receive: None, send: None, created: Timestamp(1), keep: Keep::Forever }
}

fn scope(folder: &str, generation: &str) -> Scope {
    Scope { folder: Some(folder.to_owned()), generation: generation.to_owned() }
}

fn arrival(id: &str) -> Arrival {
    Arrival {
        id: id.to_owned(),
        stable: None,
        folders: vec!["INBOX".to_owned()],
        keywords: Vec::new(),
        thread: None,
        received: None,
        size: None,
        part: Part::Whole,
        extra: Vec::new(),
    }
}

fn stable(id: &str, stable: &str) -> Arrival {
    Arrival { stable: Some(stable.to_owned()), ..arrival(id) }
}

async fn deliver(intake: &Intake, scope: &Scope, arrival: Arrival, octets: &[u8]) -> Delivered {
    let mut delivery = intake.begin(scope.clone(), arrival).await.unwrap();
    for piece in octets.chunks(50_000) {
        delivery.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    delivery.finish().await.unwrap()
}

async fn body(store: &Store, message: MessageId) -> Result<Vec<u8>, Error> {
    let mut reader = store.body(message).await?.expect("there is such a message");
    let mut octets = Vec::new();
    while let Some(piece) = reader.next().await? {
        assert!(piece.len() <= 64 << 10);
        octets.extend_from_slice(&piece);
    }
    assert_eq!(octets.len() as u64, reader.size());
    Ok(octets)
}

fn ids(of: &[&str]) -> Vec<String> {
    of.iter().map(|id| (*id).to_owned()).collect()
}
