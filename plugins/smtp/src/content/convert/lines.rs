//! Octets to lines with their ends, as they are: of a long line, parts.

use memchr::memchr;

/// Octets of a line that are given at once at most.
const FRAGMENT_OCTETS: usize = 8 << 10;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eol {
    /// It goes on, or the text is over.
    None,
    /// With a bare LF.
    Lf,
    /// As it should.
    CrLf,
}

impl Eol {
    pub(super) const fn octets(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

/// Splits a text.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Everything before it was given.
    start: usize,
}

impl Lines {
    pub(super) const fn new() -> Self {
        Self { buffer: Vec::new(), start: 0 }
    }

    pub(super) fn feed(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// The next line, or a part of a long one.
    pub(super) fn next_line(&mut self) -> Option<(Vec<u8>, Eol)> {
        let rest = self.buffer.get(self.start..)?;
        if let Some(end) = memchr(b'\n', rest) {
            if end > FRAGMENT_OCTETS {
                let part = rest.get(..FRAGMENT_OCTETS).unwrap_or_default();
                self.start += part.len();
                return Some((part.to_vec(), Eol::None));
            }
            self.start += end + 1;
            let line = rest.get(..end).unwrap_or_default();
            return Some(match line.strip_suffix(b"\r") {
                Some(line) => (line.to_vec(), Eol::CrLf),
                None => (line.to_vec(), Eol::Lf),
            });
        }
        // A CR may be the first half of the line's end.
        let whole = rest.strip_suffix(b"\r").unwrap_or(rest);
        if whole.len() < FRAGMENT_OCTETS {
            return None;
        }
        let part = whole.get(..FRAGMENT_OCTETS).unwrap_or(whole);
        self.start += part.len();
        Some((part.to_vec(), Eol::None))
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.split_off(self.start);
        (!rest.is_empty()).then_some(rest)
    }
}
