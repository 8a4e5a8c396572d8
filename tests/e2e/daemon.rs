//! The daemon: mail comes in by itself, commands go over its socket, and it ends in order.

use harness::corpus::{self, Message};
use harness::dovecot::{PASSWORD, Setup, USER};
use harness::postrider::{Postrider, Running};
use harness::scripted::{Mailbox, Scripted, Trick};
use harness::wait;
use rustix::process::Signal;

use crate::scene::{ACCOUNT, Scene, add_account_with, assert_same_contents, with_lf};
use crate::words::assert_words;

/// Wait until the daemon answers over its socket.
#[track_caller]
pub(crate) fn wait_until_it_answers(postrider: &Postrider, daemon: &mut Running) {
    wait::until("the daemon answers", wait::PATIENCE, || {
        assert!(daemon.is_running(), "the daemon ended: {}", daemon.words());
        let outcome = postrider.run(&["status", "--json"]);
        (outcome.code == Some(0) && outcome.json()["daemon"] == daemon.id()).then_some(())
    });
}

#[track_caller]
fn daemon(scene: &Scene) -> Running {
    let mut daemon = scene.postrider.spawn(&["run"]);
    wait_until_it_answers(&scene.postrider, &mut daemon);
    daemon
}

#[test]
fn new_mail_comes_into_the_maildir_by_itself() {
    let scene = Scene::with_corpus(30);
    let maildir = scene.add_maildir("files", &[]);
    let _daemon = daemon(&scene);
    wait::until_true("the first messages are in the Maildir", || maildir.path().is_dir() && maildir.files().len() == 30);
    wait::until_true("the daemon waits in IDLE", || scene.dovecot.doveadm(&["who"]).contains(USER));
    let mut imap = scene.dovecot.sign_in(USER, PASSWORD);
    for number in 1..=3 {
        imap.append("INBOX", "", &with_crlf(&corpus::note(&format!("news {number}"))));
        wait::until_true("news are in the Maildir", || maildir.files().len() == 30 + number);
    }
    assert_same_contents("Maildir", &maildir, scene.on_the_wire().values().map(|octets| with_lf(octets)));
}

#[test]
fn commands_go_over_its_socket() {
    let scene = Scene::with(Setup::default().user("sales", "correct horse two"));
    scene.deliver([corpus::note("one")]);
    let daemon = daemon(&scene);
    wait::until_true("the message is stored", || scene.stored().len() == 1);
    scene.assert_stored_as_on_the_wire();
    scene.receive();
    // An account added now is received without a restart.
    scene.dovecot.deliver("sales", "INBOX", &[corpus::note("two")]);
    let (port, ca) = (scene.dovecot.imaps.to_string(), scene.dovecot.ca_file());
    let add =
        ["account", "add", "sales", "--receive", "imap", "--server", "localhost", "--port", &port, "--security", "tls", "--user", "sales"];
    let add = [&add[..], &["--password-stdin", "--ca", ca.to_str().unwrap()]].concat();
    scene.postrider.run_with_input(&add, b"correct horse two").succeeded();
    wait::until_true("the new account's message is stored", || scene.stored().len() == 2);
    scene.postrider.succeed(&["account", "test", ACCOUNT]);
    scene.assert_clean();
    drop(daemon);
}

#[test]
fn a_second_owner_is_refused_by_name() {
    let scene = Scene::with(Setup::default());
    let _daemon = daemon(&scene);
    let second = scene.postrider.run(&["run"]);
    assert_eq!(second.code, Some(30), "{}", second.stderr);
    assert_words("second_owner", &scene.postrider, &second);
}

#[test]
fn sigterm_lets_it_end_in_order() {
    let scene = Scene::with_corpus(400);
    let maildir = scene.add_maildir("files", &[]);
    let daemon = daemon(&scene);
    // In the middle of receiving, or not: both must end well.
    daemon.signal(Signal::TERM);
    daemon.wait().succeeded();
    scene.assert_clean();
    scene.receive();
    scene.assert_stored_as_on_the_wire();
    assert_same_contents("Maildir", &maildir, scene.on_the_wire().values().map(|octets| with_lf(octets)));
}

#[test]
fn a_killed_daemon_leaves_a_home_that_works() {
    let scene = Scene::with_corpus(60);
    let mut first = daemon(&scene);
    first.kill();
    scene.receive();
    scene.assert_stored_as_on_the_wire();
    let second = daemon(&scene);
    second.signal(Signal::TERM);
    second.wait().succeeded();
}

