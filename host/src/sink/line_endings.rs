//! Line endings on the way out. The store keeps the exact octets; Maildir readers on Unix expect LF.

use std::borrow::Cow;

use crate::model::sink::LineEndings;

/// Rewrites a message that comes in pieces.
#[derive(Debug)]
pub struct Rewriter {
    line_endings: LineEndings,
    /// A CR ended the last piece: whether it stays depends on the next octet.
    held_cr: bool,
}

impl Rewriter {
    /// For one message.
    #[must_use]
    pub const fn new(line_endings: LineEndings) -> Self {
        Self { line_endings, held_cr: false }
    }

    /// The next piece, rewritten.
    pub fn piece<'a>(&mut self, piece: &'a [u8]) -> Cow<'a, [u8]> {
        if self.line_endings == LineEndings::Crlf {
            return Cow::Borrowed(piece);
        }
        let mut rewritten = Vec::with_capacity(piece.len() + 1);
        for run in piece.split_inclusive(|octet| *octet == b'\n') {
            let Some(line) = run.strip_suffix(b"\n") else {
                self.extend(&mut rewritten, run);
                continue;
            };
            self.extend(&mut rewritten, line);
            self.held_cr = false;
            rewritten.push(b'\n');
        }
        Cow::Owned(rewritten)
    }

    /// What was held back when the message ended.
    #[must_use]
    pub const fn end(self) -> &'static [u8] {
        if self.held_cr { b"\r" } else { b"" }
    }

    /// Append `run`, which holds no LF, but for a CR at its end.
    fn extend(&mut self, rewritten: &mut Vec<u8>, run: &[u8]) {
        if run.is_empty() {
            return;
        }
        if std::mem::take(&mut self.held_cr) {
            rewritten.push(b'\r');
        }
        match run.strip_suffix(b"\r") {
            Some(rest) => {
                rewritten.extend_from_slice(rest);
                self.held_cr = true;
            }
            None => rewritten.extend_from_slice(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewrite(pieces: &[&[u8]]) -> Vec<u8> {
        let mut rewriter = Rewriter::new(LineEndings::Lf);
        let mut whole = Vec::new();
        for piece in pieces {
            whole.extend_from_slice(&rewriter.piece(piece));
        }
        whole.extend_from_slice(rewriter.end());
        whole
    }

    #[test]
    fn only_the_pair_is_rewritten() {
        assert_eq!(rewrite(&[b"a\r\nb\nc\rd\r\r\n\r"]), b"a\nb\nc\rd\r\n\r");
        let mut exact = Rewriter::new(LineEndings::Crlf);
        assert_eq!(&*exact.piece(b"a\r\nb\r"), b"a\r\nb\r");
        assert_eq!(exact.end(), b"");
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(octets in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..64), cut in 0usize..64) {
            let cut = cut.min(octets.len());
            let mut whole = octets.clone();
            // The plain definition, on the whole message.
            let mut at = 0;
            while at + 1 < whole.len() {
                if whole[at] == b'\r' && whole[at + 1] == b'\n' { whole.remove(at); }
                at += 1;
            }
            prop_assert_eq!(rewrite(&[&octets[..cut], &octets[cut..]]), whole);
        }
    }
}
