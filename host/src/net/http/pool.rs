//! The connections of one client: those that wait, and those that are shared. What has waited too long is closed by a task that lives
//! as long as something waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Settings;
use super::connection::{Connection, Sender};
use crate::fault::Fault;
use crate::limits::{HTTP_IDLE, HTTP_ORIGINS_KNOWN, HTTP_READY};
use crate::net::allow::Origin;

/// Connections by origin.
pub(super) struct Pool {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The oldest first.
    kept: Vec<Kept>,
    /// Held by whoever dials an origin of which it is not known that it takes one exchange a connection.
    dialling: HashMap<Origin, Weak<tokio::sync::Mutex<()>>>,
    /// Origins that took one exchange a connection when they were last dialled.
    unshared: HashSet<Origin>,
    /// Closes what has waited too long.
    reaper: Option<AbortOnDropHandle<()>>,
}

struct Kept {
    origin: Origin,
    since: Instant,
    connection: Arc<Connection>,
}

/// A connection for one exchange.
pub(super) struct Lease {
    pub(super) sender: Sender,
    /// Whether it was made for this exchange.
    pub(super) is_new: bool,
    origin: Origin,
    connection: Arc<Connection>,
}

impl Pool {
    /// With at most `most` connections that wait or are shared.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// A connection to `origin`: one that lives already, unless it must be `fresh`, or a new one. Whoever comes while another dials waits
    /// to see whether that connection can be shared.
    pub(super) async fn lease(self: &Arc<Self>, origin: &Origin, fresh: bool, settings: &Settings) -> Result<Lease, Fault> {
        if !fresh && let Some(lease) = self.living(origin).await {
            return Ok(lease);
        }
        // Without TLS there is no ALPN, hence nothing to share.
        if !origin.is_secure() || self.state().unshared.contains(origin) {
            return self.dial(origin, settings).await;
        }
        let gate = self.dialling(origin);
        let _alone = gate.lock().await;
        if !fresh && let Some(lease) = self.living(origin).await {
            return Ok(lease);
        }
        self.dial(origin, settings).await
    }

    async fn dial(self: &Arc<Self>, origin: &Origin, settings: &Settings) -> Result<Lease, Fault> {
        let connection = Arc::new(Connection::dial(origin, settings).await?);
        if connection.is_shared() {
            self.keep(origin.clone(), Arc::clone(&connection));
        }
        let mut state = self.state();
        if state.unshared.len() >= HTTP_ORIGINS_KNOWN {
            state.unshared.clear();
        }
        if connection.is_shared() {
            state.unshared.remove(origin);
        } else {
            state.unshared.insert(origin.clone());
        }
        drop(state);
        Ok(Lease { sender: connection.sender(), is_new: true, origin: origin.clone(), connection })
    }

    /// The exchange is over and its response was read to the end: others may have the connection.
    pub(super) fn give_back(self: &Arc<Self>, lease: Lease) {
        if lease.connection.is_shared() {
            let mut state = self.state();
            if let Some(kept) = state.kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.connection, &lease.connection)) {
                kept.since = Instant::now();
            }
        } else if lease.sender.is_open() {
            self.keep(lease.origin, lease.connection);
        }
    }

    /// Nobody else shall use this one: it refuses requests, or is about to end. What runs on it goes on.
    pub(super) fn retire(&self, lease: &Lease) {
        self.state().kept.retain(|kept| !Arc::ptr_eq(&kept.connection, &lease.connection));
    }

    /// The newest one to `origin` that still lives.
    async fn living(&self, origin: &Origin) -> Option<Lease> {
        loop {
            let connection = self.take(origin)?;
            let sender = connection.sender();
            if matches!(timeout(HTTP_READY, sender.is_ready()).await, Ok(true)) {
                return Some(Lease { sender, is_new: false, origin: origin.clone(), connection });
            }
            self.state().kept.retain(|kept| !Arc::ptr_eq(&kept.connection, &connection));
        }
    }

    /// One for this origin: a shared one stays, any other is taken out.
    fn take(&self, origin: &Origin) -> Option<Arc<Connection>> {
        let mut state = self.state();
        state.sweep();
        let at = state.kept.iter().rposition(|kept| kept.origin == *origin)?;
        let kept = state.kept.get(at)?;
        if kept.connection.is_shared() { Some(Arc::clone(&kept.connection)) } else { Some(state.kept.remove(at).connection) }
    }

    fn keep(self: &Arc<Self>, origin: Origin, connection: Arc<Connection>) {
        let mut state = self.state();
        state.sweep();
        if state.kept.len() >= self.most {
            // What is in use lives on with its exchanges.
            state.kept.remove(0);
        }
        state.kept.push(Kept { origin, since: Instant::now(), connection });
        if state.reaper.is_none() {
            let pool = Arc::downgrade(self);
            state.reaper = Some(AbortOnDropHandle::new(tokio::spawn(reap(pool))));
        }
    }

    fn dialling(&self, origin: &Origin) -> Arc<tokio::sync::Mutex<()>> {
        let mut state = self.state();
        state.dialling.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = state.dialling.get(origin).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::default();
        state.dialling.insert(origin.clone(), Arc::downgrade(&gate));
        gate
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Close what has waited too long or is closed already.
    fn sweep(&mut self) {
        self.kept.retain(|kept| {
            let is_used = Arc::strong_count(&kept.connection) > 1;
            is_used || (kept.since.elapsed() < HTTP_IDLE && kept.connection.sender().is_open())
        });
    }
}

async fn reap(pool: Weak<Pool>) {
    loop {
        sleep(HTTP_IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        state.sweep();
        if state.kept.is_empty() {
            // The next one that is kept begins another.
            if let Some(reaper) = state.reaper.take() {
                drop(reaper.detach());
            }
            return;
        }
    }
}
