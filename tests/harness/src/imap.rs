//! A small blocking IMAP client of the tests' own, which shares nothing with the connector: it shows what is on the wire, to the octet.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::wait::PATIENCE;

/// A response line with its literals taken out: text before the first, the first, text after it, and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The pieces of text; each but the last ends in `{n}`.
    pub texts: Vec<String>,
    /// The literals between them.
    pub literals: Vec<Vec<u8>>,
}

/// What `SELECT` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// Messages.
    pub exists: u32,
    /// RFC 9051 section 2.3.1.1.
    pub validity: u32,
}

/// A connection to a server.
pub struct Imap {
    line: BufReader<Box<dyn Stream>>,
    tag: u32,
}

/// Octets both ways.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Response {
    /// The first text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.texts[0]
    }

    /// The number after `UID` in a `FETCH` response.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.texts.iter().find_map(|text| {
            let rest = &text[text.find("UID ")? + 4..];
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
    }
}

impl Imap {
    /// Connect to a port of loopback in clear, and read the greeting.
    #[must_use]
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        Self::greet(clear(port))
    }

    /// Connect to a port of loopback over TLS, trusting `authority` (PEM) alone, and read the greeting.
    #[must_use]
    #[track_caller]
    pub fn connect_tls(port: u16, authority: &str) -> Self {
        Self::greet(secure(port, authority))
    }

    /// Whether a server greets on this port of loopback.
    #[must_use]
    pub fn greets(port: u16) -> bool {
        let Ok(stream) = open(port) else { return false };
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("* OK")
    }

    fn greet(stream: Box<dyn Stream>) -> Self {
        let mut imap = Self { line: BufReader::with_capacity(1 << 16, stream), tag: 0 };
        let greeting = imap.response();
        assert!(greeting.text().starts_with("* OK"), "greeted with {:?}", greeting.text());
        imap
    }

    /// Sign in with `LOGIN`.
    #[track_caller]
    pub fn log_in(&mut self, user: &str, password: &str) {
        self.command(&format!("LOGIN \"{user}\" \"{password}\""));
    }

    /// Send a command and collect the untagged responses until it is done.
    ///
    /// # Panics
    /// When the answer is not `OK`, or the line ends.
    #[track_caller]
    pub fn command(&mut self, command: &str) -> Vec<Response> {
        let mut responses = Vec::new();
        self.command_each(command, |response| responses.push(response));
        responses
    }

    /// [`Imap::command`], with each response given to `each` as it comes.
    #[track_caller]
    pub fn command_each(&mut self, command: &str, mut each: impl FnMut(Response)) {
        let tag = self.send(command);
        loop {
            let response = self.response();
            match response.text().strip_prefix(&tag) {
                Some(status) => {
                    assert!(status.starts_with(" OK"), "{command}:{status}");
                    return;
                }
                None => each(response),
            }
        }
    }

    /// `SELECT`.
    #[track_caller]
    pub fn select(&mut self, folder: &str) -> Selected {
        let responses = self.command(&format!("SELECT \"{folder}\""));
        let number = |before: &str, after: &str| {
            let find = |response: &Response| response.text().strip_prefix(before)?.split(after).next()?.parse().ok();
            responses.iter().find_map(find).unwrap_or_else(|| panic!("SELECT {folder} without {before:?}"))
        };
        let exists = responses.iter().find_map(|response| response.text().strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok());
        Selected { exists: exists.expect("SELECT without EXISTS"), validity: number("* OK [UIDVALIDITY ", "]") }
    }

    /// `APPEND` to `folder`, with these flags (as in `\Seen \Flagged`).
    #[track_caller]
    pub fn append(&mut self, folder: &str, flags: &str, octets: &[u8]) {
        let tag = self.send(&format!("APPEND \"{folder}\" ({flags}) {{{}+}}", octets.len()));
        let stream = self.line.get_mut();
        stream.write_all(octets).unwrap();
        stream.write_all(b"\r\n").unwrap();
        stream.flush().unwrap();
        loop {
            let response = self.response();
            if let Some(status) = response.text().strip_prefix(&tag) {
                assert!(status.starts_with(" OK"), "APPEND:{status}");
                return;
            }
        }
    }

    /// The exact octets of every `BODY[]` of the selected folder by UID, as the wire has them.
    #[must_use]
    #[track_caller]
    pub fn bodies(&mut self) -> BTreeMap<u32, Vec<u8>> {
        let mut bodies = BTreeMap::new();
        self.command_each("UID FETCH 1:* (UID BODY.PEEK[])", |mut response| {
            if let (Some(uid), Some(octets)) = (response.uid(), response.literals.pop()) {
                assert!(bodies.insert(uid, octets).is_none(), "UID {uid} twice");
            }
        });
        bodies
    }

    /// The flags of every message of the selected folder by UID, sorted, as in `\Flagged \Seen`.
    #[must_use]
    #[track_caller]
    pub fn flags(&mut self) -> BTreeMap<u32, String> {
        let responses = self.command("UID FETCH 1:* (UID FLAGS)");
        let flags = responses.iter().filter_map(|response| {
            let text = response.text();
            let list = text[text.find("FLAGS (")? + 7..].split(')').next()?;
            let mut flags: Vec<&str> = list.split_whitespace().filter(|&flag| flag != "\\Recent").collect();
            flags.sort_unstable();
            Some((response.uid()?, flags.join(" ")))
        });
        flags.collect()
    }

    /// Read every `BODY[]` of the selected folder and keep nothing; gives (messages, octets).
    #[must_use]
    #[track_caller]
    pub fn discard_bodies(&mut self) -> (u64, u64) {
        let tag = self.send("UID FETCH 1:* (UID BODY.PEEK[])");
        let (mut messages, mut octets, mut line) = (0, 0, Vec::new());
        loop {
            line.clear();
            assert!(self.line.read_until(b'\n', &mut line).unwrap() > 0, "the server hung up");
            if line.starts_with(tag.as_bytes()) {
                return (messages, octets);
            }
            if let Some(size) = literal_size(&line) {
                let taken = std::io::copy(&mut (&mut self.line).take(size), &mut std::io::sink()).unwrap();
                assert_eq!(taken, size, "the server hung up");
                (messages, octets) = (messages + 1, octets + size);
            }
        }
    }

    /// Write a command line; gives its tag.
    pub fn send(&mut self, command: &str) -> String {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let stream = self.line.get_mut();
        stream.write_all(format!("{tag} {command}\r\n").as_bytes()).unwrap();
        stream.flush().unwrap();
        tag
    }

    /// Read one response with its literals.
    ///
    /// # Panics
    /// When the line ends or is silent for [`PATIENCE`].
    #[track_caller]
    pub fn response(&mut self) -> Response {
        let mut response = Response::default();
        loop {
            let mut line = Vec::new();
            assert!(self.line.read_until(b'\n', &mut line).unwrap() > 0, "the server hung up");
            let size = literal_size(&line);
            response.texts.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            let Some(size) = size else { return response };
            let mut literal = vec![0; usize::try_from(size).unwrap()];
            self.line.read_exact(&mut literal).unwrap();
            response.literals.push(literal);
        }
    }
}

