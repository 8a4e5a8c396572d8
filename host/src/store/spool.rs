//! The spool: bodies in sealed, append-only segments. Several sessions append at once; what they appended is durable after the
//! next [`sync`](Spool::sync).
//!
//! Frames are sealed by who appends them and gathered in memory; one thread writes them out. Memory is bounded by a budget of
//! octets that are on their way to the disk: who finds it spent waits.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::Semaphore;

use super::error::Error;
use super::failpoint::{Failpoint, at};
use super::files;
use super::keyring::Keyring;
use super::record::Extent;
use segment::Segments;
use writer::{Order, Written};

pub(super) mod chunk;
pub(super) mod frame;
pub(super) mod reader;
pub(super) mod segment;
mod writer;

/// A segment that has grown so far gets a successor. Tests see many of them.
pub(super) const SEGMENT_OCTETS: u64 = if cfg!(test) { 256 << 10 } else { 64 << 20 };

/// Frames are gathered up to here before they are written.
const GATHER_OCTETS: usize = 1 << 20;

/// Octets on their way to the disk, over all sessions. More than what is gathered and one frame, so that there is always progress.
const BUDGET_OCTETS: usize = 8 << 20;

/// The open spool.
pub(super) struct Spool {
    segments: Arc<Segments>,
    keyring: Arc<Keyring>,
    budget: Arc<Semaphore>,
    /// Counts failures to write: what was appended before one cannot be committed after it.
    generation: AtomicU64,
    /// Where bodies begin that no record points to yet, and how many.
    holds: Arc<Mutex<BTreeMap<u64, usize>>>,
    active: Mutex<Active>,
}

/// Keeps what is appended from now on from compaction, until it is dropped: a durable record points to it then, or it is given up.
pub(super) struct Hold {
    holds: Arc<Mutex<BTreeMap<u64, usize>>>,
    segment: u64,
}

/// Where the next frame goes.
struct Active {
    segment: u64,
    /// Of the next frame in the segment.
    offset: u64,
    /// Frames that end at `offset` and are not yet with the writer.
    gathered: Vec<u8>,
    /// The segment's file has yet to be made, by the first frame in it.
    is_unmade: bool,
    /// Something was appended since the last sync.
    is_dirty: bool,
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Spool {
    /// Open the spool in `path`, or make it. What an earlier process left is synced first.
    pub(super) fn open(path: &Path, keyring: Arc<Keyring>) -> Result<Self, Error> {
        files::make_folder(path)?;
        let segments = Arc::new(Segments::new(path.to_owned(), keyring.store));
        segments.resync()?;
        let (segment, offset) = match segments.last()? {
            Some(last) if last.octets < SEGMENT_OCTETS && last.is_good => (last.number, last.octets),
            Some(last) => (last.number + 1, 0),
            None => (1, 0),
        };
        let budget = Arc::new(Semaphore::new(BUDGET_OCTETS));
        let (orders, receiver) = mpsc::channel();
        let thread = writer::start(Arc::clone(&segments), keyring.sealer().epoch(), Arc::clone(&budget), receiver)?;
        let active = Active {
            segment,
            offset: offset.max(segment::HEADER_OCTETS),
            gathered: Vec::new(),
            is_unmade: offset == 0,
            is_dirty: false,
            orders: Some(orders),
            thread: Some(thread),
        };
        Ok(Self { segments, keyring, budget, generation: AtomicU64::new(0), holds: Arc::default(), active: Mutex::new(active) })
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub(super) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// What was appended under another generation than the present one may be lost.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keep what is appended from now on.
    pub(super) fn hold(&self) -> Hold {
        let active = self.lock();
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner).entry(active.segment).or_default() += 1;
        Hold { holds: Arc::clone(&self.holds), segment: active.segment }
    }

    /// The lowest segment in which there may be, or come, what no durable record points to yet.
    pub(super) fn floor(&self) -> u64 {
        let active = self.lock();
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.keys().next().copied().unwrap_or(u64::MAX).min(active.segment)
    }

    /// Go on in a new segment, unless nothing is in the present one.
    pub(super) fn rotate(&self) -> Result<(), Error> {
        let mut active = self.lock();
        if active.offset > segment::HEADER_OCTETS { active.rotate() } else { Ok(()) }
    }

    /// Append one sealed frame, header and ciphertext; waits while too much is on its way to the disk.
    pub(super) async fn append(&self, header: &[u8], sealed: &[u8]) -> Result<Extent, Error> {
        let length = header.len() + sealed.len();
        let octets = u32::try_from(length).map_err(|_| Error::Bug { operation: "append a frame", finding: "it is too long" })?;
        let permit = self.budget.acquire_many(octets).await.map_err(|_| Error::Closed)?;
        let mut active = self.lock();
        if active.offset >= SEGMENT_OCTETS {
            active.rotate()?;
        }
        if active.is_unmade {
            let number = active.segment;
            active.order(Order::Make { segment: number })?;
            active.is_unmade = false;
        }
        let extent = Extent { segment: active.segment, offset: active.offset, length: length as u64 };
        active.gathered.extend_from_slice(header);
        active.gathered.extend_from_slice(sealed);
        active.offset += length as u64;
        active.is_dirty = true;
        // The writer gives the octets back when it has written them.
        permit.forget();
        if active.gathered.len() >= GATHER_OCTETS {
            active.hand_over()?;
        }
        Ok(extent)
    }

    /// Have everybody who appends wait until this is dropped.
    #[cfg(test)]
    pub(super) async fn hold_up(&self) -> tokio::sync::OwnedSemaphorePermit {
        Arc::clone(&self.budget).acquire_many_owned(BUDGET_OCTETS as u32).await.expect("it is open")
    }

    /// Make durable what was appended so far. When it fails, everything that was appended and not yet synced is lost, and the
    /// generation rises. Blocks.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let (reply, written) = mpsc::sync_channel(1);
        {
            let mut active = self.lock();
            if !active.is_dirty {
                return Ok(());
            }
            active.hand_over()?;
            active.order(Order::Report { reply })?;
            active.is_dirty = false;
        }
        let result = match written.recv() {
            Ok(Written { files, has_new, failure: None }) => self.sync_files(&files, has_new),
            Ok(Written { failure: Some(error), .. }) => Err(error),
            Err(_) => Err(Error::Closed),
        };
        if result.is_err() {
            self.abandon()?;
        }
        result
    }

