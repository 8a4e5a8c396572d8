//! The first stage: where a response begins and ends (RFC 9051 sections 2.2.2 and 4.3). Small literals are put into the response's
//! text; a message body is handed on as it comes.

use postrider_connector::line::{Line, LineReader};

use crate::limits::Limits;

/// A piece of what the server sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole response without its last CRLF. Literals stand in it as on the wire; of streamed bodies there is only `{0}`.
    Response(Vec<u8>),
    /// A message body of so many octets begins; the text so far ends before its `{`.
    Body(Vec<u8>, u64),
    /// Octets of the body.
    Piece(Vec<u8>),
    /// The body had all of its octets.
    BodyEnd,
    /// A response over a limit went by.
    TooLong,
}

/// Finds frames.
#[derive(Debug)]
pub struct Framer {
    reader: LineReader,
    limits: Limits,
    state: State,
    /// The response so far.
    text: Vec<u8>,
    /// Octets of literals in `text`.
    literals: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// In a line.
    Line,
    /// In a literal that goes into the text; so many octets are left.
    Inline(u64),
    /// In a body that is handed on.
    Body(u64),
    /// In a line of a response over the limit.
    SkipLine,
    /// In a literal of a response over the limit.
    SkipLiteral(u64),
}

impl Framer {
    /// A framer within `limits`.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { reader: LineReader::new(limits.line_octets), limits, state: State::Line, text: Vec::new(), literals: 0 }
    }

    /// Take in what one read gave.
    pub fn feed(&mut self, octets: Vec<u8>) {
        self.reader.feed(octets);
    }

    /// Whether a response has begun and not ended.
    #[must_use]
    pub const fn is_within(&self) -> bool {
        !matches!(self.state, State::Line) || !self.text.is_empty() || self.reader.pending() > 0
    }

    /// The next frame, where it is all there.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Line => match self.reader.line()? {
                    Line::Whole(line) => {
                        let literal = if self.text.is_empty() && is_status(line) { None } else { literal(line) };
                        let Some(literal) = literal else {
                            self.text.extend_from_slice(line);
                            return Some(Frame::Response(self.take()));
                        };
                        let before = line.get(..literal.start).unwrap_or_default();
                        self.text.extend_from_slice(before);
                        if is_body(&self.text) {
                            self.state = State::Body(literal.octets);
                            return Some(Frame::Body(self.text.clone(), literal.octets));
                        }
                        let octets = usize::try_from(literal.octets).unwrap_or(usize::MAX);
                        self.literals = self.literals.saturating_add(octets);
                        if self.literals > self.limits.literal_octets || self.text.len() > self.limits.line_octets {
                            self.text.clear();
                            self.state = State::SkipLiteral(literal.octets);
                        } else {
                            self.text.extend_from_slice(format!("{{{octets}}}\r\n").as_bytes());
                            self.state = State::Inline(literal.octets);
                        }
                    }
                    Line::TooLong(tail) => {
                        self.text.clear();
                        match literal(&tail) {
                            Some(literal) => self.state = State::SkipLiteral(literal.octets),
                            None => {
                                self.take();
                                return Some(Frame::TooLong);
                            }
                        }
                    }
                },
                State::Inline(0) => self.state = State::Line,
                State::Inline(left) => {
                    let octets = self.reader.octets(left)?;
                    self.text.extend_from_slice(&octets);
                    self.state = State::Inline(left - octets.len() as u64);
                }
                State::Body(0) => {
                    self.text.extend_from_slice(b"{0}\r\n");
                    self.state = State::Line;
                    return Some(Frame::BodyEnd);
                }
                State::Body(left) => {
                    let octets = self.reader.octets(left)?;
                    self.state = State::Body(left - octets.len() as u64);
                    return Some(Frame::Piece(octets));
                }
                State::SkipLine => {
                    let after = match self.reader.line()? {
                        Line::Whole(line) => literal(line),
                        Line::TooLong(tail) => literal(&tail),
                    };
                    match after {
                        Some(literal) => self.state = State::SkipLiteral(literal.octets),
                        None => {
                            self.take();
                            return Some(Frame::TooLong);
                        }
                    }
                }
                State::SkipLiteral(0) => self.state = State::SkipLine,
                State::SkipLiteral(left) => self.state = State::SkipLiteral(left - self.reader.octets(left)?.len() as u64),
            }
        }
    }

    fn take(&mut self) -> Vec<u8> {
        self.state = State::Line;
        self.literals = 0;
        std::mem::take(&mut self.text)
    }
}

struct Literal {
    /// Where its `{` (or the `~` before it) stands.
    start: usize,
    octets: u64,
}

/// The literal that this line ends with: `{12}`, `{12+}`, `~{12}` (RFC 9051 section 9).
fn literal(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let inner = inner.strip_suffix(b"+").unwrap_or(inner);
    let digits = inner.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let open = inner.len().checked_sub(digits + 1)?;
    if digits == 0 || digits > 18 || inner.get(open) != Some(&b'{') {
        return None;
    }
    let octets = std::str::from_utf8(inner.get(open + 1..)?).ok()?.parse().ok()?;
    let start = if open > 0 && inner.get(open - 1) == Some(&b'~') { open - 1 } else { open };
    Some(Literal { start, octets })
}

