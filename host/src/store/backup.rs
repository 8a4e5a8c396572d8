//! Backups: the store as it was at one commit, as one stream. Everything in it lies there as it lies on disk, sealed; what is
//! added is a chain of keyed hashes, so that a stream that is torn, changed or put together is found where it is wrong.
//!
//! A header (magic, version, store, random id, commit and sequence), then frames: kind, length, payload, and the keyed hash of the
//! frame and of the hash before it. First the keyring, then batches of records, then segments piece by piece, then the end.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Store;
use super::error::Error;
use super::failpoint::{Failpoint, at};
use super::shared::{Open, on_thread};
use super::watermark::Mark;
use format::{Chain, Header, PAYLOAD_OCTETS, kind};

pub(super) mod format;
mod restore;

pub use restore::{backup_key_kind, restore};

/// What a backup holds, or what was restored from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// The commit that the backup shows.
    pub commit: u64,
    /// Records.
    pub records: u64,
    /// Segments.
    pub segments: u64,
    /// Octets of the whole backup.
    pub octets: u64,
    /// What a check found in the restored store: damage that was there when it was backed up.
    pub findings: u64,
}

/// The store at one commit: files that nobody takes away while they are open.
struct Snapshot {
    mark: Mark,
    keyring: Vec<u8>,
    /// Batches of records, each with its length before it; the file has no name any more.
    records: File,
    record_count: u64,
    segments: Vec<(u64, u64, File)>,
}

/// Frames on their way out.
struct Frames<'a> {
    out: &'a mpsc::Sender<Bytes>,
    chain: Chain,
    octets: u64,
}

impl Store {
    /// Send a backup into `out`, piece by piece; waits while it is full. Commits wait while records are copied to a file beside
    /// them, not while anything is sent. The backup is of use only with the store's key.
    ///
    /// # Errors
    /// Nobody takes the pieces any more; the disk, on which the records need their room once more.
    pub async fn backup(&self, out: mpsc::Sender<Bytes>) -> Result<BackedUp, Error> {
        let open = self.shared.open()?;
        let snapshot = {
            // No segment goes between the records and their segments; once these are open, they stay readable.
            let _still = open.compaction.lock().await;
            let open = Arc::clone(&open);
            on_thread(move || open.committer.at_standstill(|| Snapshot::take(&open))).await?
        };
        on_thread(move || snapshot.send(&open, &out)).await
    }
}

impl Snapshot {
    fn take(open: &Open) -> Result<Self, Error> {
        let head = open.records.head()?;
        let folder = open.records.path().parent().unwrap_or(Path::new("."));
        let keyring_path = folder.join("keyring");
        let keyring = super::files::read(&keyring_path)?.unwrap_or_default();
        let (records, record_count) = copy_records(open, folder)?;
        let segments = open.spool.segments();
        let mut opened = Vec::new();
        for (number, octets) in segments.list()? {
            let path = segments.path_of(number);
            opened.push((number, octets, File::open(&path).map_err(Error::io("open the segment", &path))?));
        }
        let mark = Mark { commit: head.commit, sequence: head.sequence };
        Ok(Self { mark, keyring, records, record_count, segments: opened })
    }

    fn send(mut self, open: &Open, out: &mpsc::Sender<Bytes>) -> Result<BackedUp, Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(Error::Random)?;
        let header = Header { store: open.keyring.store, id, mark: self.mark };
        let mut frames = Frames { out, chain: Chain::new(open.keyring.index(), &header), octets: 0 };
        frames.put(Bytes::from(header.encode()))?;
        frames.send(kind::KEYRING, &self.keyring)?;
        let path = open.records.path().to_owned();
        let failed = || Error::io("read the copied records beside", &path);
        self.records.seek(SeekFrom::Start(0)).map_err(failed())?;
        let mut records = BufReader::new(&self.records);
        loop {
            let mut length = [0; 4];
            records.read_exact(&mut length).map_err(failed())?;
            let length = u32::from_be_bytes(length) as usize;
            if length == 0 {
                break;
            }
            let mut batch = vec![0; length];
            records.read_exact(&mut batch).map_err(failed())?;
            frames.send(kind::RECORDS, &batch)?;
        }
        for (number, octets, file) in &self.segments {
            frames.send(kind::SEGMENT, &[number.to_be_bytes(), octets.to_be_bytes()].concat())?;
            let mut offset = 0;
            while offset < *octets {
                let length = PAYLOAD_OCTETS.min(usize::try_from(octets - offset).unwrap_or(PAYLOAD_OCTETS));
                let mut piece = vec![0; length];
                let path = open.spool.segments().path_of(*number);
                file.read_exact_at(&mut piece, offset).map_err(Error::io("read the segment", &path))?;
                frames.send(kind::PIECE, &piece)?;
                offset += length as u64;
            }
        }
        let (records, segments) = (self.record_count, self.segments.len() as u64);
        frames.send(kind::END, &[records.to_be_bytes(), segments.to_be_bytes()].concat())?;
        Ok(BackedUp { commit: self.mark.commit, records, segments, octets: frames.octets, findings: 0 })
    }
}

impl Frames<'_> {
    fn send(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        let frame = self.chain.frame(kind, payload);
        self.put(Bytes::from(frame))
    }

    fn put(&mut self, octets: Bytes) -> Result<(), Error> {
        self.octets += octets.len() as u64;
        self.out.blocking_send(octets).map_err(|_| Error::Closed)
    }
}

/// Copy all records, as they lie, to a file without a name, in batches with their lengths; 0 is the end.
fn copy_records(open: &Open, folder: &Path) -> Result<(File, u64), Error> {
    let path = folder.join("backup.tmp");
    let failed = || Error::io("copy the records to", &path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let file = at(Failpoint::DraftWrite, || options.open(&path)).map_err(failed())?;
    // It goes with the process, whatever becomes of that.
    at(Failpoint::DraftWrite, || std::fs::remove_file(&path)).map_err(failed())?;
    let mut writer = BufWriter::new(&file);
    let mut write = |batch: &[u8]| {
        let length = u32::try_from(batch.len()).unwrap_or(u32::MAX).to_be_bytes();
        at(Failpoint::DraftWrite, || writer.write_all(&length).and_then(|()| writer.write_all(batch))).map_err(failed())
    };
    let (mut batch, mut count) = (Vec::new(), 0);
    for raw in open.records.scan(&[], &[]) {
        let (key, value) = raw?;
        if !batch.is_empty() && batch.len() + format::record_octets(&key, &value) > PAYLOAD_OCTETS {
            write(&batch)?;
            batch.clear();
        }
        format::put_record(&mut batch, &key, &value);
        count += 1;
    }
    write(&batch)?;
    if !batch.is_empty() {
        write(&[])?;
    }
    at(Failpoint::DraftWrite, || writer.flush()).map_err(failed())?;
    drop(writer);
    Ok((file, count))
}
