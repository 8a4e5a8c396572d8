//! Octets whose number was said before them: IMAP's literals (RFC 9051 section 4.3), BDAT's chunks (RFC 3030 section 2). They are handed on
//! in the pieces in which they came, or whole where there are few.

use crate::line::LineReader;
use crate::types::{Error, Failure};

/// So many octets, read from behind a line that announced them.
///
/// ```
/// use postrider_connector::line::{Line, LineReader};
/// use postrider_connector::literal::Literal;
///
/// let mut reader = LineReader::new(1024);
/// reader.feed(b"* 1 FETCH (BODY[] {5}\r\nhel".to_vec());
/// assert_eq!(reader.line(), Some(Line::Whole(b"* 1 FETCH (BODY[] {5}")));
///
/// let mut body = Literal::new(5);
/// assert_eq!(body.piece(&mut reader), Some(b"hel".to_vec()));
/// assert_eq!(body.piece(&mut reader), None, "the rest is on its way");
/// reader.feed(b"lo)\r\n".to_vec());
/// assert_eq!(body.piece(&mut reader), Some(b"lo".to_vec()));
/// assert!(body.is_over());
/// assert_eq!(reader.line(), Some(Line::Whole(b")")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    left: u64,
}

impl Literal {
    /// A literal of `octets`, however many: for what is handed on as it comes, or dropped.
    #[must_use]
    pub const fn new(octets: u64) -> Self {
        Self { left: octets }
    }

    /// A literal of `octets` that is to be held [`whole`](Self::whole): a folder's name, a header section.
    ///
    /// ```
    /// use postrider_connector::literal::Literal;
    ///
    /// assert!(Literal::at_most(12, 1024).is_ok());
    /// assert!(Literal::at_most(1 << 30, 1024).is_err());
    /// ```
    ///
    /// # Errors
    /// `too-large` where there are more than `limit`. They come all the same: drop the pieces of a [`new`](Self::new) one.
    pub fn at_most(octets: u64, limit: usize) -> Result<Self, Error> {
        if usize::try_from(octets).is_ok_and(|octets| octets <= limit) {
            Ok(Self::new(octets))
        } else {
            Err(Error::new(Failure::TooLarge, format!("the server announces {octets} octets where at most {limit} are taken")))
        }
    }

    /// How many octets were not handed out yet.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Whether all octets were handed out: what follows is the rest of the line.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.left == 0
    }

    /// The octets that are there, never empty; none when more must be read, and after the last. A read that lies wholly within the literal
    /// is handed on without a copy.
    pub fn piece(&mut self, reader: &mut LineReader) -> Option<Vec<u8>> {
        let piece = reader.octets(self.left)?;
        self.left = self.left.saturating_sub(piece.len() as u64);
        Some(piece)
    }

    /// All octets at once, also of an empty literal; none until the last one is there. Meanwhile they wait in `reader`, so this is for
    /// literals made [`at_most`](Self::at_most) so long.
    ///
    /// ```
    /// use postrider_connector::line::LineReader;
    /// use postrider_connector::literal::Literal;
    ///
    /// let mut reader = LineReader::new(1024);
    /// let mut name = Literal::at_most(6, 255)?;
    /// reader.feed(b"Dra".to_vec());
    /// assert_eq!(name.whole(&mut reader), None);
    /// reader.feed(b"fts\r\n".to_vec());
    /// assert_eq!(name.whole(&mut reader), Some(b"Drafts".to_vec()));
    /// # Ok::<(), postrider_connector::types::Error>(())
    /// ```
    pub fn whole(&mut self, reader: &mut LineReader) -> Option<Vec<u8>> {
        if (reader.pending() as u64) < self.left {
            return None;
        }
        Some(self.piece(reader).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line::Line;

    proptest! {
        #[test]
        fn any_split_gives_the_same_octets(octets in proptest::collection::vec(any::<u8>(), 0..40), follows in "[ -~]{0,10}") {
            let wire = [octets.as_slice(), follows.as_bytes(), b"\r\n"].concat();
            for cut in 0..=wire.len() {
                let (mut literal, mut reader, mut given) = (Literal::new(octets.len() as u64), LineReader::new(80), Vec::new());
                for chunk in [&wire[..cut], &wire[cut..]] {
                    reader.feed(chunk.to_vec());
                    while let Some(piece) = literal.piece(&mut reader) {
                        prop_assert!(!piece.is_empty());
                        given.extend(piece);
                    }
                    prop_assert_eq!(literal.left(), (octets.len() - given.len()) as u64);
                }
                prop_assert!(literal.is_over());
                prop_assert_eq!(&given, &octets);
                prop_assert_eq!(reader.line(), Some(Line::Whole(follows.as_bytes())));
            }
        }

        #[test]
        fn whole_waits_for_the_last_octet(octets in proptest::collection::vec(any::<u8>(), 0..20)) {
            let wire = [octets.as_slice(), b" next\r\n"].concat();
            let (mut literal, mut reader) = (Literal::at_most(octets.len() as u64, 20).unwrap(), LineReader::new(80));
            let mut given = literal.whole(&mut reader);
            prop_assert_eq!(given.is_some(), octets.is_empty());
            for (count, octet) in wire.iter().enumerate() {
                reader.feed(vec![*octet]);
                if given.is_none() {
                    given = literal.whole(&mut reader);
                    prop_assert_eq!(given.is_some(), count + 1 == octets.len());
                }
            }
            prop_assert_eq!(given.unwrap(), octets);
            prop_assert_eq!(reader.line(), Some(Line::Whole(b" next")));
        }
    }

    #[test]
    fn a_read_within_it_is_not_copied() {
        let (mut literal, mut reader, read) = (Literal::new(100), LineReader::new(80), vec![b'x'; 64]);
        let place = read.as_ptr();
        reader.feed(read);
        let piece = literal.piece(&mut reader).unwrap();
        assert_eq!(piece.as_ptr(), place);
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        assert!(Literal::at_most(80, 80).is_ok());
        assert_eq!(Literal::at_most(81, 80).unwrap_err().kind, Failure::TooLarge);
        assert_eq!(Literal::at_most(u64::MAX, usize::MAX).is_ok(), usize::BITS == 64);
    }
}
