//! The commands of a transaction (RFC 5321 section 4.1.1, RFC 3030 section 2).

use std::fmt;

/// One command, as far as its reply has to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Forget the transaction that there is.
    Rset,
    /// Begin a transaction.
    Mail,
    /// Name the recipient that stands at this place of the envelope.
    Rcpt(usize),
    /// Announce the message.
    Data,
    /// A part of the message, which is not its last.
    Chunk,
    /// The message's end; with LMTP for the recipient at this place, who has a reply of his own.
    End(Option<usize>),
    /// End the session.
    Quit,
}

/// What `MAIL FROM` says beside the sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE (RFC 1870).
    pub size: Option<u64>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: Option<&'static str>,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// RET and ENVID (RFC 3461), as they stand in the command; empty where there are none.
    pub delivery: String,
}

/// `MAIL FROM` with its CRLF; `sender` is a Mailbox, or empty.
#[must_use]
pub fn mail(sender: &str, parameters: &MailParameters) -> String {
    let mut line = format!("MAIL FROM:<{sender}>");
    if let Some(size) = parameters.size {
        line.push_str(&format!(" SIZE={size}"));
    }
    if let Some(body) = parameters.body {
        line.push_str(&format!(" BODY={body}"));
    }
    if parameters.utf8 {
        line.push_str(" SMTPUTF8");
    }
    if parameters.require_tls {
        line.push_str(" REQUIRETLS");
    }
    line.push_str(&parameters.delivery);
    line.push_str("\r\n");
    line
}

/// `RCPT TO` with its CRLF; `delivery` is NOTIFY and ORCPT (RFC 3461), or empty.
#[must_use]
pub fn rcpt(recipient: &str, delivery: &str) -> String {
    format!("RCPT TO:<{recipient}>{delivery}\r\n")
}

/// `BDAT` with its CRLF; so many octets follow.
#[must_use]
pub fn bdat(octets: usize, is_last: bool) -> String {
    format!("BDAT {octets}{}\r\n", if is_last { " LAST" } else { "" })
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rset => "RSET",
            Self::Mail => "MAIL FROM",
            Self::Rcpt(_) => "RCPT TO",
            Self::Data => "DATA",
            Self::Chunk => "BDAT",
            Self::End(_) => "end of message",
            Self::Quit => "QUIT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_as_the_rfcs_have_them() {
        assert_eq!(mail("", &MailParameters::default()), "MAIL FROM:<>\r\n");
        let all = MailParameters {
            size: Some(7),
            body: Some("8BITMIME"),
            utf8: true,
            require_tls: true,
            delivery: " RET=HDRS ENVID=x".to_owned(),
        };
        assert_eq!(mail("a@b", &all), "MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=x\r\n");
        assert_eq!(rcpt("a@b", " NOTIFY=NEVER"), "RCPT TO:<a@b> NOTIFY=NEVER\r\n");
        assert_eq!((bdat(12, false), bdat(0, true)), ("BDAT 12\r\n".to_owned(), "BDAT 0 LAST\r\n".to_owned()));
    }
}