    /// Write out what is gathered, and end the writer.
    pub(super) fn close(&self) {
        self.budget.close();
        let thread = {
            let mut active = self.lock();
            // Nobody waits for what was appended without a commit.
            active.orders = None;
            active.thread.take()
        };
        if let Some(thread) = thread {
            // A writer that panicked has told its reason on the way.
            let _ = thread.join();
        }
    }

    fn sync_files(&self, files: &[(u64, Arc<File>)], has_new: bool) -> Result<(), Error> {
        for (number, file) in files {
            let sync = || file.sync_data();
            at(Failpoint::SegmentSync, sync).map_err(Error::io("sync the segment", &self.segments.path_of(*number)))?;
        }
        if has_new { files::sync_folder(self.segments.folder()) } else { Ok(()) }
    }

    /// Go on in a new segment. After a failed sync the kernel may call pages clean that never reached the disk, so that a second
    /// sync of the same file would prove nothing.
    fn abandon(&self) -> Result<(), Error> {
        let mut active = self.lock();
        self.generation.fetch_add(1, Ordering::AcqRel);
        active.rotate()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Active> {
        // Each change of `Active` is complete before anything in it can panic.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = holds.get_mut(&self.segment) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.segment);
            }
        }
    }
}

impl Active {
    fn rotate(&mut self) -> Result<(), Error> {
        self.hand_over()?;
        self.segment += 1;
        self.offset = segment::HEADER_OCTETS;
        self.is_unmade = true;
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let octets = std::mem::take(&mut self.gathered);
        let offset = self.offset - octets.len() as u64;
        self.order(Order::Write { segment: self.segment, offset, octets })
    }

    /// The channel has no bound of its own: what may wait in it is bounded by the budget.
    fn order(&self, order: Order) -> Result<(), Error> {
        self.orders.as_ref().and_then(|orders| orders.send(order).ok()).ok_or(Error::Closed)
    }
}

/// Disk use of the spool.
pub(super) fn usage(segments: &Segments) -> Result<(u64, u64), Error> {
    let all = segments.list()?;
    Ok((all.len() as u64, all.iter().map(|(_, octets)| octets).sum()))
}

/// The path of the spool in the store's folder.
pub(super) fn folder(store: &Path) -> PathBuf {
    store.join("spool")
}
