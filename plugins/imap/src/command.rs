//! The grammar of what is sent (RFC 9051 section 6), without tags and line ends.

use crate::uid_set::UidSet;

/// A command's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<u8>);

impl Command {
    /// The octets after the tag.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// What an error says of it: the text, cut to 80 octets.
    #[must_use]
    pub fn label(&self) -> String {
        String::from_utf8_lossy(self.0.get(..80).unwrap_or(&self.0)).into_owned()
    }

    fn plain(text: impl Into<Vec<u8>>) -> Self {
        Self(text.into())
    }

    fn with_name(before: &str, name: &[u8], after: &str) -> Self {
        Self([before.as_bytes(), &Self::quoted(name), after.as_bytes()].concat())
    }

    fn quoted(name: &[u8]) -> Vec<u8> {
        let mut text = vec![b'"'];
        for &octet in name {
            if matches!(octet, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(octet);
        }
        text.push(b'"');
        text
    }
}

/// `LIST` of everything that begins with `prefix`; `special_use`: with the attributes of RFC 6154; `ids`: with the mailboxes' ids (RFC 8474, by RFC 5819).
#[must_use]
pub fn list(prefix: &[u8], special_use: bool, ids: bool) -> Command {
    let returns = match (special_use, ids) {
        (false, false) => "",
        (true, false) => " RETURN (SPECIAL-USE)",
        (false, true) => " RETURN (STATUS (MAILBOXID))",
        (true, true) => " RETURN (SPECIAL-USE STATUS (MAILBOXID))",
    };
    Command::with_name("LIST \"\" ", &[prefix, b"*"].concat(), returns)
}

/// `STATUS` of a mailbox's id (RFC 8474 section 4.2).
#[must_use]
pub fn mailbox_id(name: &[u8]) -> Command {
    Command::with_name("STATUS ", name, " (MAILBOXID)")
}

/// `ENABLE` (RFC 5161).
#[must_use]
pub fn enable(extensions: &[&str]) -> Command {
    Command::plain(format!("ENABLE {}", extensions.join(" ")))
}

/// `EXAMINE`: open a mailbox without changing anything in it.
#[must_use]
pub fn examine(name: &[u8], condstore: bool) -> Command {
    Command::with_name("EXAMINE ", name, if condstore { " (CONDSTORE)" } else { "" })
}

/// `EXAMINE` with what changed and vanished below `next` since `modseq` (RFC 7162 section 3.2.5).
#[must_use]
pub fn examine_since(name: &[u8], validity: u32, modseq: u64, next: u32) -> Command {
    Command::with_name("EXAMINE ", name, &format!(" (QRESYNC ({validity} {modseq} 1:{}))", next.saturating_sub(1)))
}

/// `SELECT`: open a mailbox to change it.
#[must_use]
pub fn select(name: &[u8]) -> Command {
    Command::with_name("SELECT ", name, "")
}

/// `STATUS` of what tells whether a mailbox changed.
#[must_use]
pub fn status(name: &[u8], condstore: bool) -> Command {
    Command::with_name(
        "STATUS ",
        name,
        if condstore { " (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)" } else { " (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)" },
    )
}

/// The same of every mailbox, in one command (RFC 5819).
#[must_use]
pub fn list_status(condstore: bool) -> Command {
    let last = if condstore { "HIGHESTMODSEQ" } else { "UNSEEN" };
    Command::plain(format!("LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY {last}))"))
}

/// `NOTIFY` (RFC 5465): tell of the open mailbox as usual, and of these as they change, beginning with their `STATUS` of now; none: only the former.
#[must_use]
pub fn notify(names: &[Vec<u8>]) -> Command {
    const EVENTS: &str = "(MessageNew MessageExpunge FlagChange)";
    if names.is_empty() {
        return Command::plain(format!("NOTIFY SET (selected {EVENTS})"));
    }
    let quoted: Vec<Vec<u8>> = names.iter().map(|name| Command::quoted(name)).collect();
    let mut text = format!("NOTIFY SET STATUS (selected {EVENTS}) (mailboxes (").into_bytes();
    text.extend(quoted.join(&b' '));
    text.extend(format!(") {EVENTS})").bytes());
    Command::plain(text)
}

/// The UIDs from `first` to `last` (none: to the end), in one response (RFC 4731).
#[must_use]
pub fn search(first: u32, last: Option<u32>) -> Command {
    Command::plain(format!("UID SEARCH RETURN (ALL) UID {}", span(first, last)))
}

/// The same, one response a message: for servers without ESEARCH, and without a bound on the length of a line.
#[must_use]
pub fn fetch_uids(first: u32, last: Option<u32>) -> Command {
    Command::plain(format!("UID FETCH {} (UID)", span(first, last)))
}

/// Flags of the UIDs below `next`, where they changed after `modseq` (RFC 7162 section 3.1.4), or of all.
#[must_use]
pub fn fetch_flags(next: u32, modseq: Option<u64>) -> Command {
    let last = next.saturating_sub(1);
    Command::plain(match modseq {
        Some(modseq) => format!("UID FETCH 1:{last} (UID FLAGS) (CHANGEDSINCE {modseq})"),
        None => format!("UID FETCH 1:{last} (UID FLAGS)"),
    })
}

/// Flags of these.
#[must_use]
pub fn fetch_flags_of(uids: &UidSet) -> Command {
    Command::plain(format!("UID FETCH {uids} (UID FLAGS)"))
}

/// Whole messages, without marking them as read. `further`: items of extensions, each with a space before it.
#[must_use]
pub fn fetch_messages(uids: &UidSet, further: &str) -> Command {
    Command::plain(format!("UID FETCH {uids} (UID FLAGS INTERNALDATE RFC822.SIZE{further} BODY.PEEK[])"))
}

/// The same without the octets.
#[must_use]
pub fn fetch_facts(uids: &UidSet, further: &str) -> Command {
    Command::plain(format!("UID FETCH {uids} (UID FLAGS INTERNALDATE RFC822.SIZE{further})"))
}

/// One message's octets and nothing else, for servers that fail over what the other items need.
#[must_use]
pub fn fetch_octets(uids: &UidSet) -> Command {
    Command::plain(format!("UID FETCH {uids} (UID BODY.PEEK[])"))
}

/// The beginning of `APPEND`, up to the count of its literal; `date` with its quotes. `non_synchronizing`: the server does not ask for the literal (RFC 7888).
#[must_use]
pub fn append(name: &[u8], flags: &[String], date: Option<&str>, octets: u64, non_synchronizing: bool) -> Command {
    let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(" ")) };
    let date = date.map_or(String::new(), |date| format!(" {date}"));
    let plus = if non_synchronizing { "+" } else { "" };
    Command::with_name("APPEND ", name, &format!("{flags}{date} {{{octets}{plus}}}"))
}

