//! The session that the contract asks for, on one line: settings in, machines run, answers out.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use postrider_connector::bindings::receiver::exports::postrider::receiving::receiving::{Guest, GuestSession, Session as Handle};
use postrider_connector::bindings::receiver::postrider::runtime::runtime;
use postrider_connector::bindings::receiver::postrider::state::state;
use postrider_connector::bindings::receiver::postrider::transport::transport::Connection;
use postrider_connector::machine::Machine;
use postrider_connector::pump::{self, Surroundings};
use postrider_connector::settings;
use postrider_connector::turn::Turn;
use postrider_connector::types::{Error, Failure, Folder, FutureReader, Item, Level, Outcome, StreamReader};

use crate::append::Append;
use crate::fetch::FetchMessage;
use crate::leave::Leave;
use crate::limits::Limits;
use crate::list::List;
use crate::mailboxes::{self, Mailboxes};
use crate::mutate::{Mutate, What};
use crate::prepare::Prepare;
use crate::session::Session;
use crate::sync::Sync;
use crate::watch::{Watch, Watched};

/// The endpoint that the manifest declares.
const ENDPOINT: &str = "receive";

struct Component;

impl Guest for Component {
    type Session = Line;
}

postrider_connector::export_receiver!(Component);

/// One line, and the conversation on it; calls take turns. Shared with the message that is being fetched after its call has returned.
#[derive(Clone)]
struct Line(Rc<Shared>);

struct Shared {
    connection: Connection,
    abilities: Vec<String>,
    turn: Turn<Held>,
}

/// What a call has while it is its turn.
struct Held {
    session: Session,
    /// Why the line is not to be used again.
    broken: Option<Error>,
    /// The folders as last listed.
    folders: Vec<Folder>,
}

impl Line {
    /// A line that is ready for any call.
    async fn begin(settings: &str) -> Result<Self, Error> {
        let settings = settings::from_json(settings)?;
        let (connection, opening) = Connection::open(ENDPOINT.to_owned()).await?;
        let mut session = Session::new(&opening.capabilities, settings, Limits::default());
        machine(Ok(Prepare::new(&mut session)), alone(&connection, pin!(pending()), pin!(pending()))).await?;
        if session.has("OBJECTID") {
            session.mailboxes = kept_mailboxes().await?;
        }
        let abilities = session.abilities();
        let held = Held { session, broken: None, folders: Vec::new() };
        Ok(Self(Rc::new(Shared { connection, abilities, turn: Turn::new(held) })))
    }

    /// Say goodbye.
    async fn end(&self) {
        let mut held = self.0.turn.take().await;
        // The host closes the line whatever comes of this.
        let _ = self.run(&mut held, pending(), async |session, around| machine(Ok(Leave::new(session)), around).await).await;
    }

    /// Run the machine that `make` gives, while it is this call's turn.
    async fn run<T>(
        &self,
        held: &mut Held,
        time_up: impl Future<Output = ()>,
        converse: impl AsyncFnOnce(&mut Session, Surroundings<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(error) = &held.broken {
            return Err(error.clone());
        }
        let around = Surroundings { connection: &self.0.connection, wanted: pin!(self.0.turn.wanted()), time_up: pin!(time_up) };
        let result = converse(&mut held.session, around).await;
        if let Err(error) = &result
            && !held.session.is_usable_after(error)
        {
            held.broken = Some(error.clone());
        }
        result
    }

    async fn mutate(&self, folder: Option<String>, ids: Vec<String>, what: What) -> Result<Vec<Outcome>, Error> {
        let folder = folder.ok_or_else(no_folder)?;
        let mut held = self.0.turn.take().await;
        self.run(&mut held, pending(), async |session, around| machine(Mutate::new(session, &folder, ids, what), around).await).await
    }
}

fn no_folder() -> Error {
    Error::new(Failure::Unsupported, "this account is received folder by folder")
}

/// Which folders mailboxes are, as former sessions left it.
async fn kept_mailboxes() -> Result<Mailboxes, Error> {
    let mut values = Vec::new();
    for number in 0..mailboxes::most_values() {
        match state::get(format!("mailboxes.{number}")).await? {
            Some(value) => values.push(value),
            None => break,
        }
    }
    Ok(Mailboxes::decode(&values))
}

/// Durable with the next checkpoint, and so before any cursor of a folder that is called otherwise.
async fn keep_mailboxes(mailboxes: &Mailboxes) -> Result<(), Error> {
    let Some(values) = mailboxes.encode() else {
        runtime::log(Level::Warn, "there are too many mailboxes to remember their ids: one that is renamed is received anew");
        return Ok(());
    };
    let count = values.len();
    for (number, value) in values.into_iter().enumerate() {
        state::put(format!("mailboxes.{number}"), Some(value)).await?;
    }
    // What a longer list left behind.
    state::put(format!("mailboxes.{count}"), None).await
}

/// A line that nobody else wants.
fn alone<'a>(
    connection: &'a Connection,
    wanted: Pin<&'a mut dyn Future<Output = ()>>,
    time_up: Pin<&'a mut dyn Future<Output = ()>>,
) -> Surroundings<'a> {
    Surroundings { connection, wanted, time_up }
}

