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

impl LastPass {
    /// What is to be kept after a pass that ended at `ended`. One over some folders only can neither complete the account nor make the
    /// failure of another folder good.
    #[must_use]
    pub fn after(former: Option<&Self>, ended: Timestamp, is_over_all: bool, fault: Option<Fault>) -> Self {
        let complete = if is_over_all && fault.is_none() { Some(ended) } else { former.and_then(|former| former.complete) };
        let fault = if is_over_all { fault } else { fault.or_else(|| former.and_then(|former| former.fault.clone())) };
        Self { ended, complete, fault }
    }

    /// Whether only the time at which it ended differs.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        (&self.complete, &self.fault) == (&other.complete, &other.fault)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;

    #[test]
    fn only_a_pass_over_all_completes_or_makes_good() {
        let (early, late) = (Timestamp(1), Timestamp(2));
        let fault = || Some(Fault::new(Kind::Gone, "open a folder"));
        let whole = LastPass::after(None, early, true, None);
        assert_eq!((whole.complete, &whole.fault), (Some(early), &None));
        let part = LastPass::after(None, early, false, None);
        assert_eq!((part.complete, &part.fault), (None, &None));
        let failed = LastPass::after(Some(&whole), late, true, fault());
        assert_eq!((failed.complete, &failed.fault), (Some(early), &fault()));
        let pushed = LastPass::after(Some(&failed), late, false, None);
        assert_eq!((pushed.complete, &pushed.fault), (Some(early), &fault()));
        assert!(pushed.says_the_same_as(&failed));
        assert_eq!(LastPass::after(Some(&failed), late, true, None).fault, None);
    }
}
