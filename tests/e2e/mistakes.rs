//! A person's mistakes: each has its own words and its own exit code.

use std::net::{Ipv4Addr, TcpListener};

use harness::authority::Authority;
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::postrider::Postrider;
use harness::scripted::Scripted;

use crate::scene::{ACCOUNT, Scene, add_account, add_account_with};
use crate::words::assert_words;

/// Add an account that is wrong in some way, receive, and compare the words.
#[track_caller]
fn receiving_fails(name: &str, code: i32, postrider: &Postrider) {
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    assert_words(name, postrider, &outcome);
}

#[test]
fn a_wrong_password() {
    let scene = Scene::with(Setup::default());
    scene.postrider.run_with_input(&["account", "edit", ACCOUNT, "--password-stdin"], b"wrong horse battery").succeeded();
    receiving_fails("wrong_password", 10, &scene.postrider);
}

#[test]
fn a_wrong_user() {
    let scene = Scene::with(Setup::default());
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--user", "nobody"]);
    receiving_fails("wrong_user", 10, &scene.postrider);
}

#[test]
fn a_port_where_nobody_listens() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, free, "tls", &[]).succeeded();
    receiving_fails("closed_port", 12, &postrider);
}

#[test]
fn a_port_of_another_protocol() {
    let server = Scripted::start(|line| {
        line.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        while line.read_line().is_some() {}
    });
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, server.port, "none", &[]).succeeded();
    receiving_fails("another_protocol", 19, &postrider);
}

#[test]
fn a_server_that_says_nothing() {
    let server = Scripted::start(|line| while line.read_line().is_some() {});
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, server.port, "none", &["--connect-timeout-ms", "300", "--read-timeout-ms", "300"]).succeeded();
    receiving_fails("silence", 12, &postrider);
}

#[test]
fn tls_where_the_server_speaks_in_clear() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    add_account(&postrider, ACCOUNT, &dovecot, dovecot.imap, "tls").succeeded();
    receiving_fails("tls_on_a_clear_port", 19, &postrider);
}

#[test]
fn starttls_where_the_server_speaks_tls() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    let ca = dovecot.ca_file();
    let options = ["--ca", ca.to_str().unwrap(), "--connect-timeout-ms", "1500", "--read-timeout-ms", "1500"];
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "starttls", &options).succeeded();
    receiving_fails("starttls_on_a_tls_port", 12, &postrider);
}

#[test]
fn starttls_where_the_server_has_none() {
    let dovecot = Setup::default().without_tls().start();
    let postrider = Postrider::new();
    add_account(&postrider, ACCOUNT, &dovecot, dovecot.imap, "starttls").succeeded();
    receiving_fails("no_starttls", 13, &postrider);
}

#[test]
fn no_security_where_the_server_speaks_tls() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "none", &["--connect-timeout-ms", "1500", "--read-timeout-ms", "1500"])
        .succeeded();
    receiving_fails("clear_on_a_tls_port", 12, &postrider);
}

#[test]
fn an_authority_that_nobody_knows() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &[]).succeeded();
    receiving_fails("unknown_authority", 13, &postrider);
}

#[test]
fn the_authority_of_another_server() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    let file = postrider.beside("other.pem");
    std::fs::write(&file, Authority::new("Another Authority").pem()).unwrap();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &["--ca", file.to_str().unwrap()]).succeeded();
    receiving_fails("another_authority", 13, &postrider);
}

#[test]
fn an_authority_file_that_is_not_there() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &["--ca", "/nowhere/ca.pem"]).succeeded();
    receiving_fails("no_authority_file", 19, &postrider);
}

#[test]
fn a_certificate_for_another_host() {
    let dovecot = Setup::default().names(&["mail.example.com"]).start();
    let postrider = Postrider::new();
    add_account(&postrider, ACCOUNT, &dovecot, dovecot.imaps, "tls").succeeded();
    receiving_fails("certificate_for_another_host", 13, &postrider);
}

#[test]
fn a_certificate_that_expired() {
    let authority = Authority::new("Test Authority");
    let identity = authority.expired_identity(&["localhost"]);
    let dovecot = Setup::default().identity(authority, identity).start();
    let postrider = Postrider::new();
    add_account(&postrider, ACCOUNT, &dovecot, dovecot.imaps, "tls").succeeded();
    receiving_fails("expired_certificate", 13, &postrider);
}

#[test]
fn a_host_name_that_does_not_exist() {
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, 993, "tls", &["--server", "mail.example.invalid"]).succeeded();
    receiving_fails("unknown_host", 12, &postrider);
}

#[test]
fn a_folder_that_does_not_exist() {
    let scene = Scene::with(Setup::default());
    let outcome = scene.postrider.run(&["receive", ACCOUNT, "--folder", "Nowhere"]);
    assert_eq!(outcome.code, Some(19), "{}", outcome.stderr);
    assert_words("unknown_folder", &scene.postrider, &outcome);
}

#[test]
fn an_account_that_does_not_exist() {
    let scene = Scene::with(Setup::default());
    for (name, arguments) in
        [("receive", &["receive", "desc"][..]), ("show", &["account", "show", "desc"]), ("test", &["account", "test", "desc"])]
    {
        let outcome = scene.postrider.run(arguments);
        assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
        assert_words(&format!("unknown_account_{name}"), &scene.postrider, &outcome);
    }
}

#[test]
fn a_connector_that_does_not_exist() {
    let postrider = Postrider::new();
    let arguments = ["account", "add", ACCOUNT, "--receive", "imapp", "--server", "localhost", "--security", "tls", "--user", USER];
    let outcome = postrider.run_with_input(&[&arguments[..], &["--password-stdin"]].concat(), PASSWORD.as_bytes());
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert_words("unknown_connector", &postrider, &outcome);
}

#[test]
fn a_message_that_does_not_exist() {
    let scene = Scene::with(Setup::default());
    let outcome = scene.postrider.run(&["message", "show", &"a".repeat(26)]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert_words("unknown_message", &scene.postrider, &outcome);
}

#[test]
fn a_key_that_is_gone() {
    let scene = Scene::with(Setup::default());
    let key = scene.postrider.json(&["status"])["master_key"].as_str().unwrap().to_owned();
    std::fs::rename(&key, scene.postrider.beside("key-elsewhere")).unwrap();
    let outcome = scene.postrider.run(&["account", "list"]);
    assert_eq!(outcome.code, Some(33), "{}", outcome.stderr);
    assert_words("no_key", &scene.postrider, &outcome);
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let postrider = Postrider::new();
    let outcome = postrider.run(&["account", "show", "desc", "--json"]);
    assert_eq!(outcome.code, Some(3));
    // A home that was made a moment ago says so in its log.
    let fault: serde_json::Value = serde_json::from_str(outcome.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(fault["kind"], "not-found", "{fault}");
    assert!(outcome.stdout.is_empty());
}
