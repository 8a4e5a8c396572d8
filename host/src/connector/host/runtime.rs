//! `postrider:runtime`: time and log.

use std::time::{Duration, Instant};

use wasmtime::AsContextMut;
use wasmtime::component::{Access, Accessor};

use super::{Guest, Imports, session};
use crate::clock::Timestamp;
use crate::connector::bindings::runtime::{Host, HostWithStore, Level};
use crate::connector::budget::Line;
use crate::connector::contract::{escaped, shortened};
use crate::connector::session::Session;

/// A synchronous import cannot wait. Where the session calls too often, the instance is held at its next step instead.
pub(super) fn count_call<T: 'static>(mut store: Access<'_, T, Imports>) -> std::sync::Arc<Session> {
    let session = std::sync::Arc::clone(&store.get().session);
    if session.meter.count_call_later() {
        store.as_context_mut().set_epoch_deadline(0);
    }
    session
}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    fn now(store: Access<'_, T, Self>) -> wasmtime::Result<u64> {
        count_call(store);
        Ok(Timestamp::now().0)
    }

    async fn sleep(accessor: &Accessor<T, Self>, ms: u64) -> wasmtime::Result<()> {
        // Ended early when the session is stopped; then the next call says so.
        let _ = session(accessor)
            .wait(async {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(())
            })
            .await;
        Ok(())
    }

    fn log(store: Access<'_, T, Self>, level: Level, message: String) -> wasmtime::Result<()> {
        count_call(store).log(level, &message);
        Ok(())
    }
}

impl Host for Guest {}

impl Session {
    /// Write a line of the component's to the host's log, if the account's budget allows.
    pub(in crate::connector) fn log(&self, level: Level, message: &str) {
        let verdict = self.log_budget().take(Instant::now());
        match verdict {
            Line::Write => {}
            Line::WriteAfter(dropped) => {
                tracing::warn!(target: "connector", account = %self.context.account, connector = %self.connector.id, dropped, "Log lines were dropped.");
            }
            Line::DropFirst => {
                let most = self.limits().log_lines_per_minute;
                tracing::warn!(target: "connector", account = %self.context.account, connector = %self.connector.id, most, "Logs too much: further lines of this minute are dropped (limit `log-lines-per-minute`).");
                return;
            }
            Line::Drop => return,
        }
        let octets = usize::try_from(self.limits().log_line_octets).unwrap_or(usize::MAX);
        let message = escaped(shortened(message, octets));
        let account = &self.context.account;
        let connector = &self.connector.id;
        match level {
            Level::Error => tracing::error!(target: "connector", %account, %connector, "{message}"),
            Level::Warn => tracing::warn!(target: "connector", %account, %connector, "{message}"),
            Level::Info => tracing::info!(target: "connector", %account, %connector, "{message}"),
            Level::Debug => tracing::debug!(target: "connector", %account, %connector, "{message}"),
            Level::Trace => tracing::trace!(target: "connector", %account, %connector, "{message}"),
        }
    }
}
