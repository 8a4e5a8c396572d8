//! Connections of both versions: one that carries an exchange at a time (HTTP/1.1, RFC 9112), and one that carries many (HTTP/2, RFC 9113).

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::HOST;
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use url::{Position, Url};

use super::Settings;
use super::upload::Upload;
use crate::fault::{Fault, Kind};
use crate::limits::{
    HTTP_HEAD_OCTETS, HTTP_PING, HTTP_PING_PATIENCE, HTTP2_CONNECTION_WINDOW, HTTP2_FAULTY_STREAMS, HTTP2_RESET_STREAMS, HTTP2_SEND_OCTETS,
    HTTP2_STREAM_WINDOW,
};
use crate::model::endpoint::Security;
use crate::net::allow::Origin;
use crate::net::observe::Unobserved;
use crate::net::proxy::Proxy;
use crate::net::reach::{Route, Target, reach};
use crate::net::stage::{Stages, late};
use crate::net::tls::{self, Believed, Peer};
use crate::net::wire::{Socket, Wire};

/// The code of what ended before it was whole.
pub(super) const TRUNCATED: &str = "TRUNCATED";

/// One connection; dropping it closes it.
pub(super) struct Connection {
    sender: Sender,
    _driver: AbortOnDropHandle<()>,
}

/// Where requests go in.
#[derive(Clone)]
pub(super) enum Sender {
    /// One at a time.
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Upload>>>),
    /// As many as the server takes.
    Http2(http2::SendRequest<Upload>),
}

/// Why a request has no answer.
pub(super) enum Unanswered {
    /// The server has seen nothing of it, or says that it did nothing about it (RFC 9113 sections 6.8 and 8.7).
    Unprocessed(Fault),
    /// The line was lost under it: what became of it nobody knows.
    Lost(Fault),
    /// The answer is none.
    Failed(Fault),
}

/// Runs the tasks of one HTTP/2 connection, and ends them with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            task.await;
        });
    }
}

impl Connection {
    /// Whether it carries many exchanges at once.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    pub(super) async fn dial(origin: &Origin, settings: &Settings) -> Result<Self, Fault> {
        let authority = authority(origin);
        let wire = line(origin, &authority, settings).await?;
        let fault = || Fault::new(Kind::Unreachable, format!("speak HTTP with {authority}"));
        if !wire.pending.is_empty() {
            return Err(Fault { kind: Kind::Malformed, ..fault() }.because_words("the server speaks before it was asked"));
        }
        let socket = wire.socket;
        if socket.protocol() == Some(b"h2") {
            return http2(socket).await.map_err(|error| fault().because(&error));
        }
        let (sender, driver) = http1::Builder::new()
            .max_header_size(HTTP_HEAD_OCTETS)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|error| fault().because(&error))?;
        let sender = Sender::Http1(Arc::new(tokio::sync::Mutex::new(sender)));
        Ok(Self { sender, _driver: driven(driver) })
    }
}

impl Sender {
    /// Whether another request may go in now.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.try_lock().is_ok_and(|sender| !sender.is_closed()),
            Self::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Wait until another request may go in; false: none will.
    pub(super) async fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Self::Http2(sender) => sender.clone().ready().await.is_ok(),
        }
    }

    /// Send one request and wait for the head of its response.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &Url,
        head: &HeaderMap,
        upload: Upload,
        operation: &str,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let mut head = head.clone();
        // RFC 9113 section 8.3.1: the authority of the URL takes the place of Host.
        let target = if matches!(self, Self::Http2(_)) {
            head.remove(HOST);
            &url[..Position::AfterQuery]
        } else {
            &url[Position::BeforePath..Position::AfterQuery]
        };
        let mut request = http::Request::builder()
            .method(method)
            .uri(target)
            .body(upload)
            .map_err(|error| Unanswered::Failed(Fault::new(Kind::RefusedByHost, operation).because(&error)))?;
        *request.headers_mut() = head;
        let failed = |mut error: hyper::client::conn::TrySendError<_>| {
            let is_unsent = error.take_message().is_some();
            Unanswered::of(&error.into_error(), is_unsent, operation)
        };
        match self {
            Self::Http1(sender) => {
                let answer = sender.lock().await.try_send_request(request);
                answer.await.map_err(failed)
            }
            Self::Http2(sender) => sender.clone().try_send_request(request).await.map_err(failed),
        }
    }
}

