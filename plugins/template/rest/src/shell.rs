//! The contract: a session of one account. Not a word of the service.

use postrider_connector::bindings::receiver::exports::postrider::receiving::receiving::{Guest, GuestSession, Session as Handle};
use postrider_connector::bindings::receiver::postrider::runtime::runtime;
use postrider_connector::rest::ComponentHost;
use postrider_connector::settings;
use postrider_connector::types::{Error, Failure, Folder, FutureReader, Item, Outcome, StreamReader};

use crate::receive::{self, FOLDER};
use crate::settings::Settings;

struct Component;

impl Guest for Component {
    type Session = Session;
}

postrider_connector::export_receiver!(Component);

/// A session. Its calls may overlap: nothing in it changes.
struct Session {
    settings: Settings,
}

impl GuestSession for Session {
    async fn open(settings: String) -> Result<Handle, Error> {
        Ok(Handle::new(Self { settings: settings::from_json(&settings)? }))
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
        receive::receive(&ComponentHost, &self.settings).await
    }

    /// The service cannot push: after a while, all may have changed.
    async fn watch(&self, folders: Vec<String>, timeout_ms: u64) -> Result<Vec<String>, Error> {
        let pause_ms = self.settings.poll_seconds.saturating_mul(1_000);
        runtime::sleep(pause_ms.min(timeout_ms)).await;
        Ok(if pause_ms <= timeout_ms { folders } else { Vec::new() })
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

    async fn close(&self) {}
}

fn unsupported(what: &str) -> Error {
    Error::new(Failure::Unsupported, format!("this connector cannot {what}"))
}
