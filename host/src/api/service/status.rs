//! How the home stands.

use super::Service;
use crate::api::reply::{AccountStatus, Reply, SinkStatus, StatusView, SubmissionView, naming};
use crate::fault::Fault;
use crate::flow::standing::Standing;
use crate::model::account::Account;
use crate::model::sink::Sink;

impl Service {
    pub(super) async fn status(&self) -> Result<Reply, Fault> {
        let mut accounts = Vec::new();
        for account in self.store().accounts().await? {
            accounts.push(self.account_status(account).await?);
        }
        let mut sinks = Vec::new();
        for sink in self.host().sinks().await? {
            let failure = self.host().sink_failure(&sink.name).await?;
            let (fault, since) = failure.map(|failure| (failure.fault, failure.since)).unzip();
            sinks.push(SinkStatus { pending: self.pending(&sink).await?, name: sink.name, fault, since });
        }
        let names = self.account_names().await?;
        let left = self.host().marks.left().await?.into_iter();
        // Those of an account that was removed go with the next sweep.
        let submissions = left.filter_map(|one| Some(SubmissionView::new(names.get(&one.account)?.clone(), one))).collect();
        let paths = &self.0.paths;
        Ok(Reply::Status(Box::new(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            home: paths.root.clone(),
            store_directory: paths.store.clone(),
            master_key: paths.master_key.clone(),
            connectors: paths.connectors.clone(),
            daemon: self.is_daemon().then(std::process::id),
            store: self.store().status().await?,
            accounts,
            sinks,
            submissions,
        })))
    }

    /// How many messages a sink has not got yet.
    pub(super) async fn pending(&self, sink: &Sink) -> Result<u64, Fault> {
        let position = self.store().sink_position(&sink.name).await?;
        Ok(self.store().count_after(&sink.accounts, position).await?)
    }

    async fn account_status(&self, account: Account) -> Result<AccountStatus, Fault> {
        let counts = self.store().counts(account.id).await?;
        let last = self.host().last_pass(account.id).await?;
        let standing = self.host().standings.get(account.id);
        let (state, next_attempt, failed) = match standing {
            None => (None, None, None),
            Some(Standing::Connecting) => (Some("connecting"), None, None),
            Some(Standing::Syncing) => (Some("syncing"), None, None),
            Some(Standing::Watching { .. }) => (Some("watching"), None, None),
            Some(Standing::Retrying { fault, at, .. }) => (Some("retrying"), Some(at), Some(fault)),
            Some(Standing::NeedsOperator { fault, .. }) => (Some("needs-operator"), None, Some(fault)),
        };
        let name = account.name;
        Ok(AccountStatus {
            name: name.clone(),
            messages: counts.messages,
            octets: counts.octets,
            set_aside: counts.set_aside,
            removed: counts.removed,
            receives: account.receive.is_some(),
            state: state.map(str::to_owned),
            last_pass: last.as_ref().map(|pass| pass.ended),
            last_complete: last.as_ref().and_then(|pass| pass.complete),
            next_attempt,
            fault: failed.or_else(|| last.and_then(|pass| pass.fault)).map(|fault| naming(fault, &name)),
        })
    }
}
