//! A session that receives: `postrider:receiving` as the host calls it. Every answer of the component is measured before it is used.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wasmtime::Store;
use wasmtime::component::{InstancePre, StreamReader};

use super::bindings::receiving::{Guest as Exports, GuestIndices, Item, Outcome as WitOutcome};
use super::bindings::types::Error;
use super::contract;
use super::handle::Handle;
use super::host::Guest;
use super::session::Session;
use super::streams::{self, Octets, Produced};
use super::ticker::Pulse;
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::limits::contract::{FOLDERS_PER_PAGE, ID_OCTETS};
use crate::model::message::{Folder, Outcome};

/// A signed-in session that receives. Calls may overlap. Dropping it ends the instance at once, whatever it is doing.
pub struct ReceivingSession {
    handle: Handle<Exports>,
}

/// A message to be stored on the server.
pub struct Appended {
    /// The exact number of octets.
    pub size: u64,
    /// Flags and keywords that it shall have.
    pub keywords: Vec<String>,
    /// When it was received; none: now.
    pub received: Option<Timestamp>,
    /// The octets.
    pub octets: Octets,
}

/// The octets of one message on their way from the server. Dropping it early is no error.
#[derive(Debug)]
pub struct Fetched {
    octets: mpsc::Receiver<bytes::Bytes>,
    finished: oneshot::Receiver<Result<u64, Error>>,
    count: u64,
    most: u64,
    operation: String,
}

impl ReceivingSession {
    pub(super) async fn open(
        pulse: Pulse,
        component: InstancePre<Guest>,
        indices: GuestIndices,
        session: Arc<Session>,
    ) -> Result<Self, Fault> {
        let load = move |store: &mut Store<Guest>, instance: &wasmtime::component::Instance| indices.load(store, instance);
        Handle::open(pulse, component, session, load, |accessor, exports, settings| {
            Box::pin(async move { exports.session().call_open(accessor, settings).await })
        })
        .await
        .map(|handle| Self { handle })
    }

    /// What the server can do now: "push", "move", ...
    ///
    /// # Errors
    /// `ConnectorFailed` or `Cancelled` where the instance has ended.
    pub async fn abilities(&self) -> Result<Vec<String>, Fault> {
        self.handle
            .abilities(|accessor, exports, session| {
                Box::pin(async move { Ok(Ok(exports.session().call_abilities(accessor, session).await?)) })
            })
            .await
    }

    /// Every folder, in the connector's order.
    ///
    /// # Errors
    /// What the component reports; `TooLarge` beyond the account's `folders`; `ConnectorFailed` for a listing that does not end.
    pub async fn folders(&self) -> Result<Vec<Folder>, Fault> {
        let most = usize::try_from(self.handle.session().limits().folders).unwrap_or(usize::MAX);
        let operation = || self.handle.operation("list the folders");
        let mut folders: Vec<Folder> = Vec::new();
        loop {
            let after = folders.last().map(|folder| folder.id.clone());
            let page = self
                .handle
                .call(operation(), |accessor, exports, session| {
                    Box::pin(async move { exports.session().call_folders(accessor, session, after, FOLDERS_PER_PAGE).await })
                })
                .await?;
            if page.is_empty() {
                return Ok(folders);
            }
            contract::at_most("a page of folders", page.len(), usize::try_from(FOLDERS_PER_PAGE).unwrap_or(usize::MAX))
                .map_err(|breach| self.handle.broken(&breach, operation()))?;
            if folders.len() + page.len() > most {
                return Err(Fault::new(Kind::TooLarge, operation())
                    .because_words(format!("there are more than {most} (limit `folders`)"))
                    .with_remedy("raise the limit: `--set limit.folders=`"));
            }
            for folder in page {
                folders.push(contract::folder(folder).map_err(|breach| self.handle.broken(&breach, operation()))?);
            }
        }
    }

    /// Bring the mailroom up to date, from the cursor of the last checkpoint. No folder: the whole account. Dropping the returned
    /// future does not end the call; [`stop`](Self::stop) does.
    ///
    /// # Errors
    /// What the component reports; `ConnectorFailed` where it traps, overspends, hangs or breaks the contract.
    pub async fn sync(&self, folder: Option<&str>, cursor: Option<Vec<u8>>) -> Result<(), Fault> {
        let operation = match folder {
            Some(folder) => self.handle.operation(&format!("receive folder `{}`", contract::escaped(folder))),
            None => self.handle.operation("receive"),
        };
        let folder = folder.map(str::to_owned);
        self.handle
            .call(operation, |accessor, exports, session| {
                Box::pin(async move { exports.session().call_sync(accessor, session, folder, cursor).await })
            })
            .await
    }

