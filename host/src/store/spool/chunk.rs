//! Bodies as chunks: sealed one by one as octets come in, opened one by one as they go out.

use std::sync::Arc;

use super::frame::FrameHeader;
use super::{Hold, Spool};
use crate::model::message::Part;
use crate::store::error::Error;
use crate::store::record::{BodyRecord, Extent};
use crate::store::seal::{KeyOctets, Writing};
use crate::store::xchacha::{PREFIX_OCTETS, Stream};

/// Octets of plain text in a chunk, but for the last one of a body.
pub(in crate::store) const CHUNK_OCTETS: usize = 64 << 10;

/// Seals one body as it comes, and appends it. Dropped before its end, what it appended belongs to nobody.
pub(in crate::store) struct ChunkWriter {
    body: [u8; 16],
    prefix: [u8; PREFIX_OCTETS],
    part: Part,
    epoch: u32,
    stream: Stream,
    chunk: u32,
    /// At most a chunk; sealed when more comes, so that the last one can be flagged.
    buffer: Vec<u8>,
    size: u64,
    hasher: blake3::Hasher,
    extents: Vec<Extent>,
    generation: u64,
    writing: Writing,
    hold: Hold,
    /// A chunk is on its way into the spool. Left so by who gave up waiting, or by a failure: what was in it is lost.
    is_sealing: bool,
}

/// A body that is in the spool, and not yet in a record.
pub(in crate::store) struct Appended {
    pub(in crate::store) record: BodyRecord,
    /// Keeps its epoch.
    pub(in crate::store) _writing: Writing,
    /// The spool's generation in which it was begun.
    pub(in crate::store) generation: u64,
    /// Keeps its segments until a durable record points to them.
    pub(in crate::store) hold: Arc<Hold>,
}

impl ChunkWriter {
    pub(in crate::store) fn new(spool: &Spool, part: Part) -> Result<Self, Error> {
        let (mut body, mut prefix) = ([0; 16], [0; PREFIX_OCTETS]);
        getrandom::fill(&mut body).map_err(Error::Random)?;
        getrandom::fill(&mut prefix).map_err(Error::Random)?;
        let sealer = spool.keyring().sealer();
        let epoch = sealer.epoch();
        let stream = sealer.body_key(epoch).and_then(|key| Stream::new(key, &prefix).ok());
        let stream = stream.ok_or(Error::Bug { operation: "seal a body", finding: "there is no data key" })?;
        Ok(Self {
            body,
            prefix,
            part,
            epoch,
            stream,
            chunk: 0,
            buffer: Vec::new(),
            size: 0,
            hasher: sealer.index().body_hasher(),
            extents: Vec::new(),
            generation: spool.generation(),
            writing: sealer.writing(),
            hold: spool.hold(),
            is_sealing: false,
        })
    }

    /// Octets taken so far.
    pub(in crate::store) const fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::store) async fn write(&mut self, spool: &Spool, mut octets: &[u8]) -> Result<(), Error> {
        while !octets.is_empty() {
            if self.buffer.len() == CHUNK_OCTETS {
                self.seal(spool, false).await?;
            }
            let room = CHUNK_OCTETS - self.buffer.len();
            let (now, later) = octets.split_at(room.min(octets.len()));
            self.hasher.update(now);
            self.buffer.extend_from_slice(now);
            self.size += now.len() as u64;
            octets = later;
        }
        Ok(())
    }

    pub(in crate::store) async fn finish(mut self, spool: &Spool) -> Result<Appended, Error> {
        self.seal(spool, true).await?;
        let record =
            BodyRecord { body: self.body, part: self.part, size: self.size, hash: self.hasher.finalize().into(), extents: self.extents };
        Ok(Appended { record, generation: self.generation, _writing: self.writing, hold: Arc::new(self.hold) })
    }

    async fn seal(&mut self, spool: &Spool, is_last: bool) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_sealing, true) {
            // Its number would be used again, and with it its nonce.
            return Err(Error::Bug { operation: "seal a body", finding: "an earlier chunk of it was given up" });
        }
        let mut sealed = std::mem::take(&mut self.buffer);
        self.stream
            .seal(self.chunk, is_last, &aad(&self.body, self.part), &mut sealed)
            .map_err(|_| Error::Bug { operation: "seal a body", finding: "the cipher refused" })?;
        let header = FrameHeader {
            body: self.body,
            epoch: self.epoch,
            prefix: self.prefix,
            chunk: self.chunk,
            is_last,
            is_headers_only: self.part == Part::Headers,
            length: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
        };
        let extent = spool.append(&header.encode(), &sealed).await?;
        add_extent(&mut self.extents, extent);
        self.chunk =
            self.chunk.checked_add(1).ok_or(Error::TooLarge { what: "a body", limit: CHUNK_OCTETS as u64 * u64::from(u32::MAX) })?;
        sealed.clear();
        self.buffer = sealed;
        self.is_sealing = false;
        Ok(())
    }
}

/// Put a further extent behind others; runs that stand behind each other are one.
pub(in crate::store) fn add_extent(extents: &mut Vec<Extent>, extent: Extent) {
    match extents.last_mut() {
        Some(last) if last.segment == extent.segment && last.offset + last.length == extent.offset => last.length += extent.length,
        _ => extents.push(extent),
    }
}

/// Open the ciphertext behind a frame's header.
pub(in crate::store) fn open_chunk(key: &KeyOctets, header: &FrameHeader, sealed: &[u8]) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "the seal of a chunk does not hold";
    let part = if header.is_headers_only { Part::Headers } else { Part::Whole };
    let stream = Stream::new(key, &header.prefix).map_err(|_| BROKEN)?;
    let mut octets = sealed.to_vec();
    stream.open(header.chunk, header.is_last, &aad(&header.body, part), &mut octets).map_err(|_| BROKEN)?;
    Ok(octets)
}

/// The body's id and not its place: compaction moves ciphertext.
fn aad(body: &[u8; 16], part: Part) -> Vec<u8> {
    let part = match part {
        Part::Whole => b'w',
        Part::Headers => b'h',
    };
    [b"postrider body 1".as_slice(), body, &[part]].concat()
}
