//! What these tests begin with: a home with an account that sends, messages in files, and what became of them.

use std::path::PathBuf;

use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::postrider::{Outcome, Postrider};
use harness::scripted::Scripted;
use serde_json::Value;

/// The name of the account.
pub(super) const OUT: &str = "out";

/// The envelope's sender in every test.
pub(super) const SENDER: &str = "desk@example.com";

/// Who gets the mail in most tests; a user of every [`Dovecot`].
pub(super) const RECIPIENT: &str = "help@example.com";

/// Time-outs short enough for a server that says nothing.
pub(super) const QUICK: &[&str] = &["--send-connect-timeout-ms", "2000", "--send-read-timeout-ms", "2000"];

/// A Dovecot that takes user@example.com for its user.
#[track_caller]
pub(super) fn dovecot() -> Dovecot {
    Setup::default().settings("auth_username_format = %Ln\n").start()
}

/// Add an account that sends over a server with users.
#[track_caller]
pub(super) fn add_account(postrider: &Postrider, dovecot: &Dovecot, port: u16, security: &str) -> Outcome {
    let (port, ca) = (port.to_string(), dovecot.ca_file());
    let mut arguments = vec!["account", "add", OUT, "--send", "smtp", "--send-server", "localhost", "--send-port", &port];
    arguments.extend(["--send-security", security, "--send-user", USER, "--send-password-stdin", "--send-ca", ca.to_str().unwrap()]);
    postrider.run_with_input(&arguments, PASSWORD.as_bytes()).succeeded()
}

/// A home with an account for a scripted server, at which nobody signs in.
#[track_caller]
pub(super) fn home_for(server: &Scripted, options: &[&str]) -> Postrider {
    let (postrider, port) = (Postrider::new(), server.port.to_string());
    let arguments =
        ["account", "add", OUT, "--send", "smtp", "--send-server", "localhost", "--send-port", &port, "--send-security", "none"];
    postrider.succeed(&[&arguments[..], QUICK, options].concat());
    postrider
}

/// A message with this number and a Message-ID made of it.
pub(super) fn message(number: usize, octets: usize) -> Vec<u8> {
    let line = format!("{number} times nothing is nothing\r\n");
    let head = format!("From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: message {number}\r\nMessage-ID: {}\r\n\r\n.\r\n", message_id(number));
    let mut message = head.into_bytes();
    while message.len() < octets {
        message.extend_from_slice(line.as_bytes());
    }
    message
}

/// The Message-ID of [`message`].
pub(super) fn message_id(number: usize) -> String {
    format!("<{number}@desk.example.com>")
}

/// A file beside the home for each message.
pub(super) fn write(postrider: &Postrider, messages: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
    let file = |(number, octets): (usize, Vec<u8>)| -> PathBuf {
        let path = postrider.beside(&format!("{number}.eml"));
        std::fs::write(&path, octets).unwrap();
        path
    };
    messages.into_iter().enumerate().map(file).map(|path| path.to_str().unwrap().to_owned()).collect()
}

/// The arguments of `send` for these recipients and files.
pub(super) fn arguments<'a>(to: &[&'a str], options: &[&'a str], files: &'a [String]) -> Vec<&'a str> {
    let mut arguments = vec!["send", "--raw", "--account", OUT, "--from", SENDER];
    arguments.extend(to.iter().flat_map(|to| ["--to", to]));
    arguments.extend(options);
    arguments.extend(files.iter().map(String::as_str));
    arguments
}

/// Send files; what became of each message is on stdout as JSON.
#[track_caller]
pub(super) fn send(postrider: &Postrider, to: &[&str], files: &[String]) -> Outcome {
    postrider.run(&arguments(to, &["--json"], files))
}

/// What became of each message, in the order in which it was told.
pub(super) fn told(outcome: &Outcome) -> Vec<Value> {
    // A process that was killed may have been writing the last line.
    outcome.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The verdicts about one message.
pub(super) fn verdicts(sent: &Value) -> Vec<&str> {
    sent["recipients"].as_array().unwrap().iter().map(|recipient| recipient["verdict"].as_str().unwrap()).collect()
}

/// Submissions of which `status` tells.
#[track_caller]
pub(super) fn left(postrider: &Postrider) -> Vec<Value> {
    postrider.json(&["status"])["submissions"].as_array().cloned().unwrap_or_default()
}
