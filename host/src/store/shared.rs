//! What an open store consists of, shared by its clones and intakes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Semaphore;

use super::committer::{Committer, Effect};
use super::error::{Error, KeyError};
use super::keyring::Keyring;
use super::keys::KeySource;
use super::layout::{self, kind};
use super::lock::Lock;
use super::record::{AccountRecord, HeadRecord, Record, ValueRecord};
use super::records::Records;
use super::seal::NO_SUCH_EPOCH;
use super::spool::{self, Spool};
use super::transaction::Transaction;
use super::watermark::{Mark, Watermark};
use super::{documents, files};
use crate::clock::Timestamp;
use crate::model::account::Account;
use crate::model::name::AccountId;

/// The format of what is on disk; written to the file `format`.
pub(super) const FORMAT: u32 = 1;

/// Reads that may be under way at once; each holds a thread.
const READERS: usize = 16;

/// The collection of damage that was found when the store was opened.
pub(super) const DAMAGE: &str = "store/damage";

/// An open store.
pub(super) struct Shared {
    /// None once the store is closed.
    open: RwLock<Option<Arc<Open>>>,
    readers: Semaphore,
    /// One rotation of the keys at a time.
    pub(super) rotation: tokio::sync::Mutex<()>,
}

/// The parts, dropped together.
pub(super) struct Open {
    /// The store's folder.
    pub(super) dir: PathBuf,
    pub(super) records: Arc<Records>,
    pub(super) spool: Arc<Spool>,
    pub(super) committer: Committer,
    pub(super) keyring: Arc<Keyring>,
    pub(super) accounts: RwLock<BTreeMap<AccountId, Account>>,
    /// The highest sequence of each account, so that who follows all of them looks only where something is new.
    pub(super) newest: Mutex<HashMap<AccountId, u64>>,
    /// Held by who removes segments, and by who must find all of them.
    pub(super) compaction: Arc<tokio::sync::Mutex<()>>,
    _lock: Lock,
}

impl Shared {
    pub(super) fn new(open: Open) -> Self {
        Self { open: RwLock::new(Some(Arc::new(open))), readers: Semaphore::new(READERS), rotation: tokio::sync::Mutex::default() }
    }

    pub(super) fn open(&self) -> Result<Arc<Open>, Error> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Closed)
    }

    /// Run `read` on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Open) -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
        let open = self.open()?;
        let _permit = self.readers.acquire().await.map_err(|_| Error::Closed)?;
        on_thread(move || read(&open)).await
    }

    /// Have `work` committed.
    pub(super) async fn commit(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<(), Error> + Send + 'static,
        effect: Option<Effect>,
    ) -> Result<(), Error> {
        self.open()?.committer.commit(Box::new(work), effect).await
    }

    /// Commit what waits, and let go of all files.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let Some(open) = self.open.write().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        // Reads that are under way keep the files until they are done.
        let _all = self.readers.acquire_many(READERS as u32).await.map_err(|_| Error::Closed)?;
        self.readers.close();
        on_thread(move || {
            open.committer.close();
            open.spool.close();
            Ok(())
        })
        .await
    }
}

impl Open {
    /// Open or make the store in `dir`. Blocks.
    pub(super) fn at(dir: &Path, keys: &KeySource) -> Result<Self, Error> {
        let dir = &std::path::absolute(dir).map_err(Error::io("find", dir))?;
        is_new(dir)?;
        files::make_folder(dir)?;
        let lock = Lock::take(dir)?;
        // Asked again: who had it before may have made the store meanwhile.
        let is_new = is_new(dir)?;
        let keyring = match Keyring::open(dir, keys)? {
            Some(keyring) => keyring,
            None if is_new => Keyring::make(dir, keys)?,
            None => return Err(KeyError::Keyring(dir.join("keyring")).into()),
        };
        let keyring = Arc::new(keyring);
        let records = Arc::new(Records::open(&dir.join("records"), Arc::clone(&keyring), is_new)?);
        records.resync()?;
        let spool = Arc::new(Spool::open(&spool::folder(dir), Arc::clone(&keyring))?);
        let (watermark, durable) = Watermark::open(&dir.join("watermark"), keyring.index(), is_new)?;
        let mark = recover(&records, durable)?;
        watermark.advance(mark)?;
        if is_new {
            files::sync_way_to(dir)?;
            files::replace(&dir.join("format"), format!("postrider store, format {FORMAT}\n").as_bytes())?;
        }
        let accounts = read_accounts(&records)?;
        let newest = accounts.keys().map(|account| Ok((*account, newest_of(&records, *account)?))).collect::<Result<_, Error>>()?;
        let committer = Committer::start(Arc::clone(&records), Arc::clone(&spool), watermark, mark.sequence)?;
        Ok(Self {
            dir: dir.clone(),
            records,
            spool,
            committer,
            keyring,
            accounts: RwLock::new(accounts),
            newest: Mutex::new(newest),
            compaction: Arc::default(),
            _lock: lock,
        })
    }

