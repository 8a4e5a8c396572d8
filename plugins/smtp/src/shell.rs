//! The session that the contract asks for: one line that serves one message after the other, calls taking turns.

use std::cell::Cell;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;

use postrider_connector::bindings::receiver::postrider::runtime::runtime;
use postrider_connector::bindings::receiver::postrider::transport::transport::Connection;
use postrider_connector::bindings::sender::exports::postrider::sending::sending::{Guest, GuestSession, Session as Handle};
use postrider_connector::pump::{self, Brought, Surroundings};
use postrider_connector::settings;
use postrider_connector::turn::Turn;
use postrider_connector::types::{Envelope, Error, StreamReader, Verdict};

use crate::leave::Leave;
use crate::mailing::Mailing;
use crate::send::{Send, Sent};
use crate::session::{Dialect, Session};
use crate::settings::Settings;

/// The endpoint that the manifest declares.
const ENDPOINT: &str = "send";

/// Both packages are made of this: see `plugins/lmtp/Cargo.toml`.
const DIALECT: Dialect = if is_lmtp(env!("CARGO_PKG_NAME")) { Dialect::Lmtp } else { Dialect::Smtp };

struct Component;

impl Guest for Component {
    type Session = Sender;
}

postrider_connector::export_sender!(Component);

/// The account's way out.
struct Sender(Rc<Shared>);

struct Shared {
    turn: Turn<Held>,
    settings: Settings,
    abilities: Vec<String>,
    /// Calls so far: whoever waits for the line to be idle sees whether it was.
    calls: Cell<u64>,
    /// Somebody waits for the line to be idle.
    is_watched: Cell<bool>,
}

/// What a call has while it is its turn; none: the next call begins a line.
struct Held(Option<Line>);

struct Line {
    connection: Connection,
    session: Session,
}

impl Line {
    async fn begin(settings: &Settings) -> Result<Self, Error> {
        let (connection, opening) = Connection::open(ENDPOINT.to_owned()).await?;
        Ok(Self { connection, session: Session::new(DIALECT, &opening.capabilities, settings.clone()) })
    }

    /// Say goodbye, if the server would understand it.
    async fn leave(mut self) {
        if let Some(mut leave) = Leave::new(&mut self.session) {
            let around = Surroundings { connection: &self.connection, wanted: pin!(pending()), time_up: pin!(pending()) };
            // The line is closed whatever comes of this.
            let _ = pump::run_sending(&mut leave, around, &Brought::none()).await;
        }
    }
}

impl Held {
    /// The line for the next message: the one that there is, or a new one.
    async fn line(&mut self, settings: &Settings) -> Result<&mut Line, Error> {
        if let Some(line) = self.0.take_if(|line| !line.session.may_go_on()) {
            line.leave().await;
        }
        match &mut self.0 {
            Some(line) => Ok(line),
            none => Ok(none.insert(Line::begin(settings).await?)),
        }
    }

    async fn send(&mut self, settings: &Settings, mailing: &mut Mailing, octets: &Brought) -> Result<Vec<Verdict>, Error> {
        loop {
            let Line { connection, session } = match self.line(settings).await {
                Ok(line) => line,
                Err(error) if mailing.has_mark() => return Ok(mailing.verdicts(&error)),
                Err(error) => return Err(error),
            };
            let around = Surroundings { connection, wanted: pin!(pending()), time_up: pin!(pending()) };
            let result = pump::run_sending(&mut Send::new(session, mailing), around, octets).await;
            if session.is_broken {
                self.0 = None;
            }
            match result {
                Ok(Sent::Verdicts(_)) if mailing.begin_next() => {}
                Ok(Sent::Verdicts(verdicts)) => return Ok(verdicts),
                // Only a line that had served before is given up like this: the next one is new.
                Ok(Sent::Stale) => self.0 = None,
                Err(error) => {
                    self.0 = self.0.take().filter(|line| line.session.outstanding() == 0);
                    // The host has its mark: an error would mean that nobody got it.
                    return if mailing.has_mark() { Ok(mailing.verdicts(&error)) } else { Err(error) };
                }
            }
        }
    }
}

impl Shared {
    /// End the line when no call has used it for a while.
    fn watch(self: Rc<Self>) {
        if self.is_watched.replace(true) {
            return;
        }
        wit_bindgen::spawn_local(async move {
            loop {
                let before = self.calls.get();
                runtime::sleep(self.settings.idle_seconds * 1_000).await;
                // A call that is under way ends first, and counts.
                let mut held = self.turn.take().await;
                if self.calls.get() == before {
                    self.is_watched.set(false);
                    if let Some(line) = held.0.take() {
                        line.leave().await;
                    }
                    return;
                }
            }
        });
    }
}

impl GuestSession for Sender {
    async fn open(settings: String) -> Result<Handle, Error> {
        let settings = settings::from_json::<Settings>(&settings)?;
        let line = Line::begin(&settings).await?;
        let abilities = line.session.offer.abilities();
        let turn = Turn::new(Held(Some(line)));
        let shared = Rc::new(Shared { turn, settings, abilities, calls: Cell::new(0), is_watched: Cell::new(false) });
        // A line that nobody uses is ended, too.
        Rc::clone(&shared).watch();
        Ok(Handle::new(Self(shared)))
    }

    fn abilities(&self) -> Vec<String> {
        self.0.abilities.clone()
    }

    async fn send(&self, envelope: Envelope, octets: StreamReader<u8>) -> Result<Vec<Verdict>, Error> {
        let mut mailing = Mailing::new(envelope)?;
        let octets = Brought::new(octets);
        let mut held = self.0.turn.take().await;
        self.0.calls.set(self.0.calls.get() + 1);
        let result = held.send(&self.0.settings, &mut mailing, &octets).await;
        self.0.calls.set(self.0.calls.get() + 1);
        Rc::clone(&self.0).watch();
        result
    }

    async fn close(&self) {
        let line = self.0.turn.take().await.0.take();
        if let Some(line) = line {
            line.leave().await;
        }
    }
}

/// Whether the package is the one for LMTP.
const fn is_lmtp(package: &str) -> bool {
    matches!(package.as_bytes(), b"postrider-lmtp")
}
