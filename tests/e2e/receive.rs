//! Receiving: every octet as on the wire, once, and the server's changes followed (P1, P2, P6).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use harness::corpus::{self, Message, SEED};
use harness::dovecot::{PASSWORD, Setup, Storage, USER};
use harness::postrider::Postrider;
use harness::relay::Relay;

use crate::scene::{ACCOUNT, Scene, add_account, assert_same, assert_same_contents, stored, with_lf};

/// Messages of the great test; 154 MB.
const MANY: usize = 10_000;
/// What a pass may read where nothing changed: a line or two a message at the very most, and no body.
const QUIET_OCTETS: u64 = 1_000_000;

#[test]
fn ten_thousand_messages_are_stored_as_the_wire_has_them() {
    let scene = Scene::with_corpus(MANY);
    let relay = Relay::to(scene.dovecot.imaps);
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--port", &relay.port.to_string()]);
    let (lf, crlf) = (scene.add_maildir("lf", &[]), scene.add_maildir("crlf", &["--line-endings", "crlf"]));
    let wire = scene.on_the_wire();
    assert_eq!(wire.len(), MANY);

    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["set_aside"].as_u64()), (Some(MANY as u64), Some(0)), "{pass}");
    relay.reset();
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["changed"].as_u64(), pass["removed"].as_u64()), (Some(0), Some(0), Some(0)), "{pass}");
    assert!(relay.octets_down() < QUIET_OCTETS, "a pass without news read {} octets", relay.octets_down());

    assert_same_contents("Maildir with CRLF", &crlf, wire.values().cloned());
    assert_same_contents("Maildir with LF", &lf, wire.values().map(|octets| with_lf(octets)));
    scene.assert_clean();

    // Every single message through the front door, which the daemon keeps open meanwhile.
    let stored = scene.stored_by_uid();
    assert_eq!(stored.keys().collect::<Vec<_>>(), wire.keys().collect::<Vec<_>>());
    let mut daemon = scene.postrider.spawn(&["run"]);
    crate::daemon::wait_until_it_answers(&scene.postrider, &mut daemon);
    let (uids, next) = (wire.keys().collect::<Vec<_>>(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(uid) = uids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_same(&format!("UID {uid}"), &scene.export(&stored[uid].id), &wire[uid]);
                }
            });
        }
    });
}

#[test]
fn a_pass_without_news_asks_for_no_body() {
    let scene = Scene::with_corpus(120);
    let relay = Relay::to(scene.dovecot.imap);
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--security", "none", "--port", &relay.port.to_string()]);
    scene.receive();
    let asks_for_body = |line: &String| line.contains("BODY") || line.contains("RFC822");
    assert!(relay.client_lines().iter().any(asks_for_body), "the first pass asks for bodies: {:?}", relay.client_lines());
    relay.reset();
    scene.receive();
    let lines = relay.client_lines();
    assert!(relay.connections() > 0 && !lines.iter().any(asks_for_body), "{lines:?}");
    scene.assert_stored_as_on_the_wire();
}

#[test]
fn new_flagged_and_expunged_messages_are_followed() {
    let scene = Scene::with_corpus(40);
    scene.receive();
    let first: BTreeSet<String> = scene.stored().into_iter().map(|message| message.id).collect();
    let mut imap = scene.dovecot.sign_in(USER, PASSWORD);
    imap.select("INBOX");
    imap.command("UID STORE 1:5 FLAGS (\\Flagged)");
    imap.command("UID STORE 6 FLAGS ($Case \\Seen)");
    imap.command("UID STORE 10:12 +FLAGS (\\Deleted)");
    imap.command("UID EXPUNGE 10:12");
    scene.deliver([corpus::note("one more"), corpus::note("and another")]);

    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(2), Some(3)), "{pass}");
    scene.assert_stored_as_on_the_wire();
    imap.select("INBOX");
    let by_uid = scene.stored_by_uid();
    for (uid, flags) in imap.flags() {
        let keywords: BTreeSet<String> = flags.split_whitespace().map(str::to_owned).collect();
        let place = by_uid[&uid].places.iter().find(|place| place.folder == "INBOX").unwrap();
        assert_eq!(place.keywords, keywords, "keywords of UID {uid}");
    }
    let all = scene.stored();
    assert!(first.is_subset(&all.iter().map(|message| message.id.clone()).collect()), "what the server expunged stays stored");
    assert_eq!(all.iter().filter(|message| message.places.is_empty()).count(), 3, "expunged messages stand nowhere");
    scene.assert_clean();
}

