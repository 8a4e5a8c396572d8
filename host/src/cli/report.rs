//! Errors and notes for people, or as JSON. The only place that prints either.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use console::Style;

use super::text::{clean, harmless_json};
use crate::fault::{Fault, Kind};

/// The code of a fault whose reader left: nobody is there to be told.
pub(super) const READER_LEFT: &str = "EPIPE";

/// How errors and notes are printed.
#[derive(Debug, Clone)]
pub(super) struct Report {
    json: bool,
    colors: bool,
}

impl Report {
    /// On stderr, with colours on a terminal unless `NO_COLOR` is set (no-color.org).
    pub(super) fn to_stderr(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { json, colors: !unwanted && !dumb && std::io::stderr().is_terminal() }
    }

    /// Print why a command failed.
    pub(super) fn fault(&self, fault: &Fault) {
        if fault.code.as_deref() == Some(READER_LEFT) {
            return;
        }
        if self.json {
            let json = serde_json::to_string(fault).unwrap_or_else(|error| error.to_string());
            print(&format!("{}\n", harmless_json(&json)));
        } else {
            print(&render(fault, self.colors));
        }
    }

    /// Print something that a person wants to know. Not with JSON, whose readers get data only.
    pub(super) fn note(&self, words: &str) {
        if !self.json {
            print(&format!("{}: {}\n", Style::new().force_styling(self.colors).cyan().apply_to("note"), clean(words)));
        }
    }

    /// Print what the parser refused, or the help that was asked for.
    pub(super) fn refusal(&self, error: &clap::Error) -> ExitCode {
        if self.json && error.use_stderr() {
            let words = error.to_string();
            // Down to the first empty line: what is wrong, and with which of the arguments.
            let lines = words.trim_start_matches("error: ").lines().map(str::trim).take_while(|line| !line.is_empty());
            let words = lines.collect::<Vec<_>>().join(" ");
            let fault = Fault::new(Kind::Usage, "understand the command line").because_words(words);
            self.fault(&fault.with_remedy("`postrider help` lists the commands"));
        } else {
            // Nobody is left to be told.
            let _ = error.print();
        }
        ExitCode::from(if error.use_stderr() { Kind::Usage.exit_code() } else { 0 })
    }
}

/// What stands after "error: ".
pub(super) const fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthenticated => "Sign-in refused",
        Kind::Forbidden => "Not allowed",
        Kind::Unreachable => "Not reachable",
        Kind::Untrusted => "Not to be trusted",
        Kind::Throttled => "Asked to slow down",
        Kind::Transient => "Not now",
        Kind::Permanent => "Refused for good",
        Kind::Malformed => "Answer not understood",
        Kind::Unsupported => "Not supported",
        Kind::Misconfigured => "Settings that cannot work",
        Kind::StaleCursor => "Place in the mailbox lost",
        Kind::Gone => "Gone",
        Kind::Conflict => "Already there, or changed meanwhile",
        Kind::TooLarge => "Too large",
        Kind::RefusedByHost => "Refused by this host",
        Kind::Cancelled => "Cancelled",
        Kind::Usage => "Cannot be meant",
        Kind::NotFound => "Not found",
        Kind::InUse => "In use",
        Kind::Unapproved => "Not approved",
        Kind::ConnectorFailed => "Connector failed",
        Kind::Storage => "Disk trouble",
        Kind::Damaged => "Store damaged",
        Kind::KeyUnavailable => "Master key not available",
        Kind::KeyWrong => "Wrong master key",
        Kind::KeyOutdated => "Keyring out of date",
        Kind::Unsettled => "Taken over or not",
        Kind::Bug => "Fault of this program",
    }
}

fn render(fault: &Fault, colors: bool) -> String {
    let style = || Style::new().force_styling(colors);
    let mut lines = vec![
        format!("{}: {}", style().red().bold().apply_to("error"), style().bold().apply_to(heading(fault.kind))),
        format!("  Cannot {}", clean(&fault.operation)),
    ];
    match (&fault.words, &fault.code) {
        (Some(words), Some(code)) => lines.push(format!("  The server says \"{}\" ({})", clean(words), clean(code))),
        (Some(words), None) => lines.push(format!("  The server says \"{}\"", clean(words))),
        (None, Some(code)) => lines.push(format!("  Code: {}", clean(code))),
        (None, None) => {}
    }
    let causes = fault.causes().enumerate();
    lines.extend(causes.map(|(depth, cause)| format!("  {:indent$}Cause: {}", "", clean(cause), indent = 2 * depth)));
    if let Some(after) = fault.retry_after {
        lines.push(format!("  The server asks to wait for {} s", after.as_secs()));
    }
    // Remedies are ours, and may have several lines.
    let remedies = fault.remedy.iter().flat_map(|remedy| remedy.lines());
    lines.extend(remedies.map(|line| format!("{}: {}", style().green().bold().apply_to("help"), clean(line))));
    lines.push(String::new());
    lines.join("\n")
}

fn print(text: &str) {
    // Nobody is left to be told.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refused_sign_in() {
        let fault = Fault::new(Kind::Unauthenticated, "sign in to mail.example.com:993 as help")
            .with_words("Authentication failed.\u{1b}[2J")
            .with_code("AUTHENTICATIONFAILED")
            .with_remedy(
                "set the password anew: `postrider account edit help --password-stdin`\nwith two-factor sign-in an app password is needed",
            );
        insta::assert_snapshot!(render(&fault, false), @r#"
        error: Sign-in refused
          Cannot sign in to mail.example.com:993 as help
          The server says "Authentication failed.\u{1b}[2J" (AUTHENTICATIONFAILED)
        help: set the password anew: `postrider account edit help --password-stdin`
        help: with two-factor sign-in an app password is needed
        "#);
    }

    #[test]
    fn a_chain_of_causes() {
        let io = std::io::Error::other("No route to host");
        let fault = Fault::new(Kind::Unreachable, "connect to 192.0.2.1:993").because(&io).within("receive account help");
        insta::assert_snapshot!(render(&fault, false), @r"
        error: Not reachable
          Cannot receive account help
          Cause: cannot connect to 192.0.2.1:993
            Cause: No route to host
        ");
    }

    #[test]
    fn a_server_that_names_a_time() {
        let fault = Fault::new(Kind::Throttled, "list folders").with_code("LIMIT").with_retry_after(Duration::from_secs(90));
        insta::assert_snapshot!(render(&fault, false), @r"
        error: Asked to slow down
          Cannot list folders
          Code: LIMIT
          The server asks to wait for 90 s
        ");
    }

    #[test]
    fn colours_only_where_asked_for() {
        let fault = Fault::new(Kind::Bug, "add one and one");
        assert!(render(&fault, true).contains("\u{1b}["));
        assert!(!render(&fault, false).contains('\u{1b}'));
    }

    #[test]
    fn every_kind_has_its_own_heading() {
        let mut headings: Vec<_> = Kind::ALL.iter().map(|kind| heading(*kind)).collect();
        headings.sort_unstable();
        headings.dedup();
        assert_eq!(headings.len(), Kind::ALL.len());
    }
}
