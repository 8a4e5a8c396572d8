//! Content codings taken off a response's body as it comes (RFC 9110 section 8.4.1): never more at once than a piece, whatever a
//! few octets unfold to.

use bytes::{Buf as _, Bytes};
use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use crate::limits::{HTTP_DECODED_OCTETS, HTTP_GZIP_NAME_OCTETS};

/// What a body's end may fail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodingError {
    /// It breaks RFC 1950, 1951 or 1952.
    #[error("the body is no valid {0}")]
    Invalid(&'static str),
    /// The checksum or the length that stands behind it is another.
    #[error("the checksum of the gzip body is wrong")]
    Checksum,
    /// There was to be more.
    #[error("the compressed body ends too early")]
    Truncated,
}

/// A coding that can be taken off.
pub(super) struct Decoder {
    coding: Coding,
    inflate: Decompress,
    stage: Stage,
    /// The last piece was full: there may be more of it without further input.
    has_more: bool,
    gathered: Vec<u8>,
    checksum: Hasher,
    length: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// RFC 1952; one member or several.
    Gzip,
    /// RFC 1950, or RFC 1951 alone, as older servers of Microsoft's send it under the same name.
    Deflate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In front of a member.
    Head,
    Inside,
    Trailer,
    /// Nothing may follow.
    Over,
}

impl Decoder {
    /// For the value of Content-Encoding.
    pub(super) fn of(coding: &str) -> Option<Self> {
        let coding = match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            _ => return None,
        };
        Some(Self {
            coding,
            inflate: Decompress::new(false),
            stage: Stage::Head,
            has_more: false,
            gathered: Vec::new(),
            checksum: Hasher::new(),
            length: 0,
        })
    }

    /// Take what is needed of `input`; the next piece of the body, or none where more of `input` is wanted first.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, CodingError> {
        while !input.is_empty() || self.has_more {
            match self.stage {
                Stage::Head => self.head(input)?,
                Stage::Inside => {
                    if let Some(piece) = self.inflate(input)? {
                        return Ok(Some(piece));
                    }
                }
                Stage::Trailer => self.trailer(input)?,
                Stage::Over => return Err(self.invalid()),
            }
        }
        Ok(None)
    }

    /// That was all of the input.
    pub(super) fn finish(&self) -> Result<(), CodingError> {
        match self.stage {
            // A response whose body is empty has nothing to decode: servers send that with HEAD's headers.
            Stage::Head if self.gathered.is_empty() => Ok(()),
            Stage::Over => Ok(()),
            Stage::Head | Stage::Inside | Stage::Trailer => Err(CodingError::Truncated),
        }
    }

    fn head(&mut self, input: &mut Bytes) -> Result<(), CodingError> {
        self.gathered.push(input.get_u8());
        match self.coding {
            Coding::Gzip => {
                if gzip_head(&self.gathered).ok_or(self.invalid())? {
                    self.begin(false);
                }
            }
            Coding::Deflate if self.gathered.len() == 2 => {
                let head = u16::from_be_bytes([self.gathered.first().copied().unwrap_or(0), self.gathered.last().copied().unwrap_or(0)]);
                // RFC 1950 section 2.2: method 8, and a multiple of 31.
                let is_zlib = head >> 8 & 0xf == 8 && head % 31 == 0;
                let start = std::mem::take(&mut self.gathered);
                self.begin(is_zlib);
                let rest = std::mem::take(input);
                *input = [start.as_slice(), &rest].concat().into();
            }
            Coding::Deflate => {}
        }
        Ok(())
    }

    fn begin(&mut self, is_zlib: bool) {
        self.inflate.reset(is_zlib);
        self.gathered.clear();
        self.checksum = Hasher::new();
        self.length = 0;
        self.stage = Stage::Inside;
    }

    fn inflate(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, CodingError> {
        let mut piece = vec![0; HTTP_DECODED_OCTETS];
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, &mut piece, FlushDecompress::None).map_err(|_| self.invalid())?;
        let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(usize::MAX);
        let given = usize::try_from(self.inflate.total_out() - given).unwrap_or(usize::MAX);
        input.advance(taken.min(input.len()));
        piece.truncate(given);
        self.checksum.update(&piece);
        self.length = self.length.wrapping_add(u32::try_from(given).unwrap_or(u32::MAX));
        if status == Status::StreamEnd {
            self.stage = if self.coding == Coding::Gzip { Stage::Trailer } else { Stage::Over };
        } else if taken == 0 && given == 0 && !input.is_empty() {
            return Err(self.invalid());
        }
        self.has_more = status != Status::StreamEnd && given == HTTP_DECODED_OCTETS;
        Ok((given > 0).then(|| piece.into()))
    }

    /// RFC 1952 section 2.3.1: CRC-32 and length.
    fn trailer(&mut self, input: &mut Bytes) -> Result<(), CodingError> {
        self.gathered.push(input.get_u8());
        if self.gathered.len() < 8 {
            return Ok(());
        }
        let expected = [self.checksum.clone().finalize().to_le_bytes(), self.length.to_le_bytes()].concat();
        if self.gathered != expected {
            return Err(CodingError::Checksum);
        }
        self.gathered.clear();
        self.stage = Stage::Head;
        Ok(())
    }

    fn invalid(&self) -> CodingError {
        CodingError::Invalid(match self.coding {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        })
    }
}