/// `STATUS` of the most octets that a message may have here (RFC 7889 section 3.2).
#[must_use]
pub fn append_limit(name: &[u8]) -> Command {
    Command::with_name("STATUS ", name, " (APPENDLIMIT)")
}

/// `UID STORE` of flags to add or to remove, without an answer a message.
#[must_use]
pub fn store(uids: &UidSet, add: bool, flags: &[String]) -> Command {
    let sign = if add { '+' } else { '-' };
    Command::plain(format!("UID STORE {uids} {sign}FLAGS.SILENT ({})", flags.join(" ")))
}

/// `UID MOVE` (RFC 6851).
#[must_use]
pub fn move_to(uids: &UidSet, target: &[u8]) -> Command {
    Command::with_name(&format!("UID MOVE {uids} "), target, "")
}

/// `UID COPY`.
#[must_use]
pub fn copy_to(uids: &UidSet, target: &[u8]) -> Command {
    Command::with_name(&format!("UID COPY {uids} "), target, "")
}

/// `UID EXPUNGE` (RFC 4315): of these only.
#[must_use]
pub fn expunge(uids: &UidSet) -> Command {
    Command::plain(format!("UID EXPUNGE {uids}"))
}

/// A command of one word.
#[must_use]
pub fn word(word: &'static str) -> Command {
    Command::plain(word)
}

/// Whether this may stand among the flags of a command: a system flag or an atom (RFC 9051 section 9, `flag`).
#[must_use]
pub fn is_flag(flag: &str) -> bool {
    let name = flag.strip_prefix('\\').unwrap_or(flag);
    !name.is_empty()
        && name.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']'))
}

fn span(first: u32, last: Option<u32>) -> String {
    last.map_or_else(|| format!("{first}:*"), |last| format!("{first}:{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: &Command) -> String {
        String::from_utf8_lossy(command.octets()).into_owned()
    }

    #[test]
    fn known_commands() {
        assert_eq!(text(&examine(b"a\"b\\c", true)), r#"EXAMINE "a\"b\\c" (CONDSTORE)"#);
        assert_eq!(text(&fetch_flags(12, Some(7))), "UID FETCH 1:11 (UID FLAGS) (CHANGEDSINCE 7)");
        assert_eq!(
            text(&fetch_messages(&UidSet::range(3, 9), " EMAILID THREADID")),
            "UID FETCH 3:9 (UID FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID BODY.PEEK[])"
        );
        assert_eq!(text(&search(4, None)), "UID SEARCH RETURN (ALL) UID 4:*");
        assert_eq!(text(&move_to(&UidSet::range(1, 1), b"Trash")), "UID MOVE 1 \"Trash\"");
    }

    #[test]
    fn nothing_slips_through_a_flag() {
        assert!(is_flag("\\Seen") && is_flag("$Forwarded"));
        for flag in ["", "\\", "a b", "x)\r\nA1 DELETE y", "(", "ä", "\\\\x"] {
            assert!(!is_flag(flag), "{flag}");
        }
    }
}
