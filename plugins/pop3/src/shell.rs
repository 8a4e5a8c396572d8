//! The session that the contract asks for: settings in, machines run on one line after the other, answers out. Between two calls there is no
//! line, so that the maildrop is free for others.

use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use postrider_connector::bindings::receiver::exports::postrider::receiving::receiving::{Guest, GuestSession, Session as Handle};
use postrider_connector::bindings::receiver::postrider::runtime::runtime;
use postrider_connector::bindings::receiver::postrider::transport::transport::Connection;
use postrider_connector::machine::Machine;
use postrider_connector::pump::{self, Surroundings};
use postrider_connector::settings;
use postrider_connector::turn::Turn;
use postrider_connector::types::{Error, Failure, Folder, FutureReader, Item, Level, Outcome, StreamReader};

use crate::delete::Delete;
use crate::fetch::FetchMessage;
use crate::leave::Leave;
use crate::limits::{Limits, SESSIONS};
use crate::pace::{self, Pace};
use crate::session::Session;
use crate::settings::Settings;
use crate::sync::{FOLDER, Sync};

/// The endpoint that the manifest declares.
const ENDPOINT: &str = "receive";

struct Component;

impl Guest for Component {
    type Session = Maildrop;
}

postrider_connector::export_receiver!(Component);

/// The account's maildrop, one call after the other. Shared with the message that is being fetched after its call has returned.
struct Maildrop(Rc<Shared>);

struct Shared {
    turn: Turn<Held>,
    settings: Settings,
}

/// What a call has while it is its turn.
struct Held {
    /// None only while it is replaced.
    session: Option<Session>,
    /// None: the next call begins a line.
    line: Option<Connection>,
    /// The last sign-in.
    signed_in: Instant,
}

impl Held {
    /// A line for the next conversation: the one that there is, or a new one, at the server's pace.
    async fn line(&mut self) -> Result<(&mut Session, &Connection), Error> {
        if self.line.is_none() {
            match pace::before_sign_in(self.login_delay(), self.since_sign_in()) {
                Pace::Wait(0) => {}
                Pace::Wait(ms) => runtime::sleep(ms).await,
                Pace::Refuse(error) => return Err(error),
            }
            let most = self.session.as_ref().map_or(0, |session| session.settings.lock_wait_seconds);
            let (connection, capabilities) = begin(most).await?;
            self.signed_in = Instant::now();
            self.session = self.session.take().map(|session| session.next(&capabilities));
            self.line = Some(connection);
        }
        match (&mut self.session, &self.line) {
            (Some(session), Some(line)) => Ok((session, line)),
            _ => Err(Error::new(Failure::Malformed, "the session has no line: a fault of the connector")),
        }
    }

    /// Run the machine that `make` gives; after a failure the line is closed, so that nothing that was marked is deleted.
    async fn run<T>(&mut self, converse: impl AsyncFnOnce(&mut Session, Surroundings<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let (session, connection) = self.line().await?;
        let around = Surroundings { connection, wanted: pin!(pending()), time_up: pin!(pending()) };
        let result = converse(session, around).await;
        result.map_err(|error| {
            self.line = None;
            pace::after_failure(error, self.login_delay(), self.since_sign_in())
        })
    }

    /// Say goodbye, if there is somebody.
    async fn leave(&mut self) {
        if let (Some(session), Some(connection)) = (&mut self.session, self.line.take())
            && let Some(mut leave) = Leave::new(session)
        {
            let around = Surroundings { connection: &connection, wanted: pin!(pending()), time_up: pin!(pending()) };
            // The line is closed whatever comes of this.
            let _ = pump::run(&mut leave, around).await;
        }
    }

    /// Seconds.
    fn login_delay(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.capabilities.login_delay())
    }

