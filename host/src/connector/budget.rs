//! What one session may compute, call and log. Everything here is arithmetic on times that are handed in, but the thin
//! [`Meter`] and [`Metered`], which read the thread's CPU clock around every poll of the session's task.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::activity::Activity;
use super::ticker::Pulse;
use crate::limits::Limits;

/// A call that took at least this long has really waited. A shorter one may have done no more than change threads.
pub(super) const WAIT: Duration = Duration::from_millis(1);

/// CPU that a session may use at once before its share holds: signing in and the first parse of a large mailbox are quick
/// for whoever waits for them.
const SHARE_BEGINNING: Duration = Duration::from_secs(10);

/// The time over which a session's share is counted.
const SHARE_WINDOW: Duration = Duration::from_secs(60);

/// The computing and the calls of one session.
#[derive(Debug)]
pub(super) struct Meter {
    burst: Duration,
    renewed: AtomicBool,
    state: Mutex<State>,
    /// Whether anything comes of it all.
    pub(super) activity: Activity,
}

#[derive(Debug)]
struct State {
    /// CPU used in finished polls.
    used: Duration,
    /// The thread's CPU clock when the running poll began.
    poll_began: Option<Duration>,
    /// `used` when the session last waited or moved octets.
    burst_began: Duration,
    /// How long the instance is to be held for the calls that it made.
    owed: Duration,
    share: Share,
    calls: Rate,
}

