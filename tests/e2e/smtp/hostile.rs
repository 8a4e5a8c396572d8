//! Scripted servers: dying at every line, saying never or later at every stage, talking without end. Nobody is told what is not so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::dovecot::PASSWORD;
use harness::scripted::{Line, Outbox, Scripted, Trick};

use super::scene::{OUT, RECIPIENT, home_for, left, message, message_id, send, told, verdicts, write};
/// What a server offers that can do all.
const ALL: &[&str] = &["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "SIZE 100000000"];

/// The stages of a transaction, as the script names them.
const STAGES: &[&str] = &["MAIL", "RCPT", "DATA", "."];

/// A trick at the first command that begins with `stage`.
fn at(stage: &'static str, play: impl Fn(&mut Line) -> Trick + Send + Sync + 'static) -> impl Fn(&str, &mut Line) -> Trick + Send + Sync {
    move |command, line| if command.starts_with(stage) { play(line) } else { Trick::Honest }
}

#[test]
fn a_server_that_dies_at_a_line_is_told_as_what_it_is() {
    for offers in [&["SIZE"][..], ALL, &["PIPELINING", "CHUNKING"]] {
        for stage in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
            let is_chunked = offers.contains(&"CHUNKING");
            if is_chunked && stage == "DATA" {
                continue;
            }
            let outbox = Outbox::offering(offers);
            let server = Scripted::smtp(&outbox, at(stage, |_| Trick::Cut));
            let postrider = home_for(&server, &[]);
            let outcome = send(&postrider, &[RECIPIENT], &write(&postrider, [message(1, 500)]));
            let (told, words) = (told(&outcome), format!("cut at {stage} with {offers:?}: {}", outcome.stderr));
            match stage {
                "greeting" | "EHLO" => {
                    assert!(told.is_empty(), "{words}");
                    assert_eq!(outcome.code, Some(12), "{words}");
                }
                "." => {
                    assert_eq!(verdicts(&told[0]), ["unknown"], "{words}");
                    assert_eq!(outcome.code, Some(22), "{words}");
                }
                _ => {
                    assert_eq!(verdicts(&told[0]), ["deferred"], "{words}");
                    assert_eq!(outcome.code, Some(12), "{words}");
                    assert!(outbox.lock().unwrap().arrived.is_empty(), "{words}");
                }
            }
            // It was told: no word of it is left.
            assert!(left(&postrider).is_empty(), "{words}");
        }
    }
}

#[test]
fn later_and_never_are_passed_on_at_every_stage() {
    for (reply, verdict) in [(&b"451 4.3.0 later\r\n"[..], "deferred"), (b"554 5.0.0 never\r\n", "refused")] {
        for stage in STAGES {
            let outbox = Outbox::offering(ALL);
            let server = Scripted::smtp(&outbox, at(stage, move |line| if line.write(reply) { Trick::Answered } else { Trick::Cut }));
            let postrider = home_for(&server, &[]);
            let outcome = send(&postrider, &[RECIPIENT], &write(&postrider, [message(1, 500)]));
            let told = told(&outcome);
            assert_eq!(told.len(), 1, "{stage}: {}", outcome.stderr);
            assert_eq!(verdicts(&told[0]), [verdict], "{stage}: {}", outcome.stderr);
            assert_eq!(outcome.code, Some(if verdict == "refused" { 16 } else { 15 }), "{stage}: {}", outcome.stderr);
            assert!(outbox.lock().unwrap().accepted.is_empty() && left(&postrider).is_empty(), "{stage}");
        }
    }
}

#[test]
fn one_refused_recipient_among_many_holds_up_nobody() {
    let outbox = Outbox::offering(ALL);
    let server = Scripted::smtp(&outbox, |command, line| {
        if command.contains("<no7@") && line.write(b"550 5.1.1 nobody\r\n") { Trick::Answered } else { Trick::Honest }
    });
    let postrider = home_for(&server, &[]);
    let addresses: Vec<_> = (0..50).map(|number| format!("no{number}@example.com")).collect();
    let to: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let outcome = send(&postrider, &to, &write(&postrider, [message(1, 500)]));
    let told = told(&outcome);
    for (number, verdict) in verdicts(&told[0]).into_iter().enumerate() {
        assert_eq!(verdict, if number == 7 { "refused" } else { "accepted" }, "no{number}");
    }
    assert_eq!(outcome.code, Some(16), "{}", outcome.stderr);
    assert_eq!(outbox.lock().unwrap().accepted[0].recipients.len(), 49);
}

#[test]
fn a_server_that_talks_without_end_or_hardly_at_all_is_left() {
    let endless = |line: &mut Line| {
        line.flood(b"250-and furthermore\r\n", 5_000_000);
        Trick::Cut
    };
    let slow = |line: &mut Line| {
        for octet in b"451 4.3.0 later\r\n".iter().cycle().take(600) {
            // A server's own pace, not a wait for luck: it is to be left long before this ends.
            std::thread::sleep(Duration::from_secs(1));
            if !line.write(std::slice::from_ref(octet)) || *octet == b'\n' {
                break;
            }
        }
        Trick::Answered
    };
    for stage in ["EHLO", "MAIL", "."] {
        let outbox = Outbox::offering(ALL);
        let server = Scripted::smtp(&outbox, at(stage, endless));
        let postrider = home_for(&server, &[]);
        let outcome = send(&postrider, &[RECIPIENT], &write(&postrider, [message(1, 500)]));
        assert_ne!(outcome.code, Some(0), "{stage}");
        let told = told(&outcome);
        assert!(told.iter().all(|sent| verdicts(sent) == [if stage == "." { "unknown" } else { "deferred" }]), "{stage}: {told:?}");
    }
    let outbox = Outbox::offering(ALL);
    let server = Scripted::smtp(&outbox, at("MAIL", slow));
    let postrider = home_for(&server, &[]);
    let outcome = send(&postrider, &[RECIPIENT], &write(&postrider, [message(1, 500)]));
    let told = told(&outcome);
    assert!(told.iter().all(|sent| verdicts(sent) == ["deferred"]), "{told:?}");
}

