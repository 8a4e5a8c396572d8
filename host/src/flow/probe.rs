//! Trying an account without receiving or sending anything: the way in, stage by stage, and what is behind it.

use std::sync::Arc;
use std::time::Instant;

use super::event::{Event, Watcher};
use super::host::Host;
use super::mailroom::Tally;
use super::receive::chosen_folders;
use super::submission::Unsent;
use crate::fault::Fault;
use crate::model::account::{Account, RoleKind};

/// Try each role of `account`, the second one although the first one fails: each stage is told to `watcher` as it ends.
///
/// # Errors
/// The fault of the first stage that failed.
pub async fn test(host: &Host, account: &Account, watcher: &Arc<dyn Watcher>) -> Result<(), Fault> {
    let mut ended = Ok(());
    for kind in RoleKind::ALL {
        if account.role(kind).is_none() {
            continue;
        }
        let tried = match kind {
            RoleKind::Receive => try_receiving(host, account, watcher).await,
            RoleKind::Send => try_sending(host, account, watcher).await,
        };
        ended = ended.and(tried);
    }
    ended
}

async fn try_receiving(host: &Host, account: &Account, watcher: &Arc<dyn Watcher>) -> Result<(), Fault> {
    let session = host.receiving_session(account, watcher, &Arc::new(Tally::default())).await?;
    let begun = Instant::now();
    let found = session.folders().await;
    let outcome = found.and_then(|folders| {
        let chosen = chosen_folders(account, &folders, &[])?;
        Ok(format!("{} folders, {} to receive", folders.len(), chosen.len()))
    });
    session.close().await;
    probed(account, RoleKind::Receive, begun, outcome, watcher)
}

/// Signs in, asks what the server can do, and says goodbye: nothing is sent.
async fn try_sending(host: &Host, account: &Account, watcher: &Arc<dyn Watcher>) -> Result<(), Fault> {
    let session = host.sending_session(account, watcher, Arc::new(Unsent)).await?;
    let begun = Instant::now();
    let outcome = session
        .abilities()
        .await
        .map(|abilities| if abilities.is_empty() { "nothing beyond plain messages".to_owned() } else { abilities.join(", ") });
    session.close().await;
    probed(account, RoleKind::Send, begun, outcome, watcher)
}

fn probed(
    account: &Account,
    role: RoleKind,
    begun: Instant,
    outcome: Result<String, Fault>,
    watcher: &Arc<dyn Watcher>,
) -> Result<(), Fault> {
    let fault = outcome.clone().err();
    watcher.event(Event::Probed { account: account.name.clone(), role, took: begun.elapsed(), outcome });
    fault.map_or(Ok(()), Err)
}
