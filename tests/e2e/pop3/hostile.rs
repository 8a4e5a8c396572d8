//! Servers that misbehave: what they do is named, what was received stays, and nothing is stored or deleted that they did not say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::postrider::Postrider;
use harness::scripted::{Line, Maildrop, Scripted, SharedMaildrop, Trick, stuffed};

use super::scene::{assert_stored, export, held, home_for, receive, stored};
use crate::scene::ACCOUNT;

/// A server that plays `trick` on the first command that begins with `verb`, and is honest ever after.
fn once(maildrop: &SharedMaildrop, verb: &'static str, trick: impl Fn(&str, &mut Line) -> Trick + Send + Sync + 'static) -> Scripted {
    let played = AtomicBool::new(false);
    Scripted::pop3(maildrop, move |command, line| {
        if command.starts_with(verb) && !played.swap(true, Ordering::SeqCst) { trick(command, line) } else { Trick::Honest }
    })
}

/// The first pass fails with one of `codes`, and a second one, against a server that behaves, makes everything good.
#[track_caller]
fn fails_then_recovers(server: &Scripted, maildrop: &SharedMaildrop, codes: &[i32]) {
    let postrider = home_for(server, &["--leave-copy", "no"]);
    let sent = held(maildrop);
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert!(outcome.code.is_some_and(|code| codes.contains(&code)), "{:?}: {}", outcome.code, outcome.stderr);
    assert!(maildrop.lock().unwrap().deleted().is_empty(), "a session that fails deletes nothing");
    receive(&postrider);
    super::scene::assert_octets(&postrider, sent.into_values());
    assert!(maildrop.lock().unwrap().messages.is_empty());
}

#[test]
fn a_message_that_comes_octet_by_octet() {
    let maildrop = Maildrop::of(2, 300).shared();
    let octets = maildrop.lock().unwrap().messages[0].octets.clone();
    let server = once(&maildrop, "RETR", move |_, line| {
        line.write(b"+OK\r\n");
        line.dribble(&stuffed(&octets));
        Trick::Answered
    });
    let postrider = home_for(&server, &[]);
    receive(&postrider);
    assert_stored(&postrider, &held(&maildrop));
}

#[test]
fn dots_wherever_a_message_can_have_them() {
    let mut maildrop = Maildrop::of(7, 10);
    let texts: [&[u8]; 7] =
        [b".\r\n", b"..\r\n...\r\n", b"a\r\n.", b"\r\n.\r\n.\r\n", b"a\n.\r\nb\n.\nc\r\n", b"a\r.\rb\r\n", b".\r\n\0\xff\x80\r\n..\r\n"];
    for (kept, text) in maildrop.messages.iter_mut().zip(texts) {
        kept.octets = text.to_vec();
    }
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    receive(&postrider);
    // POP3 ends every message with a line's end.
    let mut expected = held(&maildrop);
    expected.insert("u3".to_owned(), b"a\r\n.\r\n".to_vec());
    assert_stored(&postrider, &expected);
}

#[test]
fn a_line_that_is_cut_in_the_middle_of_a_message() {
    let maildrop = Maildrop::of(5, 4_000).shared();
    let server = once(&maildrop, "RETR 3", |_, line| {
        line.write(b"+OK\r\nFrom: a@example.com\r\n");
        Trick::Cut
    });
    fails_then_recovers(&server, &maildrop, &[12]);
}

#[test]
fn a_line_that_is_cut_at_every_command() {
    for verb in ["STAT", "UIDL", "RETR 1", "RETR 4", "DELE 1", "DELE 4", "QUIT"] {
        let maildrop = Maildrop::of(4, 500).shared();
        let server = once(&maildrop, verb, |_, _| Trick::Cut);
        fails_then_recovers(&server, &maildrop, &[12]);
    }
}

#[test]
fn a_listing_without_end() {
    for verb in ["UIDL", "STAT"] {
        let maildrop = Maildrop::of(3, 400).shared();
        let server = once(&maildrop, verb, |_, line| {
            line.write(b"+OK\r\n");
            (0..).map_while(|at: u32| line.write(format!("{} u{at}\r\n", at + 1).repeat(50).as_bytes()).then_some(())).for_each(drop);
            Trick::Cut
        });
        fails_then_recovers(&server, &maildrop, &[5, 12, 16, 17, 24]);
    }
}

#[test]
fn a_line_without_end() {
    for verb in ["UIDL", "RETR", "DELE"] {
        let maildrop = Maildrop::of(3, 400).shared();
        let server = once(&maildrop, verb, |_, line| {
            line.flood(&[b'x'; 1 << 16], 2_000);
            Trick::Cut
        });
        fails_then_recovers(&server, &maildrop, &[12, 17]);
    }
}

/// A line of a message that goes on for ever.
const ON_AND_ON: &[u8] = b"and on and on it goes\r\n";

/// What became of each message, by UIDL.
#[track_caller]
fn contents(postrider: &Postrider) -> BTreeMap<String, String> {
    stored(postrider).into_iter().map(|message| (message.uidl.unwrap(), message.content)).collect()
}

