//! Restoring: every frame is verified before it is used, the whole is checked as an open store, and only then gets its name.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::{Error, KeyError};
use super::super::failpoint::{Failpoint, at};
use super::super::keyring::{self, Keyring};
use super::super::keys::{KeyKind, KeySource};
use super::super::records::Records;
use super::super::shared::{FORMAT, on_thread};
use super::super::spool::segment::Segments;
use super::super::status::CheckReport;
use super::super::watermark::Watermark;
use super::super::{Store, files, spool};
use super::BackedUp;
use super::format::{CHECK_OCTETS, Chain, FRAME_OCTETS, HEADER_OCTETS, Header, MOST_OCTETS, VERSION, kind, records, two_numbers};

/// A backup that is being read.
struct Source {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
}

/// A frame with the place at which it begins.
struct Frame {
    at: u64,
    kind: u8,
    payload: Vec<u8>,
    check: [u8; CHECK_OCTETS],
}

/// The kind of master key that the backup at `path` wants. Blocks shortly.
///
/// # Errors
/// The file is no backup, or cannot be read.
pub fn backup_key_kind(path: &Path) -> Result<KeyKind, Error> {
    let mut source = Source::open(path)?;
    source.header()?;
    let frame = source.frame()?;
    if frame.kind != kind::KEYRING {
        return Err(source.damaged(frame.at, "the keyring is missing"));
    }
    keyring::kind_in(&frame.payload).ok_or_else(|| source.damaged(frame.at, "the keyring cannot be read"))
}

/// Make the store at `dir`, where none is, out of the backup at `path`. It has its name only after all of it was verified.
///
/// # Errors
/// Something is there already; a backup that is torn or changed, with the place; a wrong or missing key; the disk.
pub async fn restore(path: &Path, dir: &Path, keys: KeySource) -> Result<BackedUp, Error> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let draft = dir.with_extension("restoring");
    let (from, to, target, source) = (path.to_owned(), draft.clone(), dir.clone(), keys.clone());
    let unpacked = on_thread(move || {
        refuse_filled(&target)?;
        // What an earlier attempt left is of no use.
        remove_all(&to)?;
        unpack(&from, &to, &source)
    })
    .await;
    let verified = match unpacked {
        Ok(restored) => verify(&draft, keys).await.map(|report| (restored, report)),
        Err(error) => Err(error),
    };
    let (restored, report) = match verified {
        Ok(verified) => verified,
        // As large as the store, and of no use. Where it cannot be removed either, the next attempt says so.
        Err(error) => {
            let _ = on_thread(move || remove_all(&draft)).await;
            return Err(error);
        }
    };
    // The chain held: this damage was there when the backup was made, and the rest is not to be refused for it.
    let findings = report.findings.len() as u64 + report.more_findings;
    on_thread(move || {
        match at(Failpoint::DraftRename, || std::fs::remove_dir(&dir)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("replace the empty folder", &dir)(error)),
            _ => {}
        }
        at(Failpoint::DraftRename, || std::fs::rename(&draft, &dir)).map_err(Error::io("put into place", &dir))?;
        files::sync_way_to(&dir)
    })
    .await?;
    Ok(BackedUp { findings, ..restored })
}

/// Open the store as everybody does, and verify every record and body.
async fn verify(draft: &Path, keys: KeySource) -> Result<CheckReport, Error> {
    let store = Store::open(draft, keys).await?;
    let report = store.check(|_| {}).await;
    store.close().await?;
    report
}

