//! What testing an account and receiving for it came to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SinkStatus, millis, naming, naming_role};
use crate::fault::Fault;
use crate::flow::receive::PassReport;
use crate::model::account::RoleKind;
use crate::model::name::AccountName;
use crate::net::{Stage, StageReport};

/// One stage of testing an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageView {
    /// What the account was to do there.
    #[serde(default = "receive")]
    pub role: RoleKind,
    /// "name", "connect", "proxy", "tls", "greeting" or "sign-in"; then "folders" for receiving, "abilities" for sending.
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
    pub fn new(role: RoleKind, stage: &str, took: Duration, outcome: Result<String, Fault>) -> Self {
        let (finding, fault) = match outcome {
            Ok(finding) => (finding, None),
            Err(fault) => (String::new(), Some(fault)),
        };
        Self { role, stage: stage.to_owned(), elapsed_ms: millis(took), finding, fault }
    }

    /// Of a stage on the way to the server of `account`.
    #[must_use]
    pub fn of(role: RoleKind, report: StageReport, account: &AccountName) -> Self {
        let stage = match report.stage {
            Stage::Name => "name",
            Stage::Connect => "connect",
            Stage::Proxy => "proxy",
            Stage::Tls => "tls",
            Stage::Greeting => "greeting",
            Stage::SignIn => "sign-in",
        };
        Self::new(role, stage, report.took, report.outcome.map_err(|fault| naming_role(fault, account, role)))
    }
}

const fn receive() -> RoleKind {
    RoleKind::Receive
}

/// What testing an account found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestView {
    /// Whose server was tried.
    pub account: AccountName,
    /// In the order in which they were tried, role by role; the last one of each may have failed.
    pub stages: Vec<StageView>,
    /// Whether the sign-in, and the mail after it, cross a network unprotected.
    #[serde(default)]
    pub signs_in_clear: bool,
    /// The roles for which that is so.
    #[serde(default)]
    pub clear: Vec<RoleKind>,
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
