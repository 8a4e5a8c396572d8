//! Runs a future to its end on this thread.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whether somebody woke the future.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Run `future` to its end. There is no outside world here: a future that waits and that nothing in it will wake hangs for good, and is told so.
///
/// ```
/// assert_eq!(postrider_connector::testing::block_on(async { 1 + 1 }), 2);
/// ```
///
/// # Panics
/// When the future waits for something that never comes.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the conversation waits for something that never comes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_wakes_itself_goes_on() {
        let mut turns = 0;
        block_on(std::future::poll_fn(|context| {
            turns += 1;
            context.waker().wake_by_ref();
            if turns < 5 { Poll::Pending } else { Poll::Ready(()) }
        }));
        assert_eq!(turns, 5);
    }

    #[test]
    #[should_panic(expected = "never comes")]
    fn a_future_that_nobody_wakes_is_told() {
        block_on(std::future::pending::<()>());
    }
}
