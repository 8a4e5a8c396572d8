//! Servers that misbehave: what they do is named, what was received stays, and nothing is stored that they did not say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::postrider::Postrider;
use harness::scripted::{Command, Line, Mailbox, Scripted, Shared, Trick};

use crate::scene::{ACCOUNT, add_account_with, assert_same, stored};

/// Time-outs short enough for a server that says nothing.
const QUICK: &[&str] = &["--connect-timeout-ms", "2000", "--read-timeout-ms", "2000"];

pub(crate) fn home_for(server: &Scripted) -> Postrider {
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, server.port, "none", QUICK).succeeded();
    postrider
}

pub(crate) fn asks_for_bodies(command: &Command) -> bool {
    command.text.contains("BODY.PEEK[]")
}

/// A server that plays `trick` on the first request for bodies and is honest ever after.
fn once(mailbox: &Shared, trick: impl Fn(&Command, &mut Line) -> Trick + Send + Sync + 'static) -> Scripted {
    let played = AtomicBool::new(false);
    Scripted::imap(mailbox, move |command, line| {
        if asks_for_bodies(command) && !played.swap(true, Ordering::SeqCst) { trick(command, line) } else { Trick::Honest }
    })
}

/// What is stored is what the server holds, each message once.
#[track_caller]
pub(crate) fn assert_all_stored(postrider: &Postrider, mailbox: &Shared) {
    let mailbox = mailbox.lock().unwrap().clone();
    let stored = stored(postrider);
    assert_eq!(stored.len(), mailbox.messages.len());
    for held in &mailbox.messages {
        let message = stored.iter().find(|message| message.places.iter().any(|place| place.uid == held.uid));
        let id = &message.unwrap_or_else(|| panic!("UID {} is not stored", held.uid)).id;
        assert_same(&format!("UID {}", held.uid), &postrider.succeed(&["message", "export", id]).stdout, &held.octets);
    }
    let checked = postrider.json(&["store", "check"]);
    assert!(checked["findings"].as_array().unwrap().is_empty(), "{checked}");
}

/// The first pass fails with one of `codes`, and a second one, against a server that behaves, makes everything good.
#[track_caller]
fn fails_then_recovers(server: &Scripted, mailbox: &Shared, codes: &[i32]) {
    let postrider = home_for(server);
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert!(outcome.code.is_some_and(|code| codes.contains(&code)), "{:?}: {}", outcome.code, outcome.stderr);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, mailbox);
}

#[test]
fn a_plain_server_without_any_extension_is_received() {
    let mailbox = Mailbox::of(300, 2_000).shared();
    let server = Scripted::imap(&mailbox, |_, _| Trick::Honest);
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
    let heard = server.heard().len();
    mailbox.lock().unwrap().messages.remove(7);
    mailbox.lock().unwrap().messages[20].flags = "\\Flagged".to_owned();
    postrider.succeed(&["receive", ACCOUNT]);
    assert!(!server.heard()[heard..].iter().any(|line| line.contains("BODY")), "a second pass asks for no body");
    let now = stored(&postrider);
    assert_eq!((now.len(), now.iter().filter(|message| message.places.is_empty()).count()), (300, 1));
    assert_eq!(now.iter().filter(|message| message.places.iter().any(|place| place.keywords.contains("\\Flagged"))).count(), 1);
}

/// The whole answer to a request for all bodies of `mailbox`.
fn answer(mailbox: &Shared, command: &Command) -> Vec<u8> {
    let mut all = Vec::new();
    for (index, held) in mailbox.lock().unwrap().messages.iter().enumerate() {
        let head = format!(
            "* {} FETCH (UID {} FLAGS () INTERNALDATE \"01-Jan-2026 12:00:00 +0000\" RFC822.SIZE {size} BODY[] {{{size}}}\r\n",
            index + 1,
            held.uid,
            size = held.octets.len()
        );
        all.extend([head.as_bytes(), &held.octets, b")\r\n"].concat());
    }
    all.extend(format!("{} OK done\r\n", command.tag).bytes());
    all
}

#[test]
fn octets_that_come_one_by_one() {
    let mailbox = Mailbox::of(3, 400).shared();
    let copy = Arc::clone(&mailbox);
    let server = once(&mailbox, move |command, line| {
        line.dribble(&answer(&copy, command));
        Trick::Answered
    });
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
}

#[test]
fn hundreds_of_messages_that_come_in_one_read() {
    let mailbox = Mailbox::of(200, 90).shared();
    let copy = Arc::clone(&mailbox);
    let server = once(&mailbox, move |command, line| {
        line.write(&answer(&copy, command));
        Trick::Answered
    });
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
}

#[test]
fn a_line_cut_in_the_middle_of_a_message() {
    let mailbox = Mailbox::of(5, 4_000).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 4000 BODY[] {4000}\r\nFrom: a@example.com\r\n");
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[12]);
}

