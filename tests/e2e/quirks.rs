//! What an operator says of a server that needs more than the standards give, and is told of a line in clear.

use harness::postrider::Postrider;
use harness::scripted::Scripted;

use crate::scene::{ACCOUNT, add_account_with};
use crate::words::assert_words;

#[test]
fn quirks_are_named_kept_shown_and_taken_back() {
    let postrider = Postrider::new();
    let options = ["--server", "imap.163.com", "--quirk", "plain-under-tls", "--quirk", "stray-lines"];
    add_account_with(&postrider, ACCOUNT, 993, "tls", &options).succeeded();
    let quirks = |name: &str| postrider.json(&["account", "show", ACCOUNT])["receive"][name].to_string();
    assert_eq!(quirks("quirks"), r#"["plain-under-tls","stray-lines"]"#);
    assert_eq!(quirks("quirks_by_name"), r#"["id-after-sign-in","no-initial-response"]"#);
    assert_words("account_quirks", &postrider, &postrider.succeed(&["account", "show", ACCOUNT]));
    postrider.succeed(&["account", "edit", ACCOUNT, "--port", "994"]);
    assert_eq!(quirks("quirks"), r#"["plain-under-tls","stray-lines"]"#, "what is not named stays");
    postrider.succeed(&["account", "edit", ACCOUNT, "--quirk", "no-sasl"]);
    assert_eq!(quirks("quirks"), r#"["no-sasl"]"#);
    postrider.succeed(&["account", "edit", ACCOUNT, "--no-quirks"]);
    assert_eq!(quirks("quirks"), "[]");

    let unknown = postrider.run(&["account", "edit", ACCOUNT, "--quirk", "no-move"]);
    assert_eq!(unknown.code, Some(2));
    assert_words("usage_unknown_quirk", &postrider, &unknown);
    let foreign = postrider.run(&["account", "edit", ACCOUNT, "--quirk", "no-ehlo-after-sign-in"]);
    assert_eq!(foreign.code, Some(2));
    assert_words("usage_quirk_of_another_protocol", &postrider, &foreign);
}

/// A server that lists PLAIN with an initial response, and refuses every sign-in.
fn listing(greeting: &'static str) -> Scripted {
    Scripted::start(move |line| {
        line.write(format!("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] {greeting}\r\n").as_bytes());
        while let Some(command) = line.command() {
            line.write(format!("{} NO [AUTHENTICATIONFAILED] no\r\n", command.tag).as_bytes());
        }
    })
}

#[test]
fn a_quirk_changes_what_goes_over_the_line() {
    for (greeting, options, said) in [
        ("ready", &[][..], "P1 AUTHENTICATE PLAIN A"),
        ("ready", &["--quirk", "no-initial-response"], "P1 AUTHENTICATE PLAIN"),
        ("Coremail System IMap Server Ready(126com)", &[], "P1 AUTHENTICATE PLAIN"),
        ("perdition ready on mail.example.com", &["--quirk", "no-sasl"], "P1 LOGIN \"help\" "),
    ] {
        let server = listing(greeting);
        let postrider = Postrider::new();
        add_account_with(&postrider, ACCOUNT, server.port, "none", options).succeeded();
        assert_eq!(postrider.run(&["receive", ACCOUNT]).code, Some(10));
        let heard = server.heard();
        let command = heard.first().unwrap();
        assert!(command.starts_with(said), "{greeting} {options:?}: {heard:?}");
        assert_eq!(command == said, said.ends_with("PLAIN"), "{greeting} {options:?}: {heard:?}");
    }
}

#[test]
fn a_sign_in_in_clear_is_told() {
    const WORDS: &str = "cross the network in clear";
    let postrider = Postrider::new();
    let far = ["--server", "mail.example.com"];
    let added = add_account_with(&postrider, ACCOUNT, 143, "none", &far).succeeded();
    assert!(added.stderr.contains(WORDS) && added.stderr.contains("--security starttls"), "{}", added.stderr);
    let edited = postrider.succeed(&["account", "edit", ACCOUNT, "--port", "144", "--json"]);
    assert_eq!(edited.json()["receive"]["signs_in_clear"], true);
    assert!(postrider.succeed(&["account", "edit", ACCOUNT, "--port", "145"]).stderr.contains(WORDS));
    assert!(!postrider.succeed(&["account", "show", ACCOUNT]).stderr.contains(WORDS), "only who makes it so is told");
    // Through a proxy that is not there: told before it fails.
    postrider.succeed(&["account", "edit", ACCOUNT, "--proxy", "socks5h://127.0.0.1:1"]);
    let tested = postrider.run(&["account", "test", ACCOUNT, "--json"]);
    assert_eq!((tested.code, tested.json()["signs_in_clear"].as_bool()), (Some(12), Some(true)), "{}", tested.stderr);
    let tested = postrider.run(&["account", "test", ACCOUNT]);
    assert!(tested.stderr.contains(WORDS), "{}", tested.stderr);

    let secured = postrider.succeed(&["account", "edit", ACCOUNT, "--security", "starttls", "--json"]);
    assert!(!secured.stderr.contains(WORDS), "{}", secured.stderr);
    assert_eq!(secured.json()["receive"]["signs_in_clear"], false);
    // To this machine itself there is no network to listen on.
    let near = add_account_with(&postrider, "near", 143, "none", &[]).succeeded();
    assert!(!near.stderr.contains(WORDS), "{}", near.stderr);
}