/// What becomes of an instance that is found computing at an epoch's end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on, after others had their turn.
    GoOn,
    /// It goes on after this time.
    Hold(Duration),
    /// It has computed for too long at a stretch.
    Spent,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            burst: Duration::from_millis(limits.cpu_burst_ms),
            renewed: AtomicBool::new(false),
            activity: Activity::new(now),
            state: Mutex::new(State {
                used: Duration::ZERO,
                poll_began: None,
                burst_began: Duration::ZERO,
                owed: Duration::ZERO,
                share: Share::new(limits.cpu_share_percent, now),
                calls: Rate::new(limits.import_calls_per_second, Duration::from_secs(1), now),
            }),
        }
    }

    /// Octets have moved.
    pub(super) fn moved(&self) {
        self.renew();
        self.activity.touch();
    }

    /// The session has really waited, or octets have moved.
    pub(super) fn renew(&self) {
        self.renewed.store(true, Ordering::Relaxed);
    }

    /// Count one import call; how long to wait before it is answered.
    pub(super) fn count_call(&self) -> Option<Duration> {
        self.lock().calls.take(Instant::now())
    }

    /// Count one call of an import that cannot wait; whether the instance is to be held at its next step.
    pub(super) fn count_call_later(&self) -> bool {
        let mut state = self.lock();
        let wait = state.calls.take(Instant::now());
        if let Some(wait) = wait {
            state.owed = state.owed.max(wait);
        }
        wait.is_some()
    }

    /// Judge the instance at the end of an epoch, from inside the poll that runs it.
    pub(super) fn judge(&self) -> Verdict {
        let renewed = self.renewed.swap(false, Ordering::Relaxed);
        let mut state = self.lock();
        let used = state.used + state.poll_began.map_or(Duration::ZERO, |began| thread_cpu().saturating_sub(began));
        if renewed {
            state.burst_began = used;
        }
        if used.saturating_sub(state.burst_began) > self.burst {
            return Verdict::Spent;
        }
        let owed = std::mem::take(&mut state.owed);
        match state.share.hold(used, Instant::now()) {
            Some(time) => Verdict::Hold(time.max(owed)),
            None if owed.is_zero() => Verdict::GoOn,
            None => Verdict::Hold(owed),
        }
    }

    /// CPU used so far, in finished polls.
    pub(super) fn used(&self) -> Duration {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's task, with the CPU of every poll counted and the epoch thread awake meanwhile.
pub(super) struct Metered<F> {
    meter: Arc<Meter>,
    pulse: Pulse,
    task: Pin<Box<F>>,
}

impl<F: Future> Metered<F> {
    pub(super) fn new(meter: Arc<Meter>, pulse: Pulse, task: F) -> Self {
        Self { meter, pulse, task: Box::pin(task) }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _running = this.pulse.run();
        let began = thread_cpu();
        this.meter.lock().poll_began = Some(began);
        let outcome = this.task.as_mut().poll(cx);
        let mut state = this.meter.lock();
        state.poll_began = None;
        state.used += thread_cpu().saturating_sub(began);
        outcome
    }
}

/// CPU time of this thread: unlike the wall clock it does not charge a session for what other threads do.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A share of one core: credit grows with the time that passes and shrinks with the CPU that is used.
#[derive(Debug)]
struct Share {
    percent: u64,
    credit_nanos: i128,
    counted: Duration,
    at: Instant,
}

impl Share {
    fn new(percent: u64, now: Instant) -> Self {
        Self { percent, credit_nanos: nanos(SHARE_BEGINNING), counted: Duration::ZERO, at: now }
    }

    /// How long the session must wait, having used `used` in all at `now`.
    fn hold(&mut self, used: Duration, now: Instant) -> Option<Duration> {
        let percent = i128::from(self.percent);
        let most = (nanos(SHARE_WINDOW) * percent / 100).max(nanos(SHARE_BEGINNING));
        let earned = nanos(now.saturating_duration_since(self.at)) * percent / 100;
        let spent = nanos(used.saturating_sub(self.counted));
        self.credit_nanos = (self.credit_nanos + earned).min(most) - spent;
        self.at = now;
        self.counted = used;
        let owed = -self.credit_nanos;
        (owed > 0).then(|| Duration::from_nanos(u64::try_from(owed * 100 / percent.max(1)).unwrap_or(u64::MAX)))
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

/// So many of something in a time; what is over must wait for its turn.
#[derive(Debug)]
struct Rate {
    each: Duration,
    window: Duration,
    /// When the next one would be due if they came evenly.
    due: Instant,
}

impl Rate {
    fn new(many: u64, window: Duration, now: Instant) -> Self {
        let each = Duration::from_nanos(u64::try_from(window.as_nanos()).unwrap_or(u64::MAX) / many.max(1));
        Self { each, window, due: now }
    }

    /// Take one; how long it has to wait. A window's worth may come at once.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        self.due = self.due.max(now) + self.each;
        let ahead = self.due.saturating_duration_since(now);
        ahead.checked_sub(self.window).filter(|wait| !wait.is_zero())
    }
}

/// A session's log lines: how many a minute, and how many were dropped.
#[derive(Debug)]
pub(super) struct LogBudget {
    lines_per_minute: u64,
    minute_began: Instant,
    lines: u64,
    dropped: u64,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Write it.
    Write,
    /// Write it, and that so many before it were dropped.
    WriteAfter(u64),
    /// Drop it; it is the first of a minute, so say that lines are being dropped.
    DropFirst,
    /// Drop it.
    Drop,
}

impl LogBudget {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self { lines_per_minute: limits.log_lines_per_minute, minute_began: now, lines: 0, dropped: 0 }
    }

    pub(super) fn take(&mut self, now: Instant) -> Line {
        if now.saturating_duration_since(self.minute_began) >= Duration::from_secs(60) {
            self.minute_began = now;
            self.lines = 0;
        }
        if self.lines < self.lines_per_minute {
            self.lines += 1;
            return match std::mem::take(&mut self.dropped) {
                0 => Line::Write,
                dropped => Line::WriteAfter(dropped),
            };
        }
        self.dropped += 1;
        if self.dropped == 1 { Line::DropFirst } else { Line::Drop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_after_the_beginning() {
        let start = Instant::now();
        let mut share = Share::new(50, start);
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(share.hold(Duration::from_secs(5), at(5)), None);
        // 10 s to begin with and 5 s earned in ten; 20 s used: 5 s too many, which take 10 s to earn.
        assert_eq!(share.hold(Duration::from_secs(20), at(10)), Some(Duration::from_secs(10)));
        assert_eq!(share.hold(Duration::from_secs(20), at(20)), None);
        assert_eq!(share.hold(Duration::from_secs(21), at(20)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_long_rest_earns_one_window_and_no_more() {
        let start = Instant::now();
        let mut share = Share::new(50, start);
        let day = start + Duration::from_secs(86_400);
        assert_eq!(share.hold(Duration::from_secs(30), day), None);
        assert_eq!(share.hold(Duration::from_secs(31), day), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_rate_lets_one_window_through_at_once() {
        let start = Instant::now();
        let mut rate = Rate::new(100, Duration::from_secs(1), start);
        for call in 0..100 {
            assert_eq!(rate.take(start), None, "{call}");
        }
        assert_eq!(rate.take(start), Some(Duration::from_millis(10)));
        assert_eq!(rate.take(start + Duration::from_secs(5)), None);
    }

    #[test]
    fn log_lines_are_counted_and_dropped() {
        let start = Instant::now();
        let limits = Limits { log_lines_per_minute: 2, ..Limits::default() };
        let mut log = LogBudget::new(&limits, start);
        assert_eq!([log.take(start), log.take(start)], [Line::Write, Line::Write]);
        assert_eq!([log.take(start), log.take(start)], [Line::DropFirst, Line::Drop]);
        assert_eq!(log.take(start + Duration::from_secs(61)), Line::WriteAfter(2));
    }
}
