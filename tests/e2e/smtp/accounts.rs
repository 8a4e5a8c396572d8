//! Accounts that send: alone or beside receiving, with credentials of their own or the same ones; tested stage by stage.

use harness::dovecot::{PASSWORD, USER};
use harness::postfix::{Delivery, Postfix};
use harness::postrider::Postrider;

use super::scene::{OUT, RECIPIENT, add_account, arguments, dovecot, message, write};
use crate::words::assert_words;

#[test]
fn an_account_that_only_sends_is_added_tested_and_shown() {
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Discard);
    let postrider = Postrider::new();
    add_account(&postrider, &dovecot, postfix.submission, "starttls");
    assert_words("send_account_show", &postrider, &postrider.succeed(&["account", "show", OUT]));
    let tested = postrider.json(&["account", "test", OUT]);
    let stages: Vec<_> = tested["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["name", "connect", "greeting", "tls", "sign-in", "abilities"]);
    assert!(tested["stages"].as_array().unwrap().iter().all(|stage| stage["fault"].is_null() && stage["role"] == "send"), "{tested}");
    assert!(!postfix.log().contains("from=<"), "nothing is sent:\n{}", postfix.log());
    let refused = postrider.run(&["receive", OUT]);
    assert_eq!(refused.code, Some(18), "{}", refused.stderr);
    postrider.run_with_input(&["account", "edit", OUT, "--send-password-stdin"], b"wrong horse").succeeded();
    let refused = postrider.run(&["account", "test", OUT]);
    assert_eq!(refused.code, Some(10), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("postrider account edit {OUT} --send-password-stdin")), "{}", refused.stderr);
    let refused = postrider.run(&arguments(&[RECIPIENT], &[], &write(&postrider, [message(1, 500)])));
    assert_eq!(refused.code, Some(10), "{}", refused.stderr);
    assert_words("send_wrong_password", &postrider, &refused);
}

#[test]
fn sending_signs_in_as_receiving_does_unless_somebody_says_otherwise() {
    let dovecot = dovecot();
    let postfix = Postfix::start_with(&dovecot, Delivery::Discard);
    let postrider = Postrider::new();
    let (imaps, submissions, ca) = (dovecot.imaps.to_string(), postfix.submissions.to_string(), dovecot.ca_file());
    let ca = ca.to_str().unwrap();
    let receive = ["account", "add", OUT, "--receive", "imap", "--server", "localhost", "--port", &imaps, "--user", USER, "--ca", ca];
    let send = ["--send", "smtp", "--send-server", "localhost", "--send-port", &submissions, "--send-ca", ca];
    postrider.run_with_input(&[&receive[..], &send[..], &["--password-stdin"]].concat(), PASSWORD.as_bytes()).succeeded();
    let shown = postrider.json(&["account", "show", OUT]);
    assert_eq!((shown["send"]["user"].as_str(), shown["send"]["same_credentials"].as_bool()), (Some(USER), Some(true)));
    assert_eq!((shown["send"]["has_secret"].as_bool(), shown["send"]["security"].as_str()), (Some(true), Some("tls")));
    let tested = postrider.json(&["account", "test", OUT]);
    let roles: Vec<_> = tested["stages"].as_array().unwrap().iter().map(|stage| stage["role"].as_str().unwrap()).collect();
    assert_eq!(roles, [["receive"; 6], ["send"; 6]].concat());

    // Another password for receiving is another one for sending.
    postrider.run_with_input(&["account", "edit", OUT, "--password-stdin"], b"wrong horse").succeeded();
    let outcome = postrider.run(&["account", "test", OUT, "--json"]);
    let stages = outcome.json()["stages"].clone();
    let failed = stages.as_array().unwrap().iter().filter(|stage| !stage["fault"].is_null()).count();
    assert_eq!((outcome.code, failed), (Some(10), 2), "both are tried: {stages}");

    // With one of its own it works again, and without receiving too.
    let own = ["account", "edit", OUT, "--send-user", USER, "--send-password-stdin"];
    postrider.run_with_input(&own, PASSWORD.as_bytes()).succeeded();
    postrider.succeed(&["account", "edit", OUT, "--no-receive"]);
    postrider.succeed(&["account", "test", OUT]);
    let refused = postrider.run(&["account", "edit", OUT, "--no-send"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let refused = postrider.run(&["account", "edit", OUT, "--send-same-credentials"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_words("send_same_credentials_as_nobody", &postrider, &refused);
}

#[test]
fn mistakes_are_told_in_words() {
    let postrider = Postrider::new();
    for (name, arguments) in [
        ("send_no_role", &["account", "add", OUT][..]),
        ("send_no_server", &["account", "add", OUT, "--send", "smtp"]),
        ("send_connector_that_receives", &["account", "add", OUT, "--send", "imap", "--send-server", "localhost"]),
        ("send_bad_port", &["account", "add", OUT, "--send", "smtp", "--send-server", "a:25"]),
        ("send_unknown_account", &["send", "--raw", "--account", "nobody", "--from", "a@b", "--to", "c@d"]),
        ("send_no_file", &["send", "--raw", "--account", OUT, "--from", "a@b", "--to", "c@d", "/nowhere.eml"]),
    ] {
        let outcome = postrider.run(arguments);
        assert_ne!(outcome.code, Some(0), "{arguments:?}");
        assert_words(name, &postrider, &outcome);
    }
    postrider.succeed(&[
        "account",
        "add",
        OUT,
        "--send",
        "smtp",
        "--send-server",
        "localhost",
        "--send-port",
        "1",
        "--send-security",
        "none",
    ]);
    let refused = postrider.run_with_input(&["send", "--raw", "--account", OUT, "--from", "a@b", "--to", "c@d"], b"just words\n");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_words("send_no_header", &postrider, &refused);
    let refused = postrider.run_with_input(&["send", "--raw", "--account", OUT, "--from", "a@b", "--to", "Bob <c@d>"], b"A: b\n\n");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_words("send_name_in_address", &postrider, &refused);
}
