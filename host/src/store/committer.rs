//! The one thread that changes the store. It takes what waits, of all accounts, and makes it durable together:
//!
//! 1. each caller's changes are worked out against what is there, apart from the others', so that one may fail alone;
//! 2. the spool is synced: no record points to octets that are not on disk;
//! 3. one atomic batch, flushed, and the tree's data file synced;
//! 4. the watermark advances on disk: what it covers was acknowledged and must be there after any crash;
//! 5. the watermark advances in memory, and the callers get their answers.
//!
//! Everyone who acknowledges, deletes on a server or delivers to a sink goes by 5.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use super::error::Error;
use super::failpoint::{Failpoint, at, waits};
use super::layout::HEAD_KEY;
use super::records::Records;
use super::spool::Spool;
use super::transaction::Transaction;
use super::watermark::{Mark, Watermark};

/// Callers that may wait before further ones are held up.
const QUEUE: usize = 1_024;

/// Callers whose changes go into one batch.
const GROUP: usize = 256;

/// What one caller wants changed. Runs on the committer's thread; whatever it puts into the transaction before it fails is given up.
pub(super) type Work = Box<dyn FnOnce(&mut Transaction<'_>) -> Result<(), Error> + Send>;

/// What follows once a change is durable, before its caller is answered.
pub(super) type Effect = Box<dyn FnOnce() + Send>;

/// Callers whose changes are in the group.
type Waiting = Vec<(Option<Effect>, oneshot::Sender<Result<(), Error>>)>;

struct Request {
    work: Work,
    effect: Option<Effect>,
    reply: oneshot::Sender<Result<(), Error>>,
}

/// The way to the thread.
pub(super) struct Committer {
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held while a group is worked out and applied; who holds it sees records that stand still.
    standstill: Arc<Mutex<()>>,
    watermark: watch::Receiver<u64>,
}

struct Thread {
    records: Arc<Records>,
    spool: Arc<Spool>,
    watermark: Watermark,
    standstill: Arc<Mutex<()>>,
    published: watch::Sender<u64>,
    /// The tree failed: what is in memory and what is on disk may differ, so nothing more is acknowledged.
    failed: Option<Arc<Error>>,
}

impl Committer {
    /// Start the thread; `sequence` is the highest one that is durable.
    pub(super) fn start(records: Arc<Records>, spool: Arc<Spool>, watermark: Watermark, sequence: u64) -> Result<Self, Error> {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let (published, watched) = watch::channel(sequence);
        let standstill = Arc::new(Mutex::new(()));
        let thread = Thread { records, spool, watermark, standstill: Arc::clone(&standstill), published, failed: None };
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(move || thread.run(receiver));
        let thread = thread.map_err(Error::io("start the committer of", std::path::Path::new("the store")))?;
        Ok(Self { requests: Mutex::new(Some(requests)), thread: Mutex::new(Some(thread)), standstill, watermark: watched })
    }

    /// Have `work` done; durable on return, or given up as a whole.
    pub(super) async fn commit(&self, work: Work, effect: Option<Effect>) -> Result<(), Error> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        requests.send(Request { work, effect, reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// The highest durable sequence.
    pub(super) fn watermark(&self) -> &watch::Receiver<u64> {
        &self.watermark
    }

    /// Run `read` while nothing is being committed. Blocks, and blocks commits.
    pub(super) fn at_standstill<T>(&self, read: impl FnOnce() -> T) -> T {
        waits();
        let _held = self.standstill.lock().unwrap_or_else(PoisonError::into_inner);
        read()
    }

    /// Commit what waits, and end the thread. Blocks.
    pub(super) fn close(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Its panic has been told, and its callers were answered with `Closed`.
            let _ = thread.join();
        }
    }
}

impl Thread {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = requests.try_recv()
            {
                group.push(next);
            }
            self.serve(group);
        }
    }

    fn serve(&mut self, group: Vec<Request>) {
        let mut waiting = Vec::with_capacity(group.len());
        let result = self.commit(group, &mut waiting).map_err(Arc::new);
        let acknowledge = || -> std::io::Result<()> {
            if let Ok(mark) = result {
                waiting.iter_mut().filter_map(|(effect, _)| effect.take()).for_each(|effect| effect());
                if let Some(Mark { sequence, .. }) = mark {
                    self.published.send_if_modified(|published| std::mem::replace(published, sequence) != sequence);
                }
            }
            for (_, reply) in waiting {
                // Who does not wait any more has given up its session.
                let _ = reply.send(result.as_ref().map(|_| ()).map_err(|error| Error::Shared(Arc::clone(error))));
            }
            Ok(())
        };
        // Only a test makes it fail: then the callers learn nothing, as when the process ends here.
        let _ = at(Failpoint::Acknowledge, acknowledge);
    }

    /// Make the group durable; the mark that was reached, none when nothing changed. Who failed alone is answered here, the others
    /// are `waiting`.
    fn commit(&mut self, group: Vec<Request>, waiting: &mut Waiting) -> Result<Option<Mark>, Error> {
        let standstill = Arc::clone(&self.standstill);
        let _held = standstill.lock().unwrap_or_else(PoisonError::into_inner);
        let records = Arc::clone(&self.records);
        let mut tx = Transaction::new(&records);
        for Request { work, effect, reply } in group {
            if let Some(error) = &self.failed {
                let _ = reply.send(Err(Error::Shared(Arc::clone(error))));
                continue;
            }
            match work(&mut tx) {
                Ok(()) => {
                    tx.keep();
                    waiting.push((effect, reply));
                }
                Err(error) => {
                    tx.give_up();
                    let _ = reply.send(Err(error));
                }
            }
        }
        if tx.is_empty() {
            return Ok(None);
        }
        let mut head = tx.head()?;
        head.commit += 1;
        let mark = Mark { commit: head.commit, sequence: head.sequence };
        tx.write(HEAD_KEY.to_vec(), &head)?;
        tx.keep();
        self.spool.sync()?;
        let changes = tx.into_changes();
        if let Err(error) = records.apply(changes).and_then(|()| records.sync()).and_then(|()| self.watermark.advance(mark)) {
            // Half of it may be on disk: the next process finds out which half.
            let error = Arc::new(error);
            self.failed = Some(Arc::clone(&error));
            return Err(Error::Shared(error));
        }
        Ok(Some(mark))
    }
}
