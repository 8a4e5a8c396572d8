//! What can be asked for. Paths in requests are absolute: the daemon has another working directory than its clients.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret_field;
use crate::account::Form;
use crate::model::account::Keep;
use crate::model::name::{AccountName, ConnectorId, MessageId, SinkName};
use crate::model::sink::{LineEndings, Sink};
use crate::secret::Secret;
use crate::store::KeyKind;

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
    /// What the file says of a connector of the home or of the program: `Reply::Connector`.
    ConnectorInspect {
        /// Which.
        id: ConnectorId,
    },
    /// Let a connector run with what its manifest asks for: `Reply::Approved`.
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
        /// What the operator wrote about it.
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
        /// What the operator wrote over it.
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
    /// Send messages that are handed over: an event for each, `Reply::Done`.
    Send {
        /// Whose server takes them.
        account: AccountName,
        /// To whom they go.
        to: Box<SendTo>,
        /// Connections at once.
        connections: u32,
    },
    /// Somebody has heard of submissions that ended untold: `Reply::Acknowledged`.
    SubmissionAcknowledge {
        /// Which; empty: all of them.
        ids: Vec<String>,
    },
    /// Stored messages, the newest first: pages as events, then `Reply::Done`.
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
        /// How long the store keeps for it what it takes.
        #[serde(default = "Sink::keep_by_default")]
        keep: Keep,
    },
    /// Change how long the store keeps for a sink what it takes: `Reply::Sink`.
    SinkEdit {
        /// Which.
        name: SinkName,
        /// How long.
        keep: Keep,
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
    /// Repair what a check finds: progress as events, `Reply::Repaired`.
    StoreRepair {
        /// Do it; otherwise only say what would be done.
        apply: bool,
    },
    /// The store as it is at one commit: octets as events, then `Reply::BackedUp`.
    Backup,
    /// Stored messages in the order in which they came, each with its octets behind it as events, then `Reply::Done`.
    Export {
        /// Only of this account.
        account: Option<AccountName>,
    },
    /// The store's keys: `Reply::Key`.
    KeyShow,
    /// Seal everything with a new data key: progress as events, `Reply::Rotated`.
    KeyRotate,
    /// Take a new master key: `Reply::Key`.
    KeyRekey {
        /// Its kind.
        to: KeyKind,
        /// The passphrase or the given key; none for a kind that the host makes.
        #[serde(with = "secret_field", default)]
        secret: Option<Secret>,
    },
    /// Make a recovery key: `Reply::RecoveryKey`.
    KeyRecovery,
    /// Free what no message needs of the store's files: `Reply::Compacted`.
    StoreCompact,
}

impl Request {
    /// Whether it changes the home: accounts, sinks or connectors.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        match self {
            Self::ConnectorInstall { .. }
            | Self::ConnectorApprove { .. }
            | Self::ConnectorRemove { .. }
            | Self::AccountAdd { .. }
            | Self::AccountEdit { .. }
            | Self::AccountRemove { .. }
            | Self::SinkAdd { .. }
            | Self::SinkEdit { .. }
            | Self::SinkRemove { .. } => true,
            Self::ConnectorList
            | Self::ConnectorInspect { .. }
            | Self::AccountList
            | Self::AccountShow { .. }
            | Self::AccountTest { .. }
            | Self::Receive { .. }
            | Self::Send { .. }
            | Self::SubmissionAcknowledge { .. }
            | Self::MessageList { .. }
            | Self::MessageShow { .. }
            | Self::MessageExport { .. }
            | Self::SinkList
            | Self::Status
            | Self::StoreCheck
            | Self::StoreRepair { .. }
            | Self::Backup
            | Self::Export { .. }
            | Self::KeyShow
            | Self::KeyRotate
            | Self::KeyRekey { .. }
            | Self::KeyRecovery
            | Self::StoreCompact => false,
        }
    }
}

/// To whom messages go, and what is asked of the servers on the way (RFC 3461, RFC 8689).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendTo {
    /// The reverse path; empty for bounces.
    pub sender: String,
    /// RFC 5321 Mailboxes; 1 to 1,000.
    pub recipients: Vec<String>,
    /// NOTIFY: "never", or some of "success", "failure" and "delay" with commas.
    pub notify: Option<String>,
    /// ORCPT: "TYPE;ADDRESS", one a recipient or none.
    pub original_recipients: Vec<String>,
    /// RET: "full" or "hdrs".
    pub ret: Option<String>,
    /// ENVID.
    pub envelope_id: Option<String>,
    /// REQUIRETLS.
    pub requires_tls: bool,
}

/// What an operator wrote about an account, with its secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// All but the secrets.
    pub form: Form,
    /// Of the receiving role.
    #[serde(default)]
    pub receive: RoleSecrets,
    /// Of the sending role.
    #[serde(default)]
    pub send: RoleSecrets,
}

/// The secrets of one role, as far as they are given anew.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSecrets {
    /// The password; none: leave the one that there is.
    #[serde(with = "secret_field", default)]
    pub secret: Option<Secret>,
    /// The proxy's password; none: leave the one that there is, empty: forget it.
    #[serde(with = "secret_field", default)]
    pub proxy_password: Option<Secret>,
    /// The private key of the client's certificate; none: leave the one that there is, empty: forget it.
    #[serde(with = "secret_field", default)]
    pub client_key: Option<Secret>,
}

impl fmt::Debug for AccountChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountChange").finish_non_exhaustive()
    }
}

impl fmt::Debug for RoleSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSecrets").finish_non_exhaustive()
    }
}
