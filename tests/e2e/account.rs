//! Accounts: added, shown, tested stage by stage, changed, removed; and no secret anywhere (P3, P8).

use data_encoding::BASE64;
use harness::corpus;
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::postrider::Postrider;
use serde_json::Value;

use crate::scene::{ACCOUNT, Scene, add_account};
use crate::words::assert_words;

#[test]
fn each_stage_of_a_test_is_told() {
    let scene = Scene::with(Setup::default());
    let tested = scene.postrider.json(&["account", "test", ACCOUNT]);
    let stages: Vec<&str> = tested["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["name", "connect", "tls", "greeting", "sign-in", "folders"]);
    assert!(tested["stages"].as_array().unwrap().iter().all(|stage| stage["fault"].is_null() && stage["elapsed_ms"].is_u64()));
    let outcome = scene.postrider.succeed(&["account", "test", ACCOUNT]);
    assert_words("account_test", &scene.postrider, &outcome);
}

#[test]
fn the_stage_that_fails_is_named() {
    let scene = Scene::with(Setup::default());
    scene.postrider.run_with_input(&["account", "edit", ACCOUNT, "--password-stdin"], b"wrong horse battery").succeeded();
    let outcome = scene.postrider.run(&["account", "test", ACCOUNT, "--json"]);
    assert_eq!(outcome.code, Some(10), "{}", outcome.stderr);
    let tested = outcome.json();
    let last = tested["stages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["stage"].as_str(), last["fault"]["kind"].as_str()), (Some("sign-in"), Some("unauthenticated")));
}

#[test]
fn an_origin_that_is_elsewhere_is_the_operators_word_and_shown() {
    let scene = Scene::with(Setup::default());
    let origins = || scene.postrider.json(&["account", "show", ACCOUNT])["receive"]["origins"].clone();
    assert_eq!(origins(), Value::Null);
    let (here, cloud) = ("https://api.example=http://127.0.0.1:9000", "https://mail.example=https://mail.cloud.example");
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--origin", here, "--origin", cloud]);
    assert_eq!(origins(), serde_json::json!([here, cloud]));
    assert!(scene.postrider.succeed(&["account", "show", ACCOUNT]).text().contains(&format!("{here} {cloud}")));
    for wrong in ["https://api.example", "https://api.example=http://mail.cloud.example", "http://127.0.0.1=https://api.example", "a=b"] {
        let refused = scene.postrider.run(&["account", "edit", ACCOUNT, "--origin", wrong]);
        assert_eq!(refused.code, Some(2), "{wrong}: {}", refused.stderr);
        assert!(refused.stderr.contains("--origin https://FROM"), "{}", refused.stderr);
    }
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--no-origins"]);
    assert_eq!(origins(), Value::Null);
}

#[test]
fn an_account_is_added_shown_changed_and_removed() {
    let scene = Scene::with(Setup::default());
    let show = |name: &str| scene.postrider.json(&["account", "show", name]);
    let shown = show(ACCOUNT);
    assert_eq!((shown["name"].as_str(), shown["receive"]["user"].as_str()), (Some(ACCOUNT), Some(USER)));
    assert_eq!((shown["receive"]["has_secret"].as_bool(), shown["receive"]["security"].as_str()), (Some(true), Some("tls")));
    assert_words("account_show", &scene.postrider, &scene.postrider.succeed(&["account", "show", ACCOUNT]));
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--read-timeout-ms", "12345", "--set", "limit.folders=7"]);
    let edited = show(ACCOUNT);
    assert_eq!((edited["receive"]["read_timeout_ms"].as_u64(), edited["receive"]["limits"]["folders"].as_u64()), (Some(12_345), Some(7)));
    assert_eq!(edited["receive"]["server"], shown["receive"]["server"], "what is not named stays");

    let again = add_account(&scene.postrider, ACCOUNT, &scene.dovecot, scene.dovecot.imaps, "tls");
    assert_eq!(again.code, Some(4), "{}", again.stderr);
    assert_words("account_add_twice", &scene.postrider, &again);

    scene.deliver([corpus::note("goes with its account")]);
    scene.receive();
    scene.postrider.succeed(&["account", "remove", ACCOUNT, "--yes"]);
    assert_eq!(scene.postrider.json(&["account", "list"]), Value::Array(Vec::new()));
    assert_eq!(scene.postrider.json(&["message", "list"]), Value::Array(Vec::new()));
    // A new account of the old name begins from nothing.
    add_account(&scene.postrider, ACCOUNT, &scene.dovecot, scene.dovecot.imaps, "tls").succeeded();
    assert_eq!(scene.receive()["received"].as_u64(), Some(1));
    scene.assert_clean();
}

#[test]
fn no_secret_and_no_mail_is_readable_in_the_home() {
    let scene = Scene::with(Setup::default());
    let marker = "zebra-crossing-at-noon";
    scene.deliver([corpus::note(marker)]);
    let mut said = Vec::new();
    for arguments in [
        &["account", "edit", ACCOUNT, "--proxy", ""][..],
        &["account", "show", ACCOUNT],
        &["account", "show", ACCOUNT, "--json"],
        &["account", "test", ACCOUNT, "-vv"],
        &["receive", ACCOUNT, "-vv"],
        &["status", "--json"],
    ] {
        let outcome = scene.postrider.succeed(arguments);
        said.push((arguments.join(" "), outcome.text() + &outcome.stderr));
    }
    scene.postrider.run_with_input(&["account", "edit", ACCOUNT, "--password-stdin"], b"wrong horse battery").succeeded();
    let outcome = scene.postrider.run(&["receive", ACCOUNT, "-vv"]);
    assert_eq!(outcome.code, Some(10), "{}", outcome.stderr);
    said.push(("receive with a wrong password".to_owned(), outcome.text() + &outcome.stderr));

    for secret in [PASSWORD, "wrong horse battery"] {
        for spelling in spellings(secret) {
            for (command, words) in &said {
                assert!(!words.contains(&spelling), "`{command}` shows {spelling:?}");
            }
            assert_eq!(scene.postrider.files_with(spelling.as_bytes()), Vec::<std::path::PathBuf>::new(), "{spelling:?} in the home");
        }
    }
    for text in [marker, "help@example.com", "Subject:", USER_AT_REST] {
        assert_eq!(scene.postrider.files_with(text.as_bytes()), Vec::<std::path::PathBuf>::new(), "{text:?} in the home");
    }
}

/// The account's server, as a store without sealing would hold it.
const USER_AT_REST: &str = "localhost";

#[test]
fn a_proxy_password_is_never_shown() {
    let dovecot = Dovecot::start();
    let postrider = Postrider::new();
    let proxy = ["--proxy", "socks5h://me:correct%20staple@127.0.0.1:1"];
    let ca = dovecot.ca_file();
    let options = [&proxy[..], &["--ca", ca.to_str().unwrap()]].concat();
    crate::scene::add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &options).succeeded();
    for arguments in [&["account", "show", ACCOUNT][..], &["account", "show", ACCOUNT, "--json"], &["account", "test", ACCOUNT, "-vv"]] {
        let outcome = postrider.run(arguments);
        let words = outcome.text() + &outcome.stderr;
        assert!(!words.contains("staple"), "{words}");
    }
    assert_eq!(postrider.files_with(b"staple"), Vec::<std::path::PathBuf>::new());
}

/// The ways in which a password stands in a SASL exchange or a file.
fn spellings(secret: &str) -> Vec<String> {
    let plain = BASE64.encode(format!("\0{USER}\0{secret}").as_bytes());
    vec![secret.to_owned(), secret.replace(' ', "%20"), BASE64.encode(secret.as_bytes()).trim_end_matches('=').to_owned(), plain]
}
