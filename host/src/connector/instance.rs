//! One instance in one Store in one task: calls are handed to the task and overlap in it. A trap, a broken contract or the end
//! of a grace period ends the task, and with it everything that the instance held.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::{Accessor, InstancePre, ResourceTable};
use wasmtime::{Store, UpdateDeadline};

use super::bounds::Bounds;
use super::budget::{Metered, Verdict};
use super::contract;
use super::host::Guest;
use super::session::Session;
use super::ticker::Pulse;
use super::wasi;
use crate::fault::{Fault, Kind};
use crate::limits::CALL_OCTETS;
use crate::limits::contract::MESSAGE_OCTETS;

/// Calls that wait to be begun. They are few: the flow decides what a session does.
const WAITING_CALLS: usize = 16;

/// What a call returns while it runs in the instance's task.
pub(super) type Running<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

type Job<E> = Box<dyn for<'a> FnOnce(&'a Accessor<Guest>, &'a E) -> Running<'a, ()> + Send>;

/// A running instance whose exports are `E`. Dropping it ends the instance.
pub(super) struct Instance<E> {
    jobs: mpsc::Sender<Job<E>>,
    ended: watch::Receiver<Option<Fault>>,
    session: Arc<Session>,
    _task: AbortOnDropHandle<()>,
}

/// The instance has used up what it may compute without waiting.
#[derive(Debug, thiserror::Error)]
#[error("it computed for more than {0} ms without waiting for anything or moving octets (limit `cpu-burst-ms`)")]
struct Spent(u64);

impl<E: Send + Sync + 'static> Instance<E> {
    /// Start an instance; `load` finds its exports. Returns at once; a failure shows in the first call.
    pub(super) fn start(
        pulse: Pulse,
        component: InstancePre<Guest>,
        session: Arc<Session>,
        load: impl FnOnce(&mut Store<Guest>, &wasmtime::component::Instance) -> wasmtime::Result<E> + Send + 'static,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING_CALLS);
        let (ending, ended) = watch::channel(None);
        let shared = Arc::clone(&session);
        let task = tokio::spawn(async move {
            let grace = Duration::from_millis(shared.limits().stop_grace_ms);
            let meter = Arc::clone(&shared.meter);
            let running = Metered::new(meter, pulse, run(component, Arc::clone(&shared), load, waiting));
            let fault = tokio::select! {
                fault = running => fault,
                () = async { shared.stopped.cancelled().await; tokio::time::sleep(grace).await; } => {
                    tracing::warn!(account = %shared.context.account, connector = %shared.connector.id, "Did not stop when asked to; it was ended.");
                    Fault::new(Kind::Cancelled, format!("go on with {}: it was stopped", shared.connector))
                }
            };
            // Whoever still waits for an answer reads it there.
            ending.send_replace(Some(fault));
        });
        Self { jobs, ended, session, _task: AbortOnDropHandle::new(task) }
    }

    /// Run `job` in the instance's task, overlapping with others. Dropping the returned future does not end the call; dropping
    /// the instance does.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        job: impl for<'a> FnOnce(&'a Accessor<Guest>, &'a E) -> Running<'a, R> + Send + 'static,
    ) -> Result<R, Fault> {
        let (sender, receiver) = oneshot::channel();
        let job: Job<E> = Box::new(move |accessor, exports| {
            let running = job(accessor, exports);
            Box::pin(async move {
                let outcome = running.await?;
                // Nobody waits for it any more: then it does not matter.
                let _ = sender.send(outcome);
                Ok(())
            })
        });
        if self.jobs.send(job).await.is_err() {
            return Err(self.end().await);
        }
        match receiver.await {
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(self.end().await),
        }
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Ask the instance to stop; see [`ReceivingSession::stop`](super::ReceivingSession::stop).
    pub(super) fn stop(&self) {
        self.session.stopped.cancel();
    }

    /// Why the instance ended, when it has.
    async fn end(&self) -> Fault {
        let mut ended = self.ended.clone();
        let outcome = ended.wait_for(Option::is_some).await.ok().and_then(|fault| fault.clone());
        outcome.unwrap_or_else(|| Fault::new(Kind::Cancelled, format!("go on with {}: it was stopped", self.session.connector)))
    }
}

