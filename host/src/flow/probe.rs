//! Trying an account without receiving anything: the way in, stage by stage, and the folders behind it.

use std::sync::Arc;
use std::time::Instant;

use super::event::{Event, Watcher};
use super::host::Host;
use super::mailroom::Tally;
use super::receive::chosen_folders;
use crate::fault::Fault;
use crate::model::account::Account;

/// Try `account`: each stage is told to `watcher` as it ends.
///
/// # Errors
/// The fault of the stage that failed.
pub async fn test(host: &Host, account: &Account, watcher: &Arc<dyn Watcher>) -> Result<(), Fault> {
    let session = host.receiving_session(account, watcher, &Arc::new(Tally::default())).await?;
    let begun = Instant::now();
    let found = session.folders().await;
    let outcome = found.and_then(|folders| {
        let chosen = chosen_folders(account, &folders, &[])?;
        Ok(format!("{} folders, {} to receive", folders.len(), chosen.len()))
    });
    session.close().await;
    let fault = outcome.clone().err();
    watcher.event(Event::Listed { account: account.name.clone(), took: begun.elapsed(), outcome });
    fault.map_or(Ok(()), Err)
}
