//! What every command works with: the home, ways to print, and the API, in this process or in the daemon's.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Global;
use super::output::Output;
use super::report::Report;
use super::unlock;
use crate::api::service::Service;
use crate::api::{Client, Event, Events, Execute, Reply, Request, Uploads};
use crate::connector::project::Sources;
use crate::fault::{Fault, Kind};
use crate::home::{Claim, Owner, Ownership, Paths};
use crate::store::KeySource;

/// How long a command waits for another one to let go of the home.
const HOME_WAIT: Duration = Duration::from_secs(5);

/// How often it looks.
const HOME_LOOK: Duration = Duration::from_millis(50);

/// What a command works with.
pub(super) struct Context {
    /// Where everything lies.
    pub(super) paths: Paths,
    /// For data.
    pub(super) output: Output,
    /// For words.
    pub(super) report: Report,
    /// The command without its arguments.
    words: String,
    /// Open the store with its recovery key.
    pub(super) with_recovery: bool,
    /// The files that `connector new` writes.
    pub(super) sources: Sources,
}

/// Who carries requests out.
enum Executor {
    /// The daemon.
    Daemon(Client),
    /// This process, which owns the home now.
    Own(Service),
}

impl Context {
    /// For the command called `words`.
    ///
    /// # Errors
    /// Where no home can be told.
    pub(super) fn new(global: &Global, words: String, report: Report, sources: Sources) -> Result<Self, Fault> {
        let paths = match &global.home {
            Some(home) => Paths::in_directory(home)?,
            None => Paths::of_user()?,
        };
        Ok(Self { paths, output: Output { json: global.json }, report, words, with_recovery: global.recovery, sources })
    }

    /// Carry `request` out; notes are printed, the other events go to `on_event`.
    ///
    /// # Errors
    /// What the request fails with, or what hinders the one who would carry it out.
    pub(super) async fn call(&self, request: Request, on_event: impl FnMut(Event) -> Result<(), Fault>) -> Result<Reply, Fault> {
        self.call_with(request, Uploads::none(), on_event).await
    }

