//! The grammar of what an SMTP or LMTP server says (RFC 5321 section 4.2, RFC 3463): one line, without CRLF, to one value.

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 200 to 599.
    pub code: u16,
    /// Whether the reply ends with it.
    pub is_last: bool,
    /// Behind the code.
    pub text: String,
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The same on every line.
    pub code: u16,
    /// The texts, in order.
    pub lines: Vec<String>,
}

impl Line {
    /// Read one line; none: no line of SMTP.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (code, rest) = line.split_at_checked(3)?;
        if !code.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        let code = code.parse().ok().filter(|code| (200..=599).contains(code))?;
        let (is_last, text) = match rest.split_at_checked(1) {
            None => (true, ""),
            Some((" ", text)) => (true, text),
            Some(("-", text)) => (false, text),
            Some(_) => return None,
        };
        Some(Self { code, is_last, text: text.trim_end().to_owned() })
    }
}

impl Reply {
    /// The first line's text.
    #[must_use]
    pub fn first(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// The enhanced status code, and the words of all lines without it.
    #[must_use]
    pub fn enhanced(&self) -> (Option<String>, String) {
        let split: Vec<_> = self.lines.iter().map(|line| split_enhanced(line)).collect();
        let code = split.iter().find_map(|(code, _)| *code).map(str::to_owned);
        let words: Vec<_> = split.iter().map(|(_, words)| *words).filter(|words| !words.is_empty()).collect();
        (code, words.join(" "))
    }
}

/// "5.7.8 words" (RFC 2034 section 4).
fn split_enhanced(text: &str) -> (Option<&str>, &str) {
    let (word, words) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = word.split('.');
    let is_number = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| (1..=most).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit()))
    };
    let is_code = is_number(parts.next(), 1) && is_number(parts.next(), 3) && is_number(parts.next(), 3) && parts.next().is_none();
    if is_code { (Some(word), words) } else { (None, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_lines() {
        let line = |code, is_last, text: &str| Some(Line { code, is_last, text: text.to_owned() });
        for (text, expected) in [
            ("220 mail.example.com ESMTP", line(220, true, "mail.example.com ESMTP")),
            ("250-STARTTLS", line(250, false, "STARTTLS")),
            ("334", line(334, true, "")),
            ("334 ", line(334, true, "")),
            ("250-", line(250, false, "")),
            ("600 x", None),
            ("100 x", None),
            ("2x0 y", None),
            ("+25 y", None),
            ("220x", None),
            ("22", None),
            ("", None),
            ("* OK IMAP", None),
            ("+OK POP3", None),
            ("22\u{e4} x", None),
        ] {
            assert_eq!(Line::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn enhanced_codes_stand_before_the_words() {
        let reply = |lines: &[&str]| Reply { code: 535, lines: lines.iter().map(|&line| line.to_owned()).collect() };
        let gmail = reply(&["5.7.8 Username and Password not accepted.", "5.7.8  See https://support.example"]);
        let words = "Username and Password not accepted.  See https://support.example";
        assert_eq!(gmail.enhanced(), (Some("5.7.8".to_owned()), words.to_owned()));
        assert_eq!(reply(&["Authentication failed"]).enhanced(), (None, "Authentication failed".to_owned()));
        assert_eq!(reply(&["5.7"]).enhanced(), (None, "5.7".to_owned()));
        assert_eq!(reply(&["5.7.8.9 x"]).enhanced(), (None, "5.7.8.9 x".to_owned()));
        assert_eq!(reply(&["5.7.8"]).enhanced(), (Some("5.7.8".to_owned()), String::new()));
        assert_eq!(reply(&[]).enhanced(), (None, String::new()));
    }
}
