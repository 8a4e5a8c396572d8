//! The durable watermark: what was acknowledged, in a file that is never torn as a whole. Two slots are written in turn, each
//! with its own keyed check; the better one counts.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::failpoint::{Failpoint, at};
use super::files;
use super::seal::IndexKey;

/// Slots stand apart by more than a sector, so that one torn write hurts one.
const SLOT_DISTANCE: u64 = 4_096;
const MAGIC: &[u8; 8] = b"PRwater1";
const SLOT: usize = 8 + 8 + 8 + 16;

/// What had been acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Commits since the store was made.
    pub(super) commit: u64,
    /// The highest sequence.
    pub(super) sequence: u64,
}

/// The open file.
pub(super) struct Watermark {
    file: File,
    path: PathBuf,
    check: [u8; 32],
}

impl Watermark {
    /// Open the file, or make it; the mark that it holds. A file without a good slot has lost its content: `None`.
    pub(super) fn open(path: &Path, index: &IndexKey, is_new: bool) -> Result<(Self, Option<Mark>), Error> {
        let check = index.hash("watermark", &[]);
        let is_missing = !path.exists();
        if is_missing {
            // Whole under another name first: a file that is cut short would look like one that has lost its content.
            files::replace(path, &slot_of(&check, Mark::default()))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = at(Failpoint::WatermarkOpen, || options.open(path)).map_err(Error::io("open", path))?;
        let watermark = Self { file, path: path.to_owned(), check };
        let best = [0, 1].into_iter().filter_map(|slot| watermark.read_slot(slot)).max_by_key(|mark| mark.commit);
        // A store that is there had one: what it said is lost, and not nothing.
        Ok((watermark, best.filter(|_| is_new || !is_missing)))
    }

    /// Write `mark` over the older slot; durable on return.
    pub(super) fn advance(&self, mark: Mark) -> Result<(), Error> {
        let slot = slot_of(&self.check, mark);
        let offset = mark.commit % 2 * SLOT_DISTANCE;
        let written = at(Failpoint::WatermarkWrite, || self.file.write_all_at(&slot, offset));
        written.and_then(|()| at(Failpoint::WatermarkSync, || self.file.sync_data())).map_err(Error::io("write", &self.path))
    }

    fn read_slot(&self, slot: u64) -> Option<Mark> {
        let mut octets = [0; SLOT];
        self.file.read_exact_at(&mut octets, slot * SLOT_DISTANCE).ok()?;
        let (content, check) = octets.split_last_chunk::<16>()?;
        let (magic, numbers) = content.split_first_chunk::<8>()?;
        let (commit, sequence) = numbers.split_first_chunk::<8>()?;
        if magic != MAGIC || *check != check_of(&self.check, content) {
            return None;
        }
        Some(Mark { commit: u64::from_be_bytes(*commit), sequence: u64::from_be_bytes(sequence.try_into().ok()?) })
    }
}

fn slot_of(check: &[u8; 32], mark: Mark) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(MAGIC);
    slot.extend_from_slice(&mark.commit.to_be_bytes());
    slot.extend_from_slice(&mark.sequence.to_be_bytes());
    let check = check_of(check, &slot);
    slot.extend_from_slice(&check);
    slot
}

fn check_of(key: &[u8; 32], content: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = blake3::keyed_hash(key, content).into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::seal::tests::sealer;

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("watermark");
        let sealer = sealer();
        let (watermark, mark) = Watermark::open(&path, sealer.index(), true).unwrap();
        assert_eq!(mark, Some(Mark::default()));
        for commit in 1..=3 {
            watermark.advance(Mark { commit, sequence: commit * 10 }).unwrap();
        }
        let read = || Watermark::open(&path, sealer.index(), true).unwrap().1;
        assert_eq!(read(), Some(Mark { commit: 3, sequence: 30 }));
        let mut octets = std::fs::read(&path).unwrap();
        octets[SLOT_DISTANCE as usize + 20] ^= 1;
        std::fs::write(&path, &octets).unwrap();
        assert_eq!(read(), Some(Mark { commit: 2, sequence: 20 }));
        octets[20] ^= 1;
        std::fs::write(&path, &octets).unwrap();
        assert_eq!(read(), None);
    }
}
