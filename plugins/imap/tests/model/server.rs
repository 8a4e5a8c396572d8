//! A server with one mailbox that others change meanwhile: new messages, flags, expunges, at times a new UIDVALIDITY.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use postrider_imap::uid_set::UidSet;

use super::Choices;
use super::host::Message;

/// Which extensions it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// RFC 7162 whole. `forgets`: it remembers no expunge, and names every UID that it does not have.
    Qresync { forgets: bool },
    /// RFC 7162 without QRESYNC.
    Condstore,
    /// Neither, nor ESEARCH.
    Plain,
}

#[derive(Debug)]
pub(super) struct Server {
    mode: Mode,
    pub(super) validity: u32,
    next: u32,
    modseq: u64,
    messages: BTreeMap<u32, Held>,
    expunged: BTreeMap<u32, u64>,
    is_open: bool,
    /// It ended the line.
    is_closed: bool,
    heard: Vec<u8>,
    replies: VecDeque<String>,
}

#[derive(Debug, Clone)]
struct Held {
    flags: &'static str,
    modseq: u64,
}

impl Server {
    pub(super) fn new(mode: Mode) -> Self {
        let (messages, expunged) = (BTreeMap::new(), BTreeMap::new());
        let (heard, replies) = (Vec::new(), VecDeque::new());
        Self { mode, validity: 1, next: 1, modseq: 1, messages, expunged, is_open: false, is_closed: false, heard, replies }
    }

    pub(super) fn capabilities(&self) -> Vec<String> {
        let words = match self.mode {
            Mode::Qresync { .. } => "IMAP4REV1 ENABLE CONDSTORE QRESYNC ESEARCH",
            Mode::Condstore => "IMAP4REV1 CONDSTORE ESEARCH",
            Mode::Plain => "IMAP4REV1",
        };
        words.split(' ').map(str::to_owned).collect()
    }

    pub(super) fn has(&self, generation: &str, uid: u32) -> bool {
        generation == self.validity.to_string() && self.messages.contains_key(&uid)
    }

    pub(super) fn holds(&self) -> BTreeMap<u32, Message> {
        self.messages.iter().map(|(&uid, held)| (uid, (self.body(uid), held.flags.to_owned()))).collect()
    }

    pub(super) fn connect(&mut self) {
        (self.is_open, self.is_closed) = (false, false);
        self.heard.clear();
        self.replies.clear();
    }

    pub(super) fn hear(&mut self, octets: &[u8]) {
        self.heard.extend_from_slice(octets);
    }

    /// What it says next: a response, or several; none: it has nothing to say or ended the line.
    pub(super) fn say(&mut self, choices: &mut Choices) -> Option<Vec<u8>> {
        if self.is_closed {
            return None;
        }
        if self.replies.is_empty() {
            let end = self.heard.windows(2).position(|window| window == b"\r\n")?;
            let line = String::from_utf8(self.heard.drain(..end + 2).collect()).unwrap();
            self.obey(line.trim_end());
        }
        let mut said = Vec::new();
        if choices.happens(6) {
            let pushed = self.change(choices);
            said.extend(pushed.unwrap_or_default().into_bytes());
        }
        for _ in 0..=choices.below(3) {
            let Some(reply) = self.replies.pop_front() else { break };
            said.extend(self.fill(&reply));
        }
        if said.is_empty() { self.say(choices) } else { Some(said) }
    }

    /// Somebody else does something, or nothing; gives what a session that has the mailbox open is told of it.
    pub(super) fn change(&mut self, choices: &mut Choices) -> Option<String> {
        let pushed = match choices.below(12) {
            1..=4 => {
                self.next += u32::from(choices.below(3));
                self.modseq += 1;
                self.messages.insert(self.next, Held { flags: "", modseq: self.modseq });
                self.next += 1;
                format!("* {} EXISTS\r\n", self.messages.len())
            }
            5..=7 => {
                let at = usize::from(choices.below(16)) % self.messages.len().max(1);
                let (&uid, held) = self.messages.iter_mut().nth(at)?;
                self.modseq += 1;
                held.flags = ["\\Flagged", "\\Seen", "$Case \\Seen", ""][usize::from(choices.below(4))];
                held.modseq = self.modseq;
                format!("* {} FETCH (UID {uid} FLAGS ({}) MODSEQ ({}))\r\n", at + 1, held.flags, held.modseq)
            }
            8..=10 => {
                let at = usize::from(choices.below(16)) % self.messages.len().max(1);
                let &uid = self.messages.keys().nth(at)?;
                self.messages.remove(&uid);
                self.modseq += 1;
                self.expunged.insert(uid, self.modseq);
                let qresync = matches!(self.mode, Mode::Qresync { .. });
                if qresync { format!("* VANISHED {uid}\r\n") } else { format!("* {} EXPUNGE\r\n", at + 1) }
            }
            11 if choices.happens(4) => {
                // Everything is renumbered; whoever has the mailbox open is thrown out.
                self.validity += 1;
                self.next = 1;
                let held: Vec<Held> = std::mem::take(&mut self.messages).into_values().collect();
                for held in held {
                    self.messages.insert(self.next, held);
                    self.next += 1;
                }
                self.expunged.clear();
                self.is_closed = self.is_open;
                return None;
            }
            _ => return None,
        };
        self.is_open.then_some(pushed)
    }

