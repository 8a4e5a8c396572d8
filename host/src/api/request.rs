//! What can be asked for. Paths in requests are absolute: the daemon has another working directory than its clients.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret_field;
use crate::model::endpoint::{Fingerprint, Security};
use crate::model::name::{AccountName, ConnectorId, MessageId, SinkName};
use crate::model::sink::LineEndings;
use crate::secret::Secret;

/// One command.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The connectors that the home and the program have: [`Reply::Connectors`](super::Reply::Connectors).
    ConnectorList,
    /// Copy a component into the home: `Reply::Connector`.
    ConnectorInstall {
        /// The file.
        file: PathBuf,
    },
    /// Let a connector run with what its manifest asks for: `Reply::Connector`.
    ConnectorApprove {
        /// Which.
        id: ConnectorId,
    },
    /// Delete a connector's file from the home, and its approval: `Reply::Done`.
    ConnectorRemove {
        /// Which.
        id: ConnectorId,
    },
    /// Add an account: `Reply::Account`.
    AccountAdd {
        /// What to call it.
        name: AccountName,
        /// Which connector receives.
        connector: ConnectorId,
        /// All that its server needs; `server` is given.
        change: Box<AccountChange>,
    },
    /// All accounts: `Reply::Accounts`.
    AccountList,
    /// One account: `Reply::Account`.
    AccountShow {
        /// Which.
        name: AccountName,
    },
    /// Change some of an account: `Reply::Account`.
    AccountEdit {
        /// Which.
        name: AccountName,
        /// What differs.
        change: Box<AccountChange>,
    },
    /// Remove an account, its secret and its stored mail: `Reply::Done`.
    AccountRemove {
        /// Which.
        name: AccountName,
    },
    /// Try an account's server, stage by stage: an event for each, `Reply::Tested`.
    AccountTest {
        /// Which.
        name: AccountName,
    },
    /// One pass: progress as events, `Reply::Received`.
    Receive {
        /// Which accounts; empty: all that receive.
        accounts: Vec<AccountName>,
        /// Which folders; empty: all.
        folders: Vec<String>,
        /// Whether to wait for remote sinks too.
        wait: bool,
    },
    /// Stored messages, the newest first: `Reply::Messages`.
    MessageList {
        /// Only of this account.
        account: Option<AccountName>,
        /// Only those that stand in this folder.
        folder: Option<String>,
        /// The most of them.
        limit: u32,
    },
    /// One message: `Reply::Message`.
    MessageShow {
        /// Which.
        id: MessageId,
    },
    /// A message's octets as events, then `Reply::Done`.
    MessageExport {
        /// Which.
        id: MessageId,
    },
    /// Add a sink: `Reply::Sink`.
    SinkAdd {
        /// What to call it.
        name: SinkName,
        /// The Maildir.
        maildir: PathBuf,
        /// Whose mail it gets; empty: everybody's.
        accounts: Vec<AccountName>,
        /// What ends a line in its files.
        line_endings: LineEndings,
    },
    /// All sinks: `Reply::Sinks`.
    SinkList,
    /// Forget a sink; what it wrote stays: `Reply::Done`.
    SinkRemove {
        /// Which.
        name: SinkName,
    },
    /// How the home stands: `Reply::Status`.
    Status,
    /// Read and verify everything stored: `Reply::Checked`.
    StoreCheck,
}

/// What to set in an account; none: leave it, or its default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AccountChange {
    /// Host name or address.
    pub server: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// How the line is protected.
    pub security: Option<Security>,
    /// Who signs in.
    pub user: Option<String>,
    /// The password.
    #[serde(with = "secret_field", default)]
    pub secret: Option<Secret>,
    /// A PEM file of authorities; empty: the system's again.
    pub ca_file: Option<PathBuf>,
    /// Fingerprints instead of those there; an empty list: none.
    pub pins: Option<Vec<Fingerprint>>,
    /// The proxy's URL, which may hold a password; empty: none.
    #[serde(with = "secret_field", default)]
    pub proxy: Option<Secret>,
    /// For name, connect, proxy, TLS and sign-in, each.
    pub connect_timeout: Option<Duration>,
    /// For one read or write.
    pub read_timeout: Option<Duration>,
    /// Settings of the connector, and limits as "limit.NAME"; an empty value goes back to the default.
    pub set: Vec<(String, String)>,
}
