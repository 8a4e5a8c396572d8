//! What a POP3 server answers (RFC 1939 section 3, RFC 2449 section 8): one line, without its end, to one value.

/// The most octets of a server's words that are kept.
const WORDS_OCTETS: usize = 512;

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// "+OK".
    pub is_ok: bool,
    /// In brackets before the words of a refusal, in capitals: "IN-USE", "SYS/TEMP".
    pub code: Option<String>,
    /// For people.
    pub words: String,
}

impl Status {
    /// Read one line; none: it is no status.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let end = line.iter().position(|&octet| octet == b' ' || octet == b'\t').unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end)?;
        let is_ok = match word {
            word if word.eq_ignore_ascii_case(b"+OK") => true,
            word if word.eq_ignore_ascii_case(b"-ERR") => false,
            _ => return None,
        };
        let text = shown(rest);
        let rest = text.trim();
        let (code, words) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((code, words)) if !is_ok && !code.is_empty() => (Some(code.to_ascii_uppercase()), words.trim_start()),
            _ => (None, rest),
        };
        Some(Self { is_ok, code, words: words.to_owned() })
    }

    /// How many messages `STAT` says there are.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.words.split_ascii_whitespace().next()?.parse().ok()
    }
}

/// A line of a listing: a message's number, and what is said of it. None: it is no such line.
#[must_use]
pub fn listed(line: &[u8]) -> Option<(u32, &[u8])> {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (number, rest) = line.split_at_checked(end)?;
    // `str::parse` takes a sign, which no number of a message has.
    let number = Some(number).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = std::str::from_utf8(number).ok()?.parse().ok().filter(|&number| number > 0)?;
    Some((number, rest.trim_ascii()))
}

/// The size that a line of `LIST` claims.
#[must_use]
pub fn size(rest: &[u8]) -> Option<u64> {
    std::str::from_utf8(rest).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// Octets of a server's as words: not too many, and without control characters.
#[must_use]
pub fn shown(octets: &[u8]) -> String {
    let octets = octets.get(..octets.len().min(WORDS_OCTETS)).unwrap_or_default();
    String::from_utf8_lossy(octets).chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(line: &str) -> Option<(bool, Option<String>, String)> {
        Status::parse(line.as_bytes()).map(|status| (status.is_ok, status.code, status.words))
    }

    #[test]
    fn known_lines() {
        for (line, is_ok, code, words) in [
            ("+OK", true, None, ""),
            ("+ok 2 320", true, None, "2 320"),
            ("+OK [x] y", true, None, "[x] y"),
            ("-ERR [IN-USE] busy", false, Some("IN-USE"), "busy"),
            ("-ERR [sys/temp]", false, Some("SYS/TEMP"), ""),
            ("-ERR [half", false, None, "[half"),
            ("-ERR [] x", false, None, "[] x"),
            ("-ERR\tno", false, None, "no"),
        ] {
            assert_eq!(status(line), Some((is_ok, code.map(str::to_owned), words.to_owned())), "{line}");
        }
        for line in ["+OKAY", "OK", "", " +OK", "+ ", "* OK"] {
            assert_eq!(status(line), None, "{line}");
        }
        assert_eq!(Status::parse(b"+OK \xff\x1b[31m").unwrap().words, "\u{fffd}[31m");
    }

    #[test]
    fn lines_of_listings() {
        assert_eq!(listed(b"1 whqtswO00WBw418f9t5JxYwZ"), Some((1, &b"whqtswO00WBw418f9t5JxYwZ"[..])));
        assert_eq!(listed(b" 2\t a b "), Some((2, &b"a b"[..])));
        assert_eq!(listed(b"3"), Some((3, &b""[..])));
        for line in [&b""[..], b"0 x", b"+1 x", b"-1 x", b"4294967296 x", b"x 1", b"1x 2"] {
            assert_eq!(listed(line), None, "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(size(b"120 octets"), Some(120));
        assert_eq!(size(b"99999999999999999999"), None);
        assert_eq!(size(b""), None);
        assert_eq!(status("+OK 2 320").map(|_| Status::parse(b"+OK 2 320").unwrap().count()), Some(Some(2)));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Status::parse(&octets).map(|status| status.count());
            let _ = listed(&octets).map(|(_, rest)| size(rest));
            prop_assert!(!shown(&octets).chars().any(char::is_control));
        }
    }
}
