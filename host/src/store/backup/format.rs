//! The octets of a backup: header, frames, and the chain of keyed hashes over both. No I/O.

use super::super::seal::IndexKey;
use super::super::watermark::Mark;

/// The version that is written, and the only one that is known.
pub(super) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"PRbackup";

/// Octets of the header.
pub(in crate::store) const HEADER_OCTETS: usize = 8 + 4 + 16 + 16 + 8 + 8;

/// Octets before a frame's payload, and behind it.
pub(super) const FRAME_OCTETS: usize = 1 + 4;
pub(super) const CHECK_OCTETS: usize = 32;

/// What payloads are cut to; a single record may be larger.
pub(super) const PAYLOAD_OCTETS: usize = 1 << 20;

/// Larger payloads are not read: a document of 1 MiB, sealed, with its key fits.
pub(super) const MOST_OCTETS: usize = 20 << 20;

/// Kinds of frames.
pub(super) mod kind {
    /// The file `keyring`.
    pub(in crate::store::backup) const KEYRING: u8 = b'K';
    /// Records: key and value, each with its length.
    pub(in crate::store::backup) const RECORDS: u8 = b'R';
    /// A segment begins: its number and its octets.
    pub(in crate::store::backup) const SEGMENT: u8 = b'S';
    /// The next octets of the segment.
    pub(in crate::store::backup) const PIECE: u8 = b'P';
    /// That was all: how many records and segments.
    pub(in crate::store::backup) const END: u8 = b'E';
}

/// The first octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Header {
    pub(in crate::store) store: [u8; 16],
    /// Random, so that frames of two backups of one store do not fit each other.
    pub(in crate::store) id: [u8; 16],
    pub(in crate::store) mark: Mark,
}

/// The keyed hashes of a backup, each over the one before it.
pub(super) struct Chain {
    key: [u8; 32],
    last: [u8; 32],
}

impl Header {
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEADER_OCTETS);
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(&VERSION.to_be_bytes());
        octets.extend_from_slice(&self.store);
        octets.extend_from_slice(&self.id);
        octets.extend_from_slice(&self.mark.commit.to_be_bytes());
        octets.extend_from_slice(&self.mark.sequence.to_be_bytes());
        octets
    }

    /// Read it; on an error, the version where it is another one.
    pub(in crate::store) fn decode(octets: &[u8]) -> Result<Self, (&'static str, Option<u32>)> {
        let (magic, version) = (octets.get(..8), octets.get(8..12).and_then(|version| version.try_into().ok()).map(u32::from_be_bytes));
        if magic == Some(MAGIC) && version.is_some_and(|version| version != VERSION) {
            return Err(("it was written by a later program, in a format that this one does not know", version));
        }
        Self::decode_known(octets).map_err(|finding| (finding, None))
    }

    fn decode_known(octets: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "the header is cut short";
        let (magic, rest) = octets.split_first_chunk::<8>().ok_or(SHORT)?;
        let (_, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        if magic != MAGIC {
            return Err("it is no backup of a store");
        }
        let (store, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let (commit, rest) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
        let (sequence, _) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
        let mark = Mark { commit: u64::from_be_bytes(*commit), sequence: u64::from_be_bytes(*sequence) };
        Ok(Self { store: *store, id: *id, mark })
    }
}

impl Chain {
    /// The chain of the backup with this header, which is its first link.
    pub(super) fn new(index: &IndexKey, header: &Header) -> Self {
        let key = index.hash("backup", &[&header.id]);
        Self { key, last: blake3::keyed_hash(&key, &header.encode()).into() }
    }

    /// The next frame.
    pub(super) fn frame(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut frame = Vec::with_capacity(FRAME_OCTETS + payload.len() + CHECK_OCTETS);
        frame.push(kind);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(payload);
        let check = self.next(kind, payload);
        frame.extend_from_slice(&check);
        frame
    }

    /// What must stand behind the next frame.
    pub(super) fn next(&mut self, kind: u8, payload: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.last);
        hasher.update(&[kind]);
        hasher.update(&(payload.len() as u64).to_be_bytes());
        hasher.update(payload);
        self.last = hasher.finalize().into();
        self.last
    }
}

/// The octets of one record in a batch.
pub(super) const fn record_octets(key: &[u8], value: &[u8]) -> usize {
    8 + key.len() + value.len()
}

pub(super) fn put_record(batch: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    for part in [key, value] {
        batch.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        batch.extend_from_slice(part);
    }
}

/// The records of a batch; none: its lengths do not fit.
pub(in crate::store) fn records(mut batch: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    fn part<'b>(batch: &mut &'b [u8]) -> Option<&'b [u8]> {
        let (length, rest) = batch.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        *batch = rest;
        Some(part)
    }
    let mut records = Vec::new();
    while !batch.is_empty() {
        records.push((part(&mut batch)?, part(&mut batch)?));
    }
    Some(records)
}

/// Number and octets of a segment, or the counts at the end.
pub(in crate::store) fn two_numbers(payload: &[u8]) -> Option<(u64, u64)> {
    let (one, rest) = payload.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*one), u64::from_be_bytes(rest.try_into().ok()?)))
}
