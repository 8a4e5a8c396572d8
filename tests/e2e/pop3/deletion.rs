//! Leaving a copy on the server: for ever, for some days, or not at all; and nothing is deleted there before it is durable here.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use harness::postrider::Postrider;
use harness::scripted::{Entry, Maildrop, Scripted, SharedMaildrop, Trick};

use super::scene::{Scene, add_account, assert_octets, held, home_for, receive, stored};
use crate::scene::{ACCOUNT, assert_same, assert_same_contents};

#[test]
fn a_copy_is_left_for_ever_for_days_or_not_at_all() {
    let scene = Scene::with_corpus(60);
    let maildir = scene.add_maildir();
    let wire = scene.on_the_wire();
    scene.receive();
    assert_eq!(scene.on_the_wire().len(), 60, "by default nothing is deleted");
    scene.edit(&["--leave-copy", "3"]);
    assert!(scene.postrider.succeed(&["account", "show", ACCOUNT]).text().contains("for 3 days"));
    scene.receive();
    assert_eq!(scene.on_the_wire().len(), 60, "nothing is that old");
    scene.edit(&["--leave-copy", "no"]);
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(0), Some(60)), "{pass}");
    assert!(scene.on_the_wire().is_empty());
    assert_octets(&scene.postrider, wire.values().cloned());

    // What comes now goes in the session that brings it.
    scene.deliver(harness::corpus::messages(5, 20));
    let more = scene.on_the_wire();
    assert_eq!(scene.receive()["received"], 20);
    assert!(scene.on_the_wire().is_empty());
    assert_same_contents("Maildir", &maildir, wire.into_values().chain(more.into_values()));
}

#[test]
fn a_connector_that_deletes_nothing_takes_no_such_rule() {
    let scene = Scene::with_corpus(0);
    let edit = scene.postrider.run(&["account", "edit", ACCOUNT, "--receive", "imap", "--leave-copy", "no"]);
    assert!(edit.code != Some(0) && edit.stderr.contains("leaves all mail on the server"), "{}", edit.stderr);
}

#[test]
fn long_sessions_are_split_so_that_deletes_become_final() {
    let maildrop = Maildrop::of(25, 300).shared();
    let expected = held(&maildrop);
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &["--leave-copy", "no", "--set", "session-messages=10"]);
    assert_eq!(receive(&postrider)["received"], 25);
    assert_eq!(maildrop.lock().unwrap().deleted().len(), 25);
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|line| *line == "QUIT").count(), 3, "{heard:?}");
    assert_octets(&postrider, expected.into_values());
}

/// A server that, at the first command for which `is_moment` holds, waits until the client is dead.
fn stops_at(maildrop: &SharedMaildrop, is_moment: impl Fn(&str) -> bool + Send + Sync + 'static) -> (Scripted, mpsc::Receiver<()>) {
    let (reached, moment) = mpsc::channel();
    let reached = Mutex::new(Some(reached));
    let server = Scripted::pop3(maildrop, move |command, line| {
        if is_moment(command)
            && let Some(reached) = reached.lock().unwrap().take()
        {
            reached.send(()).unwrap();
            // Nothing is answered any more; the line ends with the client.
            while line.read_line().is_some() {}
            return Trick::Cut;
        }
        Trick::Honest
    });
    (server, moment)
}

/// Whatever the server's log says was marked or deleted is in the store, octet for octet.
#[track_caller]
fn assert_durable(postrider: &Postrider, maildrop: &SharedMaildrop, sent: &std::collections::BTreeMap<String, Vec<u8>>, heard: &[String]) {
    let log = maildrop.lock().unwrap().log.clone();
    let stored = stored(postrider);
    // Also what the client asked for and the server did not answer.
    let asked = heard.iter().filter_map(|line| line.strip_prefix("DELE ")).map(|number| format!("u{number}"));
    let marked = log.iter().filter_map(|entry| match entry {
        Entry::Marked(uidl) | Entry::Deleted(uidl) => Some(uidl.clone()),
        Entry::Gave(_) => None,
    });
    for uidl in marked.chain(asked) {
        let found = stored.iter().find(|message| message.uidl.as_deref() == Some(&uidl));
        let message = found.unwrap_or_else(|| panic!("{uidl} was marked before it was durable: {log:?}"));
        assert_same(&uidl, &super::scene::export(postrider, &message.id), &sent[&uidl]);
    }
}

