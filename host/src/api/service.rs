//! Carries requests out against an opened home; one file a group of requests.

mod account;
mod backup;
mod connector;
mod key;
mod message;
mod receive;
mod run;
mod send;
mod sink;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub use run::run;

use super::event::Events;
use super::reply::Reply;
use super::request::Request;
use super::server::Execute;
use super::upload::Uploads;
use crate::connector::registry::Registry;
use crate::fault::{Fault, Kind};
use crate::flow::host::{Edit, Host};
use crate::home::{Ownership, Paths};
use crate::store::{KeySource, Store};

/// An opened home, for requests. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Service(Arc<Opened>);

struct Opened {
    paths: Paths,
    host: Arc<Host>,
    /// Read, check and write go together: one change at a time.
    edits: Mutex<()>,
    is_daemon: AtomicBool,
    is_new: bool,
    _ownership: Ownership,
}

impl Service {
    /// Open the home that this process owns; an empty one becomes a new store.
    ///
    /// # Errors
    /// What hinders the store from being opened.
    pub async fn open(paths: &Paths, ownership: Ownership, keys: KeySource) -> Result<Self, Fault> {
        paths.look_for_store()?;
        let is_new = !paths.store.join("format").exists();
        let store = Store::open(&paths.store, keys).await?;
        let noted = paths.clone();
        tokio::task::spawn_blocking(move || noted.note_store())
            .await
            .map_err(|error| Fault::new(Kind::Bug, "note the store").because(&error))??;
        let registry = Arc::new(Registry::new(paths.connectors.clone(), Registry::shipped_folders()));
        let host = Arc::new(Host::new(store, registry, paths.cache.clone()));
        let opened =
            Opened { paths: paths.clone(), host, edits: Mutex::new(()), is_daemon: AtomicBool::new(false), is_new, _ownership: ownership };
        Ok(Self(Arc::new(opened)))
    }

    /// Make everything durable and close the store; requests that are still being carried out fail.
    ///
    /// # Errors
    /// The store's.
    pub async fn close(&self) -> Result<(), Fault> {
        Ok(self.0.host.store.clone().close().await?)
    }

    /// Whether the home has just been made, and with it a master key that somebody should keep a copy of.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.0.is_new
    }

    fn host(&self) -> &Arc<Host> {
        &self.0.host
    }

    fn store(&self) -> &Store {
        &self.0.host.store
    }

    fn is_daemon(&self) -> bool {
        self.0.is_daemon.load(Ordering::Relaxed)
    }

    /// A request that changes something. Short, and always carried to its end: it is never known to have half happened.
    async fn change(self, request: Request, events: Events) -> Result<Reply, Fault> {
        let _edits = self.0.edits.lock().await;
        let edit = edited(&request);
        let reply = match request {
            Request::ConnectorInstall { file } => self.connector_install(file).await,
            Request::ConnectorApprove { id } => self.connector_approve(id).await,
            Request::ConnectorRemove { id } => self.connector_remove(id).await,
            Request::AccountAdd { name, change } => self.account_add(name, *change).await,
            Request::AccountEdit { name, change } => self.account_edit(name, *change).await,
            Request::AccountRemove { name } => self.account_remove(name, &events).await,
            Request::SinkAdd { name, maildir, accounts, line_endings, keep } => {
                self.sink_add(name, maildir, accounts, line_endings, keep).await
            }
            Request::SinkEdit { name, keep } => self.sink_edit(name, keep).await,
            Request::SinkRemove { name } => self.sink_remove(name).await,
            other => return Err(Fault::new(Kind::Bug, "change the home").because_words(format!("{other:?} changes nothing"))),
        }?;
        if let Some(edit) = edit {
            self.host().note_edit(edit);
        }
        Ok(reply)
    }

    /// A request that only looks, or that can be broken off at any point.
    async fn look(&self, request: Request, events: Events) -> Result<Reply, Fault> {
        match request {
            Request::ConnectorList => self.connector_list().await,
            Request::ConnectorInspect { id } => self.connector_inspect(id).await,
            Request::AccountList => self.account_list().await,
            Request::AccountShow { name } => self.account_show(name).await,
            Request::AccountTest { name } => self.account_test(name, events).await,
            Request::Receive { accounts, folders, wait: _ } => self.receive(accounts, folders, events).await,
            Request::SubmissionAcknowledge { ids } => Ok(Reply::Acknowledged(self.host().marks.acknowledge(&ids).await?)),
            Request::MessageList { account, folder, limit } => self.message_list(account, folder, limit, events).await,
            Request::MessageShow { id } => self.message_show(id).await,
            Request::MessageExport { id } => self.message_export(id, events).await,
            Request::SinkList => self.sink_list().await,
            Request::Status => self.status().await,
            Request::StoreCheck => self.store_check(events).await,
            Request::StoreRepair { apply } => self.store_repair(apply, events).await,
            Request::Backup => self.backup(events).await,
            Request::Export { account } => self.export(account, events).await,
            Request::KeyShow => self.key_show().await,
            Request::KeyRotate => self.key_rotate(events).await,
            Request::KeyRekey { to, secret } => self.key_rekey(to, secret).await,
            Request::KeyRecovery => self.key_recovery().await,
            Request::StoreCompact => Ok(Reply::Compacted(self.store().compact().await?)),
            other => Err(Fault::new(Kind::Bug, "look into the home").because_words(format!("{other:?} changes it"))),
        }
    }
}

#[async_trait]
impl Execute for Service {
    async fn execute(&self, request: Request, events: Events, uploads: Uploads, stop: CancellationToken) -> Result<Reply, Fault> {
        if let Request::Send { account, to, connections } = request {
            // As a change: a message that a server may have is seen to its end.
            let sent = tokio::spawn(self.clone().send(account, *to, connections, events, uploads, stop)).await;
            return sent.unwrap_or_else(|error| Err(Fault::new(Kind::Bug, "carry the request out").because(&error)));
        }
        drop(uploads);
        if request.is_change() {
            // A task of its own: whoever asked may leave, and the change is still made whole and noted.
            let changed = tokio::spawn(self.clone().change(request, events)).await;
            return changed.unwrap_or_else(|error| Err(Fault::new(Kind::Bug, "carry the request out").because(&error)));
        }
        let looked = stop.run_until_cancelled(Box::pin(self.look(request, events))).await;
        looked.unwrap_or_else(|| Err(Fault::new(Kind::Cancelled, "carry the request out").because_words("asked to stop")))
    }
}

/// What a request edits, so that whoever runs on it looks again.
fn edited(request: &Request) -> Option<Edit> {
    match request {
        Request::ConnectorInstall { .. } | Request::ConnectorApprove { .. } | Request::ConnectorRemove { .. } => Some(Edit::Connectors),
        Request::AccountAdd { name, .. } | Request::AccountEdit { name, .. } | Request::AccountRemove { name } => {
            Some(Edit::Account(name.clone()))
        }
        Request::SinkAdd { .. } | Request::SinkEdit { .. } | Request::SinkRemove { .. } => Some(Edit::Sinks),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