#[test]
fn a_literal_that_is_longer_than_what_comes() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |command, line| {
        line.write(format!("* 1 FETCH (UID 1 FLAGS () BODY[] {{500000}}\r\nshort)\r\n{} OK done\r\n", command.tag).as_bytes());
        Trick::Answered
    });
    fails_then_recovers(&server, &mailbox, &[12, 17]);
}

#[test]
fn a_literal_that_is_shorter_than_what_comes() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |command, line| {
        let text = format!("* 1 FETCH (UID 1 FLAGS () BODY[] {{5}}\r\nand on and on it goes\r\n)\r\n{} OK done\r\n", command.tag);
        line.write(text.as_bytes());
        Trick::Answered
    });
    // The response does not end where the literal says: the message is asked for again, by itself.
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
}

#[test]
fn a_literal_of_astronomical_size() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* 1 FETCH (UID 1 FLAGS () BODY[] {99999999999999999999}\r\nx");
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[5, 12, 17]);
}

#[test]
fn a_line_that_never_ends() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* 1 FETCH (UID 1 FLAGS (");
        line.flood(&[b'x'; 1 << 16], 10_000);
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[5, 12, 17, 40, 42]);
}

#[test]
fn untagged_data_without_end() {
    let mailbox = Mailbox::of(5, 400).shared();
    let floods = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&floods);
    let server = once(&mailbox, move |_, line| {
        // It gives up only when the client has.
        counted.store(line.flood(&b"* 1 FETCH (FLAGS (\\Seen))\r\n".repeat(1_000), 1_000_000), Ordering::SeqCst);
        Trick::Cut
    });
    let postrider = home_for(&server);
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert!(matches!(outcome.code, Some(12 | 17 | 40 | 42)), "{:?}: {}", outcome.code, outcome.stderr);
    assert!(floods.load(Ordering::SeqCst) < 1_000_000, "the client ends it");
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
}

#[test]
fn lists_within_lists_without_end() {
    for depth in [200, 100_000, 5_000_000] {
        let mailbox = Mailbox::of(5, 400).shared();
        let server = once(&mailbox, move |command, line| {
            line.write(b"* 1 FETCH (UID 1 FLAGS () BODYSTRUCTURE ");
            line.write(&vec![b'('; depth]);
            line.write(format!("\r\n{} OK done\r\n", command.tag).as_bytes());
            Trick::Answered
        });
        // It costs itself: what it hides is asked for again.
        let postrider = home_for(&server);
        postrider.succeed(&["receive", ACCOUNT]);
        assert_all_stored(&postrider, &mailbox);
    }
}

#[test]
fn a_literal_of_a_gigabyte_that_is_no_message() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* 1 FETCH (UID 1 ENVELOPE {1073741824}\r\n");
        line.flood(&[b'x'; 1 << 16], 2_000);
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[12, 17]);
}

#[test]
fn a_message_without_end_is_left_and_the_others_are_received() {
    let mailbox = Mailbox::of(3, 400).shared();
    let server = Scripted::imap(&mailbox, |command, line| {
        let is_asked_for = |uid: &str| command.text.split_whitespace().nth(2).is_some_and(|set| set == uid || set == "1:3");
        if !command.text.starts_with("UID FETCH") || !command.text.contains("BODY.PEEK[]") || !is_asked_for("2") {
            return Trick::Honest;
        }
        line.write(b"* 1 FETCH (UID 1 FLAGS () BODY[] {9}\r\none\r\n\r\n\r\n)\r\n* 2 FETCH (UID 2 FLAGS () BODY[] {1000000000000}\r\n");
        line.flood(&b"and on and on it goes\r\n".repeat(3_000), 1_000_000);
        Trick::Cut
    });
    let postrider = home_for(&server);
    postrider.succeed(&["account", "edit", ACCOUNT, "--set", "limit.message-octets=100000"]);
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("the line is closed"), "{}", outcome.stderr);
    // It counts as had, so that it is not met again.
    postrider.succeed(&["receive", ACCOUNT]);
    let list = postrider.json(&["message", "list"]);
    let mut contents: Vec<_> = list.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect();
    contents.sort_unstable();
    assert_eq!(contents, ["set-aside", "whole", "whole"]);
}

#[test]
fn a_uid_that_comes_twice_is_one_message() {
    let mailbox = Mailbox::of(3, 400).shared();
    let copy = Arc::clone(&mailbox);
    let server = once(&mailbox, move |command, line| {
        let honest = answer(&copy, command);
        line.write(&[b"* 1 FETCH (UID 1 FLAGS () BODY[] {5}\r\nfirst)\r\n".as_slice(), &honest].concat());
        Trick::Answered
    });
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    let stored = stored(&postrider);
    assert_eq!(stored.iter().filter(|message| message.places.iter().any(|place| place.uid == 1)).count(), 1);
    assert_eq!(stored.len(), 3);
    // Another message under a UID that is taken: nothing of what is here changes.
    let ids: Vec<String> = stored.into_iter().map(|message| message.id).collect();
    mailbox.lock().unwrap().messages[1].octets = b"Subject: other\r\n\r\n".to_vec();
    postrider.succeed(&["receive", ACCOUNT]);
    assert_eq!(crate::scene::stored(&postrider).into_iter().map(|message| message.id).collect::<Vec<_>>(), ids);
    assert!(postrider.json(&["store", "check"])["findings"].as_array().unwrap().is_empty());
}

