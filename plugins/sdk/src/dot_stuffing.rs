//! Text that ends with a line of one dot, so that its own lines with a dot in front get another one: POP3's multi-line responses (RFC 1939
//! section 3) and SMTP's DATA (RFC 5321 section 4.5.2). Nothing is held whole, and a text may be cut anywhere.
//!
//! A line ends with CRLF here and with nothing else. A bare CR or LF stays in the text as it is: who took it for the end of a line would
//! find an end of the text where the other side sees none, and take what follows for commands.

use memchr::memchr;

use crate::line::LineReader;

/// The end of the text, at the beginning of a line.
const END: &[u8] = b".\r\n";

/// Takes the dots off a text as it is read, up to its end and not an octet further.
///
/// ```
/// use postrider_connector::dot_stuffing::{DotReader, Dotted};
/// use postrider_connector::line::{Line, LineReader};
///
/// let mut reader = LineReader::new(512);
/// reader.feed(b"+OK\r\nSubject: dots\r\n\r\n..\r\n.\r\n+OK bye\r\n".to_vec());
/// assert_eq!(reader.line(), Some(Line::Whole(b"+OK")));
///
/// let mut text = DotReader::new(50 << 20);
/// assert_eq!(text.read(&mut reader), Some(Dotted::Octets(b"Subject: dots\r\n\r\n.\r\n".to_vec())));
/// assert_eq!(text.read(&mut reader), Some(Dotted::End(20)));
/// assert_eq!(reader.line(), Some(Line::Whole(b"+OK bye")));
/// ```
#[derive(Debug, Clone)]
pub struct DotReader {
    place: Place,
    octets: u64,
    limit: u64,
}

/// What a [`DotReader`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dotted {
    /// Octets of the text, never none.
    Octets(Vec<u8>),
    /// The text is over, after so many octets. The CRLF before the last dot is the text's own.
    End(u64),
    /// The text is over, and had so many octets: more than the limit. Those above it were not handed out.
    TooLong(u64),
}

/// Puts dots into a text as it is written.
///
/// A text with bare CR or LF is passed on as it is. SMTP forbids to send such (RFC 5321 section 2.3.8), and some servers take a bare LF for the
/// end of a line: a connector that sends mail makes CRLF of them first.
///
/// ```
/// use postrider_connector::dot_stuffing::DotWriter;
///
/// let mut writer = DotWriter::new();
/// let mut wire = writer.write(b"one\r\n.two".to_vec());
/// wire.extend(writer.write(b"\r\n".to_vec()));
/// wire.extend(writer.end());
/// assert_eq!(wire, b"one\r\n..two\r\n.\r\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct DotWriter {
    place: Place,
}

/// Where the next octet stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// At the beginning of a line: first of all, or behind a CRLF.
    #[default]
    LineStart,
    /// Behind a CR.
    AfterCr,
    /// Elsewhere.
    Within,
}

impl DotReader {
    /// A reader at the beginning of a text, behind the line that announced it; hands out at most `limit` octets.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { place: Place::LineStart, octets: 0, limit }
    }

    /// Octets of the text so far, also of those above the limit.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// The next of the text that is there; none when more must be read. After `End` or `TooLong` the next text begins: make another reader
    /// where one is expected. A read without such dots is handed on without a copy.
    pub fn read(&mut self, reader: &mut LineReader) -> Option<Dotted> {
        loop {
            if self.place == Place::LineStart && reader.peek().starts_with(END) {
                reader.skip(END.len());
                return Some(if self.octets > self.limit { Dotted::TooLong(self.octets) } else { Dotted::End(self.octets) });
            }
            let (taken, dots) = self.scan(reader.peek());
            let mut piece = reader.octets(taken as u64)?;
            remove(&mut piece, &dots);
            let room = self.limit.saturating_sub(self.octets);
            self.octets = self.octets.saturating_add(piece.len() as u64);
            piece.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            if !piece.is_empty() {
                return Some(Dotted::Octets(piece));
            }
        }
    }

    /// How many of `octets` are certainly of the text, and which of them are dots to be taken off.
    fn scan(&mut self, octets: &[u8]) -> (usize, Vec<usize>) {
        let (mut at, mut dots) = (0, Vec::new());
        loop {
            let rest = octets.get(at..).unwrap_or_default();
            if self.place == Place::LineStart && rest.first() == Some(&b'.') {
                // The end, or what may still become it: it stays in the reader.
                if rest.starts_with(END) || END.starts_with(rest) {
                    return (at, dots);
                }
                dots.push(at);
                at += 1;
                self.place = Place::Within;
                continue;
            }
            let Some(passed) = self.place.pass_line(rest) else { return (octets.len(), dots) };
            at += passed;
        }
    }
}

