//! What is looked at in a message before it is sent: that it has a header section (RFC 5322 section 2.1), and its own id.

use crate::fault::{Fault, Kind};

/// Octets of the header section that are looked at; a Message-ID beyond them is not told.
const HEADER_OCTETS: usize = 64 << 10;

/// The longest Message-ID that is told.
const MESSAGE_ID_OCTETS: usize = 998;

/// What a message says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// As its header has it, with its brackets.
    pub message_id: Option<String>,
}

/// Reads what it is given of a message, up to the end of its header section.
#[derive(Debug, Default)]
pub struct HeaderReader {
    octets: Vec<u8>,
    is_over: bool,
}

impl HeaderReader {
    /// The next octets, in order.
    pub fn take(&mut self, octets: &[u8]) {
        if self.is_over {
            return;
        }
        let room = HEADER_OCTETS - self.octets.len();
        self.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
        self.is_over = self.octets.len() >= HEADER_OCTETS || end(&self.octets).is_some();
    }

    /// What the header says, now that the message has ended.
    ///
    /// # Errors
    /// `Usage`: there is no header section.
    pub fn finish(self) -> Result<Content, Fault> {
        let header = self.octets.get(..end(&self.octets).unwrap_or(self.octets.len())).unwrap_or_default();
        let first = header.split(|octet| *octet == b'\n').next().unwrap_or_default();
        if !is_field(first) {
            let is_mbox = first.starts_with(b"From ");
            let (why, remedy) = if is_mbox {
                ("it begins with the `From ` line of an mbox", "take that line off; of an mbox, give each message as a file of its own")
            } else {
                ("it does not begin with a header field, such as `Subject: ...`", "give the whole message, header section first")
            };
            return Err(Fault::new(Kind::Usage, "send the message").because_words(why).with_remedy(remedy));
        }
        Ok(Content { message_id: message_id(header) })
    }
}

/// Where the header section ends: behind the line end before the empty line.
fn end(octets: &[u8]) -> Option<usize> {
    let ends = |pattern: &[u8]| octets.windows(pattern.len()).position(|window| window == pattern).map(|at| at + 1);
    match (ends(b"\n\n"), ends(b"\n\r\n")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether a line is a field's first: a name of printable ASCII, blanks that old software puts there, a colon.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|octet| *octet == b':') else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

fn message_id(header: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"message-id:";
    let mut lines = header.split(|octet| *octet == b'\n');
    let first = lines.by_ref().find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))?;
    let mut value = first.get(NAME.len()..).unwrap_or_default().to_vec();
    // A long id stands on the next line.
    for line in lines.take_while(|line| line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t'))) {
        value.extend_from_slice(line);
    }
    let value = String::from_utf8_lossy(&value).split_whitespace().collect::<String>();
    (!value.is_empty() && value.len() <= MESSAGE_ID_OCTETS && !value.contains(char::is_control)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8], piece: usize) -> Result<Content, Fault> {
        let mut reader = HeaderReader::default();
        for piece in octets.chunks(piece) {
            reader.take(piece);
        }
        reader.finish()
    }

    #[test]
    fn the_id_is_found_at_any_cut_and_only_in_the_header() {
        for (message, id) in [
            (&b"Message-ID: <a@b>\r\n\r\nx"[..], Some("<a@b>")),
            (b"Subject: x\nmessage-id:\n <a@b>\nTo: c@d\n\n", Some("<a@b>")),
            (b"Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", None),
            (b"Subject: x\n\nMessage-ID: <a@b>\n", None),
            (b"Subject: x\r\n", None),
            (b"Message-ID:\r\nTo: a@b\r\n\r\n", None),
        ] {
            for piece in 1..message.len() {
                assert_eq!(read(message, piece).unwrap().message_id.as_deref(), id, "{message:?} by {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused_in_words() {
        for (message, word) in [
            (&b"hello\r\n"[..], "header field"),
            (b"", "header field"),
            (b"\r\nSubject: x\r\n", "header field"),
            (b"http //x: y\r\n", "header field"),
            (b"From a@b Thu Nov 26\nSubject: x\n\n", "mbox"),
        ] {
            let fault = read(message, 7.min(message.len().max(1))).unwrap_err();
            assert_eq!(fault.kind, Kind::Usage);
            assert!(fault.causes().any(|cause| cause.contains(word)), "{message:?}");
        }
    }

    #[test]
    fn a_header_without_end_costs_no_memory() {
        let mut reader = HeaderReader::default();
        for _ in 0..100 {
            reader.take(&b"X: y\r\n".repeat(5_000));
        }
        assert!(reader.octets.capacity() <= 4 * HEADER_OCTETS);
        assert_eq!(reader.finish().unwrap(), Content::default());
    }
}