#[test]
fn codes_that_do_not_belong_there_claim_nothing() {
    for (stage, reply) in [
        ("MAIL", &b"354 go on\r\n"[..]),
        ("RCPT", b"354 go on\r\n"),
        ("DATA", b"250 ok\r\n"),
        (".", b"354 go on\r\n"),
        (".", b"999 what\r\n"),
        ("MAIL", b"hello\r\n"),
        (".", b"\xff\xfe\r\n"),
        (".", b"250\r\n550-x\r\n"),
    ] {
        let outbox = Outbox::offering(ALL);
        let server = Scripted::smtp(&outbox, at(stage, move |line| if line.write(reply) { Trick::Answered } else { Trick::Cut }));
        let postrider = home_for(&server, &[]);
        let outcome = send(&postrider, &[RECIPIENT], &write(&postrider, [message(1, 500)]));
        let words = format!("{stage} answered with {:?}: {}", String::from_utf8_lossy(reply), outcome.stderr);
        for sent in told(&outcome) {
            // "250" alone is whole: the message is accepted, and what follows it is nobody's answer.
            let may = if reply.starts_with(b"250\r\n") { &["accepted"][..] } else { &["deferred", "refused", "unknown"] };
            assert!(may.contains(&verdicts(&sent)[0]), "{words}");
            assert!(stage != "." || verdicts(&sent)[0] != "deferred" || reply.starts_with(b"4"), "{words}");
        }
    }
}

#[test]
fn several_messages_share_a_line_and_more_lines_are_bounded() {
    let outbox = Outbox::offering(ALL);
    let server = Scripted::smtp(&outbox, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    let files = write(&postrider, (0..60).map(|number| message(number, 2_000)));
    let outcome = postrider.run(&super::scene::arguments(&[RECIPIENT], &["--json", "--connections", "2"], &files)).succeeded();
    assert_eq!(told(&outcome).len(), 60);
    let outbox = outbox.lock().unwrap();
    assert!(outbox.lines <= 2, "{} lines", outbox.lines);
    let mut ids: Vec<_> = outbox.accepted.iter().map(harness::scripted::Mail::message_id).collect();
    ids.sort_unstable();
    let mut expected: Vec<_> = (0..60).map(message_id).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    for mail in &outbox.accepted {
        let number: usize = mail.message_id().trim_start_matches('<').split('@').next().unwrap().parse().unwrap();
        assert!(mail.octets == message(number, 2_000), "the octets of message {number}");
    }
}

/// P3 of sending: no line, log, error or file shows the password, and the component's memory cannot: it never gets it.
#[test]
fn the_password_is_said_to_the_server_and_to_nobody_else() {
    let outbox = Outbox::offering(&["AUTH PLAIN"]);
    let refusals = AtomicUsize::new(0);
    let server = Scripted::smtp(&outbox, move |command, line| {
        // It says what it heard, as some do.
        if command.starts_with("AUTH") && refusals.fetch_add(1, Ordering::SeqCst) == 0 {
            let reply = format!("535 5.7.8 {} is wrong\r\n", command.rsplit(' ').next().unwrap());
            return if line.write(reply.as_bytes()) { Trick::Answered } else { Trick::Cut };
        }
        Trick::Honest
    });
    let (postrider, port) = (harness::postrider::Postrider::new(), server.port.to_string());
    let add = ["account", "add", OUT, "--send", "smtp", "--send-server", "localhost", "--send-port", &port, "--send-security", "none"];
    postrider.run_with_input(&[&add[..], &["--send-user", "help", "--send-password-stdin"]].concat(), PASSWORD.as_bytes()).succeeded();
    let files = write(&postrider, [message(1, 500)]);
    let refused = postrider.run(&super::scene::arguments(&[RECIPIENT], &["-vv"], &files));
    assert_eq!(refused.code, Some(10), "{}", refused.stderr);
    let sent = postrider.run(&super::scene::arguments(&[RECIPIENT], &["-vv"], &files)).succeeded();
    let plain = data_encoding::BASE64.encode(format!("\0help\0{PASSWORD}").as_bytes());
    assert!(server.heard().iter().any(|line| line.contains(&plain)), "it was not said at all");
    for outcome in [refused, sent] {
        let words = outcome.text() + &outcome.stderr;
        assert!(!words.contains(PASSWORD) && !words.contains(&plain), "{words}");
    }
    for secret in [PASSWORD, &plain] {
        assert_eq!(postrider.files_with(secret.as_bytes()), Vec::<std::path::PathBuf>::new());
    }
}

/// P7 of sending: what the operator wants under TLS does not go out without.
#[test]
fn a_server_that_takes_starttls_out_gets_nothing() {
    let outbox = Outbox::offering(&["AUTH PLAIN", "8BITMIME"]);
    let server = Scripted::smtp(&outbox, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    let edit = ["account", "edit", OUT, "--send-security", "starttls", "--send-user", "help", "--send-password-stdin"];
    postrider.run_with_input(&edit, PASSWORD.as_bytes()).succeeded();
    let outcome = send(&postrider, &[RECIPIENT], &write(&postrider, [message(1, 500)]));
    assert_eq!(outcome.code, Some(13), "{}", outcome.stderr);
    assert!(server.heard().iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{:?}", server.heard());
    assert!(outcome.stderr.contains("--send-security"), "{}", outcome.stderr);
}
