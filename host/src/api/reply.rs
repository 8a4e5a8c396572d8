//! What requests are answered with. These are also the documents that `--json` prints: fields are added, never renamed; times
//! are milliseconds since 1970, durations milliseconds, sizes octets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::Stage;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::model::endpoint::{Endpoint, Fingerprint, Protocol, Security};
use crate::model::message::{Content, Location};
use crate::model::name::{AccountName, ConnectorId, MessageId, SinkName};
use crate::model::sink::Target;

/// The answer to a request that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "kebab-case")]
pub enum Reply {
    /// There is nothing to say.
    Done,
    /// One connector.
    Connector(Box<ConnectorView>),
    /// Every connector.
    Connectors(Vec<ConnectorView>),
    /// One account.
    Account(Box<AccountView>),
    /// Every account.
    Accounts(Vec<AccountView>),
    /// The stages that were tried, to the first that failed.
    Tested(TestView),
    /// What a pass did.
    Received(Vec<PassView>),
    /// One message.
    Message(Box<MessageView>),
    /// One sink.
    Sink(SinkView),
    /// Every sink.
    Sinks(Vec<SinkView>),
    /// How the home stands.
    Status(Box<StatusView>),
    /// What reading everything found.
    Checked(CheckView),
}

/// A connector's file, and whether it may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorView {
    /// What it calls itself.
    pub id: ConnectorId,
    /// What it calls itself to people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// The BLAKE3 of the file, in hexadecimal digits.
    pub hash: String,
    /// Where it lies.
    pub file: PathBuf,
    /// Whether it came with this program.
    pub shipped: bool,
    /// Whether it may run.
    pub state: ApprovalState,
    /// What it asks for, a line each.
    pub wishes: Vec<String>,
}

/// Whether a connector may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalState {
    /// By the operator.
    Approved,
    /// By the list that came with this program.
    Shipped,
    /// Nobody approved it.
    Unapproved,
    /// Another file of this id was approved.
    Changed,
}

impl ApprovalState {
    /// Whether the connector may run.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Approved | Self::Shipped)
    }
}

/// An account as people see it, without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountView {
    /// What the operator calls it.
    pub name: AccountName,
    /// When it was added.
    pub created: Timestamp,
    /// How it receives.
    pub receive: Option<RoleView>,
}

/// One thing that an account can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleView {
    /// Which connector does it.
    pub connector: ConnectorId,
    /// What the server speaks.
    pub protocol: Protocol,
    /// Host name or address.
    pub server: String,
    /// TCP port.
    pub port: u16,
    /// How the line is protected.
    pub security: Security,
    /// Who signs in.
    pub user: Option<String>,
    /// Whether a password is stored.
    pub has_secret: bool,
    /// A PEM file of authorities, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificates that are believed whatever their issuer.
    pub pins: Vec<Fingerprint>,
    /// The proxy, without its password.
    pub proxy: Option<String>,
    /// For name, connect, proxy, TLS and sign-in, each.
    pub connect_timeout_ms: u64,
    /// For one read or write.
    pub read_timeout_ms: u64,
    /// Ids of the folders to receive; empty: all.
    pub folders: Vec<String>,
    /// The connector's settings.
    pub settings: serde_json::Value,
    /// Limits that differ from the host's.
    pub limits: BTreeMap<String, u64>,
}

impl RoleView {
    /// The server's part of a view, from its endpoint.
    #[must_use]
    pub fn of_endpoint(connector: ConnectorId, endpoint: &Endpoint) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            connector,
            protocol: endpoint.protocol,
            server: endpoint.server.clone(),
            port: endpoint.port,
            security: endpoint.security,
            user: endpoint.user.clone(),
            has_secret: false,
            ca_file: endpoint.trust.ca_file.clone(),
            pins: endpoint.trust.pins.clone(),
            proxy: endpoint.redacted_proxy(),
            connect_timeout_ms: millis(endpoint.timeouts.connect),
            read_timeout_ms: millis(endpoint.timeouts.read),
            folders: Vec::new(),
            settings: serde_json::Value::Null,
            limits: BTreeMap::new(),
        }
    }
}

