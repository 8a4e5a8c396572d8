//! A sink: where stored mail goes on to, as the operator set it up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
