//! One process owns a store: an advisory lock (flock) on the file `lock`, which ends with the process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::error::Error;

/// Held while the store is open.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Take the lock, or say who cannot have it.
    pub(super) fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(Error::io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse(dir.to_owned())),
            Err(error) => Err(Error::io("lock", &path)(error.into())),
        }
    }
}
