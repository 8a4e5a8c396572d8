//! Who has the line. Calls on one session overlap, a protocol has one line: a call takes its turn, and who has it is told when
//! another call waits.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use futures_util::lock::{Mutex, MutexGuard};
use futures_util::task::AtomicWaker;

/// A value that one call at a time may use.
#[derive(Debug, Default)]
pub struct Turn<T> {
    value: Mutex<T>,
    waiting: Cell<usize>,
    wanted: AtomicWaker,
}

impl<T> Turn<T> {
    /// A turn over `value`.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), waiting: Cell::new(0), wanted: AtomicWaker::new() }
    }

    /// Wait for the turn; who has it learns that it is wanted.
    pub async fn take(&self) -> MutexGuard<'_, T> {
        let _waiting = Waiting::count(&self.waiting);
        self.wanted.wake();
        self.value.lock().await
    }

    /// Ready while another call waits. Only who has the turn may ask.
    pub fn poll_wanted(&self, context: &mut Context<'_>) -> Poll<()> {
        self.wanted.register(context.waker());
        if self.waiting.get() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Wait until another call waits.
    pub async fn wanted(&self) {
        poll_fn(|context| self.poll_wanted(context)).await;
    }
}

/// Counts a call as waiting for as long as it lives, also when the call is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn count(cell: &'a Cell<usize>) -> Self {
        cell.set(cell.get() + 1);
        Self(cell)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[test]
    fn who_has_the_turn_learns_that_it_is_wanted() {
        let turn = Turn::new(0);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(held) = pin!(turn.take()).as_mut().poll(&mut context) else { panic!("nobody else has it") };
        assert!(turn.poll_wanted(&mut context).is_pending());
        {
            let mut other = pin!(turn.take());
            assert!(other.as_mut().poll(&mut context).is_pending());
            assert!(turn.poll_wanted(&mut context).is_ready());
            drop(held);
            assert!(other.as_mut().poll(&mut context).is_ready());
        }
        assert!(turn.poll_wanted(&mut context).is_pending());
    }
}