    /// As [`call`](Self::call), with what is handed over to the request.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub(super) async fn call_with(
        &self,
        request: Request,
        uploads: Uploads,
        mut on_event: impl FnMut(Event) -> Result<(), Fault>,
    ) -> Result<Reply, Fault> {
        let executor = self.executor().await?;
        let stop = CancellationToken::new();
        let (events, mut queue) = Events::channel();
        let work = async {
            match executor {
                Executor::Daemon(client) => client.call(request, events, uploads, stop.clone()).await,
                Executor::Own(service) => {
                    let ended = service.execute(request, events, uploads, stop.clone()).await;
                    // Durable before anything is said to have worked.
                    let closed = service.close().await;
                    ended.and_then(|reply| closed.map(|()| reply))
                }
            }
        };
        let mut work = pin!(work);
        let mut interrupted = pin!(interrupts(&stop));
        let mut first_trouble = None;
        let ended = loop {
            tokio::select! {
                biased;
                Some(event) = queue.recv() => {
                    let taken = match event {
                        Event::Note(words) => {
                            self.report.note(&words);
                            Ok(())
                        }
                        event => on_event(event),
                    };
                    if let Err(fault) = taken && first_trouble.is_none() {
                        first_trouble = Some(fault);
                        stop.cancel();
                    }
                }
                ended = &mut work => break ended,
                fault = &mut interrupted => break Err(fault),
            }
        };
        // What stood in the queue when the work ended.
        while let Ok(event) = queue.try_recv() {
            match event {
                Event::Note(words) => self.report.note(&words),
                event if first_trouble.is_none() => first_trouble = on_event(event).err(),
                _ => {}
            }
        }
        first_trouble.map_or(ended, Err)
    }

    /// Carry `request` out; its events interest nobody but for notes.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub(super) async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        self.call(request, |_| Ok(())).await
    }

    /// Take the home over, and wait a little while another command has it.
    ///
    /// # Errors
    /// [`Kind::InUse`] with the name of the owner; the disk.
    pub(super) async fn own(&self) -> Result<Ownership, Fault> {
        let deadline = Instant::now() + HOME_WAIT;
        loop {
            match self.claim().await? {
                Claim::Owned(ownership) => return Ok(ownership),
                Claim::Held(owner) if is_daemon(owner.as_ref()) || Instant::now() >= deadline => {
                    return Err(self.paths.in_use(owner.as_ref()));
                }
                Claim::Held(_) => sleep(HOME_LOOK).await,
            }
        }
    }

    /// Open the home. Where that makes a new one, say what must not be lost.
    ///
    /// # Errors
    /// What hinders the store from being opened.
    pub(super) async fn open(&self, ownership: Ownership) -> Result<Service, Fault> {
        let source = unlock::key_source(&self.paths, self.with_recovery).await?;
        let has_key_file = matches!(source, KeySource::File(_));
        let service = Service::open(&self.paths, ownership, source).await?;
        let home = self.paths.root.display();
        if service.is_new() && has_key_file {
            let key = self.paths.master_key.display();
            self.report.note(&format!(
                "made a new home in `{home}`; keep a copy of its master key `{key}` apart from it: losing the key loses all mail"
            ));
        } else if service.is_new() {
            self.report.note(&format!("made a new home in `{home}`, sealed with the key that was given: losing it loses all mail"));
        } else if self.with_recovery {
            self.report.note("opened with the recovery key; give the store a new master key: `postrider key rekey --recovery --to KIND`");
        }
        Ok(service)
    }

    async fn executor(&self) -> Result<Executor, Fault> {
        let deadline = Instant::now() + HOME_WAIT;
        loop {
            match self.claim().await? {
                Claim::Owned(ownership) => return self.open(ownership).await.map(Executor::Own),
                Claim::Held(owner) => {
                    let client = match &owner {
                        Some(owner) => Client::connect(&self.paths, owner).await?,
                        None => None,
                    };
                    if let Some(client) = client {
                        return Ok(Executor::Daemon(client));
                    }
                    // A command that ends soon, or a daemon that is just starting or draining.
                    if Instant::now() >= deadline {
                        return Err(self.paths.in_use(owner.as_ref()));
                    }
                }
            }
            sleep(HOME_LOOK).await;
        }
    }

    async fn claim(&self) -> Result<Claim, Fault> {
        let (paths, words) = (self.paths.clone(), self.words.clone());
        let claimed = tokio::task::spawn_blocking(move || {
            paths.create()?;
            paths.claim(&words)
        });
        claimed.await.unwrap_or_else(|error| Err(Fault::new(Kind::Bug, "claim the home").because(&error)))
    }
}

/// The answer was of another kind than the request's.
pub(super) fn unexpected(reply: &Reply) -> Fault {
    tracing::debug!(?reply, "an unexpected reply");
    Fault::new(Kind::Bug, "understand the answer").because_words("it is not the one that belongs to the request")
}

/// `path` as the daemon must be told it; an empty one stays.
///
/// # Errors
/// Where the working directory cannot be told.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    if path.as_os_str().is_empty() {
        return Ok(PathBuf::new());
    }
    if path.to_str().is_none() {
        // Requests and records are JSON, which holds text only.
        return Err(Fault::new(Kind::Usage, format!("take `{}` as a path", path.display())).because_words("its name is not UTF-8"));
    }
    std::path::absolute(path).map_err(|error| Fault::new(Kind::Storage, format!("find `{}`", path.display())).because(&error))
}

/// Cancel `stop` at the first SIGINT or SIGTERM; the second one ends the wait for what is being finished.
pub(super) async fn interrupts(stop: &CancellationToken) -> Fault {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)) = signals else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            // The terminal is gone; what was begun is ended in order all the same.
            _ = hang_up.recv() => {}
        }
        if stop.is_cancelled() {
            break;
        }
        stop.cancel();
    }
    Fault::new(Kind::Cancelled, "finish what was begun").because_words("asked to stop a second time")
}

fn is_daemon(owner: Option<&Owner>) -> bool {
    owner.is_some_and(|owner| owner.command == super::run::WORDS)
}
