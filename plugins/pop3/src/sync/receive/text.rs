//! The octets of one message on their way to the host.

use postrider_connector::machine::{Action, Actions, Token};
use postrider_connector::types::{Error, Failure};

/// A message that is coming.
#[derive(Debug)]
pub(super) struct Text {
    /// None: nobody wants the rest of it.
    token: Option<Token>,
    /// Octets that the host was given.
    octets: u64,
    /// Octets that came and that nobody wanted.
    drained: u64,
    /// The most that is taken.
    most: u64,
    /// Where its header section is all that is wanted: how far the empty line behind it is recognised.
    header: Option<usize>,
}

/// What ends a header section.
const HEADER_END: &[u8] = b"\r\n\r\n";

impl Text {
    /// A message of at most `most` octets; `is_header`: what comes behind the empty line is not of it, whatever the server sends.
    pub(super) fn new(token: Option<Token>, most: u64, is_header: bool) -> Self {
        // A header section may be nothing but the empty line: the text begins as if a line had ended.
        Self { token, octets: 0, drained: 0, most, header: is_header.then_some(2) }
    }

    /// Where it goes.
    pub(super) const fn token(&self) -> Option<Token> {
        self.token
    }

    /// Octets that came and that nobody wanted: after the host refused the message, or behind the header section that was asked for.
    pub(super) const fn drained(&self) -> u64 {
        self.drained
    }

    /// Take in octets of it.
    pub(super) fn piece(&mut self, mut octets: Vec<u8>, actions: &mut Actions) {
        let Some(token) = self.token else {
            self.drained = self.drained.saturating_add(octets.len() as u64);
            return;
        };
        if let Some(matched) = self.header {
            let (length, matched) = header_part(&octets, matched);
            self.drained = self.drained.saturating_add(octets.len().saturating_sub(length) as u64);
            octets.truncate(length);
            self.header = Some(matched);
        }
        if octets.is_empty() {
            return;
        }
        self.octets = self.octets.saturating_add(octets.len() as u64);
        if self.octets > self.most {
            self.token = None;
            let words = format!("it has more than {} octets, over `oversize-octets`", self.most);
            actions.put(Action::Finish(token, Err(Error::new(Failure::TooLarge, words))));
            return;
        }
        actions.put(Action::Piece(token, octets));
    }

    /// The host wants no more of it.
    pub(super) fn refuse(&mut self, token: Token) {
        if self.token == Some(token) {
            self.token = None;
        }
    }

    /// All that is wanted of it came; how many octets the host was given.
    pub(super) fn end(self, actions: &mut Actions) -> u64 {
        if let Some(token) = self.token {
            actions.put(Action::Finish(token, Ok(self.octets)));
        }
        self.octets
    }
}

/// How many of `octets` are of a header section of which so many octets of [`HEADER_END`] were passed, and how many are passed then.
fn header_part(octets: &[u8], mut matched: usize) -> (usize, usize) {
    for (at, &octet) in octets.iter().enumerate() {
        if matched == HEADER_END.len() {
            return (at, matched);
        }
        matched = match octet {
            octet if HEADER_END.get(matched) == Some(&octet) => matched + 1,
            b'\r' => 1,
            _ => 0,
        };
    }
    (octets.len(), matched)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the host gets of `text`, cut into pieces of this length.
    fn header(text: &[u8], length: usize) -> Vec<u8> {
        let mut actions = Actions::default();
        let mut header = Text::new(Some(Token(1)), u64::MAX, true);
        text.chunks(length).for_each(|piece| header.piece(piece.to_vec(), &mut actions));
        let count = header.end(&mut actions);
        let mut octets = Vec::new();
        while let Some(action) = actions.pop() {
            match action {
                Action::Piece(_, piece) => octets.extend(piece),
                Action::Finish(_, finished) => assert_eq!(finished.unwrap(), count),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(octets.len() as u64, count);
        octets
    }

    #[test]
    fn a_server_that_gives_more_than_the_header_section_is_cut_short() {
        for (text, expected) in [
            (&b"Subject: x\r\n\r\nbody\r\n\r\nmore"[..], &b"Subject: x\r\n\r\n"[..]),
            (b"\r\nbody\r\n\r\n", b"\r\n"),
            (b"Subject: x\r\n", b"Subject: x\r\n"),
            (b"A: \r\r\n\r\r\n\r\nbody", b"A: \r\r\n\r\r\n\r\n"),
            (b"A: b\n\nc", b"A: b\n\nc"),
            (b"", b""),
        ] {
            for length in 1..8 {
                assert_eq!(header(text, length), expected, "{}", String::from_utf8_lossy(text));
            }
        }
    }

    #[test]
    fn what_is_too_large_is_broken_off_and_drained() {
        let mut actions = Actions::default();
        let mut text = Text::new(Some(Token(1)), 10, false);
        text.piece(vec![b'x'; 10], &mut actions);
        assert!(matches!(actions.pop(), Some(Action::Piece(..))));
        text.piece(vec![b'x'; 1], &mut actions);
        assert!(matches!(actions.pop(), Some(Action::Finish(_, Err(error))) if error.kind == Failure::TooLarge));
        text.piece(vec![b'x'; 5], &mut actions);
        assert_eq!(text.drained(), 5);
        text.end(&mut actions);
        assert!(actions.pop().is_none());
    }
}