/// Run one instance until it fails, is asked to stop and has nothing left to do, or nobody can call it any more.
async fn run<E: Send + Sync + 'static>(
    component: InstancePre<Guest>,
    session: Arc<Session>,
    load: impl FnOnce(&mut Store<Guest>, &wasmtime::component::Instance) -> wasmtime::Result<E>,
    waiting: mpsc::Receiver<Job<E>>,
) -> Fault {
    let mut store = store(component.engine(), Arc::clone(&session));
    match drive(&mut store, component, &session, load, waiting).await {
        Ok(()) => Fault::new(Kind::Cancelled, format!("go on with {}: it was stopped", session.connector)),
        Err(error) => fault(&session, store.data().bounds.refused(), &error),
    }
}

fn store(engine: &wasmtime::Engine, session: Arc<Session>) -> Store<Guest> {
    let limits = session.limits();
    let handles = usize::try_from(limits.handles).unwrap_or(usize::MAX);
    let mut table = ResourceTable::new();
    table.set_max_capacity(handles);
    let guest = Guest { wasi: wasi::surroundings(&session), table, bounds: Bounds::new(limits), session: Arc::clone(&session) };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.bounds);
    store.set_max_component_handles(handles);
    store.set_hostcall_fuel(CALL_OCTETS);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| match session.meter.judge() {
        Verdict::GoOn => Ok(UpdateDeadline::Yield(1)),
        Verdict::Hold(time) => Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::time::sleep(time)))),
        Verdict::Spent => Err(wasmtime::Error::from(Spent(session.limits().cpu_burst_ms))),
    });
    store
}

async fn drive<E: Send + Sync + 'static>(
    store: &mut Store<Guest>,
    component: InstancePre<Guest>,
    session: &Session,
    load: impl FnOnce(&mut Store<Guest>, &wasmtime::component::Instance) -> wasmtime::Result<E>,
    mut waiting: mpsc::Receiver<Job<E>>,
) -> wasmtime::Result<()> {
    let instance = component.instantiate_async(&mut *store).await?;
    let exports = load(store, &instance)?;
    store
        .run_concurrent(async |accessor| {
            let mut running = FuturesUnordered::new();
            loop {
                tokio::select! {
                    // What was asked before the stop is begun, and told that it is over.
                    biased;
                    Some(outcome) = running.next() => outcome?,
                    job = waiting.recv() => match job {
                        Some(job) => running.push(job(accessor, &exports)),
                        None => return Ok(()),
                    },
                    () = session.stopped.cancelled(), if running.is_empty() => return Ok(()),
                }
            }
        })
        .await?
}

/// What ended the instance, in words: what it was refused, or the error's chain with the functions it came through.
fn fault(session: &Session, refused: Option<&str>, error: &wasmtime::Error) -> Fault {
    let mut words = match refused {
        Some(refused) => refused.to_owned(),
        None => chain(error),
    };
    // wasmtime has no type for this one.
    if words.contains("store handle limit exceeded") {
        words = format!("it wanted to hold more than {} things at once (limit `handles`)", session.limits().handles);
    }
    if let Some(trace) = error.downcast_ref::<wasmtime::WasmBacktrace>() {
        let names: Vec<_> = trace.frames().iter().filter_map(|frame| frame.func_name()).take(FRAMES.get()).collect();
        if !names.is_empty() {
            words.push_str(" (in ");
            words.push_str(&names.join(" < "));
            words.push(')');
        }
    }
    let last = session.last_words();
    if !last.is_empty() {
        words.push_str("; its last words were: ");
        words.push_str(&last);
    }
    let operation = format!("run {} for account {}", session.connector, session.context.account);
    Fault::new(Kind::ConnectorFailed, operation).because_words(words)
}

/// The error's causes in a line, without the addresses of its backtrace.
fn chain(error: &wasmtime::Error) -> String {
    let links = error.chain().map(ToString::to_string).filter(|link| !link.starts_with("error while executing at wasm backtrace"));
    contract::escaped(contract::shortened(&links.collect::<Vec<_>>().join(": "), MESSAGE_OCTETS))
}

/// Functions named in a failure.
const FRAMES: NonZeroUsize = NonZeroUsize::new(8).unwrap();
