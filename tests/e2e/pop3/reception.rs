//! Receiving from Dovecot: every octet, once, and no maildrop held longer than needed.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use harness::corpus::{self, Message};
use harness::dovecot::{PASSWORD, Setup, USER};
use harness::pop3::Pop3;
use harness::postrider::Postrider;
use harness::relay::Relay;
use harness::wait;

use super::scene::{Scene, add_account, stored};
use crate::scene::{ACCOUNT, assert_same_contents};

/// Messages of the great test; 154 MB.
const MANY: usize = 10_000;
/// What a pass may read where nothing changed: a line a message, and no body.
const QUIET_OCTETS: u64 = 1_000_000;

#[test]
fn ten_thousand_messages_are_stored_as_the_wire_has_them() {
    let scene = Scene::with_corpus(MANY);
    let relay = Relay::to(scene.dovecot.pop3s);
    scene.edit(&["--port", &relay.port.to_string()]);
    let maildir = scene.add_maildir();
    let wire = scene.on_the_wire();
    assert_eq!(wire.len(), MANY);

    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["set_aside"].as_u64()), (Some(MANY as u64), Some(0)), "{pass}");
    relay.reset();
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(0), Some(0)), "{pass}");
    assert!(relay.octets_down() < QUIET_OCTETS, "a pass without news read {} octets", relay.octets_down());

    assert_same_contents("Maildir", &maildir, wire.values().cloned());
    let mut uidls: Vec<String> = stored(&scene.postrider).into_iter().filter_map(|message| message.uidl).collect();
    uidls.sort();
    assert_eq!(uidls, wire.keys().cloned().collect::<Vec<_>>());
    super::scene::assert_clean(&scene.postrider);
}

#[test]
fn every_way_in_gives_the_same_octets_and_nothing_is_asked_for_twice() {
    let mut scene = Scene::with_corpus(80);
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["folders"].as_u64()), (Some(80), Some(1)), "{pass}");
    scene.assert_stored_as_on_the_wire();
    let ca = scene.dovecot.ca_file();
    for (security, options) in [("starttls", vec!["--ca", ca.to_str().unwrap()]), ("none", vec!["--set", "ignore-capabilities=PIPELINING"])]
    {
        let relay = Relay::to(scene.dovecot.pop3);
        scene.postrider = Postrider::new();
        add_account(&scene.postrider, relay.port, security, &options);
        assert_eq!(scene.receive()["received"], 80, "{security}");
        scene.assert_stored_as_on_the_wire();
        relay.reset();
        assert_eq!(scene.receive()["received"], 0);
        let asked = relay.client_lines().iter().any(|line| line.starts_with("RETR") || line.starts_with("LIST"));
        assert!(!asked, "{security}: a pass without news asks for a message: {:?}", relay.client_lines());
    }
}

#[test]
fn new_messages_are_received_and_gone_ones_are_told() {
    let scene = Scene::with_corpus(30);
    scene.receive();
    let mut pop3 = Pop3::connect(scene.dovecot.pop3);
    pop3.log_in(USER, PASSWORD);
    for number in [1, 7, 30] {
        pop3.command(&format!("DELE {number}"));
    }
    pop3.command("QUIT");
    scene.deliver([corpus::note("one more"), corpus::note("and another")]);
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(2), Some(3)), "{pass}");
    scene.assert_stored_as_on_the_wire();
    let all = stored(&scene.postrider);
    assert_eq!((all.len(), all.iter().filter(|message| message.uidl.is_none()).count()), (32, 3), "what is gone there stays here");
}

#[test]
fn a_maildrop_that_another_session_has_is_waited_for() {
    let scene = Scene::with(Setup::default().settings("pop3_lock_session = yes\n"), 5);
    let mut other = Pop3::connect(scene.dovecot.pop3);
    other.log_in(USER, PASSWORD);
    // Dovecot waits ten seconds for the lock by itself before it says so.
    scene.edit(&["--set", "lock-wait-seconds=0"]);
    let outcome = scene.postrider.run(&["receive", ACCOUNT]);
    assert_eq!(outcome.code, Some(15), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("another session"), "{}", outcome.stderr);
    scene.edit(&["--set", "lock-wait-seconds="]);
    let mut pass = scene.postrider.spawn(&["receive", ACCOUNT]);
    wait::until_true("a third session asks for the maildrop", || scene.dovecot.log().matches("Login: user=<").count() >= 3);
    assert!(pass.is_running(), "it waits");
    other.command("QUIT");
    pass.wait().succeeded();
    scene.assert_stored_as_on_the_wire();
}

