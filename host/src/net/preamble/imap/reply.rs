//! The grammar of what an IMAP server says in its preamble (RFC 9051 section 9): one line, without CRLF, to one value.

/// The condition of a status response (RFC 9051 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Done, or news.
    Ok,
    /// Refused.
    No,
    /// Not understood.
    Bad,
    /// Signed in from the start; only untagged.
    Preauth,
    /// The server closes the line; only untagged.
    Bye,
}

/// A response code: "[NAME argument]".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// In capitals.
    pub name: String,
    /// As written, without the space before it.
    pub argument: String,
}

/// A status response without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What became of it.
    pub condition: Condition,
    /// In brackets before the text.
    pub code: Option<Code>,
    /// For people.
    pub words: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// "* OK ...".
    Untagged(Status),
    /// "* CAPABILITY ...": the words behind it.
    Capability(Vec<String>),
    /// "* " and anything else.
    Data,
    /// "+ ...": the text behind it, a challenge in a sign-in.
    Continuation(String),
    /// The answer to a command.
    Tagged {
        /// Whose.
        tag: String,
        /// How it went.
        status: Status,
    },
}

impl Reply {
    /// Read one line; none: no line of IMAP.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        // Exchange says "+" alone.
        if let Some(text) = line.strip_prefix("+ ").or_else(|| line.eq("+").then_some("")) {
            return Some(Self::Continuation(text.to_owned()));
        }
        let (tag, rest) = line.split_once(' ')?;
        if tag == "*" {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            if word.eq_ignore_ascii_case("CAPABILITY") {
                return Some(Self::Capability(words_of(behind)));
            }
            if rest.is_empty() {
                return None;
            }
            return Some(Status::parse(rest).map_or(Self::Data, Self::Untagged));
        }
        let is_tag = !tag.is_empty() && tag.bytes().all(|c| c.is_ascii_graphic() && !b"(){%*\"\\+".contains(&c));
        let status = Status::parse(rest).filter(|status| !matches!(status.condition, Condition::Preauth | Condition::Bye))?;
        is_tag.then(|| Self::Tagged { tag: tag.to_owned(), status })
    }
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let condition = [
            ("OK", Condition::Ok),
            ("NO", Condition::No),
            ("BAD", Condition::Bad),
            ("PREAUTH", Condition::Preauth),
            ("BYE", Condition::Bye),
        ]
        .into_iter()
        .find_map(|(name, condition)| word.eq_ignore_ascii_case(name).then_some(condition))?;
        let (code, words) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((code, words)) => (Some(Code::parse(code)), words),
            None => (None, rest),
        };
        Some(Self { condition, code, words: words.trim().to_owned() })
    }

    /// The words of a CAPABILITY code.
    #[must_use]
    pub fn capabilities(&self) -> Option<Vec<String>> {
        self.code.as_ref().filter(|code| code.name == "CAPABILITY").map(|code| words_of(&code.argument))
    }
}

impl Code {
    fn parse(code: &str) -> Self {
        let (name, argument) = code.split_once(' ').unwrap_or((code, ""));
        Self { name: name.to_ascii_uppercase(), argument: argument.to_owned() }
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(condition: Condition, code: Option<(&str, &str)>, words: &str) -> Status {
        let code = code.map(|(name, argument)| Code { name: name.to_owned(), argument: argument.to_owned() });
        Status { condition, code, words: words.to_owned() }
    }

    #[test]
    fn known_lines() {
        let known = [
            ("* OK ready", Some(Reply::Untagged(status(Condition::Ok, None, "ready")))),
            ("* ok", Some(Reply::Untagged(status(Condition::Ok, None, "")))),
            ("* BYE [UNAVAILABLE] later", Some(Reply::Untagged(status(Condition::Bye, Some(("UNAVAILABLE", "")), "later")))),
            ("* OK [alert] hi", Some(Reply::Untagged(status(Condition::Ok, Some(("ALERT", "")), "hi")))),
            ("* OK [half", Some(Reply::Untagged(status(Condition::Ok, None, "[half")))),
            ("* CAPABILITY IMAP4rev1  IDLE", Some(Reply::Capability(vec!["IMAP4rev1".to_owned(), "IDLE".to_owned()]))),
            ("* CAPABILITY", Some(Reply::Capability(Vec::new()))),
            ("* 3 EXISTS", Some(Reply::Data)),
            ("+", Some(Reply::Continuation(String::new()))),
            ("+ VXNlcm5hbWU6", Some(Reply::Continuation("VXNlcm5hbWU6".to_owned()))),
            ("P1 NO [X y] z", Some(Reply::Tagged { tag: "P1".to_owned(), status: status(Condition::No, Some(("X", "y")), "z") })),
            ("P1 BYE", None),
            ("P1", None),
            ("* ", None),
            ("", None),
            ("HTTP/1.1 400 Bad Request", None),
            ("220 mail.example.com ESMTP", None),
            ("+OK POP3", None),
        ];
        for (line, reply) in known {
            assert_eq!(Reply::parse(line), reply, "{line}");
        }
    }

    #[test]
    fn capabilities_in_a_code() {
        let Some(Reply::Untagged(status)) = Reply::parse("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi") else { panic!() };
        assert_eq!(status.capabilities().unwrap(), ["IMAP4rev1", "AUTH=PLAIN"]);
    }
}
