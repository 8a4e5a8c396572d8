//! `postrider status`.

use std::time::Duration;

use indicatif::HumanDuration;

use super::context::{Context, unexpected};
use super::text::{fields, octets, table};
use crate::api::{AccountStatus, Reply, Request, SinkStatus, StatusView, SubmissionView};
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
        ("On disk", octets(status.store.record_octets + status.store.spool_octets)),
        ("Damage", status.store.damage.join("; ")),
        ("Clock", status.store.clock_behind_millis.map(clock_behind).unwrap_or_default()),
        (
            "Keys",
            if status.store.key.is_half_rotated { "a rotation has not ended: `postrider key rotate` goes on with it" } else { "" }
                .to_owned(),
        ),
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
                account.last_complete.map_or_else(|| "-".to_owned(), Timestamp::to_rfc3339),
                state(account),
            ]
        })
        .collect();
    let sinks: Vec<_> = status.sinks.iter().map(|sink| [sink.name.to_string(), sink.pending.to_string(), sink_state(sink)]).collect();
    let tables = [
        table(["ACCOUNT", "MESSAGES", "SIZE", "SET ASIDE", "COMPLETE AT", "STATE"], &accounts),
        table(["SINK", "PENDING", "STATE"], &sinks),
        submissions(&status.submissions),
    ];
    tables.iter().filter(|table| !table.is_empty()).fold(head, |text, table| format!("{text}\n{table}"))
}

/// Messages of which nobody was told how their sending ended, and what to do about them.
fn submissions(left: &[SubmissionView]) -> String {
    let row = |one: &SubmissionView| {
        let further = one.recipient_count.saturating_sub(one.recipients.len() as u64);
        let further = if further == 0 { String::new() } else { format!(" and {further} more") };
        let recipients = format!("{}{further}", one.recipients.join(", "));
        let message_id = one.message_id.clone().unwrap_or_else(|| "-".to_owned());
        [one.id.clone(), one.account.to_string(), recipients, message_id, one.at.to_rfc3339(), one.outcome.clone()]
    };
    let rows: Vec<_> = left.iter().map(row).collect();
    let rows = table(["SUBMISSION", "ACCOUNT", "RECIPIENTS", "MESSAGE-ID", "AT", "OUTCOME"], &rows);
    if rows.is_empty() {
        return rows;
    }
    format!("{rows}Of `unknown` ones the server may have taken the message; `postrider send --acknowledge` ends this list\n")
}

/// What it means that the clock was set back, and what to do.
fn clock_behind(millis: u64) -> String {
    let behind = HumanDuration(Duration::from_millis(millis));
    format!("set back by {behind}: mail that comes now is dated as the latest that is here, and kept for longer; set the clock right")
}

/// "ok", or "failing since ...: cannot deliver to ...: ...".
fn sink_state(sink: &SinkStatus) -> String {
    match (&sink.fault, sink.since) {
        (None, _) => "ok".to_owned(),
        (Some(fault), Some(since)) => format!("failing since {}: {}", since.to_rfc3339(), in_a_line(fault)),
        (Some(fault), None) => format!("failing: {}", in_a_line(fault)),
    }
}

/// What failed, and the cause at the bottom of it.
fn in_a_line(fault: &Fault) -> String {
    fault.causes().last().map_or_else(|| fault.to_string(), |cause| format!("{fault}: {cause}"))
}

/// "watching", or "retrying: cannot connect to ...".
fn state(account: &AccountStatus) -> String {
    match (&account.state, &account.fault) {
        (Some(state), Some(fault)) => format!("{state}: {}", in_a_line(fault)),
        (None, Some(fault)) => format!("failed: {}", in_a_line(fault)),
        (Some(state), None) => state.clone(),
        (None, None) if !account.receives => "sends only".to_owned(),
        (None, None) if account.last_complete.is_none() => "never received".to_owned(),
        (None, None) => String::new(),
    }
}
