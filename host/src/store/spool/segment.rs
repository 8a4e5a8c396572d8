//! The segment files: their names, headers and handles.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::error::Error;
use crate::store::failpoint::{Failpoint, at, waits};
use crate::store::files;

/// Octets of a segment's header; frames follow.
pub(in crate::store) const HEADER_OCTETS: u64 = 64;

const MAGIC: &[u8; 8] = b"PRspool1";

/// Findings about a header that is whole.
const OTHER_SEGMENT: &str = "its header is that of another segment";
const OTHER_STORE: &str = "its header is that of another store";

/// Handles kept open for readers.
const OPEN_FILES: usize = 64;

/// The segments of one spool.
pub(in crate::store) struct Segments {
    folder: PathBuf,
    store: [u8; 16],
    open: Mutex<BTreeMap<u64, Arc<File>>>,
}

/// The segment with the highest number.
pub(super) struct Last {
    pub(super) number: u64,
    pub(super) octets: u64,
    /// Its header is whole.
    pub(super) is_good: bool,
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Header {
    pub(in crate::store) segment: u64,
    /// The epoch when the segment was begun; each frame has its own.
    pub(in crate::store) epoch: u32,
    pub(in crate::store) store: [u8; 16],
}

impl Segments {
    pub(super) const fn new(folder: PathBuf, store: [u8; 16]) -> Self {
        Self { folder, store, open: Mutex::new(BTreeMap::new()) }
    }

    /// The segments of a spool that is being restored.
    pub(in crate::store) fn in_folder(folder: &Path, store: [u8; 16]) -> Result<Self, Error> {
        files::make_folder(folder)?;
        Ok(Self::new(folder.to_owned(), store))
    }

    /// Make the file of a segment whose header is among its octets to come.
    pub(in crate::store) fn make_empty(&self, segment: u64) -> Result<Arc<File>, Error> {
        let path = self.path_of(segment);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = at(Failpoint::SegmentMake, || options.open(&path)).map_err(Error::io("make the segment", &path))?;
        Ok(Arc::new(file))
    }

    pub(in crate::store) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(in crate::store) fn path_of(&self, segment: u64) -> PathBuf {
        self.folder.join(name_of(segment))
    }

