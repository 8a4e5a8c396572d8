//! One session's mail on its way into the store: staged until its checkpoint, then durable in one transaction.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::apply::{self, Checkpoint};
use super::error::Error;
use super::layout;
use super::shared::{Open, Shared};
use super::step::{self, Step, within};
use super::transaction::Transaction;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::model::message::{Arrival, Change, Scope};
use crate::model::name::AccountId;
use staged::Staged;

mod delivery;
mod listing;
mod staged;
mod state;

pub use delivery::{Delivered, IntakeDelivery};

/// Notes (ids changed, removed, recognised) between two checkpoints, for each message that may be delivered between them.
const NOTES_PER_MESSAGE: u64 = 100;

/// Octets of ids, labels, header fields and values that wait for one checkpoint, for each message that may be delivered before it. Ten
/// thousand messages of every day have 5 MB, and none has so much that more than this stands in memory for a session.
const TEXT_OCTETS_PER_MESSAGE: u64 = 8 << 10;

/// Octets of the words with which a message was set aside.
const REASON_OCTETS: usize = 4_096;

/// Takes over one session's mail for one account: the semantics are those of `mailbox` and `state` in the contract. Several may
/// be open for an account. Dropped without a checkpoint, nothing of what it staged is kept.
pub struct Intake {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    shared: Arc<Shared>,
    account: AccountId,
    limits: Limits,
    session: Mutex<Session>,
    /// One checkpoint at a time.
    turn: tokio::sync::Mutex<()>,
}

/// What the session has handed over.
#[derive(Default)]
struct Session {
    /// For the next checkpoint.
    staged: Staged,
    /// In the checkpoint that is under way; its steps are with the committer.
    under_way: Option<Staged>,
    failure: Option<Failure>,
    /// By folder and generation: whether messages stand there under another generation.
    other_ids: HashMap<(layout::Hash, String), bool>,
}

/// Why nothing more of the session is taken.
#[derive(Clone)]
struct Failure(Option<Arc<Error>>);