/// Whether these octets are a whole head of a member (RFC 1952 section 2.3); none: they cannot become one.
fn gzip_head(octets: &[u8]) -> Option<bool> {
    const FIXED: usize = 10;
    let fixed = [0x1f, 0x8b, 8];
    if octets.iter().zip(fixed).any(|(octet, expected)| *octet != expected) || octets.len() > HTTP_GZIP_NAME_OCTETS {
        return None;
    }
    let Some(rest) = octets.get(FIXED..) else { return Some(false) };
    let flags = octets.get(3).copied().unwrap_or(0);
    if flags & 0xe0 != 0 {
        return None;
    }
    let mut rest = rest;
    if flags & 4 != 0 {
        let Some((length, after)) = rest.split_at_checked(2) else { return Some(false) };
        let length = usize::from(length.first().copied().unwrap_or(0)) | usize::from(length.last().copied().unwrap_or(0)) << 8;
        let Some((_, after)) = after.split_at_checked(length) else { return Some(false) };
        rest = after;
    }
    // Name and comment, each up to a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = rest.iter().position(|octet| *octet == 0) else { return Some(false) };
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    Some(flags & 2 == 0 || rest.len() >= 2)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn decode(coding: &str, pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<u8>, CodingError> {
        let mut decoder = Decoder::of(coding).unwrap();
        let mut octets = Vec::new();
        for piece in pieces {
            let mut piece = Bytes::from(piece);
            while let Some(decoded) = decoder.decode(&mut piece)? {
                assert!(decoded.len() <= HTTP_DECODED_OCTETS);
                octets.extend(decoded);
            }
        }
        decoder.finish().map(|()| octets)
    }

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_coding_comes_off() {
        let text = b"hello ".repeat(10_000);
        assert_eq!(decode("gzip", [gzip(&text)]).unwrap(), text);
        assert_eq!(decode("X-GZip", [[gzip(b"a"), gzip(b"b")].concat()]).unwrap(), b"ab");
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        assert_eq!(decode("deflate", [zlib.finish().unwrap()]).unwrap(), text);
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(&text).unwrap();
        assert_eq!(decode("deflate", [raw.finish().unwrap()]).unwrap(), text);
        assert_eq!(decode("gzip", []).unwrap(), b"");
        assert!(Decoder::of("br").is_none() && Decoder::of("gzip, gzip").is_none());
        // Name, comment, extra field and checksum of the head.
        let mut whole = gzip(b"x");
        whole.splice(3..4, [0x1e]);
        whole.splice(10..10, b"\x02\x00zzname\0comment\0\x01\x02".iter().copied());
        assert_eq!(decode("gzip", whole.into_iter().map(|octet| vec![octet])).unwrap(), b"x");
    }

    #[test]
    fn what_is_cut_or_changed_is_told() {
        let whole = gzip(b"hello hello hello");
        for end in 1..whole.len() {
            assert_eq!(decode("gzip", [whole[..end].to_vec()]), Err(CodingError::Truncated), "{end}");
        }
        let mut wrong = whole.clone();
        let at = wrong.len() - 6;
        wrong[at] ^= 1;
        assert_eq!(decode("gzip", [wrong]), Err(CodingError::Checksum));
        assert!(decode("gzip", [[whole, b"garbage".to_vec()].concat()]).is_err());
        assert!(decode("gzip", [b"plain text".to_vec()]).is_err());
        assert!(decode("gzip", [[vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0], vec![b'x'; 100_000]].concat()]).is_err());
    }

    proptest! {
        #[test]
        fn at_any_cut(octets in proptest::collection::vec(any::<u8>(), 0..2_000), cut in 1_usize..50) {
            let encoded = gzip(&octets);
            prop_assert_eq!(decode("gzip", encoded.chunks(cut).map(<[u8]>::to_vec)).unwrap(), octets);
        }

        #[test]
        fn anything_at_all(octets in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = decode("gzip", [octets.clone()]);
            let _ = decode("deflate", [octets]);
        }
    }
}
