//! An account: a name, and for each thing that it can do the connector, the server and the settings.

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::name::{AccountId, AccountName, ConnectorId};
use crate::clock::Timestamp;
use crate::limits::Overrides;

/// One account of the operator's. Its secrets are kept apart, in the vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its number in the store.
    pub id: AccountId,
    /// What the operator calls it.
    pub name: AccountName,
    /// How it receives; none: it does not.
    pub receive: Option<Role>,
    /// When it was added.
    pub created: Timestamp,
}

/// One thing that an account can do, and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Which connector does it.
    pub connector: ConnectorId,
    /// The server behind the connector's endpoint of the role's name.
    pub endpoint: Endpoint,
    /// Ids of the folders to receive; empty: all that can hold messages, but for views over other folders.
    pub folders: Vec<String>,
    /// Settings for the connector, checked against its manifest's schema, as JSON text of an object.
    pub settings: String,
    /// Limits that differ from the host's.
    pub limits: Overrides,
}