#[test]
fn nothing_is_marked_before_it_is_durable_whenever_the_process_dies() {
    // kill -9 at the very moment at which the server hears the first DELE, one in the middle, the last, and the goodbye.
    for moment in ["DELE 1", "DELE 9", "DELE 20", "QUIT"] {
        let maildrop = Maildrop::of(20, 2_000).shared();
        let sent = held(&maildrop);
        let (server, reached) = stops_at(&maildrop, move |command| command == moment);
        // Without pipelining, so that every DELE comes by itself.
        let options = ["--leave-copy", "no", "--set", "ignore-capabilities=PIPELINING", "--set", "checkpoint-messages=3"];
        let postrider = Postrider::new();
        add_account(&postrider, server.port, "none", &options);
        let mut pass = postrider.spawn(&["receive", ACCOUNT]);
        reached.recv_timeout(harness::wait::PATIENCE).unwrap();
        pass.kill();
        assert_durable(&postrider, &maildrop, &sent, &server.heard());
        assert!(maildrop.lock().unwrap().deleted().is_empty(), "no session came to its end");
        // The next pass deletes what this one did not, and stores nothing twice.
        assert_eq!(receive(&postrider)["received"], 0, "{moment}");
        assert_eq!(maildrop.lock().unwrap().deleted().len(), 20, "{moment}");
        assert_octets(&postrider, sent.into_values());
    }
}

#[test]
fn what_is_not_durable_is_not_marked_where_a_message_cannot_be_stored() {
    let maildrop = Maildrop::of(4, 2_000).shared();
    maildrop.lock().unwrap().messages[2].octets = vec![b'x'; 9_000];
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &["--leave-copy", "no", "--set", "limit.message-octets=5000"]);
    let pass = receive(&postrider);
    assert_eq!((pass["received"].as_u64(), pass["set_aside"].as_u64()), (Some(3), Some(1)), "{pass}");
    assert_eq!(maildrop.lock().unwrap().deleted(), ["u1", "u2", "u4"]);
    receive(&postrider);
    assert_eq!(held(&maildrop).keys().collect::<Vec<_>>(), ["u3"], "what was set aside stays on the server");
}

#[test]
fn a_goodbye_that_is_refused_or_does_not_come_counts_for_nothing() {
    for answer in [&b"-ERR some deleted messages not removed\r\n"[..], b""] {
        let maildrop = Maildrop::of(6, 300).shared();
        let sent = held(&maildrop);
        let played = Arc::new(Mutex::new(false));
        let server = Scripted::pop3(&maildrop, move |command, line| {
            let mut played = played.lock().unwrap();
            if command != "QUIT" || std::mem::replace(&mut *played, true) {
                return Trick::Honest;
            }
            line.write(answer);
            Trick::Cut
        });
        let postrider = home_for(&server, &["--leave-copy", "no"]);
        let outcome = postrider.run(&["receive", ACCOUNT]);
        assert!(matches!(outcome.code, Some(12 | 15)), "{:?}: {}", outcome.code, outcome.stderr);
        assert!(answer.is_empty() || outcome.stderr.contains("could not delete all of 6 messages"), "{}", outcome.stderr);
        assert_eq!(stored(&postrider).iter().filter(|message| message.uidl.is_some()).count(), 6, "they are still on the server");
        assert_eq!(receive(&postrider)["received"], 0);
        assert_eq!(maildrop.lock().unwrap().deleted().len(), 6);
        assert_octets(&postrider, sent.into_values());
    }
}

#[test]
fn a_server_that_deletes_what_was_retrieved_hears_no_goodbye_before_all_is_durable() {
    let of = || {
        let mut maildrop = Maildrop::of(3, 300).with_capabilities(&["TOP", "UIDL", "USER", "PIPELINING", "EXPIRE 0"]);
        maildrop.expires_at_once = true;
        maildrop
    };
    let maildrop = of().shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    let outcome = postrider.run(&["receive", ACCOUNT, "-v"]).succeeded();
    assert!(outcome.stderr.contains("EXPIRE 0"), "{}", outcome.stderr);
    assert_eq!(maildrop.lock().unwrap().deleted().len(), 3);
    assert_eq!(stored(&postrider).len(), 3);

    let mut large = of();
    large.messages[1].octets = vec![b'x'; 9_000];
    let maildrop = large.shared();
    let server = Scripted::pop3(&maildrop, |_, _| Trick::Honest);
    let postrider = home_for(&server, &["--set", "limit.message-octets=5000"]);
    receive(&postrider);
    assert!(maildrop.lock().unwrap().deleted().is_empty(), "{:?}", server.heard());
    assert!(!server.heard().contains(&"QUIT".to_owned()), "{:?}", server.heard());
}