/// `n` where the line ends in `{n}` (RFC 9051 section 4.3).
fn literal_size(line: &[u8]) -> Option<u64> {
    let inner = line.trim_ascii_end().strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&c| c == b'{')?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.trim_end_matches('+').parse().ok()
}

/// A line in clear to a port of loopback.
#[track_caller]
pub(crate) fn clear(port: u16) -> Box<dyn Stream> {
    Box::new(open(port).unwrap_or_else(|error| panic!("connect to 127.0.0.1:{port}: {error}")))
}

/// A line over TLS to a port of loopback, trusting `authority` (PEM) alone.
#[track_caller]
pub(crate) fn secure(port: u16, authority: &str) -> Box<dyn Stream> {
    secure_stream(open(port).unwrap(), authority)
}

/// TLS over a line that has come so far in clear, trusting `authority` (PEM) alone.
pub(crate) fn secure_stream(stream: TcpStream, authority: &str) -> Box<dyn Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let connection = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    Box::new(StreamOwned::new(connection, stream))
}

/// A line to a port of loopback, without delays of small segments.
pub(crate) fn open(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(5))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::literal_size;

    #[test]
    fn finds_the_size_of_a_literal() {
        assert_eq!(literal_size(b"* 1 FETCH (UID 7 BODY[] {123}\r\n"), Some(123));
        assert_eq!(literal_size(b"* 1 FETCH (UID 7)\r\n"), None);
        assert_eq!(literal_size(b"* OK {odd}\r\n"), None);
    }
}
