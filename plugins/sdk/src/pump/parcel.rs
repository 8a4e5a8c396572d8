//! The pieces of one message on their way between a machine and the host: put in at the machine's pace, taken at the host's, counted while they wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::types::Error;

/// The pieces of one message between the machine and the host.
pub(super) struct Parcel {
    inner: RefCell<Contents>,
    /// Octets of all messages that wait for the host.
    pub(super) backlog: Rc<Cell<usize>>,
}

#[derive(Default)]
struct Contents {
    pieces: VecDeque<Vec<u8>>,
    count: Option<Result<u64, Error>>,
    refused: bool,
    waker: Option<Waker>,
    /// Who waits until fewer octets wait.
    room: Option<Waker>,
}

impl Parcel {
    pub(super) fn new(backlog: Rc<Cell<usize>>) -> Self {
        Self { inner: RefCell::default(), backlog }
    }

    pub(super) fn put(&self, piece: Vec<u8>) {
        let mut inner = self.inner.borrow_mut();
        if inner.refused || piece.is_empty() {
            return;
        }
        self.backlog.set(self.backlog.get() + piece.len());
        inner.pieces.push_back(piece);
        inner.wake();
    }

    /// Whether pieces wait.
    pub(super) fn has_pieces(&self) -> bool {
        !self.inner.borrow().pieces.is_empty()
    }

    /// Wake this waker when fewer octets wait.
    pub(super) fn wake_for_room(&self, waker: &Waker) {
        self.inner.borrow_mut().room = Some(waker.clone());
    }

    /// No further piece: so many octets there were, or why not all.
    pub(super) fn finish(&self, count: Result<u64, Error>) {
        let mut inner = self.inner.borrow_mut();
        inner.count = Some(count);
        inner.wake();
    }

    /// The next piece; none after the last.
    pub(super) async fn next(&self) -> Option<Vec<u8>> {
        poll_fn(|context| {
            let mut inner = self.inner.borrow_mut();
            match inner.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(piece)),
                None if inner.count.is_some() || inner.refused => Poll::Ready(None),
                None => {
                    inner.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// What [`finish`](Self::finish) said, once.
    pub(super) fn count(&self) -> Option<Result<u64, Error>> {
        self.inner.borrow_mut().count.take()
    }

    /// So many octets wait no more.
    pub(super) fn settle(&self, octets: usize) {
        self.backlog.set(self.backlog.get().saturating_sub(octets));
        if let Some(room) = self.inner.borrow_mut().room.take() {
            room.wake();
        }
    }

    /// The other side wants no more: what waits is dropped, and what comes.
    pub(super) fn refuse(&self) {
        let pieces = {
            let mut inner = self.inner.borrow_mut();
            inner.refused = true;
            mem::take(&mut inner.pieces)
        };
        self.settle(pieces.iter().map(Vec::len).sum());
    }
}

impl Contents {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;
    use crate::types::Failure;

    fn parcel() -> Parcel {
        Parcel::new(Rc::default())
    }

    #[test]
    fn pieces_come_in_order_and_end() {
        let parcel = parcel();
        parcel.put(b"one".to_vec());
        parcel.put(Vec::new());
        parcel.put(b"two".to_vec());
        parcel.finish(Ok(6));
        assert_eq!(block_on(parcel.next()), Some(b"one".to_vec()));
        assert_eq!(block_on(parcel.next()), Some(b"two".to_vec()));
        assert_eq!(block_on(parcel.next()), None);
        assert_eq!(parcel.count().map(Result::ok), Some(Some(6)));
        assert!(parcel.count().is_none(), "said once");
    }

    #[test]
    fn an_end_that_is_none_is_told() {
        let parcel = parcel();
        parcel.put(b"half".to_vec());
        parcel.finish(Err(Error::new(Failure::Unreachable, "lost")));
        assert!(block_on(parcel.next()).is_some(), "what came is handed over");
        assert!(block_on(parcel.next()).is_none());
        assert!(parcel.count().is_some_and(|count| count.is_err()));
    }

    #[test]
    fn what_waits_is_counted_until_it_is_settled_or_refused() {
        let parcel = parcel();
        parcel.put(vec![0; 10]);
        parcel.put(vec![0; 20]);
        assert_eq!(parcel.backlog.get(), 30);
        let piece = block_on(parcel.next()).unwrap_or_default();
        assert_eq!(parcel.backlog.get(), 30, "taken, and not yet with the host");
        parcel.settle(piece.len());
        assert_eq!(parcel.backlog.get(), 20);
        parcel.refuse();
        assert_eq!(parcel.backlog.get(), 0);
        parcel.put(vec![0; 40]);
        assert_eq!(parcel.backlog.get(), 0, "nobody wants it");
        assert_eq!(block_on(parcel.next()), None);
    }
}