/// Run a machine that ends by itself.
async fn machine<M: Machine>(machine: Result<M, Error>, around: Surroundings<'_>) -> Result<M::Output, Error> {
    pump::run(&mut machine?, around).await
}

impl GuestSession for Line {
    async fn open(settings: String) -> Result<Handle, Error> {
        Ok(Handle::new(Self::begin(&settings).await?))
    }

    fn abilities(&self) -> Vec<String> {
        self.0.abilities.clone()
    }

    async fn folders(&self, after: Option<String>, max: u32) -> Result<Vec<Folder>, Error> {
        let mut held = self.0.turn.take().await;
        if after.is_none() || held.folders.is_empty() {
            let former = held.session.mailboxes.clone();
            held.folders = self.run(&mut held, pending(), async |session, around| machine(Ok(List::new(session)), around).await).await?;
            if held.session.mailboxes != former {
                keep_mailboxes(&held.session.mailboxes).await?;
            }
        }
        let from = after.map_or(0, |after| held.folders.iter().position(|folder| folder.id == after).map_or(usize::MAX, |at| at + 1));
        Ok(held.folders.iter().skip(from).take(max.try_into().unwrap_or(usize::MAX)).cloned().collect())
    }

    async fn sync(&self, folder: Option<String>, cursor: Option<Vec<u8>>) -> Result<(), Error> {
        let folder = folder.ok_or_else(no_folder)?;
        let mut held = self.0.turn.take().await;
        self.run(&mut held, pending(), async |session, around| machine(Sync::new(session, &folder, cursor.as_deref()), around).await).await
    }

    async fn watch(&self, folders: Vec<String>, timeout_ms: u64) -> Result<Vec<String>, Error> {
        let is_over = Cell::new(false);
        // Never ready twice: a conversation that was left for another call goes on with the same time.
        let mut time = pin!(async {
            runtime::sleep(timeout_ms).await;
            is_over.set(true);
        });
        loop {
            let mut held = self.0.turn.take().await;
            let time_up = poll_fn(|context| if is_over.get() { Poll::Ready(()) } else { time.as_mut().poll(context) });
            let watched =
                self.run(&mut held, time_up, async |session, around| machine(Ok(Watch::new(session, &folders)), around).await).await?;
            match watched {
                Watched::Changed(changed) => return Ok(changed),
                Watched::TimeUp => return Ok(Vec::new()),
                Watched::Interrupted if is_over.get() => return Ok(Vec::new()),
                Watched::Interrupted => {}
            }
        }
    }

    async fn set_keywords(
        &self,
        folder: Option<String>,
        ids: Vec<String>,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> Result<Vec<Outcome>, Error> {
        self.mutate(folder, ids, What::Keywords { add, remove }).await
    }

    async fn move_(&self, folder: Option<String>, ids: Vec<String>, target: String) -> Result<Vec<Outcome>, Error> {
        self.mutate(folder, ids, What::Move(target)).await
    }

    async fn delete(&self, folder: Option<String>, ids: Vec<String>) -> Result<Vec<Outcome>, Error> {
        self.mutate(folder, ids, What::Delete).await
    }

    async fn append(&self, folder: String, item: Item, octets: StreamReader<u8>) -> Result<Option<String>, Error> {
        let mut held = self.0.turn.take().await;
        let converse = async |session: &mut Session, around: Surroundings<'_>| {
            pump::run_drawing(&mut Append::new(session, &folder, item)?, around, octets).await
        };
        self.run(&mut held, pending(), converse).await
    }

    async fn fetch(&self, folder: Option<String>, id: String) -> Result<(StreamReader<u8>, FutureReader<Result<u64, Error>>), Error> {
        let folder = folder.ok_or_else(no_folder)?;
        let line = self.clone();
        pump::give(async move |outlet| {
            let mut held = line.0.turn.take().await;
            let converse = async |session: &mut Session, around: Surroundings<'_>| {
                pump::run_giving(&mut FetchMessage::new(session, &folder, &id)?, around, outlet).await
            };
            line.run(&mut held, pending(), converse).await
        })
        .await
    }

    async fn close(&self) {
        self.end().await;
    }
}
