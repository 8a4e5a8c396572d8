//! Bodies with an honest end: a request's has exactly the length that it said, a response's is bounded and came whole or failed.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Settings;
use super::connection::{Connection, Pool};
use crate::fault::{Fault, Kind};
use crate::net::stage::late;

/// The code of what ended before it was whole.
pub(super) const TRUNCATED: &str = "TRUNCATED";

/// A request's body: its exact length in octets, and the octets.
pub struct RequestBody {
    /// In octets.
    pub length: u64,
    /// The octets, or why they end early.
    pub octets: BoxStream<'static, Result<Bytes, Fault>>,
}

/// A response's body. Dropped before its end, its connection is closed.
pub struct ResponseBody {
    operation: String,
    incoming: Option<Incoming>,
    connection: Option<Connection>,
    pool: Arc<Pool>,
    received: u64,
    most: u64,
    patience: Duration,
    _permit: OwnedSemaphorePermit,
}

/// A request's body on its way out, as hyper takes it.
pub(super) struct Upload {
    body: Option<RequestBody>,
    left: u64,
    /// The last octets, held back until the stream has ended: HTTP looks at nothing beyond the announced length.
    last: Option<Bytes>,
    watch: Uploading,
}

/// How an upload stands, seen from beside.
#[derive(Debug, Clone, Default)]
pub(super) struct Uploading(Arc<UploadState>);

#[derive(Debug, Default)]
struct UploadState {
    octets: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

impl ResponseBody {
    pub(super) fn new(
        operation: String,
        settings: &Settings,
        pool: Arc<Pool>,
        connection: Connection,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            operation,
            incoming: None,
            connection: Some(connection),
            pool,
            received: 0,
            most: settings.body_octets,
            patience: settings.server.timeouts.read,
            _permit: permit,
        }
    }

    /// Refuse what is announced to be too large before it comes.
    pub(super) fn announce(&self, length: Option<u64>) -> Result<(), Fault> {
        if length.is_some_and(|length| length > self.most) { Err(self.too_large()) } else { Ok(()) }
    }

    pub(super) fn attach(&mut self, incoming: Incoming) {
        self.incoming = Some(incoming);
    }

    pub(super) fn fault(&self, kind: Kind) -> Fault {
        Fault::new(kind, self.operation.clone())
    }

    /// The next octets; none: that was all, and all of it came. A future that is dropped loses no octet; after an error there is
    /// nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        loop {
            let incoming = self.incoming.as_mut()?;
            let error = match timeout(self.patience, incoming.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(octets) if octets.is_empty() => continue,
                    Ok(octets) => {
                        self.received = self.received.saturating_add(octets.len() as u64);
                        if self.received <= self.most {
                            return Some(Ok(octets));
                        }
                        self.too_large()
                    }
                    // Trailers: nothing of theirs is in the contract.
                    Err(_) => continue,
                },
                Ok(Some(Err(error))) => lost(&error, &self.operation),
                Ok(None) => {
                    self.incoming = None;
                    if let Some(connection) = self.connection.take() {
                        self.pool.put(connection);
                    }
                    return None;
                }
                Err(_) => late(self.operation.clone()).with_code("TIMEOUT").because_words("nothing more of the body came in time"),
            };
            self.incoming = None;
            self.connection = None;
            return Some(Err(error));
        }
    }

    /// Octets given away so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    fn too_large(&self) -> Fault {
        self.fault(Kind::TooLarge)
            .because_words(format!("the body has more than {} octets", self.most))
            .with_remedy("raise `--set limit.http-body-octets=N` for this account")
    }
}

impl Upload {
    pub(super) fn new(body: Option<RequestBody>) -> (Self, Uploading) {
        let watch = Uploading::default();
        let left = body.as_ref().map_or(0, |body| body.length);
        (Self { body, left, last: None, watch: watch.clone() }, watch)
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        *self.watch.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
        self.body = None;
        Poll::Ready(Some(Err(fault)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
            let length = body.length;
            match body.octets.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(octets))) if octets.is_empty() => {}
                Poll::Ready(Some(Ok(octets))) => {
                    let Some(left) = self.left.checked_sub(octets.len() as u64) else { return self.fail(wrong_length(length, "more")) };
                    self.left = left;
                    self.watch.0.octets.fetch_add(octets.len() as u64, Ordering::Relaxed);
                    if left > 0 {
                        return Poll::Ready(Some(Ok(Frame::data(octets))));
                    }
                    self.last = Some(octets);
                }
                Poll::Ready(Some(Err(fault))) => return self.fail(fault),
                Poll::Ready(None) if self.left > 0 => return self.fail(wrong_length(length, "fewer")),
                Poll::Ready(None) => {
                    self.body = None;
                    return Poll::Ready(self.last.take().map(|octets| Ok(Frame::data(octets))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none() && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left + self.last.as_ref().map_or(0, |octets| octets.len() as u64))
    }
}

impl Uploading {
    pub(super) fn octets(&self) -> u64 {
        self.0.octets.load(Ordering::Relaxed)
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn wrong_length(length: u64, than: &str) -> Fault {
    Fault::new(Kind::Malformed, "send the body of a request")
        .because_words(format!("it has {than} octets than the {length} that were announced"))
}

/// A failure of hyper's: a line that was lost or cut short, or an answer that is no HTTP.
pub(super) fn lost(error: &hyper::Error, operation: &str) -> Fault {
    let cut = error.is_incomplete_message() || error.is_closed() || {
        let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        source.is_some_and(|source| source.kind() == std::io::ErrorKind::UnexpectedEof)
    };
    if cut {
        Fault::new(Kind::Unreachable, operation).with_code(TRUNCATED).because(error)
    } else if error.is_parse() {
        Fault::new(Kind::Malformed, operation).because(error)
    } else {
        Fault::new(Kind::Unreachable, operation).because(error)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("length", &self.length).finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("operation", &self.operation).field("received", &self.received).finish_non_exhaustive()
    }
}
