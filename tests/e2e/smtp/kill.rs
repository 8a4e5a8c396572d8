//! Killed while sending: each message was accepted at least once or is told of as unknown, and nothing that was claimed is missing (P9).

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::postrider::Postrider;
use harness::scripted::{Mail, Outbox, Scripted, Trick};
use harness::wait;
use rustix::process::Signal;

use super::scene::{OUT, RECIPIENT, arguments, home_for, left, message, message_id, told, verdicts, write};

const OFFERS: &[&str] = &["PIPELINING", "8BITMIME", "SIZE 100000000"];

/// A server that says when the last octet of a message has come, and answers no more.
fn holding_server() -> (Scripted, Receiver<()>) {
    let (came, coming) = channel();
    let came = Mutex::new(came);
    let server = Scripted::smtp(&Outbox::offering(OFFERS), move |command, line| {
        if command != "." {
            return Trick::Honest;
        }
        came.lock().unwrap().send(()).unwrap();
        // Until the other end is gone.
        let _ = line.read_line();
        Trick::Cut
    });
    (server, coming)
}

/// A home that waits for answers longer than a test takes.
fn patient_home_for(server: &Scripted) -> Postrider {
    let postrider = home_for(server, &[]);
    postrider.succeed(&["account", "edit", OUT, "--send-read-timeout-ms", "60000"]);
    postrider
}

/// One submission is told of as unknown, with what is known of it, until somebody has heard of it.
#[track_caller]
fn assert_left_unknown(postrider: &Postrider) {
    let submissions = left(postrider);
    assert_eq!(submissions.len(), 1, "{submissions:?}");
    let one = &submissions[0];
    assert_eq!((one["outcome"].as_str(), one["message_id"].as_str()), (Some("unknown"), Some(message_id(1).as_str())));
    assert_eq!((one["recipients"][0].as_str(), one["recipient_count"].as_u64()), (Some(RECIPIENT), Some(1)));
    let words = postrider.succeed(&["status"]).text();
    assert!(words.contains("unknown") && words.contains(RECIPIENT), "{words}");
    assert_eq!(postrider.run(&["send", "--acknowledge", "nothing"]).code, Some(3));
    postrider.succeed(&["send", "--acknowledge", one["id"].as_str().unwrap()]);
    assert!(left(postrider).is_empty());
    assert_eq!(postrider.json(&["store", "check"])["findings"], serde_json::Value::Array(Vec::new()));
}

#[test]
fn a_process_killed_between_the_dot_and_its_answer_leaves_word() {
    let (server, coming) = holding_server();
    let postrider = patient_home_for(&server);
    let files = write(&postrider, [message(1, 500)]);
    let mut sending = postrider.spawn(&arguments(&[RECIPIENT], &["--json"], &files));
    coming.recv_timeout(wait::PATIENCE).unwrap();
    sending.kill();
    assert_left_unknown(&postrider);
}

#[test]
fn a_daemon_killed_between_the_dot_and_its_answer_leaves_word() {
    let (server, coming) = holding_server();
    let postrider = patient_home_for(&server);
    let files = write(&postrider, [message(1, 500)]);
    let mut daemon = postrider.spawn(&["run"]);
    daemon.wait_for("running");
    let sending = postrider.spawn(&arguments(&[RECIPIENT], &["--json"], &files));
    coming.recv_timeout(wait::PATIENCE).unwrap();
    assert!(left(&postrider).is_empty(), "what is under way is not yet left");
    daemon.kill();
    let outcome = sending.wait();
    assert!(told(&outcome).is_empty() && outcome.code != Some(0), "{}", outcome.stderr);
    assert_left_unknown(&postrider);
}

