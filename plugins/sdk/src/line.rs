//! Octets to lines, incrementally and without I/O. Memory is bounded by the line limit and by what one read gives. What a line announces is read
//! from the same reader: [`crate::literal`] and [`crate::dot_stuffing`].

use std::mem;

use memchr::memchr;

/// Splits what a server sends into lines, and hands out the octets between them.
///
/// ```
/// use postrider_connector::line::{Line, LineReader};
///
/// let mut reader = LineReader::new(512);
/// reader.feed(b"+OK 2 messages\r\n+OK by".to_vec());
/// assert_eq!(reader.line(), Some(Line::Whole(b"+OK 2 messages")));
/// assert_eq!(reader.line(), None, "the rest of it is on its way");
/// reader.feed(b"e\r\n".to_vec());
/// assert_eq!(reader.line(), Some(Line::Whole(b"+OK bye")));
/// ```
#[derive(Debug)]
pub struct LineReader {
    buffer: Vec<u8>,
    /// Everything before it was handed out.
    start: usize,
    /// Up to here there is no LF after `start`.
    searched: usize,
    /// The most octets of a line, CRLF not counted.
    limit: usize,
    /// Inside a line over the limit: the last octets of it, for whoever must know how it ended.
    overlong: Option<Vec<u8>>,
}

/// One line, without its CRLF (a bare LF ends a line too: some servers send it).
///
/// ```
/// use postrider_connector::line::{Line, LineReader};
///
/// let mut reader = LineReader::new(8);
/// reader.feed(b"far too long {12}\r\nshort\n".to_vec());
/// // What is kept still shows that a literal follows.
/// assert!(matches!(reader.line(), Some(Line::TooLong(tail)) if tail.ends_with(b"{12}")));
/// assert_eq!(reader.line(), Some(Line::Whole(b"short")));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line.
    Whole(&'a [u8]),
    /// A line over the limit went by; these are its last octets, at most [`TAIL_OCTETS`].
    TooLong(Vec<u8>),
}

/// What is kept of the end of an overlong line.
pub const TAIL_OCTETS: usize = 64;

