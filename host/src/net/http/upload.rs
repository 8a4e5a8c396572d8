//! Bodies of requests: exactly as long as they said, looked through on their way, and sent again where they can be.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::timeout;

use crate::fault::{Fault, Kind};
use crate::limits::HTTP_REPEATED_OCTETS;
use crate::net::allow::Inspection;
use crate::net::stage::late;

/// A request's body: its exact length in octets, and the octets.
pub struct RequestBody {
    /// In octets.
    pub length: u64,
    /// The octets, or why they end early.
    pub octets: BoxStream<'static, Result<Bytes, Fault>>,
}

/// What a request is to be sent with, before and between attempts.
pub(super) enum Outgoing {
    /// Nothing.
    Nothing,
    /// All of it, so that it can be sent again.
    Whole(Bytes),
    /// Until the first attempt that asks for its octets takes it out.
    Streamed(Slot),
}

type Slot = Arc<Mutex<Option<Checked>>>;

/// A stream of which it is known what it must be.
pub(super) struct Checked {
    body: RequestBody,
    left: u64,
    inspection: Inspection,
    /// The last octets, held back until the stream has ended: HTTP looks at nothing beyond the announced length.
    last: Option<Bytes>,
    is_over: bool,
}

/// A request's body on its way out, as hyper takes it.
pub(super) struct Upload {
    source: Source,
    watch: Uploading,
}

enum Source {
    Whole(Bytes),
    Waiting(Slot, u64),
    Streamed(Checked),
    Over,
}

/// How an upload stands, seen from beside.
#[derive(Debug, Clone, Default)]
pub(super) struct Uploading(Arc<UploadState>);

#[derive(Debug, Default)]
struct UploadState {
    octets: AtomicU64,
    is_over: AtomicBool,
    is_unwanted: AtomicBool,
    waker: AtomicWaker,
    fault: Mutex<Option<Fault>>,
}

impl Outgoing {
    /// Small bodies are read to their end first: they can be sent again, and nothing of one that is refused goes out.
    ///
    /// # Errors
    /// The stream's own; `Malformed` for another length than announced; what `inspection` refuses.
    pub(super) async fn new(body: Option<RequestBody>, inspection: Inspection, patience: Duration) -> Result<Self, Fault> {
        let Some(body) = body else { return Ok(Self::Nothing) };
        let length = body.length;
        let mut checked = Checked { left: length, body, inspection, last: None, is_over: false };
        if length > HTTP_REPEATED_OCTETS as u64 {
            return Ok(Self::Streamed(Arc::new(Mutex::new(Some(checked)))));
        }
        let mut whole = BytesMut::new();
        loop {
            let next = timeout(patience, std::future::poll_fn(|cx| checked.poll_next(cx))).await;
            match next {
                Ok(Some(octets)) => whole.extend_from_slice(&octets?),
                Ok(None) => return Ok(Self::Whole(whole.freeze())),
                Err(_) => {
                    return Err(late("send the body of a request")
                        .with_code("TIMEOUT")
                        .because_words("the connector gave nothing more of it in time"));
                }
            }
        }
    }

    /// Whether another attempt sends the same.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::Nothing | Self::Whole(_) => true,
            Self::Streamed(slot) => slot.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
        }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// For one attempt.
    pub(super) fn upload(&self) -> (Upload, Uploading) {
        let watch = Uploading::default();
        let source = match self {
            Self::Nothing => Source::Over,
            Self::Whole(octets) => Source::Whole(octets.clone()),
            Self::Streamed(slot) => {
                let length = slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |checked| checked.left);
                Source::Waiting(Arc::clone(slot), length)
            }
        };
        if matches!(&source, Source::Over) || matches!(&source, Source::Whole(octets) if octets.is_empty()) {
            watch.0.is_over.store(true, Ordering::Release);
        }
        (Upload { source, watch: watch.clone() }, watch)
    }
}

impl Checked {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        while !self.is_over {
            match self.body.octets.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(octets))) if octets.is_empty() => {}
                Poll::Ready(Some(Ok(octets))) => {
                    let Some(left) = self.left.checked_sub(octets.len() as u64) else {
                        return self.fail(wrong_length(self.body.length, "more"));
                    };
                    self.left = left;
                    if let Err(refusal) = self.inspection.take(&octets) {
                        return self.fail(refusal.into_fault("send the body of a request"));
                    }
                    if left > 0 {
                        return Poll::Ready(Some(Ok(octets)));
                    }
                    self.last = Some(octets);
                }
                Poll::Ready(Some(Err(fault))) => return self.fail(fault),
                Poll::Ready(None) if self.left > 0 => return self.fail(wrong_length(self.body.length, "fewer")),
                Poll::Ready(None) => {
                    self.is_over = true;
                    if let Err(refusal) = self.inspection.finish() {
                        return self.fail(refusal.into_fault("send the body of a request"));
                    }
                    return Poll::Ready(self.last.take().map(Ok));
                }
            }
        }
        Poll::Ready(None)
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Bytes, Fault>>> {
        self.is_over = true;
        self.last = None;
        Poll::Ready(Some(Err(fault)))
    }

    fn remaining(&self) -> u64 {
        if self.is_over { 0 } else { self.left + self.last.as_ref().map_or(0, |octets| octets.len() as u64) }
    }
}

impl Upload {
    fn end(&mut self, fault: Option<Fault>) {
        self.source = Source::Over;
        *self.watch.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.watch.0.is_over.store(true, Ordering::Release);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.watch.0.waker.register(cx.waker());
        if self.watch.0.is_unwanted.load(Ordering::Acquire) && !matches!(self.source, Source::Over) {
            let fault = Fault::new(Kind::Cancelled, "send the body of a request").because_words("the server has answered without it");
            self.end(Some(fault.clone()));
            return Poll::Ready(Some(Err(fault)));
        }
        if let Source::Waiting(slot, _) = &self.source {
            let taken = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.source = taken.map_or(Source::Over, Source::Streamed);
        }
        let octets = match &mut self.source {
            Source::Whole(octets) if !octets.is_empty() => {
                let octets = std::mem::take(octets);
                self.end(None);
                Some(Ok(octets))
            }
            Source::Streamed(checked) => match checked.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(octets) => {
                    if checked.is_over {
                        let fault = octets.as_ref().and_then(|octets| octets.as_ref().err()).cloned();
                        self.end(fault);
                    }
                    octets
                }
            },
            Source::Whole(_) | Source::Waiting(..) | Source::Over => {
                self.end(None);
                None
            }
        };
        if let Some(Ok(octets)) = &octets {
            self.watch.0.octets.fetch_add(octets.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(octets.map(|octets| octets.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Over => true,
            Source::Whole(octets) => octets.is_empty(),
            Source::Waiting(..) | Source::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.source {
            Source::Over => 0,
            Source::Whole(octets) => octets.len() as u64,
            Source::Waiting(_, length) => *length,
            Source::Streamed(checked) => checked.remaining(),
        })
    }
}

impl Uploading {
    pub(super) fn octets(&self) -> u64 {
        self.0.octets.load(Ordering::Relaxed)
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all of it went to the line.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }

    /// The server has answered in full: what is left of the body is for nobody.
    pub(super) fn give_up(&self) {
        self.0.is_unwanted.store(true, Ordering::Release);
        self.0.waker.wake();
    }
}

fn wrong_length(length: u64, than: &str) -> Fault {
    Fault::new(Kind::Malformed, "send the body of a request")
        .because_words(format!("it has {than} octets than the {length} that were announced"))
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("length", &self.length).finish_non_exhaustive()
    }
}
