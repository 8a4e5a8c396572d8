//! The run-time's mailroom over the store: one account's intake, counted and watched.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::event::{Event, Watcher};
use crate::clock::Timestamp;
use crate::connector::seam::{Delivery, Mailroom};
use crate::fault::Fault;
use crate::model::account::LeaveCopy;
use crate::model::message::{Arrival, Change, Page, Scope};
use crate::model::name::AccountName;
use crate::store::{Delivered, Intake, IntakeDelivery};

/// What a session did, for reports: what is durable, and for a progress bar how many octets have come.
#[derive(Debug, Default)]
pub struct Tally {
    durable: Mutex<Counts>,
    /// Octets of messages that came, durable or not.
    arrived: AtomicU64,
}

/// Numbers of messages.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// That were not here.
    pub stored: u64,
    /// Whose octets were here already.
    pub recognised: u64,
    /// Set aside.
    pub set_aside: u64,
    /// Whose folders or keywords changed.
    pub changed: u64,
    /// That the server has no more.
    pub removed: u64,
    /// Octets of those that came.
    pub octets: u64,
}

impl Tally {
    /// What is durable.
    #[must_use]
    pub fn durable(&self) -> Counts {
        *lock(&self.durable)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.recognised += other.recognised;
        self.set_aside += other.set_aside;
        self.changed += other.changed;
        self.removed += other.removed;
        self.octets += other.octets;
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    // Plain numbers are whole whatever the thread that held them did.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where one session's mail goes.
pub struct AccountMailroom {
    intake: Intake,
    account: AccountName,
    watcher: Arc<dyn Watcher>,
    tally: Arc<Tally>,
    leave_copy: LeaveCopy,
    /// What the next checkpoint makes durable.
    staged: Arc<Mutex<Counts>>,
}

impl AccountMailroom {
    /// For one session of `account`, which leaves copies on the server for as long.
    #[must_use]
    pub fn new(intake: Intake, account: AccountName, leave_copy: LeaveCopy, watcher: Arc<dyn Watcher>, tally: Arc<Tally>) -> Self {
        Self { intake, account, watcher, tally, leave_copy, staged: Arc::default() }
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
        Ok(Box::new(CountedDelivery { delivery, octets: 0, tally: Arc::clone(&self.tally), staged: Arc::clone(&self.staged) }))
    }

    async fn set_aside(&self, scope: Scope, arrival: Arrival, reason: Fault) -> Result<(), Fault> {
        tracing::warn!(account = %self.account, folder = scope.folder, id = arrival.id, %reason, "message set aside");
        self.intake.set_aside(scope, arrival, reason).await?;
        lock(&self.staged).set_aside += 1;
        Ok(())
    }

    async fn changed(&self, scope: Scope, changes: Vec<Change>) -> Result<(), Fault> {
        let count = changes.len() as u64;
        self.intake.changed(scope, changes).await?;
        lock(&self.staged).changed += count;
        Ok(())
    }

    async fn removed(&self, scope: Scope, ids: Vec<String>) -> Result<(), Fault> {
        let count = ids.len() as u64;
        self.intake.removed(scope, ids).await?;
        lock(&self.staged).removed += count;
        Ok(())
    }

    async fn retired(&self, scope: Scope) -> Result<(), Fault> {
        Ok(self.intake.retired(scope).await?)
    }

    async fn checkpoint(&self, scope: Scope, cursor: Vec<u8>) -> Result<(), Fault> {
        // What is handed over meanwhile belongs to the next one.
        let staged = std::mem::take(&mut *lock(&self.staged));
        self.intake.checkpoint(scope, cursor).await?;
        *lock(&self.tally.durable) += staged;
        Ok(())
    }

    /// What is durable, for as long as the account leaves a copy on the server.
    async fn expendable(&self, scope: Scope, after: Option<String>, max: usize) -> Result<Page, Fault> {
        match self.leave_copy.stored_before(Timestamp::now()) {
            Some(before) => Ok(self.intake.expendable(scope, after, max, before).await?),
            None => Ok(Page::default()),
        }
    }

    fn progress(&self, scope: Scope, done: u64, total: Option<u64>) {
        let octets = self.tally.arrived.load(Ordering::Relaxed);
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
    staged: Arc<Mutex<Counts>>,
}

#[async_trait]
impl Delivery for CountedDelivery {
    async fn write(&mut self, octets: Bytes) -> Result<(), Fault> {
        self.octets += octets.len() as u64;
        Ok(self.delivery.write(octets).await?)
    }

    async fn finish(self: Box<Self>) -> Result<(), Fault> {
        let delivered = self.delivery.finish().await?;
        self.tally.arrived.fetch_add(self.octets, Ordering::Relaxed);
        let mut staged = lock(&self.staged);
        match delivered {
            Delivered::Stored => staged.stored += 1,
            Delivered::Adopted => staged.recognised += 1,
        }
        staged.octets += self.octets;
        Ok(())
    }
}
