//! What the run-time asks of the rest of the host, as small traits: where mail goes, and who signs in. The code that runs
//! strangers' programs can name neither the store nor the vault, and is tested with a few lines of either.

use async_trait::async_trait;
use bytes::Bytes;

use crate::fault::Fault;
use crate::model::message::{Arrival, Change, Page, Scope};
use crate::secret::Secret;

/// Where one session's mail goes: `mailbox` and `state` of the contract, for one account.
#[async_trait]
pub trait Mailroom: Send + Sync {
    /// Which of `ids` the host does not have in `scope`, in their order.
    async fn unseen(&self, scope: Scope, ids: Vec<String>) -> Result<Vec<String>, Fault>;
    /// The ids had in `scope`, a page at a time.
    async fn known(&self, scope: Scope, after: Option<String>, max: usize) -> Result<Page, Fault>;
    /// Note messages in `scope` whose octets the host has under their stable id; false for the others.
    async fn recognise(&self, scope: Scope, arrivals: Vec<Arrival>) -> Result<Vec<bool>, Fault>;
    /// Begin to take over one message.
    async fn begin(&self, scope: Scope, arrival: Arrival) -> Result<Box<dyn Delivery>, Fault>;
    /// Remember a message that cannot be had or read.
    async fn set_aside(&self, scope: Scope, arrival: Arrival, reason: Fault) -> Result<(), Fault>;
    /// Folders and keywords as they now are.
    async fn changed(&self, scope: Scope, changes: Vec<Change>) -> Result<(), Fault>;
    /// The server has these no more.
    async fn removed(&self, scope: Scope, ids: Vec<String>) -> Result<(), Fault>;
    /// The scope's generation is over.
    async fn retired(&self, scope: Scope) -> Result<(), Fault>;
    /// Make all of this session's so far durable, together with the cursor.
    async fn checkpoint(&self, scope: Scope, cursor: Vec<u8>) -> Result<(), Fault>;
    /// What may be deleted on the server.
    async fn expendable(&self, scope: Scope, after: Option<String>, max: usize) -> Result<Page, Fault>;
    /// How far the scope has come.
    fn progress(&self, scope: Scope, done: u64, total: Option<u64>);
    /// A value of the connector's state.
    async fn state_get(&self, key: String) -> Result<Option<Vec<u8>>, Fault>;
    /// Put or forget a value of the connector's state, with the next checkpoint.
    async fn state_put(&self, key: String, value: Option<Vec<u8>>) -> Result<(), Fault>;
}

/// One message on its way in. Dropped before [`finish`](Self::finish), nothing of it is kept.
#[async_trait]
pub trait Delivery: Send {
    /// The next octets, in order; any number of them.
    async fn write(&mut self, octets: Bytes) -> Result<(), Fault>;
    /// That was all; it becomes durable with the next checkpoint.
    async fn finish(self: Box<Self>) -> Result<(), Fault>;
}

/// Who signs in for one account. A credential is asked for when it is needed and forgotten after.
#[async_trait]
pub trait CredentialBroker: Send + Sync {
    /// The secret that belongs to the account's endpoint of this name; none: nobody signs in there.
    async fn line_secret(&self, endpoint: &str) -> Result<Option<Secret>, Fault>;
    /// The credential that the manifest declares under this name, for HTTP.
    async fn http_credential(&self, credential: &str) -> Result<Secret, Fault>;
    /// A server answered 401 to the credential of this name when it was `refused`: the one that takes its place, which may be there
    /// already because another session renewed it. None: it is not of a kind that can be renewed, and the connector gets the 401.
    ///
    /// # Errors
    /// Why it could not be renewed this time, or no more at all.
    async fn renew_http_credential(&self, credential: &str, refused: &Secret) -> Result<Option<Secret>, Fault>;
}

/// The durable mark between the last octet of a submission and the server's answer: `submission` of the contract.
#[async_trait]
pub trait Committing: Send + Sync {
    /// Note that the submission `id` is about to be handed to the server; durable when this returns.
    async fn committing(&self, id: String) -> Result<(), Fault>;
}
