//! What a message's header section needs of a server, seen before the envelope is sent.

use memchr::memchr_iter;

/// The octets of a message's beginning, up to the end of its header section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    octets: Vec<u8>,
    is_over: bool,
}

impl Header {
    /// Take in the next octets of the message. True: the section is over; what comes behind it is of no interest.
    pub fn take(&mut self, piece: &[u8]) -> bool {
        if self.is_over {
            return true;
        }
        let before = self.octets.len();
        self.octets.extend_from_slice(piece);
        // The end of a line whose empty follower is looked for may lie in the piece before.
        let from = before.saturating_sub(2);
        let end = memchr_iter(b'\n', self.octets.get(from..).unwrap_or_default()).map(|at| from + at).find_map(|at| self.ends_behind(at));
        let end = match self.octets.as_slice() {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => end,
        };
        if let Some(end) = end {
            self.octets.truncate(end);
            self.is_over = true;
        }
        self.is_over
    }

    /// Octets of it so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether nothing of it came yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Whether header fields are in UTF-8 (RFC 6532), so that only SMTPUTF8 carries them. Other octets above 127 are of no standard, and go where
    /// 8BITMIME goes.
    #[must_use]
    pub fn needs_utf8(&self) -> bool {
        !self.octets.is_ascii() && std::str::from_utf8(&self.octets).is_ok()
    }

    /// Whether the message's own Content-Transfer-Encoding is `binary`.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        field(&self.octets, b"content-transfer-encoding").is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"binary"))
    }

    /// Where the section ends, if the line behind the LF at `at` is empty.
    fn ends_behind(&self, at: usize) -> Option<usize> {
        match self.octets.get(at + 1..)? {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        }
    }
}

/// The value of the first field of this name (in lower case), folded as it stands.
pub(super) fn field<'h>(header: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let mut rest = header;
    while !rest.is_empty() {
        let end = field_end(rest);
        let (line, after) = rest.split_at_checked(end)?;
        if let Some(colon) = line.iter().position(|&octet| octet == b':')
            && let Some((key, value)) = line.split_at_checked(colon)
            && key.trim_ascii_end().eq_ignore_ascii_case(name)
        {
            return value.get(1..);
        }
        rest = after;
    }
    None
}

/// Where the first field of `header` ends: at the end of a line that no folded one follows.
pub(super) fn field_end(header: &[u8]) -> usize {
    memchr_iter(b'\n', header).map(|at| at + 1).find(|&end| !matches!(header.get(end), Some(b' ' | b'\t'))).unwrap_or(header.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &[u8]) -> Header {
        let mut header = Header::default();
        header.take(text);
        header
    }

    #[test]
    fn the_section_ends_at_an_empty_line_in_any_cut() {
        for (text, length) in [
            (&b"A: b\r\n\r\nbody"[..], Some(8)),
            (b"A: b\n\nbody", Some(6)),
            (b"A: b\n\r\nbody", Some(7)),
            (b"\r\nbody", Some(2)),
            (b"\nbody", Some(1)),
            (b"A: b\r\nB: c", None),
            (b"A: b\r\n\r", None),
        ] {
            for cut in 0..=text.len() {
                let mut found = Header::default();
                found.take(&text[..cut]);
                assert_eq!(found.take(&text[cut..]), length.is_some(), "{:?} cut at {cut}", String::from_utf8_lossy(text));
                assert_eq!(found.len(), length.unwrap_or(text.len()), "{:?} cut at {cut}", String::from_utf8_lossy(text));
            }
        }
    }

    #[test]
    fn what_it_needs() {
        assert!(header("Subject: Grüße\r\n\r\n".as_bytes()).needs_utf8());
        assert!(!header("Subject: x\r\n\r\nGrüße".as_bytes()).needs_utf8(), "the body is another matter");
        assert!(!header(b"Subject: Gr\xfc\xdfe\r\n\r\n").needs_utf8(), "not UTF-8");
        assert!(header(b"A: b\r\ncontent-transfer-encoding:\r\n Binary\r\n\r\n").is_binary());
        assert!(!header(b"A: b\r\n Content-Transfer-Encoding: binary\r\n\r\n").is_binary(), "folded into another field");
    }
}
