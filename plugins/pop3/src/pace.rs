//! When a line may be begun again: the server's `LOGIN-DELAY`, and a maildrop that another session has locked.

use postrider_connector::types::{Error, Failure};

/// A `LOGIN-DELAY` that a session waits for by itself, in seconds. A longer one is the host's to wait for, and long sessions are not split.
pub const SHORT_DELAY_SECONDS: u64 = 30;

/// The first wait for a locked maildrop, in milliseconds; doubled each time.
const FIRST_WAIT_MS: u64 = 500;

/// The longest wait between two attempts, in milliseconds.
const LONGEST_WAIT_MS: u64 = 8_000;

/// What is to be done before a line is begun.
#[derive(Debug, Clone)]
pub enum Pace {
    /// Wait so many milliseconds, then begin it.
    Wait(u64),
    /// Leave it to the host.
    Refuse(Error),
}

/// Before a line is begun, `since_ms` after the last sign-in to a server that wants `delay_seconds` between two.
#[must_use]
pub fn before_sign_in(delay_seconds: u64, since_ms: u64) -> Pace {
    let left = delay_seconds.saturating_mul(1_000).saturating_sub(since_ms);
    if left <= SHORT_DELAY_SECONDS * 1_000 {
        return Pace::Wait(left);
    }
    let words = format!("the server wants {delay_seconds} seconds between two sessions (LOGIN-DELAY)");
    Pace::Refuse(Error { retry_after_ms: Some(left), ..Error::new(Failure::Throttled, words).with_code("LOGIN-DELAY") })
}

/// `error`, which ends what a session began with, told so that nobody comes again before the server wants it.
#[must_use]
pub fn after_failure(error: Error, delay_seconds: u64, since_ms: u64) -> Error {
    let left = delay_seconds.saturating_mul(1_000).saturating_sub(since_ms);
    if left == 0 {
        return error;
    }
    Error { retry_after_ms: Some(error.retry_after_ms.unwrap_or(0).max(left)), ..error }
}

/// After a sign-in was refused with `error` for the time with this number, from 0: how many milliseconds to wait until the next attempt; none: it
/// is no lock, or more than `most_seconds` would be waited in all.
#[must_use]
pub fn after_refusal(error: &Error, attempt: u32, most_seconds: u64) -> Option<u64> {
    if error.code.as_deref() != Some("IN-USE") {
        return None;
    }
    let wait = |attempt: u32| FIRST_WAIT_MS.saturating_mul(1 << attempt.min(10)).min(LONGEST_WAIT_MS);
    let waited: u64 = (0..attempt).map(wait).sum();
    let left = most_seconds.saturating_mul(1_000).saturating_sub(waited);
    (left > 0).then(|| wait(attempt).min(left))
}

/// How many milliseconds to wait before the maildrop is looked at again, `since_ms` after the last sign-in: the account's pace, or the server's
/// where that is slower.
#[must_use]
pub fn until_next_look(poll_seconds: u64, delay_seconds: u64, since_ms: u64) -> u64 {
    let delay = delay_seconds.saturating_mul(1_000).saturating_sub(since_ms);
    poll_seconds.saturating_mul(1_000).max(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_delay_is_waited_for_and_a_long_one_is_the_hosts() {
        for (delay, since, wait) in [(0, 5, 0), (10, 4_000, 6_000), (900, 880_000, 20_000), (900, 1_000_000, 0)] {
            assert!(matches!(before_sign_in(delay, since), Pace::Wait(ms) if ms == wait), "{delay} {since}");
        }
        let Pace::Refuse(error) = before_sign_in(900, 10_000) else { panic!() };
        assert_eq!((error.kind, error.retry_after_ms), (Failure::Throttled, Some(890_000)));
    }

    #[test]
    fn nobody_comes_again_before_the_servers_time() {
        let lost = || Error::new(Failure::Unreachable, "lost");
        assert_eq!(after_failure(lost(), 900, 100_000).retry_after_ms, Some(800_000));
        assert_eq!(after_failure(Error { retry_after_ms: Some(1_000_000), ..lost() }, 900, 0).retry_after_ms, Some(1_000_000));
        assert_eq!(after_failure(lost(), 0, 0).retry_after_ms, None);
        assert_eq!(after_failure(lost(), 60, 61_000).retry_after_ms, None);
    }

    #[test]
    fn the_slower_of_two_paces_holds() {
        assert_eq!(until_next_look(120, 0, 5_000), 120_000);
        assert_eq!(until_next_look(120, 900, 5_000), 895_000);
        assert_eq!(until_next_look(120, 60, 5_000), 120_000);
    }

    #[test]
    fn a_lock_is_waited_for_and_nothing_else() {
        let locked = Error::new(Failure::Transient, "x").with_code("IN-USE");
        let waits = |most: u64| (0..100).map_while(|attempt| after_refusal(&locked, attempt, most)).collect::<Vec<_>>();
        assert_eq!(waits(10), [500, 1_000, 2_000, 4_000, 2_500]);
        assert_eq!(waits(30).iter().sum::<u64>(), 30_000);
        assert!(waits(0).is_empty());
        assert_eq!(after_refusal(&Error::new(Failure::Unauthenticated, "x").with_code("AUTH"), 0, 30), None);
        assert_eq!(after_refusal(&Error::new(Failure::Transient, "x"), 0, 30), None);
    }
}