#[test]
fn a_new_uidvalidity_stores_nothing_twice() {
    // The corpus has the very same message more than once: those stay as many as they are.
    let scene = Scene::with_corpus(250);
    let maildir = scene.add_maildir("files", &[]);
    scene.receive();
    let before: BTreeSet<String> = scene.stored().into_iter().map(|message| message.id).collect();
    let files = maildir.files();
    scene.dovecot.doveadm(&["mailbox", "update", "--uid-validity", "4242", "-u", USER, "INBOX"]);

    let pass = scene.receive();
    assert_eq!(pass["received"].as_u64(), Some(0), "{pass}");
    let after = scene.stored();
    assert_eq!(after.iter().map(|message| message.id.clone()).collect::<BTreeSet<_>>(), before);
    for message in &after {
        let generations: Vec<&str> = message.places.iter().map(|place| place.generation.as_str()).collect();
        assert_eq!(generations, ["4242"], "{}", message.id);
    }
    assert_eq!(maildir.files(), files, "the sink gets nothing twice");
    scene.assert_stored_as_on_the_wire();
    scene.assert_clean();
}

#[test]
fn every_folder_is_received_or_those_that_were_asked_for() {
    let scene = Scene::with(Setup::default());
    let mut imap = scene.dovecot.sign_in(USER, PASSWORD);
    for folder in ["Archive", "Archive.2025", "Entw&APw-rfe", "with space"] {
        imap.command(&format!("CREATE \"{folder}\""));
        imap.append(folder, "", format!("Subject: in {folder}\r\n\r\ntext\r\n").as_bytes());
    }
    scene.deliver([corpus::note("inbox")]);
    scene.postrider.succeed(&["receive", ACCOUNT, "--folder", "Archive"]);
    assert_eq!(scene.stored().len(), 1);
    scene.receive();
    let folders: BTreeSet<String> = scene.stored().iter().map(|message| message.places[0].folder.clone()).collect();
    assert_eq!(folders, ["Archive", "Archive.2025", "Entw&APw-rfe", "INBOX", "with space"].map(str::to_owned).into());
    let listed = scene.postrider.json(&["message", "list", "--folder", "with space"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(scene.export(listed[0]["id"].as_str().unwrap()), b"Subject: in with space\r\n\r\ntext\r\n");
}

#[test]
fn every_way_in_and_every_storage_gives_the_same_octets() {
    for storage in [Storage::Sdbox, Storage::Mdbox] {
        let scene = Scene::with(Setup::default().storage(storage));
        let mut imap = scene.dovecot.sign_in(USER, PASSWORD);
        // With NUL, `APPEND` is refused.
        for message in corpus::messages(SEED, 30).filter(|message| !message.octets.contains(&0)) {
            imap.append("INBOX", "", &message.octets);
        }
        scene.receive();
        scene.assert_stored_as_on_the_wire();
    }
    let mut scene = Scene::with_corpus(30);
    for security in ["starttls", "none"] {
        scene.postrider = Postrider::new();
        add_account(&scene.postrider, ACCOUNT, &scene.dovecot, scene.dovecot.imap, security).succeeded();
        scene.receive();
        scene.assert_stored_as_on_the_wire();
    }
}

#[test]
fn a_line_that_is_cut_again_and_again_loses_nothing() {
    let scene = Scene::with_corpus(150);
    let relay = Relay::to(scene.dovecot.imaps);
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--port", &relay.port.to_string()]);
    let maildir = scene.add_maildir("files", &[]);
    let mut cuts = 0;
    loop {
        relay.cut_after(600_000);
        let outcome = scene.postrider.run(&["receive", ACCOUNT]);
        if outcome.code == Some(0) {
            break;
        }
        assert_eq!(outcome.code, Some(12), "{}", outcome.stderr);
        cuts += 1;
        assert!(cuts < 100, "what was received before a cut is not kept: {}", scene.stored().len());
    }
    assert!(cuts > 1, "the line was never cut");
    relay.cut_after(u64::MAX);
    scene.receive();
    scene.assert_stored_as_on_the_wire();
    assert_same_contents("Maildir", &maildir, scene.on_the_wire().values().map(|octets| with_lf(octets)));
    scene.assert_clean();
}

#[test]
fn one_message_that_is_too_large_does_not_stop_the_others() {
    let scene = Scene::with(Setup::default());
    let large = Message { octets: [corpus::note("large").octets, vec![b'x'; 400_000]].concat(), ..corpus::note("large") };
    scene.deliver([corpus::note("before"), large, corpus::note("after")]);
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--set", "limit.message-octets=100000"]);
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["set_aside"].as_u64()), (Some(2), Some(1)), "{pass}");
    let contents: Vec<String> = stored(&scene.postrider).into_iter().map(|message| message.content).collect();
    assert_eq!(contents.iter().filter(|content| *content == "whole").count(), 2, "{contents:?}");
    scene.assert_clean();
}

