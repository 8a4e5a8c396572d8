//! The grammar of what a POP3 server says in its preamble (RFC 1939 section 3, RFC 2449 section 8, RFC 5034 section 4): one line,
//! without CRLF, to one value.

/// One line that is no part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// "+OK ..." or "-ERR ...".
    Status(Status),
    /// "+ ...": the text behind it.
    Challenge(String),
}

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// "+OK".
    pub is_ok: bool,
    /// In brackets before the text, in capitals: "AUTH", "SYS/TEMP".
    pub code: Option<String>,
    /// For people.
    pub words: String,
}

impl Reply {
    /// Read one line; none: no line of POP3.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        // Exchange says "+" alone.
        if let Some(challenge) = line.strip_prefix("+ ").or_else(|| line.eq("+").then_some("")) {
            return Some(Self::Challenge(challenge.to_owned()));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is_ok = match word {
            word if word.eq_ignore_ascii_case("+OK") => true,
            word if word.eq_ignore_ascii_case("-ERR") => false,
            _ => return None,
        };
        let rest = rest.trim();
        let (code, words) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((code, words)) if !is_ok => (Some(code.to_ascii_uppercase()), words.trim_start()),
            _ => (None, rest),
        };
        Some(Self::Status(Status { is_ok, code, words: words.to_owned() }))
    }
}

/// The timestamp in a greeting, with its angle brackets: a message id (RFC 1939 section 7). One that is none is not believed, since
/// made-up ones give passwords away (CVE-2007-1558).
#[must_use]
pub fn timestamp(greeting: &str) -> Option<&str> {
    let start = greeting.find('<')?;
    let rest = greeting.get(start..)?;
    let timestamp = rest.get(..=rest.find('>')?)?;
    let (left, right) = timestamp.strip_prefix('<')?.strip_suffix('>')?.split_once('@')?;
    let is_atom = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_graphic() && !b"<>()[]\\,;:\"@".contains(&c));
    (is_atom(left) && is_atom(right)).then_some(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(is_ok: bool, code: Option<&str>, words: &str) -> Option<Reply> {
        Some(Reply::Status(Status { is_ok, code: code.map(str::to_owned), words: words.to_owned() }))
    }

    #[test]
    fn known_lines() {
        for (line, reply) in [
            ("+OK ready", status(true, None, "ready")),
            ("+OK", status(true, None, "")),
            ("+ok [x] y", status(true, None, "[x] y")),
            ("-ERR [AUTH] no", status(false, Some("AUTH"), "no")),
            ("-ERR [sys/temp]", status(false, Some("SYS/TEMP"), "")),
            ("-ERR [half", status(false, None, "[half")),
            ("-ERR", status(false, None, "")),
            ("+ QQ==", Some(Reply::Challenge("QQ==".to_owned()))),
            ("+", Some(Reply::Challenge(String::new()))),
            ("+ ", Some(Reply::Challenge(String::new()))),
            ("+OKAY", None),
            ("* OK IMAP", None),
            ("220 smtp", None),
            ("", None),
        ] {
            assert_eq!(Reply::parse(line), reply, "{line}");
        }
    }

    #[test]
    fn timestamps_are_message_ids() {
        assert_eq!(timestamp("+OK ready <1896.697170952@dbc.mtview.ca.us>"), Some("<1896.697170952@dbc.mtview.ca.us>"));
        for wrong in
            ["+OK", "+OK <>", "+OK <a>", "+OK <@b>", "+OK <a@>", "+OK <a b@c>", "+OK <a@b@c>", "+OK >a@b<", "+OK <a@\u{e4}>", "+OK <a@b"]
        {
            assert_eq!(timestamp(wrong), None, "{wrong}");
        }
    }
}
