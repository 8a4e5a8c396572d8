//! Real servers: what goes in by SMTP comes out by POP3 and IMAP with the same octets; verdicts; ten thousand messages.

use std::collections::BTreeMap;

use harness::corpus;
use harness::dovecot::{Dovecot, PASSWORD, USER};
use harness::postfix::{Delivery, Postfix, REFUSED};
use harness::postrider::Postrider;
use harness::wait;
use rustix::process::Signal;
use serde_json::Value;

use super::scene::{OUT, RECIPIENT, add_account, arguments, dovecot, message, send, told, verdicts, write};
use crate::scene::assert_same;

/// What servers put before a message that they take.
const TRACE: &[&str] = &["return-path:", "delivered-to:", "received:", "x-original-to:"];

/// With CRLF, as it is on the wire.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                wire.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                wire.extend_from_slice(b"\r\n");
            }
            None => {
                wire.extend_from_slice(line);
                wire.extend_from_slice(b"\r\n");
            }
        }
    }
    wire
}

/// Without the header fields that servers put before it.
fn without_trace(octets: &[u8]) -> &[u8] {
    let mut rest = octets;
    loop {
        let is_trace = |line: &[u8]| {
            let line = String::from_utf8_lossy(&line[..line.len().min(40)]).to_ascii_lowercase();
            TRACE.iter().any(|field| line.starts_with(field))
        };
        let Some(end) = rest.iter().position(|octet| *octet == b'\n') else { return rest };
        if !is_trace(&rest[..end]) {
            return rest;
        }
        rest = &rest[end + 1..];
        // Folded lines belong to it.
        while rest.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
            let end = rest.iter().position(|octet| *octet == b'\n').unwrap();
            rest = &rest[end + 1..];
        }
    }
}

/// Messages of the corpus that SMTP can carry as they are: text in lines of at most 998 octets that begins with a header section, without NUL.
fn corpus_for_smtp(count: usize) -> Vec<Vec<u8>> {
    let fits = |octets: &Vec<u8>| {
        let wire = with_crlf(octets);
        let lines = || wire.split(|octet| *octet == b'\n');
        lines().all(|line| line.len() <= 999 && line.strip_suffix(b"\r").unwrap_or(line).iter().all(|octet| !matches!(octet, 0 | b'\r')))
            && lines().take_while(|line| line.len() > 1).all(|line| {
                line.is_ascii()
                    && (matches!(line[0], b' ' | b'\t')
                        || line.iter().take_while(|octet| octet.is_ascii_graphic()).any(|octet| *octet == b':'))
            })
            && wire[0].is_ascii_alphabetic()
            // Postfix takes fifty of them for a loop.
            && lines().filter(|line| line.starts_with(b"Received:")).count() < 40
    };
    corpus::messages(corpus::SEED, 400).map(|message| message.octets).filter(fits).take(count).collect()
}

/// A Message-ID for each, so that it is known again whatever its own header says.
fn marked(messages: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mark = |(number, octets): (usize, Vec<u8>)| [format!("X-Mark: mark-{number}\n").into_bytes(), octets].concat();
    messages.into_iter().enumerate().map(mark).collect()
}

fn mark_of(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.lines().find_map(|line| line.strip_prefix("X-Mark: ")).expect("it has its mark").trim().to_owned()
}

/// Every stored message of an account, by its mark.
#[track_caller]
fn received(postrider: &Postrider, account: &str) -> BTreeMap<String, Vec<u8>> {
    let list = postrider.json(&["message", "list", "--account", account, "--limit", "10000"]);
    let mut by_mark = BTreeMap::new();
    for message in list.as_array().unwrap() {
        let octets = postrider.succeed(&["message", "export", message["id"].as_str().unwrap()]).stdout;
        assert!(by_mark.insert(mark_of(&octets), octets).is_none(), "a message came twice");
    }
    by_mark
}

/// Accounts that receive over IMAP and over POP3.
fn add_receivers(postrider: &Postrider, dovecot: &Dovecot) {
    let ca = dovecot.ca_file();
    for (connector, port) in [("imap", dovecot.imaps), ("pop3", dovecot.pop3s)] {
        let port = port.to_string();
        let add = ["account", "add", connector, "--receive", connector, "--server", "localhost", "--port", &port, "--user", USER];
        postrider
            .run_with_input(&[&add[..], &["--ca", ca.to_str().unwrap(), "--password-stdin"]].concat(), PASSWORD.as_bytes())
            .succeeded();
    }
}

/// What was sent comes out by IMAP and by POP3 as it went in.
#[track_caller]
fn assert_comes_back(postrider: &Postrider, dovecot: &Dovecot, messages: &[Vec<u8>]) {
    wait::until("all messages are delivered", wait::PATIENCE, || {
        (dovecot.maildir(USER, "INBOX").contents().values().sum::<usize>() >= messages.len()).then_some(())
    });
    for account in ["imap", "pop3"] {
        postrider.succeed(&["receive", account]);
        let received = received(postrider, account);
        assert_eq!(received.len(), messages.len(), "{account}");
        for message in messages {
            let mark = mark_of(message);
            assert_same(&format!("{mark} by {account}"), without_trace(&received[&mark]), &with_crlf(message));
        }
    }
}

