//! Bodies on their way out, a verified chunk at a time.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::chunk::{CHUNK_OCTETS, open_chunk};
use super::frame::{FrameHeader, HEADER_OCTETS};
use super::segment::Segments;
use crate::model::message::Part;
use crate::store::error::Error;
use crate::store::record::BodyRecord;
use crate::store::seal::{NO_SUCH_EPOCH, Sealer};
use crate::store::xchacha::TAG_OCTETS;

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
}

impl ChunkReader {
    pub(in crate::store) fn new(segments: Arc<Segments>, sealer: Arc<Sealer>, body: BodyRecord, owner: String) -> Self {
        let hasher = sealer.index().body_hasher();
        Self { segments, sealer, body, owner, extent: 0, within: 0, chunk: 0, size: 0, hasher, is_done: false }
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
            if self.size != self.body.size || *self.hasher.finalize().as_bytes() != self.body.hash || self.extent < self.body.extents.len()
            {
                return Err(self.damaged(&place, "the body is not the one that was stored"));
            }
        }
        Ok(Some(octets))
    }

    fn read_frame(&mut self) -> Result<(FrameHeader, Vec<u8>, String), Error> {
        let Some(extent) = self.body.extents.get(self.extent).copied() else {
            return Err(self.damaged("its record", "the last chunk is missing"));
        };
        let offset = extent.offset + self.within;
        let place = format!("segment {} offset {offset}", extent.segment);
        let file = self.segments.file(extent.segment)?.ok_or_else(|| self.damaged(&place, "the segment is missing"))?;
        let read = |octets: &mut [u8], offset| match file.read_exact_at(octets, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(&place, "the segment ends before the body does"))
            }
            Err(error) => Err(Error::io("read the segment", &self.segments.path_of(extent.segment))(error)),
        };
        let mut header = [0; HEADER_OCTETS];
        read(&mut header, offset)?;
        let header = FrameHeader::decode(&header).map_err(|finding| self.damaged(&place, finding))?;
        let length = header.length as usize;
        let total = (HEADER_OCTETS + length) as u64;
        if !(TAG_OCTETS..=CHUNK_OCTETS + TAG_OCTETS).contains(&length) || self.within + total > extent.length {
            return Err(self.damaged(&place, "the frame's length is not one that was written"));
        }
        let mut sealed = vec![0; length];
        read(&mut sealed, offset + HEADER_OCTETS as u64)?;
        self.within += total;
        if self.within == extent.length {
            self.extent += 1;
            self.within = 0;
        }
        Ok((header, sealed, place))
    }

    fn damaged(&self, place: &str, finding: &'static str) -> Error {
        Error::Damaged { operation: "read a body", place: format!("{}, {place}", self.owner), finding }
    }
}