/// Whether this line begins with a status or an invitation: what stands in those is words, also where they look like a literal (RFC 9051 section 9,
/// `resp-text`).
fn is_status(line: &[u8]) -> bool {
    let mut words = line.splitn(3, |&octet| octet == b' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    first == b"+" || [b"OK".as_slice(), b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|word| second.eq_ignore_ascii_case(word))
}

/// Whether what comes after this text is a message's octets: the value of `BODY[]`, `BINARY[]` or `RFC822` in a FETCH response.
fn is_body(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"* ") else { return false };
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let after = rest.get(digits..).unwrap_or_default();
    if digits == 0 || !after.get(..7).is_some_and(|word| word.eq_ignore_ascii_case(b" FETCH ")) {
        return false;
    }
    [b" BODY[] ".as_slice(), b"(BODY[] ", b" BINARY[] ", b"(BINARY[] ", b" RFC822 ", b"(RFC822 "]
        .iter()
        .any(|name| text.len() >= name.len() && text.get(text.len() - name.len()..).is_some_and(|end| end.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(limits: Limits, chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(limits);
        let mut frames: Vec<Frame> = Vec::new();
        for chunk in chunks {
            framer.feed(chunk.to_vec());
            while let Some(frame) = framer.next_frame() {
                // Pieces come as the reads cut them; together they are the same.
                match (frames.last_mut(), frame) {
                    (Some(Frame::Piece(before)), Frame::Piece(more)) => before.extend(more),
                    (_, frame) => frames.push(frame),
                }
            }
        }
        frames
    }

    const LIMITS: Limits = Limits {
        line_octets: 60,
        literal_octets: 20,
        nesting: 10,
        list_items: 10,
        resync: 10,
        mailboxes: 10,
        responses: 1_000,
        drained_octets: 1_000,
    };

    const DIALOGUE: &[u8] = b"* 1 FETCH (UID 7 BODY[] {12}\r\nhello\r\nworld FLAGS (\\Seen))\r\n\
        * LIST () \"/\" {5}\r\na\r\nbc\r\n\
        * OK [X 0123456789012345678901234567890123456789012345678901234567890] long\r\n\
        * LIST () \"/\" {30}\r\n012345678901234567890123456789 {3}\r\nabc\r\n\
        * 2 FETCH (BODY[HEADER] {2}\r\n\r\n BODY[] {0}\r\n)\n\
        A1 OK done {x}\r\n";

    #[test]
    fn bodies_stream_and_small_literals_stay() {
        let expected = [
            Frame::Body(b"* 1 FETCH (UID 7 BODY[] ".to_vec(), 12),
            Frame::Piece(b"hello\r\nworld".to_vec()),
            Frame::BodyEnd,
            Frame::Response(b"* 1 FETCH (UID 7 BODY[] {0}\r\n FLAGS (\\Seen))".to_vec()),
            Frame::Response(b"* LIST () \"/\" {5}\r\na\r\nbc".to_vec()),
            Frame::TooLong,
            Frame::TooLong,
            Frame::Body(b"* 2 FETCH (BODY[HEADER] {2}\r\n\r\n BODY[] ".to_vec(), 0),
            Frame::BodyEnd,
            Frame::Response(b"* 2 FETCH (BODY[HEADER] {2}\r\n\r\n BODY[] {0}\r\n)".to_vec()),
            Frame::Response(b"A1 OK done {x}".to_vec()),
        ];
        assert_eq!(frames(LIMITS, &[DIALOGUE]), expected);
        for cut in 0..DIALOGUE.len() {
            assert_eq!(frames(LIMITS, &[&DIALOGUE[..cut], &DIALOGUE[cut..]]), expected, "cut at {cut}");
        }
        assert_eq!(frames(LIMITS, &DIALOGUE.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_status_has_words_and_no_literals() {
        for line in ["* OK see {3}", "A1 no why {12}", "+ send {0}", "* BYE {1}"] {
            assert_eq!(frames(LIMITS, &[line.as_bytes(), b"\r\nA2 OK x\r\n"])[0], Frame::Response(line.as_bytes().to_vec()));
        }
        assert_eq!(frames(LIMITS, &[b"* LIST () NIL {2}\r\nOK\r\n"]), [Frame::Response(b"* LIST () NIL {2}\r\nOK".to_vec())]);
    }

    #[test]
    fn a_literal_with_an_absurd_count_is_text() {
        assert_eq!(frames(LIMITS, &[b"* X {99999999999999999999}\r\n"]), [Frame::Response(b"* X {99999999999999999999}".to_vec())]);
    }

    proptest! {
        #[test]
        fn any_octets_in_any_cut_give_the_same_frames(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "* 1 FETCH (", "BODY[] {3}\r\n", "UID 4 ", "{2}\r\n", "\r\n", "\n", "abc", ")", "~{1}\r\n", "{70}\r\n", "RFC822 {0}\r\n",
            ]), 0..40),
            cuts in proptest::collection::vec(1usize..9, 1..30),
        ) {
            let text = pieces.concat().into_bytes();
            let whole = frames(LIMITS, &[&text]);
            let mut chunks = Vec::new();
            let mut rest = text.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            prop_assert_eq!(frames(LIMITS, &chunks), whole);
        }
    }
}
