//! What happens on a journey, for whoever watches: progress bars, the control socket, the log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::model::account::RoleKind;
use crate::model::name::{AccountName, SinkName};
use crate::net::StageReport;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A stage of the way to a server is over.
    Stage {
        /// Whose.
        account: AccountName,
        /// For which of its roles.
        role: RoleKind,
        /// Which, how long it took and what was found.
        report: StageReport,
    },
    /// The last stage of testing a role of an account: its folders were listed, or its server's abilities asked for.
    Probed {
        /// Whose.
        account: AccountName,
        /// For which of its roles.
        role: RoleKind,
        /// How long it took.
        took: Duration,
        /// What was found, for people, or what went wrong.
        outcome: Result<String, Fault>,
    },
    /// The folders that a pass will go through are known.
    Folders {
        /// Whose.
        account: AccountName,
        /// How many.
        count: usize,
    },
    /// A folder has come further.
    Progress {
        /// Whose.
        account: AccountName,
        /// Which folder's id; none: the account as a whole.
        folder: Option<String>,
        /// Messages done of this folder in this pass.
        done: u64,
        /// Messages to do, where known.
        total: Option<u64>,
        /// Octets received in this pass.
        octets: u64,
    },
    /// A sink took messages.
    Delivered {
        /// Which.
        sink: SinkName,
        /// How many since the command began.
        messages: u64,
    },
    /// Something that a person should know, and that stops nothing.
    Note {
        /// In words.
        words: String,
    },
}

/// Somebody who watches.
pub trait Watcher: Send + Sync {
    /// Told of one event; must not block.
    fn event(&self, event: Event);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn event(&self, _event: Event) {}
}