    /// Milliseconds.
    fn since_sign_in(&self) -> u64 {
        u64::try_from(self.signed_in.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Begin a line. A maildrop that another session has locked is waited for, at most `lock_wait` seconds.
async fn begin(lock_wait: u64) -> Result<(Connection, Vec<String>), Error> {
    let mut attempt = 0;
    loop {
        match Connection::open(ENDPOINT.to_owned()).await {
            Ok((connection, opening)) => return Ok((connection, opening.capabilities)),
            Err(error) => match pace::after_refusal(&error, attempt, lock_wait) {
                Some(ms) => {
                    runtime::log(Level::Info, "another session has the maildrop: it is tried again");
                    runtime::sleep(ms).await;
                    attempt += 1;
                }
                None => return Err(error),
            },
        }
    }
}

/// Run a machine that ends by itself.
async fn machine<M: Machine>(mut machine: M, around: Surroundings<'_>) -> Result<M::Output, Error> {
    pump::run(&mut machine, around).await
}

fn unsupported(what: &str) -> Error {
    Error::new(Failure::Unsupported, format!("POP3 cannot {what}"))
}

fn check_folder(folder: Option<&str>) -> Result<(), Error> {
    match folder {
        None | Some(FOLDER) => Ok(()),
        Some(other) => Err(Error::new(Failure::Gone, format!("there is no folder `{other}`: a maildrop has one, `{FOLDER}`"))),
    }
}

impl GuestSession for Maildrop {
    async fn open(settings: String) -> Result<Handle, Error> {
        let settings = settings::from_json::<Settings>(&settings)?;
        let (connection, capabilities) = begin(settings.lock_wait_seconds).await?;
        let session = Session::new(&capabilities, settings.clone(), Limits::default());
        let held = Held { session: Some(session), line: Some(connection), signed_in: Instant::now() };
        Ok(Handle::new(Self(Rc::new(Shared { turn: Turn::new(held), settings }))))
    }

    fn abilities(&self) -> Vec<String> {
        vec!["delete".to_owned(), "leave-copy".to_owned()]
    }

    async fn folders(&self, after: Option<String>, _max: u32) -> Result<Vec<Folder>, Error> {
        if after.is_some() {
            return Ok(Vec::new());
        }
        let folder = Folder {
            id: FOLDER.to_owned(),
            path: vec![FOLDER.to_owned()],
            role: Some("inbox".to_owned()),
            selectable: true,
            extra: Vec::new(),
        };
        Ok(vec![folder])
    }

    async fn sync(&self, folder: Option<String>, mut cursor: Option<Vec<u8>>) -> Result<(), Error> {
        check_folder(folder.as_deref())?;
        let mut held = self.0.turn.take().await;
        for _ in 0..SESSIONS {
            let before = cursor.take();
            let synced = held.run(async |session, around| machine(Sync::new(session, before.as_deref()), around).await).await?;
            if synced.is_line_over {
                held.line = None;
            } else {
                held.leave().await;
            }
            if !synced.has_more {
                break;
            }
            cursor = Some(synced.cursor);
        }
        Ok(())
    }

    async fn watch(&self, folders: Vec<String>, timeout_ms: u64) -> Result<Vec<String>, Error> {
        let (delay, since) = {
            let held = self.0.turn.take().await;
            (held.login_delay(), held.since_sign_in())
        };
        let wait = pace::until_next_look(self.0.settings.poll_seconds, delay, since);
        runtime::sleep(wait.min(timeout_ms)).await;
        Ok(if wait <= timeout_ms { folders } else { Vec::new() })
    }

    async fn set_keywords(&self, _: Option<String>, _: Vec<String>, _: Vec<String>, _: Vec<String>) -> Result<Vec<Outcome>, Error> {
        Err(unsupported("change keywords"))
    }

    async fn move_(&self, _: Option<String>, _: Vec<String>, _: String) -> Result<Vec<Outcome>, Error> {
        Err(unsupported("move messages"))
    }

    async fn delete(&self, folder: Option<String>, ids: Vec<String>) -> Result<Vec<Outcome>, Error> {
        check_folder(folder.as_deref())?;
        let mut held = self.0.turn.take().await;
        let outcomes = held.run(async |session, around| machine(Delete::new(session, ids), around).await).await?;
        held.line = None;
        Ok(outcomes)
    }

    async fn append(&self, _: String, _: Item, _: StreamReader<u8>) -> Result<Option<String>, Error> {
        Err(unsupported("store messages"))
    }

    async fn fetch(&self, folder: Option<String>, id: String) -> Result<(StreamReader<u8>, FutureReader<Result<u64, Error>>), Error> {
        check_folder(folder.as_deref())?;
        let shared = Rc::clone(&self.0);
        pump::give(async move |outlet| {
            let mut held = shared.turn.take().await;
            let converse = async |session: &mut Session, around: Surroundings<'_>| {
                pump::run_giving(&mut FetchMessage::new(session, &id)?, around, outlet).await
            };
            let octets = held.run(converse).await?;
            held.leave().await;
            Ok(octets)
        })
        .await
    }

    async fn close(&self) {
        let mut held = self.0.turn.take().await;
        held.leave().await;
    }
}
