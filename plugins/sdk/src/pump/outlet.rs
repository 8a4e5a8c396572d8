//! Octets that a call gives back as a stream (`receiving.fetch`): the call returns when the first of them are there, and the conversation goes on
//! behind it.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::join;
use wit_bindgen::{FutureWriter, StreamWriter};

use super::parcel::Parcel;
use crate::bindings::receiver::{wit_future, wit_stream};
use crate::types::{Error, Failure, FutureReader, StreamReader};

/// Where a machine puts the octets that its call gives back.
pub struct Outlet(Rc<Parcel>);

impl Default for Outlet {
    fn default() -> Self {
        Self(Rc::new(Parcel::new(Rc::default())))
    }
}

impl Outlet {
    pub(super) fn parcel(&self) -> Rc<Parcel> {
        Rc::clone(&self.0)
    }

    fn has_begun(&self) -> bool {
        self.0.has_pieces()
    }

    async fn feed(&self, mut octets: StreamWriter<u8>, finished: FutureWriter<Result<u64, Error>>) {
        while let Some(piece) = self.0.next().await {
            let length = piece.len();
            let left = octets.write_all(piece).await;
            self.0.settle(length);
            if !left.is_empty() {
                // Whoever called wants no more of it.
                self.0.refuse();
            }
        }
        drop(octets);
        let count = self.0.count().unwrap_or_else(|| Err(Error::new(Failure::Cancelled, "nobody wanted the rest")));
        // Where nobody reads the count nobody misses it.
        let _ = finished.write(count).await;
    }
}

/// Give back what `conversation` puts into its outlet, as it comes: returns with the first octets, or with all where there are none. The output
/// is the number of octets, which ends the stream honestly; the conversation runs on by itself after the call has returned.
///
/// # Errors
/// Whatever the conversation fails with before the first octet. A later failure is told behind the stream.
pub async fn give(
    conversation: impl AsyncFnOnce(&Outlet) -> Result<u64, Error> + 'static,
) -> Result<(StreamReader<u8>, FutureReader<Result<u64, Error>>), Error> {
    let outlet = Rc::new(Outlet::default());
    let mut conversation = {
        let outlet = Rc::clone(&outlet);
        Box::pin(async move { conversation(&outlet).await })
    };
    let early = poll_fn(|context| match conversation.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if outlet.has_begun() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    let early = early.transpose()?;
    let (octets, reader) = wit_stream::new();
    let (finished, count) = wit_future::new(|| Err(Error::new(Failure::Cancelled, "the message was given up before its end")));
    wit_bindgen::spawn_local(async move {
        let end = async {
            outlet.0.finish(match early {
                Some(count) => Ok(count),
                None => conversation.await,
            });
        };
        join(end, outlet.feed(octets, finished)).await;
    });
    Ok((reader, count))
}