    /// Numbers and octets of all segments, in order.
    pub(in crate::store) fn list(&self) -> Result<Vec<(u64, u64)>, Error> {
        waits();
        let failed = |error| Error::io("list the segments in", &self.folder)(error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(number) = number_in(&entry.file_name()) {
                found.push((number, entry.metadata().map_err(failed)?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What lies in the folder and has no segment's name.
    pub(in crate::store) fn strangers(&self) -> Result<Vec<OsString>, Error> {
        let failed = |error| Error::io("list the segments in", &self.folder)(error);
        let entries = fs::read_dir(&self.folder).map_err(failed)?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed));
        names.filter(|name| name.as_ref().map_or(true, |name| number_in(name).is_none())).collect()
    }

    /// Whether a segment that no record points to is none of this spool's own. One that is has its header, or what a power cut left of it.
    pub(in crate::store) fn is_surplus(&self, segment: u64) -> Result<bool, Error> {
        Ok(matches!(self.check_header(segment)?, Err(OTHER_SEGMENT | OTHER_STORE)))
    }

    pub(super) fn last(&self) -> Result<Option<Last>, Error> {
        let Some((number, octets)) = self.list()?.pop() else { return Ok(None) };
        Ok(Some(Last { number, octets, is_good: self.check_header(number)?.is_ok() }))
    }

    /// Make durable what an earlier process may have left in the page cache.
    pub(in crate::store) fn resync(&self) -> Result<(), Error> {
        for (number, _) in self.list()? {
            let path = self.path_of(number);
            at(Failpoint::SegmentResync, || File::open(&path)?.sync_all()).map_err(Error::io("sync the segment", &path))?;
        }
        files::sync_folder(&self.folder)
    }

    /// Make the file of a segment, with its header. A file of this number that is there already is none of ours and stays.
    pub(super) fn make(&self, segment: u64, epoch: u32) -> Result<Arc<File>, Error> {
        let path = self.path_of(segment);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = at(Failpoint::SegmentMake, || options.open(&path)).map_err(Error::io("make the segment", &path))?;
        let header = encode_header(&Header { segment, epoch, store: self.store });
        at(Failpoint::SegmentHeader, || file.write_all_at(&header, 0)).map_err(Error::io("write to the segment", &path))?;
        let file = Arc::new(file);
        keep_open(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner), segment, &file);
        Ok(file)
    }

    /// A handle to write through.
    pub(super) fn file_to_write(&self, segment: u64) -> Result<Arc<File>, Error> {
        waits();
        // Locked while it is opened, lest a handle of a segment that is just being removed be kept, and its octets with it.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let path = self.path_of(segment);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(Error::io("open the segment", &path))?;
        let file = Arc::new(file);
        keep_open(&mut open, segment, &file);
        Ok(file)
    }

    /// A handle to read through; none: there is no such segment.
    pub(in crate::store) fn file(&self, segment: u64) -> Result<Option<Arc<File>>, Error> {
        match self.file_to_write(segment) {
            Ok(file) => Ok(Some(file)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is wrong with a segment's header, if anything is.
    pub(in crate::store) fn check_header(&self, segment: u64) -> Result<Result<Header, &'static str>, Error> {
        let path = self.path_of(segment);
        let mut octets = [0; HEADER_OCTETS as usize];
        match File::open(&path).and_then(|file| file.read_exact_at(&mut octets, 0)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Err("its header is cut short")),
            Err(error) => return Err(Error::io("read the segment", &path)(error)),
        }
        Ok(match decode_header(&octets) {
            Ok(header) if header.segment != segment => Err(OTHER_SEGMENT),
            Ok(header) if header.store != self.store => Err(OTHER_STORE),
            decoded => decoded,
        })
    }

    /// Remove segments that no record points to. Readers that have one open read on.
    pub(in crate::store) fn remove(&self, segments: impl Iterator<Item = u64>) -> Result<(), Error> {
        let mut has_removed = false;
        for segment in segments {
            let path = self.path_of(segment);
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.remove(&segment);
            at(Failpoint::SegmentRemove, || fs::remove_file(&path)).map_err(Error::io("remove the segment", &path))?;
            has_removed = true;
        }
        if has_removed { files::sync_folder(&self.folder) } else { Ok(()) }
    }
}

/// The number of the segment with this file name.
fn number_in(name: &OsStr) -> Option<u64> {
    let name = name.to_str()?;
    let number = name.strip_suffix(".segment")?.parse().ok()?;
    // `7.segment` is not segment 7: that file has another name.
    (name_of(number) == name).then_some(number)
}

fn name_of(segment: u64) -> String {
    format!("{segment:016}.segment")
}

fn keep_open(open: &mut BTreeMap<u64, Arc<File>>, segment: u64, file: &Arc<File>) {
    if open.len() >= OPEN_FILES {
        // The oldest goes; readers that have it keep their handle.
        open.pop_first();
    }
    open.insert(segment, Arc::clone(file));
}

fn encode_header(header: &Header) -> Vec<u8> {
    let mut octets = Vec::with_capacity(64);
    octets.extend_from_slice(MAGIC);
    octets.extend_from_slice(&header.segment.to_be_bytes());
    octets.extend_from_slice(&header.epoch.to_be_bytes());
    octets.extend_from_slice(&header.store);
    octets.extend_from_slice(&[0; 12]);
    octets.extend_from_slice(&check_of(&octets));
    octets
}

/// Read a segment's header.
pub(in crate::store) fn decode_header(octets: &[u8]) -> Result<Header, &'static str> {
    let header = octets.first_chunk::<{ HEADER_OCTETS as usize }>().ok_or("its header is cut short")?;
    let (content, check) = header.split_last_chunk::<16>().ok_or("its header is cut short")?;
    if *check != check_of(content) {
        return Err("its header's check sum is wrong");
    }
    let (magic, rest) = content.split_first_chunk::<8>().ok_or("its header is cut short")?;
    let (segment, rest) = rest.split_first_chunk::<8>().ok_or("its header is cut short")?;
    let (epoch, rest) = rest.split_first_chunk::<4>().ok_or("its header is cut short")?;
    let (store, _) = rest.split_first_chunk::<16>().ok_or("its header is cut short")?;
    if magic != MAGIC {
        return Err("it is no segment of a known format");
    }
    Ok(Header { segment: u64::from_be_bytes(*segment), epoch: u32::from_be_bytes(*epoch), store: *store })
}

/// Against accidents; against malice there are the seals of the frames.
fn check_of(content: &[u8]) -> [u8; 16] {
    blake3::hash(content).as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_show_changes() {
        let header = Header { segment: 7, epoch: 3, store: [9; 16] };
        let octets = encode_header(&header);
        assert_eq!(octets.len() as u64, HEADER_OCTETS);
        assert_eq!(decode_header(&octets), Ok(header));
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            assert!(decode_header(&changed).is_err(), "octet {at}");
            assert!(decode_header(&octets[..at]).is_err());
        }
    }
}