#[test]
fn the_daemon_looks_again_at_the_accounts_pace_and_leaves_the_maildrop_free_meanwhile() {
    let scene = Scene::with(Setup::default().settings("pop3_lock_session = yes\n"), 3);
    scene.edit(&["--set", "poll-seconds=10"]);
    let mut daemon = scene.postrider.spawn(&["run"]);
    crate::daemon::wait_until_it_answers(&scene.postrider, &mut daemon);
    let count = || stored(&scene.postrider).len();
    wait::until_true("the first pass", || count() == 3);
    let relay = scene.on_the_wire();
    assert_eq!(relay.len(), 3, "another client gets in between two looks");
    scene.deliver([corpus::note("later")]);
    wait::until_true("the next look", || count() == 4);
    scene.assert_stored_as_on_the_wire();
}

#[test]
fn a_line_that_is_cut_again_and_again_loses_nothing() {
    let scene = Scene::with_corpus(150);
    let relay = Relay::to(scene.dovecot.pop3s);
    scene.edit(&["--port", &relay.port.to_string()]);
    let maildir = scene.add_maildir();
    let mut cuts = 0;
    loop {
        relay.cut_after(600_000);
        let outcome = scene.postrider.run(&["receive", ACCOUNT]);
        if outcome.code == Some(0) {
            break;
        }
        assert_eq!(outcome.code, Some(12), "{}", outcome.stderr);
        cuts += 1;
        assert!(cuts < 100, "what was received before a cut is not kept: {}", stored(&scene.postrider).len());
    }
    assert!(cuts > 1, "the line was never cut");
    relay.cut_after(u64::MAX);
    scene.receive();
    scene.assert_stored_as_on_the_wire();
    assert_same_contents("Maildir", &maildir, scene.on_the_wire().values().cloned());
}

#[test]
fn one_message_that_is_too_large_does_not_stop_the_others() {
    let large = || Message { octets: [corpus::note("large").octets, vec![b'x'; 400_000]].concat(), ..corpus::note("large") };
    for (settings, contents) in [
        (vec!["--set", "limit.message-octets=100000"], ["set-aside", "whole", "whole"]),
        (vec!["--set", "oversize=skip", "--set", "oversize-octets=100000"], ["set-aside", "whole", "whole"]),
        (vec!["--set", "oversize=headers", "--set", "oversize-octets=100000"], ["headers", "whole", "whole"]),
    ] {
        let scene = Scene::with_corpus(0);
        scene.deliver([corpus::note("before"), large(), corpus::note("after")]);
        scene.edit(&settings);
        scene.receive();
        let mut found: Vec<String> = stored(&scene.postrider).into_iter().map(|message| message.content).collect();
        found.sort();
        assert_eq!(found, contents, "{settings:?}");
        assert_eq!(scene.receive()["received"], 0, "it is not asked for again");
        super::scene::assert_clean(&scene.postrider);
    }
}

#[test]
fn what_a_repair_puts_aside_comes_again_under_its_old_id() {
    let scene = Scene::with_corpus(40);
    scene.receive();
    let before = stored(&scene.postrider);
    let segment = scene.postrider.home().join("store/spool/0000000000000001.segment");
    let file = OpenOptions::new().read(true).write(true).open(&segment).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut octet = [0];
    file.read_exact_at(&mut octet, at).unwrap();
    file.write_all_at(&[octet[0] ^ 0x20], at).unwrap();
    assert_eq!(scene.postrider.run(&["store", "check"]).code, Some(32));
    scene.postrider.succeed(&["store", "repair", "--yes"]);
    // The listing is the one of before: what was had then does not prove that it is had now.
    assert_eq!(scene.receive()["received"], 1);
    scene.assert_stored_as_on_the_wire();
    let ids = |all: Vec<super::scene::Stored>| all.into_iter().map(|message| message.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(stored(&scene.postrider)), ids(before));
}