fn unpack(path: &Path, dir: &Path, keys: &KeySource) -> Result<BackedUp, Error> {
    let mut source = Source::open(path)?;
    let header = source.header()?;
    files::make_folder(dir)?;
    let first = source.frame()?;
    if first.kind != kind::KEYRING {
        return Err(source.damaged(first.at, "the keyring is missing"));
    }
    files::replace(&dir.join("keyring"), &first.payload)?;
    let keyring = match Keyring::open(dir, keys) {
        Ok(Some(keyring)) if keyring.store == header.store => Arc::new(keyring),
        Ok(_) | Err(Error::Key(KeyError::Keyring(_))) => return Err(source.damaged(first.at, "the keyring is damaged")),
        Err(error) => return Err(error),
    };
    let mut chain = Chain::new(keyring.index(), &header);
    source.verify(&mut chain, &first)?;
    let tree = Records::open(&dir.join("records"), Arc::clone(&keyring), true)?;
    let segments = Segments::in_folder(&spool::folder(dir), header.store)?;
    let mut restored = BackedUp { commit: header.mark.commit, ..BackedUp::default() };
    // The segment that is being written: its file, how much is there, and how much there is to be.
    let mut segment: Option<(Arc<File>, u64, u64)> = None;
    loop {
        let frame = source.frame()?;
        source.verify(&mut chain, &frame)?;
        let unexpected = || source.damaged(frame.at, "it is not what follows here");
        match (frame.kind, &mut segment) {
            (kind::RECORDS, None) => {
                let batch = records(&frame.payload).ok_or_else(unexpected)?;
                restored.records += batch.len() as u64;
                tree.apply_raw(&batch)?;
            }
            (kind::SEGMENT, finished) if finished.as_ref().is_none_or(|(_, there, total)| there == total) => {
                let (number, octets) = two_numbers(&frame.payload).ok_or_else(unexpected)?;
                if let Some((file, ..)) = finished.take() {
                    at(Failpoint::SegmentSync, || file.sync_all()).map_err(Error::io("sync a segment in", dir))?;
                }
                restored.segments += 1;
                segment = Some((segments.make_empty(number)?, 0, octets));
            }
            (kind::PIECE, Some((file, there, total))) if *there + frame.payload.len() as u64 <= *total => {
                let write = || file.write_all_at(&frame.payload, *there);
                at(Failpoint::SegmentWrite, write).map_err(Error::io("write a segment in", dir))?;
                *there += frame.payload.len() as u64;
            }
            (kind::END, finished) if finished.as_ref().is_none_or(|(_, there, total)| there == total) => {
                if two_numbers(&frame.payload) != Some((restored.records, restored.segments)) {
                    return Err(unexpected());
                }
                break;
            }
            _ => return Err(unexpected()),
        }
    }
    source.end()?;
    if let Some((file, ..)) = segment {
        at(Failpoint::SegmentSync, || file.sync_all()).map_err(Error::io("sync a segment in", dir))?;
    }
    tree.sync()?;
    tree.resync()?;
    segments.resync()?;
    let (watermark, _) = Watermark::open(&dir.join("watermark"), keyring.index(), true)?;
    watermark.advance(header.mark)?;
    files::replace(&dir.join("format"), format!("postrider store, format {FORMAT}\n").as_bytes())?;
    restored.octets = source.offset;
    Ok(restored)
}

impl Source {
    fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open the backup", path))?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), offset: 0 })
    }

    fn header(&mut self) -> Result<Header, Error> {
        let octets = self.take(HEADER_OCTETS)?;
        Header::decode(&octets).map_err(|(finding, version)| match version {
            Some(found) => Error::NewerBackup { path: self.path.clone(), found, known: VERSION },
            None => self.damaged(0, finding),
        })
    }

    fn frame(&mut self) -> Result<Frame, Error> {
        let at = self.offset;
        let start = self.take(FRAME_OCTETS)?;
        let (kind, length) = match start.as_slice() {
            [kind, a, b, c, d] => (*kind, u32::from_be_bytes([*a, *b, *c, *d]) as usize),
            _ => return Err(self.damaged(at, "it is cut off here")),
        };
        if length > MOST_OCTETS {
            return Err(self.damaged(at, "a length is not one that was written"));
        }
        let payload = self.take(length)?;
        let check = self.take(CHECK_OCTETS)?.try_into().map_err(|_| self.damaged(at, "it is cut off here"))?;
        Ok(Frame { at, kind, payload, check })
    }

    fn verify(&self, chain: &mut Chain, frame: &Frame) -> Result<(), Error> {
        if chain.next(frame.kind, &frame.payload) == frame.check {
            return Ok(());
        }
        Err(self.damaged(frame.at, "it was changed, or is of another backup"))
    }

    fn end(&mut self) -> Result<(), Error> {
        let mut more = [0];
        match self.file.read(&mut more).map_err(Error::io("read the backup", &self.path))? {
            0 => Ok(()),
            _ => Err(self.damaged(self.offset, "it goes on after its end")),
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut octets = vec![0; length];
        match self.file.read_exact(&mut octets) {
            Ok(()) => {
                self.offset += length as u64;
                Ok(octets)
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(self.damaged(self.offset, "it is cut off here")),
            Err(error) => Err(Error::io("read the backup", &self.path)(error)),
        }
    }

    fn damaged(&self, at: u64, finding: &'static str) -> Error {
        Error::Damaged { operation: "restore the backup", place: format!("{} at octet {at}", self.path.display()), finding }
    }
}

/// Refuse to restore over anything.
fn refuse_filled(dir: &Path) -> Result<(), Error> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::NotEmpty(dir.to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("list", dir)(error)),
    }
}

fn remove_all(dir: &Path) -> Result<(), Error> {
    match at(Failpoint::DraftWrite, || std::fs::remove_dir_all(dir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", dir)(error)),
        _ => Ok(()),
    }
}
