//! Waiting for something to become true by asking again and again, with an end; never a sleep for luck.

use std::time::{Duration, Instant};

/// How long a step may take that usually takes well under a second: generous, because machines that run tests are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Ask `probe` every 10 ms until it gives something.
///
/// # Panics
/// When it has given nothing within `limit`; `what` names it.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited {} s in vain: {what}", limit.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// [`until`] for a condition.
///
/// # Panics
/// When it has not held within [`PATIENCE`].
#[track_caller]
pub fn until_true(what: &str, mut probe: impl FnMut() -> bool) {
    until(what, PATIENCE, || probe().then_some(()));
}
