//! What requests are answered with. These are also the documents that `--json` prints: fields are added, never renamed; times
//! are milliseconds since 1970, durations milliseconds, sizes octets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret_field;
use crate::clock::Timestamp;
use crate::connector::inspection::Inspection;
use crate::connector::registry::{Listed, Proposal};
use crate::fault::Fault;
use crate::flow::receive::PassReport;
use crate::model::account::{Account, Keep, Role};
use crate::model::endpoint::{Fingerprint, Protocol, Security, TlsVersion};
use crate::model::mechanism::Mechanism;
use crate::model::message::{Content, Location, Summary};
use crate::model::name::{AccountName, ConnectorId, MessageId, SinkName};
use crate::model::network::Network;
use crate::model::quirk::Quirk;
use crate::model::sink::{Sink, Target};
use crate::net::preamble::Quirks;
use crate::net::proxy::Proxy;
use crate::net::tls::client;
use crate::net::{Stage, StageReport};
use crate::secret::Secret;
use crate::store::{BackedUp, CheckReport, CompactReport, KeyState, RepairReport, Rotated, Status};

/// The answer to a request that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "kebab-case")]
pub enum Reply {
    /// There is nothing to say.
    Done,
    /// One connector's file.
    Connector(Box<Inspection>),
    /// What was approved.
    Approved(Box<Proposal>),
    /// Every connector's file.
    Connectors(Vec<Listed>),
    /// One account.
    Account(Box<AccountView>),
    /// Every account.
    Accounts(Vec<AccountView>),
    /// The stages that were tried, to the first that failed.
    Tested(TestView),
    /// What a pass did.
    Received(ReceivedView),
    /// One message.
    Message(Box<MessageView>),
    /// One sink.
    Sink(SinkView),
    /// Every sink.
    Sinks(Vec<SinkView>),
    /// How the home stands.
    Status(Box<StatusView>),
    /// What reading everything found.
    Checked(CheckReport),
    /// What was freed of the store's files.
    Compacted(CompactReport),
    /// What a repair did, or would do.
    Repaired(RepairReport),
    /// What a backup holds.
    BackedUp(BackedUp),
    /// The store's keys.
    Key(KeyState),
    /// What a rotation did.
    Rotated(Rotated),
    /// A recovery key.
    RecoveryKey(RecoveryKeyView),
}

/// A recovery key, on its one way to whoever asked for it. Not a document of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKeyView {
    /// As it is printed.
    #[serde(with = "secret_field", default)]
    pub key: Option<Secret>,
    /// The keys with it.
    pub state: KeyState,
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
    /// How long its mail is kept, where somebody said so.
    #[serde(default, skip_serializing_if = "Keep::is_default")]
    pub keep: Keep,
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
    /// Whether the sign-in, and the mail after it, cross a network unprotected.
    #[serde(default)]
    pub signs_in_clear: bool,
    /// Who signs in.
    pub user: Option<String>,
    /// The one way to sign in; none: the strongest that the server offers.
    pub auth: Option<Mechanism>,
    /// Whether a password is stored.
    pub has_secret: bool,
    /// A PEM file of authorities, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificates that are believed whatever their issuer.
    pub pins: Vec<Fingerprint>,
    /// Keys that are believed whatever certificate is made over them.
    pub key_pins: Vec<Fingerprint>,
    /// The oldest TLS that is spoken.
    pub tls_min: TlsVersion,
    /// The client's certificate in short.
    pub client_certificate: Option<String>,
    /// The proxy, without its password.
    pub proxy: Option<String>,
    /// Whether a password for the proxy is stored.
    pub has_proxy_password: bool,
    /// The address of this machine from which lines go out.
    pub local_address: Option<IpAddr>,
    /// Near networks in which the server may be.
    pub networks: Vec<Network>,
    /// What the server needs beyond the standards, by the operator's word.
    #[serde(default)]
    pub quirks: Vec<Quirk>,
    /// The same, by the server's name.
    #[serde(default)]
    pub quirks_by_name: Vec<Quirk>,
    /// For name, connect, proxy, TLS and sign-in, each.
    pub connect_timeout_ms: u64,
    /// For one read or write.
    pub read_timeout_ms: u64,
    /// For a line that carries nothing.
    pub idle_timeout_ms: u64,
    /// Ids of the folders to receive; empty: all.
    pub folders: Vec<String>,
    /// The connector's settings.
    pub settings: serde_json::Value,
    /// Limits that differ from the host's.
    pub limits: BTreeMap<String, u64>,
}

