//! The thread that advances the engine's epoch while any instance is being run, and sleeps while none is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fault::{Fault, Kind};

/// The length of an epoch. An instance that computes hands the thread back to other tasks at least this often.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The epoch thread; dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Ticker {
    pulse: Pulse,
    thread: Option<JoinHandle<()>>,
}

/// Says when an instance is being run; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<State>);

/// One instance is being run, until this is dropped.
pub(super) struct Running<'a>(&'a State);

#[derive(Debug)]
struct State {
    running: AtomicUsize,
    ended: AtomicBool,
    thread: std::sync::OnceLock<std::thread::Thread>,
}

impl Ticker {
    /// Start the thread for `engine`.
    pub(super) fn start(engine: wasmtime::Engine) -> Result<Self, Fault> {
        let state = Arc::new(State { running: AtomicUsize::new(0), ended: AtomicBool::new(false), thread: std::sync::OnceLock::new() });
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || {
                while !shared.ended.load(Ordering::Acquire) {
                    if shared.running.load(Ordering::Acquire) == 0 {
                        // A wake-up that comes before this is kept: `unpark` leaves a token.
                        std::thread::park();
                    } else {
                        std::thread::sleep(TICK);
                        engine.increment_epoch();
                    }
                }
            })
            .map_err(|error| Fault::new(Kind::Bug, "start the thread that bounds the computing of connectors").because(&error))?;
        // Nobody runs an instance before this returns, so nobody misses the thread.
        let _ = state.thread.set(thread.thread().clone());
        Ok(Self { pulse: Pulse(state), thread: Some(thread) })
    }

    /// What instances announce themselves with.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.pulse.0.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic; if it did, there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Pulse {
    /// An instance is run from now on.
    pub(super) fn run(&self) -> Running<'_> {
        if self.0.running.fetch_add(1, Ordering::AcqRel) == 0
            && let Some(thread) = self.0.thread.get()
        {
            thread.unpark();
        }
        Running(&self.0)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
