//! The contract: a session on one line. Not a word of the protocol.

use std::future::pending;
use std::pin::pin;

use postrider_connector::bindings::receiver::exports::postrider::receiving::receiving::{Guest, GuestSession, Session as Handle};
use postrider_connector::bindings::receiver::postrider::runtime::runtime;
use postrider_connector::bindings::receiver::postrider::transport::transport::Connection;
use postrider_connector::pump::{self, Surroundings};
use postrider_connector::settings;
use postrider_connector::turn::Turn;
use postrider_connector::types::{Error, Failure, Folder, FutureReader, Item, Outcome, StreamReader};

use crate::receive::{FOLDER, Receive};
use crate::settings::Settings;

/// The endpoint that the manifest declares.
const ENDPOINT: &str = "receive";

struct Component;

impl Guest for Component {
    type Session = Session;
}

postrider_connector::export_receiver!(Component);

/// A signed-in line. Calls on it overlap, so they take turns; it holds why the line is not to be used again.
struct Session {
    settings: Settings,
    connection: Connection,
    turn: Turn<Option<Error>>,
}

impl GuestSession for Session {
    async fn open(settings: String) -> Result<Handle, Error> {
        let settings = settings::from_json(&settings)?;
        let (connection, _opening) = Connection::open(ENDPOINT.to_owned()).await?;
        Ok(Handle::new(Self { settings, connection, turn: Turn::new(None) }))
    }

    fn abilities(&self) -> Vec<String> {
        Vec::new()
    }

    async fn folders(&self, after: Option<String>, _: u32) -> Result<Vec<Folder>, Error> {
        let inbox = Folder {
            id: FOLDER.to_owned(),
            path: vec!["Inbox".to_owned()],
            role: Some("inbox".to_owned()),
            selectable: true,
            extra: Vec::new(),
        };
        Ok(if after.is_none() { vec![inbox] } else { Vec::new() })
    }

    async fn sync(&self, _: Option<String>, _: Option<Vec<u8>>) -> Result<(), Error> {
        let mut broken = self.turn.take().await;
        if let Some(error) = &*broken {
            return Err(error.clone());
        }
        let around = Surroundings { connection: &self.connection, wanted: pin!(self.turn.wanted()), time_up: pin!(pending()) };
        let outcome = pump::run(&mut Receive::new(&self.settings), around).await;
        // What is outstanding on the line is not known any more.
        *broken = outcome.as_ref().err().cloned();
        outcome
    }

    /// A maildrop shows what is new to a new session only (RFC 1939 section 8): there is nothing to see on this one.
    async fn watch(&self, _: Vec<String>, timeout_ms: u64) -> Result<Vec<String>, Error> {
        runtime::sleep(timeout_ms).await;
        Ok(Vec::new())
    }

    async fn set_keywords(&self, _: Option<String>, _: Vec<String>, _: Vec<String>, _: Vec<String>) -> Result<Vec<Outcome>, Error> {
        Err(unsupported("set keywords"))
    }

    async fn move_(&self, _: Option<String>, _: Vec<String>, _: String) -> Result<Vec<Outcome>, Error> {
        Err(unsupported("move messages"))
    }

    async fn delete(&self, _: Option<String>, _: Vec<String>) -> Result<Vec<Outcome>, Error> {
        Err(unsupported("delete messages"))
    }

    async fn append(&self, _: String, _: Item, _: StreamReader<u8>) -> Result<Option<String>, Error> {
        Err(unsupported("store messages"))
    }

    async fn fetch(&self, _: Option<String>, _: String) -> Result<(StreamReader<u8>, FutureReader<Result<u64, Error>>), Error> {
        Err(unsupported("fetch a message again"))
    }

    async fn close(&self) {
        let broken = self.turn.take().await;
        if broken.is_none() {
            // The host closes the line in any case.
            let _ = self.connection.write(b"QUIT\r\n".to_vec()).await;
        }
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(Failure::Unsupported, format!("this connector cannot {what}"))
}
