//! One session's mail on its way into the store: staged until its checkpoint, then durable in one transaction.

use bytes::Bytes;

use super::error::Error;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::model::message::{Arrival, Change, Page, Scope};

/// Takes over one session's mail for one account: the semantics are those of `mailbox` and `state` in the contract. Several may
/// be open for an account. Dropped without a checkpoint, nothing of what it staged is kept.
pub struct Intake;

/// One message on its way in. Dropped before [`finish`](Self::finish), nothing of it is kept.
pub struct IntakeDelivery;

/// What became of a delivery, as far as it can be told before its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// A message that was not here.
    Stored,
    /// One whose octets were here already: only where it stands is new.
    Adopted,
}

fn unfinished<T>() -> Result<T, Error> {
    Err(Error::Bug { operation: "use the store", finding: "it is not built yet" })
}

impl Intake {
    /// Which of `ids` this account does not have in `scope`, in their order; what was staged here and not yet committed counts as
    /// had, and so does what was set aside.
    ///
    /// # Errors
    /// More ids than the account's limit, a failed session, damage, the disk.
    pub async fn unseen(&self, _scope: Scope, _ids: Vec<String>) -> Result<Vec<String>, Error> {
        unfinished()
    }

    /// The ids had in `scope`, a page at a time, in the order of their keyed hashes. A page's token stays good whatever is removed.
    ///
    /// # Errors
    /// A token that is none, a failed session, damage, the disk.
    pub async fn known(&self, _scope: Scope, _after: Option<String>, _max: usize) -> Result<Page, Error> {
        unfinished()
    }

    /// Note messages in `scope` whose octets are here under their stable id: true for those. The others want delivery.
    ///
    /// # Errors
    /// Over a limit, a failed session, damage, the disk.
    pub async fn recognise(&self, _scope: Scope, _arrivals: Vec<Arrival>) -> Result<Vec<bool>, Error> {
        unfinished()
    }

    /// Begin to take over one message.
    ///
    /// # Errors
    /// An id outside 1 to 512 octets, over a limit, a failed session.
    pub async fn begin(&self, _scope: Scope, _arrival: Arrival) -> Result<IntakeDelivery, Error> {
        unfinished()
    }

    /// Remember a message that cannot be had or read; it counts as had.
    ///
    /// # Errors
    /// Over a limit, a failed session.
    pub async fn set_aside(&self, _scope: Scope, _arrival: Arrival, _reason: Fault) -> Result<(), Error> {
        unfinished()
    }

    /// Folders and keywords as they now are; unknown ids are ignored.
    ///
    /// # Errors
    /// Over a limit, a failed session.
    pub async fn changed(&self, _scope: Scope, _changes: Vec<Change>) -> Result<(), Error> {
        unfinished()
    }

    /// The server has these no more; what is stored stays.
    ///
    /// # Errors
    /// Over a limit, a failed session.
    pub async fn removed(&self, _scope: Scope, _ids: Vec<String>) -> Result<(), Error> {
        unfinished()
    }

    /// The scope's generation is over: its ids count as removed.
    ///
    /// # Errors
    /// A failed session.
    pub async fn retired(&self, _scope: Scope) -> Result<(), Error> {
        unfinished()
    }

    /// Make all that was handed over so far durable, together with the cursor of the scope's folder, in one transaction. When it
    /// fails, nothing of it is kept and the session has failed: its later steps are refused, lest a later cursor skip the lost ones.
    ///
    /// # Errors
    /// The disk, a removed account, a contradiction with what another session committed, over a limit.
    pub async fn checkpoint(&self, _scope: Scope, _cursor: Vec<u8>) -> Result<(), Error> {
        unfinished()
    }

    /// What may be deleted on the server: ids in `scope` whose message is whole, durable, and became so before `stored_before`; not
    /// what was set aside, and not what only the header section is here of.
    ///
    /// # Errors
    /// A token that is none, a failed session, damage, the disk.
    pub async fn expendable(&self, _scope: Scope, _after: Option<String>, _max: usize, _stored_before: Timestamp) -> Result<Page, Error> {
        unfinished()
    }

    /// The value last put under `key`, also before the checkpoint.
    ///
    /// # Errors
    /// A failed session, damage, the disk.
    pub async fn state_get(&self, _key: String) -> Result<Option<Vec<u8>>, Error> {
        unfinished()
    }

    /// Put or forget a value of the connector's state, with the next checkpoint.
    ///
    /// # Errors
    /// A key outside 1 to 128 octets, over a limit, a failed session.
    pub async fn state_put(&self, _key: String, _value: Option<Vec<u8>>) -> Result<(), Error> {
        unfinished()
    }
}

impl IntakeDelivery {
    /// The next octets, in order; any number of them. Sealed in chunks of 64 KiB as they come.
    ///
    /// # Errors
    /// Over the account's message size, the disk.
    pub async fn write(&mut self, _octets: Bytes) -> Result<(), Error> {
        unfinished()
    }

    /// That was all; it becomes durable with the next checkpoint.
    ///
    /// # Errors
    /// Over a limit, a failed session, the disk.
    pub async fn finish(self) -> Result<Delivered, Error> {
        unfinished()
    }
}