impl LineReader {
    /// A reader that gives lines of at most `limit` octets.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, limit, overlong: None }
    }

    /// Take in what one read gave.
    pub fn feed(&mut self, octets: Vec<u8>) {
        if self.start == self.buffer.len() {
            self.buffer = octets;
        } else {
            self.buffer.drain(..self.start);
            self.buffer.extend_from_slice(&octets);
        }
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
    }

    /// How many octets were fed and not handed out yet.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// What was fed and not handed out yet, for whoever must see what comes before it takes it.
    #[must_use]
    pub fn peek(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Drop the next `count` octets, or all that are there.
    pub fn skip(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
        self.searched = self.start;
    }

    /// The next line, where all of it is there.
    pub fn line(&mut self) -> Option<Line<'_>> {
        let from = self.searched.max(self.start);
        let end = memchr(b'\n', self.buffer.get(from..)?).map(|at| from + at);
        let Some(end) = end else {
            self.searched = self.buffer.len();
            if self.overlong.is_some() || self.pending() > self.limit.saturating_add(1) {
                self.swallow(self.buffer.len());
            }
            return None;
        };
        let line = self.buffer.get(self.start..end)?;
        if self.overlong.is_some() || line.strip_suffix(b"\r").unwrap_or(line).len() > self.limit {
            self.swallow(end);
            self.start = end + 1;
            self.searched = self.start;
            let mut tail = self.overlong.take().unwrap_or_default();
            if tail.last() == Some(&b'\r') {
                tail.pop();
            }
            return Some(Line::TooLong(tail));
        }
        let line = self.buffer.get(self.start..end)?;
        self.start = end + 1;
        self.searched = self.start;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(Line::Whole(line))
    }

    /// Up to `max` octets that are no line, as many as are there; none when nothing is. A read of which all is taken is handed on without a
    /// copy. [`Literal`](crate::literal::Literal) counts for its caller.
    pub fn octets(&mut self, max: u64) -> Option<Vec<u8>> {
        let there = self.pending();
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(there);
        if count == 0 {
            return None;
        }
        let taken = if self.start == 0 && count == there {
            mem::take(&mut self.buffer)
        } else {
            let taken = self.buffer.get(self.start..self.start + count)?.to_vec();
            self.start += count;
            taken
        };
        if self.buffer.is_empty() {
            self.start = 0;
        }
        self.searched = self.start;
        Some(taken)
    }

    /// Drop the line's octets up to `end`, and keep its last ones.
    fn swallow(&mut self, end: usize) {
        let tail = self.overlong.get_or_insert_default();
        let part = self.buffer.get(self.start..end).unwrap_or_default();
        tail.extend_from_slice(part.get(part.len().saturating_sub(TAIL_OCTETS)..).unwrap_or_default());
        tail.drain(..tail.len().saturating_sub(TAIL_OCTETS));
        self.start = end;
        self.searched = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(limit: usize, chunks: &[&[u8]]) -> Vec<String> {
        let mut reader = LineReader::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            reader.feed(chunk.to_vec());
            while let Some(line) = reader.line() {
                lines.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong(tail) => format!("!{}", String::from_utf8_lossy(&tail)),
                });
            }
        }
        lines
    }

    #[test]
    fn lines_end_with_crlf_or_lf() {
        assert_eq!(all(80, &[b"a\r\nb\n\r\n\nc"]), ["a", "b", "", ""]);
    }

    #[test]
    fn an_overlong_line_is_named_and_the_next_is_whole() {
        assert_eq!(all(4, &[b"abcd\r\nabcde\r\nxy\r\n"]), ["abcd", "!abcde", "xy"]);
        let long = [b"x".repeat(500), b" {12}\r\nnext\r\n".to_vec()].concat();
        let found = all(16, &long.chunks(7).collect::<Vec<_>>());
        assert!(found[0].starts_with('!') && found[0].ends_with(" {12}"), "{found:?}");
        assert_eq!(found[1], "next");
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let text = b"* OK hello\r\n12345678901234567890\r\n\r\nbare\nlast\r\n";
        let whole = all(12, &[text]);
        for cut in 0..text.len() {
            assert_eq!(all(12, &[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
        assert_eq!(all(12, &text.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_literal_is_handed_on_as_it_came() {
        let mut reader = LineReader::new(80);
        reader.feed(b"{6}\r\nabc".to_vec());
        assert_eq!(reader.line(), Some(Line::Whole(b"{6}")));
        assert_eq!(reader.octets(6), Some(b"abc".to_vec()));
        assert_eq!(reader.octets(3), None);
        reader.feed(b"def)\r\n".to_vec());
        assert_eq!(reader.octets(3), Some(b"def".to_vec()));
        assert_eq!(reader.line(), Some(Line::Whole(b")")));
        assert_eq!(reader.pending(), 0);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(pieces in proptest::collection::vec(prop_oneof![Just("\r\n"), Just("\n"), Just("\r"), Just("a"), Just("word {3}")], 0..20), limit in 0_usize..20) {
            let text = pieces.concat().into_bytes();
            let whole = all(limit, &[&text]);
            for cut in 0..=text.len() {
                prop_assert_eq!(all(limit, &[&text[..cut], &text[cut..]]), whole.clone(), "cut at {}", cut);
            }
            prop_assert_eq!(all(limit, &text.chunks(1).collect::<Vec<_>>()), whole.clone());
            let mut expected: Vec<&[u8]> = text.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            expected.pop();
            prop_assert_eq!(whole.len(), expected.len());
            for (line, expected) in whole.iter().zip(expected) {
                prop_assert_eq!(line.starts_with('!'), expected.len() > limit, "{:?} of {}", line, limit);
                let shown = line.trim_start_matches('!').as_bytes();
                prop_assert!(expected.ends_with(shown) && (shown.len() == expected.len() || shown.len() >= TAIL_OCTETS - 1));
            }
        }
    }

    #[test]
    fn what_is_skipped_is_not_handed_out() {
        let mut reader = LineReader::new(80);
        reader.feed(b"one\r\ntwo\r\n".to_vec());
        reader.skip(5);
        assert_eq!(reader.peek(), b"two\r\n");
        assert_eq!(reader.line(), Some(Line::Whole(b"two")));
        reader.skip(5);
        assert_eq!(reader.line(), None);
    }
}