/// What testing an account found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestView {
    /// Whose server was tried.
    pub account: AccountName,
    /// In the order in which they were tried; the last one may have failed.
    pub stages: Vec<Stage>,
}

/// What one pass did for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassView {
    /// For whom.
    pub account: AccountName,
    /// Messages that are new here.
    pub received: u64,
    /// Octets of them.
    pub octets: u64,
    /// Messages whose flags or folders changed.
    pub changed: u64,
    /// Messages that the server has no more.
    pub removed: u64,
    /// Messages that could not be had or read.
    pub set_aside: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Why it ended early.
    pub fault: Option<Fault>,
}

/// A stored message as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its id here.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountName,
    /// Its place in the order in which messages became durable.
    pub sequence: u64,
    /// When it became durable here.
    pub stored: Timestamp,
    /// When the server received it.
    pub received: Option<Timestamp>,
    /// The Date field.
    pub date: Option<Timestamp>,
    /// The Subject field, decoded.
    pub subject: Option<String>,
    /// Addresses of From.
    pub from: Vec<String>,
    /// Addresses of To and Cc.
    pub to: Vec<String>,
    /// The Message-ID field without angle brackets.
    pub message_id: Option<String>,
    /// The provider's thread id.
    pub thread: Option<String>,
    /// What is there.
    #[serde(flatten)]
    pub content: Content,
    /// Where it stands on the server; empty when the server has it no more.
    pub locations: Vec<Location>,
}

/// A sink as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkView {
    /// What the operator calls it.
    pub name: SinkName,
    /// Whose mail it gets; empty: everybody's.
    pub accounts: Vec<AccountName>,
    /// Where it puts the mail.
    #[serde(flatten)]
    pub target: Target,
    /// When it was added.
    pub created: Timestamp,
}

/// How a home stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Of the program that answers.
    pub version: String,
    /// The home's directory.
    pub home: PathBuf,
    /// The sealed store.
    pub store_directory: PathBuf,
    /// The master key's file.
    pub master_key: PathBuf,
    /// Where operators drop connectors.
    pub connectors: PathBuf,
    /// The process of the daemon; none: there is no daemon.
    pub daemon: Option<u32>,
    /// The store as a whole.
    pub store: StoreStatus,
    /// A row for every account.
    pub accounts: Vec<AccountStatus>,
    /// A row for every sink.
    pub sinks: Vec<SinkStatus>,
}

/// How the store stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Octets on disk of its records.
    pub record_octets: u64,
    /// Octets on disk of its messages' bodies.
    pub spool_octets: u64,
    /// Damage that was found and is not repaired, in words.
    pub damage: Vec<String>,
}

/// How one account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Which.
    pub name: AccountName,
    /// Messages stored.
    pub messages: u64,
    /// Octets of them.
    pub octets: u64,
    /// Of them, those that could not be had or read.
    pub set_aside: u64,
    /// What the daemon is doing for it: "idle", "receiving", "waiting".
    pub activity: Option<String>,
    /// When a pass last succeeded.
    pub last_success: Option<Timestamp>,
    /// Why the last pass failed; none: it did not.
    pub fault: Option<Fault>,
}

/// How one sink stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Which.
    pub name: SinkName,
    /// Messages that it has not got yet.
    pub pending: u64,
    /// Why the last delivery failed; none: it did not.
    pub fault: Option<Fault>,
}

/// What reading and verifying everything stored found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// Accounts walked.
    pub accounts: u64,
    /// Messages that were read and found whole.
    pub messages: u64,
    /// Octets of their bodies.
    pub octets: u64,
    /// Records of every kind.
    pub records: u64,
    /// What is wrong, but for the overflow.
    pub findings: Vec<FindingView>,
    /// Findings beyond those listed.
    pub more_findings: u64,
}

impl CheckView {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.more_findings == 0
    }
}

/// One thing that is wrong in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// Of which message.
    pub message: Option<MessageId>,
    /// Where.
    pub place: String,
    /// What is wrong, in words.
    pub finding: String,
}
