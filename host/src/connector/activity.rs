//! Whether anything comes of a call: a component that waits for nothing the host works on, and moves no octet, hangs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a session's imports and streams last did.
#[derive(Debug)]
pub(super) struct Activity {
    /// Imports that the host works on now.
    working: AtomicUsize,
    /// When the last of them ended, or an octet moved.
    last: Mutex<Instant>,
}

/// The host works on an import until this is dropped.
#[derive(Debug)]
pub(super) struct Working<'a>(&'a Activity);

impl Activity {
    pub(super) const fn new(now: Instant) -> Self {
        Self { working: AtomicUsize::new(0), last: Mutex::new(now) }
    }

    /// The host begins to work on an import.
    pub(super) fn work(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::SeqCst);
        Working(self)
    }

    /// Something came of it just now.
    pub(super) fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ready when nothing has come of anything for as long as `most`.
    pub(super) async fn idle(&self, most: Duration) {
        loop {
            let idle = self.idle_at(Instant::now());
            if idle >= most {
                return;
            }
            tokio::time::sleep(most.saturating_sub(idle)).await;
        }
    }

    fn idle_at(&self, now: Instant) -> Duration {
        if self.working.load(Ordering::SeqCst) > 0 {
            return Duration::ZERO;
        }
        now.saturating_duration_since(*self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.working.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_idle_only_while_the_host_works_on_nothing() {
        let begin = Instant::now();
        let activity = Activity::new(begin);
        assert_eq!(activity.idle_at(begin + MINUTE), MINUTE);
        let working = activity.work();
        assert_eq!(activity.idle_at(begin + MINUTE), Duration::ZERO);
        drop(working);
        assert!(activity.idle_at(begin + MINUTE) <= MINUTE);
        assert_eq!(activity.idle_at(begin), Duration::ZERO);
    }
}
