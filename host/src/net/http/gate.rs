//! What all exchanges of an account share, over all its sessions: how many run at once, what the provider's quota still has, and how
//! long a server that asked for less is left alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::limits::{HTTP_HOLD_FIRST, HTTP_HOLD_MOST, HTTP_HOLD_SILENT_MOST, HTTP_HOLD_WAIT, HTTP_ORIGINS_KNOWN};
use crate::net::allow::Origin;

/// What is counted for one account.
pub struct Gate {
    exchanges: usize,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holds: HashMap<Origin, Hold>,
    budget: Option<Budget>,
}

/// One exchange; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _held: OwnedSemaphorePermit,
}

/// A server that asked for less.
#[derive(Debug, Clone, Copy)]
struct Hold {
    until: Instant,
    /// In a row, without a request that was taken between them.
    refusals: u32,
}

/// A leaky bucket of quota units: a sixth of a minute's worth at once, and so many a second that no minute sees more than its worth.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Budget {
    per_minute: u64,
    left: f64,
    at: Instant,
}

impl Gate {
    /// For at most `exchanges` at once, and `units` of quota a minute; none: as many as one likes.
    #[must_use]
    pub fn new(exchanges: usize, units: Option<u64>) -> Self {
        let exchanges = exchanges.clamp(1, Semaphore::MAX_PERMITS);
        let budget = units.map(Budget::full);
        Self { exchanges, permits: Arc::new(Semaphore::new(exchanges)), state: Mutex::new(State { budget, ..State::default() }) }
    }

    /// Whether it holds to these bounds.
    pub(super) fn is_for(&self, exchanges: usize, units: Option<u64>) -> bool {
        self.exchanges == exchanges.clamp(1, Semaphore::MAX_PERMITS) && self.state().budget.map(|budget| budget.per_minute) == units
    }

    /// The same holds under other bounds.
    pub(super) fn with_bounds(&self, exchanges: usize, units: Option<u64>) -> Self {
        let gate = Self::new(exchanges, units);
        gate.state().holds = self.state().holds.clone();
        gate
    }

    /// Whether forgetting it would forget something.
    pub(super) fn is_busy(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        state.holds.retain(|_, hold| hold.until > now);
        !state.holds.is_empty() || state.budget.as_mut().is_some_and(|budget| !budget.is_full(now))
    }

    /// Begin an exchange that costs so many units, as soon as one may; a wait that is not worth it is refused with the time to come back.
    ///
    /// # Errors
    /// `RefusedByHost` with the code `LIMIT` where no exchange ends within `patience`; `Throttled` where the server or the quota want a longer
    /// wait than the host keeps up itself.
    pub(super) async fn enter(&self, origin: &Origin, cost: u32, patience: Duration) -> Result<Permit, Fault> {
        let waited = timeout(patience, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = waited else {
            return Err(Fault::new(Kind::RefusedByHost, "send a request")
                .with_code("LIMIT")
                .because_words("as many exchanges as this account may have are under way and none has ended: read or drop their bodies"));
        };
        let longest = Instant::now() + patience.min(HTTP_HOLD_WAIT);
        loop {
            let Some(wait) = self.spend(origin, cost) else { return Ok(Permit { _held: permit }) };
            if wait.until > longest {
                let after = wait.until.saturating_duration_since(Instant::now());
                return Err(Fault::new(Kind::Throttled, format!("send a request to {origin}"))
                    .with_code(wait.code)
                    .with_retry_after(after)
                    .because_words(wait.words));
            }
            sleep_until(wait.until).await;
        }
    }

    /// Note what an answer says about asking again.
    pub(super) fn heard(&self, origin: &Origin, status: StatusCode, headers: &HeaderMap) {
        let now = Instant::now();
        let mut state = self.state();
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            // An answer to what was asked before says nothing about the time that the server named since.
            state.holds.retain(|held, hold| held != origin || hold.until > now);
            return;
        }
        let refusals = state.holds.get(origin).map_or(0, |hold| hold.refusals).saturating_add(1);
        let wanted = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(wanted_wait);
        let wait = match wanted {
            Some(wait) => wait.min(HTTP_HOLD_MOST),
            // A 503 without a time is an outage like any other: its pace is the connector's.
            None if status == StatusCode::SERVICE_UNAVAILABLE => return,
            None => HTTP_HOLD_FIRST.saturating_mul(1 << (refusals - 1).min(10)).min(HTTP_HOLD_SILENT_MOST),
        };
        if state.holds.len() >= HTTP_ORIGINS_KNOWN {
            state.holds.retain(|_, hold| hold.until > now);
        }
        let until = (now + wait).max(state.holds.get(origin).map_or(now, |hold| hold.until));
        if state.holds.len() < HTTP_ORIGINS_KNOWN || state.holds.contains_key(origin) {
            state.holds.insert(origin.clone(), Hold { until, refusals });
        }
    }

