//! Bodies on their way out, a verified chunk at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::chunk::{CHUNK_OCTETS, open_chunk};
use super::frame::{FrameHeader, HEADER_OCTETS};
use super::segment::Segments;
use crate::model::message::Part;
use crate::store::error::Error;
use crate::store::record::{BodyRecord, Extent};
use crate::store::seal::{NO_SUCH_EPOCH, Sealer};
use crate::store::xchacha::TAG_OCTETS;

/// Times that a body may be found to have been moved away under its reader.
const RELOCATIONS: u32 = 100;

/// Reads one body from its extents. Blocks.
pub(in crate::store) struct ChunkReader {
    segments: Arc<Segments>,
    sealer: Arc<Sealer>,
    body: BodyRecord,
    /// For errors: account and message.
    owner: String,
    /// The extent to read next, and how far it was read.
    extent: usize,
    within: u64,
    chunk: u32,
    size: u64,
    hasher: blake3::Hasher,
    is_done: bool,
    /// Chunks before the first that is read were left out: then there is no hash of the whole to compare.
    is_partial: bool,
    find: Find,
}

/// Where the frames of a body are now.
pub(in crate::store) type Find = Box<dyn Fn(&[u8; 16]) -> Result<Option<Vec<Extent>>, Error> + Send>;

impl ChunkReader {
    pub(in crate::store) fn new(segments: Arc<Segments>, sealer: Arc<Sealer>, body: BodyRecord, owner: String, find: Find) -> Self {
        let hasher = sealer.index().body_hasher();
        Self { segments, sealer, body, owner, extent: 0, within: 0, chunk: 0, size: 0, hasher, is_done: false, is_partial: false, find }
    }

    /// The next chunk; none: that was all, and its size and hash are what had been stored.
    pub(in crate::store) fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let (header, sealed, place) = self.read_frame()?;
        let damaged = |finding| self.damaged(&place, finding);
        if header.body != self.body.body || header.chunk != self.chunk || header.is_headers_only != (self.body.part == Part::Headers) {
            return Err(damaged("the frame belongs to another body, or to another part of this one"));
        }
        let key = self.sealer.body_key(header.epoch).ok_or_else(|| damaged(NO_SUCH_EPOCH))?;
        let octets = open_chunk(key, &header, &sealed).map_err(damaged)?;
        self.hasher.update(&octets);
        self.size += octets.len() as u64;
        self.chunk += 1;
        if header.is_last {
            self.is_done = true;
            let is_hash = self.is_partial || *self.hasher.finalize().as_bytes() == self.body.hash;
            if self.size != self.body.size || !is_hash || self.extent < self.body.extents.len() {
                return Err(self.damaged(&place, "the body is not the one that was stored"));
            }
        }
        Ok(Some(octets))
    }

    /// Go on with the chunk in which the octet `offset` stands; how many octets of it stand before. Each chunk is verified by its own
    /// seal, which knows its number; the hash of the whole is not.
    pub(in crate::store) fn seek(&mut self, offset: u64) -> usize {
        const FRAME: u64 = (HEADER_OCTETS + CHUNK_OCTETS + TAG_OCTETS) as u64;
        let chunk = CHUNK_OCTETS as u64;
        // Behind the end, the last chunk, of which nothing is left then.
        let offset = offset.min(self.body.size);
        let number = (offset / chunk).min(self.body.size.saturating_sub(1) / chunk);
        self.go_to(number * FRAME);
        (self.chunk, self.size) = (u32::try_from(number).unwrap_or(u32::MAX), number * chunk);
        (self.is_partial, self.is_done) = (true, false);
        usize::try_from(offset - number * chunk).unwrap_or(CHUNK_OCTETS)
    }

    fn read_frame(&mut self) -> Result<(FrameHeader, Vec<u8>, String), Error> {
        for _ in 0..RELOCATIONS {
            let Some(extent) = self.body.extents.get(self.extent).copied() else {
                return Err(self.damaged("its record", "the last chunk is missing"));
            };
            let place = format!("segment {} offset {}", extent.segment, extent.offset + self.within);
            let Some(file) = self.segments.file(extent.segment)? else {
                if self.relocate()? {
                    continue;
                }
                return Err(self.damaged(&place, "the segment is missing"));
            };
            let (header, sealed) = read_frame(&file, &self.segments.path_of(extent.segment), &extent, self.within, &self.owner)?;
            self.within += (HEADER_OCTETS + sealed.len()) as u64;
            if self.within == extent.length {
                self.extent += 1;
                self.within = 0;
            }
            return Ok((header, sealed, place));
        }
        Err(self.damaged("its record", "it points to segments that are not there"))
    }

    /// Find the body where compaction has moved it; whether it has.
    fn relocate(&mut self) -> Result<bool, Error> {
        let Some(extents) = (self.find)(&self.body.body)? else { return Err(Error::Removed(self.owner.clone())) };
        if extents == self.body.extents {
            return Ok(false);
        }
        let done = self.body.extents.iter().take(self.extent).map(|extent| extent.length).sum::<u64>() + self.within;
        self.body.extents = extents;
        self.go_to(done);
        Ok(true)
    }

    /// Read on behind so many octets of frames.
    fn go_to(&mut self, mut octets: u64) {
        self.extent = 0;
        for extent in &self.body.extents {
            if octets < extent.length {
                break;
            }
            octets -= extent.length;
            self.extent += 1;
        }
        self.within = octets;
    }

    fn damaged(&self, place: &str, finding: &'static str) -> Error {
        Error::Damaged { operation: "read a body", place: format!("{}, {place}", self.owner), finding }
    }
}

/// The frame that stands `within` octets behind an extent's begin, unopened.
pub(in crate::store) fn read_frame(
    file: &File,
    path: &Path,
    extent: &Extent,
    within: u64,
    owner: &str,
) -> Result<(FrameHeader, Vec<u8>), Error> {
    let offset = extent.offset + within;
    let damaged = |finding| {
        let place = format!("{owner}, segment {} offset {offset}", extent.segment);
        Error::Damaged { operation: "read a body", place, finding }
    };
    let read = |octets: &mut [u8], offset| match file.read_exact_at(octets, offset) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(damaged("the segment ends before the body does")),
        Err(error) => Err(Error::io("read the segment", path)(error)),
    };
    let mut header = [0; HEADER_OCTETS];
    read(&mut header, offset)?;
    let header = FrameHeader::decode(&header).map_err(damaged)?;
    let length = header.length as usize;
    let total = (HEADER_OCTETS + length) as u64;
    if !(TAG_OCTETS..=CHUNK_OCTETS + TAG_OCTETS).contains(&length) || within + total > extent.length {
        return Err(damaged("the frame's length is not one that was written"));
    }
    let mut sealed = vec![0; length];
    read(&mut sealed, offset + HEADER_OCTETS as u64)?;
    Ok((header, sealed))
}