#[test]
fn a_message_without_end_is_left_and_the_others_are_received() {
    for (settings, expected) in [
        (["--set", "limit.message-octets=100000"].as_slice(), "set-aside"),
        (&["--set", "oversize=skip", "--set", "oversize-octets=100000"], "set-aside"),
        (&["--set", "oversize=headers", "--set", "oversize-octets=100000"], "headers"),
    ] {
        let maildrop = Maildrop::of(3, 400).shared();
        let server = Scripted::pop3(&maildrop, |command, line| {
            if command != "RETR 2" {
                return Trick::Honest;
            }
            line.write(b"+OK\r\n");
            line.flood(&ON_AND_ON.repeat(3_000), 1_000_000);
            Trick::Cut
        });
        let postrider = home_for(&server, settings);
        let pass = receive(&postrider);
        assert_eq!(pass["received"], 2 + u64::from(expected == "headers"), "{settings:?}: {pass}");
        let found = contents(&postrider);
        assert_eq!((found["u1"].as_str(), found["u2"].as_str(), found["u3"].as_str()), ("whole", expected, "whole"), "{settings:?}");
        // It counts as had, so that it is not met again.
        let heard = server.heard().len();
        receive(&postrider);
        assert!(!server.heard()[heard..].iter().any(|line| line.starts_with("RETR") || line.starts_with("TOP")));
        super::scene::assert_clean(&postrider);
    }
}

#[test]
fn a_header_section_with_a_message_without_end_behind_it() {
    let mut maildrop = Maildrop::of(3, 400);
    maildrop.size_error = 1_000_000;
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |command, line| {
        if !command.starts_with("TOP 2") {
            return Trick::Honest;
        }
        line.write(b"+OK\r\nSubject: two\r\n\r\n");
        line.flood(&ON_AND_ON.repeat(3_000), 1_000_000);
        Trick::Cut
    });
    let postrider = home_for(&server, &["--set", "oversize=headers", "--set", "oversize-octets=100000"]);
    assert_eq!(receive(&postrider)["received"], 3);
    assert!(contents(&postrider).values().all(|content| content == "headers"));
    assert!(stored(&postrider).iter().any(|message| export(&postrider, &message.id) == b"Subject: two\r\n\r\n"));
}

#[test]
fn a_message_without_end_on_a_server_without_uidl() {
    let mut maildrop = Maildrop::of(3, 400);
    maildrop.messages.iter_mut().for_each(|kept| kept.uidl.clear());
    let maildrop = maildrop.shared();
    let server = Scripted::pop3(&maildrop, |command, line| {
        if command != "RETR 2" {
            return Trick::Honest;
        }
        line.write(b"+OK\r\n");
        line.flood(&ON_AND_ON.repeat(3_000), 1_000_000);
        Trick::Cut
    });
    let postrider = home_for(&server, &[]);
    // It has nothing that it could be set aside by.
    assert_eq!(receive(&postrider)["received"], 2);
    assert_eq!(receive(&postrider)["received"], 0);
    assert_eq!(stored(&postrider).len(), 2);
}

#[test]
fn silence_in_the_middle() {
    let maildrop = Maildrop::of(3, 400).shared();
    let server = once(&maildrop, "RETR 2", |_, line| {
        while line.read_line().is_some() {}
        Trick::Cut
    });
    fails_then_recovers(&server, &maildrop, &[12]);
}

#[test]
fn sizes_that_are_lies() {
    for error in [-1_000_000, 1_000_000] {
        let mut maildrop = Maildrop::of(5, 3_000);
        maildrop.size_error = error;
        let maildrop = maildrop.shared();
        let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
        let postrider = home_for(&server, &["--set", "oversize=skip", "--set", "oversize-octets=10000000"]);
        assert_eq!(receive(&postrider)["received"], 5);
        assert_stored(&postrider, &held(&maildrop));
    }
}

#[test]
fn numbers_that_do_not_exist_and_a_message_that_is_listed_twice() {
    let maildrop = Maildrop::of(2, 400).shared();
    let server = once(&maildrop, "UIDL", |_, line| {
        line.write(b"+OK\r\n1 u1\r\n2 u2\r\n0 x\r\n99 u99\r\n4294967296 y\r\n-1 z\r\n.\r\n");
        Trick::Answered
    });
    let postrider = home_for(&server, &[]);
    receive(&postrider);
    receive(&postrider);
    assert_stored(&postrider, &held(&maildrop));

    let maildrop = Maildrop::of(2, 400).shared();
    let server = once(&maildrop, "UIDL", |_, line| {
        line.write(b"+OK\r\n1 u1\r\n1 u2\r\n.\r\n");
        Trick::Answered
    });
    fails_then_recovers(&server, &maildrop, &[17]);
}

#[test]
fn answers_that_are_none() {
    for answer in ["* OK\r\n", ".\r\n", "-ERR [SYS/TEMP] the disk is away\r\n"] {
        for verb in ["UIDL", "RETR 2"] {
            let maildrop = Maildrop::of(3, 400).shared();
            let server = once(&maildrop, verb, move |_, line| {
                line.write(answer.as_bytes());
                Trick::Cut
            });
            fails_then_recovers(&server, &maildrop, &[12, 15, 17]);
        }
    }
}

#[test]
fn more_than_was_asked_for() {
    let maildrop = Maildrop::of(3, 400).shared();
    let server = once(&maildrop, "STAT", |_, line| {
        line.write(b"+OK 3 1200\r\n+OK\r\n1 u1\r\n.\r\n+OK\r\nevil\r\n.\r\n+OK\r\nmore evil\r\n.\r\n");
        Trick::Cut
    });
    let postrider = home_for(&server, &[]);
    let _ = postrider.run(&["receive", ACCOUNT]);
    // What it says ahead of the commands it could have said as their answers; the UIDL is its own word.
    receive(&postrider);
    assert_eq!(stored(&postrider).iter().filter(|message| message.uidl.is_some()).count(), 3);
}
