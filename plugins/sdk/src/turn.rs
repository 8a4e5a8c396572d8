//! Who has the line. Calls on one session overlap, a protocol has one line: calls take turns in the order in which they came, and
//! who has the turn is told when another call waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll, Waker};

use futures_util::lock::{Mutex, MutexGuard};
use futures_util::task::AtomicWaker;

/// A value that one call at a time may use:
///
/// ```
/// use postrider_connector::testing::block_on;
/// use postrider_connector::turn::Turn;
///
/// let folder = Turn::new("INBOX");
/// block_on(async {
///     let mut held = folder.take().await;
///     *held = "Sent";
///     // Another `take` waits until `held` is dropped, and `folder.wanted()` is ready meanwhile.
/// });
/// assert_eq!(*block_on(folder.take()), "Sent");
/// ```
///
/// First come, first served: a call that gives its turn up and takes it again comes after those that wait.
#[derive(Debug, Default)]
pub struct Turn<T> {
    value: Mutex<T>,
    /// Who has the turn, and who waits for it.
    queue: RefCell<VecDeque<(u64, Option<Waker>)>>,
    tickets: Cell<u64>,
    wanted: AtomicWaker,
}

/// The turn; dropping it passes it on.
#[derive(Debug)]
pub struct Held<'a, T> {
    // First: the value is free before the next call is woken.
    value: MutexGuard<'a, T>,
    _place: Place<'a, T>,
}

/// A place in the queue, also of a call that is dropped while it waits.
#[derive(Debug)]
struct Place<'a, T> {
    turn: &'a Turn<T>,
    ticket: u64,
}

impl<T> Turn<T> {
    /// A turn over `value`.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), queue: RefCell::default(), tickets: Cell::new(0), wanted: AtomicWaker::new() }
    }

    /// Wait for the turn; who has it learns that it is wanted.
    pub async fn take(&self) -> Held<'_, T> {
        let ticket = self.tickets.get();
        self.tickets.set(ticket + 1);
        self.queue.borrow_mut().push_back((ticket, None));
        let place = Place { turn: self, ticket };
        self.wanted.wake();
        poll_fn(|context| place.poll_first(context)).await;
        Held { value: self.value.lock().await, _place: place }
    }

    /// Ready while another call waits. Only who has the turn may ask.
    pub fn poll_wanted(&self, context: &mut Context<'_>) -> Poll<()> {
        self.wanted.register(context.waker());
        if self.queue.borrow().len() > 1 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Wait until another call waits.
    pub async fn wanted(&self) {
        poll_fn(|context| self.poll_wanted(context)).await;
    }
}

impl<T> Place<'_, T> {
    fn poll_first(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.turn.queue.borrow_mut();
        if queue.front().is_some_and(|(ticket, _)| *ticket == self.ticket) {
            return Poll::Ready(());
        }
        if let Some((_, waker)) = queue.iter_mut().find(|(ticket, _)| *ticket == self.ticket) {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let next = {
            let mut queue = self.turn.queue.borrow_mut();
            queue.retain(|(ticket, _)| *ticket != self.ticket);
            queue.front_mut().and_then(|(_, waker)| waker.take())
        };
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    fn now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn who_has_the_turn_learns_that_it_is_wanted() {
        let turn = Turn::new(0);
        let mut context = Context::from_waker(Waker::noop());
        let held = now(pin!(turn.take())).unwrap();
        assert!(turn.poll_wanted(&mut context).is_pending());
        {
            let mut other = pin!(turn.take());
            assert!(now(other.as_mut()).is_none());
            assert!(turn.poll_wanted(&mut context).is_ready());
            drop(held);
            assert!(now(other.as_mut()).is_some());
        }
        assert!(turn.poll_wanted(&mut context).is_pending());
    }

    #[test]
    fn who_takes_it_again_comes_after_those_that_wait() {
        let turn = Turn::new(0);
        let first = now(pin!(turn.take())).unwrap();
        let mut second = pin!(turn.take());
        assert!(now(second.as_mut()).is_none());
        drop(first);
        let mut again = pin!(turn.take());
        assert!(now(again.as_mut()).is_none(), "the second was there before");
        let held = now(second.as_mut()).unwrap();
        assert!(now(again.as_mut()).is_none());
        drop(held);
        assert!(now(again.as_mut()).is_some());
    }

    #[test]
    fn a_call_that_is_dropped_while_it_waits_holds_nobody_up() {
        let turn = Turn::new(0);
        let held = now(pin!(turn.take())).unwrap();
        {
            let mut dropped = pin!(turn.take());
            assert!(now(dropped.as_mut()).is_none());
        }
        let mut last = pin!(turn.take());
        assert!(now(last.as_mut()).is_none());
        drop(held);
        assert!(now(last.as_mut()).is_some());
    }
}
