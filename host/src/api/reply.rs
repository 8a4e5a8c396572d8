//! What requests are answered with. These are also the documents that `--json` prints: fields are added, never renamed; times
//! are milliseconds since 1970, durations milliseconds, sizes octets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret_field;
use crate::connector::inspection::Inspection;
use crate::connector::registry::{Listed, Proposal};
use crate::fault::Fault;
use crate::model::account::RoleKind;
use crate::model::name::AccountName;
use crate::secret::Secret;
use crate::store::{BackedUp, CheckReport, CompactReport, KeyState, RepairReport, Rotated};

mod account;
mod message;
mod pass;
mod sent;
mod status;

pub use account::{AccountView, RoleView};
pub use message::MessageView;
pub use pass::{PassView, ReceivedView, StageView, TestView};
pub use sent::{RecipientView, SentView, SubmissionView, VerdictWord};
pub use status::{AccountStatus, SinkStatus, SinkView, StatusView};

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
    /// So many submissions are told of no more.
    Acknowledged(u64),
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

/// The fault with the account's name in the commands that it recommends: `net` knows a server, and not whose it is.
pub(super) fn naming(mut fault: Fault, account: &AccountName) -> Fault {
    if let Some(remedy) = &mut fault.remedy {
        *remedy = remedy.replace("postrider account edit NAME", &format!("postrider account edit {account}"));
    }
    fault
}

/// As [`naming`], with the options that are this role's: `net` knows those of receiving.
pub(super) fn naming_role(fault: Fault, account: &AccountName, role: RoleKind) -> Fault {
    let mut fault = naming(fault, account);
    if role == RoleKind::Send
        && let Some(remedy) = &mut fault.remedy
    {
        for option in SERVER_OPTIONS {
            *remedy = remedy.replace(&format!("--{option}"), &role.option(option));
        }
    }
    fault
}

/// How the options about one role's server begin that remedies name.
const SERVER_OPTIONS: [&str; 16] = [
    "auth",
    "ca",
    "client-cert",
    "client-key",
    "connect-timeout-ms",
    "local-address",
    "network",
    "password-stdin",
    "pin",
    "port",
    "proxy",
    "quirk",
    "security",
    "server",
    "tls-min",
    "user",
];

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::account::Keep;
    use crate::model::message::{Content, Location, Scope};
    use crate::model::sink::{LineEndings, Target};

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
        let fault = fault.with_remedy("`postrider account edit NAME --pin-key X --ca FILE`");
        let fault = naming_role(fault, &"help".parse().unwrap(), RoleKind::Send);
        assert_eq!(fault.remedy.as_deref(), Some("`postrider account edit help --send-pin-key X --send-ca FILE`"));
    }
}
