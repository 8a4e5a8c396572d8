//! The record tree: sealed values under hashed keys, in sled. No type of sled leaves this file.
//!
//! One tree holds every kind of record, because a `sled::Batch` is atomic over one tree: `apply_batch` pins the log and writes the
//! number of the batch's last log entry into its first one, and recovery stops before a batch whose last entry is not there. So a
//! batch is recovered whole or not at all, whatever the kernel wrote of it; as long as no value stands in a file of its own
//! (`pieces`), and what sled takes for durable is durable (`barrier`).

use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::{Error, RecordsError};
use super::failpoint::{Failpoint, at, waits};
use super::files;
use super::keyring::Keyring;
use super::layout::{HEAD_KEY, is_piece, kind};
use super::record::{HeadRecord, Record};
use super::seal::{self, IndexKey};
use super::set_hash::SetHash;
use super::snapshots;

mod barrier;
mod pieces;

const CACHE_OCTETS: u64 = 64 << 20;

/// Of a segment of sled's file, in a new store. Tests see many of them written, given up and used again.
const SEGMENT_OCTETS: usize = if cfg!(test) { 256 << 10 } else { 512 << 10 };

/// Sled's own lock lingers for a moment after a close in the same process; ours tells real owners apart before.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The open tree.
pub(super) struct Records {
    tree: sled::Db,
    /// Sled's data file once more: syncing works on the file, not on who opened it.
    data: File,
    path: PathBuf,
    keyring: Arc<Keyring>,
}

/// A key with its value as it stands on disk.
pub(super) type Raw = (Vec<u8>, Vec<u8>);

impl Records {
    /// Open the tree in `path`, or make it; `is_new` when nothing in it was ever acknowledged.
    pub(super) fn open(path: &Path, keyring: Arc<Keyring>, is_new: bool) -> Result<Self, Error> {
        files::make_folder(path)?;
        snapshots::clear(path)?;
        if is_new {
            remove_settings(path)?;
        }
        let segment_octets = segment_octets(path)?;
        let mut tries = 0;
        let tree = loop {
            let config = sled::Config::new()
                .path(path)
                .segment_size(segment_octets)
                .cache_capacity(CACHE_OCTETS)
                .flush_every_ms(None)
                .mode(sled::Mode::HighThroughput);
            // A damaged file can make sled panic while it recovers; that is damage, and no reason to take the host down.
            match std::panic::catch_unwind(AssertUnwindSafe(|| at(Failpoint::TreeOpen, || config.open()))) {
                Ok(Ok(tree)) => break tree,
                Ok(Err(sled::Error::Io(error))) if error.to_string().starts_with("could not acquire lock") && tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Ok(Err(error)) => return Err(records_error("open", path, error)),
                Err(_) => {
                    let source = RecordsError::Corrupt("recovery gave up".to_owned());
                    return Err(Error::Records { operation: "open", path: path.to_owned(), source });
                }
            }
        };
        let data_path = path.join("db");
        let data = File::open(&data_path).map_err(Error::io("open", &data_path))?;
        Ok(Self { tree, data, path: path.to_owned(), keyring })
    }

