//! A listener for one answer from a browser on this machine (RFC 8252 section 7.3): bound to loopback, for a while, a request at a time.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::fault::{Fault, Kind};

/// The longest head of a request that is read.
const HEAD_OCTETS: usize = 32 << 10;

/// How long a browser may take to ask, and to take the page.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bound listener.
pub struct Listener(TcpListener);

/// One request of a browser's, which waits for its page.
pub struct Visit {
    stream: Box<dyn Duplex>,
    /// What stands behind `?` in the address.
    pub query: String,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Listener {
    /// Listen at `address`, which has to be one of loopback; port 0 for any.
    ///
    /// # Errors
    /// `Usage` for another address, `Conflict` where somebody listens there already.
    pub async fn bind(address: SocketAddr) -> Result<Self, Fault> {
        let operation = format!("listen at {address} for the browser's answer");
        if !address.ip().is_loopback() {
            return Err(Fault::new(Kind::Usage, operation)
                .because_words("others in the network could answer in the browser's place")
                .with_remedy("listen at 127.0.0.1, and lead there from elsewhere by `ssh -L`"));
        }
        let bound = TcpListener::bind(address).await;
        bound.map(Self).map_err(|error| {
            Fault::new(Kind::Conflict, operation)
                .because(&error)
                .with_remedy("another sign-in may be under way; take another port with `--listen 127.0.0.1:PORT`")
        })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.local_addr().map_or(0, |address| address.port())
    }

    /// The next request for the page `/`. Whoever asks for another page, says nothing or no HTTP is sent away.
    ///
    /// # Errors
    /// The system's.
    pub async fn next(&self) -> Result<Visit, Fault> {
        loop {
            let (stream, _) =
                self.0.accept().await.map_err(|error| Fault::new(Kind::Unreachable, "listen for the browser's answer").because(&error))?;
            let mut stream: Box<dyn Duplex> = Box::new(stream);
            let Ok(Some(target)) = timeout(PATIENCE, target(&mut stream)).await else { continue };
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            if path == "/" && !query.is_empty() {
                return Ok(Visit { query: query.to_owned(), stream });
            }
            // The page's icon, and whatever looks into ports.
            Visit { query: String::new(), stream }.answer(404, "Not found", "There is nothing here.").await;
        }
    }
}

impl Visit {
    /// Show a page. A browser that has left misses it.
    pub async fn answer(mut self, status: u16, title: &str, words: &str) {
        let (title, words) = (escaped(title), escaped(words));
        let page = format!(
            "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><body><h1>{title}</h1><p>{words}</p></body></html>\n"
        );
        // The address of this page holds the code: no copy of it is kept, and no other page is told.
        let head = format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
             referrer-policy: no-referrer\r\ncontent-security-policy: default-src 'none'\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
            if status == 200 { "OK" } else { "Refused" },
            page.len()
        );
        let sent = async {
            self.stream.write_all(head.as_bytes()).await?;
            self.stream.write_all(page.as_bytes()).await?;
            self.stream.shutdown().await
        };
        let _ = timeout(PATIENCE, sent).await;
    }
}

/// The target of a GET; none: it is none, or too long.
async fn target(stream: &mut Box<dyn Duplex>) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(piece.get(..read)?);
        if head.len() > HEAD_OCTETS {
            return None;
        }
    }
    let line = head.split(|octet| *octet == b'\r').next().and_then(|line| std::str::from_utf8(line).ok())?;
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some(version)) if version.starts_with("HTTP/1.") => Some(target.to_owned()),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\'' => {
                // Writing to a string does not fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(port: u16, request: &str) -> String {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let mut stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    }

    #[tokio::test]
    async fn only_loopback_and_only_the_page_of_the_answer() {
        let elsewhere = Listener::bind("0.0.0.0:0".parse().unwrap()).await.err().unwrap();
        assert_eq!(elsewhere.kind, Kind::Usage);
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.port();
        let second = Listener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.err().unwrap();
        assert_eq!(second.kind, Kind::Conflict);
        let browser = tokio::spawn(async move {
            let icon = ask(port, "GET /favicon.ico HTTP/1.1\r\n\r\n").await;
            let posted = ask(port, "POST /?code=1 HTTP/1.1\r\n\r\n").await;
            let long = ask(port, &format!("GET /?{} HTTP/1.1\r\n", "x".repeat(HEAD_OCTETS + 1))).await;
            (icon, posted, long, ask(port, "GET /?code=1&state=2 HTTP/1.1\r\nhost: x\r\n\r\n").await)
        });
        let visit = listener.next().await.unwrap();
        assert_eq!(visit.query, "code=1&state=2");
        visit.answer(200, "Done", "<script>&").await;
        let (icon, posted, long, page) = browser.await.unwrap();
        assert!(icon.starts_with("HTTP/1.1 404") && posted.is_empty() && long.is_empty());
        assert!(page.contains("&#60;script&#62;&#38;") && page.contains("no-store") && page.contains("no-referrer"), "{page}");
    }
}
