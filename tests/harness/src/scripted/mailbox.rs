//! An IMAP4rev1 server with one folder and no extension, which answers honestly until a test plays a trick on its client.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::{Command, Line, Scripted};

/// What the folder holds.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// RFC 9051 section 2.3.1.1.
    pub validity: u32,
    /// Messages in the order of their UIDs.
    pub messages: Vec<Held>,
}

/// A message in the folder.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its UID.
    pub uid: u32,
    /// Flags, as in `\Seen`.
    pub flags: String,
    /// All of it, as on the wire.
    pub octets: Vec<u8>,
}

/// What a test does before the honest answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// Nothing: answer honestly.
    Honest,
    /// It was answered, somehow: go on with the next command.
    Answered,
    /// Cut the line.
    Cut,
}

/// The folder, shared with the test.
pub type Shared = Arc<Mutex<Mailbox>>;

impl Mailbox {
    /// A folder with `count` short messages of about `octets` octets, UIDs from 1.
    #[must_use]
    pub fn of(count: u32, octets: usize) -> Self {
        let message = |uid: u32| {
            let text = format!("From: a@example.com\r\nSubject: message {uid}\r\nMessage-ID: <{uid}@example.com>\r\n\r\n");
            let body = format!("{uid} ").repeat(octets / 4);
            Held { uid, flags: String::new(), octets: format!("{text}{body}\r\n").into_bytes() }
        };
        Self { validity: 1, messages: (1..=count).map(message).collect() }
    }

    /// Shared between the server and the test.
    #[must_use]
    pub fn shared(self) -> Shared {
        Arc::new(Mutex::new(self))
    }

    fn next(&self) -> u32 {
        self.messages.last().map_or(1, |held| held.uid + 1)
    }
}

impl Scripted {
    /// An IMAP server in clear with `mailbox` as its inbox. `trick` sees every command after the sign-in first.
    #[must_use]
    pub fn imap(mailbox: &Shared, trick: impl Fn(&Command, &mut Line) -> Trick + Send + Sync + 'static) -> Self {
        let mailbox = Arc::clone(mailbox);
        Self::start(move |line| {
            line.write(b"* OK [CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN SASL-IR] ready\r\n");
            let mut signed_in = false;
            while let Some(command) = line.command() {
                let trick = if signed_in { trick(&command, line) } else { Trick::Honest };
                match trick {
                    Trick::Honest => {}
                    Trick::Answered => continue,
                    Trick::Cut => return,
                }
                let verb = command.text.to_ascii_uppercase();
                signed_in |= verb.starts_with("LOGIN") || verb.starts_with("AUTHENTICATE");
                if !answer(&mailbox, &command, line) {
                    return;
                }
            }
        })
    }
}

/// Answer a command; false: the conversation is over.
fn answer(mailbox: &Shared, command: &Command, line: &mut Line) -> bool {
    let verb = command.text.to_ascii_uppercase();
    let mailbox = mailbox.lock().unwrap().clone();
    let mut untagged = Vec::new();
    let mut done = "OK done";
    match verb.split_whitespace().next().unwrap_or_default() {
        "CAPABILITY" => untagged.extend(b"* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN SASL-IR\r\n"),
        "LOGIN" | "NOOP" | "CLOSE" | "UNSELECT" | "ID" | "ENABLE" => {}
        "AUTHENTICATE" => {
            if verb.split_whitespace().count() < 3 {
                line.write(b"+ \r\n");
                line.read_line();
            }
        }
        "LIST" => untagged.extend(b"* LIST (\\HasNoChildren) \"/\" INBOX\r\n"),
        "STATUS" => {
            let (count, next, validity) = (mailbox.messages.len(), mailbox.next(), mailbox.validity);
            untagged.extend(format!("* STATUS INBOX (MESSAGES {count} UIDNEXT {next} UIDVALIDITY {validity} UNSEEN 0)\r\n").bytes());
        }
        "SELECT" | "EXAMINE" => {
            untagged.extend(selected(&mailbox).bytes());
            done = "OK [READ-WRITE] done";
        }
        "UID" if verb.starts_with("UID FETCH") => untagged = fetched(&mailbox, &verb),
        "UID" if verb.starts_with("UID SEARCH") => {
            let uids: String = mailbox.messages.iter().map(|held| format!(" {}", held.uid)).collect();
            untagged.extend(format!("* SEARCH{uids}\r\n").bytes());
        }
        "IDLE" => {
            line.write(b"+ idling\r\n");
            if line.read_line().is_none() {
                return false;
            }
        }
        "LOGOUT" => {
            line.write(format!("* BYE bye\r\n{} OK done\r\n", command.tag).as_bytes());
            return false;
        }
        _ => done = "BAD unknown command",
    }
    untagged.extend(format!("{} {done}\r\n", command.tag).bytes());
    line.write(&untagged)
}

fn selected(mailbox: &Mailbox) -> String {
    format!(
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* {} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {}] valid\r\n* OK [UIDNEXT {}] next\r\n",
        mailbox.messages.len(),
        mailbox.validity,
        mailbox.next()
    )
}

/// The responses to `UID FETCH set (items)`.
fn fetched(mailbox: &Mailbox, verb: &str) -> Vec<u8> {
    let set = verb.split_whitespace().nth(2).unwrap_or_default();
    let mut responses = Vec::new();
    for (index, held) in mailbox.messages.iter().enumerate().filter(|(_, held)| is_in(set, held.uid, mailbox.next() - 1)) {
        let mut items = format!("* {} FETCH (UID {}", index + 1, held.uid);
        if verb.contains("FLAGS") {
            let _ = write!(items, " FLAGS ({})", held.flags);
        }
        if verb.contains("INTERNALDATE") {
            items.push_str(" INTERNALDATE \"01-Jan-2026 12:00:00 +0000\"");
        }
        if verb.contains("RFC822.SIZE") {
            let _ = write!(items, " RFC822.SIZE {}", held.octets.len());
        }
        responses.extend(items.bytes());
        if verb.contains("BODY.PEEK[]") {
            responses.extend(format!(" BODY[] {{{}}}\r\n", held.octets.len()).bytes());
            responses.extend(&held.octets);
        }
        responses.extend(b")\r\n");
    }
    responses
}

/// Whether `uid` is in a set like `1:5,9,12:*`.
fn is_in(set: &str, uid: u32, last: u32) -> bool {
    let number = |text: &str| if text == "*" { Some(last) } else { text.parse().ok() };
    set.split(',').any(|range| {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        match (number(from), number(to)) {
            (Some(from), Some(to)) => (from.min(to)..=from.max(to)).contains(&uid),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::Imap;

    #[test]
    fn an_honest_client_gets_what_is_there() {
        let mailbox = Mailbox::of(3, 40).shared();
        let server = Scripted::imap(&mailbox, |_, _| Trick::Honest);
        let mut imap = Imap::connect(server.port);
        imap.log_in("help", "correct horse");
        assert_eq!(imap.select("INBOX").exists, 3);
        let bodies = imap.bodies();
        assert_eq!(bodies.len(), 3);
        assert_eq!(bodies[&2], mailbox.lock().unwrap().messages[1].octets);
        assert!(server.heard().iter().any(|line| line.contains("LOGIN")));
    }
}