impl Intake {
    pub(super) fn new(shared: Arc<Shared>, account: AccountId) -> Self {
        let accounts = shared.open().ok();
        let accounts = accounts.as_ref().map(|open| open.accounts.read().unwrap_or_else(PoisonError::into_inner));
        let role = accounts.as_ref().and_then(|accounts| accounts.get(&account)).and_then(|account| account.receive.as_ref());
        let limits = role.map_or_else(Limits::default, |role| role.limits.apply());
        drop(accounts);
        let (session, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { shared, account, limits, session, turn }) }
    }

    /// Remember a message that cannot be had or read; it counts as had.
    ///
    /// # Errors
    /// Over a limit, a failed session.
    pub async fn set_aside(&self, scope: Scope, arrival: Arrival, reason: Fault) -> Result<(), Error> {
        step::check_scope(&scope)?;
        step::check_arrival(&arrival)?;
        let causes: Vec<_> = reason.causes().collect();
        let mut words = reason.to_string();
        for cause in causes {
            words.push_str(": ");
            words.push_str(cause);
        }
        words.truncate(words.floor_char_boundary(REASON_OCTETS));
        self.inner.stage(|index, staged, limits| {
            staged.count_message(limits)?;
            staged.count_text(step::arrival_octets(&arrival) + words.len(), limits)?;
            staged.note_had(index, &scope, &arrival.id);
            staged.steps.push(Step::SetAside { scope, arrival: Box::new(arrival), reason: words });
            Ok(())
        })
    }

    /// Folders and keywords as they now are; unknown ids are ignored.
    ///
    /// # Errors
    /// Over a limit, a failed session.
    pub async fn changed(&self, scope: Scope, changes: Vec<Change>) -> Result<(), Error> {
        self.check_call(&scope, changes.len())?;
        changes.iter().try_for_each(step::check_change)?;
        self.inner.stage(|_, staged, limits| {
            staged.count_notes(changes.len(), limits)?;
            staged.count_text(changes.iter().map(step::change_octets).sum(), limits)?;
            staged.steps.push(Step::Changed { scope, changes });
            Ok(())
        })
    }

    /// The server has these no more; what is stored stays.
    ///
    /// # Errors
    /// Over a limit, a failed session.
    pub async fn removed(&self, scope: Scope, ids: Vec<String>) -> Result<(), Error> {
        self.check_call(&scope, ids.len())?;
        ids.iter().try_for_each(|id| step::check_id(id))?;
        self.inner.stage(|index, staged, limits| {
            staged.count_notes(ids.len(), limits)?;
            staged.count_text(ids.iter().map(String::len).sum(), limits)?;
            ids.iter().for_each(|id| staged.note_removed(index, &scope, id));
            staged.steps.push(Step::Removed { scope, ids });
            Ok(())
        })
    }

    /// The scope's generation is over: its ids count as removed.
    ///
    /// # Errors
    /// A failed session.
    pub async fn retired(&self, scope: Scope) -> Result<(), Error> {
        step::check_scope(&scope)?;
        self.inner.stage(|index, staged, limits| {
            staged.count_notes(1, limits)?;
            staged.note_retired(index, &scope);
            staged.steps.push(Step::Retired { scope });
            Ok(())
        })
    }

    /// Make all that was handed over so far durable, together with the cursor of the scope's folder, in one transaction. When it
    /// fails, nothing of it is kept and the session has failed: its later steps are refused, lest a later cursor skip the lost ones.
    ///
    /// # Errors
    /// The disk, a removed account, a contradiction with what another session committed, over a limit.
    pub async fn checkpoint(&self, scope: Scope, cursor: Vec<u8>) -> Result<(), Error> {
        step::check_scope(&scope)?;
        within("a cursor", cursor.len(), usize::try_from(self.inner.limits.state_value_octets).unwrap_or(usize::MAX))?;
        let _turn = self.inner.turn.lock().await;
        let open = self.inner.shared.open()?;
        let steps = self.inner.with_session(|session| {
            let mut staged = std::mem::take(&mut session.staged);
            let steps = std::mem::take(&mut staged.steps);
            session.under_way = Some(staged);
            Ok(steps)
        })?;
        // Kept with the effect: until the records are durable, also when nobody waits for that any more.
        let holds: Vec<_> = steps.iter().filter_map(Step::hold).collect();
        // Given up before its answer, the checkpoint may have been made or not: the session cannot go on from either.
        let mut outcome = Outcome { inner: &self.inner, failure: Some(Failure(None)) };
        let account = self.inner.account;
        let limits = self.inner.limits.clone();
        let spool = Arc::clone(&open.spool);
        let reached = Arc::new(AtomicU64::new(0));
        let work = {
            let reached = Arc::clone(&reached);
            move |tx: &mut Transaction<'_>| {
                // Asked here, on the committer's thread: only it finds out that octets were lost.
                let generation = spool.generation();
                apply::apply(tx, Checkpoint { account, steps, scope, cursor, generation, limits })?;
                reached.store(tx.head()?.sequence, Ordering::Release);
                Ok(())
            }
        };
        let effect = move || {
            drop(holds);
            open.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(account, reached.load(Ordering::Acquire));
        };
        let committed = self.inner.shared.commit(work, Some(Box::new(effect))).await;
        outcome.failure = committed.err().map(|error| Failure(Some(Arc::new(error))));
        outcome.answer()
    }

    fn check_call(&self, scope: &Scope, ids: usize) -> Result<(), Error> {
        step::check_scope(scope)?;
        within("the ids of one call", ids, usize::try_from(self.inner.limits.ids_per_call).unwrap_or(usize::MAX))
    }
}

impl Inner {
    /// Change what is staged, unless the session has failed.
    fn stage<T>(&self, change: impl FnOnce(&super::seal::IndexKey, &mut Staged, &Limits) -> Result<T, Error>) -> Result<T, Error> {
        let open = self.shared.open()?;
        self.with_session(|session| change(open.records.index(), &mut session.staged, &self.limits))
    }

    fn with_session<T>(&self, work: impl FnOnce(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Failure(source)) = session.failure.clone() {
            return Err(Error::SessionFailed { account: self.account, source });
        }
        work(&mut session)
    }

    /// Read records on a thread that may block, unless the session has failed.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self, &Open) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.with_session(|_| Ok(()))?;
        let inner = Arc::clone(self);
        self.shared.read(move |open| read(&inner, open)).await
    }
}

impl Session {
    /// What this session says of an id in a scope: had, not had, or nothing.
    fn says(&self, scope: &layout::Hash, id: &layout::Hash) -> Option<bool> {
        self.staged.says(scope, id).or_else(|| self.under_way.as_ref()?.says(scope, id))
    }
}

/// Settles the session when a checkpoint ends, however it ends.
struct Outcome<'a> {
    inner: &'a Inner,
    failure: Option<Failure>,
}

impl Outcome<'_> {
    fn answer(self) -> Result<(), Error> {
        match &self.failure {
            None => Ok(()),
            Some(Failure(Some(error))) => Err(Error::Shared(Arc::clone(error))),
            Some(Failure(None)) => Err(Error::Closed),
        }
    }
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        let mut session = self.inner.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.under_way = None;
        if self.failure.is_some() {
            session.failure = self.failure.take();
            session.staged = Staged::default();
        }
    }
}
