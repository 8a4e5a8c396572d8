//! What an SMTP or LMTP server answers (RFC 5321 section 4.2, RFC 2034): lines to one value, with limits.

use crate::limits::{REPLY_LINES, WORDS_OCTETS};

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599, the same on every line.
    pub code: u16,
    /// The enhanced status code (RFC 3463) before the words of its last line that has one: "5.7.1".
    pub enhanced: Option<String>,
    /// For people: all lines, without enhanced status codes and control characters.
    pub words: String,
}

/// Puts the lines of replies together.
#[derive(Debug, Default)]
pub struct Replies {
    partial: Option<Reply>,
    lines: usize,
}

/// What is no reply, shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoReply(pub String);

impl Replies {
    /// Take in one line, without its end; none: the reply has further lines.
    ///
    /// # Errors
    /// No line of a reply, one with another code than those before it, or more than [`REPLY_LINES`].
    pub fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, NoReply> {
        let (code, is_last, text) = parse(line).ok_or_else(|| NoReply(shown(line)))?;
        let mut reply = self.partial.take().unwrap_or_else(|| Reply { code, enhanced: None, words: String::new() });
        self.lines += 1;
        if reply.code != code {
            return Err(NoReply(format!("{code} in a reply that began with {}", reply.code)));
        }
        if self.lines > REPLY_LINES {
            return Err(NoReply(format!("a reply of more than {REPLY_LINES} lines")));
        }
        let (enhanced, words) = split_enhanced(code, text);
        if enhanced.is_some() {
            reply.enhanced = enhanced.map(str::to_owned);
        }
        append(&mut reply.words, words);
        if is_last {
            self.lines = 0;
            return Ok(Some(reply));
        }
        self.partial = Some(reply);
        Ok(None)
    }
}

impl Reply {
    /// 2yz: done.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code >= 200 && self.code < 300
    }

    /// 4yz: later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.code >= 400 && self.code < 500
    }

    /// The enhanced status code, else the reply's.
    #[must_use]
    pub fn status(&self) -> String {
        self.enhanced.clone().unwrap_or_else(|| self.code.to_string())
    }

    /// Code and words, as the server said them.
    #[must_use]
    pub fn said(&self) -> String {
        let enhanced = self.enhanced.as_ref().map(|code| format!("{code} ")).unwrap_or_default();
        format!("{} {enhanced}{}", self.code, self.words).trim_end().to_owned()
    }
}

/// Octets of a server's as words: not too many, and without control characters.
#[must_use]
pub fn shown(octets: &[u8]) -> String {
    let octets = octets.get(..octets.len().min(WORDS_OCTETS)).unwrap_or_default();
    String::from_utf8_lossy(octets).chars().filter(|c| !c.is_control()).collect()
}

/// Code, whether it is the last line, text.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = std::str::from_utf8(digits).ok()?.parse().ok().filter(|code| (200..=599).contains(code))?;
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

/// "5.7.8 words", where the class is the reply code's (RFC 2034 section 4).
fn split_enhanced(code: u16, text: &[u8]) -> (Option<&str>, &[u8]) {
    let end = text.iter().position(|&octet| octet == b' ').unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    let Ok(word) = std::str::from_utf8(word) else { return (None, text) };
    let mut parts = word.split('.');
    let is_number = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| (1..=most).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit()))
    };
    let is_of_class = word.bytes().next() == u8::try_from(code / 100).ok().map(|class| b'0' + class);
    let is_code = is_number(parts.next(), 1) && is_number(parts.next(), 3) && is_number(parts.next(), 3) && parts.next().is_none();
    if is_code && is_of_class { (Some(word), rest) } else { (None, text) }
}

fn append(words: &mut String, text: &[u8]) {
    let text = shown(text);
    let text = text.trim();
    let room = WORDS_OCTETS.saturating_sub(words.len() + 1);
    if text.is_empty() || room == 0 {
        return;
    }
    if !words.is_empty() {
        words.push(' ');
    }
    let end = (0..=text.len().min(room)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    words.push_str(text.get(..end).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Reply>, NoReply> {
        let mut replies = Replies::default();
        let mut last = Ok(None);
        for line in lines {
            last = replies.take(line.as_bytes());
        }
        last
    }

    fn reply(code: u16, enhanced: Option<&str>, words: &str) -> Result<Option<Reply>, NoReply> {
        Ok(Some(Reply { code, enhanced: enhanced.map(str::to_owned), words: words.to_owned() }))
    }

    #[test]
    fn known_replies() {
        for (lines, expected) in [
            (&["250 2.1.5 Ok"][..], reply(250, Some("2.1.5"), "Ok")),
            (&["250"], reply(250, None, "")),
            (&["250 "], reply(250, None, "")),
            (&["354 End data with <CR><LF>.<CR><LF>"], reply(354, None, "End data with <CR><LF>.<CR><LF>")),
            (&["550-5.7.26 one", "550-5.7.26 two", "550 5.7.26 three"], reply(550, Some("5.7.26"), "one two three")),
            (&["550-5.1.1", "550 no such user"], reply(550, Some("5.1.1"), "no such user")),
            // A code of another class than the reply's is no code of this reply.
            (&["450 5.7.1 x"], reply(450, None, "5.7.1 x")),
            (&["550 5.7 x"], reply(550, None, "5.7 x")),
            (&["550 5.7.1.2 x"], reply(550, None, "5.7.1.2 x")),
            (&["250-"], Ok(None)),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
        for lines in [&["", "199 x"][..], &["600 x"], &["25"], &["2x0 y"], &["250x"], &["+OK"], &["250-a", "251 b"], &["\u{661}\u{662} x"]]
        {
            assert!(read(lines).is_err(), "{lines:?}");
        }
        assert_eq!(read(&["451 \u{1b}[31mred"]), reply(451, None, "[31mred"));
    }

    #[test]
    fn a_reply_without_end_is_none() {
        let mut replies = Replies::default();
        let failed = (0..=REPLY_LINES).find(|_| replies.take(b"250-more and more of it").is_err());
        assert_eq!(failed, Some(REPLY_LINES));
    }

    #[test]
    fn statuses_and_words() {
        let full = read(&["550 5.7.1 no"]).unwrap().unwrap();
        assert_eq!((full.status(), full.said()), ("5.7.1".to_owned(), "550 5.7.1 no".to_owned()));
        let bare = read(&["451"]).unwrap().unwrap();
        assert_eq!((bare.status(), bare.said()), ("451".to_owned(), "451".to_owned()));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20)) {
            let mut replies = Replies::default();
            for line in &lines {
                if let Ok(Some(reply)) = replies.take(line) {
                    prop_assert!((200..=599).contains(&reply.code));
                    prop_assert!(reply.words.len() <= WORDS_OCTETS && !reply.words.chars().any(char::is_control));
                }
            }
        }
    }
}
