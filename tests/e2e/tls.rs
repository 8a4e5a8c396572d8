//! TLS from outside: a line that is cut under it, a client's certificate, and a prompt that is interrupted.

use std::io::{Read, Write};
use std::process::Stdio;

use harness::authority::Authority;
use harness::corpus;
use harness::dovecot::{Dovecot, Setup, USER};
use harness::postrider::{Postrider, Running};
use harness::relay::Relay;
use harness::wait;

use crate::daemon::wait_until_it_answers;
use crate::scene::{ACCOUNT, Scene, add_account_with, stored};
use crate::words::assert_words;

#[test]
fn a_line_cut_under_tls_loses_nothing() {
    let dovecot = Dovecot::start();
    let messages: Vec<_> = corpus::messages(corpus::SEED, 40).collect();
    dovecot.deliver(USER, "INBOX", &messages);
    let relay = Relay::to(dovecot.imaps);
    let postrider = Postrider::new();
    let ca = dovecot.ca_file();
    add_account_with(&postrider, ACCOUNT, relay.port, "tls", &["--ca", ca.to_str().unwrap()]).succeeded();
    // In the middle of the messages, and of a record: TCP ends, TLS does not.
    relay.cut_after(60_000);
    let cut = postrider.run(&["receive", ACCOUNT]);
    assert_eq!(cut.code, Some(12), "{}", cut.stderr);
    assert!(cut.stderr.contains("Code: TRUNCATED"), "{}", cut.stderr);
    relay.cut_after(u64::MAX);
    let scene = Scene { dovecot, postrider };
    scene.receive();
    assert_eq!(stored(&scene.postrider).len(), messages.len());
    scene.assert_stored_as_on_the_wire();
    scene.assert_clean();
}

/// What the daemon's own TLS handshakes found, in turn.
fn handshakes(daemon: &Running) -> Vec<String> {
    let words = daemon.words();
    let lines = words.lines().filter(|line| line.contains("Stage over") && line.contains("TLS 1."));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_edit_empties_the_sessions() {
    // One process for all sign-ins: each has a key of its own for its tickets.
    let dovecot = Setup::default().settings("service imap-login {\n  service_count = 0\n  process_limit = 1\n}\n").start();
    let postrider = Postrider::new();
    let ca = dovecot.ca_file();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &["--ca", ca.to_str().unwrap()]).succeeded();
    let mut daemon = postrider.spawn(&["run", "-vv"]);
    wait_until_it_answers(&postrider, &mut daemon);
    wait::until_true("the daemon has signed in", || !handshakes(&daemon).is_empty());
    assert!(!handshakes(&daemon)[0].contains("resumed"), "{:?}", handshakes(&daemon));
    for edit in [&["--read-timeout-ms", "60001"][..], &["--tls-min", "1.3"], &["--tls-min", "1.2"]] {
        wait::until_true("the daemon waits in IDLE", || dovecot.doveadm(&["who"]).contains(USER));
        let tested = postrider.json(&["account", "test", ACCOUNT]);
        let stages = tested["stages"].as_array().unwrap();
        let tls = stages.iter().find(|stage| stage["stage"] == "tls").unwrap()["finding"].as_str().unwrap();
        assert!(tls.contains("resumed"), "before {edit:?}: {tls}");
        let before = handshakes(&daemon).len();
        postrider.succeed(&[&["account", "edit", ACCOUNT], edit].concat());
        wait::until_true("the daemon signs in anew", || handshakes(&daemon).len() > before);
        let after = handshakes(&daemon)[before].clone();
        assert!(!after.contains("resumed"), "after {edit:?}: {after}");
    }
}

#[test]
fn a_certificate_over_a_weak_key_is_refused_and_no_pin_accepts_it() {
    let authority = Authority::new("Old Authority");
    let identity = authority.weak_identity(&["localhost"]);
    // Dovecot's OpenSSL wants to be asked for it.
    let settings = "ssl_cipher_list = ALL:@SECLEVEL=0\n";
    let dovecot = Setup::default().identity(authority, identity).settings(settings).start();
    let postrider = Postrider::new();
    let ca = dovecot.ca_file();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &["--ca", ca.to_str().unwrap()]).succeeded();
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert_words("weak_certificate", &postrider, &outcome);
    let fault = postrider.run(&["receive", ACCOUNT, "--json"]);
    let fingerprint = fingerprint_in(&fault.stderr);
    postrider.succeed(&["account", "edit", ACCOUNT, "--pin", &fingerprint]);
    let pinned = postrider.run(&["receive", ACCOUNT]);
    assert_eq!(pinned.code, outcome.code, "{}", pinned.stderr);
    assert!(!dovecot.log().contains("Login: user="), "{}", dovecot.log());
}

/// The first SHA-256 in a text.
fn fingerprint_in(text: &str) -> String {
    let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.find(|word| word.len() == 64).unwrap_or_else(|| panic!("no fingerprint in {text}")).to_owned()
}

