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
    let delivered = delivered(host, account).await?;
    let retention = match (account.keep, delivered) {
        (Keep::Forever, _) | (Keep::UntilDelivered, None) => return Ok(Retained::default()),
        (Keep::UntilDelivered, Some(up_to)) => Retention { stored_before: Timestamp(u64::MAX), up_to },
        (Keep::Days(days), delivered) => {
            let stored_before = Timestamp(now.0.saturating_sub(u64::from(days).saturating_mul(DAY_MILLIS)));
            Retention { stored_before, up_to: delivered.unwrap_or(u64::MAX) }
        }
    };
    Ok(host.store.retain(account.id, retention, now).await?)
}

/// Up to which sequence every sink of the account has its mail; none: it has no sink.
async fn delivered(host: &Host, account: &Account) -> Result<Option<u64>, Fault> {
    let mut least = None;
    for sink in host.sinks().await? {
        if sink.accounts.is_empty() || sink.accounts.contains(&account.id) {
            let position = host.store.sink_position(&sink.name).await?;
            least = Some(least.map_or(position, |least: u64| least.min(position)));
        }
    }
    Ok(least)
}
