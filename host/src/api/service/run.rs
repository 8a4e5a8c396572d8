//! The daemon: the control socket and the schedule, side by side.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::Service;
use crate::api::server::Server;
use crate::fault::Fault;
use crate::flow::event::{Unwatched, Watcher};
use crate::flow::schedule;

/// Listen at the control socket and run every account and sink until `stop`; then end in order.
///
/// # Errors
/// What hinders the daemon from listening, or the store from being closed.
pub async fn run(service: Service, stop: CancellationToken) -> Result<(), Fault> {
    service.0.is_daemon.store(true, Ordering::Relaxed);
    let server = Server::bind(&service.0.paths, Arc::new(service.clone())).await?;
    tracing::info!(home = %service.0.paths.root.display(), "running");
    let watcher: Arc<dyn Watcher> = Arc::new(Unwatched);
    let scheduled = async {
        let ended = schedule::run(service.host(), &watcher, &stop).await;
        // Without its schedule the daemon is of no use: the clients are told by its end.
        stop.cancel();
        ended
    };
    let (ended, (), ()) = tokio::join!(scheduled, server.serve(stop.clone()), go_on_rotating(&service, &stop));
    let closed = service.close().await;
    tracing::info!("ended");
    ended.and(closed)
}

/// End a rotation of the keys that was broken off, beside everything else.
async fn go_on_rotating(service: &Service, stop: &CancellationToken) {
    let rotating = async {
        if service.store().key_state().await?.is_half_rotated {
            tracing::info!("going on with a rotation of the keys that was broken off");
            service.store().rotate(|_| {}).await?;
            tracing::info!("the rotation of the keys has ended");
        }
        Ok::<_, crate::store::Error>(())
    };
    if let Some(Err(error)) = stop.run_until_cancelled(Box::pin(rotating)).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot end the rotation of the keys: `postrider key rotate` goes on with it"
        );
    }
}
