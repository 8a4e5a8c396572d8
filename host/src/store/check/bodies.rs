//! The spool: segments' headers, and every body from its first frame to its hash.

use std::collections::HashSet;

use super::Check;
use crate::store::error::Error;
use crate::store::layout::Place;
use crate::store::spool::segment::HEADER_OCTETS;

impl Check<'_> {
    /// The headers of the segments that records refer to. What stands in others belongs to nobody, as long as it is the spool's own.
    pub(super) fn check_segments(&mut self, segments: &[(u64, u64)], referenced: &HashSet<u64>) -> Result<(), Error> {
        for (number, octets) in segments {
            // It is just being made, or its making was cut off: nothing acknowledged can be in it. What a record looks for in a segment
            // that somebody cut so short was found missing.
            if *octets < HEADER_OCTETS {
                continue;
            }
            let place = format!("segment {number}");
            if !referenced.contains(number) {
                match self.open.spool.segments().is_surplus(*number) {
                    Ok(false) => {}
                    Ok(true) => self.find(None, None, &place, "it is surplus: its header is that of another one, and no message needs it"),
                    // It was freed since it was listed.
                    Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            if let Some(finding) = self.open.spool.segments().check_header(*number)?.err() {
                self.find(None, None, &place, finding);
            }
        }
        for name in self.open.spool.segments().strangers()? {
            self.find(None, None, &format!("the file {} in the spool", name.display()), "it is surplus: no segment has such a name");
        }
        Ok(())
    }

    /// Read a message's body; the octets on disk that its record refers to.
    pub(super) fn check_body(&mut self, place: Place, segments: &mut HashSet<u64>) -> Result<u64, Error> {
        let sealer = self.open.keyring.sealer();
        // It may have been removed since the records were walked.
        let Some(record) = self.message_at(place)? else { return Ok(0) };
        let Some(body) = record.body() else { return Ok(0) };
        let referenced = body.extents.iter().map(|extent| extent.length).sum();
        segments.extend(body.extents.iter().map(|extent| extent.segment));
        let mut chunks = self.open.chunks(place, record.message, body.clone(), sealer);
        loop {
            let next = match chunks.next() {
                // Nobody needs it any more.
                Err(Error::Removed(_)) => return Ok(referenced),
                next => next,
            };
            match self.found(Some(place.account), Some(record.message), next)? {
                Some(Some(octets)) => self.report.octets += octets.len() as u64,
                Some(None) | None => return Ok(referenced),
            }
        }
    }
}
