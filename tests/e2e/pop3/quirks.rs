//! Servers as they are: without UIDL, with UIDLs that are none, with other UIDLs than yesterday, and Gmail.

use harness::scripted::{Kept, Maildrop, Scripted, Trick};

use super::scene::{assert_octets, assert_stored, held, home_for, receive, stored};
use crate::scene::ACCOUNT;

#[test]
fn a_server_with_nothing_but_rfc_1939_is_received() {
    let mut maildrop = Maildrop::of(12, 2_000).with_capabilities(&[]);
    maildrop.messages.iter_mut().for_each(|kept| kept.uidl.clear());
    let octets = || Maildrop::of(12, 2_000).messages.into_iter().map(|kept| kept.octets);
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    let outcome = postrider.run(&["receive", ACCOUNT, "-v"]).succeeded();
    assert!(outcome.stderr.contains("told apart by a hash of their octets"), "{}", outcome.stderr);
    assert_octets(&postrider, octets());
    // Other numbers, one message less and one more.
    let mut now = maildrop.lock().unwrap();
    now.messages.reverse();
    now.messages.remove(3);
    now.messages.push(Kept { uidl: String::new(), octets: b"Subject: new\r\n\r\n".to_vec() });
    drop(now);
    let pass = receive(&postrider);
    assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(1), Some(1)), "{pass}");
    postrider.succeed(&["account", "edit", ACCOUNT, "--leave-copy", "no"]);
    receive(&postrider);
    assert!(maildrop.lock().unwrap().messages.is_empty(), "what is durable is deleted here as well");
    assert_octets(&postrider, octets().chain([b"Subject: new\r\n\r\n".to_vec()]));
}

#[test]
fn uidls_that_are_reordered_duplicate_or_odd_cost_nothing() {
    let mut maildrop = Maildrop::of(8, 500);
    let odd = ["same", "same", "same", "with space", "%41", "A", &"x".repeat(300), &"x".repeat(600)].map(str::to_owned);
    for (kept, uidl) in maildrop.messages.iter_mut().zip(odd) {
        kept.uidl = uidl;
    }
    let octets: Vec<Vec<u8>> = maildrop.messages.iter().map(|kept| kept.octets.clone()).collect();
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    assert_eq!(receive(&postrider)["received"], 8);
    maildrop.lock().unwrap().messages.reverse();
    let pass = receive(&postrider);
    assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(0), Some(0)), "{pass}");
    // Two of the three with one UIDL go: the one that is left is called by it.
    maildrop.lock().unwrap().messages.retain(|kept| kept.uidl != "same" || kept.octets == octets[1]);
    receive(&postrider);
    assert_octets(&postrider, octets);
}

#[test]
fn a_uidl_that_is_used_again_is_another_message() {
    let maildrop = Maildrop::of(3, 500).shared();
    let mut all: Vec<Vec<u8>> = held(&maildrop).into_values().collect();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &["--leave-copy", "no"]);
    receive(&postrider);
    for round in 0..3 {
        // Numbered from 1 again.
        let octets = format!("Subject: round {round}\r\n\r\n").into_bytes();
        maildrop.lock().unwrap().messages = vec![Kept { uidl: "u1".to_owned(), octets: octets.clone() }];
        all.push(octets);
        assert_eq!(receive(&postrider)["received"], 1, "round {round}");
    }
    assert!(maildrop.lock().unwrap().messages.is_empty());
    assert_octets(&postrider, all);
}

#[test]
fn uidls_that_all_changed_store_nothing_twice() {
    // Few enough for one checkpoint, and too many for one.
    for checkpoint in ["500", "10"] {
        let maildrop = Maildrop::of(60, 500).shared();
        let octets: Vec<Vec<u8>> = held(&maildrop).into_values().collect();
        let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
        let setting = format!("checkpoint-messages={checkpoint}");
        let postrider = home_for(&server, &["--set", &setting]);
        assert_eq!(receive(&postrider)["received"], 60);
        maildrop.lock().unwrap().messages.iter_mut().for_each(|kept| kept.uidl = format!("other-{}", kept.uidl));
        let pass = receive(&postrider);
        assert_eq!((pass["received"].as_u64(), pass["recognised"].as_u64()), (Some(0), Some(60)), "{checkpoint}: {pass}");
        assert_stored(&postrider, &held(&maildrop));
        assert_octets(&postrider, octets.iter().cloned());
        // And it goes on under the new names.
        assert_eq!(receive(&postrider)["recognised"], 0);
        postrider.succeed(&["account", "edit", ACCOUNT, "--leave-copy", "no"]);
        receive(&postrider);
        assert!(maildrop.lock().unwrap().messages.is_empty());
        assert_octets(&postrider, octets);
    }
}

