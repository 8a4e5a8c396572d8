//! `postrider status`.

use super::context::{Context, unexpected};
use super::text::{clean, fields, octets, table};
use crate::api::{Reply, Request, StatusView};
use crate::clock::Timestamp;
use crate::fault::Fault;

/// Show how the home stands.
pub(super) async fn run(context: &Context) -> Result<(), Fault> {
    match context.ask(Request::Status).await? {
        Reply::Status(status) => context.output.show(&status, || describe(&status)),
        other => Err(unexpected(&other)),
    }
}

fn describe(status: &StatusView) -> String {
    let head = fields(&[
        ("Home", status.home.display().to_string()),
        ("Version", status.version.clone()),
        ("Daemon", status.daemon.map_or_else(|| "not running".to_owned(), |pid| format!("running (pid {pid})"))),
        ("Master key", status.master_key.display().to_string()),
        ("Damage", status.store.damage.join("; ")),
    ]);
    let accounts: Vec<_> = status
        .accounts
        .iter()
        .map(|account| {
            [
                account.name.to_string(),
                account.messages.to_string(),
                octets(account.octets),
                account.set_aside.to_string(),
                account.last_success.map_or_else(|| "-".to_owned(), Timestamp::to_rfc3339),
                account.fault.as_ref().map_or_else(|| account.activity.clone().unwrap_or_default(), |fault| clean(&fault.to_string())),
            ]
        })
        .collect();
    let sinks: Vec<_> = status
        .sinks
        .iter()
        .map(|sink| {
            let fault = sink.fault.as_ref().map(|fault| clean(&fault.to_string()));
            [sink.name.to_string(), sink.pending.to_string(), fault.unwrap_or_default()]
        })
        .collect();
    let tables = [
        table(["ACCOUNT", "MESSAGES", "SIZE", "SET ASIDE", "LAST SUCCESS", "STATE"], &accounts),
        table(["SINK", "PENDING", "STATE"], &sinks),
    ];
    tables.iter().filter(|table| !table.is_empty()).fold(head, |text, table| format!("{text}\n{table}"))
}
