//! How long to wait before the next attempt: twice as long each time, never longer than a bound, and never all accounts at once.

use std::time::{Duration, Instant};

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Counts failures in a row.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure. `asked` is what the server asked for, `dice` any number: it decides where between three
    /// quarters and the whole of the wait this one falls.
    pub fn after_failure(&mut self, asked: Option<Duration>, dice: u32) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let spread = doubled / 4;
        let wait = doubled - spread + spread * (dice % 1_000) / 1_000;
        asked.map_or(wait, |asked| wait.max(asked))
    }

    /// It worked.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

/// How often a server's word that something changed is followed: a burst at once, then evenly.
#[derive(Debug)]
pub struct Pace {
    /// When the next turn would be due if they came evenly.
    due: Instant,
}

/// Between two turns on average.
const TURN: Duration = Duration::from_secs(1);

/// Turns that may come at once.
const BURST: u32 = 10;

impl Pace {
    /// From `now` on.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// How long to wait before the turn that is wanted at `now`.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.due = self.due.max(now) + TURN;
        self.due.saturating_duration_since(now + TURN * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_at_once_and_what_does_not_end_evenly() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let waits: Vec<_> = (0..12).map(|_| pace.wait(now)).collect();
        assert_eq!(waits[..10], [Duration::ZERO; 10]);
        assert_eq!(waits[10..], [TURN, TURN * 2]);
        assert_eq!(pace.wait(now + TURN * 60), Duration::ZERO);
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::default();
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            let wait = backoff.after_failure(None, 999);
            assert!(wait >= last && wait <= LONGEST);
            last = wait;
        }
        assert!(last > LONGEST / 2);
        backoff.reset();
        assert!(backoff.after_failure(None, 0) <= FIRST);
    }

    #[test]
    fn a_server_is_never_asked_before_its_time() {
        let asked = Duration::from_secs(3_600);
        assert_eq!(Backoff::default().after_failure(Some(asked), 5), asked);
    }
}
