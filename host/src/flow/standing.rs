//! How each account stands, for `status` and for whoever asks "is the sync complete?".

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::model::name::AccountId;

/// What an account is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Standing {
    /// On its way to the server.
    Connecting,
    /// A pass is under way.
    Syncing,
    /// Everything is here; waiting for the server to tell of more.
    Watching {
        /// Since when.
        since: Timestamp,
    },
    /// An attempt failed, and another will follow by itself.
    Retrying {
        /// What failed.
        fault: Fault,
        /// When the next attempt begins.
        at: Timestamp,
        /// Failures in a row.
        failures: u32,
    },
    /// An attempt failed in a way that only the operator can mend; no more attempts until the account is edited.
    NeedsOperator {
        /// What failed.
        fault: Fault,
        /// When.
        since: Timestamp,
    },
}

/// How the last pass over an account ended; kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPass {
    /// When it ended.
    pub ended: Timestamp,
    /// When a pass last ended with everything here; none: never yet.
    pub complete: Option<Timestamp>,
    /// Why it failed.
    pub fault: Option<Fault>,
}

/// Why a sink does not get what is stored; kept in the store until it gets something again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkFailure {
    /// What failed last.
    pub fault: Fault,
    /// Since when nothing was delivered.
    pub since: Timestamp,
}

/// The standings of all accounts of a running daemon.
#[derive(Debug, Default)]
pub struct Standings(Mutex<BTreeMap<AccountId, Standing>>);

impl Standings {
    /// Note what an account is doing now.
    pub fn set(&self, account: AccountId, standing: Standing) {
        self.lock().insert(account, standing);
    }

    /// The account is not run any more.
    pub fn forget(&self, account: AccountId) {
        self.lock().remove(&account);
    }

    /// What an account is doing; none: no daemon runs it.
    #[must_use]
    pub fn get(&self, account: AccountId) -> Option<Standing> {
        self.lock().get(&account).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<AccountId, Standing>> {
        // A map of plain values is whole whatever the thread that held it did.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
