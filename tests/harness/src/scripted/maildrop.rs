//! A POP3 server with one maildrop, which answers honestly until a test plays a trick on its client, and keeps a log of its own: what it gave,
//! what was marked, what it deleted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::{Line, Scripted, Trick};

/// What the maildrop holds, and what happened to it.
#[derive(Debug, Clone)]
pub struct Maildrop {
    /// In the order of their numbers.
    pub messages: Vec<Kept>,
    /// What `CAPA` lists; empty: the server knows no `CAPA`.
    pub capabilities: Vec<String>,
    /// Octets that `LIST` and `STAT` say more than there are; negative: less.
    pub size_error: i64,
    /// It says that it deletes, and does not.
    pub keeps_deleted: bool,
    /// It deletes at `QUIT` what was retrieved (`EXPIRE 0`).
    pub expires_at_once: bool,
    /// What happened, in order.
    pub log: Vec<Entry>,
}

/// A message in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its UIDL; empty: `UIDL` is refused where no message has one, and leaves this one out where others have.
    pub uidl: String,
    /// All of it, as it was before dots were put in.
    pub octets: Vec<u8>,
}

/// What the server did, to the message with this UIDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It gave the message whole.
    Gave(String),
    /// It agreed to a `DELE`.
    Marked(String),
    /// It deleted the message, in the UPDATE state.
    Deleted(String),
}

/// The maildrop, shared with the test.
pub type SharedMaildrop = Arc<Mutex<Maildrop>>;

/// One session.
struct Session {
    messages: Vec<Kept>,
    given: BTreeSet<usize>,
    marked: BTreeSet<usize>,
}

impl Maildrop {
    /// A maildrop with `count` short messages of about `octets` octets, UIDLs `u1`, `u2` and so on, and a server with all of RFC 2449.
    #[must_use]
    pub fn of(count: usize, octets: usize) -> Self {
        let message = |number: usize| {
            let head = format!("From: a@example.com\r\nSubject: message {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\n.\r\n");
            let body = format!("{number} ").repeat(octets / 4);
            Kept { uidl: format!("u{number}"), octets: format!("{head}{body}\r\n").into_bytes() }
        };
        Self {
            messages: (1..=count).map(message).collect(),
            capabilities: ["TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING"].map(str::to_owned).to_vec(),
            size_error: 0,
            keeps_deleted: false,
            expires_at_once: false,
            log: Vec::new(),
        }
    }

    /// With a server that lists these capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: &[&str]) -> Self {
        self.capabilities = capabilities.iter().map(|&line| line.to_owned()).collect();
        self
    }

    /// Shared between the server and the test.
    #[must_use]
    pub fn shared(self) -> SharedMaildrop {
        Arc::new(Mutex::new(self))
    }

    /// UIDLs of the messages that the server deleted, in order.
    #[must_use]
    pub fn deleted(&self) -> Vec<String> {
        self.log.iter().filter_map(|entry| if let Entry::Deleted(uidl) = entry { Some(uidl.clone()) } else { None }).collect()
    }

    fn claims(&self, octets: &[u8]) -> i64 {
        i64::try_from(octets.len()).unwrap() + self.size_error
    }
}

impl Scripted {
    /// A POP3 server in clear with `maildrop`. `trick` sees every command of the TRANSACTION state first.
    #[must_use]
    pub fn pop3(maildrop: &SharedMaildrop, trick: impl Fn(&str, &mut Line) -> Trick + Send + Sync + 'static) -> Self {
        let maildrop = Arc::clone(maildrop);
        Self::start(move |line| {
            line.write(b"+OK ready\r\n");
            let mut session = None;
            while let Some(command) = line.read_line() {
                let command = command.trim_end();
                if session.is_some() {
                    match trick(command, line) {
                        Trick::Honest => {}
                        Trick::Answered => continue,
                        Trick::Cut => return,
                    }
                }
                let goes_on = match &mut session {
                    None => authorise(&maildrop, command, &mut session, line),
                    Some(session) => transact(&maildrop, session, command, line),
                };
                if !goes_on {
                    return;
                }
            }
        })
    }
}

/// A command of the AUTHORIZATION state; false: the conversation is over.
fn authorise(maildrop: &SharedMaildrop, command: &str, session: &mut Option<Session>, line: &mut Line) -> bool {
    match verb(command).as_str() {
        "CAPA" => capabilities(maildrop, line),
        "USER" | "UTF8" => line.write(b"+OK\r\n"),
        "PASS" => {
            let messages = maildrop.lock().unwrap().messages.clone();
            *session = Some(Session { messages, given: BTreeSet::new(), marked: BTreeSet::new() });
            line.write(b"+OK signed in\r\n")
        }
        "QUIT" => {
            line.write(b"+OK bye\r\n");
            false
        }
        _ => line.write(b"-ERR unknown command\r\n"),
    }
}

fn capabilities(maildrop: &SharedMaildrop, line: &mut Line) -> bool {
    let lines = maildrop.lock().unwrap().capabilities.clone();
    if lines.is_empty() {
        return line.write(b"-ERR unknown command\r\n");
    }
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    line.write(format!("+OK\r\n{lines}.\r\n").as_bytes())
}