#[test]
fn two_accounts_are_received_side_by_side_and_kept_apart() {
    let scene = Scene::with(Setup::default().user("sales", "correct horse two"));
    scene.deliver([corpus::note("for the desk")]);
    scene.dovecot.deliver("sales", "INBOX", &[corpus::note("for sales"), corpus::note("for sales too")]);
    let (port, ca) = (scene.dovecot.imaps.to_string(), scene.dovecot.ca_file());
    let add =
        ["account", "add", "sales", "--receive", "imap", "--server", "localhost", "--port", &port, "--security", "tls", "--user", "sales"];
    let add = [&add[..], &["--password-stdin", "--ca", ca.to_str().unwrap()]].concat();
    scene.postrider.run_with_input(&add, b"correct horse two").succeeded();
    let path = scene.postrider.beside("sales-only");
    scene.postrider.succeed(&["sink", "add", "sales-only", "--maildir", path.to_str().unwrap(), "--account", "sales"]);
    let passes = scene.postrider.json(&["receive"]);
    assert_eq!(passes.as_array().unwrap().len(), 2);
    let count = |account: &str| scene.postrider.json(&["message", "list", "--account", account]).as_array().unwrap().len();
    assert_eq!((count(ACCOUNT), count("sales")), (1, 2));
    assert_eq!(harness::maildir::Maildir::at(&path).files().len(), 2, "a sink of one account gets that account's mail only");
    scene.postrider.succeed(&["account", "remove", "sales", "--yes"]);
    assert_eq!(scene.stored().len(), 1, "a removed account's mail goes with it, the other's stays");
    scene.assert_clean();
}

#[test]
fn mail_that_is_kept_until_delivered_gives_its_disk_space_back_and_does_not_come_again() {
    let scene = Scene::with_corpus(120);
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--keep", "until-delivered"]);
    assert_eq!(scene.receive()["received"], 120);
    assert_eq!(scene.stored().len(), 120, "nobody has it yet");
    let maildir = scene.add_maildir("files", &[]);
    // This sink may have to be filled anew; the account alone would let go of what it has.
    scene.postrider.succeed(&["sink", "edit", "files", "--keep", "7"]);
    scene.receive();
    assert_eq!((scene.stored().len(), maildir.files().len()), (120, 120), "the sink wants it for a week");
    let edited = scene.postrider.succeed(&["sink", "edit", "files", "--keep", "until-delivered"]).text();
    assert!(edited.contains("until delivered"), "{edited}");
    scene.receive();
    assert_eq!(scene.stored().len(), 0);
    assert_eq!(maildir.files().len(), 120);

    let before = scene.postrider.json(&["status"])["store"]["spool_octets"].as_u64().unwrap();
    let freed = scene.postrider.json(&["store", "compact"]);
    let after = scene.postrider.json(&["status"])["store"]["spool_octets"].as_u64().unwrap();
    assert!(before > 100_000 && after < before / 100, "{before} octets before, {after} after: {freed}");
    assert!(scene.postrider.succeed(&["store", "compact"]).text().contains("nothing to free"));

    scene.dovecot.doveadm(&["mailbox", "update", "--uid-validity", "4711", "-u", USER, "INBOX"]);
    scene.deliver(corpus::messages(7, 3));
    assert_eq!(scene.receive()["received"], 3, "what is known is not stored again, under another UIDVALIDITY either");
    assert_eq!(maildir.files().len(), 123);
    let status = scene.postrider.json(&["status"]);
    assert_eq!((status["accounts"][0]["messages"].as_u64(), status["accounts"][0]["removed"].as_u64()), (Some(0), Some(123)), "{status}");
    assert!(scene.postrider.succeed(&["account", "show", ACCOUNT]).text().contains("until delivered"));
    scene.assert_clean();
}