impl DotWriter {
    /// A writer at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: Place::LineStart }
    }

    /// The next `octets` of the text as they go over the wire. Where no dot has to be put in, these are they, without a copy.
    #[must_use]
    pub fn write(&mut self, octets: Vec<u8>) -> Vec<u8> {
        let (mut at, mut dots) = (0, Vec::new());
        loop {
            let rest = octets.get(at..).unwrap_or_default();
            if self.place == Place::LineStart && rest.first() == Some(&b'.') {
                dots.push(at);
            }
            match self.place.pass_line(rest) {
                Some(passed) => at += passed,
                None => break,
            }
        }
        insert(octets, &dots)
    }

    /// What ends the text: the last line's CRLF where the text did not end with one (RFC 5321 section 4.1.1.4), and the dot.
    #[must_use]
    pub fn end(self) -> &'static [u8] {
        match self.place {
            Place::LineStart => END,
            Place::AfterCr | Place::Within => b"\r\n.\r\n",
        }
    }
}

impl Place {
    /// Go behind the next CRLF of `octets`, and say how far that was; none where there is no further one, and all octets were passed.
    fn pass_line(&mut self, octets: &[u8]) -> Option<usize> {
        let mut from = 0;
        while let Some(at) = memchr(b'\n', octets.get(from..)?) {
            let line_feed = from + at;
            let before = line_feed.checked_sub(1).and_then(|before| octets.get(before));
            let is_after_cr = before.map_or(*self == Self::AfterCr, |&octet| octet == b'\r');
            from = line_feed + 1;
            if is_after_cr {
                *self = Self::LineStart;
                return Some(from);
            }
        }
        match octets.last() {
            Some(b'\r') => *self = Self::AfterCr,
            Some(_) => *self = Self::Within,
            None => {}
        }
        None
    }
}

/// A line of a listing (`UIDL`, `LIST`, `CAPA`) as [`LineReader::line`] gave it, without the dot that was put in front; none for the line that
/// ends the listing.
///
/// ```
/// use postrider_connector::dot_stuffing::listed;
///
/// assert_eq!(listed(b"1 whqtswO00WBw418f9t5JxYwZ"), Some(b"1 whqtswO00WBw418f9t5JxYwZ".as_slice()));
/// assert_eq!(listed(b"..dotted"), Some(b".dotted".as_slice()));
/// assert_eq!(listed(b"."), None);
/// ```
#[must_use]
pub fn listed(line: &[u8]) -> Option<&[u8]> {
    match line {
        [b'.'] => None,
        [b'.', rest @ ..] => Some(rest),
        line => Some(line),
    }
}

/// `octets` without those at `places`, which ascend.
fn remove(octets: &mut Vec<u8>, places: &[usize]) {
    let Some(&first) = places.first() else { return };
    let mut end = first;
    for (index, &place) in places.iter().enumerate() {
        let next = places.get(index + 1).copied().unwrap_or(octets.len());
        octets.copy_within(place + 1..next, end);
        end += next - place - 1;
    }
    octets.truncate(end);
}

/// `octets` with a dot before each of `places`, which ascend.
fn insert(octets: Vec<u8>, places: &[usize]) -> Vec<u8> {
    if places.is_empty() {
        return octets;
    }
    let mut dotted = Vec::with_capacity(octets.len() + places.len());
    let mut from = 0;
    for &place in places {
        dotted.extend_from_slice(octets.get(from..place).unwrap_or_default());
        dotted.push(b'.');
        from = place;
    }
    dotted.extend_from_slice(octets.get(from..).unwrap_or_default());
    dotted
}

#[cfg(test)]
mod tests;
