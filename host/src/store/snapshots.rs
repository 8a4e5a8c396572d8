//! Sled's snapshots of its page table, before the tree is opened. They only spare sled to read its whole log; but sled 0.34.7 takes the
//! draft of one, left by a kill, a full disk or a power cut, for the newest, and then cannot be opened any more.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::failpoint::{Failpoint, at};

/// Every snapshot's name begins so; the draft of one ends in ".generating".
const PREFIX: &str = "snap.";
const DRAFT: &str = "generating";

/// Behind the octets of a snapshot: how many they were before they were compressed, and their CRC-32.
const TRAILER: usize = 12;

/// Remove drafts, and snapshots that are not whole: sled then reads its log instead.
pub(super) fn clear(records: &Path) -> Result<(), Error> {
    for path in list(records)? {
        let is_draft = path.extension() == Some(OsStr::new(DRAFT));
        if is_draft || !is_whole(&path)? {
            tracing::warn!(file = %path.display(), "removed a snapshot that is not whole; the log is read instead");
            at(Failpoint::SnapshotRemove, || fs::remove_file(&path)).map_err(Error::io("remove the snapshot", &path))?;
        }
    }
    Ok(())
}

fn list(records: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = || Error::io("list", records);
    let mut paths = Vec::new();
    for entry in fs::read_dir(records).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

fn is_whole(path: &Path) -> Result<bool, Error> {
    let octets = fs::read(path).map_err(Error::io("read the snapshot", path))?;
    let Some((snapshot, trailer)) = octets.len().checked_sub(TRAILER).and_then(|at| octets.split_at_checked(at)) else { return Ok(false) };
    let expected = trailer.get(8..).and_then(|crc| crc.try_into().ok()).map(u32::from_le_bytes);
    Ok(!snapshot.is_empty() && expected == Some(crc32fast::hash(snapshot)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_goes_and_what_is_stays() {
        let folder = tempfile::tempdir().unwrap();
        sled::open(folder.path()).unwrap().insert("key", "value").unwrap();
        // Opening a tree that has something to recover leaves one.
        let written = || {
            drop(sled::open(folder.path()).unwrap());
            list(folder.path()).unwrap()
        };
        let whole = written();
        assert_eq!(whole.len(), 1, "sled leaves its snapshot");
        fs::write(folder.path().join("snap.00000000FFFFFFFF.generating"), "").unwrap();
        clear(folder.path()).unwrap();
        assert_eq!(list(folder.path()).unwrap(), whole);
        for length in [0, 5, 12] {
            fs::write(&written()[0], vec![7; length]).unwrap();
            clear(folder.path()).unwrap();
            assert!(list(folder.path()).unwrap().is_empty(), "{length} octets");
            assert_eq!(sled::open(folder.path()).unwrap().get("key").unwrap().as_deref(), Some(&b"value"[..]), "{length} octets");
        }
    }
}