    /// Wait until one of `folders` may have changed; those that may, none when `limit` is over.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub async fn watch(&self, folders: Vec<String>, limit: Duration) -> Result<Vec<String>, Fault> {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let asked = folders.clone();
        let mut changed = self
            .handle
            .wait(self.handle.operation("watch for changes"), move |accessor, exports, session| {
                Box::pin(async move { exports.session().call_watch(accessor, session, folders, limit).await })
            })
            .await?;
        // Nobody asked for others, and they would be synchronised unasked.
        changed.retain(|folder| asked.contains(folder));
        changed.dedup();
        Ok(changed)
    }

    /// Add and remove flags and keywords; one outcome an id, in order.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub async fn set_keywords(
        &self,
        folder: Option<String>,
        ids: Vec<String>,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> Result<Vec<Outcome>, Fault> {
        let (operation, asked) = (self.handle.operation("set keywords"), ids.clone());
        let outcomes = self
            .handle
            .call(operation.clone(), |accessor, exports, session| {
                Box::pin(async move { exports.session().call_set_keywords(accessor, session, folder, ids, add, remove).await })
            })
            .await?;
        self.outcomes(&asked, outcomes, &operation)
    }

    /// Move messages to another folder; one outcome an id, in order.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub async fn move_(&self, folder: Option<String>, ids: Vec<String>, target: String) -> Result<Vec<Outcome>, Fault> {
        let (operation, asked) = (self.handle.operation("move messages"), ids.clone());
        let outcomes = self
            .handle
            .call(operation.clone(), |accessor, exports, session| {
                Box::pin(async move { exports.session().call_move(accessor, session, folder, ids, target).await })
            })
            .await?;
        self.outcomes(&asked, outcomes, &operation)
    }

    /// Delete messages on the server for good; one outcome an id, in order. Only ids that may be lost there.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub async fn delete(&self, folder: Option<String>, ids: Vec<String>) -> Result<Vec<Outcome>, Fault> {
        let (operation, asked) = (self.handle.operation("delete messages"), ids.clone());
        let outcomes = self
            .handle
            .call(operation.clone(), |accessor, exports, session| {
                Box::pin(async move { exports.session().call_delete(accessor, session, folder, ids).await })
            })
            .await?;
        self.outcomes(&asked, outcomes, &operation)
    }

    /// Store a message in a folder; its id there, where the server tells.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub async fn append(&self, folder: String, message: Appended) -> Result<Option<String>, Fault> {
        let Appended { size, keywords, received, octets } = message;
        let item = Item { size, keywords, received: received.map(|at| at.0) };
        let meter = Arc::clone(&self.handle.session().meter);
        let operation = self.handle.operation("store a message on the server");
        let id = self
            .handle
            .call(operation.clone(), |accessor, exports, session| {
                Box::pin(async move {
                    let octets = accessor.with(|store| StreamReader::new(store, Produced::new(octets, meter).0))?;
                    exports.session().call_append(accessor, session, folder, item, octets).await
                })
            })
            .await?;
        if let Some(id) = &id {
            contract::id(id).map_err(|breach| self.handle.broken(&breach, operation))?;
        }
        Ok(id)
    }

    /// The octets of one message again.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub async fn fetch(&self, folder: Option<String>, id: String) -> Result<Fetched, Fault> {
        let operation = self.handle.operation("fetch a message again");
        let (octets, finished) = self
            .handle
            .call(operation.clone(), |accessor, exports, session| {
                Box::pin(async move {
                    Ok(match exports.session().call_fetch(accessor, session, folder, id).await? {
                        Ok((octets, finished)) => Ok((streams::pieces(accessor, octets)?, streams::value(accessor, finished)?)),
                        Err(error) => Err(error),
                    })
                })
            })
            .await?;
        Ok(Fetched { octets, finished, count: 0, most: self.handle.session().limits().message_octets, operation })
    }

    /// Say goodbye to the server, and end. A component that takes longer than `stop-grace-ms` is not waited for.
    pub async fn close(self) {
        self.handle
            .close(|accessor, exports, session| Box::pin(async move { exports.session().call_close(accessor, session).await }))
            .await;
    }

    /// Ask the session to stop: every pending import answers `cancelled`, no further one does anything, and after
    /// `stop-grace-ms` the instance is dropped. Returns at once; calls under way return.
    pub fn stop(&self) {
        self.handle.stop();
    }

    /// CPU that the session has used: the component's and the host's on its behalf.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.handle.session().meter.used()
    }

    fn outcomes(&self, asked: &[String], outcomes: Vec<WitOutcome>, operation: &str) -> Result<Vec<Outcome>, Fault> {
        if outcomes.len() != asked.len() || outcomes.iter().zip(asked).any(|(outcome, id)| outcome.id != *id) {
            let cause = format!("{} answered for other ids than it was asked", self.handle.session().connector);
            return Err(Fault::new(Kind::ConnectorFailed, operation).because_words(cause));
        }
        outcomes
            .into_iter()
            .map(|WitOutcome { id, moved_to, failed }| {
                if let Some(id) = &moved_to {
                    contract::at_most("an id (in octets)", id.len(), ID_OCTETS)
                        .map_err(|breach| self.handle.broken(&breach, operation.to_owned()))?;
                }
                Ok(Outcome { id, moved_to, failed: failed.map(|error| contract::fault_of_component(&error, operation)) })
            })
            .collect()
    }
}

impl Fetched {
    /// The next piece; none at the end, when all of it has come.
    ///
    /// # Errors
    /// Why the octets were cut short; `TooLarge` beyond the account's `message-octets`; `ConnectorFailed` where the number of
    /// octets is not the announced one.
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>, Fault> {
        if let Some(piece) = self.octets.recv().await {
            self.count = self.count.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if self.count > self.most {
                let cause = format!("it has more than {} octets (limit `message-octets`)", self.most);
                return Err(Fault::new(Kind::TooLarge, self.operation.clone()).because_words(cause));
            }
            return Ok(Some(piece));
        }
        let failed = |cause: String| Fault::new(Kind::ConnectorFailed, self.operation.clone()).because_words(cause);
        match (&mut self.finished).await {
            Ok(Ok(announced)) if announced == self.count => Ok(None),
            Ok(Ok(announced)) => Err(failed(format!("{} octets came and {announced} were announced", self.count))),
            Ok(Err(error)) => Err(contract::fault_of_component(&error, self.operation.clone())),
            Err(_) => Err(failed("nothing says whether the octets are whole".to_owned())),
        }
    }
}
