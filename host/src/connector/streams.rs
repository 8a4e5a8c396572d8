//! Octets between a component's streams and the host's, with the consumer's pace on both ways: at most
//! [`STREAM_OCTETS`](crate::limits::STREAM_OCTETS) wait in between.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use wasmtime::component::{
    AsAccessor, Destination, FutureConsumer, FutureReader, Lift, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};
use wasmtime::{AsContextMut as _, StoreContextMut};

use super::budget::Meter;
use crate::fault::Fault;
use crate::limits::STREAM_OCTETS;

/// Octets on their way, in order; an error ends them.
pub type Octets = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// One piece waits in the channel while another is being worked on.
const PIECE_OCTETS: usize = STREAM_OCTETS / 2;

/// Take what a component writes into `stream`: pieces as they come, then the end of the channel.
pub(super) fn pieces(accessor: impl AsAccessor, stream: StreamReader<u8>) -> wasmtime::Result<mpsc::Receiver<Bytes>> {
    let (sender, receiver) = mpsc::channel(1);
    accessor.as_accessor().with(|store| stream.pipe(store, Pieces { sender: PollSender::new(sender) }))?;
    Ok(receiver)
}

/// Take the value that a component writes into `future`; the channel ends without one where it writes none.
pub(super) fn value<T>(accessor: impl AsAccessor, future: FutureReader<T>) -> wasmtime::Result<oneshot::Receiver<T>>
where
    T: Lift + Send + Sync + Unpin + 'static,
{
    let (sender, receiver) = oneshot::channel();
    accessor.as_accessor().with(|store| future.pipe(store, Value(Some(sender))))?;
    Ok(receiver)
}

/// A channel as the consuming end of a component's stream.
struct Pieces {
    sender: PollSender<Bytes>,
}

impl<D> StreamConsumer<D> for Pieces {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.sender.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store.as_context_mut());
        let waiting = source.remaining();
        let piece = Bytes::copy_from_slice(waiting.get(..PIECE_OCTETS).unwrap_or(waiting));
        if piece.is_empty() {
            // A write of nothing asks whether there is room, and there is.
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        source.mark_read(piece.len());
        Poll::Ready(Ok(match self.sender.send_item(piece) {
            Ok(()) => StreamResult::Completed,
            Err(_) => StreamResult::Dropped,
        }))
    }
}

/// A channel as the consuming end of a component's future.
struct Value<T>(Option<oneshot::Sender<T>>);

impl<D, T> FutureConsumer<D> for Value<T>
where
    T: Lift + Send + Sync + Unpin + 'static,
{
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<D>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(sender)) = (value, self.0.take()) {
            // Nobody waits for it any more: then it does not matter.
            let _ = sender.send(value);
        }
        Poll::Ready(Ok(()))
    }
}

/// The host's octets as the producing end of a component's stream. An error ends the stream early; what it was goes to `failed`.
pub(super) struct Produced {
    octets: Octets,
    rest: Bytes,
    sent: u64,
    end: Option<oneshot::Sender<Result<u64, Fault>>>,
    meter: Arc<Meter>,
}

impl Produced {
    /// `octets`, and what became of them in the end: their number, or why they were cut short. Where the component stops
    /// reading, the channel ends without a value.
    pub(super) fn new(octets: Octets, meter: Arc<Meter>) -> (Self, oneshot::Receiver<Result<u64, Fault>>) {
        let (end, receiver) = oneshot::channel();
        (Self { octets, rest: Bytes::new(), sent: 0, end: Some(end), meter }, receiver)
    }

    fn finish(&mut self, outcome: Result<u64, Fault>) {
        if let Some(end) = self.end.take() {
            // Nobody asks for it: then it does not matter.
            let _ = end.send(outcome);
        }
    }
}

impl<D> StreamProducer<D> for Produced {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            match this.octets.as_mut().poll_next(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => this.rest = piece,
                Poll::Ready(Some(Err(fault))) => {
                    this.finish(Err(fault));
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Ready(None) => {
                    let sent = this.sent;
                    this.finish(Ok(sent));
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
            }
        }
        let mut direct = destination.as_direct(store, PIECE_OCTETS);
        let room = direct.remaining();
        let piece = this.rest.split_to(this.rest.len().min(room.len()));
        for (to, from) in room.iter_mut().zip(piece.iter()) {
            *to = *from;
        }
        direct.mark_written(piece.len());
        this.meter.moved();
        this.sent += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