#[test]
fn a_server_that_keeps_what_it_says_it_deleted_gets_it_stored_once() {
    let mut maildrop = Maildrop::of(5, 500);
    maildrop.keeps_deleted = true;
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &["--leave-copy", "no", "--set", "session-messages=2"]);
    let octets: Vec<Vec<u8>> = held(&maildrop).into_values().collect();
    for _ in 0..3 {
        receive(&postrider);
    }
    assert_octets(&postrider, octets);
    assert!(maildrop.lock().unwrap().deleted().len() < 60, "a pass comes to its end");
}

#[test]
fn pipelining_is_used_where_it_is_announced_or_assumed() {
    for (capabilities, options, is_pipelined) in [
        (&["UIDL", "USER"][..], &[][..], false),
        (&["UIDL", "USER"], &["--set", "assume-pipelining=true"], true),
        (&["UIDL", "USER", "PIPELINING"], &[], true),
        (&["UIDL", "USER", "PIPELINING"], &["--set", "ignore-capabilities=PIPELINING"], false),
    ] {
        let maildrop = Maildrop::of(20, 500).with_capabilities(capabilities).shared();
        let ahead = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&ahead);
        let server = Scripted::pop3(&maildrop, move |command, line| {
            // A client that pipelines has sent the next one before this one is answered.
            if command == "RETR 1" && line.has_next(is_pipelined) {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            Trick::Honest
        });
        let postrider = home_for(&server, options);
        assert_eq!(receive(&postrider)["received"], 20);
        assert_eq!(ahead.load(std::sync::atomic::Ordering::SeqCst), is_pipelined, "{capabilities:?} {options:?}");
        assert_stored(&postrider, &held(&maildrop));
    }
}

#[test]
fn a_login_delay_is_obeyed() {
    let maildrop = Maildrop::of(4, 300).with_capabilities(&["UIDL", "USER", "LOGIN-DELAY 900"]).shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &["--leave-copy", "no", "--set", "session-messages=1"]);
    receive(&postrider);
    assert_eq!(maildrop.lock().unwrap().deleted().len(), 4);
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|line| line.starts_with("PASS")).count(), 1, "one session for all: {heard:?}");
    // The daemon does not come before the time, whatever the account's pace.
    let maildrop = Maildrop::of(1, 300).with_capabilities(&["UIDL", "USER", "LOGIN-DELAY 900"]).shared();
    let server = Scripted::pop3(&maildrop, |command, _| if command == "UIDL" { Trick::Cut } else { Trick::Honest });
    let postrider = home_for(&server, &[]);
    let mut daemon = postrider.spawn(&["run"]);
    crate::daemon::wait_until_it_answers(&postrider, &mut daemon);
    harness::wait::until_true("the daemon waits", || postrider.json(&["status"])["accounts"][0].to_string().contains("retrying"));
    let status = postrider.json(&["status"])["accounts"][0].clone();
    let at = status["next_attempt"].as_u64();
    let wait = at.unwrap_or_else(|| panic!("{status}")).saturating_sub(postrider::clock::Timestamp::now().0);
    assert!(wait > 800_000, "it comes again in {wait} ms: {status}");
}

#[test]
fn gmail_lists_some_messages_at_a_time_and_hides_what_was_retrieved() {
    // It shows at most four of them, the oldest first, and what was retrieved no more.
    let all = Maildrop::of(10, 300);
    let octets: Vec<Vec<u8>> = all.messages.iter().map(|kept| kept.octets.clone()).collect();
    let maildrop = all.shared();
    let shown = std::sync::Arc::clone(&maildrop);
    let server = Scripted::pop3(&maildrop, move |command, line| {
        let mut maildrop = shown.lock().unwrap();
        match command {
            "STAT" => {
                line.write(format!("+OK {} 1\r\n", maildrop.messages.len().min(4)).as_bytes());
                Trick::Answered
            }
            "UIDL" => {
                let lines: String =
                    maildrop.messages.iter().take(4).enumerate().map(|(at, kept)| format!("{} {}\r\n", at + 1, kept.uidl)).collect();
                line.write(format!("+OK\r\n{lines}.\r\n").as_bytes());
                Trick::Answered
            }
            "QUIT" => {
                let given: Vec<String> = maildrop
                    .log
                    .iter()
                    .filter_map(|entry| if let harness::scripted::Entry::Gave(uidl) = entry { Some(uidl.clone()) } else { None })
                    .collect();
                maildrop.messages.retain(|kept| !given.contains(&kept.uidl));
                Trick::Honest
            }
            _ => Trick::Honest,
        }
    });
    let postrider = home_for(&server, &["--set", "until-no-news=true"]);
    assert_eq!(receive(&postrider)["received"], 10, "{:?}", server.heard());
    assert_octets(&postrider, octets);
    assert_eq!(stored(&postrider).len(), 10);
}
