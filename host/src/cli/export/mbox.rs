//! The mboxrd format: a line "From " before each message, an empty one behind it, and one more `>` before every line of a message that
//! is `From ` after any number of `>` (RFC 4155 leaves the quoting open; mboxrd's can be undone).

use crate::clock::Timestamp;

const FROM: &[u8] = b"From ";

/// Quotes one message that comes in pieces, with LF for CRLF.
#[derive(Debug)]
pub(super) struct Quoter {
    /// How much of `From ` stood at the line's start, after any number of `>`; none: the line is another one.
    matched: Option<usize>,
    ends_line: bool,
}

impl Default for Quoter {
    fn default() -> Self {
        Self { matched: Some(0), ends_line: true }
    }
}

impl Quoter {
    /// The next piece, quoted. At most `From` of it is held back.
    pub(super) fn piece(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut quoted = Vec::with_capacity(piece.len() + 8);
        for octet in piece {
            self.ends_line = *octet == b'\n';
            match self.matched {
                Some(at) if FROM.get(at) == Some(octet) => {
                    self.matched = Some(at + 1);
                    if at + 1 == FROM.len() {
                        // Before or behind the other `>`: it is the same line.
                        quoted.push(b'>');
                        quoted.extend_from_slice(FROM);
                        self.matched = None;
                    }
                }
                matched => {
                    quoted.extend_from_slice(FROM.get(..matched.unwrap_or(0)).unwrap_or_default());
                    quoted.push(*octet);
                    self.matched = match (octet, matched) {
                        (b'\n', _) | (b'>', Some(0)) => Some(0),
                        _ => None,
                    };
                }
            }
        }
        quoted
    }

    /// What was held back, and the end of the message.
    pub(super) fn end(self) -> Vec<u8> {
        let mut rest = FROM.get(..self.matched.unwrap_or(0)).unwrap_or_default().to_vec();
        if !self.ends_line {
            rest.push(b'\n');
        }
        rest.push(b'\n');
        rest
    }
}

/// The line before a message: who sent it, and when it was received, in UTC as asctime writes it.
pub(super) fn separator(from: Option<&str>, at: Timestamp) -> String {
    let is_plain = |from: &&str| !from.is_empty() && from.bytes().all(|octet| octet.is_ascii_graphic());
    let time = i64::try_from(at.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()).unwrap_or_default();
    format!("From {} {}\n", from.filter(is_plain).unwrap_or("MAILER-DAEMON"), time.strftime("%a %b %e %H:%M:%S %Y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(message: &[u8], piece: usize) -> Vec<u8> {
        let mut quoter = Quoter::default();
        let mut out: Vec<u8> = message.chunks(piece).flat_map(|piece| quoter.piece(piece)).collect();
        out.extend(quoter.end());
        out
    }

    #[test]
    fn lines_that_look_like_separators_are_quoted_however_they_are_cut() {
        for (message, expected) in [
            (&b"From a\nx From b\n>From c\n>>From d\n"[..], &b">From a\nx From b\n>>From c\n>>>From d\n\n"[..]),
            (b"a", b"a\n\n"),
            (b"a\nFrom", b"a\nFrom\n\n"),
            (b"Fro\nFrom\n>Fr>om x\n", b"Fro\nFrom\n>Fr>om x\n\n"),
            (b">From ", b">>From \n\n"),
            (b"FFrom x\n", b"FFrom x\n\n"),
            (b"", b"\n"),
        ] {
            for piece in 1..=message.len().max(1) {
                assert_eq!(String::from_utf8(quoted(message, piece)).unwrap(), String::from_utf8(expected.to_vec()).unwrap());
            }
        }
    }

    #[test]
    fn separators_are_lines_of_one_sender_and_a_time() {
        assert_eq!(separator(Some("a@example.com"), Timestamp(1_700_000_000_000)), "From a@example.com Tue Nov 14 22:13:20 2023\n");
        assert_eq!(separator(Some("a b\n"), Timestamp(0)), "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
    }
}
