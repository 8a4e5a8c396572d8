//! The sealed store: accounts and their secrets, messages, cursors, small documents. The only place that names sled.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::watch;

pub use error::{Error, KeyError, RecordsError};
pub use intake::{Delivered, Intake, IntakeDelivery};
pub use status::{CheckProgress, CheckReport, Counts, Finding, FolderState, Status, SummaryPage};

use crate::model::account::Account;
use crate::model::message::Summary;
use crate::model::name::{AccountId, AccountName, MessageId, SinkName};
use crate::secret::Secret;

mod error;
mod intake;
mod status;

/// Where the master key comes from. Losing it loses all mail in the store: nobody can read it without.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// A file outside the store's folder, readable by its owner only; made together with the store.
    File(PathBuf),
    /// An environment variable of this name that holds 64 hexadecimal digits.
    Environment(String),
}

/// An open store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store;

/// The octets of one message, a verified piece at a time.
pub struct BodyReader;

fn unfinished<T>() -> Result<T, Error> {
    Err(Error::Bug { operation: "use the store", finding: "it is not built yet" })
}

impl BodyReader {
    /// Octets of the whole body.
    #[must_use]
    pub fn size(&self) -> u64 {
        0
    }

    /// The next piece, at most 64 KiB; none: that was all, and it was what had been stored.
    ///
    /// # Errors
    /// Damage, with account, message, segment and offset; the disk.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        unfinished()
    }
}

impl Store {
    /// Open the store in `dir`, or make one there when nothing is: then the key is synced to disk before the first commit.
    ///
    /// # Errors
    /// Another owner, a newer format, a missing or wrong key, damage that makes it unreadable, the disk.
    pub async fn open(_dir: &Path, _keys: KeySource) -> Result<Self, Error> {
        unfinished()
    }

    /// Commit what waits, and close. Clones and intakes that are still about answer [`Error::Closed`] from now on.
    ///
    /// # Errors
    /// The disk.
    pub async fn close(self) -> Result<(), Error> {
        unfinished()
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// A closed store.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        unfinished()
    }

    /// The account of this name.
    ///
    /// # Errors
    /// A closed store.
    pub async fn account(&self, _name: &AccountName) -> Result<Option<Account>, Error> {
        unfinished()
    }

    /// A number for a new account; never given twice, also not after a crash.
    ///
    /// # Errors
    /// The disk.
    pub async fn next_account_id(&self) -> Result<AccountId, Error> {
        unfinished()
    }

    /// Put an account and secrets of it, in one transaction; durable on return. Secrets not named here stay as they are, an empty one
    /// is forgotten.
    ///
    /// # Errors
    /// Another account has this name; the disk.
    pub async fn put_account(&self, _account: Account, _secrets: Vec<(String, Secret)>) -> Result<(), Error> {
        unfinished()
    }

    /// Remove an account with its secrets, messages, cursors and state. It is gone at once and for good, also when the process dies
    /// while the rest is cleared away.
    ///
    /// # Errors
    /// No such account; the disk.
    pub async fn remove_account(&self, _account: AccountId) -> Result<(), Error> {
        unfinished()
    }

    /// One secret of an account.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn secret(&self, _account: AccountId, _name: &str) -> Result<Option<Secret>, Error> {
        unfinished()
    }

    /// Put one secret of an account, or forget it when it is empty; durable on return.
    ///
    /// # Errors
    /// No such account; the disk.
    pub async fn put_secret(&self, _account: AccountId, _name: &str, _secret: Secret) -> Result<(), Error> {
        unfinished()
    }

    /// A small document of a collection.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn document(&self, _collection: &str, _key: &str) -> Result<Option<Vec<u8>>, Error> {
        unfinished()
    }

    /// Every document of a collection with its key, by key.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn documents(&self, _collection: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        unfinished()
    }

    /// Put a document; durable on return. At most 1 MiB.
    ///
    /// # Errors
    /// Too large, the disk.
    pub async fn put_document(&self, _collection: &str, _key: &str, _octets: &[u8]) -> Result<(), Error> {
        unfinished()
    }

    /// Remove a document; durable on return. One that is not there is no error.
    ///
    /// # Errors
    /// The disk.
    pub async fn remove_document(&self, _collection: &str, _key: &str) -> Result<(), Error> {
        unfinished()
    }

    /// The highest durable sequence, as it rises.
    #[must_use]
    pub fn watermark(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    /// Durable messages of one account, or of all, in the order of their sequence, at most `max` after the sequence `after`.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn messages(&self, _account: Option<AccountId>, _after: u64, _max: usize) -> Result<Vec<Summary>, Error> {
        unfinished()
    }

    /// Durable messages of one account, or of all, newest sequence first, at most `max` below the sequence `before`.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn messages_newest_first(
        &self,
        _account: Option<AccountId>,
        _before: Option<u64>,
        _max: usize,
    ) -> Result<Vec<Summary>, Error> {
        unfinished()
    }

    /// One durable message.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn message(&self, _message: MessageId) -> Result<Option<Summary>, Error> {
        unfinished()
    }

    /// Durable messages with this address in From, To or Cc, newest first (as the server received them, else by their Date field).
    /// `after` is the `next` of the page before.
    ///
    /// # Errors
    /// A token that is none, damage, the disk.
    pub async fn messages_with_address(
        &self,
        _account: Option<AccountId>,
        _address: &str,
        _after: Option<&str>,
        _max: usize,
    ) -> Result<SummaryPage, Error> {
        unfinished()
    }

    /// The octets of a durable message; none: there is no such message.
    ///
    /// # Errors
    /// It was set aside without octets; damage, the disk.
    pub async fn body(&self, _message: MessageId) -> Result<Option<BodyReader>, Error> {
        unfinished()
    }

    /// The folders of an account that had a checkpoint or hold messages, by id.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn folders(&self, _account: AccountId) -> Result<Vec<FolderState>, Error> {
        unfinished()
    }

    /// The cursor of the last checkpoint of a folder, or of the whole account.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn cursor(&self, _account: AccountId, _folder: Option<&str>) -> Result<Option<Vec<u8>>, Error> {
        unfinished()
    }

    /// What an account has here.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn counts(&self, _account: AccountId) -> Result<Counts, Error> {
        unfinished()
    }

    /// How far a sink has come: the sequence that it has last dealt with; 0 at first.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn sink_position(&self, _sink: &SinkName) -> Result<u64, Error> {
        unfinished()
    }

    /// Put how far a sink has come; durable on return, and cheap when many do so at once.
    ///
    /// # Errors
    /// The disk.
    pub async fn put_sink_position(&self, _sink: &SinkName, _sequence: u64) -> Result<(), Error> {
        unfinished()
    }

    /// Forget how far a sink has come.
    ///
    /// # Errors
    /// The disk.
    pub async fn remove_sink_position(&self, _sink: &SinkName) -> Result<(), Error> {
        unfinished()
    }

    /// Disk use, key, format and watermark.
    ///
    /// # Errors
    /// The disk.
    pub async fn status(&self) -> Result<Status, Error> {
        unfinished()
    }

    /// Walk every record and body and name what is tampered with, torn, missing or surplus. Commits wait while records are walked;
    /// bodies are read beside them.
    ///
    /// # Errors
    /// The disk. What is wrong with the store's content is in the report.
    pub async fn check(&self, _progress: impl FnMut(CheckProgress) + Send + 'static) -> Result<CheckReport, Error> {
        unfinished()
    }

    /// Begin a session that takes over mail for an account.
    #[must_use]
    pub fn intake(&self, _account: AccountId) -> Intake {
        Intake
    }
}
