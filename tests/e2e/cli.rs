//! What every command says about itself, and what it says to a line that cannot be meant.

use harness::postrider::Postrider;

use crate::words::assert_words;

const COMMANDS: &[&str] = &[
    "",
    "connector",
    "connector list",
    "connector inspect",
    "connector install",
    "connector approve",
    "connector remove",
    "connector pack",
    "account",
    "account add",
    "account list",
    "account show",
    "account edit",
    "account remove",
    "account test",
    "receive",
    "message",
    "message list",
    "message show",
    "message export",
    "sink",
    "sink add",
    "sink list",
    "sink remove",
    "run",
    "status",
    "store",
    "store check",
];

#[test]
fn every_command_has_help() {
    let postrider = Postrider::new();
    let mut all = String::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let outcome = postrider.succeed(&arguments);
        assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
        all.push_str(&format!("$ postrider {}\n{}\n", arguments.join(" "), outcome.text()));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("help", all);
    });
    assert!(!postrider.home().exists(), "help makes no home");
}

#[test]
fn what_cannot_be_meant_is_refused_with_code_2() {
    let postrider = Postrider::new();
    for (name, arguments) in [
        ("no_command", &["recieve"][..]),
        ("no_option", &["receive", "--fast"]),
        ("bad_name", &["account", "show", "Not A Name"]),
        ("bad_security", &["account", "add", "x", "--receive", "imap", "--server", "localhost", "--security", "ssl"]),
        ("bad_port", &["account", "add", "x", "--receive", "imap", "--server", "localhost", "--port", "70000"]),
        ("bad_id", &["message", "show", "short"]),
    ] {
        let outcome = postrider.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        assert_words(&format!("usage_{name}"), &postrider, &outcome);
    }
}

#[test]
fn an_empty_home_says_what_to_do_next() {
    let postrider = Postrider::new();
    for (name, arguments) in [("accounts", &["account", "list"][..]), ("connectors", &["connector", "list"]), ("receive", &["receive"])] {
        let outcome = postrider.run(arguments);
        assert_words(&format!("empty_home_{name}"), &postrider, &outcome);
    }
}

#[test]
fn the_version_is_told() {
    let outcome = Postrider::new().succeed(&["--version"]);
    assert_eq!(outcome.text(), format!("postrider {}\n", env!("CARGO_PKG_VERSION")));
}
