//! The sealed store: accounts and their secrets, messages, cursors, small documents. The only place that names sled.
//!
//! | file | what it knows |
//! |---|---|
//! | `accounts`, `documents`, `read`, `check` | the façade, a subject each |
//! | `intake`, `step`, `headers` | one session's mail until its checkpoint |
//! | `apply`, `index` | a checkpoint as changes to records; adoption |
//! | `retain` | what need not be kept any longer |
//! | `compact` | what is garbage in the spool, freed |
//! | `scratch` | octets that a process needs for a while |
//! | `committer`, `transaction`, `watermark` | how changes become durable |
//! | `records`, `record`, `layout`, `set_hash` | the record tree: sled, contents, keys, a hash of all |
//! | `spool` | bodies in segments |
//! | `failpoint` | every step that changes what is on disk, for tests to break |
//! | `seal`, `xchacha`, `keyring`, `keys` | sealing, keyed hashes, wrapped keys, the master key |
//! | `repair` | what is damaged put aside, the rest made good again |
//! | `backup` | the store at one commit as a verified stream, and back |
//! | `rotate` | a new data key, and everything rewritten to it |

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

pub use backup::{BackedUp, backup_key_kind, restore};
pub use compact::CompactReport;
pub use error::{Error, KeyError, RecordsError};
pub use intake::{Delivered, Intake, IntakeDelivery};
pub use keys::{KeyKind, KeySource, NewKey};
pub use read::BodyReader;
pub use repair::RepairReport;
pub use retain::{Retained, Retention};
pub use rotate::Rotated;
pub use scratch::{PutAside, Scratch, ScratchReader};
pub use status::{CheckProgress, CheckReport, Counts, Finding, FolderState, KeyState, Progress, Status, SummaryPage};

use crate::clock::Timestamp;
use crate::model::name::AccountId;
use shared::{FORMAT, Open, Shared};

mod accounts;
mod apply;
mod backup;
mod check;
mod committer;
mod compact;
mod documents;
mod error;
mod failpoint;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod headers;
mod index;
mod intake;
mod keyring;
mod keys;
mod layout;
mod lock;
mod pending;
mod read;
mod record;
mod records;
mod repair;
mod retain;
mod rotate;
mod scratch;
mod seal;
mod set_hash;
mod shared;
mod snapshots;
mod spool;
mod status;
mod step;
mod transaction;
mod watermark;
mod xchacha;

/// An open store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// Open the store in `dir`, or make one there when nothing is: then the key is synced to disk before the first commit.
    ///
    /// # Errors
    /// Another owner, a newer format, a missing or wrong key, damage that makes it unreadable, the disk.
    pub async fn open(dir: &Path, keys: KeySource) -> Result<Self, Error> {
        let dir = dir.to_owned();
        let open = shared::on_thread(move || Open::at(&dir, &keys)).await?;
        let store = Self { shared: Arc::new(Shared::new(open)) };
        accounts::clear_removed(&store.shared).await?;
        Ok(store)
    }

    /// Commit what waits, and close. Clones and intakes that are still about answer [`Error::Closed`] from now on.
    ///
    /// # Errors
    /// The disk.
    pub async fn close(self) -> Result<(), Error> {
        self.shared.close().await
    }

    /// The highest durable sequence, as it rises. Its sender is gone once the store is closed.
    #[must_use]
    pub fn watermark(&self) -> watch::Receiver<u64> {
        self.shared.open().map_or_else(|_| watch::channel(0).1, |open| open.committer.watermark().clone())
    }

    /// Disk use, key, format and watermark.
    ///
    /// # Errors
    /// The disk.
    pub async fn status(&self) -> Result<Status, Error> {
        self.shared
            .read(|open| {
                let (segments, spool_octets) = spool::usage(open.spool.segments())?;
                let head = open.records.head()?;
                Ok(Status {
                    format: FORMAT,
                    key: open.keyring.key_state(),
                    watermark: open.watermark(),
                    commits: head.commit,
                    record_octets: open.records.octets()?,
                    spool_octets,
                    segments,
                    damage: shared::known_damage(&open.records)?,
                    clock_behind_millis: head.clock_behind(Timestamp::now()),
                })
            })
            .await
    }

    /// Begin a session that takes over mail for an account.
    #[must_use]
    pub fn intake(&self, account: AccountId) -> Intake {
        Intake::new(Arc::clone(&self.shared), account)
    }
}

#[cfg(test)]
mod tests;