impl Unanswered {
    fn of(error: &hyper::Error, is_unsent: bool, operation: &str) -> Self {
        let fault = lost(error, operation);
        let http2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        // A GOAWAY that reaches a request means that its stream is above the last one that was looked at.
        let is_refused =
            http2.is_some_and(|error| error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM)));
        if is_unsent || is_refused {
            Self::Unprocessed(fault)
        } else if fault.code.as_deref() == Some(TRUNCATED) && !http2.is_some_and(h2::Error::is_reset) {
            // A stream that is reset for another reason was looked at by a server that lives.
            Self::Lost(fault)
        } else {
            Self::Failed(fault)
        }
    }
}

impl Socket {
    /// What was agreed on for the line (RFC 7301).
    fn protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Clear(_) => None,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }
}

async fn http2(socket: Socket) -> Result<Connection, hyper::Error> {
    let (sender, driver) = http2::Builder::new(Tasks::default())
        .timer(TokioTimer::new())
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(HTTP_HEAD_OCTETS).unwrap_or(u32::MAX))
        .max_send_buf_size(HTTP2_SEND_OCTETS)
        .max_concurrent_reset_streams(HTTP2_RESET_STREAMS)
        .max_local_error_reset_streams(HTTP2_FAULTY_STREAMS)
        .keep_alive_interval(HTTP_PING)
        .keep_alive_timeout(HTTP_PING_PATIENCE)
        .handshake(TokioIo::new(socket))
        .await?;
    Ok(Connection { sender: Sender::Http2(sender), _driver: driven(driver) })
}

/// Its failures reach whoever waits for an answer or a body.
fn driven(driver: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "HTTP connection ended");
        }
    }))
}

/// "host:port", as messages and TLS name it.
fn authority(origin: &Origin) -> String {
    let (server, port) = (origin.server(), origin.port());
    if server.contains(':') { format!("[{server}]:{port}") } else { format!("{server}:{port}") }
}

/// A line to `origin` by the account's route, under TLS where it is https.
async fn line(origin: &Origin, authority: &str, settings: &Settings) -> Result<Wire, Fault> {
    let (server, port) = (origin.server(), origin.port());
    let account = &settings.server;
    let proxy = Proxy::of(account)?;
    let stages = Stages::new(&Unobserved, account.timeouts.connect);
    let believed = if origin.is_secure() { Some(Believed::load(account, &[b"h2", b"http/1.1"]).await?) } else { None };
    let is_operators = server.eq_ignore_ascii_case(&account.server) || settings.origins.is_rewritten_to(origin);
    let target = Target { server: &server, port, authority, usual_ports: "HTTPS is usually 443", is_operators };
    let mut wire = reach(target, Route::of(account, proxy.as_ref()), stages).await?;
    if let Some(believed) = &believed {
        let peer = Peer { server: &server, authority, port, security: Security::Tls, min_version: account.trust.min_version };
        let silent = || late(format!("secure the line to {authority} by TLS"));
        wire = stages.run(crate::net::Stage::Tls, silent, tls::secure(wire, peer, believed)).await?;
    }
    Ok(wire)
}

/// A failure of hyper's: a line that was lost or cut short, or an answer that is no HTTP.
pub(super) fn lost(error: &hyper::Error, operation: &str) -> Fault {
    let unreachable = || Fault::new(Kind::Unreachable, operation).because(error);
    if error.is_timeout() {
        return unreachable().with_code("TIMEOUT");
    }
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) {
        // What h2 itself found wrong with the peer.
        return if error.is_library() { Fault { kind: Kind::Malformed, ..unreachable() } } else { unreachable().with_code(TRUNCATED) };
    }
    let cut = error.is_incomplete_message() || error.is_closed() || error.is_canceled() || {
        let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        source.is_some_and(|source| source.kind() == std::io::ErrorKind::UnexpectedEof)
    };
    if cut {
        unreachable().with_code(TRUNCATED)
    } else if error.is_parse() {
        Fault { kind: Kind::Malformed, ..unreachable() }
    } else {
        unreachable()
    }
}
