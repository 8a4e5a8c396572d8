//! A sink: where stored mail goes on to, as the operator set it up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::account::Keep;
use super::name::{AccountId, SinkName};
use crate::clock::Timestamp;

/// One sink of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sink {
    /// What the operator calls it.
    pub name: SinkName,
    /// Whose mail it gets; empty: everybody's.
    pub accounts: Vec<AccountId>,
    /// Where it puts the mail.
    pub target: Target,
    /// When it was added.
    pub created: Timestamp,
    /// How long the store keeps for it what it takes, on top of what its account wants.
    #[serde(default = "Sink::keep_by_default")]
    pub keep: Keep,
}

impl Sink {
    /// A sink that has a message needs the store's no longer.
    #[must_use]
    pub const fn keep_by_default() -> Keep {
        Keep::UntilDelivered
    }
}

/// Where a sink puts mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A Maildir, with `tmp`, `new` and `cur`.
    Maildir {
        /// Absolute.
        directory: PathBuf,
        /// What ends a line in its files.
        line_endings: LineEndings,
    },
}

/// What ends a line in a sink's files. The store keeps the exact octets whatever is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEndings {
    /// LF, as Maildir readers expect.
    #[default]
    Lf,
    /// CRLF, as RFC 5322 has it.
    Crlf,
}
