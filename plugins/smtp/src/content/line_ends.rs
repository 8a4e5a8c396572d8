//! Line ends as SMTP has them (RFC 5321 section 2.3.8): CRLF, and no CR or LF by itself. A bare LF is a line's end of a file; a bare CR is none
//! anywhere, and becomes a space, so that no header field or line appears that was not there.

use memchr::{memchr, memchr2};

/// Makes the line ends of a text CRLF, in any cut.
///
/// ```
/// use postrider_smtp::content::LineEnds;
///
/// let mut ends = LineEnds::new();
/// let mut text = ends.write(b"one\r\ntwo\nthree\rfour\r".to_vec());
/// text.extend(ends.write(b"\nfive".to_vec()));
/// text.extend(ends.finish());
/// assert_eq!(text, b"one\r\ntwo\r\nthree four\r\nfive\r\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct LineEnds {
    /// The last octet was a CR, which is not handed out yet.
    is_after_cr: bool,
    /// The last octet handed out ended a line, or there was none.
    is_mid_line: bool,
}

impl LineEnds {
    /// At the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_after_cr: false, is_mid_line: false }
    }

    /// The next octets; handed on without a copy where nothing has to be changed.
    pub fn write(&mut self, mut octets: Vec<u8>) -> Vec<u8> {
        if octets.is_empty() {
            return octets;
        }
        let ends_with_cr = octets.last() == Some(&b'\r');
        if !self.is_after_cr && is_clean(octets.strip_suffix(b"\r").unwrap_or(&octets)) {
            if ends_with_cr {
                octets.pop();
            }
            self.is_after_cr = ends_with_cr;
            self.note(&octets);
            return octets;
        }
        let mut text = Vec::with_capacity(octets.len() + octets.len() / 16 + 2);
        let mut rest = octets.as_slice();
        if std::mem::take(&mut self.is_after_cr) {
            match rest {
                [b'\n', after @ ..] => {
                    text.extend_from_slice(b"\r\n");
                    rest = after;
                }
                _ => text.push(b' '),
            }
        }
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            let (line, end) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            text.extend_from_slice(line);
            rest = match end {
                [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => {
                    text.extend_from_slice(b"\r\n");
                    after
                }
                [b'\r'] => {
                    self.is_after_cr = true;
                    &[]
                }
                [_, after @ ..] => {
                    text.push(b' ');
                    after
                }
                [] => &[],
            };
        }
        text.extend_from_slice(rest);
        self.note(&text);
        text
    }

    /// What is left at the text's end, and the end of its last line.
    pub fn finish(&mut self) -> Vec<u8> {
        let rest = if std::mem::take(&mut self.is_after_cr) { &b" \r\n"[..] } else { b"\r\n" };
        let is_mid_line = std::mem::take(&mut self.is_mid_line);
        if is_mid_line || rest.len() > 2 { rest.to_vec() } else { Vec::new() }
    }

    fn note(&mut self, handed_out: &[u8]) {
        if let Some(last) = handed_out.last() {
            self.is_mid_line = *last != b'\n';
        }
    }
}

/// Whether every LF has a CR before it, and every CR an LF behind it.
fn is_clean(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some(at) = memchr(b'\n', rest) {
        let (line, end) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        match line {
            [line @ .., b'\r'] if memchr(b'\r', line).is_none() => {}
            _ => return false,
        }
        rest = end.get(1..).unwrap_or_default();
    }
    memchr(b'\r', rest).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<u8> {
        let mut ends = LineEnds::new();
        let mut text: Vec<u8> = pieces.iter().flat_map(|piece| ends.write(piece.to_vec())).collect();
        text.extend(ends.finish());
        text
    }

    #[test]
    fn known_texts() {
        for (given, expected) in [
            (&b""[..], &b""[..]),
            (b"a", b"a\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b"a\n\nb\n", b"a\r\n\r\nb\r\n"),
            (b"a\r", b"a \r\n"),
            (b"\r", b" \r\n"),
            (b"a\r\r\n", b"a \r\n"),
            (b"\n\r", b"\r\n \r\n"),
            (b"\n.\n", b"\r\n.\r\n"),
            (b"\r.\r\n", b" .\r\n"),
            (b"a\r\n.\r", b"a\r\n. \r\n"),
        ] {
            assert_eq!(all(&[given]), expected, "{:?}", String::from_utf8_lossy(given));
        }
    }

    proptest! {
        #[test]
        fn no_cut_matters_and_nothing_is_bare(text in "[ab.\r\n]{0,24}") {
            let text = text.into_bytes();
            let whole = all(&[&text]);
            for cut in 0..=text.len() {
                prop_assert_eq!(all(&[&text[..cut], &text[cut..]]), whole.clone(), "cut at {}", cut);
            }
            prop_assert_eq!(all(&text.chunks(1).collect::<Vec<_>>()), whole.clone());
            prop_assert!(is_clean(&whole) && (whole.is_empty() || whole.ends_with(b"\r\n")));
            // The lines are those of the text, a bare CR being no end of one.
            let expected: Vec<u8> = String::from_utf8(text).unwrap().replace("\r\n", "\n").replace('\r', " ").into_bytes();
            let found = String::from_utf8(whole).unwrap().replace("\r\n", "\n").into_bytes();
            prop_assert_eq!(found.strip_suffix(b"\n").unwrap_or(&found), expected.strip_suffix(b"\n").unwrap_or(&expected));
        }
    }
}
