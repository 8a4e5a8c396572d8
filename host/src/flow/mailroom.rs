//! The run-time's mailroom over the store: one account's intake, counted and watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::event::{Event, Watcher};
use crate::connector::seam::{Delivery, Mailroom};
use crate::fault::Fault;
use crate::model::message::{Arrival, Change, Page, Scope};
use crate::model::name::AccountName;
use crate::store::{Delivered, Intake, IntakeDelivery};

/// What a session handed over, for reports. Counts may run ahead of what is durable.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages that were not here.
    pub stored: AtomicU64,
    /// Messages whose octets were here already.
    pub recognised: AtomicU64,
    /// Messages set aside.
    pub set_aside: AtomicU64,
    /// Octets of messages.
    pub octets: AtomicU64,
    /// Messages whose folders or keywords changed.
    pub changed: AtomicU64,
    /// Messages that the server has no more.
    pub removed: AtomicU64,
}

/// Where one session's mail goes.
pub struct AccountMailroom {
    intake: Intake,
    account: AccountName,
    watcher: Arc<dyn Watcher>,
    tally: Arc<Tally>,
}

impl AccountMailroom {
    /// For one session of `account`.
    #[must_use]
    pub fn new(intake: Intake, account: AccountName, watcher: Arc<dyn Watcher>, tally: Arc<Tally>) -> Self {
        Self { intake, account, watcher, tally }
    }
}

#[async_trait]
impl Mailroom for AccountMailroom {
    async fn unseen(&self, scope: Scope, ids: Vec<String>) -> Result<Vec<String>, Fault> {
        Ok(self.intake.unseen(scope, ids).await?)
    }

    async fn known(&self, scope: Scope, after: Option<String>, max: usize) -> Result<Page, Fault> {
        Ok(self.intake.known(scope, after, max).await?)
    }

    async fn recognise(&self, scope: Scope, arrivals: Vec<Arrival>) -> Result<Vec<bool>, Fault> {
        Ok(self.intake.recognise(scope, arrivals).await?)
    }

    async fn begin(&self, scope: Scope, arrival: Arrival) -> Result<Box<dyn Delivery>, Fault> {
        let delivery = self.intake.begin(scope, arrival).await?;
        Ok(Box::new(CountedDelivery { delivery, octets: 0, tally: Arc::clone(&self.tally) }))
    }

    async fn set_aside(&self, scope: Scope, arrival: Arrival, reason: Fault) -> Result<(), Fault> {
        tracing::warn!(account = %self.account, folder = scope.folder, id = arrival.id, %reason, "message set aside");
        self.intake.set_aside(scope, arrival, reason).await?;
        self.tally.set_aside.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn changed(&self, scope: Scope, changes: Vec<Change>) -> Result<(), Fault> {
        let count = changes.len() as u64;
        self.intake.changed(scope, changes).await?;
        self.tally.changed.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    async fn removed(&self, scope: Scope, ids: Vec<String>) -> Result<(), Fault> {
        let count = ids.len() as u64;
        self.intake.removed(scope, ids).await?;
        self.tally.removed.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    async fn retired(&self, scope: Scope) -> Result<(), Fault> {
        Ok(self.intake.retired(scope).await?)
    }

    async fn checkpoint(&self, scope: Scope, cursor: Vec<u8>) -> Result<(), Fault> {
        Ok(self.intake.checkpoint(scope, cursor).await?)
    }

    /// Nothing: an account leaves its mail on the server until a rule of its own says otherwise, and no account has one yet.
    async fn expendable(&self, _scope: Scope, _after: Option<String>, _max: usize) -> Result<Page, Fault> {
        Ok(Page::default())
    }

    fn progress(&self, scope: Scope, done: u64, total: Option<u64>) {
        let octets = self.tally.octets.load(Ordering::Relaxed);
        self.watcher.event(Event::Progress { account: self.account.clone(), folder: scope.folder, done, total, octets });
    }

    async fn state_get(&self, key: String) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.intake.state_get(key).await?)
    }

    async fn state_put(&self, key: String, value: Option<Vec<u8>>) -> Result<(), Fault> {
        Ok(self.intake.state_put(key, value).await?)
    }
}

struct CountedDelivery {
    delivery: IntakeDelivery,
    octets: u64,
    tally: Arc<Tally>,
}

#[async_trait]
impl Delivery for CountedDelivery {
    async fn write(&mut self, octets: Bytes) -> Result<(), Fault> {
        self.octets += octets.len() as u64;
        Ok(self.delivery.write(octets).await?)
    }

    async fn finish(self: Box<Self>) -> Result<(), Fault> {
        let count = match self.delivery.finish().await? {
            Delivered::Stored => &self.tally.stored,
            Delivered::Adopted => &self.tally.recognised,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.tally.octets.fetch_add(self.octets, Ordering::Relaxed);
        Ok(())
    }
}
