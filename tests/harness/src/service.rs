//! A server of HTTP/1.1 and HTTP/2 on loopback, with or without TLS: a function answers every request, and all that was asked is kept. Stand-ins for
//! providers are made of it, and servers that misbehave within HTTP; whoever breaks HTTP itself is scripted octet by octet ([`scripted`](crate::scripted)).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use crate::authority::Identity;

/// A running server; dropped, it is gone.
pub struct Service {
    /// Where it listens on loopback.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// "GET".
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case; HTTP/2's authority as "host".
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
    /// "HTTP/2.0" or "HTTP/1.1".
    pub version: String,
    /// Which connection it came on, from 1.
    pub connection: usize,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    pace: Pace,
}

/// How an answer's body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// All of it.
    Whole,
    /// So many octets of it, then the line or the stream is cut.
    Cut(usize),
    /// One octet at a time.
    Trickle(Duration),
    /// Again and again.
    Endless,
}

impl Asked {
    /// The value of the header of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// "GET /messages?max=2".
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Answer {
    /// An empty answer.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), pace: Pace::Whole }
    }

    /// 200 with JSON.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200).with_header("content-type", "application/json").with_body(value.to_string())
    }

    /// With one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Of whose body only so many octets come.
    #[must_use]
    pub fn cut_after(mut self, octets: usize) -> Self {
        self.pace = Pace::Cut(octets);
        self
    }

    /// One octet at a time, with a pause after each.
    #[must_use]
    pub fn trickling(mut self, pause: Duration) -> Self {
        self.pace = Pace::Trickle(pause);
        self
    }

    /// Whose body begins anew for ever.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.pace = Pace::Endless;
        self
    }
}

impl Service {
    /// Answers with what `answer` says of each request; under TLS, with HTTP/2 where the client has it, where there is an `identity`.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start(identity: Option<&Identity>, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let acceptor = identity.map(acceptor);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(Shared { asked: Arc::clone(&asked), answer: Box::new(answer) });
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(TcpListener::from_std(listener).unwrap(), acceptor, shared) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { port, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// Everything that was asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Shared {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connection = 0;
    while let Ok((socket, _)) = listener.accept().await {
        connection += 1;
        tokio::spawn(converse(socket, acceptor.clone(), Arc::clone(&shared), connection));
    }
}

async fn converse(socket: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>, connection: usize) {
    let service = service_fn(move |request| respond(request, Arc::clone(&shared), connection));
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that goes away, or gets what it cannot bear, is none of this server's troubles.
    match acceptor {
        None => drop(builder.serve_connection(TokioIo::new(socket), service).await),
        Some(acceptor) => {
            if let Ok(line) = acceptor.accept(socket).await {
                drop(builder.serve_connection(TokioIo::new(line), service).await);
            }
        }
    }
}

async fn respond(request: hyper::Request<Incoming>, shared: Arc<Shared>, connection: usize) -> Result<hyper::Response<Paced>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    if let Some(authority) = head.uri.authority() {
        headers.push(("host".to_owned(), authority.to_string()));
    }
    let asked = Asked {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers,
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
        version: format!("{:?}", head.version),
        connection,
    };
    let answer = (shared.answer)(&asked);
    shared.asked.lock().unwrap().push(asked);
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let paced = Paced { body: answer.body.into(), sent: 0, pace: answer.pace, pause: None };
    Ok(response.body(paced).unwrap())
}

/// A body at its pace.
struct Paced {
    body: Bytes,
    sent: usize,
    pace: Pace,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Some(pause) = &mut this.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.pause = None;
        }
        let rest = this.body.slice(this.sent.min(this.body.len())..);
        let piece = match this.pace {
            Pace::Whole => rest,
            Pace::Cut(octets) if this.sent >= octets => return Poll::Ready(Some(Err(std::io::Error::other("cut")))),
            Pace::Cut(octets) => rest.slice(..(octets - this.sent).min(rest.len())),
            Pace::Trickle(pause) => {
                this.pause = Some(Box::pin(tokio::time::sleep(pause)));
                rest.slice(..rest.len().min(1))
            }
            Pace::Endless => this.body.clone(),
        };
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        this.sent += piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        let length = u64::try_from(self.body.len().saturating_sub(self.sent)).unwrap();
        if self.pace == Pace::Endless { hyper::body::SizeHint::default() } else { hyper::body::SizeHint::with_exact(length) }
    }
}
