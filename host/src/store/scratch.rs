//! Octets that a process needs for a while and that nobody is to find afterwards: in memory while they are few, else sealed in a file without
//! a name, under a key that is never written.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

use super::Store;
use super::error::Error;
use super::seal::KeyOctets;
use super::shared::on_thread;
use super::xchacha::{self, NONCE_OCTETS, TAG_OCTETS};

/// Octets up to which nothing is written to disk.
const HELD_OCTETS: usize = 256 << 10;

/// Octets of one sealed chunk, before its seal.
const CHUNK_OCTETS: usize = 64 << 10;

/// Octets that are being put aside.
pub struct Scratch {
    folder: PathBuf,
    held: BytesMut,
    file: Option<Sealed>,
    octets: u64,
}

/// Octets that were put aside. Cheap to clone; they go with the last clone, or with the process.
#[derive(Clone)]
pub struct PutAside {
    source: Source,
    octets: u64,
}

/// One reading of octets that were put aside, from the first to the last.
pub struct ScratchReader {
    source: Source,
    chunk: u64,
    read: u64,
    octets: u64,
}

#[derive(Clone)]
enum Source {
    Memory(Bytes),
    File(Sealed),
}

/// A file without a name, and what opens its chunks.
#[derive(Clone)]
struct Sealed {
    file: Arc<File>,
    key: Arc<KeyOctets>,
    chunks: u64,
    path: PathBuf,
}

impl Store {
    /// Begin to put octets aside, in the store's folder.
    ///
    /// # Errors
    /// A closed store.
    pub fn scratch(&self) -> Result<Scratch, Error> {
        let folder = self.shared.open()?.dir.clone();
        Ok(Scratch { folder, held: BytesMut::new(), file: None, octets: 0 })
    }
}

impl Scratch {
    /// Put further octets aside.
    ///
    /// # Errors
    /// The disk.
    pub async fn write(&mut self, mut octets: Bytes) -> Result<(), Error> {
        self.octets += octets.len() as u64;
        while !octets.is_empty() {
            let room = if self.file.is_some() { CHUNK_OCTETS } else { HELD_OCTETS } - self.held.len();
            self.held.extend_from_slice(&octets.split_to(room.min(octets.len())));
            if self.held.len() >= HELD_OCTETS || (self.file.is_some() && self.held.len() >= CHUNK_OCTETS) {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// How many were put aside.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// That was all.
    ///
    /// # Errors
    /// The disk.
    pub async fn finish(mut self) -> Result<PutAside, Error> {
        if self.file.is_some() {
            self.flush().await?;
        }
        let source = match self.file {
            Some(sealed) => Source::File(sealed),
            None => Source::Memory(self.held.freeze()),
        };
        Ok(PutAside { source, octets: self.octets })
    }

    /// Seal what is held in memory, all of it.
    async fn flush(&mut self) -> Result<(), Error> {
        let mut sealed = match self.file.take() {
            Some(sealed) => sealed,
            None => Sealed::new(self.folder.clone()).await?,
        };
        let held = self.held.split();
        self.file = Some(
            on_thread(move || {
                for chunk in held.chunks(CHUNK_OCTETS) {
                    sealed.append(chunk)?;
                }
                Ok(sealed)
            })
            .await?,
        );
        Ok(())
    }
}

impl PutAside {
    /// How many there are.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Read them, once more.
    #[must_use]
    pub fn read(&self) -> ScratchReader {
        ScratchReader { source: self.source.clone(), chunk: 0, read: 0, octets: self.octets }
    }
}

impl ScratchReader {
    /// The next octets; none: that was all.
    ///
    /// # Errors
    /// The disk, or a file that was changed by somebody.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match &mut self.source {
            Source::Memory(octets) if octets.is_empty() => Ok(None),
            Source::Memory(octets) => Ok(Some(octets.split_to(CHUNK_OCTETS.min(octets.len())))),
            Source::File(_) if self.read >= self.octets => Ok(None),
            Source::File(sealed) => {
                let (sealed, chunk) = (sealed.clone(), self.chunk);
                let length = CHUNK_OCTETS.min(usize::try_from(self.octets - self.read).unwrap_or(CHUNK_OCTETS));
                let octets = on_thread(move || sealed.read(chunk, length)).await?;
                self.chunk += 1;
                self.read += octets.len() as u64;
                Ok(Some(octets))
            }
        }
    }
}

impl Sealed {
    async fn new(folder: PathBuf) -> Result<Self, Error> {
        on_thread(move || {
            let mut key = Zeroizing::new([0; 32]);
            getrandom::fill(key.as_mut_slice()).map_err(Error::Random)?;
            let file = tempfile::tempfile_in(&folder).map_err(Error::io("make a file in", &folder))?;
            Ok(Self { file: Arc::new(file), key: Arc::new(key), chunks: 0, path: folder })
        })
        .await
    }

    /// Blocks.
    fn append(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut octets = Vec::with_capacity(chunk.len() + TAG_OCTETS);
        octets.extend_from_slice(chunk);
        xchacha::seal(&self.key, &nonce(self.chunks), b"", &mut octets)
            .map_err(|_| Error::Bug { operation: "put octets aside", finding: "the cipher refused" })?;
        self.file.write_all_at(&octets, place(self.chunks)).map_err(Error::io("write a nameless file in", &self.path))?;
        self.chunks += 1;
        Ok(())
    }

    /// Blocks.
    fn read(&self, chunk: u64, length: usize) -> Result<Bytes, Error> {
        let mut octets = vec![0; length + TAG_OCTETS];
        self.file.read_exact_at(&mut octets, place(chunk)).map_err(Error::io("read a nameless file in", &self.path))?;
        let damaged = |_| Error::Damaged {
            operation: "read octets that were put aside",
            place: format!("a nameless file in {}", self.path.display()),
            finding: "its seal does not hold",
        };
        xchacha::open(&self.key, &nonce(chunk), b"", &mut octets).map_err(damaged)?;
        Ok(octets.into())
    }
}

/// Where a chunk lies: all but the last are of one length.
const fn place(chunk: u64) -> u64 {
    chunk * (CHUNK_OCTETS + TAG_OCTETS) as u64
}

/// The key is of this file alone, so that a chunk's number is nonce enough.
fn nonce(chunk: u64) -> [u8; NONCE_OCTETS] {
    let mut nonce = [0; NONCE_OCTETS];
    for (to, from) in nonce.iter_mut().zip(chunk.to_be_bytes()) {
        *to = from;
    }
    nonce
}