#[test]
fn a_number_of_messages_that_shrinks_without_a_word() {
    let mailbox = Mailbox::of(20, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* 3 EXISTS\r\n* 0 EXISTS\r\n* 7 EXPUNGE\r\n");
        Trick::Honest
    });
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
}

#[test]
fn silence_in_the_middle() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.read_line();
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[12]);
}

#[test]
fn a_message_that_nobody_asked_for() {
    let mailbox = Mailbox::of(3, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* 9 FETCH (UID 999 FLAGS () BODY[] {4}\r\nevil)\r\n");
        Trick::Honest
    });
    let postrider = home_for(&server);
    let _ = postrider.run(&["receive", ACCOUNT]);
    postrider.succeed(&["receive", ACCOUNT]);
    let uids: Vec<u32> = stored(&postrider).iter().flat_map(|message| message.places.iter().map(|place| place.uid)).collect();
    assert!(!uids.contains(&999), "{uids:?}");
}

#[test]
fn a_uidvalidity_that_changes_in_the_middle() {
    let mailbox = Mailbox::of(40, 400).shared();
    let copy = Arc::clone(&mailbox);
    let server = once(&mailbox, move |_, _| {
        copy.lock().unwrap().validity = 2;
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[12, 17, 20]);
}

#[test]
fn a_refusal_in_the_middle() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |command, line| {
        line.write(format!("{} NO [UNAVAILABLE] the disk is away\r\n", command.tag).as_bytes());
        Trick::Answered
    });
    fails_then_recovers(&server, &mailbox, &[12, 15]);
}

#[test]
fn a_bye_in_the_middle() {
    let mailbox = Mailbox::of(5, 400).shared();
    let server = once(&mailbox, |_, line| {
        line.write(b"* BYE going down for maintenance\r\n");
        Trick::Cut
    });
    fails_then_recovers(&server, &mailbox, &[12, 15]);
}

#[test]
fn a_server_that_answers_nothing_it_can_be_held_to() {
    for answer in ["* OK\r\n", "garbage\r\n", "* 0 FETCH (UID 0 BODY[] {0}\r\n)\r\n", "+ go on\r\n", "* 4294967296 EXISTS\r\n"] {
        let mailbox = Mailbox::of(3, 400).shared();
        let server = once(&mailbox, move |_, line| {
            line.write(answer.as_bytes());
            Trick::Cut
        });
        fails_then_recovers(&server, &mailbox, &[12, 17]);
    }
}

#[test]
fn a_server_that_shows_the_password_in_its_refusal() {
    let server = Scripted::start(|line| {
        line.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n");
        while let Some(command) = line.command() {
            let words = format!("{} NO [AUTHENTICATIONFAILED] cannot do {}\r\n", command.tag, command.text);
            line.write(words.as_bytes());
        }
    });
    let postrider = home_for(&server);
    let outcome = postrider.run(&["receive", ACCOUNT, "-vv"]);
    assert_eq!(outcome.code, Some(10), "{}", outcome.stderr);
    let words = outcome.text() + &outcome.stderr;
    assert!(!words.contains(harness::dovecot::PASSWORD), "{words}");
    assert!(words.contains("[redacted]"), "{words}");
}

#[test]
fn preauth_on_a_clear_line_is_refused_where_starttls_was_wanted() {
    let server = Scripted::start(|line| {
        line.write(b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n");
        while line.read_line().is_some() {}
    });
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, server.port, "starttls", QUICK).succeeded();
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert!(matches!(outcome.code, Some(13 | 17 | 18)), "{:?}: {}", outcome.code, outcome.stderr);
    assert!(server.heard().iter().all(|line| !line.contains("LOGIN") && !line.contains("AUTHENTICATE")), "{:?}", server.heard());
}

#[test]
fn what_comes_before_starttls_does_not_survive_it() {
    let server = Scripted::start(|line| {
        line.write(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n");
        while let Some(command) = line.command() {
            // Injected by a man in the middle: answers to commands that come later, inside TLS.
            let text = format!("{} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na2 OK done\r\n", command.tag);
            line.write(text.as_bytes());
        }
    });
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, server.port, "starttls", QUICK).succeeded();
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert!(matches!(outcome.code, Some(12 | 13 | 17)), "{:?}: {}", outcome.code, outcome.stderr);
    assert!(server.heard().iter().all(|line| !line.contains("LOGIN") && !line.contains("AUTHENTICATE")), "{:?}", server.heard());
}