#[track_caller]
fn assert_all_accepted(told: &[Value], count: usize) {
    assert_eq!(told.len(), count);
    for sent in told {
        assert!(verdicts(sent).iter().all(|verdict| *verdict == "accepted"), "{sent}");
    }
}

#[test]
fn what_goes_in_by_smtp_comes_out_by_pop3_and_imap() {
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Lmtp);
    let postrider = Postrider::new();
    add_account(&postrider, &dovecot, postfix.submission, "starttls");
    add_receivers(&postrider, &dovecot);
    let messages = marked(corpus_for_smtp(40));
    let files = write(&postrider, messages.clone());
    let outcome = send(&postrider, &[RECIPIENT], &files).succeeded();
    assert_all_accepted(&told(&outcome), messages.len());
    assert_comes_back(&postrider, &dovecot, &messages);
}

#[test]
fn a_daemon_sends_over_tls_and_lmtp_delivers_by_itself() {
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Lmtp);
    let postrider = Postrider::new();
    add_account(&postrider, &dovecot, postfix.submissions, "tls");
    add_receivers(&postrider, &dovecot);
    let port = dovecot.lmtp.to_string();
    postrider.succeed(&[
        "account",
        "add",
        "store",
        "--send",
        "lmtp",
        "--send-server",
        "localhost",
        "--send-port",
        &port,
        "--send-security",
        "none",
    ]);
    let messages = marked(corpus_for_smtp(6));
    let files = write(&postrider, messages.clone());
    let mut daemon = postrider.spawn(&["run"]);
    daemon.wait_for("running");
    assert_all_accepted(&told(&send(&postrider, &[RECIPIENT], &files[..3]).succeeded()), 3);
    let mut lmtp = arguments(&[RECIPIENT], &["--json"], &files[3..]);
    lmtp[3] = "store";
    assert_all_accepted(&told(&postrider.run(&lmtp).succeeded()), 3);
    daemon.signal(Signal::TERM);
    let _ = daemon.wait().succeeded();
    assert_comes_back(&postrider, &dovecot, &messages);
}

#[test]
fn each_recipient_has_its_verdict() {
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Discard);
    let postrider = Postrider::new();
    add_account(&postrider, &dovecot, postfix.submission, "starttls");
    let files = write(&postrider, [message(1, 500)]);
    let outcome = send(&postrider, &[RECIPIENT, REFUSED, "other@example.com"], &files);
    // Postfix says 5.7.1: a matter of policy.
    assert_eq!(outcome.code, Some(11), "{}", outcome.stderr);
    let told = told(&outcome);
    assert_eq!(verdicts(&told[0]), ["accepted", "refused", "accepted"]);
    assert!(told[0]["recipients"][0]["words"].as_str().unwrap().contains("queued as"), "{told:?}");
    let words = postrider.run(&arguments(&[RECIPIENT, REFUSED], &[], &files));
    assert!(words.text().contains("refused") && words.text().contains(REFUSED), "{}", words.text());
    assert!(words.stderr.contains("nobody is not here"), "{}", words.stderr);
    let from_stdin = postrider.run_with_input(&["send", "--raw", "--account", OUT, "--from", "", "--to", RECIPIENT], &message(2, 500));
    assert!(from_stdin.succeeded().text().contains("accepted"));
}

/// Bounded memory whatever the size: the message stands in a sealed file without a name, and nothing of it is left.
#[test]
fn a_large_message_is_not_held_in_memory() {
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Discard);
    let postrider = Postrider::new();
    add_account(&postrider, &dovecot, postfix.submission, "starttls");
    let files = write(&postrider, [message(1, 150_000_000)]);
    let mut sending = postrider.spawn(&arguments(&[RECIPIENT], &["--json"], &files));
    let mut peak = 0;
    while sending.is_running() {
        // The last look may find a process that has just ended.
        peak = peak.max(resident_kilobytes(sending.id()).unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_all_accepted(&told(&sending.wait().succeeded()), 1);
    assert!((1_000..145_000).contains(&peak), "{peak} KB were resident while 150,000 KB were sent");
}

/// The most memory that the process had so far.
fn resident_kilobytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn ten_thousand_messages_are_sent() {
    const MESSAGES: usize = 10_000;
    const AT_ONCE: usize = 2_500;
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Discard);
    let postrider = Postrider::new();
    add_account(&postrider, &dovecot, postfix.submission, "starttls");
    let files = write(&postrider, (0..MESSAGES).map(|number| message(number, 600)));
    for files in files.chunks(AT_ONCE) {
        let arguments = arguments(&[RECIPIENT], &["--json", "--connections", "8"], files);
        assert_all_accepted(&told(&postrider.run(&arguments).succeeded()), files.len());
    }
    wait::until("all are thrown away", wait::PATIENCE, || {
        (postfix.log().matches("relay=none").count() + postfix.log().matches("status=sent").count() >= MESSAGES).then_some(())
    });
    assert!(super::scene::left(&postrider).is_empty());
}