impl AccountView {
    /// Of an account whose password, and whose proxy's, is stored or not.
    #[must_use]
    pub fn new(account: Account, has_secret: bool, has_proxy_password: bool) -> Self {
        let receive = account.receive.map(|role| RoleView::new(role, has_secret, has_proxy_password));
        Self { name: account.name, created: account.created, receive, keep: account.keep }
    }
}

impl RoleView {
    fn new(role: Role, has_secret: bool, has_proxy_password: bool) -> Self {
        let Role { connector, endpoint, folders, settings, limits } = role;
        let (signs_in_clear, quirks_by_name) = (endpoint.signs_in_clear(), Quirks::known(&endpoint));
        Self {
            connector,
            protocol: endpoint.protocol,
            server: endpoint.server,
            port: endpoint.port,
            security: endpoint.security,
            signs_in_clear,
            user: endpoint.user,
            auth: endpoint.auth,
            has_secret,
            ca_file: endpoint.trust.ca_file,
            pins: endpoint.trust.pins,
            key_pins: endpoint.trust.key_pins,
            tls_min: endpoint.trust.min_version,
            client_certificate: endpoint.trust.client_certificate.as_deref().map(client::in_short),
            proxy: endpoint.proxy.as_deref().map(Proxy::without_password),
            has_proxy_password,
            local_address: endpoint.local_address,
            networks: endpoint.networks,
            quirks: endpoint.quirks,
            quirks_by_name,
            connect_timeout_ms: millis(endpoint.timeouts.connect),
            read_timeout_ms: millis(endpoint.timeouts.read),
            idle_timeout_ms: millis(endpoint.timeouts.idle),
            folders,
            settings: serde_json::from_str(&settings).unwrap_or_default(),
            limits: limits.iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

/// One stage of testing an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageView {
    /// "name", "connect", "proxy", "tls", "greeting", "sign-in" or "folders".
    pub stage: String,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What was found, for people; "" where it failed.
    pub finding: String,
    /// Why it failed.
    pub fault: Option<Fault>,
}

impl StageView {
    /// Of a stage with its outcome.
    #[must_use]
    pub fn new(stage: &str, took: Duration, outcome: Result<String, Fault>) -> Self {
        let (finding, fault) = match outcome {
            Ok(finding) => (finding, None),
            Err(fault) => (String::new(), Some(fault)),
        };
        Self { stage: stage.to_owned(), elapsed_ms: millis(took), finding, fault }
    }

    /// Of a stage on the way to the server of `account`.
    #[must_use]
    pub fn of(report: StageReport, account: &AccountName) -> Self {
        let stage = match report.stage {
            Stage::Name => "name",
            Stage::Connect => "connect",
            Stage::Proxy => "proxy",
            Stage::Tls => "tls",
            Stage::Greeting => "greeting",
            Stage::SignIn => "sign-in",
        };
        Self::new(stage, report.took, report.outcome.map_err(|fault| naming(fault, account)))
    }
}

/// What testing an account found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestView {
    /// Whose server was tried.
    pub account: AccountName,
    /// In the order in which they were tried; the last one may have failed.
    pub stages: Vec<StageView>,
    /// Whether the sign-in, and the mail after it, cross a network unprotected.
    #[serde(default)]
    pub signs_in_clear: bool,
}

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedView {
    /// For each account.
    pub passes: Vec<PassView>,
    /// For each sink that has not got all that is stored.
    pub sinks: Vec<SinkStatus>,
}

/// What one pass did for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassView {
    /// For whom.
    pub account: AccountName,
    /// Folders gone through.
    pub folders: u64,
    /// Messages that are new here.
    pub received: u64,
    /// Messages whose octets were here already, under another id of the server's.
    pub recognised: u64,
    /// Octets of messages that came over the line.
    pub octets: u64,
    /// Messages whose flags or folders changed.
    pub changed: u64,
    /// Messages that the server has no more.
    pub removed: u64,
    /// Messages that could not be had or read.
    pub set_aside: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Why it ended early; what was received before is kept.
    pub fault: Option<Fault>,
}