    /// The folder of the tree.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn index(&self) -> &IndexKey {
        self.keyring.index()
    }

    /// Whether there is a record, without opening it.
    pub(super) fn contains(&self, key: &[u8]) -> Result<bool, Error> {
        waits();
        self.tree.contains_key(key).map_err(|error| self.error("read", error))
    }

    /// The record under `key`, opened.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.raw(key)?.map(|value| self.open_value(key, &value)).transpose()
    }

    /// The value under `key`, sealed as it is.
    pub(super) fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        waits();
        match self.tree.get(key).map_err(|error| self.error("read", error))? {
            Some(value) if is_sealed(key) => self.whole(key, &value),
            value => Ok(value.map(|value| value.to_vec())),
        }
    }

    /// The record under `key`, decoded.
    pub(super) fn read<R: Record>(&self, key: &[u8]) -> Result<Option<R>, Error> {
        self.get(key)?.map(|octets| decode(key, &octets)).transpose()
    }

    /// The store's counters.
    pub(super) fn head(&self) -> Result<HeadRecord, Error> {
        Ok(self.read(HEAD_KEY)?.unwrap_or_default())
    }

    /// The raw records from `from` on that begin with `prefix`, in the order of their keys.
    pub(super) fn scan(&self, prefix: &[u8], from: &[u8]) -> impl Iterator<Item = Result<Raw, Error>> {
        let prefix = prefix.to_vec();
        let start = from.max(prefix.as_slice()).to_vec();
        waits();
        self.tree
            .range(start..)
            .filter_map(|item| self.raw_of(item))
            .take_while(move |item| item.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// The raw records below `below` that begin with `prefix`, from the last one down.
    pub(super) fn scan_back(&self, prefix: &[u8], below: Option<&[u8]>) -> impl Iterator<Item = Result<Raw, Error>> {
        let prefix = prefix.to_vec();
        waits();
        // Every key that begins so is below the prefix with an end that no key reaches.
        let end = below.map_or_else(|| [prefix.as_slice(), &[0xff; 64]].concat(), <[u8]>::to_vec);
        self.tree
            .range(..end)
            .rev()
            .filter_map(|item| self.raw_of(item))
            .take_while(move |item| item.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
    }

    /// An entry of the tree as a record; none: it is a piece of one, or was removed meanwhile.
    fn raw_of(&self, item: sled::Result<(sled::IVec, sled::IVec)>) -> Option<Result<Raw, Error>> {
        let (key, value) = match item {
            Ok(entry) => entry,
            Err(error) => return Some(Err(self.error("read", error))),
        };
        if is_piece(&key) {
            return None;
        }
        let value = if is_sealed(&key) { self.whole(&key, &value).transpose()? } else { Ok(value.to_vec()) };
        Some(value.map(|value| (key.to_vec(), value)))
    }

    /// A raw value, opened.
    pub(super) fn open_value(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Error> {
        if !is_sealed(key) {
            return Ok(value.to_vec());
        }
        self.keyring.sealer().open_record(key, value).map_err(|finding| damaged(key, finding))
    }

    /// A raw value, opened and decoded.
    pub(super) fn decode<R: Record>(&self, (key, value): &Raw) -> Result<R, Error> {
        decode(key, &self.open_value(key, value)?)
    }

    /// Seal and apply changes, atomically; the head, if it is among them, gets the hash of all. They are visible at once, durable only after [`sync`](Self::sync).
    pub(super) fn apply(&self, changes: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        let sealer = self.keyring.sealer();
        let (mut head, mut changed) = (None, SetHash::default());
        for (key, value) in changes {
            match value {
                // Sealed last, when it is known what it has to say of the others.
                value if key == HEAD_KEY => head = value,
                Some(plain) if is_sealed(&key) => {
                    let sealed = sealer.seal_record(&key, &plain)?;
                    changed.toggle(self.index(), &key, seal::nonce_of(&sealed));
                    self.put_sealed(&mut batch, key, sealed, &mut changed)?;
                }
                Some(plain) => batch.insert(key, plain),
                None if is_sealed(&key) => {
                    self.take_out(&mut batch, &key, &mut changed)?;
                    batch.remove(key);
                }
                None => batch.remove(key),
            }
        }
        if let Some(plain) = head {
            let mut head: HeadRecord = decode(HEAD_KEY, &plain)?;
            let mut set_hash = head.set_hash.map_or_else(|| self.set_hash(), Ok)?;
            set_hash.toggle_all(changed);
            head.set_hash = Some(set_hash);
            let plain = head.encode().map_err(|finding| Error::Bug { operation: "encode a record", finding })?;
            batch.insert(HEAD_KEY, sealer.seal_record(HEAD_KEY, &plain)?);
        }
        at(Failpoint::TreeApply, || self.tree.apply_batch(batch)).map_err(|error| self.error("write", error))
    }

    /// Apply raw values, as a backup holds them: sealed already.
    pub(super) fn apply_raw(&self, records: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for (key, value) in records {
            if is_sealed(key) {
                self.put_sealed(&mut batch, key.to_vec(), value.to_vec(), &mut SetHash::default())?;
            } else {
                batch.insert(*key, *value);
            }
        }
        at(Failpoint::TreeApply, || self.tree.apply_batch(batch)).map_err(|error| self.error("write", error))
    }

    /// The hash of the sealed records that are there, but the head.
    pub(super) fn set_hash(&self) -> Result<SetHash, Error> {
        waits();
        let mut set_hash = SetHash::default();
        for entry in self.tree.iter() {
            let (key, value) = entry.map_err(|error| self.error("read", error))?;
            if is_sealed(&key) && *key != *HEAD_KEY {
                set_hash.toggle(self.index(), &key, pieces::nonce_of(&value));
            }
        }
        Ok(set_hash)
    }

    /// Make durable what was applied.
    pub(super) fn sync(&self) -> Result<(), Error> {
        at(Failpoint::TreeFlush, || self.tree.flush()).map_err(|error| self.error("flush", error))?;
        at(Failpoint::TreeSync, || self.data.sync_data()).map_err(Error::io("sync the data file in", &self.path))
    }

    /// Make durable what an earlier process may have left in the page cache, and the folder's entries.
    pub(super) fn resync(&self) -> Result<(), Error> {
        let settings = self.path.join("conf");
        let sync = || File::open(&settings)?.sync_all().and_then(|()| self.data.sync_all());
        at(Failpoint::TreeResync, sync).map_err(Error::io("sync the data file in", &self.path))?;
        files::sync_folder(&self.path)
    }

    /// Put raw values past every seal, as somebody with the disk could.
    #[cfg(test)]
    pub(super) fn tamper(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.tree.insert(key, value).map(drop),
                None => self.tree.remove(key).map(drop),
            }
            .expect("the tree takes it");
        }
    }

    /// The entries of the tree as they lie.
    #[cfg(test)]
    pub(super) fn entries(&self) -> std::collections::BTreeMap<Vec<u8>, Vec<u8>> {
        let entries = self.tree.iter().map(|entry| entry.expect("the tree reads it"));
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Octets on disk.
    pub(super) fn octets(&self) -> Result<u64, Error> {
        self.tree.size_on_disk().map_err(|error| self.error("measure", error))
    }

    fn error(&self, operation: &'static str, error: sled::Error) -> Error {
        records_error(operation, &self.path, error)
    }
}

/// The size of segments of the tree in `path`, which is for its life; that of new ones where none is.
fn segment_octets(path: &Path) -> Result<usize, Error> {
    let settings = files::read(&path.join("conf"))?.unwrap_or_default();
    let settings = String::from_utf8_lossy(&settings);
    let octets = settings.lines().find_map(|line| line.strip_prefix("segment_size: ")?.trim().parse().ok());
    Ok(octets.unwrap_or(SEGMENT_OCTETS))
}

/// Remove sled's settings, which it makes anew. It never syncs them, so that those of a store whose making was cut off may be torn,
/// and sled refuses them then.
fn remove_settings(path: &Path) -> Result<(), Error> {
    let settings = path.join("conf");
    let absent = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    at(Failpoint::SettingsRemove, || std::fs::remove_file(&settings).or_else(absent)).map_err(Error::io("remove", &settings))
}

/// A damaged record, by its key.
pub(super) fn damaged(key: &[u8], finding: &'static str) -> Error {
    Error::Damaged { operation: "read from the store", place: place_of(key), finding }
}

/// A record's place in words: its kind, account and the rest of its key.
pub(super) fn place_of(key: &[u8]) -> String {
    let name = match key.first() {
        Some(&kind::HEAD) => return "the record of the store's counters".to_owned(),
        Some(&kind::ACCOUNT) => "account",
        Some(&kind::NAME) => "account name",
        Some(&kind::COUNTS) => "counts",
        Some(&kind::SECRET) => "secret",
        Some(&kind::FOLDER) => "folder",
        Some(&kind::STATE) => "state",
        Some(&kind::MESSAGE) => "message",
        Some(&kind::IDENTITY) => "identity",
        Some(&kind::ID) => "message id",
        Some(&kind::BODY) => "body hash",
        Some(&kind::STABLE) => "stable id",
        Some(&kind::THREAD) => "thread",
        Some(&kind::ADDRESS) => "address",
        Some(&kind::DOCUMENT) => "document",
        Some(&kind::REMOVED) => "removed account",
        Some(&kind::PIECE) => "piece of a",
        _ => "unknown",
    };
    let rest = data_encoding::HEXLOWER.encode(key.get(1..).unwrap_or_default());
    match super::layout::account_in(key).filter(|_| key.first().is_some_and(|kind| kind::OF_ACCOUNT.contains(kind))) {
        Some(account) => format!("the {name} record {rest} of account {account}"),
        None => format!("the {name} record {rest}"),
    }
}

fn decode<R: Record>(key: &[u8], octets: &[u8]) -> Result<R, Error> {
    R::decode(octets).map_err(|finding| damaged(key, finding))
}

fn is_sealed(key: &[u8]) -> bool {
    key.first().is_some_and(|kind| kind::SEALED.contains(kind))
}

fn records_error(operation: &'static str, path: &Path, error: sled::Error) -> Error {
    let source = match error {
        sled::Error::Corruption { .. } => RecordsError::Corrupt(error.to_string()),
        sled::Error::Io(error) => RecordsError::Io(error),
        other => RecordsError::Other(other.to_string()),
    };
    Error::Records { operation, path: path.to_owned(), source }
}