#[test]
fn the_systems_authorities_are_believed_where_none_is_named() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &[]).succeeded();
    let receive = |ca: &std::path::Path| {
        let mut command = postrider.command(&["receive", ACCOUNT]);
        // Where OpenSSL's and our own look instead of the system's place.
        command.env("SSL_CERT_FILE", ca).env_remove("SSL_CERT_DIR").output().unwrap()
    };
    let trusted = receive(&dovecot.ca_file());
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
    let other = postrider.beside("other.pem");
    std::fs::write(&other, Authority::new("Other Authority").pem()).unwrap();
    let refused = receive(&other);
    assert_eq!(refused.status.code(), Some(13), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn a_line_goes_out_from_the_address_of_the_account() {
    let scene = Scene::with(Setup::default());
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--local-address", "127.0.0.9"]);
    scene.postrider.succeed(&["receive", ACCOUNT]);
    assert!(scene.dovecot.log().contains("rip=127.0.0.9"), "{}", scene.dovecot.log());
}

#[test]
fn a_client_key_is_sealed() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    let identity = Authority::new("Client Authority").identity(&["help-desk.example"]);
    let file = postrider.beside("client.pem");
    std::fs::write(&file, format!("{}{}", identity.key, identity.certificate)).unwrap();
    let ca = dovecot.ca_file();
    let options = ["--ca", ca.to_str().unwrap(), "--client-cert", file.to_str().unwrap()];
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &options).succeeded();
    std::fs::remove_file(&file).unwrap();
    postrider.succeed(&["receive", ACCOUNT]);
    let shown = postrider.succeed(&["account", "show", ACCOUNT]).text();
    assert!(shown.contains("certificate of help-desk.example by Client Authority"), "{shown}");
    let line = identity.key.lines().nth(1).unwrap();
    assert!(!shown.contains(line));
    assert_eq!(postrider.files_with(line.as_bytes()), Vec::<std::path::PathBuf>::new());
    postrider.succeed(&["account", "edit", ACCOUNT, "--no-client-cert"]);
    assert!(!postrider.succeed(&["account", "show", ACCOUNT]).text().contains("help-desk"));
}

#[test]
fn a_certificate_signs_in_without_a_password() {
    let postrider = Postrider::new();
    let authority = Authority::new("Client Authority");
    let ca = postrider.beside("clients.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let settings = format!(
        "ssl_ca = <{}\nssl_require_crl = no\nssl_verify_client_cert = yes\nauth_ssl_username_from_cert = yes\n\
         passdb {{\n  driver = static\n  mechanisms = external\n  args = nopassword=y\n}}\n",
        ca.display()
    );
    let dovecot = Setup::default().mechanisms("plain external").settings(&settings).start();
    dovecot.deliver(USER, "INBOX", &[corpus::note("for who has the key")]);
    let client = authority.client_identity(USER);
    let file = postrider.beside("client.pem");
    std::fs::write(&file, format!("{}{}", client.key, client.certificate)).unwrap();
    let trusted = dovecot.ca_file();
    let add = [
        "account",
        "add",
        ACCOUNT,
        "--receive",
        "imap",
        "--server",
        "localhost",
        "--security",
        "tls",
        "--user",
        USER,
        "--auth",
        "external",
    ];
    let port = dovecot.imaps.to_string();
    let trust = ["--port", &port, "--ca", trusted.to_str().unwrap(), "--client-cert", file.to_str().unwrap()];
    postrider.succeed(&[&add[..], &trust[..]].concat());
    postrider.succeed(&["receive", ACCOUNT]);
    assert_eq!(stored(&postrider).len(), 1);
    assert!(dovecot.log().contains("method=EXTERNAL"), "{}", dovecot.log());
    // Somebody else's certificate is no way in.
    let other = Authority::new("Client Authority").client_identity(USER);
    std::fs::write(&file, format!("{}{}", other.key, other.certificate)).unwrap();
    postrider.succeed(&["account", "edit", ACCOUNT, "--client-cert", file.to_str().unwrap()]);
    assert_ne!(postrider.run(&["receive", ACCOUNT]).code, Some(0));
}

#[test]
fn an_interrupted_prompt_gives_the_terminal_its_echo_back() {
    let postrider = Postrider::new();
    let ask = ["account", "add", ACCOUNT, "--receive", "imap", "--server", "localhost", "--user", USER];
    let inner = postrider.command(&ask);
    let words: Vec<String> =
        std::iter::once(inner.get_program()).chain(inner.get_args()).map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    // A terminal of its own, on which both run one after the other.
    let line = format!("trap : INT; {}; echo \"code=$?\"; stty -a", words.join(" "));
    let script = harness::package::find("script").expect("`script` is in Debian's essential package bsdutils");
    let mut command = std::process::Command::new(script);
    command.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").env("HOME", postrider.beside(""));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut said = String::new();
    let mut read_until = |words: &str| {
        let mut octets = [0; 1024];
        while !said.contains(words) {
            let count = output.read(&mut octets).unwrap();
            assert!(count > 0, "it ended without {words:?}:\n{said}");
            said.push_str(&String::from_utf8_lossy(&octets[..count]));
        }
        said.clone()
    };
    read_until("Password of");
    input.write_all(b"\x03").unwrap();
    let said = read_until("echonl");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("code=6"), "{said}");
    let settings = said.split("code=").nth(1).unwrap();
    assert!(settings.split_whitespace().any(|flag| flag == "echo"), "{said}");
}