#[test]
fn a_sink_that_cannot_be_delivered_to_is_shown_until_it_can() {
    let scene = Scene::with(Setup::default());
    let maildir = scene.add_maildir("files", &[]);
    let _daemon = daemon(&scene);
    let away = scene.postrider.beside("not mounted");
    std::fs::rename(maildir.path(), &away).unwrap();
    scene.deliver([corpus::note("before")]);
    wait::until_true("the failure is shown", || scene.postrider.json(&["status"])["sinks"][0]["fault"]["kind"] == "storage");
    let status = String::from_utf8(scene.postrider.succeed(&["status"]).stdout).unwrap();
    assert!(status.contains("failing since 20") && status.contains("files"), "{status}");
    assert!(!maildir.path().exists(), "where its file system is not mounted, no other Maildir is made");
    std::fs::rename(&away, maildir.path()).unwrap();
    wait::until_true("the message is delivered after all", || scene.postrider.json(&["status"])["sinks"][0]["pending"] == 0);
    wait::until_true("and nothing fails", || scene.postrider.json(&["status"])["sinks"][0]["fault"].is_null());
    assert_eq!(maildir.files().len(), 1);
}

#[test]
fn a_folder_that_is_listed_and_not_opened_is_asked_for_once() {
    let mailbox = Mailbox::of(3, 100).shared();
    let server = Scripted::imap(&mailbox, |command, line| {
        let (tag, text) = (&command.tag, &command.text);
        if text.starts_with("LIST") {
            line.write(format!("* LIST () \"/\" INBOX\r\n* LIST () \"/\" Closed\r\n{tag} OK done\r\n").as_bytes());
        } else if text.contains("Closed") {
            line.write(format!("{tag} NO [NONEXISTENT] no such mailbox\r\n").as_bytes());
        } else {
            return Trick::Honest;
        }
        Trick::Answered
    });
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, server.port, "none", &[]).succeeded();
    let mut daemon = postrider.spawn(&["run"]);
    wait_until_it_answers(&postrider, &mut daemon);
    let heard = |words: &str| server.heard().iter().filter(|line| line.contains(words)).count();
    wait::until_true("it waits for changes of what it can open", || heard("IDLE") > 0);
    assert!(heard("Closed") <= 4, "{:?}", server.heard());
    let status = &postrider.json(&["status"])["accounts"][0];
    assert_eq!((&status["messages"], &status["fault"]["kind"]), (&3.into(), &"gone".into()), "{status}");
}

#[test]
fn a_refused_password_is_not_tried_again_because_something_else_was_edited() {
    let refusing = Scripted::start(|line| {
        line.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n");
        while let Some(command) = line.command() {
            line.write(format!("{} NO [AUTHENTICATIONFAILED] no\r\n", command.tag).as_bytes());
        }
    });
    let mailbox = Mailbox::of(1, 100).shared();
    let server = Scripted::imap(&mailbox, |_, _| Trick::Honest);
    let postrider = Postrider::new();
    add_account_with(&postrider, "refused", refusing.port, "none", &[]).succeeded();
    let mut daemon = postrider.spawn(&["run"]);
    wait_until_it_answers(&postrider, &mut daemon);
    let state = |number: usize| postrider.json(&["status"])["accounts"][number]["state"].clone();
    wait::until_true("the account is stopped", || state(0) == "needs-operator");
    let tries = || refusing.heard().iter().filter(|line| line.contains("LOGIN")).count();
    let before = tries();
    add_account_with(&postrider, ACCOUNT, server.port, "none", &[]).succeeded();
    postrider.succeed(&["sink", "add", "files", "--maildir", postrider.beside("files").to_str().unwrap()]);
    wait::until_true("the edits are heeded", || state(0) == "watching" || state(1) == "watching");
    assert_eq!(tries(), before);
    postrider.succeed(&["account", "edit", "refused", "--read-timeout-ms", "5000"]);
    wait::until_true("its own edit begins it anew", || tries() > before);
}

#[test]
fn a_server_that_goes_and_comes_back_is_received_again() {
    let mut scene = Scene::with(Setup::default());
    scene.deliver([corpus::note("before")]);
    let _daemon = daemon(&scene);
    wait::until_true("the first message is stored", || scene.stored().len() == 1);
    scene.dovecot.stop();
    wait::until_true("the daemon says that the server is gone", || {
        scene.postrider.json(&["status"])["accounts"][0]["fault"]["kind"] == "unreachable"
    });
    scene.deliver([corpus::note("meanwhile")]);
    scene.dovecot.start_again();
    wait::until_true("what came meanwhile is stored", || scene.stored().len() == 2);
}

fn with_crlf(message: &Message) -> Vec<u8> {
    String::from_utf8(message.octets.clone()).unwrap().replace('\n', "\r\n").into_bytes()
}