    fn body(&self, uid: u32) -> Vec<u8> {
        format!("Subject: {uid} of {}\r\n\r\n", self.validity).into_bytes()
    }

    /// `reply`, with the message's octets as they are now behind it where it ends in `BODY[UID]`; nothing where it is gone.
    fn fill(&self, reply: &str) -> Vec<u8> {
        let Some((before, uid)) = reply.split_once(" BODY#") else { return reply.as_bytes().to_vec() };
        let uid = uid.parse().unwrap();
        let Some(held) = self.messages.get(&uid) else { return Vec::new() };
        let body = self.body(uid);
        let head = format!("{before} FLAGS ({}) BODY[] {{{}}}\r\n", held.flags, body.len());
        [head.as_bytes(), &body, b")\r\n"].concat()
    }

    fn obey(&mut self, line: &str) {
        let (tag, command) = line.split_once(' ').unwrap();
        let mut replies = Vec::new();
        if command.starts_with("ENABLE") {
            replies.push("* ENABLED QRESYNC\r\n".to_owned());
        } else if command.starts_with("EXAMINE") {
            self.is_open = true;
            replies.extend(self.examine(command));
        } else if let Some(rest) = command.strip_prefix("UID SEARCH RETURN (ALL) UID ") {
            let uids: UidSet = self.within(rest).into_iter().collect();
            let all = if uids.is_empty() { String::new() } else { format!(" ALL {uids}") };
            replies.push(format!("* ESEARCH (TAG \"{tag}\") UID{all}\r\n"));
        } else if let Some(rest) = command.strip_prefix("UID FETCH ") {
            replies.extend(self.fetch(rest));
        } else {
            panic!("what is {line:?}");
        }
        replies.push(format!("{tag} OK done\r\n"));
        self.replies.extend(replies);
    }

    fn examine(&self, command: &str) -> Vec<String> {
        let mut replies = vec![
            format!("* {} EXISTS\r\n", self.messages.len()),
            format!("* OK [UIDVALIDITY {}] valid\r\n", self.validity),
            format!("* OK [UIDNEXT {}] next\r\n", self.next),
        ];
        if self.mode != Mode::Plain {
            replies.push(format!("* OK [HIGHESTMODSEQ {}] highest\r\n", self.modseq));
        }
        let since = command.split_once("(QRESYNC (").map(|(_, rest)| rest.trim_end_matches(')').split(' ').collect::<Vec<_>>());
        if let Some(&[validity, modseq, known]) = since.as_deref()
            && validity == self.validity.to_string()
        {
            let modseq: u64 = modseq.parse().unwrap();
            let known = UidSet::parse(known.as_bytes(), 1_000).unwrap();
            let forgets = self.mode == Mode::Qresync { forgets: true };
            let is_gone = |uid: &u32| {
                let expunged = self.expunged.get(uid).is_some_and(|&at| at > modseq);
                expunged || (forgets && !self.messages.contains_key(uid))
            };
            let vanished: UidSet = known.iter().filter(is_gone).collect();
            if !vanished.is_empty() {
                replies.push(format!("* VANISHED (EARLIER) {vanished}\r\n"));
            }
            let changed = self.messages.iter().enumerate().filter(|(_, (uid, held))| known.contains(**uid) && held.modseq > modseq);
            replies.extend(changed.map(|(at, (uid, held))| flags(at, *uid, held)));
        }
        replies
    }

    fn fetch(&self, rest: &str) -> Vec<String> {
        let (set, items) = rest.split_once(' ').unwrap();
        let since = items.split_once("(CHANGEDSINCE ").map_or(0, |(_, rest)| rest.trim_end_matches(')').parse().unwrap());
        let wanted = self.within(set);
        let mut replies = Vec::new();
        for (at, (uid, held)) in self.messages.iter().enumerate().filter(|(_, (uid, held))| wanted.contains(uid) && held.modseq > since) {
            replies.push(if items.contains("BODY.PEEK[]") {
                format!("* {} FETCH (UID {uid} BODY#{uid}", at + 1)
            } else if items.contains("FLAGS") {
                flags(at, *uid, held)
            } else {
                format!("* {} FETCH (UID {uid})\r\n", at + 1)
            });
        }
        replies
    }

    /// The UIDs that a set names; `*` is the last one.
    fn within(&self, set: &str) -> Vec<u32> {
        let last = self.messages.keys().last().copied().unwrap_or(0);
        let mut uids = Vec::new();
        for part in set.split(',') {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let number = |text: &str| if text == "*" { last } else { text.parse().unwrap() };
            let (from, to) = (number(from).min(number(to)), number(from).max(number(to)));
            uids.extend(self.messages.range(from..=to).map(|(uid, _)| *uid));
        }
        uids
    }
}

fn flags(at: usize, uid: u32, held: &Held) -> String {
    let mut text = format!("* {} FETCH (UID {uid} FLAGS ({})", at + 1, held.flags);
    write!(text, " MODSEQ ({}))\r\n", held.modseq).unwrap();
    text
}
