//! A REST service over TLS on loopback that answers what a test says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Identity;

/// A listening service; dropping it ends it.
pub struct Service {
    /// Where it listens on loopback.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopped: Arc<AtomicBool>,
}

/// A request as it came (RFC 9112).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// "GET /messages?max=2".
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The octets.
    pub body: Vec<u8>,
    /// How many of them are sent before the line is cut; none: all.
    pub cut_after: Option<usize>,
}

impl Service {
    /// Answer every request with what `answer` says.
    ///
    /// # Panics
    /// When the identity is none.
    #[must_use]
    pub fn start(identity: &Identity, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, stopped) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(AtomicBool::new(false)));
        let service = Self { port, asked: Arc::clone(&asked), stopped: Arc::clone(&stopped) };
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (config, asked, answer) = (Arc::clone(&config), Arc::clone(&asked), Arc::clone(&answer));
                thread::spawn(move || {
                    let line = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                    serve(line, &asked, &*answer);
                });
            }
        });
        service
    }

    /// Every request, over all connections, in the order of arrival.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Asked {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl Answer {
    /// A success with this body.
    #[must_use]
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), cut_after: None }
    }
}

/// Answer one request after the other until the client hangs up.
fn serve(line: StreamOwned<ServerConnection, TcpStream>, asked: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) {
    let mut line = BufReader::new(line);
    while let Some(request) = read_request(&mut line) {
        asked.lock().unwrap().push(request.clone());
        let Answer { status, body, cut_after } = answer(&request);
        let head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n\r\n", body.len());
        let stream = line.get_mut();
        let sent = &body[..cut_after.unwrap_or(body.len())];
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent)).and_then(|()| stream.flush()).is_err() {
            return;
        }
        if cut_after.is_some() {
            let _ = stream.sock.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn read_request(line: &mut impl BufRead) -> Option<Asked> {
    let mut next = || {
        let mut text = String::new();
        line.read_line(&mut text).ok().filter(|&octets| octets > 0)?;
        Some(text.trim_end().to_owned())
    };
    let target = next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = Vec::new();
    loop {
        let text = next()?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let asked = Asked { target, headers };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    line.take(length).read_to_end(&mut Vec::new()).ok()?;
    Some(asked)
}