/// A command of the TRANSACTION state; false: the conversation is over.
fn transact(maildrop: &SharedMaildrop, session: &mut Session, command: &str, line: &mut Line) -> bool {
    let mut maildrop_now = maildrop.lock().unwrap();
    let number = command.split_whitespace().nth(1).and_then(|number| number.parse::<usize>().ok());
    let at = number.and_then(|number| number.checked_sub(1)).filter(|at| *at < session.messages.len() && !session.marked.contains(at));
    let there = || session.messages.iter().enumerate().filter(|(at, _)| !session.marked.contains(at));
    let mut answer = Vec::new();
    match (verb(command).as_str(), number, at) {
        ("STAT", ..) => {
            let octets: i64 = there().map(|(_, kept)| maildrop_now.claims(&kept.octets)).sum();
            answer.extend(format!("+OK {} {octets}\r\n", there().count()).bytes());
        }
        ("UIDL", None, _) if there().all(|(_, kept)| kept.uidl.is_empty()) && !session.messages.is_empty() => {
            answer.extend(b"-ERR what\r\n");
        }
        ("UIDL", None, _) => {
            let named = there().filter(|(_, kept)| !kept.uidl.is_empty());
            answer.extend(listing(named.map(|(at, kept)| (at, kept.uidl.clone()))));
        }
        ("LIST", None, _) => answer.extend(listing(there().map(|(at, kept)| (at, maildrop_now.claims(&kept.octets).to_string())))),
        ("LIST", Some(number), Some(at)) => {
            answer.extend(format!("+OK {number} {}\r\n", maildrop_now.claims(&session.messages[at].octets)).bytes());
        }
        ("RETR", _, Some(at)) => {
            let kept = &session.messages[at];
            answer.extend(b"+OK\r\n");
            answer.extend(stuffed(&kept.octets));
            maildrop_now.log.push(Entry::Gave(kept.uidl.clone()));
            session.given.insert(at);
        }
        ("TOP", _, Some(at)) => {
            let octets = &session.messages[at].octets;
            let end = octets.windows(4).position(|window| window == b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
            answer.extend(b"+OK\r\n");
            answer.extend(stuffed(&octets[..end]));
        }
        ("DELE", _, Some(at)) => {
            maildrop_now.log.push(Entry::Marked(session.messages[at].uidl.clone()));
            session.marked.insert(at);
            answer.extend(b"+OK marked\r\n");
        }
        ("RSET", ..) => {
            session.marked.clear();
            answer.extend(b"+OK\r\n");
        }
        ("NOOP", ..) => answer.extend(b"+OK\r\n"),
        ("QUIT", ..) => {
            update(&mut maildrop_now, session);
            line.write(b"+OK bye\r\n");
            return false;
        }
        ("CAPA", ..) => {
            drop(maildrop_now);
            return capabilities(maildrop, line);
        }
        _ => answer.extend(b"-ERR no such message or command\r\n"),
    }
    drop(maildrop_now);
    line.write(&answer)
}

/// The UPDATE state.
fn update(maildrop: &mut Maildrop, session: &Session) {
    let expired = session.given.iter().filter(|_| maildrop.expires_at_once);
    let gone: BTreeSet<usize> = session.marked.iter().chain(expired).copied().collect();
    for at in gone {
        let kept = &session.messages[at];
        maildrop.log.push(Entry::Deleted(kept.uidl.clone()));
        if !maildrop.keeps_deleted
            && let Some(place) = maildrop.messages.iter().position(|other| other == kept)
        {
            maildrop.messages.remove(place);
        }
    }
}

fn verb(command: &str) -> String {
    command.split_whitespace().next().unwrap_or_default().to_ascii_uppercase()
}

fn listing(entries: impl Iterator<Item = (usize, String)>) -> Vec<u8> {
    let mut text = String::from("+OK\r\n");
    for (at, entry) in entries {
        let _ = write!(text, "{} {entry}\r\n", at + 1);
    }
    text.push_str(".\r\n");
    text.into_bytes()
}

/// `octets` with a dot before every line that begins with one, and the end (RFC 1939 section 3).
#[must_use]
pub fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(octets.len() + 16);
    let mut is_line_start = true;
    for (at, &octet) in octets.iter().enumerate() {
        if is_line_start && octet == b'.' {
            wire.push(b'.');
        }
        wire.push(octet);
        is_line_start = octet == b'\n' && at > 0 && octets[at - 1] == b'\r';
    }
    if !is_line_start {
        wire.extend(b"\r\n");
    }
    wire.extend(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::Pop3;

    #[test]
    fn an_honest_client_gets_what_is_there_and_deletes_at_its_goodbye() {
        let maildrop = Maildrop::of(3, 40).shared();
        let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
        let mut pop3 = Pop3::connect(server.port);
        pop3.log_in("help", "correct horse");
        let messages = pop3.messages();
        assert_eq!(messages.len(), 3);
        assert_eq!(messages["u2"], maildrop.lock().unwrap().messages[1].octets);
        pop3.command("DELE 2");
        assert!(maildrop.lock().unwrap().deleted().is_empty());
        pop3.command("QUIT");
        assert_eq!(maildrop.lock().unwrap().deleted(), ["u2"]);
        assert_eq!(maildrop.lock().unwrap().messages.len(), 2);
    }
}
