//! What the daemon does for the store by itself, now and then.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::host::Host;
use super::retain::retain;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Keep the store's files small until `stop`.
pub(super) async fn keep_up(host: &Host, stop: &CancellationToken) {
    loop {
        // Broken off anywhere, a compaction leaves nothing but garbage for the next one.
        let Some(()) = stop.run_until_cancelled(round(host)).await else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn round(host: &Host) {
    retain(host).await;
    match host.store.compact_if_worth().await {
        Ok(Some(report)) => {
            tracing::info!(segments = report.segments, freed = report.freed_octets, copied = report.copied_octets, "store compacted");
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(error = %crate::fault::Fault::from(error), "store not compacted"),
    }
}
