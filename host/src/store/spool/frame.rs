//! A frame: one sealed chunk of a body, with a header that lets a scan find and open it without any record.

/// Octets of a frame's header; the ciphertext follows.
pub(in crate::store) const HEADER_OCTETS: usize = 64;

const MAGIC: &[u8; 4] = b"PRfr";
const LAST: u8 = 1;
const HEADERS_ONLY: u8 = 2;

/// What a frame's header says. It is believed only as far as the seal behind it holds: body, part, chunk number and last flag
/// all enter the seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct FrameHeader {
    /// Whose chunk it is.
    pub(in crate::store) body: [u8; 16],
    /// The epoch of the data key.
    pub(in crate::store) epoch: u32,
    /// Random, one a body: the start of each chunk's nonce (STREAM).
    pub(in crate::store) prefix: [u8; 19],
    /// Which chunk, from 0.
    pub(in crate::store) chunk: u32,
    /// The last chunk of the body.
    pub(in crate::store) is_last: bool,
    /// The body is a header section only.
    pub(in crate::store) is_headers_only: bool,
    /// Octets of ciphertext, the tag included.
    pub(in crate::store) length: u32,
}

impl FrameHeader {
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let flags = if self.is_last { LAST } else { 0 } | if self.is_headers_only { HEADERS_ONLY } else { 0 };
        let mut octets = Vec::with_capacity(HEADER_OCTETS);
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(&[flags, 0, 0, 0]);
        octets.extend_from_slice(&self.epoch.to_be_bytes());
        octets.extend_from_slice(&self.body);
        octets.extend_from_slice(&self.prefix);
        octets.push(0);
        octets.extend_from_slice(&self.chunk.to_be_bytes());
        octets.extend_from_slice(&self.length.to_be_bytes());
        octets.extend_from_slice(&check_of(&octets));
        octets
    }

    pub(in crate::store) fn decode(octets: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "the frame's header is cut short";
        let header = octets.first_chunk::<HEADER_OCTETS>().ok_or(SHORT)?;
        let (content, check) = header.split_last_chunk::<8>().ok_or(SHORT)?;
        let (magic, rest) = content.split_first_chunk::<4>().ok_or(SHORT)?;
        if magic != MAGIC {
            return Err("there is no frame");
        }
        if *check != check_of(content) {
            return Err("the frame's header has a wrong check sum");
        }
        let ([flags, 0, 0, 0], rest) = rest.split_first_chunk::<4>().ok_or(SHORT)? else { return Err("the frame's flags are unknown") };
        if flags & !(LAST | HEADERS_ONLY) != 0 {
            return Err("the frame's flags are unknown");
        }
        let (epoch, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let (body, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let (prefix, rest) = rest.split_first_chunk::<19>().ok_or(SHORT)?;
        let (_, rest) = rest.split_first_chunk::<1>().ok_or(SHORT)?;
        let (chunk, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let (length, _) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        Ok(Self {
            body: *body,
            epoch: u32::from_be_bytes(*epoch),
            prefix: *prefix,
            chunk: u32::from_be_bytes(*chunk),
            is_last: flags & LAST != 0,
            is_headers_only: flags & HEADERS_ONLY != 0,
            length: u32::from_be_bytes(*length),
        })
    }
}

/// Lets a scan tell a header from octets that look like one; the seal does the rest.
fn check_of(content: &[u8]) -> [u8; 8] {
    blake3::hash(content).as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_show_changes() {
        let header =
            FrameHeader { body: [1; 16], epoch: 2, prefix: [3; 19], chunk: 4, is_last: true, is_headers_only: false, length: 65_552 };
        let octets = header.encode();
        assert_eq!(octets.len(), HEADER_OCTETS);
        assert_eq!(FrameHeader::decode(&octets), Ok(header));
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            assert!(FrameHeader::decode(&changed).is_err(), "octet {at}");
        }
    }
}