    /// Take what an exchange costs; or what has to be waited for first.
    fn spend(&self, origin: &Origin, cost: u32) -> Option<Wait> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(hold) = state.holds.get(origin).filter(|hold| hold.until > now) {
            return Some(Wait { until: hold.until, code: "RETRY-AFTER", words: "the server asked for less, and named a time" });
        }
        let until = state.budget.as_mut()?.spend(cost, now)?;
        Some(Wait { until, code: "QUOTA", words: "the provider's quota for this account is used up for now" })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wait {
    until: Instant,
    code: &'static str,
    words: &'static str,
}

impl Budget {
    fn full(per_minute: u64) -> Self {
        let mut budget = Self { per_minute, left: 0.0, at: Instant::now() };
        budget.left = budget.most();
        budget
    }

    /// A sixth of a minute's worth.
    #[expect(clippy::cast_precision_loss, reason = "quotas are far below 2^52 units")]
    fn most(&self) -> f64 {
        self.per_minute as f64 / 6.0
    }

    /// Units a second: with a full bucket at its beginning, a minute sees 1/6 + 5/6 of its worth.
    fn rate(&self) -> f64 {
        self.most() / 12.0
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.rate()).min(self.most());
        self.at = now;
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left >= self.most()
    }

    /// Spend `cost`, at least one; or when there is enough. What costs more than the bucket holds takes a full one, and the rest is owed.
    fn spend(&mut self, cost: u32, now: Instant) -> Option<Instant> {
        self.fill(now);
        let cost = f64::from(cost.max(1));
        let wanted = cost.min(self.most());
        if self.left >= wanted {
            self.left -= cost;
            return None;
        }
        let seconds = (wanted - self.left) / self.rate().max(f64::MIN_POSITIVE);
        // A millisecond more, so that rounding does not make it two waits.
        Some(now + Duration::try_from_secs_f64(seconds).unwrap_or(HTTP_HOLD_MOST).min(HTTP_HOLD_MOST) + Duration::from_millis(1))
    }
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn wanted_wait(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let until = u64::try_from(date.timestamp().as_millisecond()).unwrap_or(0);
    Some(Duration::from_millis(until.saturating_sub(Timestamp::now().0)))
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("exchanges", &self.exchanges).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come_back() {
        assert_eq!(wanted_wait(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(wanted_wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = wanted_wait("Wed, 31 Dec 2098 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_hours(100_000));
        for none in ["", "soon", "-1", "1.5"] {
            assert_eq!(wanted_wait(none), None, "{none}");
        }
    }

    #[test]
    fn no_minute_sees_more_than_its_worth() {
        let start = Instant::now();
        let mut budget = Budget::full(6_000);
        let mut spent = 0;
        let mut now = start;
        while now < start + Duration::from_secs(60) {
            match budget.spend(10, now) {
                None => spent += 10,
                Some(until) => {
                    assert!(until > now);
                    now = until;
                }
            }
        }
        assert!((5_000..=6_000).contains(&spent), "{spent}");
        // What costs more than the bucket holds is let through when it is full, and owed.
        let later = now + Duration::from_secs(600);
        assert_eq!(budget.spend(3_000, later), None);
        let until = budget.spend(1, later).unwrap() - later;
        assert!(until > Duration::from_secs(20) && until < Duration::from_secs(30), "{until:?}");
    }

    #[test]
    fn storms_are_left_longer_and_longer_and_a_wish_has_its_bound() {
        let gate = Gate::new(4, None);
        let origin = Origin::parse("https://api.example").unwrap();
        let mut last = Duration::ZERO;
        for round in 0..20 {
            gate.heard(&origin, StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new());
            let wait = gate.spend(&origin, 1).unwrap().until - Instant::now();
            assert!(wait <= HTTP_HOLD_SILENT_MOST && wait + Duration::from_millis(500) > last, "{round}: {wait:?}");
            last = wait;
        }
        assert!(last > Duration::from_secs(50));
        // An answer to an older request takes nothing back.
        gate.heard(&origin, StatusCode::OK, &HeaderMap::new());
        assert!(gate.spend(&origin, 1).is_some() && gate.is_busy());
        let other = Origin::parse("https://other.example").unwrap();
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "99999999999".parse().unwrap())]);
        gate.heard(&other, StatusCode::SERVICE_UNAVAILABLE, &headers);
        assert!(gate.spend(&other, 1).unwrap().until <= Instant::now() + HTTP_HOLD_MOST);
    }
}
