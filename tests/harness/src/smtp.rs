//! A writer to compare with: submission over STARTTLS with AUTH PLAIN (RFC 6409, RFC 3207, RFC 4954), every message pipelined on one
//! connection (RFC 2920) and nothing kept.

use std::io::{BufRead, BufReader, Read, Write};

use data_encoding::BASE64;

use crate::imap::{Stream, open, secure_stream};

/// A line on which mail is written.
pub struct Smtp {
    line: BufReader<Box<dyn Stream>>,
}

impl Smtp {
    /// Connect to a port of loopback, begin TLS trusting `authority` (PEM) alone, and sign in.
    ///
    /// # Panics
    /// When the server refuses any of it.
    #[must_use]
    #[track_caller]
    pub fn submit(port: u16, authority: &str, user: &str, password: &str) -> Self {
        let stream = open(port).unwrap();
        let clear: Box<dyn Stream> = Box::new(stream.try_clone().unwrap());
        let mut smtp = Self { line: BufReader::new(clear) };
        smtp.expect("220");
        smtp.command("EHLO [127.0.0.1]", "250");
        smtp.command("STARTTLS", "220");
        let mut smtp = Self { line: BufReader::with_capacity(1 << 16, secure_stream(stream, authority)) };
        smtp.command("EHLO [127.0.0.1]", "250");
        smtp.command(&format!("AUTH PLAIN {}", BASE64.encode(format!("\0{user}\0{password}").as_bytes())), "235");
        smtp
    }

    /// Send messages, in CRLF lines and with their dots put in: the envelope of each goes out with the end of the one before.
    ///
    /// # Panics
    /// When one is refused.
    pub fn send<'m>(&mut self, sender: &str, recipient: &str, messages: impl IntoIterator<Item = &'m [u8]>) {
        let envelope = format!("MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
        let mut out = envelope.clone().into_bytes();
        let mut messages = messages.into_iter().peekable();
        while let Some(message) = messages.next() {
            self.write(&out);
            for code in ["250", "250", "354"] {
                self.expect(code);
            }
            out.clear();
            out.extend_from_slice(message);
            out.extend_from_slice(b".\r\n");
            if messages.peek().is_some() {
                out.extend_from_slice(envelope.as_bytes());
            }
            if messages.peek().is_none() {
                self.write(&out);
                self.expect("250");
            } else {
                // Its answer comes before those to the next envelope, which are read above.
                self.write(&std::mem::take(&mut out));
                self.expect("250");
            }
        }
        self.command("QUIT", "221");
    }

    fn command(&mut self, command: &str, code: &str) {
        self.write(format!("{command}\r\n").as_bytes());
        self.expect(code);
    }

    fn write(&mut self, octets: &[u8]) {
        let stream = self.line.get_mut();
        stream.write_all(octets).and_then(|()| stream.flush()).unwrap();
    }

    /// A reply, which may have several lines.
    #[track_caller]
    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            self.line.by_ref().take(4_096).read_line(&mut line).unwrap();
            assert!(line.starts_with(code), "answered {line:?} instead of {code}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }
}

/// `octets` in CRLF lines, with a dot before each that begins with one, and a line end at the end (RFC 5321 section 4.5.2).
#[must_use]
pub fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(octets.len() + octets.len() / 40);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(text);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}
