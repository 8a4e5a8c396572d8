//! One session of one account with one connector: what it is allowed, and what all its imports share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::access::HttpAccess;
use super::budget::{LogBudget, Meter, WAIT};
use super::contract::{self, LIMIT, refusal, shortened};
use super::host::Refusal;
use super::seam::{Committing, CredentialBroker, Mailroom};
use crate::fault::{Fault, Kind};
use crate::limits::contract::MESSAGE_OCTETS;
use crate::limits::{CALLS_IN_FLIGHT, Limits};
use crate::model::endpoint::Endpoint;
use crate::model::name::{AccountName, ConnectorId};
use crate::net::Observe;

/// Lines of standard error that are kept: a panic takes three.
const LAST_LINES: usize = 4;

/// What one session may reach, and for whom it works. All that a component can name is in here.
pub struct SessionContext {
    /// Whose session it is.
    pub account: AccountName,
    /// The account's servers, under the names that the manifest gives its endpoints.
    pub endpoints: Vec<(String, Endpoint)>,
    /// HTTP, where the operator approved origins.
    pub http: Option<HttpAccess>,
    /// Where the account's mail goes.
    pub mailroom: Arc<dyn Mailroom>,
    /// Who signs in.
    pub credentials: Arc<dyn CredentialBroker>,
    /// The account's limits.
    pub limits: Limits,
    /// JSON that was checked against the manifest's schema.
    pub settings: String,
    /// Who is told of the stages of every opened line.
    pub observer: Arc<dyn Observe>,
}

/// A connector as messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: ConnectorId,
    pub(super) version: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connector {} {}", self.id, self.version)
    }
}

/// What all imports of one session share.
pub(super) struct Session {
    pub(super) connector: Named,
    pub(super) context: SessionContext,
    pub(super) committing: Option<Arc<dyn Committing>>,
    pub(super) meter: Arc<Meter>,
    pub(super) stopped: CancellationToken,
    /// Permits to open a connection; a connection holds its own until it is dropped.
    pub(super) connections: Arc<Semaphore>,
    calls: Semaphore,
    log: Mutex<LogBudget>,
    last_words: Mutex<VecDeque<String>>,
    pending: Mutex<Pending>,
    failure: Mutex<Option<Fault>>,
}

/// What was handed over since the last checkpoint.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pending {
    pub(super) messages: u64,
    pub(super) octets: u64,
}

impl Session {
    pub(super) fn new(connector: Named, context: SessionContext, committing: Option<Arc<dyn Committing>>) -> Self {
        let permits = |limit: u64| Arc::new(Semaphore::new(usize::try_from(limit).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)));
        Self {
            meter: Arc::new(Meter::new(&context.limits)),
            stopped: CancellationToken::new(),
            connections: permits(context.limits.connections),
            calls: Semaphore::new(CALLS_IN_FLIGHT),
            last_words: Mutex::default(),
            log: Mutex::new(LogBudget::new(&context.limits, Instant::now())),
            pending: Mutex::default(),
            failure: Mutex::default(),
            connector,
            context,
            committing,
        }
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.context.limits
    }

    /// Run one import that the host works on; see [`wait`](Self::wait).
    pub(super) async fn import<R>(&self, call: impl Future<Output = Result<R, Refusal>>) -> Result<R, Refusal> {
        let _working = self.meter.activity.work();
        self.wait(call).await
    }

    /// Run one import that may wait for the component itself: counted, ended as `cancelled` when the session is stopped, and known
    /// afterwards to have waited or not.
    pub(super) async fn wait<R>(&self, call: impl Future<Output = Result<R, Refusal>>) -> Result<R, Refusal> {
        let Ok(_under_way) = self.calls.try_acquire() else {
            return Err(Refusal::Answer(refusal(LIMIT, format!("at most {CALLS_IN_FLIGHT} calls may be under way at once"))));
        };
        if let Some(wait) = self.meter.count_call() {
            tokio::time::sleep(wait).await;
        }
        let began = Instant::now();
        let outcome = tokio::select! {
            biased;
            () = self.stopped.cancelled() => Err(Fault::new(Kind::Cancelled, "go on: the session is being stopped").into()),
            outcome = call => outcome,
        };
        if began.elapsed() >= WAIT {
            self.meter.renew();
        }
        outcome
    }

    pub(super) fn log_budget(&self) -> MutexGuard<'_, LogBudget> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keep the last lines that the program wrote to standard error: a panic's text, if it ends now.
    pub(super) fn said(&self, line: &str) {
        let mut last = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= LAST_LINES {
            last.pop_front();
        }
        last.push_back(shortened(line, MESSAGE_OCTETS).to_owned());
    }

    /// The last lines on standard error.
    pub(super) fn last_words(&self) -> String {
        let last = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }

    /// What waits for the next checkpoint.
    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keep what a host call failed with. The component gets a shortened form of it; where it hands that on, the operator
    /// shall see the whole.
    pub(super) fn remember(&self, fault: &Fault) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
    }

    /// The last remembered failure that the component was told as one of this kind.
    pub(super) fn remembered(&self, kind: Kind) -> Option<Fault> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.filter(|fault| contract::told(fault.kind) == kind)
    }
}
