//! `postrider run`: the daemon.

use tokio_util::sync::CancellationToken;

use super::context::{Context, interrupts};
use super::process;
use crate::api::service;
use crate::fault::Fault;

/// What the daemon is called in the home's lock.
pub(super) const WORDS: &str = "postrider run";

/// Own the home until SIGTERM, SIGINT or SIGHUP, then drain. A second signal ends the wait.
pub(super) async fn run(context: &Context) -> Result<(), Fault> {
    process::raise_descriptors();
    let ownership = context.own().await?;
    let service = context.open(ownership).await?;
    let stop = CancellationToken::new();
    tokio::select! {
        ended = service::run(service, stop.clone()) => ended,
        fault = interrupts(&stop) => Err(fault),
    }
}
