//! What the exit codes mean, as generated from the kinds of failure.

use serde::Serialize;

use super::context::Context;
use super::text::table;
use crate::fault::{Fault, Kind};

/// One row.
#[derive(Serialize)]
struct Row {
    code: u8,
    kind: Kind,
    meaning: &'static str,
}

/// Print the table.
pub(super) fn run(context: &Context) -> Result<(), Fault> {
    context.output.show(&rows(), text)
}

/// The table for people.
pub(super) fn text() -> String {
    let rows: Vec<_> = rows().iter().map(|row| [row.code.to_string(), word(row.kind), row.meaning.to_owned()]).collect();
    format!("What the exit codes mean. 0: it worked.\n\n{}", table(["CODE", "KIND", "MEANING"], &rows))
}

fn rows() -> Vec<Row> {
    let row = |kind: &Kind| Row { code: kind.exit_code(), kind: *kind, meaning: meaning(*kind) };
    let mut rows: Vec<_> = Kind::ALL.iter().map(row).collect();
    rows.sort_unstable_by_key(|row| row.code);
    rows
}

/// The kind as it stands in JSON.
fn word(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

const fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthenticated => "The server refused user or password",
        Kind::Forbidden => "Signed in, but not allowed",
        Kind::Unreachable => "Name, connection, proxy, time-out or a lost line",
        Kind::Untrusted => "The certificate or the TLS of the server",
        Kind::Throttled => "The server asks for less",
        Kind::Transient => "The server says \"later\"",
        Kind::Permanent => "The server says \"never\"",
        Kind::Malformed => "The server's answer breaks its protocol",
        Kind::Unsupported => "This server, connector or daemon cannot do it",
        Kind::Misconfigured => "The account's settings cannot work",
        Kind::StaleCursor => "The server no longer knows where we were",
        Kind::Gone => "The message or folder is gone from the server",
        Kind::Conflict => "It is there already, or it changed meanwhile",
        Kind::TooLarge => "Over a limit of size",
        Kind::RefusedByHost => "Policy or budget of this host",
        Kind::Cancelled => "Somebody asked to stop",
        Kind::Usage => "A command or a value that cannot be meant",
        Kind::NotFound => "No account, connector, message or sink of that name",
        Kind::InUse => "Another process owns the home",
        Kind::Unapproved => "The connector waits for `postrider connector approve`",
        Kind::ConnectorFailed => "A connector trapped, or broke its contract",
        Kind::Storage => "The disk is full, read-only, failing, or not permitted",
        Kind::Damaged => "The store is torn, incomplete or tampered with",
        Kind::KeyUnavailable => "The master key is missing, or cannot be used",
        Kind::KeyWrong => "The master key, passphrase or recovery key is not this store's",
        Kind::KeyOutdated => "The keyring is older than the records that a rotation rewrote",
        Kind::Unsettled => "The server may have taken a message, or not",
        Kind::Bug => "Please report it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_kind_once() {
        let text = text();
        for kind in Kind::ALL {
            let code = kind.exit_code().to_string();
            let row = text.lines().find(|line| line.split_whitespace().next() == Some(&code));
            assert!(row.is_some_and(|row| row.contains(&word(kind)) && row.contains(meaning(kind))), "{kind:?}");
        }
        assert_eq!(text.lines().count(), Kind::ALL.len() + 3);
    }
}
