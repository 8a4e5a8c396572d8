//! A sink as the operator defined it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::letter::Sink;
use super::line_endings::LineEndings;
use super::maildir::Maildir;
use crate::fault::Fault;
use crate::model::name::{AccountName, SinkName};

/// What the operator said of one sink; kept sealed in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// What the operator calls it.
    pub name: SinkName,
    /// Whose mail it gets; empty: every account's.
    pub accounts: Vec<AccountName>,
    /// Where the mail goes.
    pub target: Target,
}

/// Where a sink's mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Target {
    /// A Maildir on this machine.
    Maildir {
        /// Absolute.
        dir: PathBuf,
        /// How lines end there.
        line_endings: LineEndings,
    },
}

impl Definition {
    /// Whether mail of `account` goes there.
    #[must_use]
    pub fn takes(&self, account: &AccountName) -> bool {
        self.accounts.is_empty() || self.accounts.contains(account)
    }

    /// The sink, ready to deliver to. Touches the disk: for blocking threads.
    ///
    /// # Errors
    /// Whatever stands in the way of delivering there.
    pub fn open(&self) -> Result<Arc<dyn Sink>, Fault> {
        match &self.target {
            Target::Maildir { dir, line_endings } => Ok(Arc::new(Maildir::open(dir, *line_endings)?)),
        }
    }
}
