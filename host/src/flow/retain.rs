//! Retention: mail that its account does not keep any longer, and that every sink has which takes it, gives its octets up.

use super::host::Host;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::model::account::{Account, Keep};
use crate::store::{Retained, Retention};

const DAY_MILLIS: u64 = 24 * 3_600 * 1_000;

/// Apply every account's retention now. What fails is told in the log and tried again the next time.
pub async fn retain(host: &Host) {
    let accounts = match host.store.accounts().await {
        Ok(accounts) => accounts,
        Err(error) => return tracing::warn!(error = %Fault::from(error), "retention not applied"),
    };
    for account in accounts.into_iter().filter(|account| !account.keep.is_default()) {
        match retain_one(host, &account, Timestamp::now()).await {
            Ok(Retained { messages: 0, .. }) => {}
            Ok(retained) => {
                tracing::info!(account = %account.name, messages = retained.messages, octets = retained.octets, "mail not kept any longer");
            }
            Err(fault) => tracing::warn!(account = %account.name, %fault, cause = fault.causes().next(), "retention not applied"),
        }
    }
}

async fn retain_one(host: &Host, account: &Account, now: Timestamp) -> Result<Retained, Fault> {
    // Asked before anything is removed: a sink that is added meanwhile gets what is there when it looks.
    match retention(host, account, now).await? {
        Some(retention) => Ok(host.store.retain(account.id, retention, now).await?),
        None => Ok(Retained::default()),
    }
}

/// What neither the account nor a sink that takes its mail wants any longer; none: somebody wants all of it.
async fn retention(host: &Host, account: &Account, now: Timestamp) -> Result<Option<Retention>, Fault> {
    let mut retention = Retention { stored_before: Timestamp(u64::MAX), up_to: u64::MAX };
    let mut keeps = vec![account.keep];
    let mut is_delivered = false;
    for sink in host.sinks().await? {
        if sink.accounts.is_empty() || sink.accounts.contains(&account.id) {
            is_delivered = true;
            keeps.push(sink.keep);
            retention.up_to = retention.up_to.min(host.store.sink_position(&sink.name).await?);
        }
    }
    for keep in keeps {
        match keep {
            Keep::Forever => return Ok(None),
            Keep::UntilDelivered if !is_delivered => return Ok(None),
            Keep::UntilDelivered => {}
            Keep::Days(days) => {
                let before = Timestamp(now.0.saturating_sub(u64::from(days).saturating_mul(DAY_MILLIS)));
                retention.stored_before = retention.stored_before.min(before);
            }
        }
    }
    Ok(Some(retention))
}
