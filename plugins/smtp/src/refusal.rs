//! What a server's replies are to the host (RFC 5321 section 4.2, RFC 3463).

use postrider_connector::types::{Error, Failure, Verdict};

use crate::command::Command;
use crate::reply::Reply;

/// The contract's error for a reply to `command` that is not positive.
#[must_use]
pub fn error(command: Command, reply: &Reply) -> Error {
    let status = reply.status();
    let kind = match (reply.code, status.as_str()) {
        // The account has to sign in, or in another way.
        (530 | 534 | 535 | 538, _) => Failure::Unauthenticated,
        (552, "552" | "5.3.4" | "5.2.3") | (_, "5.3.4" | "5.2.3") => Failure::TooLarge,
        (400..=499, _) => Failure::Transient,
        (_, status) if status.starts_with("5.7.") => Failure::Forbidden,
        (500..=599, _) => Failure::Permanent,
        _ => Failure::Malformed,
    };
    Error::new(kind, said(reply)).with_code(status).at(&command.to_string())
}

/// The verdict that such a reply is.
#[must_use]
pub fn verdict(command: Command, reply: &Reply) -> Verdict {
    let error = error(command, reply);
    if reply.is_transient() { Verdict::Deferred(error) } else { Verdict::Refused(error) }
}

/// Whether the server takes no further recipients in this transaction, so that the rest goes in a next one: 452 behind accepted ones, or 552, which is
/// to be taken for it (RFC 5321 section 4.5.3.1.10).
#[must_use]
pub fn is_too_many(reply: &Reply, accepted: usize) -> bool {
    match (reply.code, reply.enhanced.as_deref()) {
        (452 | 552, Some("4.5.3" | "5.5.3")) => true,
        (452 | 552, None) => accepted > 0,
        _ => false,
    }
}

/// The verdict for a recipient who is to go in a next transaction, at once.
#[must_use]
pub fn next_transaction(words: impl Into<String>) -> Verdict {
    Verdict::Deferred(Error::new(Failure::Throttled, words).with_code("4.5.3").with_retry_after_ms(0))
}

fn said(reply: &Reply) -> String {
    if reply.words.is_empty() { format!("the server answers {}", reply.code) } else { reply.words.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Replies;

    fn reply(line: &str) -> Reply {
        Replies::default().take(line.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn replies_are_kinds() {
        for (line, kind, code) in [
            ("450 4.2.0 greylisted", Failure::Transient, "4.2.0"),
            ("421 bye", Failure::Transient, "421"),
            ("550 5.1.1 no such user", Failure::Permanent, "5.1.1"),
            ("550 no", Failure::Permanent, "550"),
            ("554 5.7.1 relay access denied", Failure::Forbidden, "5.7.1"),
            ("552 5.3.4 too big", Failure::TooLarge, "5.3.4"),
            ("552 exceeded", Failure::TooLarge, "552"),
            ("552 5.2.2 mailbox full", Failure::Permanent, "5.2.2"),
            ("530 5.7.0 Must issue a STARTTLS command first", Failure::Unauthenticated, "5.7.0"),
            ("354 go ahead", Failure::Malformed, "354"),
        ] {
            let error = error(Command::Mail, &reply(line));
            assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{line}");
        }
        assert_eq!(error(Command::Rcpt(0), &reply("550 5.1.1 no such user")).message, "RCPT TO: no such user");
        assert!(matches!(verdict(Command::Data, &reply("451 later")), Verdict::Deferred(_)));
        assert!(matches!(verdict(Command::Data, &reply("554 never")), Verdict::Refused(_)));
    }

    #[test]
    fn too_many_recipients_are_told_from_full_mailboxes() {
        for (line, accepted, expected) in [
            ("452 4.5.3 too many", 0, true),
            ("452 too many", 1, true),
            ("452 storage", 0, false),
            ("552 5.5.3 too many", 3, true),
            ("552 too many", 3, true),
            ("452 4.2.2 full", 3, false),
            ("552 5.2.2 full", 3, false),
            ("450 4.5.3 x", 3, false),
        ] {
            assert_eq!(is_too_many(&reply(line), accepted), expected, "{line} after {accepted}");
        }
    }
}