/// Who asked was killed, and the daemon goes on: it knows what became of the message, and keeps it for whoever asks later.
#[test]
fn an_outcome_that_nobody_was_told_is_kept() {
    let (came, coming) = channel();
    let came = Mutex::new(came);
    let (go_on, going) = channel::<()>();
    let going = Mutex::new(going);
    let server = Scripted::smtp(&Outbox::offering(OFFERS), move |command, _| {
        if command == "." {
            came.lock().unwrap().send(()).unwrap();
            going.lock().unwrap().recv().unwrap();
        }
        Trick::Honest
    });
    let postrider = patient_home_for(&server);
    let files = write(&postrider, [message(1, 500)]);
    let mut daemon = postrider.spawn(&["run"]);
    daemon.wait_for("running");
    let mut sending = postrider.spawn(&arguments(&[RECIPIENT], &["--json"], &files));
    coming.recv_timeout(wait::PATIENCE).unwrap();
    sending.kill();
    go_on.send(()).unwrap();
    let outcome = wait::until("the outcome is kept", wait::PATIENCE, || {
        left(&postrider).first().map(|one| one["outcome"].as_str().unwrap().to_owned())
    });
    assert_eq!(outcome, "1 accepted");
    postrider.succeed(&["send", "--acknowledge"]);
    assert!(left(&postrider).is_empty());
    daemon.signal(Signal::TERM);
    let _ = daemon.wait().succeeded();
}

#[test]
fn killed_at_random_no_claim_is_wrong_and_no_message_is_lost() {
    const MESSAGES: usize = 60;
    let outbox = Outbox::offering(OFFERS);
    let server = Scripted::smtp(&outbox, |_, _| Trick::Honest);
    let postrider = home_for(&server, &[]);
    let files = write(&postrider, (0..MESSAGES).map(|number| message(number, 5_000)));
    let (mut claimed, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    let mut wait_for = 1;
    for round in 0..200_usize {
        let rest: Vec<String> =
            files.iter().enumerate().filter(|(number, _)| !claimed.contains(number)).map(|(_, file)| file.clone()).collect();
        if rest.is_empty() {
            break;
        }
        let before = outbox.lock().unwrap().arrived.len();
        let mut sending = postrider.spawn(&arguments(&[RECIPIENT], &["--json"], &rest));
        // Killed when so many more have come, in the middle of whatever is going on then: each round at another place.
        wait::until("further messages come", wait::PATIENCE, || {
            (outbox.lock().unwrap().arrived.len() >= before + wait_for.min(rest.len()) || !sending.is_running()).then_some(())
        });
        std::thread::sleep(Duration::from_micros(round as u64 * 700 % 9_000));
        sending.kill();
        let outcome = sending.wait();
        for sent in told(&outcome) {
            let number = number_of(sent["message_id"].as_str().unwrap());
            match verdicts(&sent)[0] {
                "accepted" => claimed.extend([number]),
                "unknown" => unknown.extend([number]),
                verdict => panic!("message {number} is {verdict}"),
            }
        }
        let left = left(&postrider);
        unknown.extend(left.iter().map(|one| number_of(one["message_id"].as_str().unwrap())));
        // Whatever the server has is claimed, or told of as what nobody knows.
        for mail in arrived(&outbox) {
            let number = number_of(&mail.message_id());
            assert!(claimed.contains(&number) || unknown.contains(&number), "round {round}: message {number} came, and nobody was told");
        }
        wait_for = wait_for % 7 + 1;
    }
    assert_eq!(claimed, (0..MESSAGES).collect(), "all are sent in the end");
    // Nothing that was claimed is missing.
    let there: BTreeSet<_> = outbox.lock().unwrap().accepted.iter().map(|mail| number_of(&mail.message_id())).collect();
    assert!(claimed.is_subset(&there));
    assert_eq!(postrider.json(&["store", "check"])["findings"], serde_json::Value::Array(Vec::new()));
}

fn arrived(outbox: &Arc<Mutex<Outbox>>) -> Vec<Mail> {
    outbox.lock().unwrap().arrived.clone()
}

fn number_of(message_id: &str) -> usize {
    message_id.trim_start_matches('<').split('@').next().unwrap().parse().unwrap()
}