    /// The highest durable sequence.
    pub(super) fn watermark(&self) -> u64 {
        *self.committer.watermark().borrow()
    }
}

/// Run `work` on a thread that may block.
pub(super) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The run-time is shutting down.
        Err(_) => Err(Error::Closed),
    }
}

/// Whether the folder holds no store yet, or one whose making was cut off. Refuses what is neither that nor a store of a known
/// format.
fn is_new(dir: &Path) -> Result<bool, Error> {
    let not_a_store = |finding| Error::NotAStore { path: dir.to_owned(), finding };
    if let Some(text) = files::read(&dir.join("format"))? {
        let text = String::from_utf8_lossy(&text);
        let number = text.trim().strip_prefix("postrider store, format ").and_then(|number| number.parse().ok());
        return match number {
            Some(FORMAT) => Ok(false),
            Some(found) if found > FORMAT => Err(Error::Newer { path: dir.to_owned(), found, known: FORMAT }),
            _ => Err(not_a_store("its file `format` names no format")),
        };
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(Error::io("list", dir))?.file_name();
        let ours = ["lock", "keyring", "keyring.new", "records", "spool", "watermark", "watermark.new", "format.new"];
        if !ours.iter().any(|ours| name == *ours) {
            return Err(not_a_store("it holds other files, and no file `format`"));
        }
    }
    Ok(true)
}

/// Compare what was acknowledged with what is there, and go on from the higher of both, so that no sequence is given twice. What
/// was lost is written down until it is repaired.
fn recover(records: &Records, durable: Option<Mark>) -> Result<Mark, Error> {
    let head = match records.head() {
        // The head is sealed with the newest key that there is.
        Err(Error::Damaged { finding: NO_SUCH_EPOCH, .. }) => return Err(KeyError::Outdated(records.path().to_owned()).into()),
        head => head?,
    };
    if let Some(millis) = head.clock_behind(Timestamp::now()) {
        let latest = head.latest.to_rfc3339();
        tracing::warn!(behind_seconds = millis / 1_000, %latest, "the clock was set back: mail that comes now is dated as the latest that is here");
    }
    let there = Mark { commit: head.commit, sequence: head.sequence };
    let finding = match durable {
        Some(durable) if durable.commit <= there.commit => return Ok(there),
        Some(durable) => format!(
            "the records end at commit {}, and commits up to {} were acknowledged: records were lost or rolled back",
            there.commit, durable.commit
        ),
        None => "the watermark file is unreadable or gone: whether acknowledged records are missing cannot be told".to_owned(),
    };
    tracing::error!(%finding, "the store is damaged");
    let durable = durable.unwrap_or_default();
    let mark = Mark { commit: durable.commit.max(there.commit) + 1, sequence: durable.sequence.max(there.sequence) };
    let mut tx = Transaction::new(records);
    documents::put(&mut tx, DAMAGE, &mark.commit.to_string(), finding.as_bytes())?;
    let head = HeadRecord { commit: mark.commit, sequence: mark.sequence, ..tx.head()? };
    tx.write(layout::HEAD_KEY.to_vec(), &head)?;
    tx.keep();
    records.apply(tx.into_changes())?;
    records.sync()?;
    Ok(mark)
}

fn read_accounts(records: &Records) -> Result<BTreeMap<AccountId, Account>, Error> {
    let mut accounts = BTreeMap::new();
    for raw in records.scan(&[kind::ACCOUNT], &[]) {
        let raw = raw?;
        let account = records.decode::<AccountRecord>(&raw)?.account().map_err(|finding| super::records::damaged(&raw.0, finding))?;
        accounts.insert(account.id, account);
    }
    Ok(accounts)
}

fn newest_of(records: &Records, account: AccountId) -> Result<u64, Error> {
    let last = records.scan_back(&layout::of_account(kind::MESSAGE, account), None).next().transpose()?;
    Ok(last.and_then(|(key, _)| layout::sequence_in(&key)).unwrap_or(0))
}

/// Damage that was written down, in words.
pub(super) fn known_damage(records: &Records) -> Result<Vec<String>, Error> {
    let prefix = layout::collection(records.index(), DAMAGE);
    let read = |raw| Ok(String::from_utf8_lossy(&records.decode::<ValueRecord>(&raw?)?.octets).into_owned());
    records.scan(&prefix, &[]).map(read).collect()
}

/// A record's octets, for who puts it by itself.
pub(super) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, Error> {
    record.encode().map_err(|finding| Error::Bug { operation: "encode a record", finding })
}