impl From<PassReport> for PassView {
    fn from(report: PassReport) -> Self {
        Self {
            folders: report.folders,
            received: report.stored,
            recognised: report.recognised,
            octets: report.octets,
            changed: report.changed,
            removed: report.removed,
            set_aside: report.set_aside,
            elapsed_ms: millis(report.took),
            fault: report.fault.map(|fault| naming(fault, &report.account)),
            account: report.account,
        }
    }
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

impl MessageView {
    /// Of a message of the account called `account`.
    #[must_use]
    pub fn new(account: AccountName, summary: Summary) -> Self {
        Self {
            id: summary.message,
            account,
            sequence: summary.sequence,
            stored: summary.stored,
            received: summary.received,
            date: summary.date,
            subject: summary.subject,
            from: summary.from,
            to: summary.to,
            message_id: summary.rfc5322_message_id,
            thread: summary.thread,
            content: summary.content,
            locations: summary.locations,
        }
    }
}

/// A sink as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkView {
    /// What the operator calls it.
    pub name: SinkName,
    /// Whether it gets everybody's mail.
    pub is_for_all: bool,
    /// Whose mail it gets, where it does not get everybody's.
    pub accounts: Vec<AccountName>,
    /// Where it puts the mail.
    #[serde(flatten)]
    pub target: Target,
    /// When it was added.
    pub created: Timestamp,
    /// How long the store keeps for it what it takes, on top of what its account wants.
    #[serde(default = "Sink::keep_by_default")]
    pub keep: Keep,
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
    pub store: Status,
    /// A row for every account.
    pub accounts: Vec<AccountStatus>,
    /// A row for every sink.
    pub sinks: Vec<SinkStatus>,
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
    /// Besides them, those that were not kept any longer and are still recognised.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed: u64,
    /// What the daemon is doing for it: "connecting", "syncing", "watching", "retrying" or "needs-operator"; none: no daemon runs it.
    pub state: Option<String>,
    /// When a pass last ended, well or not.
    pub last_pass: Option<Timestamp>,
    /// When a pass last ended with everything here.
    pub last_complete: Option<Timestamp>,
    /// When the daemon tries again.
    pub next_attempt: Option<Timestamp>,
    /// Why the last attempt failed; none: it did not.
    pub fault: Option<Fault>,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How one sink stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Which.
    pub name: SinkName,
    /// So many messages that it has not got yet.
    pub pending: u64,
    /// Why the last delivery failed; none: it did not.
    pub fault: Option<Fault>,
    /// Since when deliveries fail.
    pub since: Option<Timestamp>,
}

/// The fault with the account's name in the commands that it recommends: `net` knows a server, and not whose it is.
pub(super) fn naming(mut fault: Fault, account: &AccountName) -> Fault {
    if let Some(remedy) = &mut fault.remedy {
        *remedy = remedy.replace("postrider account edit NAME", &format!("postrider account edit {account}"));
    }
    fault
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::message::Scope;
    use crate::model::sink::LineEndings;

    #[test]
    fn flattened_documents_come_back() {
        let target = Target::Maildir { directory: "/mail".into(), line_endings: LineEndings::Crlf };
        let sink = SinkView {
            name: "files".parse().unwrap(),
            is_for_all: true,
            accounts: Vec::new(),
            target,
            created: Timestamp(1),
            keep: Keep::UntilDelivered,
        };
        let scope = Scope { folder: Some("INBOX".to_owned()), generation: "7".to_owned() };
        let message = |content| MessageView {
            id: "a".repeat(26).parse().unwrap(),
            account: "help".parse().unwrap(),
            sequence: 1,
            stored: Timestamp(2),
            received: None,
            date: Some(Timestamp(3)),
            subject: Some("ä".to_owned()),
            from: vec!["a@example.com".to_owned()],
            to: Vec::new(),
            message_id: None,
            thread: None,
            content,
            locations: vec![Location { scope: scope.clone(), id: "9".to_owned(), folders: Vec::new(), keywords: Vec::new() }],
        };
        for (reply, part) in [
            (Reply::Sinks(vec![sink]), r#""maildir":{"directory":"/mail","line_endings":"crlf"}"#),
            (Reply::Message(Box::new(message(Content::Whole { size: 5 }))), r#""content":"whole","size":5"#),
            (Reply::Message(Box::new(message(Content::SetAside { reason: "x".to_owned() }))), r#""content":"set-aside","reason":"x""#),
        ] {
            let json = serde_json::to_string(&reply).unwrap();
            assert!(json.contains(part), "{json}");
            assert_eq!(serde_json::from_str::<Reply>(&json).unwrap(), reply);
        }
    }

    #[test]
    fn remedies_name_the_account() {
        let fault =
            Fault::new(crate::fault::Kind::Unauthenticated, "sign in").with_remedy("`postrider account edit NAME --password-stdin`");
        let fault = naming(fault, &"help".parse().unwrap());
        assert_eq!(fault.remedy.as_deref(), Some("`postrider account edit help --password-stdin`"));
    }
}
