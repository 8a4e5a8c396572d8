//! A small blocking POP3 client of the tests' own, which shares nothing with the connector: it shows what is on the wire, to the octet.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};

use crate::imap::{self, Stream};

/// A connection to a server.
pub struct Pop3 {
    line: BufReader<Box<dyn Stream>>,
}

impl Pop3 {
    /// Connect to a port of loopback in clear, and read the greeting.
    #[must_use]
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        Self::greet(imap::clear(port))
    }

    /// Connect to a port of loopback over TLS, trusting `authority` (PEM) alone, and read the greeting.
    #[must_use]
    #[track_caller]
    pub fn connect_tls(port: u16, authority: &str) -> Self {
        Self::greet(imap::secure(port, authority))
    }

    /// Sign in with `USER` and `PASS`.
    #[track_caller]
    pub fn log_in(&mut self, user: &str, password: &str) {
        self.command(&format!("USER {user}"));
        self.command(&format!("PASS {password}"));
    }

    /// Send a command; gives the first line of its answer.
    ///
    /// # Panics
    /// When it is not `+OK`.
    #[track_caller]
    pub fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.status(command)
    }

    /// Every message, by its UIDL.
    #[must_use]
    #[track_caller]
    pub fn messages(&mut self) -> BTreeMap<String, Vec<u8>> {
        self.command("UIDL");
        let listing = String::from_utf8(self.text().0).unwrap();
        let mut messages = BTreeMap::new();
        for line in listing.lines() {
            let (number, uidl) = line.split_once(' ').unwrap();
            self.command(&format!("RETR {number}"));
            let twice = messages.insert(uidl.to_owned(), self.text().0);
            assert!(twice.is_none(), "two messages have the UIDL {uidl}");
        }
        messages
    }

    /// Read all messages, the commands ahead of the answers, and keep nothing; gives how many there are and their octets on the wire.
    #[track_caller]
    pub fn discard_messages(&mut self) -> (u64, u64) {
        let status = self.command("STAT");
        let count: u64 = status.split_whitespace().nth(1).unwrap().parse().unwrap();
        let (mut sent, mut octets) = (0, 0);
        for done in 0..count {
            // As many ahead as one segment carries.
            if sent == done {
                let ahead = count.min(done + 100);
                let commands: String = (done + 1..=ahead).map(|number| format!("RETR {number}\r\n")).collect();
                self.send(commands.as_bytes());
                sent = ahead;
            }
            self.status("RETR");
            octets += self.text().1;
        }
        (count, octets)
    }

    fn greet(stream: Box<dyn Stream>) -> Self {
        let mut pop3 = Self { line: BufReader::with_capacity(1 << 16, stream) };
        pop3.status("the greeting");
        pop3
    }

    fn send(&mut self, octets: &[u8]) {
        let stream = self.line.get_mut();
        stream.write_all(octets).and_then(|()| stream.flush()).unwrap();
    }

    #[track_caller]
    fn status(&mut self, command: &str) -> String {
        let line = String::from_utf8_lossy(&self.read_line()).into_owned();
        assert!(line.starts_with("+OK"), "{command}: {line}");
        line
    }

    #[track_caller]
    fn read_line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.line.read_until(b'\n', &mut line).unwrap();
        assert!(line.ends_with(b"\n"), "the server closed the line");
        line
    }

    /// The rest of a multi-line answer, and how many octets of the wire it took.
    #[track_caller]
    fn text(&mut self) -> (Vec<u8>, u64) {
        let (mut text, mut octets, mut is_line_start) = (Vec::new(), 0, true);
        loop {
            let line = self.read_line();
            octets += line.len() as u64;
            if is_line_start && line == b".\r\n" {
                return (text, octets);
            }
            // A bare LF ends no line.
            let dots = usize::from(is_line_start && line.starts_with(b"."));
            is_line_start = line.ends_with(b"\r\n");
            text.extend_from_slice(&line[dots..]);
        }
    }
}
